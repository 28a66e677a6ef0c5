//! Flags of a running node, one struct for each concern.

mod network;
mod roles;

pub use network::NetworkArgs;
pub use roles::RoleArgs;
