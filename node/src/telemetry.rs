//! Log lines on standard error: lower-case facts with fields.

use std::io::IsTerminal;

use anyhow::Context;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Directive;

/// Libraries that speak too much at `info`.
const QUIET: &[&str] = &["warn", "node=info", "ledger=info", "consensus=info", "dsn=info", "rpc=info"];

/// Starts logging with `directives` (`TARGET=LEVEL`) on top of the defaults and of `RUST_LOG`.
pub fn start(directives: &[String]) -> anyhow::Result<()> {
    let mut filter = EnvFilter::new("");
    for text in QUIET.iter().chain(consensus::LOG_DIRECTIVES) {
        filter = filter.add_directive(text.parse::<Directive>().with_context(|| format!("log directive {text}"))?);
    }
    let environment = std::env::var("RUST_LOG").unwrap_or_default();
    let given = environment.split(',').filter(|text| !text.is_empty());
    for text in given.chain(directives.iter().map(String::as_str)) {
        filter = filter.add_directive(text.parse::<Directive>().with_context(|| format!("--log {text}"))?);
    }
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .try_init()
        .map_err(|error| anyhow::anyhow!("start logging: {error}"))
}
