//! The parts of a [`Config`](super::Config) that are plain values, with their defaults.
//!
//! Every default is the one in `docs/configuration.md`; a test compares them with an empty file.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dkim_core::header::HeaderLimits;
use dkim_core::tag_list::TagLimits;
use dkim_core::verify::{BodyLengthPolicy, VerifyPolicy};

use super::networks::IpSet;
use super::sender_domains::SenderDomains;
use super::words::{BodyLength, Facility, LogFormat, LogLevel, LogSink, Mode, OnFailure, RejectAt};
use crate::journal;
use crate::socket_address::SocketAddress;

/// One socket and how mail from it is treated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Where to listen.
    pub socket: SocketAddress,
    /// Permission bits of a Unix socket; `None` leaves what the umask gives.
    pub socket_mode: Option<u32>,
    /// Name or number of the user that shall own a Unix socket.
    pub socket_owner: Option<String>,
    /// Name or number of the group of a Unix socket.
    pub socket_group: Option<String>,
    /// What is done with mail from this socket.
    pub mode: Mode,
    /// Whether anything is done at all: a socket that takes part in nothing agrees on nothing with the MTA and accepts each connection; default yes.
    pub takes_part: bool,
    /// Which of that mail is our own.
    pub trust: Arc<Trust>,
}

impl Listener {
    /// A listener at `socket` with default mode and trust.
    #[must_use]
    pub fn at(socket: SocketAddress) -> Self {
        Self {
            socket,
            socket_mode: None,
            socket_owner: None,
            socket_group: None,
            mode: Mode::Both,
            takes_part: true,
            trust: Arc::new(Trust::default()),
        }
    }
}

/// `inet:127.0.0.1:8891`.
impl Default for Listener {
    fn default() -> Self {
        Self::at(SocketAddress::tcp(IpAddr::V4(Ipv4Addr::LOCALHOST), 8891))
    }
}

/// Which mail is our own. A message is ours by the first rule that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// Whether a client that authenticated (`{auth_authen}` or `{auth_type}`) submits mail of our own; default yes.
    pub authenticated: bool,
    /// Values of `{daemon_name}` that mark submission; default `ORIGINATING`.
    pub daemon_names: Vec<String>,
    /// Values of `{daemon_port}` that mark submission; default none.
    pub daemon_ports: Vec<u16>,
    /// Clients whose mail is our own; default loopback of both families.
    pub networks: IpSet,
    /// Clients inside `networks` that pass on mail from outside (gateways, content filters); default none.
    pub upstream: IpSet,
    /// Clients that pass on mail which we have judged already, at another socket; default none. They are upstream as well.
    pub keep_results_from: IpSet,
}

impl Default for Trust {
    fn default() -> Self {
        Self {
            authenticated: true,
            // Postfix's documentation and every stock master.cf use this word for the submission services.
            daemon_names: vec!["ORIGINATING".to_owned()],
            daemon_ports: Vec::new(),
            networks: IpSet::loopback(),
            upstream: IpSet::default(),
            keep_results_from: IpSet::default(),
        }
    }
}

/// How our own keys are compared with the DNS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyChecks {
    /// Time from one comparison to the next, the first of which is at the start; `None`: never. Default an hour.
    pub interval: Option<Duration>,
}

impl Default for KeyChecks {
    fn default() -> Self {
        Self { interval: Some(Duration::from_secs(3600)) }
    }
}

/// How keys are looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dns {
    /// Servers to ask; empty: those of `/etc/resolv.conf`.
    pub nameservers: Vec<SocketAddr>,
    /// Time for one question with all its retries; default 5 s.
    pub timeout: Duration,
    /// Time for all questions of a message, counted from the end of the message; default 20 s.
    pub deadline: Duration,
    /// Answers kept; default 8192.
    pub cache_size: usize,
    /// A zone file whose names are answered from it and never asked for.
    pub zone_file: Option<PathBuf>,
}

impl Default for Dns {
    fn default() -> Self {
        Self {
            nameservers: Vec::new(),
            timeout: Duration::from_secs(5),
            deadline: Duration::from_secs(20),
            cache_size: 8192,
            zone_file: None,
        }
    }
}

/// What one connection or message may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; more wait in the socket's queue. Default 500.
    pub connections: usize,
    /// Octets of one milter packet; default 2 MiB, so that a header field of 1 MiB is judged and not a reason to close.
    pub frame: u32,
    /// Octets and fields of a header section; default 512 KiB and 20,000.
    pub header: HeaderLimits,
    /// Recipients kept of a message; default 10,000.
    pub recipients: usize,
    /// Signatures verified of a message; default 10.
    pub signatures: usize,
    /// Names in an `h=` list; default 256.
    pub signature_header_names: usize,
    /// Tags in a tag list; default 128.
    pub tags: TagLimits,
    /// Time without an event after which a connection is closed; default 2 h.
    pub idle: Duration,
    /// Time for the rest of a packet that has begun, and for a reply to be taken; default 30 s.
    pub packet: Duration,
    /// Time that messages in flight have to finish at a stop; default 30 s.
    pub stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 500,
            frame: 2 << 20,
            header: HeaderLimits::default(),
            recipients: 10_000,
            signatures: 10,
            signature_header_names: 256,
            tags: TagLimits::default(),
            idle: Duration::from_secs(2 * 60 * 60),
            packet: Duration::from_secs(30),
            stop: Duration::from_secs(30),
        }
    }
}

/// What happens to a message when something that is not its fault went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// A key could not be looked up; default accept, with `temperror` in the results.
    pub on_dns_failure: OnFailure,
    /// We made a mistake (a panic, a refused operation); default tempfail, since the message would pass with forged results left in.
    pub on_internal_error: OnFailure,
    /// The message exceeds one of our limits; default accept, since it would exceed it at every try.
    pub on_limit: OnFailure,
}

impl Default for Policy {
    fn default() -> Self {
        Self { on_dns_failure: OnFailure::Accept, on_internal_error: OnFailure::Tempfail, on_limit: OnFailure::Accept }
    }
}

/// Which signatures count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verify {
    /// Tolerance for `t=` in the future and `x=` in the past; default 300 s (M39).
    pub clock_skew: Duration,
    /// What a signature with `l=` is worth; default `whole-body`.
    pub body_length: BodyLength,
    /// The shortest RSA key in bits; default 1024 (RFC 8301 §3.2).
    pub min_rsa_bits: usize,
    /// The longest RSA key in bits; default 4096.
    pub max_rsa_bits: usize,
}

impl Default for Verify {
    fn default() -> Self {
        Self {
            clock_skew: Duration::from_secs(300),
            body_length: BodyLength::WholeBody,
            min_rsa_bits: 1024,
            max_rsa_bits: 4096,
        }
    }
}

impl Verify {
    /// What `dkim_core` verifies with, within `limits`.
    #[must_use]
    pub fn policy(&self, limits: &Limits) -> VerifyPolicy {
        let mut policy = VerifyPolicy::default();
        policy.max_signatures = limits.signatures;
        policy.max_header_names = limits.signature_header_names;
        policy.max_tags = limits.tags.max_tags;
        policy.max_signature_bytes = limits.tags.max_bytes;
        policy.clock_skew = self.clock_skew.as_secs();
        policy.min_rsa_bits = self.min_rsa_bits;
        policy.max_rsa_bits = self.max_rsa_bits;
        policy.body_length = match self.body_length {
            BodyLength::WholeBody => BodyLengthPolicy::Policy,
            BodyLength::Accept => BodyLengthPolicy::Accept,
            BodyLength::Refuse => BodyLengthPolicy::Reject,
        };
        policy
    }
}

/// How senders are checked (RFC 7208), and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spf {
    /// Whether they are; default yes.
    pub enabled: bool,
    /// Sender domains whose `fail` is rejected; default none, since a rejection comes before DKIM and DMARC have a say (RFC 9989 §7.1).
    pub reject: SenderDomains,
    /// The step of the dialogue at which that is done; default RCPT.
    pub reject_at: RejectAt,
    /// The longest time that this step waits for the result; later ones are looked at when the message is complete. Default 5 s.
    pub budget: Duration,
    /// What happens to mail whose sender could not be checked; default accept.
    pub on_temperror: OnFailure,
    /// Clients whose mail is neither rejected nor put off for SPF; default none.
    pub allow_networks: IpSet,
    /// Sender domains whose mail is neither; default none.
    pub allow_domains: SenderDomains,
    /// Hosts that pass on mail from outside: the client is found in the Received fields below theirs. Default none.
    pub relays: IpSet,
    /// Whether a Received-SPF field is added (RFC 7208 §9.1); default no.
    pub received_spf: bool,
    /// Time for one check with all its questions, from MAIL, behind a relay from the end of the header section; default 20 s.
    pub timeout: Duration,
}

impl Default for Spf {
    fn default() -> Self {
        Self {
            enabled: true,
            reject: SenderDomains::default(),
            reject_at: RejectAt::Rcpt,
            budget: Duration::from_secs(5),
            on_temperror: OnFailure::Accept,
            allow_networks: IpSet::default(),
            allow_domains: SenderDomains::default(),
            relays: IpSet::default(),
            received_spf: false,
            timeout: Duration::from_secs(20),
        }
    }
}

/// What is kept of each message that was decided on, where and how long ([`crate::journal`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    /// Whether anything is; default yes.
    pub enabled: bool,
    /// Its folder; default `journal` in the state folder.
    pub folder: Option<PathBuf>,
    /// Octets after which a new segment is begun; default 16 MiB.
    pub segment_size: u64,
    /// Time after which one is begun; default an hour.
    pub segment_age: Duration,
    /// Octets of all segments; default 2 GiB.
    pub max_size: u64,
    /// Time after which a segment goes; default 14 days.
    pub keep: Duration,
}

impl Default for Journal {
    fn default() -> Self {
        let journal::Settings { segment_size, segment_age, max_size, keep, .. } =
            journal::Settings::new(PathBuf::new());
        Self { enabled: true, folder: None, segment_size, segment_age, max_size, keep }
    }
}

impl Journal {
    /// The folder, where the state folder is this one.
    #[must_use]
    pub fn folder(&self, state_dir: &Path) -> PathBuf {
        self.folder.clone().unwrap_or_else(|| state_dir.join("journal"))
    }

    /// What the journal is opened with, where the state folder is this one.
    #[must_use]
    pub fn settings(&self, state_dir: &Path) -> journal::Settings {
        journal::Settings {
            folder: self.folder(state_dir),
            segment_size: self.segment_size,
            segment_age: self.segment_age,
            max_size: self.max_size,
            keep: self.keep,
        }
    }
}

/// Whether mail that failed is kept for failure reports ([`crate::failures`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureReports {
    /// Whether it is; default no: a failure report tells a stranger about a single message.
    pub enabled: bool,
    /// The folder; default `failures` in the state folder.
    pub folder: Option<PathBuf>,
    /// Whether also for domains that ask for no enforcement (`p=none`); default yes.
    pub on_none: bool,
    /// Messages of a policy domain and day that are kept, further ones are counted; default 100.
    pub per_domain: u64,
}

impl Default for FailureReports {
    fn default() -> Self {
        Self { enabled: false, folder: None, on_none: true, per_domain: 100 }
    }
}

impl FailureReports {
    /// The folder, where the state folder is this one.
    #[must_use]
    pub fn folder(&self, state_dir: &Path) -> PathBuf {
        self.folder.clone().unwrap_or_else(|| state_dir.join("failures"))
    }
}

/// What is logged, how and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Default text.
    pub format: LogFormat,
    /// Default info.
    pub level: LogLevel,
    /// Default stdout.
    pub sink: LogSink,
    /// For syslog; default mail.
    pub facility: Facility,
    /// The name of the program in syslog and journal; default `postseal`, with the name of the instance if it has one.
    pub name: Option<String>,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            level: LogLevel::Info,
            sink: LogSink::Stdout,
            facility: Facility::Mail,
            name: None,
        }
    }
}

impl Log {
    /// The name of the program in syslog and journal.
    #[must_use]
    pub fn program(&self) -> &str {
        self.name.as_deref().unwrap_or("postseal")
    }
}
