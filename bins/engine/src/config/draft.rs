//! The configuration as it was written: every value with the place it came from, nothing filled in.
//!
//! The form that the reader of each file format produces; [`Draft::validate`](super::Draft::validate) turns it into a
//! [`Config`](super::Config). Values are typed already, since formats spell them differently; what one value means beside another is checked
//! there, once for all formats. A field that is absent was not written.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use dkim_core::canon::Canon;
use dkim_core::domain::{DomainName, Selector};
use dkim_core::signature::Identity;
use dmarc_core::record::Policy;
use jiff::civil::Date;

use super::diagnostics::Location;
use super::domains::DomainPattern;
use super::networks::Cidr;
use super::reply_template::ReplyTemplate;
use super::report::{DatabasePlace, ReportDelivery};
use super::sender_domains::SenderPattern;
use super::words::{
    BodyLength, Enforcement, Facility, LogFormat, LogLevel, LogSink, Mode, OnFailure, OnKeyError, OnKeyMismatch,
    OnUnknownOutcome, OrgDomains, RejectAt, ReportFormat, ReportMode, ReportTls,
};
use crate::socket_address::SocketAddress;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// File, line and name of the setting.
    pub at: Location,
}

/// A value that may not have been written.
type Maybe<T> = Option<Sourced<T>>;
/// A list that may not have been written.
type MaybeList<T> = Option<Vec<Sourced<T>>>;

/// The whole file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draft {
    /// `listen`.
    pub listen: MaybeList<ListenDraft>,
    /// `mode`: of listeners that do not say.
    pub mode: Maybe<Mode>,
    /// `state_dir`.
    pub state_dir: Maybe<PathBuf>,
    /// `authserv_id`.
    pub authserv_id: Maybe<String>,
    /// `remove_authserv_ids`.
    pub remove_authserv_ids: MaybeList<String>,
    /// `[signing]`: of domains that do not say.
    pub signing: SigningDraft,
    /// `[[domain]]`.
    pub domains: Vec<Sourced<DomainDraft>>,
    /// `[keys]`.
    pub keys: KeyChecksDraft,
    /// `[trust]`: of listeners that do not say.
    pub trust: TrustDraft,
    /// `[dns]`.
    pub dns: DnsDraft,
    /// `[limits]`.
    pub limits: LimitsDraft,
    /// `[policy]`.
    pub policy: PolicyDraft,
    /// `[verify]`.
    pub verify: VerifyDraft,
    /// `[spf]`.
    pub spf: SpfDraft,
    /// `[dmarc]`.
    pub dmarc: DmarcDraft,
    /// `[journal]`.
    pub journal: JournalDraft,
    /// `[failure_reports]`.
    pub failure_reports: FailureReportsDraft,
    /// `[report]`.
    pub report: ReportDraft,
    /// `[log]`.
    pub log: LogDraft,
}

/// One item of `listen`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListenDraft {
    /// `socket`; absent when it was reported.
    pub socket: Maybe<SocketAddress>,
    /// `socket_mode`.
    pub socket_mode: Maybe<u32>,
    /// `socket_owner`.
    pub socket_owner: Maybe<String>,
    /// `socket_group`.
    pub socket_group: Maybe<String>,
    /// `mode`.
    pub mode: Maybe<Mode>,
    /// `trust`, which replaces the whole of `[trust]`.
    pub trust: Option<TrustDraft>,
}

/// `[signing]`, and the same keys in `[[domain]]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SigningDraft {
    /// `canonicalization`, of header and body.
    pub canonicalization: Maybe<(Canon, Canon)>,
    /// `sign_headers`.
    pub sign_headers: MaybeList<String>,
    /// `oversign_headers`.
    pub oversign_headers: MaybeList<String>,
    /// `expiry`; zero: for ever.
    pub expiry: Maybe<Duration>,
    /// `on_key_error`.
    pub on_key_error: Maybe<OnKeyError>,
    /// `on_key_mismatch`.
    pub on_key_mismatch: Maybe<OnKeyMismatch>,
}

/// One `[[domain]]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DomainDraft {
    /// `name`; absent when it was reported.
    pub name: Maybe<DomainPattern>,
    /// `subdomains`.
    pub subdomains: Maybe<bool>,
    /// `signing_domain`.
    pub signing_domain: Maybe<DomainName>,
    /// `keys`.
    pub keys: MaybeList<KeyDraft>,
    /// `allow_ed25519_only`.
    pub allow_ed25519_only: Maybe<bool>,
    /// `identity`.
    pub identity: Maybe<Identity>,
    /// The keys that `[signing]` has as well.
    pub signing: SigningDraft,
}

/// One item of `keys`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyDraft {
    /// `selector`; absent when it was reported.
    pub selector: Maybe<Selector>,
    /// `file`; absent when it was reported.
    pub file: Maybe<PathBuf>,
}

/// `[keys]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyChecksDraft {
    /// `check_interval`; zero: never.
    pub check_interval: Maybe<Duration>,
}

/// `[trust]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustDraft {
    /// `authenticated`.
    pub authenticated: Maybe<bool>,
    /// `daemon_names`.
    pub daemon_names: MaybeList<String>,
    /// `daemon_ports`.
    pub daemon_ports: MaybeList<u16>,
    /// `networks`.
    pub networks: MaybeList<Cidr>,
    /// `upstream`.
    pub upstream: MaybeList<Cidr>,
    /// `keep_results_from`.
    pub keep_results_from: MaybeList<Cidr>,
    /// `allow_any_network`.
    pub allow_any_network: Maybe<bool>,
}

/// `[dns]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DnsDraft {
    /// `nameservers`.
    pub nameservers: MaybeList<SocketAddr>,
    /// `timeout`.
    pub timeout: Maybe<Duration>,
    /// `deadline`.
    pub deadline: Maybe<Duration>,
    /// `cache_size`.
    pub cache_size: Maybe<u64>,
    /// `zone_file`.
    pub zone_file: Maybe<PathBuf>,
}

/// `[limits]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LimitsDraft {
    /// `connections`.
    pub connections: Maybe<u64>,
    /// `frame`, in octets.
    pub frame: Maybe<u64>,
    /// `header_bytes`.
    pub header_bytes: Maybe<u64>,
    /// `header_fields`.
    pub header_fields: Maybe<u64>,
    /// `recipients`.
    pub recipients: Maybe<u64>,
    /// `signatures`.
    pub signatures: Maybe<u64>,
    /// `signature_header_names`.
    pub signature_header_names: Maybe<u64>,
    /// `tags`.
    pub tags: Maybe<u64>,
    /// `idle`.
    pub idle: Maybe<Duration>,
    /// `packet`.
    pub packet: Maybe<Duration>,
    /// `stop`.
    pub stop: Maybe<Duration>,
}

/// `[policy]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyDraft {
    /// `on_dns_failure`.
    pub on_dns_failure: Maybe<OnFailure>,
    /// `on_internal_error`.
    pub on_internal_error: Maybe<OnFailure>,
    /// `on_limit`.
    pub on_limit: Maybe<OnFailure>,
}

/// `[verify]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyDraft {
    /// `clock_skew`.
    pub clock_skew: Maybe<Duration>,
    /// `body_length`.
    pub body_length: Maybe<BodyLength>,
    /// `min_rsa_bits`.
    pub min_rsa_bits: Maybe<u64>,
    /// `max_rsa_bits`.
    pub max_rsa_bits: Maybe<u64>,
}

/// `[spf]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpfDraft {
    /// `enabled`.
    pub enabled: Maybe<bool>,
    /// `reject`.
    pub reject: MaybeList<SenderPattern>,
    /// `reject_at`.
    pub reject_at: Maybe<RejectAt>,
    /// `budget`.
    pub budget: Maybe<Duration>,
    /// `on_temperror`.
    pub on_temperror: Maybe<OnFailure>,
    /// `allow_networks`.
    pub allow_networks: MaybeList<Cidr>,
    /// `allow_domains`.
    pub allow_domains: MaybeList<SenderPattern>,
    /// `relays`.
    pub relays: MaybeList<Cidr>,
    /// `received_spf`.
    pub received_spf: Maybe<bool>,
    /// `timeout`.
    pub timeout: Maybe<Duration>,
}

/// `[dmarc]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DmarcDraft {
    /// `enabled`.
    pub enabled: Maybe<bool>,
    /// `mode`.
    pub mode: Maybe<Enforcement>,
    /// `share`, in percent.
    pub share: Maybe<u64>,
    /// `method`.
    pub method: Maybe<OrgDomains>,
    /// `public_suffix_list`.
    pub public_suffix_list: Maybe<PathBuf>,
    /// `on_temperror`.
    pub on_temperror: Maybe<OnFailure>,
    /// `multiple_from`.
    pub multiple_from: Maybe<Enforcement>,
    /// `mailing_lists`.
    pub mailing_lists: Maybe<Enforcement>,
    /// `seldom_seen`.
    pub seldom_seen: Maybe<Enforcement>,
    /// `known_after`.
    pub known_after: Maybe<u64>,
    /// `trusted_forwarders`.
    pub trusted_forwarders: MaybeList<Cidr>,
    /// `tag_header`.
    pub tag_header: Maybe<String>,
    /// `reject_code`, as subject and detail.
    pub reject_code: Maybe<(u16, u16)>,
    /// `reject_text`.
    pub reject_text: Maybe<ReplyTemplate>,
    /// `reject_url`.
    pub reject_url: Maybe<String>,
    /// `remove_bimi`.
    pub remove_bimi: Maybe<bool>,
    /// `[[dmarc.override]]`.
    pub overrides: MaybeList<DmarcOverrideDraft>,
}

/// One `[[dmarc.override]]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DmarcOverrideDraft {
    /// `sender`.
    pub sender: MaybeList<SenderPattern>,
    /// `recipient`.
    pub recipient: MaybeList<SenderPattern>,
    /// `mode`.
    pub mode: Maybe<Enforcement>,
    /// `policy`.
    pub policy: Maybe<Policy>,
    /// `share`, in percent.
    pub share: Maybe<u64>,
    /// `reason`; absent when it was reported.
    pub reason: Maybe<String>,
    /// `until`.
    pub until: Maybe<Date>,
}

/// `[journal]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JournalDraft {
    /// `enabled`.
    pub enabled: Maybe<bool>,
    /// `folder`.
    pub folder: Maybe<PathBuf>,
    /// `segment_size`, in octets.
    pub segment_size: Maybe<u64>,
    /// `segment_age`.
    pub segment_age: Maybe<Duration>,
    /// `max_size`, in octets.
    pub max_size: Maybe<u64>,
    /// `keep`.
    pub keep: Maybe<Duration>,
}

/// `[failure_reports]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FailureReportsDraft {
    /// `enabled`.
    pub enabled: Maybe<bool>,
    /// `folder`.
    pub folder: Maybe<PathBuf>,
    /// `on_none`.
    pub on_none: Maybe<bool>,
    /// `per_domain`.
    pub per_domain: Maybe<u64>,
}

/// `[report]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportDraft {
    /// `database`.
    pub database: Maybe<DatabasePlace>,
    /// `node`.
    pub node: Maybe<String>,
    /// `max_rows`.
    pub max_rows: Maybe<u64>,
    /// `envelope_to`.
    pub envelope_to: Maybe<bool>,
    /// `org_name`.
    pub org_name: Maybe<String>,
    /// `email`.
    pub email: Maybe<String>,
    /// `extra_contact_info`.
    pub extra_contact_info: Maybe<String>,
    /// `mode`.
    pub mode: Maybe<ReportMode>,
    /// `format`.
    pub format: Maybe<ReportFormat>,
    /// `delivery`.
    pub delivery: Maybe<ReportDelivery>,
    /// `tls`.
    pub tls: Maybe<ReportTls>,
    /// `smtp_user`.
    pub smtp_user: Maybe<String>,
    /// `smtp_password_file`.
    pub smtp_password_file: Maybe<PathBuf>,
    /// `on_unknown_outcome`.
    pub on_unknown_outcome: Maybe<OnUnknownOutcome>,
}

/// `[log]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogDraft {
    /// `format`.
    pub format: Maybe<LogFormat>,
    /// `level`.
    pub level: Maybe<LogLevel>,
    /// `sink`.
    pub sink: Maybe<LogSink>,
    /// `facility`.
    pub facility: Maybe<Facility>,
    /// `name`.
    pub name: Maybe<String>,
}
