//! `TestDNSData` of both and `TestPublicKeys` of OpenDKIM: TXT records, the only names there are. That of OpenDKIM is a data set, the others are files.
//!
//! One record a line: a name, white space, and its text to the end of the line. Lines that are empty or begin with `#` are none.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::PathBuf;

use crate::config::diagnostics::{CONFIG_READ, CONFIG_VALUE};
use crate::config::{Diagnostic, Diagnostics, Sourced};
use crate::dataset::{Dataset, NoOpener, OpenOptions, Reading};
use crate::dns::Zone;
use crate::regular_file;

/// Octets of the file.
const MAX_FILE: u64 = 16 << 20;

/// Characters of a name that a finding shows.
const MAX_SHOWN: usize = 80;

/// Octets of one string of a TXT record (RFC 1035 §3.3).
const MAX_STRING: usize = 255;

/// Reads the data set and the files, if there are any, into one zone. `found` gets what there is to say about the data set.
///
/// # Errors
///
/// All findings of the first file that has some.
pub fn test_zone<'f>(
    files: impl IntoIterator<Item = &'f Sourced<PathBuf>>,
    set: Option<&Sourced<String>>,
    found: &mut Diagnostics,
) -> Result<Option<Zone>, Diagnostics> {
    let mut all = String::new();
    let mut last = None;
    if let Some(set) = set
        && let Some(text) = set_text(set, found)
    {
        Zone::parse(text.as_bytes(), &set.at.file)?;
        all.push_str(&text);
        last = Some(&*set.at.file);
    }
    for file in files {
        let text = zone_text(&read(file)?);
        // By itself first, so that findings name the right file and line.
        Zone::parse(text.as_bytes(), &file.value)?;
        all.push_str(&text);
        last = Some(file.value.as_path());
    }
    last.map(|file| Zone::parse(all.as_bytes(), file)).transpose()
}

/// The records of a data set: its keys are names, its values texts.
fn set_text(option: &Sourced<String>, found: &mut Diagnostics) -> Option<String> {
    let set = Dataset::open(option, Reading::USUAL, &NoOpener, &OpenOptions::default(), found)?;
    let is_of_name = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b'_');
    let mut zone = String::new();
    for entry in set.entries() {
        if !entry.key.bytes().all(is_of_name) {
            let key: String = entry.key.chars().take(MAX_SHOWN).collect();
            let cause = format!("`{}` is no name: patterns cannot stand in place of the DNS", key.escape_debug());
            found.push(Diagnostic::at(&option.at, CONFIG_VALUE, cause, "write out the names"));
            return None;
        }
        record(&mut zone, entry.key, entry.value.unwrap_or_default());
        zone.push('\n');
    }
    Some(zone)
}

fn read(file: &Sourced<PathBuf>) -> Result<Vec<u8>, Diagnostics> {
    let mut text = Vec::new();
    let read = regular_file::open(&file.value)
        .and_then(|opened| opened.take(MAX_FILE.saturating_add(1)).read_to_end(&mut text));
    let cause = match read {
        Ok(octets) if u64::try_from(octets).is_ok_and(|octets| octets <= MAX_FILE) => {
            return Ok(text);
        }
        Ok(_) => format!("{} is larger than {MAX_FILE} octets", file.value.display()),
        Err(error) => format!("{} cannot be read: {error}", file.value.display()),
    };
    let mut found = Diagnostics::default();
    found.push(Diagnostic::at(&file.at, CONFIG_READ, cause, "check the path, and who may read it"));
    Err(found)
}

fn zone_text(text: &[u8]) -> String {
    let mut zone = String::new();
    for line in String::from_utf8_lossy(text).lines() {
        let line = line.trim();
        // An empty line is kept, so that findings name the right one.
        if !line.is_empty() && !line.starts_with('#') {
            let (name, value) = line.split_once([' ', '\t']).unwrap_or((line, ""));
            record(&mut zone, name, value);
        }
        zone.push('\n');
    }
    zone
}

/// A record without the end of its line.
fn record(zone: &mut String, name: &str, value: &str) {
    let _ = write!(zone, "{name} IN TXT");
    let value = value.trim_start().as_bytes();
    for string in value.chunks(MAX_STRING) {
        let _ = write!(zone, " \"{}\"", quoted(string));
    }
    if value.is_empty() {
        zone.push_str(" \"\"");
    }
}

/// RFC 1035 §5.1: `\X` and `\DDD`.
fn quoted(string: &[u8]) -> String {
    let mut quoted = String::with_capacity(string.len());
    for octet in string {
        match octet {
            b'"' | b'\\' => {
                quoted.push('\\');
                quoted.push(char::from(*octet));
            }
            b' '..=b'~' => quoted.push(char::from(*octet)),
            other => {
                let _ = write!(quoted, "\\{other:03}");
            }
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::dns::Resolver;
    use dmarc_core::dns::TxtAnswer;

    #[tokio::test]
    async fn s3_1_test_data_is_a_name_and_its_text_and_no_other_name_is_there() {
        let long = "x".repeat(600);
        let text = format!(
            "# data\n_dmarc.example.com v=DMARC1; p=none; x=\"a\\b\"\n\nlong.example.com\t{long}\nempty.example.com\n"
        );
        let zone = Zone::parse(zone_text(text.as_bytes()).as_bytes(), Path::new("dns"))
            .unwrap_or_else(|found| panic!("{found}"));
        let resolver = Resolver::offline(zone, crate::BACKEND);
        for (name, expected) in [
            ("_dmarc.example.com", TxtAnswer::Records(vec![b"v=DMARC1; p=none; x=\"a\\b\"".to_vec()])),
            ("long.example.com", TxtAnswer::Records(vec![long.into_bytes()])),
            ("empty.example.com", TxtAnswer::Records(vec![Vec::new()])),
            ("_dmarc.example.org", TxtAnswer::NxDomain),
        ] {
            assert_eq!(resolver.txt(name).await, expected, "{name}");
        }
    }
}
