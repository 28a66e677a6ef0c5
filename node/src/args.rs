//! Flags of a running node, one struct for each concern.

mod limits;
mod network;
mod roles;

pub use limits::Limits;
pub use network::NetworkArgs;
pub use roles::RoleArgs;
