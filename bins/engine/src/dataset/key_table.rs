//! `KeyTable`: the domain, the selector and the private key under a name.
//!
//! `name  domain:selector:keydata[:algorithm]`, with names in their own case. The domain `%` is that of the sender. Key data that begins with `/`, `./` or `../` is
//! a path, in which `%` is replaced if it begins with `/`: by the domain of the entry, or of the sender where that is `%`. Everything else is the key
//! itself. The algorithm (the fourth field of newer versions) is only compared with the key, which knows it best; a fourth field that is no algorithm
//! is a part of a path with colons in it, as for older versions.
//!
//! An entry with an empty field is an error for the messages that need it, and for no others.

use dkim_core::crypto::KeyType;
use dkim_core::domain::{DomainName, Selector};

use super::findings::{DATASET_DOUBT, Report, TABLE_ENTRY, shown};
use super::lookup::{LookupError, OpenOptions, Opener};
use super::request::KeyLocation;
use super::rows::trim;
use super::set::{Dataset, Reading, Value};
use crate::config::diagnostics::Location;
use crate::config::{Diagnostics, Sourced};

/// Keys by name.
#[derive(Debug)]
pub struct KeyTable {
    set: Dataset,
}

/// An entry, for one sender.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyEntry {
    /// The domain in `d=`.
    pub domain: DomainName,
    /// The selector in `s=`.
    pub selector: Selector,
    /// Where the private key is.
    pub key: KeyLocation,
    /// The type of key that the entry names.
    pub key_type: Option<KeyType>,
}

/// Why there is no entry for a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EntryError {
    Corrupt(&'static str),
    Lookup(LookupError),
}

/// The fields of an entry, as they stand there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyFields<'a> {
    /// The domain, or `%`.
    pub domain: &'a str,
    /// The selector.
    pub selector: &'a str,
    /// A path, or the key.
    pub key: &'a str,
    /// The algorithm, where the entry names one.
    pub algorithm: Option<&'a str>,
}

/// What a fourth field may say.
const ALGORITHMS: &[(&str, Option<KeyType>)] = &[
    ("rsa-sha256", Some(KeyType::Rsa)),
    ("ed25519-sha256", Some(KeyType::Ed25519)),
    // Nobody makes SHA-1 signatures any more (RFC 8301 §3.1): the key signs with SHA-256.
    ("rsa-sha1", Some(KeyType::Rsa)),
];

fn algorithm(word: &str) -> Option<Option<KeyType>> {
    ALGORITHMS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, key_type)| *key_type)
}

impl<'a> KeyFields<'a> {
    /// The fields of a value.
    ///
    /// # Errors
    ///
    /// What is missing.
    pub fn of(value: &'a Value<'_>) -> Result<Self, &'static str> {
        let fields = match value {
            Value::Text(text) => Self::of_text(text)?,
            Value::Columns(columns) => match &**columns {
                [single] => Self::of_text(single)?,
                columns => {
                    let column = |index: usize| columns.get(index).map_or("", |column| trim(column));
                    // A column that is NULL is empty.
                    let algorithm = Some(column(3)).filter(|word| !word.is_empty());
                    Self { domain: column(0), selector: column(1), key: column(2), algorithm }
                }
            },
        };
        match fields {
            Self { domain: "", .. } => Err("the domain is empty"),
            Self { selector: "", .. } => Err("the selector is empty"),
            Self { key: "", .. } => Err("the key is empty"),
            fields => Ok(fields),
        }
    }

    fn of_text(text: &'a str) -> Result<Self, &'static str> {
        let mut parts = text.splitn(3, ':').map(trim);
        let mut part = || parts.next().unwrap_or_default();
        let (domain, selector, rest) = (part(), part(), part());
        // A path may have colons in it: the last part alone may be the algorithm.
        let (key, algorithm) = match rest.rsplit_once(':') {
            Some((_, "")) => return Err("the algorithm is empty"),
            Some((key, last)) if algorithm(trim(last)).is_some() => (trim(key), Some(trim(last))),
            _ => (rest, None),
        };
        Ok(Self { domain, selector, key, algorithm })
    }

    /// The entry for mail of `sender`.
    ///
    /// # Errors
    ///
    /// What is no domain or no selector.
    pub fn for_sender(&self, sender: &DomainName) -> Result<KeyEntry, &'static str> {
        let domain = match self.domain {
            "%" => sender.clone(),
            // The usual case, and the text is shared.
            domain if domain == sender.as_str() => sender.clone(),
            domain => DomainName::parse(domain).map_err(|_| "the domain is none")?,
        };
        let selector = Selector::parse(self.selector).map_err(|_| "the selector is none")?;
        let key_type = match self.algorithm {
            None => None,
            Some(word) => algorithm(word).ok_or("the algorithm is none that signs")?,
        };
        let key = if self.key.starts_with('/') && self.key.contains('%') {
            // As the entry has it: A-labels, U-labels and case stay, for it is a name of a file.
            let name = if self.domain == "%" { sender.as_str() } else { self.domain };
            KeyLocation::parse(&self.key.replace('%', name))
        } else {
            KeyLocation::parse(self.key)
        };
        Ok(KeyEntry { domain, selector, key, key_type })
    }
}

impl KeyTable {
    /// Opens the table that the option names, as [`Dataset::open`], and warns of entries that cannot be used.
    pub fn open(
        option: &Sourced<String>,
        opener: &dyn Opener,
        options: &OpenOptions,
        found: &mut Diagnostics,
    ) -> Option<Self> {
        let set = Dataset::open(option, Reading::EXACT, opener, options, found)?;
        Some(Self::new(set, &option.at, found))
    }

    /// A table of the entries of `set`, which was read with [`Reading::EXACT`]; findings are about its file, or the option at `at`.
    #[must_use]
    pub fn new(set: Dataset, at: &Location, found: &mut Diagnostics) -> Self {
        let mut report = set.report(at, found);
        let table = Self { set };
        table.check(&mut report);
        report.finish();
        table
    }

    fn check(&self, report: &mut Report<'_>) {
        let Ok(sender) = DomainName::parse("sender.example") else { return };
        for entry in self.set.entries() {
            let value = Value::Text(entry.value.unwrap_or_default());
            let checked = KeyFields::of(&value).and_then(|fields| Ok((fields, fields.for_sender(&sender)?)));
            match checked {
                Err(what) => report.note(TABLE_ENTRY, entry.line, || {
                    let cause = format!("KeyTable entry for '{}' corrupt: {what}", shown(entry.key));
                    (cause, "write `NAME DOMAIN:SELECTOR:/PATH/OF/KEY`; until then its mail is put off".to_owned())
                }),
                Ok((fields, entry_for_sender)) => {
                    if let KeyLocation::Inline(_) = entry_for_sender.key
                        && !looks_like_a_key(fields.key)
                    {
                        report.note(TABLE_ENTRY, entry.line, || {
                            let cause = format!("the key of '{}' is neither a path nor a key", shown(entry.key));
                            (cause, "a path begins with `/`, `./` or `../`".to_owned())
                        });
                    }
                    if fields.algorithm.is_some_and(|word| word.eq_ignore_ascii_case("rsa-sha1")) {
                        report.note(DATASET_DOUBT, entry.line, || {
                            let cause = format!("'{}' names rsa-sha1, and signs with rsa-sha256", shown(entry.key));
                            (cause, "remove the fourth field".to_owned())
                        });
                    }
                }
            }
        }
    }

    /// Whether its entries are in memory.
    #[must_use]
    pub fn is_memory(&self) -> bool {
        self.set.is_memory()
    }

    /// How many entries are in memory.
    #[must_use]
    pub fn len(&self) -> usize {
        self.set.len()
    }

    /// Whether it is known to have no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// Whether an entry in memory has this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.set.get(name).is_some()
    }

    /// The entries in memory: name and line, and the fields or what is missing.
    pub fn entries(&self) -> impl Iterator<Item = NamedKey<'_>> {
        self.set.entries().map(|entry| NamedKey {
            name: entry.key,
            line: entry.line,
            value: Value::Text(entry.value.unwrap_or_default()),
        })
    }

    /// The entry under `name`, for mail of `sender`; `Ok(None)` where there is none.
    pub(super) async fn entry(&self, name: &str, sender: &DomainName) -> Result<Option<KeyEntry>, EntryError> {
        let Some(value) = self.set.look_up(name).await.map_err(EntryError::Lookup)? else { return Ok(None) };
        let fields = KeyFields::of(&value).map_err(EntryError::Corrupt)?;
        fields.for_sender(sender).map(Some).map_err(EntryError::Corrupt)
    }
}

/// An entry in memory.
#[derive(Debug, Clone)]
pub struct NamedKey<'a> {
    /// The name.
    pub name: &'a str,
    /// The line of the file; 0 in a list.
    pub line: u32,
    value: Value<'a>,
}

impl NamedKey<'_> {
    /// The fields.
    ///
    /// # Errors
    ///
    /// What is missing.
    pub fn fields(&self) -> Result<KeyFields<'_>, &'static str> {
        KeyFields::of(&self.value)
    }
}

/// Whether a text can be a private key: PEM, or base64 of some length.
fn looks_like_a_key(text: &str) -> bool {
    text.starts_with("-----BEGIN")
        || (text.len() >= MIN_BASE64
            && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"+/= \t".contains(&octet)))
}

/// Letters of the shortest private key in base64: 32 octets.
const MIN_BASE64: usize = 43;
