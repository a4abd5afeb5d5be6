//! `journal show`: what the daemon decided on each message, and why.

use std::io::Write;

use crate::exit::{Exit, Failure};

mod line;
mod show;

/// For the end of every `--help`.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0   read to its end; what is damaged or was lost in it is told
  1   there is no journal, or it cannot be read
  64  the command line is wrong
  78  the configuration is wrong";

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Show the records of messages, oldest first
    #[command(after_help = EXIT_CODES)]
    Show(show::Args),
}

pub(crate) fn run(command: &Command, json: bool, out: &mut impl Write) -> Result<Exit, Failure> {
    match command {
        Command::Show(args) => show::run(args, json, out),
    }
}
