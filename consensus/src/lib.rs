//! Agree on blocks with Malachite.
