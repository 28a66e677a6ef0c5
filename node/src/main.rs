//! Run a whole Piecewise node: command line, assembly and services.
//!
//! `assembly.rs` is the one file that shows how the parts are connected; the services are `gateway` (files in), `fetch`
//! (files out), `provider` (pieces kept) and `chain` (blocks), each over the crates below.

mod admission;
mod args;
mod assembly;
mod backend;
mod base_path;
mod chain;
mod cli;
mod deal_nonces;
mod dev_providers;
mod directory;
mod errors;
mod failpoints;
mod fetch;
mod gateway;
mod gossip;
mod keystore;
mod labels;
mod line_log;
mod listen;
mod meeting;
mod metrics;
mod opening;
mod provider;
mod recorded;
mod roles;
mod sharing;
mod shutdown;
mod source;
mod spool;
mod status;
mod storage_network;
mod submitter;
mod sync;
mod telemetry;
mod traffic;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The chain of causes, once, where it is handled; each says what the one before left out.
            if !error.is::<cli::Said>() {
                eprintln!("error: {error:#}");
            }
            cli::exit_code(&error)
        }
    }
}
