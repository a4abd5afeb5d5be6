//! `postseal dns check` against a DNS server on loopback: each mistake that people make is named, with the record to publish (M14).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::dns_server::{DnsServer, Reply};
use crate::run::{err, json, out, postseal};

const NAME: &str = "r1._domainkey.example.com";

/// What is told of a domain without DMARC.
const NO_DMARC: &str = "example.com DMARC: none
  note[dmarc-no-record]: the domain has no DMARC record: everybody can send mail in its name, and large receivers want one of those who send much
    fix: publish `_dmarc.example.com. TXT \"v=DMARC1; p=none; rua=mailto:ADDRESS\"` to begin with
";

/// A state folder with an RSA key, and the text of its record.
fn folder() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    out(&postseal(folder.path(), &["key", "new", "example.com", "--type", "rsa", "--selector", "r1"]), 0);
    let shown = json(&postseal(folder.path(), &["dns", "show", "example.com", "--json"]), 0);
    let text = shown[0]["text"].as_str().unwrap().to_owned();
    (folder, text)
}

fn strings(text: &str) -> Vec<Vec<u8>> {
    text.as_bytes().chunks(255).map(<[u8]>::to_vec).collect()
}

fn texts(text: &str) -> Reply {
    Reply::Texts(vec![strings(text)])
}

fn check(folder: &Path, server: &DnsServer, code: i32) -> Value {
    let arguments = ["dns", "check", "example.com", "--nameserver", &server.address, "--json"];
    json(&postseal(folder, &arguments), code)
}

fn codes(report: &Value) -> Vec<&str> {
    report["keys"][0]["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

#[test]
fn m14_what_is_published_is_compared_with_the_key() {
    let (folder, text) = folder();
    let name = NAME.to_owned();
    let spelled = |from: &str, to: &str| texts(&text.replace(from, to));
    let first = strings(&text)[0].clone();
    for (names, code, expected) in [
        (vec![(name.clone(), texts(&text))], 0, &[][..]),
        (vec![(name.clone(), Reply::Texts(vec![vec![b"v=spf1 -all".to_vec()], strings(&text)]))], 0, &[]),
        (
            vec![
                (name.clone(), Reply::Alias("r1.provider.example".into())),
                ("r1.provider.example".into(), texts(&text)),
            ],
            0,
            &["dns-key-alias"],
        ),
        (vec![(name.clone(), Reply::Texts(vec![vec![first.clone()]]))], 1, &["dns-key-cut-at-255"]),
        (vec![(name.clone(), Reply::Texts(vec![vec![first[..200].to_vec()]]))], 1, &["dns-key-string-lost"]),
        (vec![(name.clone(), spelled(";", r"\;"))], 1, &["dns-key-backslash"]),
        (vec![(name.clone(), spelled("v=DKIM1", "\u{201c}v=DKIM1"))], 1, &["dns-key-curly-quotes"]),
        (vec![(name.clone(), texts("v=DKIM1; p="))], 1, &["dns-key-revoked"]),
        (vec![(name.clone(), spelled("k=rsa", "k=rsa; t=y"))], 1, &["dns-key-testing"]),
        (vec![(name.clone(), Reply::Texts(vec![strings(&text), strings(&text)]))], 1, &["dns-key-several"]),
        (vec![("r1._domainkeys.example.com".into(), texts(&text))], 1, &["dns-key-domainkeys"]),
        (vec![(format!("{name}.example.com"), texts(&text))], 1, &["dns-key-zone-twice"]),
        (vec![(name.clone(), Reply::Alias("gone.example".into()))], 1, &["dns-key-dangling-alias"]),
        (vec![(name.clone(), Reply::NoData)], 1, &["dns-key-no-text"]),
        (vec![], 1, &["dns-key-no-name"]),
        (vec![(name.clone(), Reply::Code(2))], 2, &["dns-servfail"]),
        (vec![(name.clone(), Reply::Code(5))], 2, &["dns-refused"]),
    ] {
        let server = DnsServer::start(names);
        let report = check(folder.path(), &server, code);
        assert_eq!(codes(&report), expected, "{report}");
        let state = match code {
            0 => "matches",
            2 => "unknown",
            _ if expected == ["dns-key-testing"] => "matches",
            _ => "mismatch",
        };
        assert_eq!(
            (&report["state"], &report["keys"][0]["bits"]),
            (&Value::from(state), &Value::from(2048)),
            "{report}"
        );
        for finding in report["keys"][0]["findings"].as_array().unwrap() {
            assert!(!finding["what"].as_str().unwrap().is_empty() && !finding["fix"].as_str().unwrap().is_empty());
        }
        let record = report["keys"][0]["record"].as_str().unwrap();
        assert!(record.starts_with("r1._domainkey.example.com. 3600 IN TXT ( \"v=DKIM1; k=rsa; p="), "{record}");
    }
}

#[test]
fn a_server_that_is_silent_or_not_there_is_no_mismatch() {
    let (folder, _) = folder();
    let server = DnsServer::start(vec![(NAME.to_owned(), Reply::Silence)]);
    let config = "[dns]\ntimeout = \"300ms\"\n[[domain]]\nname = \"example.com\"\nkeys = [{ selector = \"r1\", file = \"postseal-data/keys/example.com/r1.pem\" }]\n";
    fs::write(folder.path().join("postseal.toml"), config).unwrap();
    let check = |server: &str, expected: &str| {
        let arguments = ["dns", "check", "example.com", "--config", "postseal.toml", "--nameserver", server];
        let text = out(&postseal(folder.path(), &arguments), 2);
        assert!(text.contains("r1._domainkey.example.com (rsa, 2048 bits): unknown\n"), "{text}");
        assert!(text.contains(expected) && !text.contains("the record:"), "{text}");
    };
    check(&server.address, "unanswered[dns-timeout]");
    let gone = std::mem::take(&mut DnsServer::start(Vec::new()).address);
    check(&gone, "unanswered[dns-");
}

#[test]
fn the_text_names_the_finding_the_mend_and_the_record_that_then_matches() {
    let (folder, text) = folder();
    let server = DnsServer::start(vec![(NAME.to_owned(), Reply::Texts(vec![vec![strings(&text)[0].clone()]]))]);
    let shown = out(&postseal(folder.path(), &["dns", "check", "example.com", "--nameserver", &server.address]), 1);
    assert!(
        shown.starts_with("r1._domainkey.example.com (rsa, 2048 bits): mismatch\n  failure[dns-key-cut-at-255]: "),
        "{shown}"
    );
    assert!(shown.contains("the panel dropped the 2nd string") && shown.contains("\n    fix: "), "{shown}");
    // What is printed is a zone file, and with it the key matches.
    let record = shown.split_once("the record:\n").unwrap().1.split("example.com SPF: ").next().unwrap();
    fs::write(folder.path().join("zone.txt"), record).unwrap();
    let shown = out(&postseal(folder.path(), &["dns", "check", "example.com", "--zone", "zone.txt"]), 0);
    assert_eq!(
        shown,
        format!("r1._domainkey.example.com (rsa, 2048 bits): matches\nexample.com SPF: none\n{NO_DMARC}")
    );
}

#[test]
fn a_key_that_cannot_sign_is_named_with_its_file_and_its_own_mend() {
    let (folder, text) = folder();
    out(&postseal(folder.path(), &["key", "new", "example.com", "--type", "rsa", "--selector", "r2"]), 0);
    let file = folder.path().join("postseal-data/keys/example.com/r2.pem");
    fs::write(&file, "-----BEGIN PUBLIC KEY-----\n").unwrap();
    let server = DnsServer::start(vec![(NAME.to_owned(), texts(&text))]);
    let report = check(folder.path(), &server, 1);
    let (bad, good) = (&report["keys"][0], &report["keys"][1]);
    assert_eq!((&bad["state"], &good["state"]), (&"unusable".into(), &"matches".into()), "{report}");
    let finding = &bad["findings"][0];
    assert_eq!((&finding["code"], &finding["publish"]), (&"E-KEY-FORMAT".into(), &false.into()), "{report}");
    for text in [&bad["file"], &finding["what"]] {
        assert!(text.as_str().unwrap().contains("postseal-data/keys/example.com/r2.pem"), "{report}");
    }
    assert!(finding["fix"].as_str().unwrap().contains("postseal key new"), "{report}");
}

#[test]
fn one_key_of_several_can_be_asked_for_and_a_mix_up_is_named() {
    let (folder, text) = folder();
    out(&postseal(folder.path(), &["key", "new", "example.com", "--type", "rsa", "--selector", "r2"]), 0);
    let server =
        DnsServer::start(vec![(NAME.to_owned(), texts(&text)), ("r2._domainkey.example.com".to_owned(), texts(&text))]);
    let check = |more: &[&str], code| {
        let arguments = ["dns", "check", "example.com", "--nameserver", &server.address, "--json"];
        json(&postseal(folder.path(), &[&arguments[..], more].concat()), code)
    };
    let both = check(&[], 1);
    let state = |index: usize| both["keys"][index]["state"].as_str().unwrap();
    assert_eq!((state(0), state(1)), ("matches", "mismatch"), "{both}");
    assert_eq!(both["keys"][1]["findings"][0]["code"], "dns-key-of-other-selector");
    assert_eq!(check(&["--selector", "r1"], 0)["keys"].as_array().unwrap().len(), 1);
    // The key that it was mixed up with need not be asked for.
    let second = check(&["--selector", "r2"], 1);
    assert_eq!(second["keys"].as_array().unwrap().len(), 1);
    assert_eq!(second["keys"][0]["findings"][0]["code"], "dns-key-of-other-selector", "{second}");
    let arguments = ["dns", "check", "example.com", "--selector", "r3", "--nameserver", &server.address];
    assert!(err(&postseal(folder.path(), &arguments), 1).contains("no key with the selector r3 for example.com"));
    assert!(err(&postseal(folder.path(), &["dns", "show", "example.org"]), 1).contains("postseal key new example.org"));
}

#[test]
fn a_short_rsa_key_signs_is_listed_with_a_warning_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("postseal-data/keys/example.com");
    fs::create_dir_all(&keys).unwrap();
    for (name, selector) in [("rsa1024.pem", "old"), ("rsa1023.pem", "older")] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/tests/key_files").join(name);
        let copy = keys.join(format!("{selector}.pem"));
        fs::copy(file, &copy).unwrap();
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let list = json(&postseal(folder.path(), &["key", "list", "--json"]), 1);
    let of = |selector: &str| list.as_array().unwrap().iter().find(|row| row["selector"] == selector).unwrap();
    assert_eq!((&of("old")["usable"], &of("old")["bits"]), (&true.into(), &1024.into()));
    let problem = of("old")["problem"].as_str().unwrap();
    assert!(problem.contains("1024 bits") && problem.contains("[W-KEY-SHORT]"), "{problem}");
    assert!(problem.contains("`postseal key new example.com --type rsa --state postseal-data`"), "{problem}");
    assert!(
        of("older")["problem"]
            .as_str()
            .unwrap()
            .contains("1023 bits; keys below 1024 bits must not be used [E-KEY-SIZE]")
    );

    fs::remove_file(keys.join("older.pem")).unwrap();
    let zone = out(&postseal(folder.path(), &["dns", "show", "example.com"]), 0);
    fs::write(folder.path().join("zone.txt"), zone).unwrap();
    let checked = out(&postseal(folder.path(), &["dns", "check", "example.com", "--zone", "zone.txt"]), 0);
    assert_eq!(
        checked,
        format!("old._domainkey.example.com (rsa, 1024 bits): matches\nexample.com SPF: none\n{NO_DMARC}")
    );
    let mail = "From: jo@example.com\r\nSubject: hello\r\n\r\nhello\r\n";
    fs::write(folder.path().join("mail.eml"), mail).unwrap();
    let ran = postseal(folder.path(), &["sign", "mail.eml"]);
    let (signed, told) = (out(&ran, 0), String::from_utf8(ran.stderr).unwrap());
    let is_warning = told.starts_with("warning: postseal-data/keys/example.com/old.pem: ");
    assert!(is_warning && told.contains("[W-KEY-SHORT]"), "{told}");
    fs::write(folder.path().join("signed.eml"), signed).unwrap();
    let verified = out(&postseal(folder.path(), &["verify", "signed.eml", "--zone", "zone.txt"]), 0);
    assert!(verified.contains("dkim=pass") && verified.contains("key=1024 bits"), "{verified}");
    // The command of the warning makes the key that replaces it.
    out(&postseal(folder.path(), &["key", "new", "example.com", "--type", "rsa", "--state", "postseal-data"]), 0);
    assert_eq!(json(&postseal(folder.path(), &["key", "list", "--json"]), 0).as_array().unwrap().len(), 2);
}
