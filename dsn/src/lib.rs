//! Move pieces between peers and keep them on disk.
