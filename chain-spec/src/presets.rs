//! The chain specs that come with the program.

use crate::spec::{ChainSpec, SpecError};

/// Names of the presets.
pub const PRESETS: [&str; 2] = ["dev", "local"];

/// The preset of this name, if there is one.
///
/// # Errors
/// [`SpecError`] only if a preset in this source is wrong, which a test excludes.
pub fn preset(name: &str) -> Result<Option<ChainSpec>, SpecError> {
    let text = match name {
        "dev" => include_str!("../presets/dev.json"),
        "local" => include_str!("../presets/local.json"),
        _ => return Ok(None),
    };
    ChainSpec::from_json(text).map(Some)
}
