//! `node --chain ...`: run a node until a signal comes.

use std::path::PathBuf;

use anyhow::Context;
use chain_spec::ChainSpec;
use clap::Args;

use crate::args::{NetworkArgs, RoleArgs};
use crate::assembly::{Node, NodeConfig};
use crate::base_path::BasePath;
use crate::metrics::MetricsPort;
use crate::shutdown::Signals;
use crate::{failpoints, shutdown, telemetry};

/// Flags of a running node.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The network: dev, local, or the path of a chain spec.
    #[arg(long, value_name = "dev|local|SPEC.json", default_value = "dev")]
    pub chain: String,
    /// Where everything is kept; the user's data folder if not given.
    #[arg(long, value_name = "DIR", conflicts_with = "tmp")]
    pub base_path: Option<PathBuf>,
    /// Keep everything in a folder that is deleted at the end.
    #[arg(long)]
    pub tmp: bool,
    /// The node's name, for people; that of --alice ... --ferdie, or piecewise, if not given.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    #[command(flatten)]
    pub roles: RoleArgs,
    #[command(flatten)]
    pub network: NetworkArgs,
    /// TCP port of JSON-RPC and HTTP on 127.0.0.1; 0 = any free one.
    #[arg(long, value_name = "PORT", default_value_t = 9_944)]
    pub rpc_port: u16,
    /// Origins that browsers may call from, separated by commas; none if not given.
    #[arg(long, value_name = "ORIGINS", value_delimiter = ',', value_parser = parse_origin)]
    pub rpc_cors: Vec<String>,
    /// TCP port of /metrics on 127.0.0.1; 0 = any free one. Without it 9615 is tried, and one that is taken does not
    /// stop the node.
    #[arg(long, value_name = "PORT")]
    pub prometheus_port: Option<u16>,
    /// Serve no metrics.
    #[arg(long, conflicts_with = "prometheus_port")]
    pub no_prometheus: bool,
    /// Bytes each provider of this node may keep, as 500MB or 2GiB; the disk's free space if not given.
    #[arg(long, value_name = "SIZE", value_parser = parse_quota)]
    pub storage_quota: Option<u64>,
    /// Bytes of pieces that this node has read to keep for a while and pass on to others, as 500MB or 2GiB; 0 keeps none.
    #[arg(long, value_name = "SIZE", value_parser = parse_size, default_value_t = dsn::CACHE_BYTES)]
    pub cache_size: u64,
    /// Make the signer's guard file anew if it is missing or damaged, though there are blocks. Only for who knows that
    /// the validator's key signed nothing that is not in the ledger; see docs/disks.md.
    #[arg(long)]
    pub new_guard: bool,
    /// Log levels by target, as consensus=debug; may be given several times.
    #[arg(long, value_name = "TARGET=LEVEL", value_parser = parse_log)]
    pub log: Vec<String>,
}

impl RunArgs {
    /// Runs the node until SIGINT, SIGTERM or the end of a part it cannot do without.
    pub fn run(self) -> anyhow::Result<()> {
        pieces::check_cpu().context("this program was compiled for another processor")?;
        telemetry::start(&self.log)?;
        failpoints::arm()?;
        let spec = ChainSpec::load(&self.chain)?;
        let base = BasePath::open(self.base_path.as_deref(), self.tmp, &spec.id)?;
        let config = NodeConfig {
            name: self.name.unwrap_or_else(|| self.roles.dev_account().unwrap_or("piecewise").to_owned()),
            roles: self.roles,
            network: self.network,
            chain: self.chain,
            rpc_port: self.rpc_port,
            rpc_cors: self.rpc_cors,
            metrics: match (self.no_prometheus, self.prometheus_port) {
                (true, _) => MetricsPort::Off,
                (false, Some(port)) => MetricsPort::At(port),
                (false, None) => MetricsPort::Usual,
            },
            storage_quota: self.storage_quota,
            cache_bytes: self.cache_size,
            new_guard: self.new_guard,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
        let result = runtime.block_on(async {
            let mut signals = Signals::listen().context("listen for signals")?;
            let node = Node::start(spec, &base, config).await?;
            let ended = tokio::select! {
                name = signals.next() => {
                    tracing::info!(signal = name, "stopping");
                    Ok(())
                }
                reason = node.ended() => Err(crate::cli::ExitReason::PartEnded(reason).into()),
            };
            let hurry = async {
                let name = signals.next().await;
                tracing::info!(signal = name, "stopping at once");
            };
            node.stop(hurry).await;
            ended
        });
        runtime.shutdown_timeout(shutdown::BLOCKING_GRACE);
        result
    }
}

/// An origin as browsers send it; the server compares it with theirs.
fn parse_origin(text: &str) -> Result<String, String> {
    if text == "*" {
        return Ok(text.to_owned());
    }
    let written = || format!("{text} is not written scheme://host or scheme://host:port, as http://localhost:3000");
    let (scheme, host) = text.split_once("://").ok_or_else(written)?;
    let host = host.trim_end_matches('/');
    let is_host = !host.is_empty() && !host.contains(['/', '?', '#', '@']);
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(|c| !c.is_whitespace());
    if is_host && is_scheme { Ok(text.to_owned()) } else { Err(written()) }
}

/// As `consensus=debug`; a level alone is for all targets. A word alone would be a target with every level.
fn parse_log(text: &str) -> Result<String, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let level = text.rsplit_once('=').map_or(text, |(_, level)| level);
    if LEVELS.iter().any(|known| known.eq_ignore_ascii_case(level)) {
        return Ok(text.to_owned());
    }
    Err(format!("{level} is not a level ({})", LEVELS.join(", ")))
}

fn parse_quota(text: &str) -> Result<u64, String> {
    match parse_size(text)? {
        0 => Err("a provider with no room keeps nothing".into()),
        bytes => Ok(bytes),
    }
}

/// Reads a number of bytes with an optional unit: kB, MB, GB, TB or KiB, MiB, GiB, TiB.
fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| format!("{text} does not begin with a whole number"))?;
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1_u64 << 40,
        other => return Err(format!("{other} is not a unit of bytes (kB, MB, GB, TB, KiB, MiB, GiB, TiB)")),
    };
    number.checked_mul(factor).ok_or_else(|| format!("{text} is too large"))
}

#[cfg(test)]
mod tests {
    use super::{parse_log, parse_origin, parse_quota, parse_size};

    #[test]
    fn what_is_no_origin_no_level_and_no_quota_is_refused() {
        for origin in ["http://localhost:3000", "https://a.example/", "*"] {
            assert_eq!(parse_origin(origin), Ok(origin.to_owned()));
        }
        for origin in ["x", "http://", "http://a/b", "://a", ""] {
            assert!(parse_origin(origin).is_err(), "{origin}");
        }
        for log in ["consensus=debug", "warn", "rpc::api=TRACE"] {
            assert_eq!(parse_log(log), Ok(log.to_owned()));
        }
        for log in ["x", "consensus", "consensus=loud", ""] {
            assert!(parse_log(log).is_err(), "{log}");
        }
        assert_eq!(parse_quota("1"), Ok(1));
        assert!(parse_quota("0").is_err() && parse_quota("0GB").is_err());
    }

    #[test]
    fn sizes_are_read_with_their_units() {
        assert_eq!(parse_size("500MB"), Ok(500_000_000));
        assert_eq!(parse_size("2 GiB"), Ok(2 << 30));
        assert_eq!(parse_size("7"), Ok(7));
        assert!(parse_size("GiB").is_err());
        assert!(parse_size("1 parsec").is_err());
        assert!(parse_size("99999999999TiB").is_err());
    }
}
