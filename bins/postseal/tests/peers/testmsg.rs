//! `opendkim-testmsg` beside Debian's, and what dkimpy says to its signatures.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::pair::{Comparison, Said, ours, theirs};
use crate::site::dns::{Dns, zone_text};
use crate::site::work;

const TOOL: &str = "opendkim-testmsg";

const MESSAGE: &str = "From: a@example.com\r\nTo: b@example.org\r\nDate: Tue, 24 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n\
                       Subject: one\r\n\r\nhello \r\n\r\n\r\n";

/// Keys `one` (RSA) and `e`, published.
fn site(folder: &Path) -> Dns {
    let mut records = Vec::new();
    for (selector, kind) in [("one", "--noed25519"), ("e", "--ed25519")] {
        assert_eq!(ours("opendkim-genkey", folder, &["-s", selector, kind], b"").code, 0);
        let txt = fs::read_to_string(folder.join(format!("{selector}.txt"))).unwrap();
        records.push((format!("{selector}._domainkey.example.com"), txt.split('"').skip(1).step_by(2).collect()));
    }
    Dns::start(folder, &zone_text(&records))
}

/// The arguments and what is on standard input.
const CASES: &[(&[&str], &str)] = &[
    (&[], MESSAGE),
    (&["-K"], MESSAGE),
    (&["-C"], MESSAGE),
    (&["-d", "example.com"], MESSAGE),
    (&["-d", "example.com", "-s", "one"], MESSAGE),
    (&["-q"], MESSAGE),
    (&["-d"], MESSAGE),
    (&["-d", "example.com", "-s", "one", "-k", "nowhere"], MESSAGE),
    (&["-t", "/nonexistent"], MESSAGE),
    (&["-d", "example.com", "-s", "one", "-k", "one.private"], MESSAGE),
    (&["-d", "example.com", "-s", "e", "-k", "e.private"], MESSAGE),
];

#[test]
fn the_same_arguments_end_alike() {
    let folder = work::folder();
    let _dns = site(folder.path());
    let mut comparison = Comparison::default();
    for (arguments, message) in CASES {
        let [their_said, our_said] = [theirs, ours].map(|run: fn(&str, &Path, &[&str], &[u8]) -> Said| {
            run(TOOL, folder.path(), arguments, message.as_bytes())
        });
        comparison.compare(TOOL, &arguments.join(" "), &their_said, &our_said);
    }
    comparison.finish(TOOL);
}

#[test]
fn what_we_sign_dkimpy_and_we_verify() {
    let folder = work::folder();
    let dns = site(folder.path());
    let nameserver = format!("127.0.0.1:{}", dns.port);
    for selector in ["one", "e"] {
        let key = format!("{selector}.private");
        for (message, more) in [(MESSAGE.to_owned(), &["-C"][..]), (MESSAGE.replace("\r\n", "\n"), &[])] {
            let arguments = [&["-d", "example.com", "-s", selector, "-k", &key], more].concat();
            let signed = ours(TOOL, folder.path(), &arguments, message.as_bytes());
            assert_eq!((signed.code, signed.err.as_str()), (0, ""), "{signed}");
            let verified = ours(TOOL, folder.path(), &["--nameserver", &nameserver], signed.out.as_bytes());
            assert_eq!((verified.code, verified.err.as_str()), (0, ""), "{selector}: {verified}");
            // dkimverify wants CRLF, as in mail.
            let sent = signed.out.replace("\r\n", "\n").replace('\n', "\r\n");
            let verified = dkimverify(dns.port, sent.as_bytes());
            assert_eq!(String::from_utf8_lossy(&verified.stdout), "signature ok\n", "{selector}: {verified:?}");
            let verified = dkimverify(dns.port, sent.replace("hello", "hullo").as_bytes());
            assert_eq!(verified.status.code(), Some(1), "{selector}: {verified:?}");
        }
    }
    // The reason to sign anew: what Debian's tool signs nobody verifies.
    let arguments = ["-d", "example.com", "-s", "one", "-k", "one.private"];
    let signed = theirs(TOOL, folder.path(), &arguments, MESSAGE.as_bytes());
    let verified = ours(TOOL, folder.path(), &["--nameserver", &nameserver], signed.out.as_bytes());
    assert_eq!((verified.code, verified.err.as_str()), (70, "opendkim-testmsg: dkim_eom(): Unable to verify\n"));
    assert_eq!(dkimverify(dns.port, signed.out.as_bytes()).status.code(), Some(1));
}

/// Debian's `dkimverify` with our name server, see `sitecustomize.py` beside the tests of the daemon.
fn dkimverify(port: u16, message: &[u8]) -> Output {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../postseal-milter/tests/peers/python");
    let mut child = Command::new("/usr/bin/dkimverify")
        .env("PYTHONPATH", scripts)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PEERS_NAMESERVER", format!("127.0.0.1:{port}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Small enough to fit in the pipe.
    child.stdin.take().unwrap().write_all(message).unwrap();
    child.wait_with_output().unwrap()
}
