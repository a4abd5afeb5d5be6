//! `migrate`: the native configuration for what the files of OpenDKIM and OpenDMARC mean, with every line of them accounted for.
//!
//! ```text
//!  files ─► config::old_files ─► native.rs (settings, remarks) ─► report.rs (TOML, JSON)
//!              └── lines ──────► account.rs (carried, changed, dropped) ──┘
//! ```
//!
//! | file | concern |
//! |---|---|
//! | `account.rs` | each line: its setting, how it differs, or why it is dropped |
//! | `native.rs` | the settings |
//! | `domains.rs` | KeyTable and SigningTable as `[[domain]]` |
//! | `holes.rs` | what lets forged mail through in the old set-up |
//! | `report.rs` | the text |
//! | `verify/` | sample messages through both forms |

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use engine::config::diagnostics::Severity;
use engine::config::{self, Diagnostics, old_files};

use crate::exit::{Exit, Failure, counted, print};

mod account;
mod domains;
mod holes;
mod input;
mod native;
mod report;
mod verify;

use self::account::{Program, account};
use self::input::Files;
use self::report::Report;

/// For the end of `migrate --help`.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0   all is carried, and the old set-up has no live hole
  1   something needs a decision: dropped or changed with an effect on mail, a live hole, or a difference that nothing told of (`--verify`)
  64  the command line is wrong, or the output file exists
  66  the output file cannot be made
  78  the old files are wrong";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// opendkim.conf and opendmarc.conf, in this order; of one file alone the names of its options tell which it is
    #[arg(value_name = "FILE", num_args = 0..=2)]
    files: Vec<PathBuf>,
    /// A file of OpenDKIM
    #[arg(long, value_name = "FILE")]
    opendkim_conf: Option<PathBuf>,
    /// A file of OpenDMARC
    #[arg(long, value_name = "FILE")]
    opendmarc_conf: Option<PathBuf>,
    /// Write the configuration to this file, which must not exist, and the summary to standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Sign and judge sample messages with both configurations in this process, without network, and tell every difference
    #[arg(long)]
    verify: bool,
}

pub(crate) fn run(args: &Args, json: bool, out: &mut impl Write) -> Result<Exit, Failure> {
    let files = Files::of(args)?;
    let (read, mut findings) =
        old_files::read(files.opendkim.as_deref(), files.opendmarc.as_deref()).map_err(Failure::config)?;
    let folder = std::env::current_dir()?;
    let mut native = native::native(&read, &folder);
    // A key that cannot be used is one of many; everything else that is wrong keeps the old programs from starting as well.
    let is_fatal = |severity: Severity, code: &str| severity == Severity::Error && !code.starts_with("E-KEY-");
    if native.findings.iter().any(|finding| is_fatal(finding.severity, finding.code.as_str())) {
        findings.extend(native.findings);
        return Err(Failure::config(findings));
    }
    let holes = holes::holes(&read, &native);
    let mut lines = Vec::new();
    if let Some(dkim) = &read.opendkim {
        lines.extend(account(Program::OpenDkim, &dkim.lines, &native.remarks));
    }
    if let Some(dmarc) = &read.opendmarc {
        lines.extend(account(Program::OpenDmarc, &dmarc.lines, &native.remarks));
    }
    let toml = report::toml(&native, &lines, &holes);
    // What cannot be loaded helps nobody.
    let name = args.output.as_deref().unwrap_or_else(|| Path::new("(the configuration that was made)"));
    let more = config::parse(&toml, name).map_err(|found| unloadable(found, &findings))?.1;
    findings.extend(std::mem::take(&mut native.findings));
    findings.extend(more);
    let mut report = Report::new(toml, lines, holes, findings);
    // Before anything is written: a configuration that cannot be tried is told of first.
    if args.verify {
        report.rules_not_verified = Some(native.rules.len().saturating_sub(verify::MAX_VERIFIED));
        report.verify = Some(verify::verify(&files, &read, native, &report.lines)?);
    }
    if let Some(file) = &args.output {
        write_new(file, &report.toml)?;
    }
    show(&report, args.output.as_deref(), json, out)?;
    Ok(if report.decisions > 0 || !report.holes.is_empty() || report.differs() { Exit::Fail } else { Exit::Pass })
}

fn unloadable(found: Diagnostics, before: &Diagnostics) -> Failure {
    let mut all = before.clone();
    all.extend(found);
    Failure {
        findings: all,
        ..Failure::new(
            Exit::Config,
            "the native configuration for these files does not load",
            "run from the old files, and mend what is told above",
        )
    }
}

/// Writes a file that is not there yet. It names keys and hosts, and is for nobody else.
fn write_new(file: &Path, text: &str) -> Result<(), Failure> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o640).open(file);
    let written = opened.and_then(|mut opened| {
        opened.write_all(text.as_bytes())?;
        opened.sync_all()
    });
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Failure::new(
            Exit::Usage,
            format!("{} is there already, and is not replaced", file.display()),
            "name another file",
        ),
        _ => Failure::new(
            Exit::NoInput,
            format!("{} cannot be written: {error}", file.display()),
            "name a file in a folder that you may write to",
        ),
    })
}

/// The configuration on standard output and the summary on standard error, where it is no part of a file; or the summary alone.
fn show(report: &Report, output: Option<&Path>, json: bool, out: &mut impl Write) -> Result<(), Failure> {
    if json {
        let value = serde_json::to_value(report).map_err(|error| std::io::Error::other(error.to_string()))?;
        return print(&Pretty(value), true, out);
    }
    let mut summary = format!(
        "{}: {} carried, {} with a difference, {} dropped; {} to be decided; {}\n",
        counted(u64::try_from(report.lines.len()).unwrap_or(u64::MAX), "line"),
        report.carried,
        report.changed,
        report.dropped,
        report.decisions,
        counted(u64::try_from(report.holes.len()).unwrap_or(u64::MAX), "live hole"),
    );
    for hole in &report.holes {
        summary.push_str(&format!("{hole}\n"));
    }
    for finding in report.findings.iter().filter(|finding| finding.severity == Severity::Error) {
        summary.push_str(&format!("{finding}\n"));
    }
    if let Some(verified) = &report.verify {
        for each in verified {
            summary.push_str(&format!("{each}\n"));
        }
        summary.push_str(&report.verified());
    }
    match output {
        Some(file) => writeln!(out, "{summary}written: {}", file.display())?,
        None => {
            write!(out, "{}", report.toml)?;
            // Who redirects the configuration into a file wants to see this all the same; a closed terminal is no failure.
            let _ = write!(std::io::stderr(), "{summary}");
        }
    }
    out.flush()?;
    Ok(())
}

/// A value that has no text form.
#[derive(Debug, serde::Serialize)]
#[serde(transparent)]
struct Pretty(serde_json::Value);

impl std::fmt::Display for Pretty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#}", self.0)
    }
}
