//! `node completions`: what a shell needs to complete this program's command line.

use std::io::{self, ErrorKind, Write};

use anyhow::Context;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;

/// Flags of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

impl CompletionsArgs {
    /// Prints the script. A reader that has gone is an ordinary end.
    pub fn run(self) -> anyhow::Result<()> {
        match io::stdout().write_all(&script(self.shell)) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("write the completions"),
            _ => Ok(()),
        }
    }
}

/// Made in memory: clap would panic where the output is closed early.
fn script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), env!("CARGO_PKG_NAME"), &mut script);
    script
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory, ValueEnum};
    use clap_complete::Shell;

    use super::script;
    use crate::cli::Cli;

    /// Names of all commands below this one and all long flags.
    fn names(command: &Command) -> Vec<String> {
        let flags = command.get_arguments().filter_map(|flag| flag.get_long().map(str::to_owned));
        let inner =
            command.get_subcommands().flat_map(|inner| [vec![inner.get_name().to_owned()], names(inner)].concat());
        flags.chain(inner).collect()
    }

    #[test]
    fn every_shell_learns_every_command_and_every_flag() {
        for shell in Shell::value_variants() {
            let script = String::from_utf8(script(*shell)).expect("a script is text");
            for name in names(&Cli::command()) {
                assert!(script.contains(&name), "{shell} does not know {name}");
            }
        }
    }
}
