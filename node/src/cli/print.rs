//! Answers on standard output. A reader that has gone, such as `head`, is an ordinary end.

use std::io::{ErrorKind, Write};

use anyhow::Context;
use clap::ValueEnum;
use serde::Serialize;

/// How a command answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A line for each field.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

impl Output {
    /// Prints the fields of `answer`, a struct, those that are none left out.
    pub fn print(self, answer: &impl Serialize) -> anyhow::Result<()> {
        let value = serde_json::to_value(answer).context("encode the answer")?;
        match (self, value.as_object()) {
            (Self::Text, Some(fields)) => {
                let width = fields.keys().map(String::len).max().unwrap_or(0);
                for (name, field) in fields {
                    let text = field.as_str().map_or_else(|| field.to_string(), str::to_owned);
                    line(&format!("{name:width$}  {text}"))?;
                }
                Ok(())
            }
            _ => line(&format!("{value:#}")),
        }
    }
}

/// Prints a line.
pub fn line(text: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("write the answer"),
        _ => Ok(()),
    }
}
