//! The command line: `node` runs a node, `node file` moves files through one, the rest looks after keys and chains.

pub mod chain_info;
mod completions;
pub mod export_spec;
pub mod file;
pub mod key;
mod print;
pub mod provider;
pub mod purge;
pub mod run;
pub mod verify_proof;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::base_path::InUse;

/// Exit code when the base path belongs to another genesis (`EX_DATAERR`).
const EXIT_OTHER_GENESIS: u8 = 65;
/// Exit code when a part of the node ended by itself (`EX_SOFTWARE`).
const EXIT_PART_ENDED: u8 = 70;
/// Exit code when the base path cannot be written (`EX_CANTCREAT`).
const EXIT_NOT_WRITABLE: u8 = 73;
/// Exit code when what is kept in the base path is damaged (`EX_IOERR`).
const EXIT_DAMAGED: u8 = 74;
/// Exit code when another node uses the base path (`EX_TEMPFAIL`).
const EXIT_IN_USE: u8 = 75;

/// A peer-to-peer storage network whose ledger is a blockchain.
#[derive(Debug, Parser)]
#[command(name = "node", version, about, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: run::RunArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Put files into a network, get them back, and see where their pieces are.
    File(FileArgs),
    /// Make keys and see what they stand for.
    Key(KeyArgs),
    /// See what the ledger says of a provider.
    Provider(ProviderArgs),
    /// Say which chain it is and how far this machine has it.
    ChainInfo(chain_info::ChainInfoArgs),
    /// Print a chain spec as JSON, as --chain reads it from a file.
    #[command(alias = "build-spec")]
    ExportChainSpec(export_spec::ExportSpecArgs),
    /// Delete everything that this machine keeps of a chain.
    PurgeChain(purge::PurgeArgs),
    /// Print what a shell needs to complete this command line.
    Completions(completions::CompletionsArgs),
    /// Check an answer that carries a proof, without a node and without a network.
    VerifyProof(verify_proof::VerifyProofArgs),
}

#[derive(Debug, Args)]
struct FileArgs {
    #[command(subcommand)]
    command: file::FileCommand,
}

#[derive(Debug, Args)]
struct KeyArgs {
    #[command(subcommand)]
    command: key::KeyCommand,
}

#[derive(Debug, Args)]
struct ProviderArgs {
    #[command(subcommand)]
    command: provider::ProviderCommand,
}

impl Cli {
    /// Does what the command line asks for; returns when it is done or a signal has come.
    pub fn run(self) -> anyhow::Result<()> {
        match self.command {
            Some(Command::File(args)) => args.command.run(),
            Some(Command::Key(args)) => args.command.run(),
            Some(Command::Provider(args)) => args.command.run(),
            Some(Command::ChainInfo(args)) => args.run(),
            Some(Command::ExportChainSpec(args)) => args.run(),
            Some(Command::PurgeChain(args)) => args.run(),
            Some(Command::Completions(args)) => args.run(),
            Some(Command::VerifyProof(args)) => args.run(),
            None => self.run.run(),
        }
    }
}

/// A failure that operators tell apart by the exit code.
#[derive(Debug, thiserror::Error)]
pub enum ExitReason {
    /// The base path holds another chain.
    #[error("{0}")]
    OtherGenesis(String),
    /// The base path cannot be written: read only, full, or somebody else's.
    #[error("{0}")]
    NotWritable(String),
    /// What is kept in the base path is damaged, or its parts contradict each other.
    #[error("{0}")]
    Damaged(String),
    /// Another process has the ledger open.
    #[error("{0}")]
    InUse(String),
    /// The consensus engine, or another part the node cannot do without, ended by itself.
    #[error("{0}")]
    PartEnded(String),
}

/// A failure of which everything is on standard output already.
#[derive(Debug, thiserror::Error)]
#[error("see standard output")]
pub struct Said;

/// The exit code of a failure; 1 for those without one of their own.
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    if error.is::<InUse>() {
        return ExitCode::from(EXIT_IN_USE);
    }
    match error.downcast_ref::<ExitReason>() {
        Some(ExitReason::OtherGenesis(_)) => ExitCode::from(EXIT_OTHER_GENESIS),
        Some(ExitReason::PartEnded(_)) => ExitCode::from(EXIT_PART_ENDED),
        Some(ExitReason::NotWritable(_)) => ExitCode::from(EXIT_NOT_WRITABLE),
        Some(ExitReason::Damaged(_)) => ExitCode::from(EXIT_DAMAGED),
        Some(ExitReason::InUse(_)) => ExitCode::from(EXIT_IN_USE),
        None => ExitCode::FAILURE,
    }
}
