//! `dns show`, `dns check`.

use std::io::Write;

use crate::exit::{EXIT_CODES, Exit, Failure};

mod check;
mod dmarc;
mod show;

/// For the end of `dns check --help`.
const CHECK_EXIT_CODES: &str = "\
Exit codes:
  0   every key matches what is published, as far as there are keys, and SPF and DMARC are in order
  1   something is to be mended, or a key cannot be used
  2   not known now, try again later (the DNS does not answer)
  64  the command line is wrong
  78  the configuration or a zone file is wrong";

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Show the records to publish
    #[command(after_help = EXIT_CODES)]
    Show(show::Args),
    /// Compare what is published with the keys, look at SPF and DMARC, and say how to mend it
    #[command(after_help = CHECK_EXIT_CODES)]
    Check(check::Args),
}

pub(crate) fn run(command: &Command, json: bool, out: &mut impl Write) -> Result<Exit, Failure> {
    match command {
        Command::Show(args) => show::run(args, json, out),
        Command::Check(args) => check::run(args, json, out),
    }
}
