//! Which chain and which version a peer is of, as identify says it: `/piecewise/<version>/<genesis, 16 digits>`.

use runtime::types::BlockHash;
use std::fmt;

/// The version of all protocols together: peers of another are not talked to.
const VERSION: u32 = 1;
/// Digits of the genesis hash that are said. The protocols' own names carry all of it.
const GENESIS_DIGITS: usize = 16;
/// Characters that are shown of what a peer says it is.
const SHOWN_CHARS_MAX: usize = 64;

/// What this peer is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Family {
    version: u32,
    genesis: String,
}

/// Why a peer is none to talk to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// It is of another chain.
    Genesis { theirs: String, ours: String },
    /// It is of the same chain and speaks another version.
    Version { theirs: u32, ours: u32 },
    /// It is no peer of a storage network.
    Stranger { said: String },
}

impl Family {
    pub(crate) fn of(genesis: &BlockHash) -> Self {
        Self { version: VERSION, genesis: genesis.to_string().chars().take(GENESIS_DIGITS).collect() }
    }

    /// Compares with what a peer said.
    pub(crate) fn check(&self, said: &str) -> Result<(), Mismatch> {
        let stranger = || Mismatch::Stranger { said: said.escape_debug().take(SHOWN_CHARS_MAX).collect() };
        let Some((version, genesis)) = said.strip_prefix("/piecewise/").and_then(|rest| rest.split_once('/')) else {
            return Err(stranger());
        };
        let theirs: u32 = version.parse().map_err(|_| stranger())?;
        if genesis != self.genesis {
            if genesis.len() != GENESIS_DIGITS || !genesis.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(stranger());
            }
            return Err(Mismatch::Genesis { theirs: genesis.to_owned(), ours: self.genesis.clone() });
        }
        if theirs != self.version {
            return Err(Mismatch::Version { theirs, ours: self.version });
        }
        Ok(())
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/piecewise/{}/{}", self.version, self.genesis)
    }
}

/// Continues "the peer ...".
impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Genesis { theirs, ours } => write!(f, "is of the chain with genesis {theirs}, ours is {ours}"),
            Self::Version { theirs, ours } => write!(f, "speaks version {theirs} of the protocol, ours is {ours}"),
            Self::Stranger { said } => write!(f, "is of no chain that is known here, but of \"{said}\""),
        }
    }
}

#[cfg(test)]
mod tests;
