//! Run real node processes and check what users see.
