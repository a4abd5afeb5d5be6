//! `key new`, `key list`, `key show`.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;

use engine::keys::publish::DnsRecord;
use serde::Serialize;

use super::keyring::Source;
use crate::exit::{EXIT_CODES, Exit, Failure};

mod list;
mod new;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Make the keys of a domain: RSA-2048 and Ed25519; existing files are never replaced
    #[command(after_help = EXIT_CODES)]
    New(new::Args),
    /// List every key and whether it can be used
    #[command(after_help = EXIT_CODES)]
    List(Source),
    /// Show the keys of one domain with their DNS records
    #[command(after_help = EXIT_CODES)]
    Show(list::ShowArgs),
}

/// One key in a report.
#[derive(Debug, Serialize)]
struct Row {
    domain: String,
    selector: String,
    #[serde(rename = "type")]
    kind: Option<&'static str>,
    /// Of an RSA key.
    bits: Option<usize>,
    file: Option<PathBuf>,
    usable: bool,
    problem: Option<String>,
    record: Option<DnsRecord>,
}

pub(crate) fn run(command: &Command, json: bool, out: &mut impl Write) -> Result<Exit, Failure> {
    match command {
        Command::New(args) => new::run(args, json, out),
        Command::List(source) => list::run(source, None, json, out),
        Command::Show(args) => list::run(&args.source, Some(&args.domain), json, out),
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
        write!(f, "{} {} {}", self.domain, self.selector, self.kind.unwrap_or("unusable"))?;
        if let Some(bits) = self.bits {
            write!(f, "-{bits}")?;
        }
        write!(f, " {file}")?;
        match &self.problem {
            Some(problem) => writeln!(f, "\n  {problem}"),
            None => writeln!(f),
        }
    }
}
