//! From the journal of Postseal's daemon to the database that reports to domain owners are made of.
#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod cmd;
mod exit;
mod place;

use exit::{EXIT_CODES, Exit};

/// Counts what the daemon has decided, for the reports to domain owners.
#[derive(Debug, Parser)]
#[command(name = "postseal-report", version, after_help = EXIT_CODES)]
struct Cli {
    /// Print JSON in place of text
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    place: place::Place,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Count the journal into the database, and go on with what comes
    #[command(after_help = EXIT_CODES)]
    Import(cmd::import::Args),
    /// Make the reports of the days that are over, and send those that are due
    #[command(after_help = EXIT_CODES)]
    Send(cmd::send::Args),
    /// Take away what is old: rows and reports after 90 days, sums of days after 400
    #[command(after_help = EXIT_CODES)]
    Expire(cmd::expire::Args),
    /// Look at reports: those that are made, one of them
    #[command(subcommand, after_help = EXIT_CODES)]
    Outgoing(cmd::outgoing::Command),
    /// Make, check, copy and read the database
    #[command(subcommand, after_help = EXIT_CODES)]
    Db(cmd::db::Command),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are errors to clap; they go to standard output and are a success. Nothing can be done about a closed output.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Pass }.into();
        }
    };
    let mut out = io::stdout();
    let done = cmd::run(&cli.command, &cli.place, cli.json, &mut out);
    let exit = done.unwrap_or_else(|failure| failure.report(cli.json, &mut out, &mut io::stderr().lock()));
    // What could not be written was reported where it was written.
    let _ = out.flush();
    exit.into()
}
