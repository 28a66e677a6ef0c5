//! `node verify-proof`: whether an answer of a node is what the chain says. Needs no node, no network, no database.

mod answer;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, bail};
use clap::Args;
use runtime::light::{ProvenState, Trust};
use runtime::state::ReadTables;
use runtime::tables::ParameterTable;
use runtime::types::{BlockHash, Height};

use super::Said;
use crate::chain::clock_ms;

/// Bytes of a file that are read: twice the largest answer of a node.
const FILE_BYTES_MAX: u64 = 32 << 20;
/// The last millisecond that RFC 3339 can write, in the year 9999.
const LAST_MS: u64 = 253_402_300_799_999;

/// Flags of `verify-proof`.
#[derive(Debug, Args)]
pub struct VerifyProofArgs {
    /// What `storage_locate` with a proof or `state_getProof` answered, as JSON: the result or the whole response; - =
    /// standard input.
    file: PathBuf,
    /// The chain's genesis hash.
    #[arg(long, value_name = "HASH", required_unless_present = "trusted", conflicts_with = "trusted")]
    genesis: Option<BlockHash>,
    /// A block that is known to be the chain's, for a proof that was asked for with its height as `trusted`.
    #[arg(long, value_name = "HEIGHT:HASH", value_parser = parse_trusted)]
    trusted: Option<Trust>,
}

impl VerifyProofArgs {
    /// Prints one line: that the answer is valid, and when it was, or why it is not.
    pub fn run(self) -> anyhow::Result<()> {
        let trust = match (self.genesis, self.trusted) {
            (Some(genesis), None) => Trust::Genesis(genesis),
            (None, Some(trusted)) => trusted,
            _ => bail!("give either --genesis or --trusted"),
        };
        let json = read(&self.file)?;
        let mut out = std::io::stdout();
        match answer::check(&json, &trust) {
            Ok(state) => {
                if let Some(warning) = warning(&state, clock_ms()) {
                    eprintln!("warning: {warning}");
                }
                let (height, time) = (state.header().height, time(state.header().timestamp_ms));
                writeln!(out, "valid at height {height}, time {time}").context("write the verdict")
            }
            Err(why) => {
                writeln!(out, "invalid: {why:#}").context("write the verdict")?;
                Err(Said.into())
            }
        }
    }
}

/// `HEIGHT:HASH`.
fn parse_trusted(text: &str) -> Result<Trust, String> {
    let (height, hash) = text.split_once(':').ok_or("must be HEIGHT:HASH, as 1200:0x5d..")?;
    let height: Height = height.parse().map_err(|_| format!("{height:?} is not a height"))?;
    let hash: BlockHash = hash.parse().map_err(|error| format!("{hash:?} is not a block hash: {error}"))?;
    Ok(Trust::Block { height, hash })
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let source: Box<dyn Read> = match path.to_str() {
        Some("-") => Box::new(std::io::stdin().lock()),
        _ => Box::new(std::fs::File::open(path).with_context(|| format!("open {}", path.display()))?),
    };
    let mut bytes = Vec::new();
    source.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).with_context(|| format!("read {}", path.display()))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > FILE_BYTES_MAX {
        bail!("{} has more than {FILE_BYTES_MAX} bytes", path.display());
    }
    Ok(bytes)
}

/// What to say of a proof that leads from block 0 over validators who may have nothing to lose any more.
fn warning(state: &ProvenState, now_ms: u64) -> Option<String> {
    let changed_ms = state.first_handoff_ms()?;
    // A node sends the parameters along; without them nobody knows how long bonds are held.
    let unbonding_ms = state
        .require::<ParameterTable>(&())
        .map_or(0, |parameters| parameters.time.epoch_ms.saturating_mul(parameters.staking.unbonding_epochs.into()));
    (now_ms > changed_ms.saturating_add(unbonding_ms)).then(|| {
        format!(
            "the validators of block 0 were replaced at {}, longer ago than bonds are held: with nothing to lose they could \
             sign another history; ask for a proof from a recent block that you trust, and check it with --trusted",
            time(changed_ms)
        )
    })
}

/// RFC 3339 in UTC, with milliseconds.
fn time(timestamp_ms: u64) -> humantime::Rfc3339Timestamp {
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(timestamp_ms.min(LAST_MS)))
}

#[cfg(test)]
mod tests;
