//! `opendkim-genkey`.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use dkim_core::key_record::KeyRecord;

use super::{stderr, tool};
use crate::run::{err, out};

fn genkey(folder: &Path, arguments: &[&str], code: i32) -> String {
    let output = tool(folder, "opendkim-genkey", arguments);
    assert_eq!(out(&output, code), "", "the tool says nothing on standard output");
    stderr(&output)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The text of the record: what stands between quotes that are not escaped.
fn record(txt: &str) -> String {
    let text = txt.replace("\\\"", "\u{0}");
    text.split('"').skip(1).step_by(2).collect::<String>().replace('\u{0}', "\"")
}

#[test]
fn files_have_the_form_of_debian_and_mode_0600() {
    let folder = tempfile::tempdir().unwrap();
    let said = genkey(folder.path(), &["-a", "-d", "example.com", "-s", "s1", "-n", "hello note", "-tr", "-S"], 0);
    assert_eq!(said, "");
    assert_eq!(names(folder.path()), ["s1.private", "s1.txt"]);
    for name in ["s1.private", "s1.txt"] {
        let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600, "{name}");
    }
    let txt = fs::read_to_string(folder.path().join("s1.txt")).unwrap();
    let front = "s1._domainkey.example.com.\tIN\tTXT\t( \"v=DKIM1; n=\\\"hello note\\\"; h=sha256; k=rsa; t=y:s; s=email; \"\n\t  \"p=";
    let rest = txt.strip_prefix(front).unwrap();
    assert!(rest.ends_with("\" )  ; ----- DKIM key s1 for example.com\n"), "{txt}");
    assert_eq!(rest.find('"'), Some(250));
    let record = KeyRecord::parse(record(&txt).as_bytes()).unwrap();
    assert!(record.is_strict && record.is_testing && record.is_for_email && record.key.is_some());
    let private = fs::read_to_string(folder.path().join("s1.private")).unwrap();
    assert!(private.starts_with("-----BEGIN PRIVATE KEY-----\n") && private.ends_with("-----END PRIVATE KEY-----\n"));
}

#[test]
fn without_options_it_is_the_key_default_for_localhost() {
    let folder = tempfile::tempdir().unwrap();
    genkey(folder.path(), &[], 0);
    let txt = fs::read_to_string(folder.path().join("default.txt")).unwrap();
    assert!(txt.starts_with("default._domainkey\tIN\tTXT\t( \"v=DKIM1; h=sha256; k=rsa; \"\n\t  \"p=MII"), "{txt}");
    assert!(txt.ends_with("; ----- DKIM key default for localhost\n"), "{txt}");
}

#[test]
fn long_and_short_options_make_the_same_record() {
    let folder = tempfile::tempdir().unwrap();
    let short = ["-a", "-b", "2048", "-dexample.org", "-hsha256:sha1", "-s", "k", "-rt"];
    let double = [
        "--append-domain",
        "--bits=2048",
        "--domain",
        "example.org",
        "--hash-algorithms=sha256:sha1",
        "--selector=k",
        "--restrict",
        "--testmode",
    ];
    let single: Vec<String> = double.iter().map(|text| text.replacen("--", "-", 1)).collect();
    let single: Vec<&str> = single.iter().map(String::as_str).collect();
    let mut fronts = Vec::new();
    for (index, arguments) in [&short[..], &double, &single].into_iter().enumerate() {
        let below = folder.path().join(index.to_string());
        fs::create_dir(&below).unwrap();
        genkey(&below, arguments, 0);
        let txt = fs::read_to_string(below.join("k.txt")).unwrap();
        fronts.push(txt.split_once("p=").unwrap().0.to_owned());
    }
    assert_eq!(
        fronts[0],
        "k._domainkey.example.org.\tIN\tTXT\t( \"v=DKIM1; h=sha256:sha1; k=rsa; t=y; s=email; \"\n\t  \""
    );
    assert!(fronts.iter().all(|front| *front == fronts[0]), "{fronts:?}");
}

#[test]
fn ed25519_keys_have_the_same_form() {
    let folder = tempfile::tempdir().unwrap();
    let said = genkey(folder.path(), &["--ed25519", "-d", "example.com.", "-s", "e1", "-v"], 0);
    assert_eq!(
        said,
        "opendkim-genkey: generating private key\nopendkim-genkey: private key written to e1.private\n\
         opendkim-genkey: extracting public key\nopendkim-genkey: DNS TXT record written to e1.txt\n"
    );
    let txt = fs::read_to_string(folder.path().join("e1.txt")).unwrap();
    assert!(txt.starts_with("e1._domainkey\tIN\tTXT\t( \"v=DKIM1; h=sha256; k=ed25519; \"\n\t  \"p="), "{txt}");
    assert!(txt.ends_with("=\" )  ; ----- DKIM key e1 for example.com\n"), "{txt}");
    assert!(KeyRecord::parse(record(&txt).as_bytes()).unwrap().key.is_some());
    assert!(genkey(folder.path(), &["--ed25519", "-b", "2048", "-s", "e2"], 0).contains("-b is not looked at"));
}

#[test]
fn keys_that_are_there_are_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    genkey(folder.path(), &["-s", "s1", "--ed25519"], 0);
    let before = fs::read(folder.path().join("s1.private")).unwrap();
    let said = genkey(folder.path(), &["-s", "s1"], 1);
    assert!(
        said.contains("s1.private exists and is left as it is") && said.contains("fix: choose another selector"),
        "{said}"
    );
    assert_eq!(fs::read(folder.path().join("s1.private")).unwrap(), before);
    // A record alone keeps the key from being made, and so does a link that leads nowhere.
    fs::write(folder.path().join("s2.txt"), "mine").unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path().join("s3.private")).unwrap();
    assert!(genkey(folder.path(), &["-s", "s2"], 1).contains("s2.txt exists"));
    assert!(genkey(folder.path(), &["-s", "s3"], 1).contains("s3.private exists"));
    assert_eq!(names(folder.path()), ["s1.private", "s1.txt", "s2.txt", "s3.private"]);
    assert_eq!(fs::read_to_string(folder.path().join("s2.txt")).unwrap(), "mine");
}

#[test]
fn folder_and_domain_swapped_are_told() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("keys")).unwrap();
    let keys = folder.path().join("keys");
    let keys = keys.to_str().unwrap();
    let said = genkey(folder.path(), &["-D", "example.com", "-d", keys], 1);
    assert!(said.contains("-D and -d are swapped") && said.contains(&format!("`-D {keys} -d example.com`")), "{said}");
    let said = genkey(folder.path(), &["-D", "example.com", "-d", "keys"], 1);
    assert!(said.contains("-D and -d are swapped"), "{said}");
    assert!(genkey(folder.path(), &["-d", keys], 1).contains("-d names the domain"));
    assert!(genkey(folder.path(), &["-D", "example.com"], 2).contains("it looks like a domain"));
    let said = genkey(folder.path(), &["-D", "/nonexistent/keys"], 2);
    assert!(said.contains("/nonexistent/keys: chdir(): No such file or directory\n  fix: make it: `mkdir"), "{said}");
    // A folder that is called like the domain is what many have.
    fs::create_dir(folder.path().join("example.com")).unwrap();
    assert_eq!(genkey(folder.path(), &["-D", "example.com", "-d", "example.com", "--ed25519"], 0), "");
    assert_eq!(names(&folder.path().join("example.com")), ["default.private", "default.txt"]);
    assert_eq!(names(folder.path()), ["example.com", "keys"]);
}

#[test]
fn what_makes_no_good_record_is_refused_or_told() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |arguments: &[&str]| genkey(folder.path(), arguments, 1);
    assert!(refused(&["-s", "../s"]).contains("-s ../s: "));
    assert!(refused(&["-s", ""]).contains("-s : "));
    assert!(refused(&["-d", "a b"]).contains("-d a b: "));
    assert!(refused(&["-d", "user@example.com"]).contains("the domain is the part behind @: example.com"));
    assert!(refused(&["-b", "8192"]).contains("above 4096 bits"));
    assert!(refused(&["-b", "0"]).contains("there is no such key"));
    assert!(refused(&["-h", ""]).contains("no list of hash algorithms"));
    assert!(refused(&["-h", "sha256; p=x"]).contains("no list of hash algorithms"));
    assert!(refused(&["-n", &"x".repeat(300)]).contains("the note makes the record too long"));
    for wrong in [&["-q"][..], &["-b", "x"], &["--restrict=1"], &["-d"]] {
        assert!(refused(wrong).contains("usage: opendkim-genkey "), "{wrong:?}");
    }
    assert!(names(folder.path()).is_empty());
    let told = |arguments: &[&str]| genkey(folder.path(), arguments, 0);
    assert!(told(&["-s", "a", "-b", "1024"]).contains("the key gets 2048 bits, and not 1024"));
    assert!(told(&["-s", "b", "-h", "sha1", "--ed25519"]).contains("signatures are made with sha256"));
    assert!(told(&["-s", "c", "example.com", "--ed25519"]).contains("`example.com` is no option"));
    assert!(told(&["-s", "d", "-d", "example", "--ed25519"]).contains("has no dot"));
    let odd = std::ffi::OsStr::from_bytes(b"\xff");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_postseal"))
        .current_dir(folder.path())
        .args(["opendkim", "genkey", "-d"])
        .arg(odd)
        .output()
        .unwrap();
    assert!(err(&output, 1).contains("not UTF-8"));
}

#[test]
fn nothing_is_made_where_everyone_may_write() {
    let folder = tempfile::tempdir().unwrap();
    let open = folder.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let said = genkey(folder.path(), &["-D", "open"], 1);
    assert!(said.contains("everyone may write to") && said.contains("chmod o-w"), "{said}");
    assert!(names(&open).is_empty());
}

#[test]
fn what_root_makes_for_the_daemon_is_the_daemons() {
    if !nix::unistd::Uid::effective().is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(folder.path(), Some(65_534), Some(65_534)).unwrap();
    genkey(folder.path(), &["--ed25519"], 0);
    for name in ["default.private", "default.txt"] {
        let owner = std::os::unix::fs::MetadataExt::uid(&fs::metadata(folder.path().join(name)).unwrap());
        assert_eq!(owner, 65_534, "{name}");
    }
}
