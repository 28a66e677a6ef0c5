//! Decide what a block changes: the rules of the chain as a pure state machine.
