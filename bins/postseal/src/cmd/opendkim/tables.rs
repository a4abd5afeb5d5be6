//! What the tools take from `opendkim.conf` and from the KeyTable that it names.
//!
//! The file is read as the daemon reads it, but only for a part: options that do not fit each other are no matter of these tools. Tables that are in memory
//! can be walked; databases can only be asked.

use std::ffi::OsStr;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dkim_core::crypto::SigningKey;
use dkim_core::domain::DomainName;
use engine::config::diagnostics::{EXIT_CONFIG, Location, Severity};
use engine::config::{Diagnostic, Diagnostics, Sourced, opendkim};
use engine::dataset::{Dataset, KeyEntry, KeyFields, KeyLocation, KeyTable, NamedKey, NoOpener, OpenOptions, Reading};
use engine::keys::{KEY_WRITABLE, KeyCache, KeyProblem, SafeKeys, load};

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
            // A pipe in its place would not let itself be opened.
            None if Path::new(DEFAULT_FILE).is_file() && File::open(DEFAULT_FILE).is_ok() => Path::new(DEFAULT_FILE),
            None => return Ok(None),
        };
        let read = opendkim::read_part(file).map_err(|findings| {
            let line =
                findings.iter().find(|finding| finding.severity == Severity::Error).and_then(|finding| finding.line);
            let cause = format!("{}: configuration error at line {}", file.display(), line.unwrap_or(0));
            Stop { findings, ..Stop::new(EXIT_CONFIG, cause, "") }
        })?;
        let domains = read.choosing.domain.map(|option| keys(&option)).transpose()?;
        Ok(Some(Self {
            key_table: read.choosing.key_table,
            domains: domains.unwrap_or_default(),
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

/// Opens a table that is in memory.
fn open<T>(
    option: &Sourced<String>,
    open: impl FnOnce(&Sourced<String>, &mut Diagnostics) -> Option<T>,
    is_memory: impl FnOnce(&T) -> bool,
) -> Result<(T, Diagnostics), Stop> {
    let mut findings = Diagnostics::default();
    let set = open(option, &mut findings);
    let cannot = |findings, words: &str, fix: &str| Stop { findings, ..Stop::new(code::FAILED, words, fix) };
    match set {
        Some(set) if !findings.has_errors() && is_memory(&set) => Ok((set, findings)),
        Some(_) if !findings.has_errors() => Err(cannot(
            findings,
            "invalid data set type",
            "a database is asked key by key and cannot be walked: check keys one at a time, with -d, -s and -k",
        )),
        _ => Err(cannot(findings, "dkimf_db_open() failed", "")),
    }
}

/// The keys of a data set.
fn keys(option: &Sourced<String>) -> Result<Vec<String>, Stop> {
    let options = OpenOptions::default();
    let read = |option: &Sourced<String>, found: &mut Diagnostics| {
        Dataset::open(option, Reading::USUAL, &NoOpener, &options, found)
    };
    let (set, _) = open(option, read, Dataset::is_memory)?;
    Ok(set.entries().map(|entry| entry.key.to_owned()).collect())
}

/// A KeyTable: its rows in their order, and what there is to say about it.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) entries: Vec<Entry>,
    pub(super) findings: Diagnostics,
}

/// A row of a KeyTable.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    /// As it is written, in A-labels; `%` for a key of many domains.
    pub(super) domain: String,
    /// As it is written, in A-labels.
    pub(super) selector: String,
    /// The row as the daemon reads it; else what the old tool says.
    pub(super) key: Result<KeyEntry, &'static str>,
}

impl Table {
    pub(super) fn read(option: &Sourced<String>) -> Result<Self, Stop> {
        let options = OpenOptions::default();
        let read =
            |option: &Sourced<String>, found: &mut Diagnostics| KeyTable::open(option, &NoOpener, &options, found);
        let (table, findings) = open(option, read, KeyTable::is_memory)?;
        Ok(Self { entries: table.entries().map(|row| Entry::read(&row)).collect(), findings })
    }
}

impl Entry {
    fn read(row: &NamedKey<'_>) -> Self {
        let name = row.name.to_owned();
        match row.fields() {
            Ok(fields) => {
                let key = key(&fields);
                // Zone files have A-labels.
                let ascii = |text: &str, parsed: Option<String>| match parsed {
                    Some(parsed) if !text.is_ascii() => parsed,
                    _ => text.to_owned(),
                };
                let parsed = key.as_ref().ok();
                let domain = ascii(fields.domain, parsed.map(|row| row.domain.to_string()));
                let selector = ascii(fields.selector, parsed.map(|row| row.selector.to_string()));
                Self { name, domain, selector, key }
            }
            Err(_) => Self { name, domain: String::new(), selector: String::new(), key: Err("KeyTable entry corrupt") },
        }
    }

    /// Whether the key signs for the domain of each sender.
    pub(super) fn is_for_many(&self) -> bool {
        self.domain == "%"
    }

    /// The key, and what there is to say about its file.
    ///
    /// # Errors
    ///
    /// Why it cannot be used.
    pub(super) fn load(&self) -> Result<Arc<dyn SigningKey>, Diagnostics> {
        let mut findings = Diagnostics::default();
        let location = match &self.key {
            Ok(entry) => &entry.key,
            // It was told when the table was read.
            Err(_) => return Err(findings),
        };
        let loaded = match location {
            KeyLocation::File(file) => load(file, engine::BACKEND, &mut findings),
            // Whether others can read it is asked of files only.
            KeyLocation::Inline(_) => match KeyCache::new(engine::BACKEND, SafeKeys::Warned).load_now(location) {
                Ok(loaded) => Ok(loaded.key),
                Err(KeyProblem::Unusable(finding)) => Err(Box::new((*finding).clone())),
                Err(KeyProblem::NotSecure(words)) => Err(Box::new(Diagnostic::new(KEY_WRITABLE, &*words, ""))),
            },
        };
        loaded.map_err(|finding| {
            findings.push(*finding);
            findings
        })
    }
}

/// A row for the domain that it names. One for many domains has no domain of its own, and nothing is asked about it but its key.
fn key(fields: &KeyFields<'_>) -> Result<KeyEntry, &'static str> {
    const SYNTAX: &str = "syntax error on input";
    if fields.domain == "%" && fields.key.starts_with('/') && fields.key.contains('%') {
        return Err("it has another file for each domain (`%`)");
    }
    let named = if fields.domain == "%" { "localhost" } else { fields.domain };
    fields.for_sender(&DomainName::parse(named).map_err(|_| SYNTAX)?).map_err(|_| SYNTAX)
}
