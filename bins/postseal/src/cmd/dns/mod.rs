//! `dns show`, `dns check`.

use std::io::Write;

use crate::exit::{EXIT_CODES, Exit, Failure};

mod check;
mod show;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Show the records to publish
    #[command(after_help = EXIT_CODES)]
    Show(show::Args),
    /// Compare what is published with the keys, and say how to mend it
    #[command(after_help = EXIT_CODES)]
    Check(check::Args),
}

pub(crate) fn run(command: &Command, json: bool, out: &mut impl Write) -> Result<Exit, Failure> {
    match command {
        Command::Show(args) => show::run(args, json, out),
        Command::Check(args) => check::run(args, json, out),
    }
}
