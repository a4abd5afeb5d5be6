//! The configuration: read once, checked as a whole, never changed.
//!
//! ```text
//!  TOML ──native──► Draft (every value with file:line) ──validate──► Config + Diagnostics
//! ```
//!
//! [`Config`] holds no text that anything has to parse later: addresses, networks, domains, times and sizes are typed. Without a file it is
//! [`Config::default`]: listen on `inet:127.0.0.1:8891`, verify, sign nothing because no domain is known. An unknown key is an error that names
//! the key that was meant, and every finding has file, line, cause and mend ([`diagnostics`]). All findings of a file come at once.
//!
//! The files of OpenDKIM and OpenDMARC have readers of their own ([`old_files`]), whose values are those of the old programs: [`opendkim`] and
//! [`opendmarc`].
//!
//! It does not read keys ([`crate::keys`]) or zone files ([`crate::dns`]), open sockets or look anything up.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

pub mod diagnostics;
mod dmarc;
mod domains;
mod draft;
pub mod from_old;
mod native;
mod networks;
pub mod old_file;
pub mod old_files;
pub mod opendkim;
pub mod opendmarc;
mod reply_template;
mod report;
mod section;
mod sender_domains;
mod settings;
mod suggest;
mod units;
mod validate;
mod values;
mod words;

pub use diagnostics::{Diagnostic, Diagnostics};
pub use dmarc::{Dmarc, DmarcOverride, RejectReply};
pub(crate) use domains::parents;
pub use domains::{DomainPattern, KeySource, SigningDomain, SigningDomains, SigningOptions};
pub use draft::{
    DmarcDraft, DmarcOverrideDraft, DnsDraft, DomainDraft, Draft, FailureReportsDraft, JournalDraft, KeyChecksDraft,
    KeyDraft, LimitsDraft, ListenDraft, LogDraft, PolicyDraft, ReportDraft, SigningDraft, Sourced, SpfDraft,
    TrustDraft, VerifyDraft,
};
pub use networks::{Cidr, CidrError, IpSet};
pub use reply_template::{Filling, MAX_REPLY_TEXT, ReplyTemplate, TemplateError};
pub use report::{DatabasePlace, Report, ReportDelivery};
pub use sender_domains::{SenderDomains, SenderPattern};
pub use settings::{Dns, FailureReports, Journal, KeyChecks, Limits, Listener, Log, Policy, Spf, Trust, Verify};
pub use units::parse_duration;
pub use words::{
    BodyLength, Enforcement, Facility, LogFormat, LogLevel, LogSink, Mode, OnFailure, OnKeyError, OnKeyMismatch,
    OnUnknownOutcome, OrgDomains, RejectAt, ReportFormat, ReportMode, ReportTls,
};

use crate::regular_file;
use diagnostics::{CONFIG_READ, Location};

/// Octets above which a file is not taken for a configuration: 100,000 domains fit.
pub const MAX_FILE: u64 = 64 << 20;

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Sockets; at least one.
    pub listeners: Vec<Listener>,
    /// Where keys made by us and the journal are; default `./postseal-data`.
    pub state_dir: PathBuf,
    /// Our name in Authentication-Results fields; `None`: the MTA's `j` macro (M26).
    pub authserv_id: Option<String>,
    /// Whether the queue id follows it (`AuthservIDWithJobID` of OpenDKIM and OpenDMARC).
    pub authserv_id_with_job_id: bool,
    /// Further names whose Authentication-Results fields are removed from incoming mail.
    pub remove_authserv_ids: Vec<String>,
    /// Whose mail is signed, and how.
    pub domains: SigningDomains,
    /// How our own keys are compared with the DNS.
    pub keys: KeyChecks,
    /// How keys are looked up.
    pub dns: Dns,
    /// What one connection or message may cost.
    pub limits: Limits,
    /// What happens when something went wrong.
    pub policy: Policy,
    /// Which signatures count.
    pub verify: Verify,
    /// How senders are checked.
    pub spf: Spf,
    /// How mail is judged by DMARC.
    pub dmarc: Dmarc,
    /// What is kept of each message that was decided on.
    pub journal: Journal,
    /// Whether mail that failed is kept for failure reports.
    pub failure_reports: FailureReports,
    /// What is kept for reports to domain owners, and where: `postseal-report` does that, and the daemon does not.
    pub report: Report,
    /// What is logged.
    pub log: Log,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listeners: vec![Listener::default()],
            state_dir: PathBuf::from("postseal-data"),
            authserv_id: None,
            authserv_id_with_job_id: false,
            remove_authserv_ids: Vec::new(),
            domains: SigningDomains::default(),
            keys: KeyChecks::default(),
            dns: Dns::default(),
            limits: Limits::default(),
            policy: Policy::default(),
            verify: Verify::default(),
            spf: Spf::default(),
            dmarc: Dmarc::default(),
            journal: Journal::default(),
            failure_reports: FailureReports::default(),
            report: Report::default(),
            log: Log::default(),
        }
    }
}

/// Reads and checks a configuration file.
///
/// *Inputs*: the path of a TOML file of at most [`MAX_FILE`] octets; relative paths inside it start at its folder.
///
/// # Errors
///
/// All findings, at least one of them an error. On success the findings are warnings.
pub fn load(file: &Path) -> Result<(Config, Diagnostics), Diagnostics> {
    let text = read(file).map_err(|error| {
        let fix = match error.kind() {
            io::ErrorKind::NotFound => "give the path of an existing file with `--config`, or run without it",
            io::ErrorKind::PermissionDenied => "let the user of this process read the file and enter its folders",
            io::ErrorKind::InvalidData => "save the file as UTF-8 text",
            io::ErrorKind::FileTooLarge => "give the path of the configuration file; this one cannot be it",
            _ => "check the path and the file system",
        };
        let mut found = Diagnostics::default();
        found.push(Diagnostic::at(&Location::whole(file), CONFIG_READ, format!("cannot read the file: {error}"), fix));
        found
    })?;
    parse(&text, file)
}

/// Checks the text of a configuration file; `file` is named in findings, and relative paths start at its folder.
///
/// # Errors
///
/// As [`load`].
pub fn parse(text: &str, file: &Path) -> Result<(Config, Diagnostics), Diagnostics> {
    let (draft, mut found) = native::read(text, file);
    let (config, more) = draft.validate();
    found.extend(more);
    if found.has_errors() { Err(found) } else { Ok((config, found)) }
}

/// The text of a file of at most [`MAX_FILE`] octets.
fn read(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    // One octet more than allowed tells a file that ends at the limit from a longer one.
    let octets = regular_file::open(file)?.take(MAX_FILE.saturating_add(1)).read_to_string(&mut text)?;
    if u64::try_from(octets).is_ok_and(|octets| octets <= MAX_FILE) {
        Ok(text)
    } else {
        Err(io::ErrorKind::FileTooLarge.into())
    }
}
