//! Exit codes and failures.

use std::io::{self, Write};
use std::process::ExitCode;

use engine::config::Diagnostics;
use ledger::dump::DumpError;
use ledger::export::ExportError;
use ledger::outgoing::deliver::DeliverError;
use ledger::outgoing::freeze::FreezeError;
use ledger::rollup::ImportError;
use ledger::store::{StoreError, Trouble, UrlError};
use serde_json::json;

/// For the end of every `--help`.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0   done
  1   not done: the journal or the database cannot be used as they are
  2   not done now, try again later: the database is away, busy or full; nothing is lost
  64  the command line is wrong
  78  the configuration is wrong";

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Pass,
    Fail,
    Temp,
    Usage,
    Config,
    /// Nobody reads the output any more.
    Closed,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Pass => 0,
            Exit::Fail => 1,
            Exit::Temp => 2,
            Exit::Usage => 64,
            Exit::Config => engine::config::diagnostics::EXIT_CONFIG,
            // As a shell tells of a program that SIGPIPE ended.
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
    pub(crate) fix: &'static str,
    /// Findings of the configuration.
    pub(crate) findings: Diagnostics,
}

impl Failure {
    pub(crate) fn new(exit: Exit, cause: impl Into<String>, fix: &'static str) -> Self {
        Self { exit, cause: cause.into(), fix, findings: Diagnostics::default() }
    }

    pub(crate) fn config(findings: Diagnostics) -> Self {
        Self { findings, ..Self::new(Exit::Config, "the configuration cannot be used", "") }
    }

    /// Prints it: as JSON on standard output, as text on standard error. Returns the exit code.
    pub(crate) fn report(&self, json: bool, out: &mut impl Write, error_out: &mut impl Write) -> Exit {
        if self.exit == Exit::Closed {
            return self.exit;
        }
        // Nothing is left to tell it to when this cannot be written.
        let _ = if json {
            writeln!(out, "{}", json!({ "error": self.cause, "fix": self.fix, "findings": self.findings }))
        } else {
            self.text(error_out)
        };
        self.exit
    }

    fn text(&self, out: &mut impl Write) -> io::Result<()> {
        write!(out, "{}", self.findings)?;
        writeln!(out, "postseal-report: {}", self.cause)?;
        if self.fix.is_empty() { Ok(()) } else { writeln!(out, "  fix: {}", self.fix) }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let exit = if error.kind() == io::ErrorKind::BrokenPipe { Exit::Closed } else { Exit::Fail };
        Self::new(exit, format!("the output cannot be written: {error}"), "")
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let fix = match error.trouble {
            Trouble::Busy | Trouble::Away => {
                "see whether the database runs and is reached; what waits in the journal is counted later"
            }
            Trouble::Full => {
                "make room on the disk of the database, or see what is wrong with it; what waits in the journal is counted later"
            }
            Trouble::Refused => {
                "check `--database` or `database` in `[report]`, the user's rights, and who may write the file"
            }
            Trouble::Schema => "call `postseal-report db migrate`",
            Trouble::Foreign => "name a database of its own with `--database`, or `database` in `[report]`",
            Trouble::Taken => "stop the other one, or set another `node` in `[report]`",
            Trouble::Other => "",
        };
        let exit = if error.trouble.may_pass() { Exit::Temp } else { Exit::Fail };
        Self::new(exit, format!("the database {error}"), fix)
    }
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Store(error) => error.into(),
            ImportError::Journal { .. } => {
                let fix = "name its folder with `--journal`, the configuration with `--config` or the state folder with `--state`, and call this as the user of the daemon";
                Self::new(Exit::Fail, error.to_string(), fix)
            }
        }
    }
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Store(error) => error.into(),
            ExportError::Output(error) => error.into(),
        }
    }
}

impl From<DumpError> for Failure {
    fn from(error: DumpError) -> Self {
        match error {
            DumpError::Store(error) => error.into(),
            DumpError::File(error) if error.kind() == io::ErrorKind::BrokenPipe => error.into(),
            DumpError::NotEmpty(_) => {
                Self::new(Exit::Fail, error.to_string(), "make a new database, and `db migrate` it")
            }
            other => Self::new(Exit::Fail, other.to_string(), ""),
        }
    }
}

impl From<FreezeError> for Failure {
    fn from(error: FreezeError) -> Self {
        match error {
            FreezeError::Store(error) => error.into(),
            FreezeError::Report(error) => Self::new(Exit::Fail, format!("a report cannot be made: {error}"), ""),
            FreezeError::TooEarly => Self::new(Exit::Fail, "the day is not over", "wait for its end (UTC)"),
        }
    }
}

impl From<DeliverError> for Failure {
    fn from(error: DeliverError) -> Self {
        match error {
            DeliverError::Store(error) => error.into(),
        }
    }
}

impl From<UrlError> for Failure {
    fn from(error: UrlError) -> Self {
        Self::new(Exit::Usage, error.to_string(), "")
    }
}
