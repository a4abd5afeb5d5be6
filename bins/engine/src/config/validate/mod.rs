//! Draft to [`Config`]: fills in the defaults and checks what one value means beside another, once for every file format.
//!
//! Invariant: when [`Draft::validate`] finds no error, the configuration can be used as it is; key files and zone files are still to be read.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::Config;
use super::diagnostics::{
    CONFIG_CONFLICT, CONFIG_DUPLICATE, CONFIG_MISSING, CONFIG_RANGE, CONFIG_UNUSED, Code, Diagnostic, Diagnostics,
    Location,
};
use super::draft::{
    DnsDraft, Draft, KeyChecksDraft, LimitsDraft, ListenDraft, LogDraft, PolicyDraft, ReportDraft, Sourced, VerifyDraft,
};
use super::report::Report;
use super::settings::{Dns, KeyChecks, Limits, Listener, Log, Policy, Trust, Verify};
use super::units::{format_duration, format_size};
use super::words::{LogSink, Mode, OnKeyMismatch, ReportMode, ReportTls};

mod dmarc;
mod domains;
mod failure_reports;
mod journal;
mod spf;
mod trust;

impl Draft {
    /// The configuration that was written, and everything that is wrong with it.
    ///
    /// The [`Config`] may only be used when [`Diagnostics::has_errors`] is false: settings in error have their defaults in it.
    #[must_use]
    pub fn validate(self) -> (Config, Diagnostics) {
        let mut check = Check::default();
        let defaults = Config::default();
        let keys = key_checks(self.keys, &mut check);
        let own_words = self.domains.iter().filter_map(|domain| domain.value.signing.on_key_mismatch.as_ref());
        let mut words = self.signing.on_key_mismatch.iter().chain(own_words);
        if let (None, Some(skip)) = (keys.interval, words.find(|word| word.value == OnKeyMismatch::Skip)) {
            let cause = "no effect: with `check_interval = \"0\"` no key is compared with the DNS";
            check.at(&skip.at, CONFIG_UNUSED, cause, "remove it, or set another `check_interval` in `[keys]`");
        }
        let domains = domains::signing_domains(self.domains, self.signing, &mut check);
        if let Some(mode) = self.mode.as_ref().filter(|mode| mode.value == Mode::Sign && domains.is_empty()) {
            check.at(
                &mode.at,
                CONFIG_UNUSED,
                "nothing is signed: there is no `[[domain]]`",
                "add one, or set `mode = \"verify\"`",
            );
        }
        let mode = self.mode.map_or(Mode::Both, |mode| mode.value);
        let trust = Arc::new(trust::trust(self.trust, &mut check));
        let listeners = match self.listen {
            Some(list) => listeners(list, mode, &trust, &mut check),
            None => vec![Listener { mode, trust, ..Listener::default() }],
        };
        let spf = spf::spf(self.spf, &listeners, &mut check);
        let dmarc = dmarc::dmarc(self.dmarc, spf.enabled, &mut check);
        let dmarc_enabled = dmarc.enabled;
        let config = Config {
            listeners,
            state_dir: self.state_dir.map_or(defaults.state_dir, |path| path.value),
            authserv_id: self.authserv_id.map(|id| id.value),
            authserv_id_with_job_id: false,
            remove_authserv_ids: self.remove_authserv_ids.map(values).unwrap_or_default(),
            domains,
            keys,
            dns: dns(self.dns, &mut check),
            limits: limits(self.limits, &mut check),
            policy: policy(self.policy),
            verify: verify(self.verify, &mut check),
            dmarc,
            spf,
            journal: journal::journal(self.journal, &mut check),
            failure_reports: failure_reports::failure_reports(self.failure_reports, dmarc_enabled, &mut check),
            report: report(self.report, &mut check),
            log: log(self.log, &mut check),
        };
        (config, check.found)
    }
}

/// Collects findings.
#[derive(Debug, Default)]
struct Check {
    found: Diagnostics,
}

impl Check {
    fn at(&mut self, at: &Location, code: Code, cause: impl Into<String>, fix: impl Into<String>) {
        self.found.push(Diagnostic::at(at, code, cause, fix));
    }

    /// The time, or `default` when it was not written or is outside `allowed`.
    fn time(
        &mut self,
        value: Option<Sourced<Duration>>,
        default: Duration,
        allowed: RangeInclusive<Duration>,
    ) -> Duration {
        match value {
            None => default,
            Some(Sourced { value, .. }) if allowed.contains(&value) => value,
            Some(Sourced { value, at }) => {
                self.outside(&at, value, &allowed, format_duration);
                default
            }
        }
    }

    /// As [`time`](Self::time), for a number of things or octets in the type the limits have; every `allowed` range fits into it.
    fn number<N: TryFrom<u64> + Copy>(
        &mut self,
        value: Option<Sourced<u64>>,
        default: N,
        allowed: RangeInclusive<u64>,
        show: impl Fn(u64) -> String,
    ) -> N {
        let Some(Sourced { value, at }) = value else { return default };
        match N::try_from(value) {
            Ok(number) if allowed.contains(&value) => number,
            _ => {
                self.outside(&at, value, &allowed, show);
                default
            }
        }
    }

    fn outside<T: Copy>(&mut self, at: &Location, value: T, allowed: &RangeInclusive<T>, show: impl Fn(T) -> String) {
        let fix = format!("write a value from {} to {}", show(*allowed.start()), show(*allowed.end()));
        self.at(at, CONFIG_RANGE, format!("{} is outside the limits", show(value)), fix);
    }
}

/// The values without their places.
fn values<T>(list: Vec<Sourced<T>>) -> Vec<T> {
    list.into_iter().map(|item| item.value).collect()
}

fn listeners(list: Vec<Sourced<ListenDraft>>, mode: Mode, trust: &Arc<Trust>, check: &mut Check) -> Vec<Listener> {
    let mut listeners: Vec<Listener> = Vec::new();
    let mut seen = HashMap::new();
    for Sourced { value: draft, at } in list {
        // A missing or unreadable socket was reported where it was read.
        let Some(Sourced { value: socket, at: socket_at }) = draft.socket else { continue };
        if let Some(first) = seen.insert(socket.clone(), at.line).filter(|_| !socket.port_is_chosen_by_the_system()) {
            check.at(&socket_at, CONFIG_DUPLICATE, format!("the same socket as in line {first}"), "remove one of them");
            continue;
        }
        if socket.path().is_none() {
            let [mode_at, owner_at, group_at] = [
                draft.socket_mode.as_ref().map(|v| &v.at),
                draft.socket_owner.as_ref().map(|v| &v.at),
                draft.socket_group.as_ref().map(|v| &v.at),
            ];
            for at in [mode_at, owner_at, group_at].into_iter().flatten() {
                let (cause, fix) = if socket.is_passed() {
                    ("no effect on a socket that the service manager opens", "remove it, and say so in the socket unit")
                } else {
                    ("no effect on a TCP socket", "remove it, or listen on `unix:/path`")
                };
                check.at(at, CONFIG_UNUSED, cause, fix);
            }
        }
        let own_trust = draft.trust.map(|draft| Arc::new(trust::trust(draft, check)));
        listeners.push(Listener {
            socket,
            socket_mode: draft.socket_mode.map(|mode| mode.value),
            socket_owner: draft.socket_owner.map(|owner| owner.value),
            socket_group: draft.socket_group.map(|group| group.value),
            mode: draft.mode.map_or(mode, |mode| mode.value),
            takes_part: true,
            trust: own_trust.unwrap_or_else(|| Arc::clone(trust)),
        });
    }
    listeners
}

fn key_checks(draft: KeyChecksDraft, check: &mut Check) -> KeyChecks {
    let default = KeyChecks::default();
    let interval = match draft.check_interval {
        None => default.interval,
        Some(never) if never.value.is_zero() => None,
        // Every minute is often enough to see a change, and a day is the longest that resolvers keep what was there before.
        Some(written) => Some(check.time(Some(written), CHECK_INTERVAL.1, CHECK_INTERVAL.0..=CHECK_INTERVAL.1)),
    };
    KeyChecks { interval }
}

const CHECK_INTERVAL: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(86_400));

fn dns(draft: DnsDraft, check: &mut Check) -> Dns {
    let default = Dns::default();
    if let Some(first) = draft.nameservers.as_ref().and_then(|list| list.get(MAX_NAMESERVERS)) {
        let fix = format!("keep {MAX_NAMESERVERS} of them");
        check.at(&first.at, CONFIG_RANGE, format!("more than {MAX_NAMESERVERS} name servers"), fix);
    }
    Dns {
        nameservers: draft.nameservers.map(values).unwrap_or_default(),
        timeout: check.time(draft.timeout, default.timeout, Duration::from_millis(100)..=Duration::from_secs(60)),
        // Postfix waits 300 s for the answer to the end of a message (`milter_content_timeout`).
        deadline: check.time(draft.deadline, default.deadline, Duration::from_millis(100)..=Duration::from_secs(240)),
        cache_size: check.number(draft.cache_size, default.cache_size, 0..=10_000_000, |n| n.to_string()),
        zone_file: draft.zone_file.map(|path| path.value),
    }
}

/// Most name servers: each is a socket of the resolver.
const MAX_NAMESERVERS: usize = 16;

fn limits(draft: LimitsDraft, check: &mut Check) -> Limits {
    let mut limits = Limits::default();
    let count = |n: u64| n.to_string();
    let day = Duration::from_secs(86_400);
    limits.connections = check.number(draft.connections, limits.connections, 1..=100_000, count);
    // A body packet of every MTA is up to 65,536 octets with its command.
    limits.frame = check.number(draft.frame, limits.frame, 1 << 16..=64 << 20, format_size);
    limits.header.max_bytes =
        check.number(draft.header_bytes, limits.header.max_bytes, 16 << 10..=64 << 20, format_size);
    limits.header.max_fields = check.number(draft.header_fields, limits.header.max_fields, 100..=1_000_000, count);
    limits.recipients = check.number(draft.recipients, limits.recipients, 1..=1_000_000, count);
    limits.signatures = check.number(draft.signatures, limits.signatures, 1..=100, count);
    limits.signature_header_names =
        check.number(draft.signature_header_names, limits.signature_header_names, 16..=10_000, count);
    limits.tags.max_tags = check.number(draft.tags, limits.tags.max_tags, 16..=10_000, count);
    limits.idle = check.time(draft.idle, limits.idle, Duration::from_secs(1)..=day);
    limits.packet = check.time(draft.packet, limits.packet, Duration::from_secs(1)..=Duration::from_secs(3600));
    limits.stop = check.time(draft.stop, limits.stop, Duration::ZERO..=Duration::from_secs(3600));
    limits
}

fn policy(draft: PolicyDraft) -> Policy {
    let default = Policy::default();
    Policy {
        on_dns_failure: draft.on_dns_failure.map_or(default.on_dns_failure, |v| v.value),
        on_internal_error: draft.on_internal_error.map_or(default.on_internal_error, |v| v.value),
        on_limit: draft.on_limit.map_or(default.on_limit, |v| v.value),
    }
}

fn verify(draft: VerifyDraft, check: &mut Check) -> Verify {
    let default = Verify::default();
    // RFC 8301 §3.2: "Verifiers MUST NOT consider signatures using RSA keys of less than 1024 bits as valid signatures."
    let bits = 1024..=8192;
    let max_at = draft.max_rsa_bits.as_ref().or(draft.min_rsa_bits.as_ref()).map(|v| v.at.clone());
    let verify = Verify {
        clock_skew: check.time(draft.clock_skew, default.clock_skew, Duration::ZERO..=Duration::from_secs(86_400)),
        body_length: draft.body_length.map_or(default.body_length, |v| v.value),
        min_rsa_bits: check.number(draft.min_rsa_bits, default.min_rsa_bits, bits.clone(), |n| n.to_string()),
        max_rsa_bits: check.number(draft.max_rsa_bits, default.max_rsa_bits, bits, |n| n.to_string()),
    };
    if let Some(at) = max_at.filter(|_| verify.min_rsa_bits > verify.max_rsa_bits) {
        let cause = format!("`min_rsa_bits` {} is above `max_rsa_bits` {}", verify.min_rsa_bits, verify.max_rsa_bits);
        check.at(&at, CONFIG_CONFLICT, cause, "lower the first or raise the second");
    }
    verify
}

fn report(draft: ReportDraft, check: &mut Check) -> Report {
    let default = Report::default();
    if let Some(mode) = draft.mode.as_ref().filter(|mode| mode.value == ReportMode::On)
        && (draft.email.is_none() || draft.org_name.is_none())
    {
        let cause = "reports are to be sent, and `org_name` or `email` is not written: nobody could ask who reports";
        check.found.push(missing(&mode.at, cause, "write both, or set `mode = \"log-only\"`"));
    }
    if let (Some(user), None) = (&draft.smtp_user, &draft.smtp_password_file) {
        check.found.push(missing(&user.at, "no `smtp_password_file` is written", "name the file with the password"));
    }
    if let Some(file) = draft
        .smtp_password_file
        .as_ref()
        .filter(|_| draft.tls.as_ref().is_none_or(|tls| matches!(tls.value, ReportTls::Off | ReportTls::IfOffered)))
    {
        let cause = "the password would go over the network as it is";
        check.at(&file.at, CONFIG_CONFLICT, cause, "set `tls` to `required` or `wrapped`");
    }
    Report {
        database: draft.database.map(|v| v.value),
        node: draft.node.map(|v| v.value),
        max_rows: check.number(draft.max_rows, default.max_rows, 100..=1_000_000, |n| n.to_string()),
        envelope_to: draft.envelope_to.map_or(default.envelope_to, |v| v.value),
        org_name: draft.org_name.map(|v| v.value),
        email: draft.email.map(|v| v.value),
        extra_contact_info: draft.extra_contact_info.map(|v| v.value),
        mode: draft.mode.map_or(default.mode, |v| v.value),
        format: draft.format.map_or(default.format, |v| v.value),
        delivery: draft.delivery.map_or(default.delivery, |v| v.value),
        tls: draft.tls.map_or(default.tls, |v| v.value),
        smtp_user: draft.smtp_user.map(|v| v.value),
        smtp_password_file: draft.smtp_password_file.map(|v| v.value),
        on_unknown_outcome: draft.on_unknown_outcome.map_or(default.on_unknown_outcome, |v| v.value),
    }
}

fn log(draft: LogDraft, check: &mut Check) -> Log {
    let default = Log::default();
    let sink = draft.sink.map_or(default.sink, |v| v.value);
    if let Some(facility) = draft.facility.as_ref().filter(|_| sink != LogSink::Syslog) {
        check.at(
            &facility.at,
            CONFIG_UNUSED,
            format!("no effect on the sink `{sink}`"),
            "remove it, or set `sink = \"syslog\"`",
        );
    }
    Log {
        format: draft.format.map_or(default.format, |v| v.value),
        level: draft.level.map_or(default.level, |v| v.value),
        sink,
        facility: draft.facility.map_or(default.facility, |v| v.value),
        name: draft.name.map(|v| v.value),
    }
}

/// A finding about something that should be there.
fn missing(at: &Location, cause: impl Into<String>, fix: impl Into<String>) -> Diagnostic {
    Diagnostic::at(at, CONFIG_MISSING, cause, fix)
}
