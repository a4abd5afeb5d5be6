//! What people have: the files of Debian's packages, of an article, of Mail-in-a-Box, docker-mailserver and the guides of hosters. They all start,
//! and what is found in them is what is to be found.

use std::path::{Path, PathBuf};

use dkim_core::canon::Canon;
use engine::config::diagnostics::{CONFIG_UNUSED, Severity};
use engine::config::old_file::{OLD_DIFFERS, OLD_MERGED, OLD_NOT_CARRIED, OLD_REPEATED};
use engine::config::old_files::{self, OldFiles};
use engine::config::{Diagnostics, Mode};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/old_config/files").join(name)
}

/// Both files of a set-up.
fn read(name: &str) -> (OldFiles, Diagnostics) {
    let dmarc = Some(file(&format!("{name}.opendmarc.conf"))).filter(|file| file.exists());
    let read = old_files::read(Some(&file(&format!("{name}.opendkim.conf"))), dmarc.as_deref());
    read.unwrap_or_else(|found| panic!("{name}\n{found}"))
}

/// The option and the code of each finding.
fn shown(found: &Diagnostics) -> Vec<(&str, &'static str)> {
    found.iter().map(|finding| (finding.key.as_deref().unwrap_or_default(), finding.code.as_str())).collect()
}

#[test]
fn debian() {
    let (read, found) = read("debian");
    let expected = [("TrustAnchorFile", OLD_NOT_CARRIED), ("UserID", OLD_MERGED), ("UMask", OLD_MERGED)];
    assert_eq!(shown(&found), expected.map(|(name, code)| (name, code.as_str())), "{found}");
    let dkim = read.opendkim.unwrap();
    assert_eq!(dkim.process.socket.unwrap().value.to_sendmail(), "local:/run/opendkim/opendkim.sock");
    assert_eq!((dkim.choosing.mode, dkim.process.umask.unwrap().value), (Mode::Both, 7));
    assert!(dkim.choosing.single_key().is_none() && dkim.choosing.key_table.is_none());
    assert_eq!(dkim.signing.canonicalization, (Canon::Relaxed, Canon::Simple));
    assert_eq!(dkim.signing.oversign_headers, ["From"]);
    let dmarc = read.opendmarc.unwrap();
    assert!(!dmarc.acting.reject_failures && dmarc.history.file.is_none() && dmarc.logging.syslog);
}

#[test]
fn the_article_set_up() {
    let (read, found) = read("article");
    let expected = [
        ("Domain", CONFIG_UNUSED),
        ("Selector", CONFIG_UNUSED),
        ("KeyFile", CONFIG_UNUSED),
        ("FailureReportsBcc", OLD_NOT_CARRIED),
        ("TrustedAuthservIDs", OLD_DIFFERS),
        ("UserID", OLD_MERGED),
        ("AuthservID", OLD_MERGED),
    ];
    assert_eq!(shown(&found), expected.map(|(name, code)| (name, code.as_str())), "{found}");
    let process = read.process();
    assert!(process.auto_restart && process.auto_restart_rate.is_some());
    let dkim = read.opendkim.unwrap();
    assert_eq!(dkim.choosing.internal_hosts(), "refile:/etc/opendkim/TrustedHosts");
    assert_eq!(dkim.choosing.key_table.unwrap().value, "refile:/etc/opendkim/KeyTable");
    let from = read.opendmarc.unwrap().ignoring.mail_from.unwrap();
    assert_eq!((from.value, from.at.line), (vec!["example.com".to_owned()], 5));
}

#[test]
fn mail_in_a_box() {
    let (read, found) = read("mailinabox");
    let repeated: Vec<_> = found.iter().filter(|finding| finding.code == OLD_REPEATED).collect();
    assert_eq!(repeated.len(), 2, "{found}");
    assert!(repeated.iter().all(|finding| finding.key.as_deref() == Some("Socket")));
    let dkim = read.opendkim.unwrap();
    assert!(!dkim.keys.require_safe_keys);
    assert_eq!(dkim.process.socket.unwrap().value.to_postfix(), "inet:127.0.0.1:8891");
    assert_eq!(read.opendmarc.unwrap().process.socket.unwrap().value.to_postfix(), "inet:127.0.0.1:8893");
}

#[test]
fn docker_mailserver() {
    let (read, found) = read("docker_mailserver");
    let expected = [("TrustedAuthservIDs", OLD_DIFFERS), ("UserID", OLD_MERGED), ("AuthservID", OLD_MERGED)];
    assert_eq!(shown(&found), expected.map(|(name, code)| (name, code.as_str())), "{found}");
    let dkim = read.opendkim.unwrap();
    assert_eq!(dkim.signing.omit_headers.names.len(), 10);
    assert!(
        dkim.signing.omit_headers.contains(b"message-id") && !dkim.signing.omit_headers.contains(b"dkim-signature")
    );
    assert!(dkim.signing.remove_old_signatures && dkim.logging.why);
    assert!(read.opendmarc.unwrap().acting.reject_failures);
}

#[test]
fn guides_of_hosters() {
    let (read, found) = read("linode");
    assert!(found.is_empty(), "{found}");
    let choosing = read.opendkim.unwrap().choosing;
    assert_eq!(choosing.key_table.unwrap().value, "/etc/opendkim/key.table");
    assert!(choosing.external_ignore_list.is_some() && choosing.internal_hosts.is_some());
}

#[test]
fn no_real_file_is_refused() {
    for entry in std::fs::read_dir(file("")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let read = if name.ends_with("opendkim.conf") {
            old_files::read(Some(&path), None)
        } else {
            old_files::read(None, Some(&path))
        };
        let (_, found) = read.unwrap_or_else(|found| panic!("{name}\n{found}"));
        assert!(found.iter().all(|finding| finding.severity == Severity::Warning && !finding.fix.is_empty()));
    }
}
