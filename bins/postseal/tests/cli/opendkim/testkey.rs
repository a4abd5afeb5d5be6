//! `opendkim-testkey`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{stderr, tool};
use crate::dns_server::{DnsServer, Reply};
use crate::run::out;

/// A folder with keys of example.com (`r`, `e`, and `other`, which is not published), and the zone file `zone`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut zone = String::new();
    for (selector, kind) in [("r", "--noed25519"), ("e", "--ed25519"), ("other", "--noed25519")] {
        out(&tool(folder.path(), "opendkim-genkey", &["-a", "-d", "example.com", "-s", selector, kind]), 0);
        zone.push_str(&fs::read_to_string(folder.path().join(format!("{selector}.txt"))).unwrap());
    }
    let other = zone.split("other._domainkey").nth(1).unwrap().replace("key other for", "key wrong for");
    zone.push_str(&format!("wrong._domainkey{other}"));
    zone.push_str("gone._domainkey.example.com. TXT \"v=DKIM1; p=\"\nodd._domainkey.example.com. TXT \"v=DKIM1; k=dsa; p=AAAA\"\n");
    fs::write(folder.path().join("zone"), zone).unwrap();
    fs::write(folder.path().join("empty.conf"), "").unwrap();
    folder
}

/// Exit code, standard output, standard error.
fn testkey(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let has_config = arguments.contains(&"-x");
    // Without -x it would read the configuration of the machine.
    let config: &[&str] = if has_config { &[] } else { &["-x", "empty.conf"] };
    let output = tool(folder, "opendkim-testkey", &[&["--zone", "zone"], config, arguments].concat());
    let code = output.status.code().unwrap();
    (code, out(&output, code), stderr(&output))
}

const DNSSEC: &str =
    "  this is about DNSSEC, which is not looked at here, and says nothing about the key or its file\n";

#[test]
fn a_key_that_matches_is_ok_with_the_old_lines() {
    let folder = folder();
    let silent = (0, String::new(), String::new());
    for selector in ["r", "e"] {
        let key = format!("{selector}.private");
        let call = |more: &[&str]| testkey(folder.path(), &[&["-d", "example.com", "-s", selector], more].concat());
        assert_eq!(call(&[]), silent);
        assert_eq!(call(&["-k", &key]), silent);
        let told = format!("opendkim-testkey: key not secure\n{DNSSEC}");
        assert_eq!(call(&["-k", &key, "-v"]), (0, String::new(), told));
        let (code, told, said) = call(&["-k", &key, "-vvv"]);
        assert_eq!((code, told.as_str()), (0, "opendkim-testkey: key OK\n"));
        let lines = format!(
            "opendkim-testkey: key loaded from {key}\nopendkim-testkey: checking key '{selector}._domainkey.example.com'\n\
             opendkim-testkey: key not secure\n{DNSSEC}"
        );
        assert_eq!(said, lines);
    }
}

#[test]
fn what_is_wrong_has_the_old_words_and_codes_and_ours_below() {
    let folder = folder();
    let call = |selector: &str| testkey(folder.path(), &["-d", "example.com", "-s", selector, "-k", "r.private"]);
    let (code, told, said) = call("wrong");
    assert_eq!((code, told.as_str()), (65, "opendkim-testkey: keys do not match\n"));
    assert!(said.contains("failure[dns-key-wrong]: ") && said.contains("\n  the record:\nwrong._domainkey."), "{said}");
    for (selector, words, finding) in [
        ("none", "'none._domainkey.example.com' record not found", "[dns-key-no-name]"),
        ("gone", "Revoked key", "[dns-key-revoked]"),
        ("odd", "unknown key type 'dsa'", "[dns-key-other-type]"),
    ] {
        let (code, told, said) = call(selector);
        assert_eq!((code, told.as_str()), (69, ""), "{said}");
        assert!(said.starts_with(&format!("opendkim-testkey: {words}\n  failure")) && said.contains(finding), "{said}");
        // Without the private key there is nothing to compare.
        let alone = testkey(folder.path(), &["-d", "example.com", "-s", selector]);
        assert_eq!(alone, (69, String::new(), format!("opendkim-testkey: {words}\n")));
    }
}

#[test]
fn key_files_are_told_when_others_can_read_them() {
    let folder = folder();
    let call = |file: &str| testkey(folder.path(), &["-d", "example.com", "-s", "r", "-k", file]);
    fs::set_permissions(folder.path().join("r.private"), fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(
        call("r.private"),
        (0, String::new(), "opendkim-testkey: r.private: WARNING: unsafe permissions\n".into())
    );
    let (code, _, said) = call("nowhere");
    assert_eq!(code, 71);
    assert!(said.starts_with("opendkim-testkey: nowhere: stat(): No such file or directory\n"), "{said}");
    let (code, _, said) = call(".");
    assert_eq!(code, 71);
    assert!(said.starts_with("opendkim-testkey: .: stat(): not a regular file\n"), "{said}");
    let (code, _, said) = call("r.txt");
    assert_eq!(code, 69);
    assert!(said.contains("r.txt: the key cannot be used\n") && said.contains("[E-KEY-FORMAT]"), "{said}");
}

#[test]
fn a_key_table_of_either_type_is_walked_to_its_end() {
    let folder = folder();
    let table = "k1 example.com:r:./r.private\nk2 example.com:wrong:./r.private\nk3 example.com:e:./missing\nk4 example.com:e:./e.private\n\
                 k5 example.com:e\nk6 %:e:./e.private\n";
    fs::write(folder.path().join("table"), table).unwrap();
    for kind in ["file", "refile"] {
        fs::write(folder.path().join("conf"), format!("KeyTable {kind}:table\n")).unwrap();
        let (code, told, said) = testkey(folder.path(), &["-x", "conf", "-vvv"]);
        assert_eq!(code, 71, "a key that cannot be read counts most: {said}");
        let lines = "opendkim-testkey: key k1: OK\nopendkim-testkey: key k4: OK\nopendkim-testkey: 6 keys checked; 2 pass, 3 fail\n";
        assert_eq!(told, lines);
        for line in [
            "opendkim-testkey: record 0 for 'k1' retrieved\nopendkim-testkey: checking key 'k1'\nopendkim-testkey: key k1 not secure\n",
            "opendkim-testkey: key k2: keys do not match\nopendkim-testkey: key k2 not secure\n  failure[dns-key-wrong]: ",
            "opendkim-testkey: key k3: ./missing: stat(): No such file or directory\n",
            "opendkim-testkey: key k5: KeyTable entry corrupt\n",
            "opendkim-testkey: key k6: not checked, it is for many domains (`%`)\n",
        ] {
            assert!(said.contains(line), "{line}\n{said}");
        }
        assert_eq!(said.matches(DNSSEC).count(), 1, "once is enough");
    }
    fs::write(folder.path().join("table"), "k1 example.com:r:./r.private\nk2 example.com:e:./e.private\n").unwrap();
    assert_eq!(testkey(folder.path(), &["-x", "conf"]), (0, String::new(), String::new()));
    let (code, told, _) = testkey(folder.path(), &["-x", "conf", "-v"]);
    assert_eq!((code, told.as_str()), (0, "opendkim-testkey: 2 keys checked; 2 pass, 0 fail\n"));
}

#[test]
fn domain_selector_and_key_come_from_the_configuration() {
    let folder = folder();
    let conf = |text: &str| fs::write(folder.path().join("conf"), text).unwrap();
    conf("Domain example.com\nSelector r\nKeyFile r.private\n");
    let (code, told, _) = testkey(folder.path(), &["-x", "conf", "-vvv"]);
    assert_eq!((code, told.as_str()), (0, "opendkim-testkey: key OK\n"));
    assert_eq!(testkey(folder.path(), &["-x", "conf", "-s", "wrong"]).0, 65, "the command line counts more");
    // Every domain of the list: the old tool takes the list for one name.
    conf("Domain example.com,example.org\nSelector r\nKeyFile r.private\n");
    let (code, told, said) = testkey(folder.path(), &["-x", "conf", "-vvv"]);
    assert_eq!((code, told.as_str()), (69, "opendkim-testkey: key OK\n"));
    assert!(said.contains("'r._domainkey.example.org' record not found"), "{said}");
}

#[test]
fn wrong_use_is_78() {
    let folder = folder();
    for arguments in [&["-q"][..], &[], &["-d", "example.com"], &["-s", "r"], &["-d"]] {
        let (code, _, said) = testkey(folder.path(), arguments);
        assert_eq!(code, 78, "{arguments:?}");
        assert!(said.contains("usage: opendkim-testkey "), "{arguments:?} {said}");
    }
    let (code, _, said) = testkey(folder.path(), &["-d", "me@example.com", "-s", "r"]);
    assert_eq!(code, 78);
    assert!(said.contains("the domain is the part behind @"), "{said}");
    let (code, _, said) = testkey(folder.path(), &["-x", "nowhere", "-d", "example.com", "-s", "r"]);
    assert_eq!(code, 78);
    assert!(said.starts_with("opendkim-testkey: nowhere: configuration error at line 0\n"), "{said}");
}

#[test]
fn a_name_server_that_answers_badly_is_no_key() {
    let folder = folder();
    let texts = |text: &[u8]| Reply::Texts(vec![vec![text.to_vec()]]);
    let name = |selector: &str| format!("{selector}._domainkey.example.com");
    let server = DnsServer::start(vec![
        (name("fail"), Reply::Code(2)),
        (name("none"), Reply::NoData),
        (name("octets"), texts(&[0, 0xff, b'"', b';', b'='])),
        (name("long"), Reply::Texts(vec![vec![vec![b'A'; 255]; 8]])),
    ]);
    for (selector, words) in [
        ("fail", "'fail._domainkey.example.com' query failed: the name server answers SERVFAIL"),
        ("none", "No key"),
        ("octets", "there are TXT records, and none is a key"),
        ("long", "there are TXT records, and none is a key"),
    ] {
        let arguments = ["-x", "empty.conf", "--nameserver", &server.address, "-d", "example.com", "-s", selector];
        let output = tool(folder.path(), "opendkim-testkey", &arguments);
        assert_eq!((output.status.code(), stderr(&output)), (Some(69), format!("opendkim-testkey: {words}\n")));
        let with_key = tool(folder.path(), "opendkim-testkey", &[&arguments[..], &["-k", "r.private"]].concat());
        assert_eq!(with_key.status.code(), Some(69), "{}", stderr(&with_key));
    }
}
