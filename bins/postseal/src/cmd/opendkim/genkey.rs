//! `opendkim-genkey`: a private key, and the record that publishes it as lines of a zone file.
//!
//! `SELECTOR.private` and `SELECTOR.txt` are what Debian's tool makes, octet by octet but for the key: 2048 bits and `h=sha256` where nothing else
//! is asked for, mode 0600. Scripts cut `.txt` apart with sed, so its form stays.
//!
//! Other than there, a file that exists is never replaced, what root makes in a folder of the daemon's user belongs to that user, RSA keys below 2048
//! bits are not made, and there are Ed25519 keys.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::Path;

use dkim_core::crypto::KeyType;
use dkim_core::domain::{DomainName, Selector};
use dkim_core::key_record::KeyRecord;
use engine::keys::{CreateError, KeyKind, create_beside, create_named, quoted};

use super::super::keyring::{file_failure, hint, parse_domain};
use super::args::{Given, Rule, Takes};
use super::{Console, Stop, code, system, warn_of_rest};

pub(super) const RULES: [Rule; 15] = [
    Rule::new('a', "append-domain", Takes::Nothing),
    Rule::new('b', "bits", Takes::Number),
    Rule::new('D', "directory", Takes::Text),
    Rule::new('d', "domain", Takes::Text),
    Rule::new('h', "hash-algorithms", Takes::Text),
    Rule::new('n', "note", Takes::Text),
    Rule::new('r', "restrict", Takes::Nothing),
    Rule::new('s', "selector", Takes::Text),
    Rule::new('t', "testmode", Takes::Nothing),
    Rule::new('S', "no-subdomains", Takes::Nothing),
    Rule::long("subdomains", Takes::Nothing),
    Rule::long("ed25519", Takes::Nothing),
    Rule::new('v', "verbose", Takes::Count),
    Rule::new('V', "version", Takes::Nothing),
    Rule::long("help", Takes::Nothing),
];

pub(super) const USAGE: &str = "\
usage: opendkim-genkey [options]
  -a, --append-domain         write the name of the record with the domain
  -b, --bits N                bits of the RSA key: 2048, 3072 or 4096 [2048]
  -D, --directory PATH        make the files in this folder [.]
  -d, --domain NAME           domain that signs [localhost]
      --ed25519               make an Ed25519 key in place of an RSA key
  -h, --hash-algorithms LIST  hash algorithms that the key is for [sha256]
  -n, --note TEXT             put a note into the record
  -r, --restrict              the key is for email only
  -s, --selector NAME         selector of the key [default]
  -S, --no-subdomains         the key signs for no subdomains (--nosubdomains is the same, --subdomains the opposite)
  -t, --testmode              say in the record that signing is being tested
  -v, --verbose               say what is done
  -V, --version               print the version
      --help                  print this
makes SELECTOR.private, the key, and SELECTOR.txt, its record for a zone file; files that are there are never replaced
exit codes: 0 made, 1 not made, 2 no such folder
";

/// Most octets of a character-string (RFC 1035 §3.3).
const MAX_STRING: usize = 255;

/// Letters of the key in a string of the file.
const PIECE: usize = 250;

pub(super) fn run(given: &Given, console: &mut Console<'_>) -> Result<u8, Stop> {
    warn_of_rest(given, console);
    let folder = Path::new(given.text("directory").unwrap_or_else(|| OsStr::new(".")));
    let domain = domain(given.utf8("domain")?.unwrap_or("localhost"), folder, console)?;
    let selector = selector(given.utf8("selector")?.unwrap_or("default"))?;
    let kind = kind(given, console)?;
    let tags = Tags {
        note: given.utf8("note")?.map(encoded),
        hashes: hashes(given.utf8("hash-algorithms")?.unwrap_or("sha256"), console)?,
        is_test: given.has("testmode"),
        is_strict: given.has("no-subdomains") || (given.count("subdomains") > 0 && !given.has("subdomains")),
        is_for_email: given.has("restrict"),
    };
    let front = tags.front(kind.key_type());
    if front.len() > MAX_STRING {
        let cause = format!("the note makes the record too long: {} octets before the key", front.len());
        return Err(Stop::new(code::FAILED, cause, format!("a string of a record has at most {MAX_STRING} octets")));
    }
    let (private, txt) = (format!("{selector}.private"), format!("{selector}.txt"));
    // Both or none: a record that is there must not leave a key without one behind.
    for name in [&private, &txt] {
        let path = folder.join(name);
        if path.symlink_metadata().is_ok() {
            return Err(refused(&CreateError::Exists { path }));
        }
    }
    let is_verbose = given.has("verbose");
    let mut told = |line: &str| {
        if is_verbose {
            console.say(line);
        }
    };
    told("generating private key");
    let (path, key) = create_named(folder, &private, kind).map_err(|error| refused(&error))?;
    told(&format!("private key written to {private}"));
    told("extracting public key");
    let record = KeyRecord::text_for(&*key);
    let octets = record.rsplit_once("p=").map_or("", |(_, octets)| octets);
    let text = lines(&selector, &domain, given.has("append-domain"), &front, octets);
    if let Err(error) = create_beside(folder, &txt, &text) {
        // It was made a moment ago, and nobody has its record.
        let _ = std::fs::remove_file(&path);
        return Err(refused(&error));
    }
    told(&format!("DNS TXT record written to {txt}"));
    Ok(code::OK)
}

/// The domain as the record has it, and the folder looked at: `-d` and `-D` are easily swapped.
fn domain(text: &str, folder: &Path, console: &mut Console<'_>) -> Result<String, Stop> {
    let is_path =
        text.contains('/') || text.starts_with(['.', '~']) || (!text.contains('.') && Path::new(text).is_dir());
    let swapped_folder = folder.to_str().filter(|name| !folder.is_dir() && parse_domain(name).is_ok());
    let shown = folder.display();
    match (is_path, swapped_folder) {
        (true, Some(name)) => {
            let cause = format!("-D and -d are swapped: `{text}` is a folder, and `{name}` is a domain");
            return Err(Stop::new(code::FAILED, cause, format!("`-D {} -d {name}`", quoted(Path::new(text)))));
        }
        (true, None) => {
            let cause = format!("-d names the domain, and `{text}` is a folder");
            return Err(Stop::new(code::FAILED, cause, "name the folder with -D and the domain with -d"));
        }
        (false, Some(name)) => {
            let cause =
                format!("-D names the folder for the files, and there is no folder `{name}`; it looks like a domain");
            let fix = format!(
                "name the domain with `-d {name}`; or, if the folder has that name, make it: `mkdir -m 700 {name}`"
            );
            return Err(Stop::new(code::NO_FOLDER, cause, fix));
        }
        (false, None) => {}
    }
    if let Err(error) = folder.metadata() {
        let fix = format!("make it: `mkdir -m 700 {}`", quoted(folder));
        return Err(Stop::new(code::NO_FOLDER, format!("{shown}: chdir(): {}", system(&error)), fix));
    }
    if !folder.is_dir() {
        return Err(Stop::new(code::NO_FOLDER, format!("{shown}: chdir(): Not a directory"), "name a folder with -D"));
    }
    let bare = text.strip_suffix('.').unwrap_or(text);
    let parsed = DomainName::parse(bare).map_err(|error| {
        let cause = hint(text).unwrap_or_else(|| error.to_string());
        Stop::new(code::FAILED, format!("-d {text}: {cause}"), "name the domain that signs, like example.com")
    })?;
    if parsed.label_count() < 2 && bare != "localhost" {
        let fix = "name the whole domain that signs, like example.com";
        console.warn(format_args!("`{bare}` has no dot, and nobody verifies for such a domain"), fix);
    }
    Ok(if bare.is_ascii() { bare.to_owned() } else { parsed.to_string() })
}

/// The selector as it was written: it names the files.
fn selector(text: &str) -> Result<String, Stop> {
    let parsed = Selector::parse(text).map_err(|error| {
        let fix = "a selector has letters, digits, hyphens and dots between them, like 2026a";
        Stop::new(code::FAILED, format!("-s {text}: {error}"), fix)
    })?;
    Ok(if text.is_ascii() { text.to_owned() } else { parsed.to_string() })
}

fn kind(given: &Given, console: &mut Console<'_>) -> Result<KeyKind, Stop> {
    let bits = given.number("bits");
    if given.has("ed25519") {
        if bits.is_some() {
            console.warn("an Ed25519 key has no number of bits, and -b is not looked at", "leave -b away");
        }
        return Ok(KeyKind::Ed25519);
    }
    let bits = bits.unwrap_or(2048);
    let (kind, made) = match bits {
        ..=0 => {
            return Err(Stop::new(code::FAILED, format!("-b {bits}: there is no such key"), "2048, 3072 or 4096"));
        }
        1..=2048 => (KeyKind::Rsa2048, 2048),
        2049..=3072 => (KeyKind::Rsa3072, 3072),
        3073..=4096 => (KeyKind::Rsa4096, 4096),
        // RFC 8301 §3.2: "Verifiers MUST be able to validate signatures with keys ranging from 1024 bits to 4096 bits, and they MAY be able to
        // validate signatures with larger keys."
        _ => {
            let cause = format!("-b {bits}: receivers need not verify with RSA keys above 4096 bits");
            return Err(Stop::new(code::FAILED, cause, "2048, 3072 or 4096"));
        }
    };
    if bits != made {
        let why = if bits < 2048 { "keys below 2048 bits can be broken" } else { "no others are made" };
        console.warn(format_args!("the key gets {made} bits, and not {bits}: {why}"), format_args!("`-b {made}`"));
    }
    Ok(kind)
}

/// RFC 6376 §3.6.1: `key-h-tag = %x68 [FWS] "=" [FWS] key-h-tag-alg *( [FWS] ":" [FWS] key-h-tag-alg )`.
fn hashes(list: &str, console: &mut Console<'_>) -> Result<String, Stop> {
    let is_word = |word: &str| {
        let begins = word.starts_with(|letter: char| letter.is_ascii_alphabetic());
        begins && word.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
    };
    if !list.split(':').all(is_word) {
        let fix = "name hash algorithms with colons between them, like sha256";
        return Err(Stop::new(code::FAILED, format!("-h {list}: this is no list of hash algorithms"), fix));
    }
    if !list.split(':').any(|word| word == "sha256") {
        let what = format!("a key for {list} alone is of no use: signatures are made with sha256");
        console.warn(what, "`-h sha256`");
    }
    Ok(list.to_owned())
}

/// What a note has to be in (RFC 6376 §2.11, dkim-quoted-printable), without what would end it: quotation marks stand around it, a semicolon ends the
/// tag.
fn encoded(note: &str) -> String {
    let mut text = String::with_capacity(note.len());
    for octet in note.bytes() {
        if matches!(octet, b' ' | b'!'..=b'~') && !matches!(octet, b';' | b'=' | b'"' | b'\\') {
            text.push(char::from(octet));
        } else {
            let _ = write!(text, "={octet:02X}");
        }
    }
    text
}

/// What the record says beside the key.
struct Tags {
    note: Option<String>,
    hashes: String,
    is_test: bool,
    is_strict: bool,
    is_for_email: bool,
}

impl Tags {
    /// The first string of the record as the file has it: all tags but the key. Their order is that of the old tool.
    fn front(&self, kind: KeyType) -> String {
        let mut text = "v=DKIM1;".to_owned();
        if let Some(note) = &self.note {
            let _ = write!(text, " n=\\\"{note}\\\";");
        }
        let _ = write!(text, " h={}; k={}; ", self.hashes, kind.as_str());
        text.push_str(match (self.is_test, self.is_strict) {
            (true, true) => "t=y:s; ",
            (true, false) => "t=y; ",
            (false, true) => "t=s; ",
            (false, false) => "",
        });
        if self.is_for_email {
            text.push_str("s=email; ");
        }
        text
    }
}

/// The record as lines of a zone file. A key whose length is a multiple of the piece ends with an empty string, as there.
fn lines(selector: &str, domain: &str, is_full: bool, front: &str, key: &str) -> String {
    let name = if is_full { format!("{selector}._domainkey.{domain}.") } else { format!("{selector}._domainkey") };
    let mut text = format!("{name}\tIN\tTXT\t( \"{front}\"\n\t  \"p=");
    let mut rest = key;
    while let Some((piece, behind)) = rest.split_at_checked(PIECE) {
        let _ = write!(text, "{piece}\"\n\t  \"");
        rest = behind;
    }
    let _ = writeln!(text, "{rest}\" )  ; ----- DKIM key {selector} for {domain}");
    text
}

fn refused(error: &CreateError) -> Stop {
    match error {
        CreateError::Exists { .. } => {
            let fix = "choose another selector with -s, or move the old key and its record away: mail on its way is verified with it";
            Stop::new(code::FAILED, error.to_string(), fix)
        }
        _ => Stop::of(code::FAILED, file_failure(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_what_the_record_can_hold() {
        assert_eq!(encoded("hello note"), "hello note");
        assert_eq!(encoded("a\"b;c\\d=e\n\u{e9}"), "a=22b=3Bc=5Cd=3De=0A=C3=A9");
    }

    #[test]
    fn rfc6376_3_6_1_every_choice_of_tags_is_a_record() {
        for (is_test, is_strict, is_for_email) in
            [(false, false, false), (true, false, true), (false, true, true), (true, true, true)]
        {
            let note = Some(encoded("a note; with = \"all\""));
            let tags = Tags { note, hashes: "sha256".into(), is_test, is_strict, is_for_email };
            let text = format!("{}p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", tags.front(KeyType::Ed25519))
                .replace('\\', "");
            let record = KeyRecord::parse(text.as_bytes()).unwrap();
            assert_eq!(
                (record.is_testing, record.is_strict, record.is_for_email),
                (is_test, is_strict, true),
                "{text}"
            );
            assert!(record.key.is_some() && record.allows_sha256);
        }
    }

    #[test]
    fn keys_are_cut_into_pieces_of_250() {
        let cut = |length: usize| {
            let text = lines("s", "d.example", true, "v=DKIM1; ", &"A".repeat(length));
            text.split('"').skip(3).step_by(2).map(str::len).collect::<Vec<_>>()
        };
        assert_eq!(cut(392), [252, 142]);
        assert_eq!(cut(44), [46]);
        assert_eq!(cut(500), [252, 250, 0]);
    }
}
