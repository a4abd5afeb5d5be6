//! `opendkim-genkey` beside Debian's.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use dkim_core::crypto::PrivateKey;

use crate::pair::{Comparison, Said, ours, theirs};
use crate::site::work;

const TOOL: &str = "opendkim-genkey";

/// Arguments that both are given, in an empty folder.
const CASES: &[&[&str]] = &[
    &[],
    &["-a", "-d", "example.com", "-s", "s1"],
    &["-a", "-d", "example.com", "-s", "S1", "-n", "hello note", "-trS"],
    &["--append-domain", "--domain=example.com", "--selector", "two.parts", "--testmode", "--nosubdomains"],
    &["--APPEND-DOMAIN", "--dom", "example.com", "--sel=x", "--restrict"],
    &["-dexample.com", "-sglued", "-b2048", "-a"],
    &["-b2048v", "-s", "x"],
    &["-b", "3072"],
    &["-b", "4096", "-v"],
    &["-h", "sha256:sha1"],
    &["-h", "sha1", "--no-restrict", "--noa"],
    &["--subdomains", "-S"],
    &["--nosubdomains", "--subdomains", "-r"],
    &["--verbose", "--v"],
    &["-d", "münchen.example"],
    &["--", "-a"],
    &["-D", "/nonexistent"],
    &["-q"],
    &["--unheard-of"],
    &["-d"],
    &["-b", "x"],
    &["--bits=12x"],
    &["--restrict=1"],
    &["-s", "a/b"],
    &["-b", "1024", "-s", "old"],
    &["-domain", "example.com"],
    &["-b=2048"],
    &["-n", "a;b"],
    &["-h", ""],
    &["example.com"],
    &["-d", ""],
    &["-d", "example.com."],
];

#[test]
fn the_same_arguments_make_the_same_files() {
    let folder = work::folder();
    let mut comparison = Comparison::default();
    for (index, arguments) in CASES.iter().enumerate() {
        let [their_folder, our_folder] = ["theirs", "ours"].map(|whose| folder.path().join(format!("{index}-{whose}")));
        fs::create_dir(&their_folder).unwrap();
        fs::create_dir(&our_folder).unwrap();
        let (their_said, our_said) = (
            with_files(theirs(TOOL, &their_folder, arguments, b""), &their_folder),
            with_files(ours(TOOL, &our_folder, arguments, b""), &our_folder),
        );
        comparison.compare(TOOL, &arguments.join(" "), &their_said, &our_said);
    }
    // What is there: the old tool replaces the key.
    let both = ["theirs", "ours"].map(|whose| folder.path().join(whose));
    let [their_said, our_said] = both.each_ref().map(|folder| {
        fs::create_dir(folder).unwrap();
        let run = if folder.ends_with("ours") { ours } else { theirs };
        assert_eq!(run(TOOL, folder, &[], b"").code, 0);
        run(TOOL, folder, &[], b"")
    });
    comparison.compare(TOOL, "the second time", &their_said, &our_said);
    comparison.finish(TOOL);
}

#[test]
fn both_read_the_keys_of_either() {
    let folder = work::folder();
    assert_eq!(theirs(TOOL, folder.path(), &["-s", "theirs"], b"").code, 0);
    assert_eq!(ours(TOOL, folder.path(), &["-s", "ours"], b"").code, 0);
    for name in ["theirs", "ours"] {
        let txt = fs::read_to_string(folder.path().join(format!("{name}.txt"))).unwrap();
        let published: String = txt.split('"').skip(1).step_by(2).collect();
        let published = published.split_once("p=").unwrap().1.to_owned();
        let table = format!("csl:k=example.com:{name}:./{name}.private");
        for run in [theirs, ours] {
            let said = run("opendkim-genzone", folder.path(), &["-u", &table], b"");
            assert_eq!(said.code, 0, "{said}");
            let strings: String = said.out.split('"').skip(1).step_by(2).collect();
            assert_eq!(strings.split_once("p=").unwrap().1, published, "{name}: both find the key that `.txt` has");
        }
        // OpenSSL wrote theirs: the PEM has the same form.
        let pem = fs::read_to_string(folder.path().join(format!("{name}.private"))).unwrap();
        assert!(PrivateKey::from_text(pem.as_bytes()).is_ok());
        let widths: Vec<usize> = pem.lines().map(str::len).collect();
        assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n") && widths[1] == 64, "{name}");
    }
    assert_eq!(ours(TOOL, folder.path(), &["--ed25519", "-s", "e"], b"").code, 0);
    let checked =
        work::command("openssl").args(["pkey", "-noout", "-in"]).arg(folder.path().join("e.private")).status();
    assert!(checked.unwrap().success());
}

/// What was said, with names, modes and contents of the files behind it, the key replaced.
fn with_files(mut said: Said, folder: &Path) -> Said {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let (name, mode) = (path.file_name().unwrap().to_str().unwrap(), path.metadata().unwrap().permissions().mode());
        let text = fs::read_to_string(&path).unwrap();
        said.out.push_str(&format!("{name} {:o}\n{}", mode & 0o7777, without_key(&text)));
    }
    said
}

/// The letters of the key all the same, at their places; of a private key, none.
fn without_key(text: &str) -> String {
    let Some((front, behind)) = text.split_once("p=") else { return "(key)\n".to_owned() };
    let end = behind.find("\" )").unwrap();
    let (key, comment) = behind.split_at(end);
    let is_base64 = |letter: char| letter.is_ascii_alphanumeric() || "+/=".contains(letter);
    let masked: String = key.chars().map(|letter| if is_base64(letter) { 'K' } else { letter }).collect();
    format!("{front}p={masked}{comment}")
}
