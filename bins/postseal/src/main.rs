//! The operator's tool of Postseal: keys and their DNS records, signing and verifying files, and a test of a running daemon.
#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod cmd;
mod delivered;
mod exit;
mod mail;
mod mta;
mod tryout;
mod verification;

use exit::{EXIT_CODES, Exit};

/// Makes keys, checks DNS records, signs, verifies and explains messages, and takes domains to enforcement.
#[derive(Debug, Parser)]
#[command(name = "postseal", version, after_help = EXIT_CODES)]
struct Cli {
    /// Print JSON in place of text
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make and list signing keys
    #[command(subcommand, after_help = EXIT_CODES)]
    Key(cmd::key::Command),
    /// Show the DNS records of keys, and check what is published for a domain
    #[command(subcommand, after_help = EXIT_CODES)]
    Dns(cmd::dns::Command),
    /// Show what was decided on each message
    #[command(subcommand, after_help = cmd::journal::EXIT_CODES)]
    Journal(cmd::journal::Command),
    /// Sign a message and write it to standard output
    #[command(after_help = EXIT_CODES)]
    Sign(cmd::sign::Args),
    /// Check every DKIM signature of a message
    #[command(after_help = EXIT_CODES)]
    Verify(cmd::verify::Args),
    /// Examine the SPF record of a domain, or evaluate it for a client
    #[command(after_help = cmd::spf::EXIT_CODES)]
    Spf(cmd::spf::Args),
    /// Take a domain's failing mail from observing to rejection, step by step
    #[command(after_help = cmd::enforce::EXIT_CODES)]
    Enforce(cmd::enforce::Args),
    /// Explain what the daemon does with a message, step by step
    #[command(after_help = cmd::explain::EXIT_CODES)]
    Explain(cmd::explain::Args),
    /// Run stored mail through a proposed policy, and tell who would be hit
    #[command(after_help = cmd::replay::EXIT_CODES)]
    Replay(cmd::replay::Args),
    /// Turn the files of OpenDKIM and OpenDMARC into a native configuration, every line accounted for
    #[command(after_help = cmd::migrate::EXIT_CODES)]
    Migrate(cmd::migrate::Args),
    /// Play a mail server against a running postseal-milter
    #[command(after_help = EXIT_CODES)]
    Selftest(cmd::selftest::Args),
    /// OpenDKIM's tools with their own options: genkey, testkey, testmsg, genzone
    Opendkim(cmd::opendkim::Args),
}

fn main() -> ExitCode {
    // Called by the name of one of OpenDKIM's tools, it is that tool.
    if let Some(end) = cmd::opendkim::by_name(std::env::args_os()) {
        return end;
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are errors to clap; they go to standard output and are a success. Nothing can be done about a closed output.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Pass }.into();
        }
    };
    let mut out = io::stdout().lock();
    let done = match &cli.command {
        Command::Key(command) => cmd::key::run(command, cli.json, &mut out),
        Command::Dns(command) => cmd::dns::run(command, cli.json, &mut out),
        Command::Journal(command) => cmd::journal::run(command, cli.json, &mut out),
        Command::Sign(args) => cmd::sign::run(args, cli.json, &mut out),
        Command::Verify(args) => cmd::verify::run(args, cli.json, &mut out),
        Command::Spf(args) => cmd::spf::run(args, cli.json, &mut out),
        Command::Enforce(args) => cmd::enforce::run(args, cli.json, &mut out),
        Command::Explain(args) => cmd::explain::run(args, cli.json, &mut out),
        Command::Replay(args) => cmd::replay::run(args, cli.json, &mut out),
        Command::Migrate(args) => cmd::migrate::run(args, cli.json, &mut out),
        Command::Selftest(args) => cmd::selftest::run(args, cli.json, &mut out),
        Command::Opendkim(args) => return cmd::opendkim::run(args, cli.json),
    };
    let exit = done.unwrap_or_else(|failure| failure.report(cli.json, &mut out, &mut io::stderr().lock()));
    // What could not be written was reported where it was written.
    let _ = out.flush();
    exit.into()
}
