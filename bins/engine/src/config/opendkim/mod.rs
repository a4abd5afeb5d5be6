//! OpenDKIM's `opendkim.conf`, in typed values.
//!
//! [`OPENDKIM`] is the table of all its names, those of its development branch, of Debian and of the past included. [`read`] gives an
//! [`OpenDkim`], whose parts are the groups of the table, and all findings. What names a data set stays text with its place, for
//! [`crate::dataset`] to open; lists of header fields are read here, since they are settings and not tables.

use std::path::Path;

mod checks;
mod choosing;
mod keys_dns;
mod ldap;
mod lists;
mod logging;
mod process;
mod removed;
mod reports;
mod results;
mod signing;
mod verifying;

pub use choosing::{Choosing, DEFAULT_INTERNAL_HOSTS, SingleKey};
pub(super) use keys_dns::read_dns_timeout;
pub use keys_dns::{DEFAULT_MINIMUM_KEY_BITS, Keys};
pub use logging::Logging;
pub(super) use logging::read_facility;
pub use results::Results;
pub(super) use results::read_authserv_id;
pub use signing::{DEFAULT_OMIT_HEADERS, DEFAULT_SIGN_HEADERS, SignatureAlgorithm, Signing};
pub use verifying::{Action, Actions, Minimum, Verifying};

use super::diagnostics::{CONFIG_CONFLICT, Diagnostic, Diagnostics, Location, Severity};
use super::old_file::{FileReader, Line, PROCESS, Process, Schema, Settings, Text, read_file, read_lines};
use crate::dataset::OpenOptions;

/// All names of `opendkim.conf`.
pub static OPENDKIM: Schema = Schema {
    program: "OpenDKIM",
    groups: &[
        PROCESS,
        process::NAMES,
        logging::NAMES,
        choosing::NAMES,
        signing::NAMES,
        keys_dns::NAMES,
        verifying::NAMES,
        reports::NAMES,
        results::NAMES,
        ldap::NAMES,
        removed::NAMES,
    ],
};

/// What `opendkim.conf` says. The default is what an empty file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenDkim {
    /// Socket, user, restarts.
    pub process: Process,
    /// What is logged, and where.
    pub logging: Logging,
    /// Whose mail is signed and whose is verified.
    pub choosing: Choosing,
    /// How signatures are made.
    pub signing: Signing,
    /// Key files and the DNS.
    pub keys: Keys,
    /// Which signatures count, and what happens to mail.
    pub verifying: Verifying,
    /// Authentication-Results fields.
    pub results: Results,
    /// LDAP, for those who open data sets.
    pub ldap: OpenOptions,
    /// Every line in its order, `Include` lines and those that a later one overrides among them.
    pub lines: Vec<Line>,
}

/// Reads a file of OpenDKIM and what it includes.
///
/// # Errors
///
/// All findings, at least one of them an error. On success the findings are warnings.
pub fn read(file: &Path) -> Result<(OpenDkim, Diagnostics), Diagnostics> {
    let text = super::old_file::read_first(file)?;
    parse(&text, file, &mut read_file)
}

/// Reads the text of a file of OpenDKIM; `file` is named in findings, and `files` gives what it includes and the lists that it names.
///
/// # Errors
///
/// As [`read`].
pub fn parse(text: &[u8], file: &Path, files: FileReader<'_>) -> Result<(OpenDkim, Diagnostics), Diagnostics> {
    let (read, found) = collect(Text { octets: text, file, command_line: "" }, files);
    if found.has_errors() { Err(found) } else { Ok((read, found)) }
}

/// As [`read`], for programs that need a part of the file only: options that do not fit each other are no error.
///
/// # Errors
///
/// As [`read`], but for [`CONFIG_CONFLICT`].
pub fn read_part(file: &Path) -> Result<OpenDkim, Diagnostics> {
    let text = super::old_file::read_first(file)?;
    let (read, found) = collect(Text { octets: &text, file, command_line: "" }, &mut read_file);
    let is_error = |finding: &Diagnostic| finding.severity == Severity::Error && finding.code != CONFIG_CONFLICT;
    if found.iter().any(is_error) { Err(found) } else { Ok(read) }
}

/// As [`parse`], with what could be read also where something could not.
pub(super) fn collect(text: Text<'_>, files: FileReader<'_>) -> (OpenDkim, Diagnostics) {
    let (lines, found) = read_lines(&OPENDKIM, text, files);
    let mut settings = Settings::new(&OPENDKIM, &lines, found);
    let read = from_settings(&mut settings, &Location::whole(text.file), files);
    let found = settings.finish();
    (OpenDkim { lines, ..read }, found)
}

fn from_settings(settings: &mut Settings<'_>, whole: &Location, files: FileReader<'_>) -> OpenDkim {
    let mut read = OpenDkim {
        process: Process::read(settings),
        logging: Logging::read(settings),
        choosing: Choosing::read(settings, files),
        signing: Signing::read(settings, files),
        keys: Keys::read(settings),
        verifying: Verifying::read(settings, files),
        results: Results::read(settings),
        ldap: ldap::read(settings),
        lines: Vec::new(),
    };
    checks::check(&mut read, settings, whole);
    read
}
