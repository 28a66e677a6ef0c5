//! Show clients the network: JSON-RPC and HTTP files.
