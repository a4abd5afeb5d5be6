//! The configuration that the old files mean, where it is not about choosing and signing ([`crate::opendkim`] has that).
//!
//! With `opendkim.conf` alone there is neither SPF nor DMARC, as before; with `opendmarc.conf` there are both, computed here and not read from fields. With
//! both, the socket of `opendmarc.conf` takes part in nothing, so that the second milter of the MTA may stay in its configuration: what it did is done
//! at the first one.

use std::path::Path;
use std::sync::Arc;

use super::diagnostics::{CONFIG_MISSING, Diagnostic, Diagnostics};
use super::old_file::{AuthservName, OLD_HOLE, OLD_NOT_CARRIED};
use super::old_files::OldFiles;
use super::opendkim::{Action, OpenDkim};
use super::opendmarc::OpenDmarc;
use super::section::shorten;
use super::words::{LogSink, Mode, OnFailure, OrgDomains};
use super::{Config, Dmarc, KeyChecks, Listener, Spf, Trust};
use crate::dataset::{Dataset, NoOpener, OpenOptions, Reading};
use crate::server::host_name;
use crate::socket_address::SocketAddress;

/// The configuration.
///
/// *Inputs*: what the files say; a socket in place of the first one; the folder for the journal. `found` gets an error where there is no socket.
#[must_use]
pub fn config(files: &OldFiles, socket: Option<&SocketAddress>, state_dir: &Path, found: &mut Diagnostics) -> Config {
    let process = files.process();
    let mut config = Config { state_dir: state_dir.to_owned(), listeners: Vec::new(), ..Config::default() };
    let umask = process.umask.as_ref().map(|umask| umask.value);
    let first = socket.cloned().or_else(|| process.socket.as_ref().map(|socket| socket.value.clone()));
    match first {
        Some(socket) => {
            let mode = files.opendkim.as_ref().map_or(Mode::Verify, |dkim| dkim.choosing.mode);
            // Without `Mode v` there is DMARC all the same, which verifies.
            let mode = if files.opendmarc.is_some() && mode == Mode::Sign { Mode::Both } else { mode };
            config.listeners.push(listener(socket, mode, umask));
        }
        None => {
            let cause = "no `Socket` is named, so no MTA can ask";
            let fix = "write `Socket inet:8891@localhost`, or start with `--socket`";
            found.push(Diagnostic::new(CONFIG_MISSING, cause, fix));
        }
    }
    if let (Some(_), Some(dmarc)) = (&files.opendkim, &files.opendmarc)
        && let Some(socket) = &dmarc.process.socket
        && config.listeners.iter().all(|first| first.socket != socket.value)
    {
        let takes_part = false;
        config.listeners.push(Listener { takes_part, ..listener(socket.value.clone(), Mode::Off, umask) });
    }
    (config.authserv_id, config.remove_authserv_ids) = authserv_ids(files);
    config.remove_authserv_ids.extend(also_removed(files, found));
    config.authserv_id_with_job_id = files.authserv_id().1;
    config.keys = KeyChecks { interval: None };
    log(files, &mut config);
    if let Some(dkim) = &files.opendkim {
        apply_dkim(dkim, &mut config);
    }
    if let (None, Some(timeout)) =
        (&files.opendkim, files.opendmarc.as_ref().and_then(|dmarc| dmarc.evaluating.dns_timeout))
    {
        config.dns.timeout = timeout;
    }
    if let Some(reports) = files.opendmarc.as_ref().map(|dmarc| &dmarc.failure_reports) {
        config.failure_reports.enabled = reports.enabled;
        config.failure_reports.on_none = reports.on_none;
    }
    (config.spf, config.dmarc) = match &files.opendmarc {
        Some(dmarc) => (Spf::default(), apply_dmarc(dmarc)),
        None => (Spf { enabled: false, ..Spf::default() }, Dmarc { enabled: false, ..Dmarc::default() }),
    };
    config
}

fn listener(socket: SocketAddress, mode: Mode, umask: Option<u32>) -> Listener {
    // libmilter makes its sockets with all bits but those of the mask.
    let socket_mode = umask.map(|umask| 0o777 & !umask);
    Listener { mode, socket_mode, trust: Arc::new(Trust::default()), ..Listener::at(socket) }
}

/// Our name, and others whose fields are removed: those of either file.
fn authserv_ids(files: &OldFiles) -> (Option<String>, Vec<String>) {
    let text = |name: &AuthservName| match name {
        AuthservName::Hostname => Some(host_name()),
        AuthservName::Name(name) => Some(name.clone()),
    };
    let own = files.authserv_id().0.and_then(text);
    let of_dkim = files.opendkim.as_ref().and_then(|dkim| dkim.results.authserv_id.as_ref());
    let of_dmarc = files.opendmarc.as_ref().and_then(|dmarc| dmarc.results.authserv_id.as_ref());
    let names = [of_dkim, of_dmarc].into_iter().flatten().filter_map(|name| text(&name.value));
    let others = names.filter(|name| Some(name) != own.as_ref()).collect();
    (own, others)
}

/// `RemoveARFrom`: further names whose fields are removed.
fn also_removed(files: &OldFiles, found: &mut Diagnostics) -> Vec<String> {
    let option = files.opendkim.as_ref().and_then(|dkim| dkim.results.remove_from.as_ref());
    let Some(option) = option else { return Vec::new() };
    let Some(set) = Dataset::open(option, Reading::USUAL, &NoOpener, &OpenOptions::default(), found) else {
        return Vec::new();
    };
    if set.has_patterns() {
        let cause = "patterns are not looked at here: fields under our own name alone are removed";
        found.push(Diagnostic::at(&option.at, OLD_NOT_CARRIED, cause, "name the hosts, with commas between them"));
        return Vec::new();
    }
    set.entries().map(|entry| entry.key.to_owned()).collect()
}

fn log(files: &OldFiles, config: &mut Config) {
    let (syslog, facility, name, to_stdout) = match (&files.opendkim, &files.opendmarc) {
        (Some(dkim), dmarc) => {
            let syslog = dkim.logging.syslog || dmarc.as_ref().is_some_and(|dmarc| dmarc.logging.syslog);
            (syslog, dkim.logging.facility, dkim.logging.name.clone(), dkim.logging.stdout)
        }
        (None, Some(dmarc)) => (dmarc.logging.syslog, dmarc.logging.facility, "opendmarc".to_owned(), false),
        (None, None) => return,
    };
    config.log.sink = if syslog && !to_stdout { LogSink::Syslog } else { LogSink::Stdout };
    config.log.facility = facility;
    config.log.name = Some(name);
}

fn apply_dkim(dkim: &OpenDkim, config: &mut Config) {
    config.dns.nameservers.clone_from(&dkim.keys.nameservers);
    config.dns.timeout = dkim.keys.dns_timeout;
    config.verify.clock_skew = dkim.verifying.clock_drift;
    config.verify.min_rsa_bits = usize::try_from(dkim.keys.minimum_key_bits).unwrap_or(usize::MAX);
    config.limits.signatures = usize::try_from(dkim.verifying.maximum_signatures).unwrap_or(usize::MAX);
    if let Some(most) = dkim.verifying.maximum_headers {
        config.limits.header.max_bytes = usize::try_from(most).unwrap_or(usize::MAX);
    }
    let on = &dkim.verifying.on;
    // What follows from signatures is decided by the ways of OpenDKIM, keys that could not be asked for included.
    config.policy.on_dns_failure = OnFailure::Accept;
    config.policy.on_internal_error = on_failure(on.internal_error);
    config.policy.on_limit = on_failure(on.security);
}

/// What is no fault of a message neither refuses it for good nor throws it away: such words put it off.
fn on_failure(action: Action) -> OnFailure {
    match action {
        Action::Accept => OnFailure::Accept,
        Action::Discard | Action::Quarantine | Action::Reject | Action::Tempfail => OnFailure::Tempfail,
    }
}

fn apply_dmarc(dmarc: &OpenDmarc) -> Dmarc {
    let list = dmarc.evaluating.public_suffix_list.as_ref();
    // What is done about a result is for `crate::opendmarc`.
    let mut settings = Dmarc {
        method: if list.is_some() { OrgDomains::PublicSuffixList } else { OrgDomains::TreeWalk },
        public_suffix_list: list.map(|list| list.value.clone()),
        ..Dmarc::default()
    };
    settings.reply.code = (7, 1);
    settings
}

/// Findings about options whose effect is not what their users believe. `signs_for`: whether mail of a domain is signed here.
pub(crate) fn tell_of_holes(dmarc: &OpenDmarc, signs_for: impl Fn(&str) -> bool, found: &mut Diagnostics) {
    let Some(authors) = &dmarc.ignoring.mail_from else { return };
    for author in authors.value.iter().filter(|author| signs_for(&author.to_ascii_lowercase())) {
        let author = shorten(author);
        let cause = format!("{author} is a domain of your own: mail of strangers who write it into From is not judged");
        let fix = "remove it; own people are known as authenticated or trusted clients (`IgnoreAuthenticatedClients yes`, \
                   `IgnoreHosts`)";
        found.push(Diagnostic::at(&authors.at, OLD_HOLE, cause, fix));
    }
}
