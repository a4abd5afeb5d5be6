//! The native configuration for what the old files say, setting by setting, and remarks where one is not the same.

use std::path::{Path, PathBuf};
use std::time::Duration;

use dkim_core::domain::DomainName;
use engine::config::old_file::{AuthservName, HeaderSet};
use engine::config::old_files::OldFiles;
use engine::config::opendkim::{Action, Minimum, OpenDkim};
use engine::config::opendmarc::OpenDmarc;
use engine::config::{Cidr, CidrError, Diagnostics, Mode, Sourced};
use engine::dataset::{Dataset, NoOpener, OpenOptions, Reading, Spec};
use engine::server::host_name;

use super::account::{Program, Remark, Status, plain};
use super::domains::{Domains, Rule};

/// A setting with its value as TOML.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    /// Empty for the keys above all sections.
    pub(super) section: &'static str,
    pub(super) key: &'static str,
    pub(super) value: String,
    /// Words above it, beside the lines that it comes from.
    pub(super) about: Option<String>,
}

/// What was made of the files.
#[derive(Debug, Default)]
pub(super) struct Native {
    pub(super) settings: Vec<Setting>,
    pub(super) listen: Vec<(&'static str, String)>,
    pub(super) rules: Vec<Rule>,
    pub(super) overrides: Vec<String>,
    pub(super) remarks: Vec<Remark>,
    pub(super) findings: Diagnostics,
    /// Networks of `InternalHosts`, `PeerList` and `IgnoreHosts`, with the option.
    pub(super) networks: Vec<(Program, &'static str, Cidr)>,
    pub(super) key_files: Vec<PathBuf>,
    pub(super) short_keys: Vec<(PathBuf, usize)>,
}

/// Longest list of addresses or names that is written.
const MAX_LIST: usize = 10_000;

/// Makes the configuration. *Inputs*: the folder at which relative paths start.
pub(super) fn native(files: &OldFiles, folder: &Path) -> Native {
    let mut made = Native::default();
    let base = |directory: &Option<Sourced<PathBuf>>| {
        directory.as_ref().map_or_else(|| folder.to_owned(), |base| folder.join(&base.value))
    };
    process(files, &mut made);
    if let Some(dkim) = &files.opendkim {
        let base = base(&dkim.process.base_directory);
        signing(dkim, &base, &mut made);
        trust(dkim, &mut made);
        verifying(dkim, &mut made);
    }
    match &files.opendmarc {
        Some(dmarc) => judging(dmarc, files.opendkim.is_none(), &base(&dmarc.process.base_directory), &mut made),
        None => {
            let about = "There was no opendmarc.conf. Remove these two sections for SPF and DMARC, which then tell and do nothing.";
            made.put_about("spf", "enabled", "false", about);
            made.put("dmarc", "enabled", "false");
        }
    }
    made
}

impl Native {
    fn put(&mut self, section: &'static str, key: &'static str, value: impl Into<String>) {
        self.settings.push(Setting { section, key, value: value.into(), about: None });
    }

    /// Puts a setting that has no line.
    pub(super) fn set(&mut self, section: &'static str, key: &'static str, value: String) {
        self.put(section, key, value);
    }

    fn put_about(&mut self, section: &'static str, key: &'static str, value: impl Into<String>, about: &str) {
        self.settings.push(Setting { section, key, value: value.into(), about: Some(about.to_owned()) });
    }

    fn changed(&mut self, program: Program, option: &'static str, note: impl Into<String>, decision: bool) {
        self.remarks.push(Remark { program, option, status: Status::Changed, note: note.into(), decision });
    }

    fn dropped(&mut self, program: Program, option: &'static str, note: impl Into<String>, decision: bool) {
        self.remarks.push(Remark { program, option, status: Status::Dropped, note: note.into(), decision });
    }
}

/// Socket, names and log: what one process has once.
fn process(files: &OldFiles, made: &mut Native) {
    let process = files.process();
    let mode = files.opendkim.as_ref().map_or(Mode::Verify, |dkim| dkim.choosing.mode);
    let mode = if files.opendmarc.is_some() && mode == Mode::Sign {
        made.changed(Program::OpenDkim, "Mode", "mail of others is verified as well, for DMARC", false);
        Mode::Both
    } else {
        mode
    };
    made.put("", "mode", quoted(mode.as_str()));
    let name = |name: &AuthservName| -> String {
        match name {
            AuthservName::Hostname => host_name(),
            AuthservName::Name(name) => name.clone(),
        }
    };
    let own = files.authserv_id().0.map(name);
    let names = [
        files.opendkim.as_ref().and_then(|dkim| dkim.results.authserv_id.as_ref()),
        files.opendmarc.as_ref().and_then(|dmarc| dmarc.results.authserv_id.as_ref()),
    ];
    let mut others: Vec<String> = names.into_iter().flatten().map(|id| name(&id.value)).collect();
    if let Some(option) = files.opendkim.as_ref().and_then(|dkim| dkim.results.remove_from.as_ref()) {
        match entries(option, Reading::USUAL, made) {
            Some(set) if !set.has_patterns() => {
                others.extend(set.entries().take(MAX_LIST).map(|entry| entry.key.to_owned()));
            }
            _ => made.dropped(
                Program::OpenDkim,
                "RemoveARFrom",
                "a list with patterns, or in a database: only fields that claim our own name are removed; name the hosts in `remove_authserv_ids`",
                true,
            ),
        }
    }
    others.retain(|other| Some(other) != own.as_ref() && !other.is_empty());
    others.dedup();
    if let Some(own) = own.filter(|own| !own.is_empty()) {
        made.put("", "authserv_id", quoted(&own));
    }
    if !others.is_empty() {
        made.put("", "remove_authserv_ids", list(&others));
    }
    if let Some(socket) = &process.socket {
        made.listen.push(("socket", quoted(&socket.value.to_string())));
        if let Some(umask) =
            process.umask.as_ref().filter(|_| matches!(socket.value, engine::socket_address::SocketAddress::Unix(_)))
        {
            let mode = 0o777 & !umask.value;
            made.listen.push(("socket_mode", quoted(&format!("{mode:04o}"))));
        }
    }
    if files.opendkim.is_some()
        && let Some(second) = files.opendmarc.as_ref().and_then(|dmarc| dmarc.process.socket.as_ref())
    {
        let note = format!(
            "there is one socket: take {} out of the list of milters in the MTA, since the first one does all",
            second.value
        );
        made.dropped(Program::OpenDmarc, "Socket", note, true);
    }
    if let (Some(dkim), Some(dmarc)) = (&files.opendkim, &files.opendmarc)
        && dkim.process.umask.is_some()
        && dmarc.process.umask.is_some()
    {
        made.dropped(Program::OpenDmarc, "UMask", "there is one process, and opendkim.conf says it", false);
    }
    log(files, made);
}

fn log(files: &OldFiles, made: &mut Native) {
    let (syslog, facility, name) = match (&files.opendkim, &files.opendmarc) {
        (Some(dkim), dmarc) => {
            let syslog = dkim.logging.syslog || dmarc.as_ref().is_some_and(|dmarc| dmarc.logging.syslog);
            (syslog && !dkim.logging.stdout, dkim.logging.facility, dkim.logging.name.clone())
        }
        (None, Some(dmarc)) => (dmarc.logging.syslog, dmarc.logging.facility, "opendmarc".to_owned()),
        (None, None) => return,
    };
    if syslog {
        made.put("log", "sink", quoted("syslog"));
        made.put("log", "facility", quoted(facility.as_str()));
        if name != "opendkim" && name != "opendmarc" {
            made.put("log", "name", quoted(&name));
        }
    }
}

/// Whose mail is signed, and how.
fn signing(dkim: &OpenDkim, base: &Path, made: &mut Native) {
    let Domains { rules, losses, notes, findings, key_files, short } = super::domains::domains(dkim, base);
    made.findings.extend(findings);
    made.key_files = key_files;
    made.short_keys = short;
    made.rules = rules;
    let option = if dkim.choosing.signing_table.is_some() { "SigningTable" } else { "Domain" };
    for loss in losses {
        made.changed(Program::OpenDkim, option, loss, true);
    }
    for note in notes {
        made.changed(Program::OpenDkim, option, note, false);
    }
    let choosing = &dkim.choosing;
    if choosing.sender_headers.iter().map(|name| name.to_ascii_lowercase()).ne(["from".to_owned()]) {
        let note = "the domain in From decides who signs, which is what DMARC looks at";
        made.changed(Program::OpenDkim, "SenderHeaders", note, true);
    }
    let signing = &dkim.signing;
    let (header, body) = signing.canonicalization;
    made.put("signing", "canonicalization", quoted(&format!("{header}/{body}")));
    let lost = |names: &HeaderSet| names.names.iter().filter(|name| !is_name(name)).cloned().collect::<Vec<_>>();
    let mut signed: Vec<String> = Vec::new();
    for name in ["from".to_owned()].iter().chain(&signing.sign_headers.names) {
        let name = name.to_ascii_lowercase();
        let omitted = name != "from" && signing.omit_headers.contains(name.as_bytes());
        if is_name(&name) && !omitted && !signed.contains(&name) && signed.len() < 200 {
            signed.push(name);
        }
    }
    made.put("signing", "sign_headers", list(&signed));
    let odd = lost(&signing.sign_headers);
    if !odd.is_empty() {
        let note = format!("names with `*` or odd letters are left out of the list: {}", plain(&odd.join(", ")));
        made.changed(Program::OpenDkim, "SignHeaders", note, true);
    }
    let mut oversigned: Vec<String> = Vec::new();
    for name in signing.oversign_headers.iter().filter(|name| is_name(name)).take(200) {
        if !oversigned.iter().any(|other| other.eq_ignore_ascii_case(name)) {
            oversigned.push(name.clone());
        }
    }
    let about =
        "Names are listed in another order than before in `h=`, which changes nothing about what a signature covers.";
    made.put_about("signing", "oversign_headers", list(&oversigned), about);
    if let Some(ttl) = signing.signature_ttl {
        let least = Duration::from_secs(3600);
        let most = Duration::from_secs(3650 * 86_400);
        made.put("signing", "expiry", seconds(ttl.clamp(least, most)));
        if ttl < least || ttl > most {
            made.changed(Program::OpenDkim, "SignatureTTL", "a signature is valid from 1 hour to 3650 days", true);
        }
    }
    made.put("signing", "on_key_error", quoted("tempfail"));
    if dkim.lines.iter().any(|line| line.option.name == "On-SignatureError") {
        let note = "when a key cannot be used mail is put off; it is not refused for what the sender cannot mend";
        made.changed(
            Program::OpenDkim,
            "On-SignatureError",
            note,
            dkim.verifying.on.signature_error != Action::Tempfail,
        );
    }
}

/// A name of a header field (RFC 5322 §3.6.8).
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|octet| matches!(octet, b'!'..=b'9' | b';'..=b'~')) && !name.contains('*')
}

/// Which mail is our own.
fn trust(dkim: &OpenDkim, made: &mut Native) {
    let choosing = &dkim.choosing;
    let mut names: Vec<String> = Vec::new();
    if let Some(option) = &choosing.mta {
        match entries(option, Reading::EXACT, made) {
            Some(set) if !set.has_patterns() => {
                names.extend(set.entries().take(MAX_LIST).map(|entry| entry.key.to_owned()));
            }
            _ => made.dropped(
                Program::OpenDkim,
                "MTA",
                "a list with patterns, or in a database: name them in `trust.daemon_names`",
                true,
            ),
        }
    }
    if let Some(option) = &choosing.macro_list {
        let mut lost = Vec::new();
        if let Some(set) = entries(option, Reading::MACROS, made) {
            for entry in set.entries().take(MAX_LIST) {
                let name = entry.key.trim_matches(['{', '}']);
                match entry.value.filter(|value| name == "daemon_name" && !value.is_empty()) {
                    Some(values) => names.extend(values.split('|').map(|value| value.trim().to_owned())),
                    None => lost.push(plain(entry.key)),
                }
            }
        }
        if !lost.is_empty() {
            let note = format!(
                "only `daemon_name=...` has a place; mail is not signed for these any more: {} (authenticated clients need none)",
                lost.join(", ")
            );
            made.changed(Program::OpenDkim, "MacroList", note, true);
        }
    }
    names.retain(|name| !name.is_empty() && !name.chars().any(char::is_control));
    made.put_about(
        "trust",
        "daemon_names",
        list(&names),
        "Authenticated clients are trusted, as before (`authenticated = true`).",
    );
    let text = choosing.internal_hosts();
    let written = choosing.internal_hosts.clone();
    let networks = match written {
        Some(option) => hosts(Program::OpenDkim, "InternalHosts", &option, made),
        None => Dataset::of_list(text.trim_start_matches("csl:"), Reading::USUAL)
            .entries()
            .filter_map(|entry| entry.key.parse().ok())
            .collect(),
    };
    made.put("trust", "networks", list(&networks.iter().map(ToString::to_string).collect::<Vec<_>>()));
    if let Some(option) = &choosing.peer_list {
        // Only looked at, for what is wrong with it.
        let before = made.remarks.len();
        hosts(Program::OpenDkim, "PeerList", option, made);
        made.remarks.truncate(before);
    }
}

/// The networks of a list of hosts. What is too wide is left out, and everything else that is no network; both is remarked.
fn hosts(program: Program, option: &'static str, list: &Sourced<String>, made: &mut Native) -> Vec<Cidr> {
    let Some(set) = entries(list, Reading::USUAL, made) else {
        made.dropped(program, option, "the list is in a database: write the networks into the configuration", true);
        return Vec::new();
    };
    let (mut networks, mut lost) = (Vec::new(), Vec::new());
    if set.len() > MAX_LIST {
        made.changed(program, option, format!("{MAX_LIST} of {} entries are written", set.len()), true);
    }
    for entry in set.entries().take(MAX_LIST) {
        // In a `refile:` an address is a pattern in which nothing but itself is meant.
        let text = entry.key.trim().trim_start_matches('^').trim_end_matches('$').replace("\\.", ".");
        let network = match text.parse::<Cidr>() {
            Ok(network) => Some(network),
            Err(CidrError::HostBits { network }) => Some(network),
            Err(_) => None,
        };
        match network {
            Some(network) => {
                made.networks.push((program, option, network));
                if is_wide(network) {
                    lost.push(format!("{network} (a large part of the Internet)"));
                } else if !networks.contains(&network) {
                    networks.push(network);
                }
            }
            None if text == "*" || text == "." => {
                made.networks.push((program, option, Cidr::containing(std::net::Ipv4Addr::UNSPECIFIED.into(), 0)));
                lost.push("`*` (everyone)".to_owned());
            }
            // The usual name of loopback.
            None if text.eq_ignore_ascii_case("localhost") => {
                for address in [std::net::IpAddr::from([127, 0, 0, 1]), std::net::Ipv6Addr::LOCALHOST.into()] {
                    let network = Cidr::containing(address, 128);
                    if !networks.contains(&network) {
                        networks.push(network);
                    }
                }
            }
            None => lost.push(format!("`{}`", plain(entry.key))),
        }
    }
    if !lost.is_empty() {
        let shown: Vec<_> = lost.iter().take(20).map(String::as_str).collect();
        let note = format!("networks alone have a place; left out: {}", shown.join(", "));
        made.changed(program, option, note, true);
    }
    networks
}

/// Networks of which nobody owns the whole.
pub(super) fn is_wide(network: Cidr) -> bool {
    network.prefix() < if network.address().is_ipv4() { 8 } else { 7 }
}

/// A data set in memory.
fn entries(option: &Sourced<String>, reading: Reading, made: &mut Native) -> Option<Dataset> {
    if matches!(Spec::parse(&option.value), Ok(Spec::External(_))) {
        return None;
    }
    Dataset::open(option, reading, &NoOpener, &OpenOptions::default(), &mut made.findings)
}

/// Which signatures count, and limits.
fn verifying(dkim: &OpenDkim, made: &mut Native) {
    let (keys, verifying) = (&dkim.keys, &dkim.verifying);
    made.put("verify", "clock_skew", seconds(verifying.clock_drift.min(Duration::from_secs(86_400))));
    if verifying.clock_drift > Duration::from_secs(86_400) {
        made.changed(Program::OpenDkim, "ClockDrift", "a day at most", false);
    }
    made.put("verify", "min_rsa_bits", keys.minimum_key_bits.clamp(1024, 8192).to_string());
    match verifying.minimum {
        None | Some(Minimum::Percent(100)) => {}
        Some(_) => made.changed(
            Program::OpenDkim,
            "Minimum",
            "a signature with `l=` counts if it covers the whole body (`body_length = \"whole-body\"`): a part is not enough",
            true,
        ),
    }
    if !keys.nameservers.is_empty() {
        let servers: Vec<_> = keys.nameservers.iter().take(16).map(ToString::to_string).collect();
        made.put("dns", "nameservers", list(&servers));
    }
    made.put("dns", "timeout", seconds(keys.dns_timeout.clamp(Duration::from_secs(1), Duration::from_secs(60))));
    if keys.dns_timeout > Duration::from_secs(60) {
        made.changed(Program::OpenDkim, "DNSTimeout", "a minute at most", false);
    }
    made.put("limits", "signatures", verifying.maximum_signatures.clamp(1, 100).to_string());
    if !(1..=100).contains(&verifying.maximum_signatures) {
        made.changed(Program::OpenDkim, "MaximumSignaturesToVerify", "from 1 to 100 signatures are looked at", false);
    }
    if let Some(most) = verifying.maximum_headers {
        made.put("limits", "header_bytes", quoted(&format!("{}KiB", (most / 1024).clamp(16, 65_536))));
        if !(16_384..=(64 << 20)).contains(&most) || most % 1024 != 0 {
            made.changed(Program::OpenDkim, "MaximumHeaders", "whole KiB, from 16 KiB to 64 MiB", false);
        }
    }
    let on = &verifying.on;
    for (key, option, action) in [
        ("on_dns_failure", "On-DNSError", on.dns_error),
        ("on_internal_error", "On-InternalError", on.internal_error),
        ("on_limit", "On-Security", on.security),
    ] {
        let word = if action == Action::Accept { "accept" } else { "tempfail" };
        made.put("policy", key, quoted(word));
        if !matches!(action, Action::Accept | Action::Tempfail) {
            let note = format!("mail is put off in place of `{}`, for what is no fault of it", action.as_str());
            made.changed(Program::OpenDkim, option, note, true);
        }
    }
    let has_default = dkim.lines.iter().any(|line| line.option.name == "On-Default");
    for (option, action) in [
        ("On-BadSignature", on.bad_signature),
        ("On-NoSignature", on.no_signature),
        ("On-KeyNotFound", on.key_not_found),
    ] {
        if action != Action::Accept {
            let note = format!(
                "no mail is treated otherwise for its signatures alone (`{}`), which lists and forwarders break: DMARC judges it",
                action.as_str()
            );
            made.dropped(Program::OpenDkim, option, note.clone(), true);
            if has_default {
                made.changed(Program::OpenDkim, "On-Default", note, true);
            }
        }
    }
}

/// SPF and DMARC. *Inputs*: whether there is no file of OpenDKIM that said how long to wait for the DNS.
fn judging(dmarc: &OpenDmarc, is_alone: bool, base: &Path, made: &mut Native) {
    if is_alone {
        made.put_about("trust", "daemon_names", "[]", "Authenticated clients are trusted (`authenticated = true`).");
        if let Some(timeout) = dmarc.evaluating.dns_timeout {
            made.put("dns", "timeout", seconds(timeout.clamp(Duration::from_secs(1), Duration::from_secs(60))));
        }
    } else if dmarc.evaluating.dns_timeout.is_some() {
        made.dropped(
            Program::OpenDmarc,
            "DNSTimeout",
            "OpenDMARC did not use it, and that of opendkim.conf holds",
            false,
        );
    }
    let acting = &dmarc.acting;
    let mode = match (acting.reject_failures, acting.hold_quarantined) {
        (true, held) => {
            if !held {
                let note = "mail of domains that ask for quarantine is put on hold by the MTA, where it passed before";
                made.changed(Program::OpenDmarc, "RejectFailures", note, true);
            }
            "reject"
        }
        (false, true) => {
            let note = "mail of domains that ask for rejection is put on hold as well, where it passed before";
            made.changed(Program::OpenDmarc, "HoldQuarantinedMessages", note, true);
            "quarantine"
        }
        (false, false) => "observe",
    };
    made.put("dmarc", "mode", quoted(mode));
    if mode == "reject" {
        let about = "As before, lists and seldom seen domains are not spared. RFC 9989 section 7.4 advises against that: remove these two lines for it.";
        made.put_about("dmarc", "mailing_lists", quoted("reject"), about);
        made.put("dmarc", "seldom_seen", quoted("reject"));
        made.put("dmarc", "reject_code", quoted("5.7.1"));
    }
    let text = acting.reject_string.replace("%s", "{domain}");
    match text.parse::<engine::config::ReplyTemplate>() {
        Ok(_) => made.put("dmarc", "reject_text", quoted(&text)),
        Err(error) => {
            made.changed(Program::OpenDmarc, "RejectString", format!("the usual text is sent: {error}"), false);
        }
    }
    let evaluating = &dmarc.evaluating;
    let refuses = evaluating.reject_multi_value_from || evaluating.required_from;
    made.put(
        "dmarc",
        "multiple_from",
        quoted(if refuses || evaluating.required_headers { "reject" } else { "observe" }),
    );
    if evaluating.required_headers {
        let note =
            "mail with several From fields, or none, is refused; other fields that stand there too often are no reason";
        made.changed(Program::OpenDmarc, "RequiredHeaders", note, true);
    }
    if let Some(file) = &evaluating.public_suffix_list {
        made.put("dmarc", "method", quoted("public-suffix-list"));
        made.put("dmarc", "public_suffix_list", path(&base.join(&file.value)));
        if evaluating.ignore_pct.unwrap_or(false) {
            made.changed(Program::OpenDmarc, "DMARCbisIgnorePct", "with a list of public suffixes `pct=` counts", true);
        }
    }
    ignoring(dmarc, base, made);
    let reports = &dmarc.failure_reports;
    if reports.enabled {
        made.put("failure_reports", "enabled", "true");
        made.put("failure_reports", "on_none", if reports.on_none { "true" } else { "false" });
        let note = "what failed is kept in a folder; this program sends no mail";
        made.changed(Program::OpenDmarc, "FailureReports", note, true);
    }
}

/// Whose mail is left alone.
fn ignoring(dmarc: &OpenDmarc, base: &Path, made: &mut Native) {
    let ignored = match &dmarc.ignoring.hosts {
        Some(file) => {
            let option = Sourced { value: format!("file:{}", base.join(&file.value).display()), at: file.at.clone() };
            let networks = hosts(Program::OpenDmarc, "IgnoreHosts", &option, made);
            let note = "their mail is judged and told of, and nothing is done to it";
            made.changed(Program::OpenDmarc, "IgnoreHosts", note, false);
            networks
        }
        None => ["127.0.0.1", "::1"].iter().filter_map(|text| text.parse().ok()).collect(),
    };
    if !ignored.is_empty() {
        made.put("dmarc", "trusted_forwarders", list(&ignored.iter().map(ToString::to_string).collect::<Vec<_>>()));
    }
    if !dmarc.ignoring.authenticated_clients {
        // It is the default of OpenDMARC, and no line says it.
        let is_written = dmarc.lines.iter().any(|line| line.option.name == "IgnoreAuthenticatedClients");
        if is_written {
            let note = "mail of clients that authenticated is your own and never judged, with `no` as well";
            made.changed(Program::OpenDmarc, "IgnoreAuthenticatedClients", note, false);
        }
    }
    let Some(authors) = &dmarc.ignoring.mail_from else { return };
    let mut spared = Vec::new();
    for author in authors.value.iter().take(MAX_LIST) {
        let Ok(domain) = DomainName::parse(author) else {
            made.changed(Program::OpenDmarc, "IgnoreMailFrom", format!("`{}` is no domain", plain(author)), true);
            continue;
        };
        if made.rules.iter().any(|rule| rule.pattern.matches(&domain)) {
            let note = format!(
                "{domain} is your own: authenticated and trusted clients are not judged, and strangers who write it into From are"
            );
            made.changed(Program::OpenDmarc, "IgnoreMailFrom", note, true);
        } else {
            spared.push(domain.to_string());
        }
    }
    if !spared.is_empty() {
        made.overrides.push(format!("sender = {}\nmode = \"observe\"\nreason = \"IgnoreMailFrom\"\n", list(&spared)));
    }
}

fn path(path: &Path) -> String {
    quoted(&path.display().to_string())
}

/// A time in seconds.
fn seconds(time: Duration) -> String {
    quoted(&format!("{}s", time.as_secs()))
}

/// A basic string of TOML 1.0.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len().saturating_add(2));
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A list of strings.
pub(super) fn list(items: &[String]) -> String {
    let items: Vec<_> = items.iter().map(|item| quoted(item)).collect();
    let line = format!("[{}]", items.join(", "));
    if line.len() <= 100 { line } else { format!("[\n    {},\n]", items.join(",\n    ")) }
}
