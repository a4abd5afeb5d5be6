//! The log of a daemon that runs from the old files, line by line, as programs read it that were written for OpenDKIM.

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;

use crate::mta::Mta;
use crate::running::Running;

#[test]
fn s5_4_lines_stand_as_opendkim_and_opendmarc_write_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let pem = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/tests/key_files/pkcs8.pem");
    fs::copy(pem, path("key.pem")).unwrap();
    fs::write(path("keys"), "sel._domainkey.example.org v=DKIM1; p=\n").unwrap();
    let both = format!(
        "Socket local:{}\nDomain example.org\nSelector sel\nKeyFile {}\nRequireSafeKeys no\nSyslogSuccess yes\nLogWhy yes\n\
         TestPublicKeys {}\nOn-NoSignature reject\n",
        path("milter"),
        path("key.pem"),
        path("keys")
    );
    fs::write(path("opendkim.conf"), format!("{both}InternalHosts 192.0.2.0/24\n")).unwrap();
    let mut daemon = Running::start(folder.path(), &["--foreground", "--opendkim-conf", "opendkim.conf"]);
    daemon.wait_for(
        "info OpenDKIM Filter v2.11.0 starting (args: --foreground --opendkim-conf opendkim.conf) (Postseal ",
    );
    let socket = path("milter");
    let mut mta = Mta::connect(Path::new(&socket)).unwrap();
    mta.message("4SIGN").unwrap();
    daemon.wait_for("info 4SIGN: DKIM-Signature field added (s=sel, d=example.org)\n");
    fs::write(path("opendkim.conf"), format!("{both}InternalHosts 198.51.100.0/24\n")).unwrap();
    daemon.signal(Signal::SIGUSR1);
    daemon.wait_for("info configuration reloaded from opendkim.conf\n");
    Mta::connect(Path::new(&socket)).unwrap().message("4OUT").unwrap();
    daemon.wait_for("info 4OUT: client.example [192.0.2.10] not internal\n");
    daemon.wait_for("info 4OUT: not authenticated\n");
    daemon.wait_for("notice 4OUT: external host client.example attempted to send as example.org\n");
    daemon.wait_for("info 4OUT: no signature data\n");
    daemon.wait_for("warning 4OUT: rejected: no DKIM signature data\n");
    daemon.signal(Signal::SIGTERM);
    let (code, log) = daemon.wait();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("info OpenDKIM Filter v2.11.0 terminating with status 0, errno = 0\n"), "{log}");
}

/// The fields of the record of a message.
fn record(daemon: &Running, queue_id: &str) -> String {
    let start = format!("message queue_id={queue_id} ");
    daemon.wait_for(&start);
    daemon.log().lines().find(|line| line.contains(&start)).unwrap().to_owned()
}

#[test]
fn s1_3_what_is_answered_at_the_end_of_the_header_section_has_its_record_and_entry() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("KeyTable"), format!("k example.org:sel:{}\n", path("no-such-key"))).unwrap();
    fs::write(path("SigningTable"), "*@example.org k\n").unwrap();
    let start = |internal: &str, name: &str| {
        let text = format!(
            "Mode s\nSocket local:{}\nKeyTable {}\nSigningTable refile:{}\nInternalHosts {internal}\n",
            path(name),
            path("KeyTable"),
            path("SigningTable")
        );
        fs::write(path("opendkim.conf"), text).unwrap();
        let state = path(&format!("state-{name}"));
        Running::start(folder.path(), &["--foreground", "--state", &state, "--opendkim-conf", "opendkim.conf"])
    };
    for (internal, name, said) in [
        ("198.51.100.0/24", "out", "sign=skipped sign_reason=left-alone removed=0 action=accept"),
        ("192.0.2.0/24", "in", "removed=0 action=tempfail action_reason=key-error"),
    ] {
        let mut daemon = start(internal, name);
        let _ = Mta::connect(Path::new(&path(name))).unwrap().message("4EARLY");
        let record = record(&daemon, "4EARLY");
        assert!(record.contains(said), "{record}");
        daemon.signal(Signal::SIGTERM);
        assert_eq!(daemon.wait().0, Some(0));
        let journal = Path::new(&path(&format!("state-{name}"))).join("journal");
        let files = fs::read_dir(&journal).unwrap().map(|entry| entry.unwrap().path());
        let entries = files
            .filter(|file| file.is_file())
            .filter(|file| fs::read(file).unwrap().windows(6).any(|octets| octets == b"4EARLY"));
        assert_eq!(entries.count(), 1, "in {}", journal.display());
    }
}
