//! `opendkim-testmsg`.

use std::fs;
use std::path::Path;

use super::{stderr, tool, tool_fed};
use crate::run::{err, out, postseal_fed};

const MESSAGE: &str = "From: a@example.com\nTo: b@example.org\nSubject: one\n two\n\nhello \n\n\n";

/// A folder with the keys `r` and `e` of example.com and a zone file with their records.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut zone = String::new();
    for (selector, kind) in [("r", "--noed25519"), ("e", "--ed25519")] {
        out(&tool(folder.path(), "opendkim-genkey", &["-a", "-d", "example.com", "-s", selector, kind]), 0);
        zone.push_str(&fs::read_to_string(folder.path().join(format!("{selector}.txt"))).unwrap());
    }
    fs::write(folder.path().join("zone"), zone).unwrap();
    folder
}

fn sign(folder: &Path, selector: &str, more: &[&str], message: &str) -> Vec<u8> {
    let key = format!("{selector}.private");
    let arguments = [&["-d", "example.com", "-s", selector, "-k", &key], more].concat();
    let output = tool_fed(folder, "opendkim-testmsg", &arguments, message.as_bytes());
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
    output.stdout
}

fn verify(folder: &Path, message: &[u8]) -> (Option<i32>, String) {
    let output = tool_fed(folder, "opendkim-testmsg", &["--zone", "zone"], message);
    assert_eq!(output.stdout, b"", "it says nothing on standard output when it verifies");
    (output.status.code(), stderr(&output))
}

#[test]
fn rfc6376_5_3_what_it_signs_verifies_here_and_elsewhere() {
    let folder = folder();
    for (selector, algorithm) in [("r", "a=rsa-sha256;"), ("e", "a=ed25519-sha256;")] {
        for (message, more) in [(MESSAGE.to_owned(), &[][..]), (MESSAGE.replace('\n', "\r\n"), &["-C"])] {
            let signed = sign(folder.path(), selector, more, &message);
            let text = String::from_utf8(signed.clone()).unwrap();
            let field = text.strip_suffix(&message).expect("the message is written as it came");
            assert!(field.starts_with("DKIM-Signature: v=1; ") && field.contains(algorithm), "{field}");
            assert!(field.contains("c=relaxed/simple; d=example.com;"), "{field}");
            assert_eq!(field.contains('\r'), more == ["-C"]);
            assert_eq!(field.matches("b=").count(), 1, "{field}");
            assert_eq!(verify(folder.path(), &signed), (Some(0), String::new()));
            let elsewhere = postseal_fed(folder.path(), &["verify", "-", "--crlf", "--zone", "zone"], &signed);
            assert!(out(&elsewhere, 0).contains("dkim=pass"));
        }
    }
}

#[test]
fn what_does_not_verify_is_70_with_words() {
    let folder = folder();
    let signed = String::from_utf8(sign(folder.path(), "r", &[], MESSAGE)).unwrap();
    let said = |message: &str| {
        let (code, said) = verify(folder.path(), message.as_bytes());
        assert_eq!(code, Some(70), "{said}");
        said
    };
    let tampered = said(&signed.replace("hello", "hullo"));
    assert!(
        tampered.starts_with("opendkim-testmsg: dkim_eom(): Bad signature\n  signature 1: fail (body hash"),
        "{tampered}"
    );
    assert!(said(&signed.replace("s=r;", "s=x;")).starts_with("opendkim-testmsg: dkim_eom(): No key\n"));
    assert_eq!(said(MESSAGE), "opendkim-testmsg: dkim_chunk(): No signature\n");
    assert!(said("no message").starts_with("opendkim-testmsg: dkim_chunk(): Syntax error: "));
}

#[test]
fn wrong_use_is_78_and_a_key_that_is_not_there_71() {
    let folder = folder();
    let called = |arguments: &[&str], code| {
        err(&tool_fed(folder.path(), "opendkim-testmsg", arguments, MESSAGE.as_bytes()), code)
    };
    assert!(called(&["-d", "example.com"], 78).contains("usage: opendkim-testmsg "));
    assert!(called(&["-q"], 78).contains("there is no option -q"));
    assert!(called(&["--nameserver", "here"], 78).contains("no address with a port"));
    let key = |file: &str, code| called(&["-d", "example.com", "-s", "r", "-k", file], code);
    assert!(key("nowhere", 71).starts_with("opendkim-testmsg: nowhere: open(): No such file or directory\n"));
    assert!(key("/dev/null", 71).contains("[E-KEY-NOT-A-FILE]"));
    assert!(key("r.txt", 70).contains("[E-KEY-FORMAT]"));
    assert!(called(&["-d", "a b", "-s", "r", "-k", "r.private"], 70).contains("dkim_sign() failed: -d a b"));
    // The old tool takes these; there are no temporary files.
    let output = tool_fed(folder.path(), "opendkim-testmsg", &["-K", "-t", "/nonexistent"], MESSAGE.as_bytes());
    assert_eq!(err(&output, 70), "opendkim-testmsg: dkim_chunk(): No signature\n");
}
