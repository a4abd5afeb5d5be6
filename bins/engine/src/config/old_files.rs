//! Both old configuration files together: one process in place of two.
//!
//! Where they say different things about what one process has once (user, file mode mask, name in Authentication-Results fields),
//! `opendkim.conf` wins, with a finding at the line of `opendmarc.conf`.

use std::path::Path;

use super::diagnostics::{CONFIG_DUPLICATE, Diagnostic, Diagnostics};
use super::old_file::{AuthservName, FileReader, Line, OLD_MERGED, Process, Text, Value, read_file, read_first};
use super::opendkim::{self, OpenDkim};
use super::opendmarc::{self, OpenDmarc};
use super::section::shorten;

/// What the old files say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OldFiles {
    /// `opendkim.conf`, if there is one.
    pub opendkim: Option<OpenDkim>,
    /// `opendmarc.conf`, if there is one.
    pub opendmarc: Option<OpenDmarc>,
}

impl OldFiles {
    /// The one process that takes the place of both: what `opendkim.conf` says, and where it says nothing, what `opendmarc.conf` says.
    ///
    /// Each file has a socket and a pid file of its own; this has those of `opendkim.conf`, if it has any.
    #[must_use]
    pub fn process(&self) -> Process {
        let (Some(dkim), Some(dmarc)) = (&self.opendkim, &self.opendmarc) else {
            let dkim = self.opendkim.as_ref().map(|dkim| dkim.process.clone());
            return dkim.or_else(|| self.opendmarc.as_ref().map(|dmarc| dmarc.process.clone())).unwrap_or_default();
        };
        let (ours, theirs) = (dkim.process.clone(), dmarc.process.clone());
        let says = |name: &str| last(&dkim.lines, name).is_some();
        Process {
            socket: ours.socket.or(theirs.socket),
            user: ours.user.or(theirs.user),
            umask: ours.umask.or(theirs.umask),
            pid_file: ours.pid_file.or(theirs.pid_file),
            background: if says("Background") { ours.background } else { theirs.background },
            base_directory: ours.base_directory.or(theirs.base_directory),
            auto_restart: if says("AutoRestart") { ours.auto_restart } else { theirs.auto_restart },
            auto_restart_count: if says("AutoRestartCount") {
                ours.auto_restart_count
            } else {
                theirs.auto_restart_count
            },
            auto_restart_rate: ours.auto_restart_rate.or(theirs.auto_restart_rate),
        }
    }

    /// The name in Authentication-Results fields, and whether the queue id follows it; absent, the MTA's name (`j`).
    #[must_use]
    pub fn authserv_id(&self) -> (Option<&AuthservName>, bool) {
        let ours = self.opendkim.as_ref().and_then(|dkim| dkim.results.authserv_id.as_ref());
        let theirs = self.opendmarc.as_ref().and_then(|dmarc| dmarc.results.authserv_id.as_ref());
        let with_job_id = match (&self.opendkim, &self.opendmarc) {
            (Some(dkim), None) => dkim.results.authserv_id_with_job_id,
            (Some(dkim), _) if last(&dkim.lines, "AuthservIDWithJobID").is_some() => {
                dkim.results.authserv_id_with_job_id
            }
            (_, Some(dmarc)) => dmarc.results.authserv_id_with_job_id,
            (None, None) => false,
        };
        (ours.or(theirs).map(|name| &name.value), with_job_id)
    }
}

/// Reads either file or both.
///
/// # Errors
///
/// All findings of both files, at least one of them an error. On success the findings are warnings.
pub fn read(opendkim: Option<&Path>, opendmarc: Option<&Path>) -> Result<(OldFiles, Diagnostics), Diagnostics> {
    read_with(opendkim, opendmarc, "")
}

/// As [`read`]; `command_line` are lines behind those of the file, of `opendkim.conf` where there are both.
///
/// # Errors
///
/// As [`read`].
pub fn read_with(
    opendkim: Option<&Path>,
    opendmarc: Option<&Path>,
    command_line: &str,
) -> Result<(OldFiles, Diagnostics), Diagnostics> {
    let mut found = Diagnostics::default();
    let mut load = |file: &Path| read_first(file).map_err(|more| found.extend(more)).ok();
    let (dkim_text, dmarc_text) = (opendkim.and_then(&mut load), opendmarc.and_then(&mut load));
    let (read, more) =
        collect(opendkim.zip(dkim_text.as_deref()), opendmarc.zip(dmarc_text.as_deref()), command_line, &mut read_file);
    found.extend(more);
    if found.has_errors() { Err(found) } else { Ok((read, found)) }
}

/// As [`read`], from texts; `files` gives what they include and the lists that they name.
///
/// # Errors
///
/// As [`read`].
pub fn parse(
    opendkim: Option<(&Path, &[u8])>,
    opendmarc: Option<(&Path, &[u8])>,
    files: FileReader<'_>,
) -> Result<(OldFiles, Diagnostics), Diagnostics> {
    let (read, found) = collect(opendkim, opendmarc, "", files);
    if found.has_errors() { Err(found) } else { Ok((read, found)) }
}

fn collect(
    opendkim: Option<(&Path, &[u8])>,
    opendmarc: Option<(&Path, &[u8])>,
    command_line: &str,
    files: FileReader<'_>,
) -> (OldFiles, Diagnostics) {
    let mut found = Diagnostics::default();
    let mut read = OldFiles::default();
    let for_dmarc = if opendkim.is_some() { "" } else { command_line };
    if let Some((file, octets)) = opendkim {
        let (dkim, more) = opendkim::collect(Text { octets, file, command_line }, files);
        found.extend(more);
        read.opendkim = Some(dkim);
    }
    if let Some((file, octets)) = opendmarc {
        let (dmarc, more) = opendmarc::collect(Text { octets, file, command_line: for_dmarc }, files);
        found.extend(more);
        read.opendmarc = Some(dmarc);
    }
    if let (Some(dkim), Some(dmarc)) = (&read.opendkim, &read.opendmarc) {
        compare(dkim, dmarc, &mut found);
    }
    (read, found)
}

/// The options that one process has once.
const ONCE: [&str; 9] = [
    "UserID",
    "UMask",
    "AuthservID",
    "AuthservIDWithJobID",
    "BaseDirectory",
    "Background",
    "AutoRestart",
    "AutoRestartCount",
    "AutoRestartRate",
];

/// Findings where the files differ about the one process.
fn compare(dkim: &OpenDkim, dmarc: &OpenDmarc, found: &mut Diagnostics) {
    for name in ONCE {
        let Some(theirs) = last(&dmarc.lines, name) else { continue };
        let (cause, fix) = match last(&dkim.lines, name) {
            Some(ours) if ours.value == theirs.value => continue,
            Some(ours) => {
                let (ours, theirs) = (show(name, &ours.value), show(name, &theirs.value));
                let cause =
                    format!("`{theirs}` has no effect: one process has it once, and opendkim.conf says `{ours}`");
                (cause, "write the same into both files")
            }
            None => {
                let cause = "it holds for the one process, DKIM included: opendkim.conf does not say it".to_owned();
                (cause, "write it into opendkim.conf as well if that is meant")
            }
        };
        found.push(Diagnostic::at(&theirs.at, OLD_MERGED, cause, fix));
    }
    if let (Some(ours), Some(theirs)) = (&dkim.process.socket, &dmarc.process.socket)
        && ours.value == theirs.value
    {
        let cause = format!("{} is the socket of opendkim.conf already", theirs.value);
        let fix = "name another one, as the second milter of the MTA has it";
        found.push(Diagnostic::at(&theirs.at, CONFIG_DUPLICATE, cause, fix));
    }
}

/// The line that counts.
fn last<'l>(lines: &'l [Line], name: &str) -> Option<&'l Line> {
    lines.iter().rev().find(|line| line.option.name == name)
}

fn show(name: &str, value: &Value) -> String {
    match value {
        Value::Flag(true) => "yes".to_owned(),
        Value::Flag(false) => "no".to_owned(),
        Value::Number(mask) if name == "UMask" => format!("{mask:04o}"),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => shorten(text),
    }
}
