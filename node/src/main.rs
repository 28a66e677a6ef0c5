//! Run a whole Piecewise node.
fn main() {}
