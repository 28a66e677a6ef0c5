//! Failpoints: named places at which a test has a process die. See docs/adr/0013-failpoints.md.

use anyhow::{Context, anyhow};

/// Names and actions, as `ledger::commit::before_write=2*off->panic;...`: the third pass ends the process.
const VARIABLE: &str = "FAILPOINTS";

/// Arms what the environment names. From then on a panic on any thread ends the process at once, as a power cut would:
/// nothing is unwound, flushed or answered.
pub fn arm() -> anyhow::Result<()> {
    let Some(armed) = std::env::var_os(VARIABLE).filter(|armed| !armed.is_empty()) else { return Ok(()) };
    let armed = armed.into_string().map_err(|_| anyhow!("{VARIABLE} is not text"))?;
    for one in armed.split(';').map(str::trim).filter(|one| !one.is_empty()) {
        let (name, actions) = one.split_once('=').with_context(|| format!("{VARIABLE}: {one} has no action"))?;
        fail::cfg(name, actions).map_err(|why| anyhow!("{VARIABLE}: {name}: {why}"))?;
    }
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        usual(panic);
        std::process::abort();
    }));
    tracing::warn!(armed, "failpoints are armed: this node is meant to die");
    Ok(())
}
