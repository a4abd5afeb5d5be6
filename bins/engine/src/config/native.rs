//! The native format: TOML to [`Draft`]. `docs/configuration.md` describes it key by key; a test keeps the two equal.
//!
//! Relative paths start at the folder of the file. Nesting is bounded by the TOML parser (80 levels), and time is linear in the file.

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::diagnostics::{CONFIG_SYNTAX, Diagnostic, Diagnostics};
use super::draft::{
    DmarcDraft, DmarcOverrideDraft, DnsDraft, DomainDraft, Draft, FailureReportsDraft, JournalDraft, KeyChecksDraft,
    KeyDraft, LimitsDraft, ListenDraft, LogDraft, PolicyDraft, ReportDraft, SigningDraft, Sourced, SpfDraft,
    TrustDraft, VerifyDraft,
};
use super::report::{DatabasePlace, ReportAddress};
use super::section::{Section, Source, shorten};
use super::values::{AuthservId, Canonicalization, FileMode, HeaderName, Line, RejectCode, Size, Url};
use crate::socket_address::SocketAddress;

/// Reads the text of a configuration file. What cannot be read is reported and left out of the draft.
pub(super) fn read(text: &str, file: &Path) -> (Draft, Diagnostics) {
    let source = Source::new(file, text);
    let mut found = Diagnostics::default();
    let (root, errors) = DeTable::parse_recoverable(text);
    // Only the first: what stands behind it is often a consequence, and what the parser recovered is a guess.
    if let Some(error) = errors.first() {
        let at = source.locate(&error.span().unwrap_or(Range { start: 0, end: 0 }), String::new());
        let cause = format!("not valid TOML: {}", shorten(&error.message().replace('\n', ", ")));
        let fix = "correct the line; text stands in quotes, lists in `[…]`, sections begin with `[name]`";
        found.push(Diagnostic::at(&at, CONFIG_SYNTAX, cause, fix));
        return (Draft::default(), found);
    }
    let mut section = Section::root(&root, &source, &mut found);
    let draft = document(&mut section);
    section.finish();
    (draft, found)
}

fn document(section: &mut Section<'_, '_>) -> Draft {
    let listen = section.sections_or_values("listen", listen_shorthand, listen);
    Draft {
        listen: section.not_empty("listen", listen),
        mode: section.get("mode"),
        state_dir: path(section, "state_dir"),
        authserv_id: one(section.get("authserv_id"), |id: AuthservId| id.0),
        remove_authserv_ids: all(section.list("remove_authserv_ids"), |id: AuthservId| id.0),
        signing: section.section("signing", signing).unwrap_or_default(),
        domains: section.sections("domain", domain).unwrap_or_default(),
        keys: section.section("keys", key_checks).unwrap_or_default(),
        trust: section.section("trust", trust).unwrap_or_default(),
        dns: section.section("dns", dns).unwrap_or_default(),
        limits: section.section("limits", limits).unwrap_or_default(),
        policy: section.section("policy", policy).unwrap_or_default(),
        verify: section.section("verify", verify).unwrap_or_default(),
        spf: section.section("spf", spf).unwrap_or_default(),
        dmarc: section.section("dmarc", dmarc).unwrap_or_default(),
        journal: section.section("journal", journal).unwrap_or_default(),
        failure_reports: section.section("failure_reports", failure_reports).unwrap_or_default(),
        report: section.section("report", report).unwrap_or_default(),
        log: section.section("log", log).unwrap_or_default(),
    }
}

/// `listen = ["inet:127.0.0.1:8891"]`: an item that is only its socket.
fn listen_shorthand(socket: Sourced<SocketAddress>) -> ListenDraft {
    ListenDraft { socket: Some(socket), ..ListenDraft::default() }
}

fn listen(section: &mut Section<'_, '_>) -> ListenDraft {
    ListenDraft {
        socket: section.require("socket", "add `socket = \"inet:127.0.0.1:8891\"`"),
        socket_mode: one(section.get("socket_mode"), |mode: FileMode| mode.0),
        socket_owner: one(section.get("socket_owner"), |name: Line| name.0),
        socket_group: one(section.get("socket_group"), |name: Line| name.0),
        mode: section.get("mode"),
        trust: section.section("trust", trust),
    }
}

fn trust(section: &mut Section<'_, '_>) -> TrustDraft {
    TrustDraft {
        authenticated: section.get("authenticated"),
        daemon_names: all(section.list("daemon_names"), |name: Line| name.0),
        daemon_ports: section.list("daemon_ports"),
        networks: section.list("networks"),
        upstream: section.list("upstream"),
        keep_results_from: section.list("keep_results_from"),
        allow_any_network: section.get("allow_any_network"),
    }
}

fn signing(section: &mut Section<'_, '_>) -> SigningDraft {
    let sign_headers = all(section.list("sign_headers"), |name: HeaderName| name.0);
    SigningDraft {
        canonicalization: one(section.get("canonicalization"), |both: Canonicalization| (both.0, both.1)),
        sign_headers: section.not_empty("sign_headers", sign_headers),
        oversign_headers: all(section.list("oversign_headers"), |name: HeaderName| name.0),
        expiry: section.get("expiry"),
        on_key_error: section.get("on_key_error"),
        on_key_mismatch: section.get("on_key_mismatch"),
    }
}

fn domain(section: &mut Section<'_, '_>) -> DomainDraft {
    DomainDraft {
        name: section.require("name", "add `name = \"example.com\"`"),
        subdomains: section.get("subdomains"),
        signing_domain: section.get("signing_domain"),
        keys: section.sections("keys", key),
        allow_ed25519_only: section.get("allow_ed25519_only"),
        identity: section.get("identity"),
        signing: signing(section),
    }
}

fn key(section: &mut Section<'_, '_>) -> KeyDraft {
    KeyDraft {
        selector: section.require("selector", "add `selector = \"…\"`, the name that stands before `._domainkey`"),
        file: section
            .require("file", "add `file = \"…\"`, the file with the private key")
            .map(|file| resolve(section, file)),
    }
}

fn key_checks(section: &mut Section<'_, '_>) -> KeyChecksDraft {
    KeyChecksDraft { check_interval: section.get("check_interval") }
}

fn dns(section: &mut Section<'_, '_>) -> DnsDraft {
    DnsDraft {
        nameservers: section.list("nameservers"),
        timeout: section.get("timeout"),
        deadline: section.get("deadline"),
        cache_size: section.get("cache_size"),
        zone_file: path(section, "zone_file"),
    }
}

fn limits(section: &mut Section<'_, '_>) -> LimitsDraft {
    LimitsDraft {
        connections: section.get("connections"),
        frame: one(section.get("frame"), |size: Size| size.0),
        header_bytes: one(section.get("header_bytes"), |size: Size| size.0),
        header_fields: section.get("header_fields"),
        recipients: section.get("recipients"),
        signatures: section.get("signatures"),
        signature_header_names: section.get("signature_header_names"),
        tags: section.get("tags"),
        idle: section.get("idle"),
        packet: section.get("packet"),
        stop: section.get("stop"),
    }
}

fn policy(section: &mut Section<'_, '_>) -> PolicyDraft {
    PolicyDraft {
        on_dns_failure: section.get("on_dns_failure"),
        on_internal_error: section.get("on_internal_error"),
        on_limit: section.get("on_limit"),
    }
}

fn verify(section: &mut Section<'_, '_>) -> VerifyDraft {
    VerifyDraft {
        clock_skew: section.get("clock_skew"),
        body_length: section.get("body_length"),
        min_rsa_bits: section.get("min_rsa_bits"),
        max_rsa_bits: section.get("max_rsa_bits"),
    }
}

fn spf(section: &mut Section<'_, '_>) -> SpfDraft {
    SpfDraft {
        enabled: section.get("enabled"),
        reject: section.list("reject"),
        reject_at: section.get("reject_at"),
        budget: section.get("budget"),
        on_temperror: section.get("on_temperror"),
        allow_networks: section.list("allow_networks"),
        allow_domains: section.list("allow_domains"),
        relays: section.list("relays"),
        received_spf: section.get("received_spf"),
        timeout: section.get("timeout"),
    }
}

fn dmarc(section: &mut Section<'_, '_>) -> DmarcDraft {
    DmarcDraft {
        enabled: section.get("enabled"),
        mode: section.get("mode"),
        share: section.get("share"),
        method: section.get("method"),
        public_suffix_list: path(section, "public_suffix_list"),
        on_temperror: section.get("on_temperror"),
        multiple_from: section.get("multiple_from"),
        mailing_lists: section.get("mailing_lists"),
        seldom_seen: section.get("seldom_seen"),
        known_after: section.get("known_after"),
        trusted_forwarders: section.list("trusted_forwarders"),
        tag_header: one(section.get("tag_header"), |name: HeaderName| name.0),
        reject_code: one(section.get("reject_code"), |code: RejectCode| code.0),
        reject_text: section.get("reject_text"),
        reject_url: one(section.get("reject_url"), |url: Url| url.0),
        remove_bimi: section.get("remove_bimi"),
        overrides: section.sections("override", dmarc_override),
    }
}

fn dmarc_override(section: &mut Section<'_, '_>) -> DmarcOverrideDraft {
    let (sender, recipient) = (section.list("sender"), section.list("recipient"));
    DmarcOverrideDraft {
        sender: section.not_empty("sender", sender),
        recipient: section.not_empty("recipient", recipient),
        mode: section.get("mode"),
        policy: section.get("policy"),
        share: section.get("share"),
        reason: one(section.require("reason", "add `reason = \"…\"`: it stands in log and reports"), |text: Line| {
            text.0
        }),
        until: section.get("until"),
    }
}

fn journal(section: &mut Section<'_, '_>) -> JournalDraft {
    JournalDraft {
        enabled: section.get("enabled"),
        folder: path(section, "folder"),
        segment_size: one(section.get("segment_size"), |size: Size| size.0),
        segment_age: section.get("segment_age"),
        max_size: one(section.get("max_size"), |size: Size| size.0),
        keep: section.get("keep"),
    }
}

fn failure_reports(section: &mut Section<'_, '_>) -> FailureReportsDraft {
    FailureReportsDraft {
        enabled: section.get("enabled"),
        folder: path(section, "folder"),
        on_none: section.get("on_none"),
        per_domain: section.get("per_domain"),
    }
}

fn report(section: &mut Section<'_, '_>) -> ReportDraft {
    let database: Option<Sourced<DatabasePlace>> = section.get("database");
    ReportDraft {
        database: database.map(|place| Sourced { value: place.value.below(section.source().folder()), at: place.at }),
        node: one(section.get("node"), |name: Line| name.0),
        max_rows: section.get("max_rows"),
        envelope_to: section.get("envelope_to"),
        org_name: one(section.get("org_name"), |name: Line| name.0),
        email: one(section.get("email"), |address: ReportAddress| address.0),
        extra_contact_info: one(section.get("extra_contact_info"), |text: Line| text.0),
        mode: section.get("mode"),
        format: section.get("format"),
        delivery: section.get("delivery"),
        tls: section.get("tls"),
        smtp_user: one(section.get("smtp_user"), |text: Line| text.0),
        smtp_password_file: path(section, "smtp_password_file"),
        on_unknown_outcome: section.get("on_unknown_outcome"),
    }
}

fn log(section: &mut Section<'_, '_>) -> LogDraft {
    LogDraft {
        format: section.get("format"),
        level: section.get("level"),
        sink: section.get("sink"),
        facility: section.get("facility"),
        name: one(section.get("name"), |name: Line| name.0),
    }
}

/// A path; a relative one starts at the folder of the file.
fn path(section: &mut Section<'_, '_>, key: &'static str) -> Option<Sourced<PathBuf>> {
    let path = section.get(key)?;
    Some(resolve(section, path))
}

fn resolve(section: &Section<'_, '_>, path: Sourced<PathBuf>) -> Sourced<PathBuf> {
    Sourced { value: section.source().folder().join(path.value), at: path.at }
}

/// A value in the type the draft has.
fn one<T, U>(value: Option<Sourced<T>>, convert: impl Fn(T) -> U) -> Option<Sourced<U>> {
    value.map(|Sourced { value, at }| Sourced { value: convert(value), at })
}

/// A list in the type the draft has.
fn all<T, U>(list: Option<Vec<Sourced<T>>>, convert: impl Fn(T) -> U) -> Option<Vec<Sourced<U>>> {
    list.map(|list| list.into_iter().filter_map(|item| one(Some(item), &convert)).collect())
}
