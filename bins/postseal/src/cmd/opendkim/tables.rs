//! What the tools take from `opendkim.conf` and from the KeyTable that it names.
//!
//! The file is read as the daemon reads it, but only for a part: options that do not fit each other are no matter of these tools. Tables that are in memory
//! can be walked; databases can only be asked.

use std::ffi::OsStr;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dkim_core::crypto::{PrivateKey, SigningKey};
use dkim_core::domain::{DomainName, Selector};
use engine::config::diagnostics::{EXIT_CONFIG, Location, Severity};
use engine::config::{Diagnostic, Diagnostics, Sourced, opendkim};
use engine::dataset::{Dataset, NoOpener, OpenOptions, Reading};
use engine::keys::{KEY_FORMAT, load, signing_key};

use super::{Stop, code};

/// The file that is read when none is named and this one can be read.
const DEFAULT_FILE: &str = "/etc/opendkim.conf";

/// The part of `opendkim.conf` that the tools need.
#[derive(Debug, Default)]
pub(super) struct Config {
    pub(super) key_table: Option<Sourced<String>>,
    /// Those of `Domain`.
    pub(super) domains: Vec<String>,
    pub(super) selector: Option<String>,
    pub(super) key_file: Option<PathBuf>,
    pub(super) nameservers: Vec<SocketAddr>,
}

impl Config {
    /// Reads the file that `-x` names, else the usual one; `None` where nothing is named and nothing is there.
    pub(super) fn read(named: Option<&OsStr>) -> Result<Option<Self>, Stop> {
        let file = match named {
            Some(file) => Path::new(file),
            None if File::open(DEFAULT_FILE).is_ok() => Path::new(DEFAULT_FILE),
            None => return Ok(None),
        };
        let read = opendkim::read_part(file).map_err(|findings| {
            let line = findings.iter().find(|finding| finding.severity == Severity::Error).and_then(|finding| finding.line);
            let cause = format!("{}: configuration error at line {}", file.display(), line.unwrap_or(0));
            Stop { findings, ..Stop::new(EXIT_CONFIG, cause, "") }
        })?;
        let domains = read.choosing.domain.map(|option| open(&option)).transpose()?;
        let keys = |set: Dataset| set.entries().map(|entry| entry.key.to_owned()).collect();
        Ok(Some(Self {
            key_table: read.choosing.key_table,
            domains: domains.map(keys).unwrap_or_default(),
            selector: read.choosing.selector.map(|selector| selector.value.to_string()),
            key_file: read.choosing.key_file.map(|file| file.value),
            nameservers: read.keys.nameservers,
        }))
    }
}

/// A data set that the command line names.
pub(super) fn named(dataset: &str) -> Sourced<String> {
    let at = Location { key: "KeyTable".to_owned(), ..Location::whole(Path::new("the command line")) };
    Sourced { value: dataset.to_owned(), at }
}

fn open(option: &Sourced<String>) -> Result<Dataset, Stop> {
    let mut findings = Diagnostics::default();
    // The old tools compare no keys here, so every reading gives the same entries.
    let set = Dataset::open(option, Reading::EXACT, &NoOpener, &OpenOptions::default(), &mut findings);
    let cannot = |findings, words: &str, fix: &str| Stop { findings, ..Stop::new(code::FAILED, words, fix) };
    match set {
        Some(set) if set.is_memory() && !findings.has_errors() => Ok(set),
        Some(_) if !findings.has_errors() => Err(cannot(
            findings,
            "invalid data set type",
            "a database is asked key by key and cannot be walked: check keys one at a time, with -d, -s and -k",
        )),
        _ => Err(cannot(findings, "dkimf_db_open() failed", "")),
    }
}

/// A row of a KeyTable.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    /// `%` for a key of many domains.
    pub(super) domain: String,
    pub(super) selector: String,
    /// A path, or the key itself.
    key: String,
}

/// The rows of a KeyTable in their order.
pub(super) fn entries(option: &Sourced<String>) -> Result<Vec<Entry>, Stop> {
    Ok(open(option)?.entries().map(|entry| Entry::read(entry.key, entry.value.unwrap_or_default())).collect())
}

/// What may stand in a fourth field.
const ALGORITHMS: [&str; 3] = ["rsa-sha1", "rsa-sha256", "ed25519-sha256"];

impl Entry {
    /// `DOMAIN:SELECTOR:KEY`, and since 2026 `:ALGORITHM` behind it, which the key says by itself.
    fn read(name: &str, value: &str) -> Self {
        let mut fields = value.splitn(3, ':').map(|field| field.trim().to_owned());
        let mut field = || fields.next().unwrap_or_default();
        let (domain, selector, mut key) = (field(), field(), field());
        if let Some((front, algorithm)) = key.rsplit_once(':')
            && ALGORITHMS.iter().any(|known| known.eq_ignore_ascii_case(algorithm))
        {
            key = front.to_owned();
        }
        Self { name: name.to_owned(), domain, selector, key }
    }

    /// Selector and domain; else what the old tool says.
    pub(super) fn parsed(&self) -> Result<(Selector, DomainName), &'static str> {
        if self.domain.is_empty() || self.selector.is_empty() || self.key.is_empty() {
            return Err("KeyTable entry corrupt");
        }
        let selector = Selector::parse(&self.selector).ok();
        selector.zip(DomainName::parse(&self.domain).ok()).ok_or("syntax error on input")
    }

    /// The file of the key, when it is in one. `%` in a path that begins at the root stands for the domain.
    pub(super) fn file(&self) -> Option<PathBuf> {
        if self.key.starts_with('/') && self.domain != "%" {
            return Some(self.key.replace('%', &self.domain).into());
        }
        ["/", "./", "../"].iter().any(|begin| self.key.starts_with(begin)).then(|| PathBuf::from(&self.key))
    }

    /// The key, and what there is to say about its file.
    ///
    /// # Errors
    ///
    /// Why it cannot be used.
    pub(super) fn load(&self) -> Result<(Arc<dyn SigningKey>, Diagnostics), Diagnostics> {
        let mut findings = Diagnostics::default();
        let loaded = match self.file() {
            Some(file) => load(&file, engine::BACKEND, &mut findings),
            None => self.inline(),
        };
        match loaded {
            Ok(key) => Ok((key, findings)),
            Err(finding) => {
                findings.push(*finding);
                Err(findings)
            }
        }
    }

    /// A key in the table itself: PEM, or base64 of DER, which is PKCS#8 or PKCS#1.
    fn inline(&self) -> Result<Arc<dyn SigningKey>, Box<Diagnostic>> {
        let texts = if self.key.starts_with("-----BEGIN") {
            vec![self.key.clone()]
        } else {
            let wrapped = |kind: &str| format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", self.key);
            vec![wrapped("PRIVATE KEY"), wrapped("RSA PRIVATE KEY")]
        };
        let mut why = String::new();
        for text in texts {
            match PrivateKey::from_text(text.as_bytes()).and_then(|key| signing_key(&key, engine::BACKEND)) {
                Ok(key) => return Ok(key),
                Err(error) if why.is_empty() => why = error.to_string(),
                Err(_) => {}
            }
        }
        let cause = format!("KeyTable entry for '{}': the key in it cannot be used: {why}", self.name);
        let fix = "write the path of the key file, which begins with `/`, `./` or `../`";
        Err(Box::new(Diagnostic::new(KEY_FORMAT, cause, fix)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(value: &str) -> Entry {
        Entry::read("name", value)
    }

    #[test]
    fn fields_of_a_key_table_are_split_at_colons() {
        let row = entry("example.com:s1:/keys/%/s1.private");
        assert_eq!((row.domain.as_str(), row.selector.as_str()), ("example.com", "s1"));
        assert_eq!(row.file().unwrap(), Path::new("/keys/example.com/s1.private"));
        assert_eq!(entry("example.com:s1:/keys/s1:ed25519-sha256").file().unwrap(), Path::new("/keys/s1"));
        assert_eq!(entry("example.com:s1:/keys/a:b").file().unwrap(), Path::new("/keys/a:b"));
        assert_eq!(entry("d.example:s:./%.pem").file().unwrap(), Path::new("./%.pem"), "only a full path has the domain in it");
        assert_eq!(entry("%:s:/keys/%.pem").file().unwrap(), Path::new("/keys/%.pem"));
        assert_eq!(entry("d.example:s:MIIE").file(), None);
        for corrupt in ["", "d.example", "d.example:s", "d.example::/k", ":s:/k", "d.example:s:"] {
            assert_eq!(entry(corrupt).parsed(), Err("KeyTable entry corrupt"), "{corrupt}");
        }
        assert_eq!(entry("a b.example:s:/k").parsed(), Err("syntax error on input"));
    }

    #[test]
    fn a_key_in_the_table_is_read_in_every_form() {
        let seed = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g";
        assert!(entry(&format!("d.example:s:{seed}")).load().is_ok());
        let pem = format!("d.example:s:-----BEGIN PRIVATE KEY-----\n{seed}\n-----END PRIVATE KEY-----");
        assert!(entry(&pem).load().is_ok());
        let found = entry("d.example:s:MIIEnonsense").load().unwrap_err();
        assert!(found.to_string().contains("KeyTable entry for 'name'"), "{found}");
    }
}
