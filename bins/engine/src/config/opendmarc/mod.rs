//! OpenDMARC's `opendmarc.conf`, in typed values.
//!
//! [`OPENDMARC`] is the table of all its names, those of its development branch and of the past included. [`read`] gives an [`OpenDmarc`]
//! and all findings. Files that options name (hosts, public suffixes, history) stay paths.

use std::path::{Path, PathBuf};
use std::time::Duration;

mod names;

pub use names::OPENDMARC;

use super::diagnostics::{CONFIG_UNUSED, Diagnostics};
use super::draft::Sourced;
use super::old_file::{
    AuthservName, FileReader, Line, OLD_DIFFERS, OLD_VALUE, Process, Settings, Text, read_file, read_first, read_lines,
};
use super::opendkim::{read_authserv_id, read_dns_timeout, read_facility};
use super::words::Facility;

/// What `opendmarc.conf` says. The default is what an empty file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenDmarc {
    /// Socket, user, restarts.
    pub process: Process,
    /// What is logged, and where.
    pub logging: Logging,
    /// Authentication-Results fields.
    pub results: Results,
    /// Whose mail is left alone.
    pub ignoring: Ignoring,
    /// How policies and identities are found.
    pub evaluating: Evaluating,
    /// What happens to mail that fails.
    pub acting: Acting,
    /// What is recorded for aggregate reports.
    pub history: History,
    /// Reports about single messages; see the fate of `FailureReports`.
    pub failure_reports: FailureReports,
    /// Every line in its order, those that a later one overrides included.
    pub lines: Vec<Line>,
}

/// What is logged, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logging {
    /// `Syslog`: without it nothing is logged.
    pub syslog: bool,
    /// `SyslogFacility`; `mail` unless it is written otherwise.
    pub facility: Facility,
}

impl Default for Logging {
    fn default() -> Self {
        Self { syslog: false, facility: Facility::Mail }
    }
}

/// Authentication-Results fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Results {
    /// `AuthservID`; absent, the MTA's name (`j`).
    pub authserv_id: Option<Sourced<AuthservName>>,
    /// `AuthservIDWithJobID`: with the queue id behind it.
    pub authserv_id_with_job_id: bool,
    /// `TrustedAuthservIDs`: whose fields OpenDMARC believed. No field is believed here.
    pub trusted_authserv_ids: Option<Sourced<Vec<String>>>,
    /// `SoftwareHeader`: a field `DMARC-Filter`.
    pub software_header: bool,
}

/// Whose mail is left alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ignoring {
    /// `IgnoreAuthenticatedClients`.
    pub authenticated_clients: bool,
    /// `IgnoreHosts`: a file of hosts; absent, 127.0.0.1 and ::1.
    pub hosts: Option<Sourced<PathBuf>>,
    /// `IgnoreMailFrom`: author domains, compared whole and without regard to case.
    pub mail_from: Option<Sourced<Vec<String>>>,
}

/// How policies and identities are found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evaluating {
    /// `PublicSuffixList`: a file.
    pub public_suffix_list: Option<Sourced<PathBuf>>,
    /// `DNSTimeout`, where it is written. OpenDMARC never used it.
    pub dns_timeout: Option<Duration>,
    /// `TestDNSData`: a file of TXT records, the only names there are.
    pub test_dns_data: Option<Sourced<PathBuf>>,
    /// `DMARCbisIgnorePct` (2026), where it is written: whether `pct=` counts.
    pub ignore_pct: Option<bool>,
    /// `RequiredHeaders`: mail with fields too often or not at all (RFC 5322 §3.6) is refused.
    pub required_headers: bool,
    /// `RequiredFrom` (2026): mail without exactly one From field, or with one that cannot be read, is refused.
    pub required_from: bool,
    /// `RejectMultiValueFrom`: mail with authors of several domains is refused.
    pub reject_multi_value_from: bool,
}

/// What happens to mail that fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acting {
    /// `RejectFailures`: mail is refused where the author domain asks for that.
    pub reject_failures: bool,
    /// `RejectString`: the text, with one `%s` in place of the author domain.
    pub reject_string: String,
    /// `HoldQuarantinedMessages`: the MTA keeps mail where the author domain asks for quarantine.
    pub hold_quarantined: bool,
    /// `CopyFailuresTo`: one more recipient of mail that fails.
    pub copy_failures_to: Option<Sourced<String>>,
}

impl Default for Acting {
    fn default() -> Self {
        Self {
            reject_failures: false,
            reject_string: "rejected by DMARC policy for %s".to_owned(),
            hold_quarantined: false,
            copy_failures_to: None,
        }
    }
}

/// What is recorded for aggregate reports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// `HistoryFile`.
    pub file: Option<Sourced<PathBuf>>,
    /// `RecordAllMessages`: also those of domains without a record.
    pub record_all: bool,
    /// `IgnoreMailTo`: recipients whose mail is not recorded.
    pub ignore_mail_to: Option<Sourced<Vec<String>>>,
    /// `NoReportsList` (2026): a file of addresses that get no reports.
    pub no_reports_list: Option<Sourced<PathBuf>>,
}

/// Reports about single messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FailureReports {
    /// `FailureReports`.
    pub enabled: bool,
    /// `FailureReportsBcc`.
    pub bcc: Option<Sourced<String>>,
    /// `FailureReportsOnNone`: for domains whose policy is `none` as well.
    pub on_none: bool,
    /// `FailureReportsSentBy`.
    pub sent_by: Option<Sourced<String>>,
    /// `ReportCommand`.
    pub command: Option<Sourced<String>>,
}

/// Reads a file of OpenDMARC.
///
/// # Errors
///
/// All findings, at least one of them an error. On success the findings are warnings.
pub fn read(file: &Path) -> Result<(OpenDmarc, Diagnostics), Diagnostics> {
    let text = read_first(file)?;
    parse(&text, file, &mut read_file)
}

/// Reads the text of a file of OpenDMARC; `file` is named in findings.
///
/// # Errors
///
/// As [`read`].
pub fn parse(text: &[u8], file: &Path, files: FileReader<'_>) -> Result<(OpenDmarc, Diagnostics), Diagnostics> {
    let (read, found) = collect(Text { octets: text, file, command_line: "" }, files);
    if found.has_errors() { Err(found) } else { Ok((read, found)) }
}

/// As [`parse`], with what could be read also where something could not.
pub(super) fn collect(text: Text<'_>, files: FileReader<'_>) -> (OpenDmarc, Diagnostics) {
    let (lines, found) = read_lines(&OPENDMARC, text, files);
    let mut settings = Settings::new(&OPENDMARC, &lines, found);
    let read = from_settings(&mut settings);
    let found = settings.finish();
    (OpenDmarc { lines, ..read }, found)
}

fn from_settings(settings: &mut Settings<'_>) -> OpenDmarc {
    let read = OpenDmarc {
        process: Process::read(settings),
        logging: Logging { syslog: settings.flag_or("Syslog", false), facility: read_facility(settings) },
        results: Results {
            authserv_id: read_authserv_id(settings),
            authserv_id_with_job_id: settings.flag_or("AuthservIDWithJobID", false),
            trusted_authserv_ids: settings.list("TrustedAuthservIDs"),
            software_header: settings.flag_or("SoftwareHeader", false),
        },
        ignoring: Ignoring {
            authenticated_clients: settings.flag_or("IgnoreAuthenticatedClients", false),
            hosts: settings.path("IgnoreHosts"),
            mail_from: settings.list("IgnoreMailFrom"),
        },
        evaluating: Evaluating {
            public_suffix_list: settings.path("PublicSuffixList"),
            dns_timeout: settings.number("DNSTimeout").map(|_| read_dns_timeout(settings)),
            test_dns_data: settings.path("TestDNSData"),
            ignore_pct: settings.flag("DMARCbisIgnorePct").map(|flag| flag.value),
            required_headers: settings.flag_or("RequiredHeaders", false),
            required_from: settings.flag_or("RequiredFrom", false),
            reject_multi_value_from: settings.flag_or("RejectMultiValueFrom", false),
        },
        acting: acting(settings),
        history: History {
            file: settings.path("HistoryFile"),
            record_all: settings.flag_or("RecordAllMessages", false),
            ignore_mail_to: settings.list("IgnoreMailTo"),
            no_reports_list: settings.path("NoReportsList"),
        },
        failure_reports: FailureReports {
            enabled: settings.flag_or("FailureReports", false),
            bcc: settings.text("FailureReportsBcc"),
            on_none: settings.flag_or("FailureReportsOnNone", false),
            sent_by: settings.text("FailureReportsSentBy"),
            command: settings.text("ReportCommand"),
        },
        lines: Vec::new(),
    };
    check(&read, settings);
    read
}

fn acting(settings: &mut Settings<'_>) -> Acting {
    let default = Acting::default();
    Acting {
        reject_failures: settings.flag_or("RejectFailures", false),
        reject_string: settings
            .parsed("RejectString", reject_string)
            .map_or(default.reject_string, |template| template.value),
        hold_quarantined: settings.flag_or("HoldQuarantinedMessages", false),
        copy_failures_to: settings.text("CopyFailuresTo"),
    }
}

/// A text with one `%s`.
fn reject_string(text: &str) -> Result<String, (String, &'static str)> {
    const FIX: &str = "write ASCII text with one `%s` where the author domain shall stand";
    let fail = |cause: String| Err((cause, FIX));
    match text.matches("%s").count() {
        0 => return fail("The RejectString doesn't contain %s!".to_owned()),
        1 => {}
        count => return fail(format!("The RejectString contains {count} occurrences of %s instead of one!")),
    }
    if text.contains("%%") || text.matches('%').count() > 1 {
        return fail("`%` has a meaning in front of `s` alone".to_owned());
    }
    // RFC 5321 §4.2: the text of a reply is printable ASCII.
    if !text.bytes().all(|octet| matches!(octet, b' '..=b'~')) {
        return fail("the text of a reply holds printable ASCII alone".to_owned());
    }
    Ok(text.to_owned())
}

/// What options mean beside each other, and values that do not do what they say.
fn check(read: &OpenDmarc, settings: &mut Settings<'_>) {
    for (name, cause) in [
        ("SPFSelfValidate", "SPF is checked here all the same: fields of other programs are not believed"),
        ("SPFIgnoreResults", "SPF results in fields are ignored all the same, since anybody can write them"),
    ] {
        if let Some(flag) = settings.flag(name).filter(|flag| !flag.value) {
            settings.report(&flag.at, OLD_VALUE, cause, "remove the line");
        }
    }
    if read.acting.hold_quarantined
        && !read.acting.reject_failures
        && let Some(hold) = settings.flag("HoldQuarantinedMessages")
    {
        let cause = "mail is held as it says; OpenDMARC 1.4.2 held none without `RejectFailures yes`";
        settings.report(&hold.at, OLD_DIFFERS, cause, "remove the line if mail is to be delivered as until now");
    }
    if read.history.file.is_none() {
        for name in ["RecordAllMessages", "IgnoreMailTo"] {
            if let Some(at) = settings.place(name) {
                settings.report(&at, CONFIG_UNUSED, "no effect without `HistoryFile`", "remove the line");
            }
        }
    }
}
