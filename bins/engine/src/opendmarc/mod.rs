//! The ways of OpenDMARC, for a daemon that runs from `opendmarc.conf`: whose mail is judged, what is done about a result, and what is written down.
//!
//! ```text
//!  MAIL ─► Ways::judges             IgnoreHosts, IgnoreAuthenticatedClients
//!  EOH  ─► Ways::ignores_author     IgnoreMailFrom
//!  EOM  ─► Ways::rule               RequiredHeaders, RequiredFrom, RejectMultiValueFrom, RejectFailures, HoldQuarantinedMessages
//!       └► history                  HistoryFile
//! ```
//!
//! SPF, DKIM and DMARC are those of this process, as without these ways; no result is read from a field. Numbers such as §3.1 in names of tests are those
//! of the description of OpenDMARC that this follows.
//!
//! What differs from OpenDMARC: mail that is signed here is our own and is not judged; fields under our name are removed from mail that is ignored, too;
//! mail without one author domain has the result `permerror` where OpenDMARC lets it pass without a word.

pub mod history;
mod hosts;
mod required;
mod ruling;
mod test_dns;

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};

use dkim_core::domain::DomainName;

pub use self::history::History;
pub use self::test_dns::test_zone;
use crate::config::Diagnostics;
use crate::config::opendmarc::OpenDmarc;
use crate::dataset::HostList;
use crate::logging::OLD_LINE;
use crate::message::origin::{Client, Origin, OriginRule};
use crate::opendkim::of_host;

/// OpenDMARC's ways, as one `opendmarc.conf` has them. Never changed; a reload makes new ones.
#[derive(Debug)]
pub struct Ways {
    /// `IgnoreHosts`
    hosts: HostList,
    /// `IgnoreAuthenticatedClients`
    ignores_authenticated: bool,
    /// `IgnoreMailFrom`, in lower case.
    ignored_authors: HashSet<String>,
    required: required::Required,
    acting: ruling::Acting,
    /// `CopyFailuresTo`, in angle brackets.
    copy_failures_to: Option<String>,
    /// `SoftwareHeader`
    adds_software: bool,
    history: Option<History>,
    /// `RecordAllMessages`
    records_all: bool,
    /// `IgnoreMailTo`, in lower case.
    not_recorded_for: HashSet<String>,
}

/// Whether the mail of a client is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judges {
    /// It is.
    Yes,
    /// The client is on `IgnoreHosts`.
    IgnoredHost,
    /// It authenticated, and `IgnoreAuthenticatedClients` is set.
    IgnoredAuthenticated,
}

impl Ways {
    /// The ways of a file that was read, in place of those that were in force: what waits to be written stays with who writes it.
    ///
    /// `found` gets what there is to say about files that it names. `None` where one of them cannot be read: then `found` has an error.
    pub fn new(dmarc: &OpenDmarc, before: Option<&Self>, found: &mut Diagnostics) -> Option<Self> {
        let hosts = match &dmarc.ignoring.hosts {
            Some(file) => hosts::read(file, found)?,
            None => HostList::loopback(),
        };
        let lower = |list: Option<&Vec<String>>| -> HashSet<String> {
            list.into_iter().flatten().map(|item| item.to_ascii_lowercase()).collect()
        };
        let path = dmarc.history.file.as_ref().map(|file| file.value.as_path());
        let kept = before.and_then(|before| before.history.as_ref()).filter(|history| Some(history.path()) == path);
        let history = kept.cloned().or_else(|| path.map(History::new));
        Some(Self {
            hosts,
            ignores_authenticated: dmarc.ignoring.authenticated_clients,
            ignored_authors: lower(dmarc.ignoring.mail_from.as_ref().map(|list| &list.value)),
            required: required::Required::new(&dmarc.evaluating),
            acting: ruling::Acting::new(dmarc),
            copy_failures_to: dmarc.acting.copy_failures_to.as_ref().map(|address| in_brackets(&address.value)),
            adds_software: dmarc.results.software_header,
            history,
            records_all: dmarc.history.record_all,
            not_recorded_for: lower(dmarc.history.ignore_mail_to.as_ref().map(|list| &list.value)),
        })
    }

    /// Whether mail of this client is judged; `auth_authen` is the macro of that name. What is ignored is logged as OpenDMARC does.
    ///
    /// A client without an address (a Unix socket, or a program on this host) is 127.0.0.1, as in OpenDMARC.
    #[must_use]
    pub fn judges(&self, client: Client, name: &[u8], auth_authen: Option<&[u8]>) -> Judges {
        let address = match client {
            Client::Ip(address, _) => address,
            Client::Unix | Client::Unknown => IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        // Postfix says `unknown` where there is no name, Sendmail the address in brackets.
        let name = std::str::from_utf8(name).ok().filter(|name| *name != "unknown" && !name.starts_with('['));
        // The list is in memory, so it is asked without a wait.
        if self.hosts.contains_now(name, Some(address)) == Some(true) {
            return Judges::IgnoredHost;
        }
        let is_authenticated = auth_authen.is_some_and(|user| !user.is_empty());
        if self.ignores_authenticated && is_authenticated { Judges::IgnoredAuthenticated } else { Judges::Yes }
    }

    /// Whether `IgnoreMailFrom` names the author domain; its subdomains are others.
    #[must_use]
    pub fn ignores_author(&self, author: &DomainName) -> bool {
        self.ignored_authors.contains(author.as_str())
    }

    /// The author domains that are ignored.
    pub fn ignored_authors(&self) -> impl Iterator<Item = &str> {
        self.ignored_authors.iter().map(String::as_str)
    }

    /// Whether mail is put into quarantine (`HoldQuarantinedMessages`).
    #[must_use]
    pub fn holds(&self) -> bool {
        self.acting.holds
    }

    /// Who gets a copy of mail that fails.
    #[must_use]
    pub fn copy_failures_to(&self) -> Option<&str> {
        self.copy_failures_to.as_deref()
    }

    /// Whether a DMARC-Filter field is added.
    #[must_use]
    pub fn adds_software(&self) -> bool {
        self.adds_software
    }

    /// Where messages are written down.
    #[must_use]
    pub fn history(&self) -> Option<&History> {
        self.history.as_ref()
    }

    /// Whether mail of domains without a record is written down, too.
    #[must_use]
    pub fn records_all(&self) -> bool {
        self.records_all
    }

    /// Whether a recipient (as typed) is one whose mail is not written down.
    #[must_use]
    pub fn is_recorded_for(&self, recipient: &[u8]) -> bool {
        if self.not_recorded_for.is_empty() {
            return true;
        }
        let text = String::from_utf8_lossy(recipient).to_ascii_lowercase();
        let text = text.trim();
        let text = text.strip_prefix('<').and_then(|text| text.strip_suffix('>')).unwrap_or(text);
        !self.not_recorded_for.contains(text)
    }
}

impl Judges {
    /// Logs what OpenDMARC logs about mail that it ignores.
    pub(crate) fn log(self, name: &[u8], client: Client, sender: &[u8]) {
        match self {
            Self::Yes => {}
            Self::IgnoredHost if name.is_empty() => {
                tracing::info!(target: OLD_LINE, "ignoring connection from {client}");
            }
            Self::IgnoredHost => tracing::info!(target: OLD_LINE, "ignoring connection from {}", name.escape_ascii()),
            Self::IgnoredAuthenticated => {
                tracing::info!(target: OLD_LINE, "ignoring authenticated client, mailfrom={}", sender.escape_ascii());
            }
        }
    }

    /// Whose mail it is where no `opendkim.conf` says so.
    #[must_use]
    pub fn origin(self, client: Client) -> (Origin, OriginRule) {
        match self {
            Self::Yes => (Origin::Inbound, OriginRule::NotTrusted),
            Self::IgnoredHost => of_host(client),
            Self::IgnoredAuthenticated => (Origin::Submission, OriginRule::Authenticated),
        }
    }
}

fn in_brackets(address: &str) -> String {
    if address.starts_with('<') { address.to_owned() } else { format!("<{address}>") }
}
