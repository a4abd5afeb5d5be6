//! Exit codes, failures, and the two forms of every output.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use engine::config::Diagnostics;
use serde::Serialize;
use serde_json::json;

/// For the end of every `--help`.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0   done; the message passes
  1   not done; the message does not pass
  2   not known now, try again later (DNS)
  64  the command line is wrong
  78  the configuration or a zone file is wrong";

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Pass,
    Fail,
    Temp,
    Usage,
    /// What was named is not there (`EX_NOINPUT`).
    NoInput,
    Config,
    /// Nobody reads the output any more.
    Closed,
}

impl Exit {
    /// Of two checks: what is certainly wrong counts more than what is not known.
    pub(crate) fn or_worse(self, other: Self) -> Self {
        let rank = |exit: Self| match exit {
            Self::Pass => 0,
            Self::Temp => 1,
            Self::Fail => 2,
            Self::Usage => 3,
            Self::NoInput => 4,
            Self::Config => 5,
            Self::Closed => 6,
        };
        if rank(other) > rank(self) { other } else { self }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Pass => 0,
            Exit::Fail => 1,
            Exit::Temp => 2,
            Exit::Usage => 64,
            Exit::NoInput => 66,
            Exit::Config => engine::config::diagnostics::EXIT_CONFIG,
            // As a shell tells of a program that SIGPIPE ended: no verdict.
            Exit::Closed => 141,
        })
    }
}

/// Why a command ended early.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// What went wrong; one line.
    pub(crate) cause: String,
    /// What to do about it; empty when that is plain.
    pub(crate) fix: String,
    /// Findings of the configuration or of keys.
    pub(crate) findings: Diagnostics,
}

impl Failure {
    pub(crate) fn new(exit: Exit, cause: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { exit, cause: cause.into(), fix: fix.into(), findings: Diagnostics::default() }
    }

    /// The configuration or the zone file cannot be used.
    pub(crate) fn config(findings: Diagnostics) -> Self {
        Self { findings, ..Self::new(Exit::Config, "the configuration cannot be used", "") }
    }

    /// Prints it: as JSON on standard output, as text on standard error. Returns the exit code.
    ///
    /// Who reads no further, as `head` does, has what he wanted: nothing is printed then.
    pub(crate) fn report(&self, json: bool, out: &mut impl Write, error_out: &mut impl Write) -> Exit {
        if self.exit == Exit::Closed {
            return self.exit;
        }
        // Nothing is left to tell it to when this cannot be written.
        let _ = if json {
            let value = json!({ "error": self.cause, "fix": self.fix, "findings": self.findings });
            writeln!(out, "{value:#}")
        } else {
            self.text(error_out)
        };
        self.exit
    }

    fn text(&self, out: &mut impl Write) -> io::Result<()> {
        write!(out, "{}", self.findings)?;
        writeln!(out, "postseal: {}", self.cause)?;
        if self.fix.is_empty() { Ok(()) } else { writeln!(out, "  fix: {}", self.fix) }
    }
}

/// Standard output cannot be written.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let exit = if error.kind() == io::ErrorKind::BrokenPipe { Exit::Closed } else { Exit::Fail };
        Self::new(exit, format!("the output cannot be written: {error}"), "")
    }
}

/// A number of things with its word: `1 message`, `2 messages`.
pub(crate) fn counted(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// Prints a report in one of its two forms.
pub(crate) fn print(report: &(impl Serialize + fmt::Display), json: bool, out: &mut impl Write) -> Result<(), Failure> {
    if json {
        let value = serde_json::to_value(report).map_err(|error| io::Error::other(error.to_string()))?;
        writeln!(out, "{value:#}")?;
    } else {
        write!(out, "{report}")?;
    }
    out.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_that_nobody_reads_any_more_is_no_error_to_tell() {
        let closed = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        let (mut out, mut error) = (Vec::new(), Vec::new());
        assert_eq!(closed.report(false, &mut out, &mut error), Exit::Closed);
        assert_eq!(closed.report(true, &mut out, &mut error), Exit::Closed);
        assert!(out.is_empty() && error.is_empty());
        let full = Failure::from(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(full.report(false, &mut out, &mut error), Exit::Fail);
        assert!(!error.is_empty());
    }

    #[test]
    fn a_failure_prints_cause_and_fix_in_both_forms() {
        let failure = Failure::new(Exit::Usage, "no such thing", "name another");
        let (mut out, mut error) = (Vec::new(), Vec::new());
        assert_eq!(failure.report(false, &mut out, &mut error), Exit::Usage);
        assert_eq!(
            (out.as_slice(), error.as_slice()),
            (b"".as_slice(), b"postseal: no such thing\n  fix: name another\n".as_slice())
        );
        let (mut out, mut error) = (Vec::new(), Vec::new());
        failure.report(true, &mut out, &mut error);
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!((value["error"].as_str(), error.is_empty()), (Some("no such thing"), true));
    }
}
