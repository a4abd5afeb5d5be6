//! `postseal sign` and `postseal verify` on files, as an operator calls them.

use std::fs;
use std::net::UdpSocket;
use std::path::Path;

use crate::run::{err, json, out, postseal, postseal_fed};

const MESSAGE: &str =
    "From: Ann <ann@mail.example.com>\r\nTo: Bob <bob@example.net>\r\nSubject: Lunch\r\n\r\nAt noon?\r\n";

/// A folder with the keys of example.com, their records in `zone.txt`, and a message in `mail.eml`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    out(&postseal(folder.path(), &["key", "new", "example.com"]), 0);
    let zone = out(&postseal(folder.path(), &["dns", "show", "example.com"]), 0);
    fs::write(folder.path().join("zone.txt"), zone).unwrap();
    fs::write(folder.path().join("mail.eml"), MESSAGE).unwrap();
    folder
}

/// Signs `mail.eml` into `signed.eml` and returns it.
fn sign(folder: &Path) -> String {
    let signed = out(&postseal(folder, &["sign", "mail.eml"]), 0);
    fs::write(folder.join("signed.eml"), &signed).unwrap();
    signed
}

#[test]
fn what_sign_writes_verifies() {
    let folder = folder();
    let signed = sign(folder.path());
    assert!(signed.starts_with("DKIM-Signature: v=1; "), "{signed}");
    assert!(signed.ends_with(MESSAGE), "the message itself is not changed");
    assert_eq!(signed.matches("DKIM-Signature:").count(), 2);
    assert!(signed.contains("d=example.com;"), "a subdomain signs as its parent");
    let text = out(&postseal(folder.path(), &["verify", "signed.eml", "--zone", "zone.txt"]), 0);
    assert!(text.starts_with("signature 1: pass ") && text.ends_with("dkim=pass\n"), "{text}");
    let value = json(&postseal(folder.path(), &["verify", "signed.eml", "--zone", "zone.txt", "--json"]), 0);
    assert_eq!(value["dkim"], "pass");
    assert_eq!(value["signatures"].as_array().unwrap().len(), 2);
    assert_eq!(value["signatures"][0]["domain"], "example.com");
}

#[test]
fn both_read_standard_input() {
    let folder = folder();
    let signed = out(&postseal_fed(folder.path(), &["sign", "-"], MESSAGE.as_bytes()), 0);
    out(&postseal_fed(folder.path(), &["verify", "-", "--zone", "zone.txt"], signed.as_bytes()), 0);
}

#[test]
fn changes_missing_keys_and_missing_signatures_are_told_apart() {
    let folder = folder();
    let signed = sign(folder.path());
    let verify = |name: &str, mail: &str, code: i32| {
        fs::write(folder.path().join(name), mail).unwrap();
        out(&postseal(folder.path(), &["verify", name, "--zone", "zone.txt"]), code)
    };
    let text = verify("body.eml", &signed.replace("noon", "ten"), 1);
    assert!(text.contains("signature 1: fail (") && text.contains("body hash"), "{text}");
    let text = verify("header.eml", &signed.replace("Lunch", "Dinner"), 1);
    assert!(text.contains("signature 1: fail (") && !text.contains("body hash"), "{text}");
    assert_eq!(verify("unsigned.eml", MESSAGE, 1), "dkim=none: the message has no signature\n");

    fs::write(folder.path().join("empty.txt"), "").unwrap();
    let text = out(&postseal(folder.path(), &["verify", "signed.eml", "--zone", "empty.txt"]), 1);
    assert!(text.contains("permerror"), "{text}");
    let failing = signed_names(&signed).iter().map(|name| format!("{name} SERVFAIL\n")).collect::<String>();
    fs::write(folder.path().join("failing.txt"), failing).unwrap();
    let text = out(&postseal(folder.path(), &["verify", "signed.eml", "--zone", "failing.txt"]), 2);
    assert!(text.ends_with("dkim=temperror\n"), "{text}");
}

/// The names of the key records that a signed message asks for.
fn signed_names(signed: &str) -> Vec<String> {
    let selectors = signed.split("s=").skip(1).filter_map(|rest| rest.split(';').next());
    selectors
        .filter(|selector| selector.starts_with("20"))
        .map(|selector| format!("{selector}._domainkey.example.com."))
        .collect()
}

#[test]
fn a_silent_name_server_is_a_temporary_error() {
    let folder = folder();
    sign(folder.path());
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = silent.local_addr().unwrap().to_string();
    fs::write(folder.path().join("fast.toml"), "[dns]\ntimeout = \"300ms\"\n").unwrap();
    let arguments = ["verify", "signed.eml", "--nameserver", &server, "--config", "fast.toml"];
    assert!(out(&postseal(folder.path(), &arguments), 2).ends_with("dkim=temperror\n"));
}

#[test]
fn line_feeds_need_a_word() {
    let folder = folder();
    fs::write(folder.path().join("mail.eml"), MESSAGE.replace("\r\n", "\n")).unwrap();
    assert!(err(&postseal(folder.path(), &["sign", "mail.eml"]), 1).contains("--crlf"));
    let signed = out(&postseal(folder.path(), &["sign", "mail.eml", "--crlf"]), 0);
    assert!(signed.ends_with(MESSAGE), "the signed message has the line ends that were signed");
    fs::write(folder.path().join("unix.eml"), signed.replace("\r\n", "\n")).unwrap();
    let text = out(&postseal(folder.path(), &["verify", "unix.eml", "--zone", "zone.txt", "--crlf"]), 0);
    assert!(text.ends_with("dkim=pass\n"), "{text}");
    let output = postseal(folder.path(), &["verify", "unix.eml", "--zone", "zone.txt"]);
    let text = format!("{}{}", out(&output, 1), String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("--crlf"), "{text}");
}

#[test]
fn the_time_of_verifying_can_be_chosen() {
    let folder = folder();
    let config = "state_dir = \"postseal-data\"\n[[domain]]\nname = \"mail.example.com\"\nsigning_domain = \"example.com\"\nexpiry = \"1h\"\nkeys = [";
    let rows = json(&postseal(folder.path(), &["key", "list", "--json"]), 0);
    let keys = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| format!("{{ selector = {}, file = {} }}, ", row["selector"], row["file"]));
    fs::write(folder.path().join("postseal.toml"), format!("{config}{}]\n", keys.collect::<String>())).unwrap();
    let signed = out(&postseal(folder.path(), &["sign", "mail.eml", "--config", "postseal.toml"]), 0);
    assert!(signed.contains("x="), "{signed}");
    fs::write(folder.path().join("signed.eml"), signed).unwrap();
    let at = |time: &str, code| {
        out(&postseal(folder.path(), &["verify", "signed.eml", "--zone", "zone.txt", "--at", time]), code)
    };
    assert!(at("2100-01-01T00:00:00Z", 1).contains("expired"));
    at(&jiff::Timestamp::now().as_second().to_string(), 0);
    err(&postseal(folder.path(), &["verify", "signed.eml", "--at", "soon"]), 64);
}

#[test]
fn what_cannot_be_signed_says_why() {
    let folder = folder();
    let fails = |mail: &str, word: &str| {
        fs::write(folder.path().join("bad.eml"), mail).unwrap();
        let text = err(&postseal(folder.path(), &["sign", "bad.eml"]), 1);
        assert!(text.contains(word), "{text}");
    };
    fails("To: a@example.com\r\n\r\n", "no From field");
    fails("From: a@example.com\r\nFrom: b@example.com\r\n\r\n", "more than one");
    fails("From: nobody\r\n\r\n", "no author domain");
    fails("From: a@example.net\r\n\r\n", "no usable key for example.net");
    fails("this is no message\r\n", "not a message");
    let text = err(&postseal(folder.path(), &["sign", "missing.eml"]), 64);
    assert!(text.contains("missing.eml cannot be read"), "{text}");
    fs::write(folder.path().join("bad.eml"), "From: a@example.net\r\n\r\n").unwrap();
    let signed = out(&postseal(folder.path(), &["sign", "bad.eml", "--domain", "example.com"]), 0);
    assert!(signed.contains("d=example.com"));
    let value = json(&postseal(folder.path(), &["sign", "mail.eml", "--json"]), 0);
    assert_eq!(value["fields"].as_array().unwrap().len(), 2);
    assert_eq!(value["author"], "mail.example.com");
}

#[test]
fn a_zone_file_with_an_error_is_78() {
    let folder = folder();
    sign(folder.path());
    fs::write(folder.path().join("bad.txt"), "\na.example. TXT\n").unwrap();
    let text = err(&postseal(folder.path(), &["verify", "signed.eml", "--zone", "bad.txt"]), 78);
    assert!(text.contains("bad.txt:2: error[E-ZONE-LINE]"), "{text}");
}
