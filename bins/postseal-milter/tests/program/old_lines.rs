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
