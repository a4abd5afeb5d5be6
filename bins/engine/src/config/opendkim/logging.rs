//! Options about the log.

use super::super::old_file::{Fate, OLD_VALUE, OldOption, Settings, facility};
use super::super::words::Facility;

/// The names.
pub(super) const NAMES: &[OldOption] = &[
    OldOption::flag("Syslog", Fate::Carried),
    OldOption::text(
        "SyslogFacility",
        Fate::Mostly("other facilities than `mail`, `daemon`, `user` and `local0` to `local7` become `mail`"),
    ),
    OldOption::text("SyslogName", Fate::Carried),
    OldOption::flag("SyslogSuccess", Fate::Carried),
    OldOption::flag("LogWhy", Fate::Carried),
    OldOption::flag("LogResults", Fate::Carried),
    OldOption::flag("StdoutLog", Fate::Carried),
];

/// What is logged, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logging {
    /// `Syslog`: without it nothing is logged.
    pub syslog: bool,
    /// `SyslogFacility`; `mail` unless it is written otherwise.
    pub facility: Facility,
    /// `SyslogName`; `opendkim` unless it is written otherwise.
    pub name: String,
    /// `SyslogSuccess`: also what went well.
    pub success: bool,
    /// `LogWhy`: how it was decided to sign or to verify.
    pub why: bool,
    /// `LogResults`: one line a signature.
    pub results: bool,
    /// `StdoutLog` (2026): lines go to standard output as well.
    pub stdout: bool,
}

impl Default for Logging {
    fn default() -> Self {
        Self {
            syslog: false,
            facility: Facility::Mail,
            name: "opendkim".to_owned(),
            success: false,
            why: false,
            results: false,
            stdout: false,
        }
    }
}

impl Logging {
    pub(super) fn read(settings: &mut Settings<'_>) -> Self {
        let default = Self::default();
        Self {
            syslog: settings.flag_or("Syslog", false),
            facility: read_facility(settings),
            name: settings.text("SyslogName").map_or(default.name, |name| name.value),
            success: settings.flag_or("SyslogSuccess", false),
            why: settings.flag_or("LogWhy", false),
            results: settings.flag_or("LogResults", false),
            stdout: settings.flag_or("StdoutLog", false),
        }
    }
}

/// `SyslogFacility`, with a finding where `mail` has to stand in for it.
pub(in crate::config) fn read_facility(settings: &mut Settings<'_>) -> Facility {
    const FIX: &str = "write one of: mail, daemon, user, local0 to local7";
    let read = settings.parsed_or("SyslogFacility", OLD_VALUE, |word| facility(word).map_err(|cause| (cause, FIX)));
    read.map_or(Facility::Mail, |facility| facility.value)
}
