//! `SigningTable`: which keys sign for which sender.
//!
//! `pattern  keyname[:signer]`. In a `refile:` the patterns are tried in the order of the file; everywhere else the sender `user@sub.example.com` is looked for
//! as `user@sub.example.com`, `sub.example.com`, `user@.example.com`, `.example.com`, `user@.com`, `.com`, `user@*`, `*`. The first that is found counts, with
//! `MultipleSignatures` all of them. The key name `%` is the domain of the sender; each `%` in the signer is, too. The signer becomes `i=`, and is dropped
//! unless its domain is that of the key or below it (RFC 6376 §3.5: "The domain part of the address MUST be the same as, or a subdomain of, the value
//! of the d= tag").
//!
//! An entry that names a key that is not there is an error for the messages that it is for, and for no others.

use dkim_core::domain::DomainName;
use dkim_core::signature::Identity;

use super::findings::{DATASET_HOST, DATASET_VALUE, Report, TABLE_KEY, shown};
use super::key_table::{EntryError, KeyTable};
use super::lookup::{OpenOptions, Opener};
use super::request::{Sender, SignRequest, TableError};
use super::set::{Dataset, Reading, Value, at_once};
use crate::config::diagnostics::Location;
use crate::config::{Diagnostics, Sourced};

/// Signatures that the tables may ask for one message.
pub const MAX_REQUESTS: usize = 32;

/// Keys by sender.
#[derive(Debug)]
pub struct SigningTable {
    set: Dataset,
    at: Location,
}

impl SigningTable {
    /// Opens the table that the option names, as [`Dataset::open`].
    pub fn open(
        option: &Sourced<String>,
        opener: &dyn Opener,
        options: &OpenOptions,
        found: &mut Diagnostics,
    ) -> Option<Self> {
        let set = Dataset::open(option, Reading::USUAL, opener, options, found)?;
        Some(Self::new(set, &option.at))
    }

    /// A table of the entries of `set`; findings are about its file, or the option at `at`.
    #[must_use]
    pub fn new(set: Dataset, at: &Location) -> Self {
        Self { set, at: at.clone() }
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

    /// Warns of every entry whose key `keys` has not; patterns included. Where one of the tables is in a database, nothing can be said.
    pub fn check(&self, keys: &KeyTable, found: &mut Diagnostics) {
        let mut report = self.set.report(&self.at, found);
        for entry in self.set.entries() {
            let value = Value::Text(entry.value.unwrap_or_default());
            check_entry(entry.key, entry.line, &value, keys, &mut report);
            if !entry.key.is_ascii() {
                report.note(DATASET_HOST, entry.line, || {
                    let cause = format!(
                        "domains of senders are compared as A-labels, so it matches nothing: `{}`",
                        shown(entry.key)
                    );
                    (cause, "write the domain as `xn--...`".to_owned())
                });
            }
        }
        report.finish();
    }

    /// Which signatures the tables ask for; `None` when one of them is in a database, for which [`requests`](Self::requests) waits.
    ///
    /// # Errors
    ///
    /// [`TableError`].
    #[must_use]
    pub fn requests_now(
        &self,
        keys: &KeyTable,
        sender: Sender<'_>,
        all: bool,
    ) -> Option<Result<Vec<SignRequest>, TableError>> {
        if !self.is_memory() || !keys.is_memory() {
            return None;
        }
        at_once(self.requests(keys, sender, all))
    }

    /// Which signatures the tables ask for, for mail of `sender`: none where nothing matches, one, or with `all` (`MultipleSignatures`) all that match.
    ///
    /// *Limits*: [`MAX_REQUESTS`].
    ///
    /// # Errors
    ///
    /// [`TableError`]: a table does not answer, or an entry for this sender cannot be used.
    pub async fn requests(
        &self,
        keys: &KeyTable,
        sender: Sender<'_>,
        all: bool,
    ) -> Result<Vec<SignRequest>, TableError> {
        let mut requests = Vec::new();
        if self.set.has_patterns() {
            let address = format!("{}@{}", sender.local, sender.domain);
            let entries = if all { self.set.get_all(&address) } else { self.set.get(&address).into_iter().collect() };
            for entry in entries {
                let value = Value::Text(entry.value.unwrap_or_default());
                add(&mut requests, request(&value, keys, sender).await?, sender)?;
            }
            return Ok(requests);
        }
        let mut text = String::with_capacity(sender.local.len().saturating_add(256));
        for step in steps(sender.domain.as_str()) {
            text.clear();
            step.write(sender.local, &mut text);
            let Some(value) = self.set.look_up(&text).await.map_err(TableError::SigningTable)? else { continue };
            add(&mut requests, request(&value, keys, sender).await?, sender)?;
            if !all {
                break;
            }
        }
        Ok(requests)
    }
}

fn add(requests: &mut Vec<SignRequest>, request: SignRequest, sender: Sender<'_>) -> Result<(), TableError> {
    if requests.len() >= MAX_REQUESTS {
        return Err(TableError::TooMany { sender: format!("{}@{}", sender.local, sender.domain) });
    }
    requests.push(request);
    Ok(())
}

/// One text that a sender is looked for as.
#[derive(Debug, Clone, Copy)]
struct Step<'a> {
    has_local: bool,
    domain: &'a str,
}

impl Step<'_> {
    fn write(self, local: &str, text: &mut String) {
        if self.has_local {
            text.push_str(local);
            text.push('@');
        }
        text.push_str(self.domain);
    }
}

/// The domain, `.parent` after `.parent`, and `*`; each with the user first and then alone.
fn steps(domain: &str) -> impl Iterator<Item = Step<'_>> {
    let parents = domain.char_indices().filter(|(_, letter)| *letter == '.').filter_map(|(at, _)| domain.get(at..));
    std::iter::once(domain)
        .chain(parents)
        .chain(std::iter::once("*"))
        .flat_map(|domain| [true, false].map(|has_local| Step { has_local, domain }))
}

/// What an entry asks for.
async fn request(value: &Value<'_>, keys: &KeyTable, sender: Sender<'_>) -> Result<SignRequest, TableError> {
    let (name, signer) = value.pair();
    let name = match name {
        "%" => sender.domain.as_str(),
        name => name,
    };
    let entry = match keys.entry(name, sender.domain).await {
        Ok(Some(entry)) => entry,
        Ok(None) => return Err(TableError::UnknownKey(name.to_owned())),
        Err(EntryError::Corrupt(_)) => return Err(TableError::Corrupt(name.to_owned())),
        Err(EntryError::Lookup(error)) => return Err(TableError::KeyTable { name: name.to_owned(), error }),
    };
    let identity = identity(signer, sender.domain, &entry.domain);
    Ok(SignRequest {
        key_name: name.to_owned(),
        domain: entry.domain,
        selector: entry.selector,
        key: entry.key,
        key_type: entry.key_type,
        identity,
    })
}

/// The signer as `i=`, unless it is not at or below `d=`.
fn identity(signer: &str, sender: &DomainName, signing: &DomainName) -> Option<Identity> {
    if signer.is_empty() {
        return None;
    }
    let signer = signer.replace('%', sender.as_str());
    let (local, domain) = signer.rsplit_once('@')?;
    let domain = DomainName::parse(domain).ok()?;
    domain.is_equal_or_subdomain_of(signing).then(|| Identity::new(local, domain))
}

fn check_entry(pattern: &str, line: u32, value: &Value<'_>, keys: &KeyTable, report: &mut Report<'_>) {
    match value.pair().0 {
        "" => report.note(DATASET_VALUE, line, || {
            let cause = format!("the entry has no key; mail that it is for is put off: `{}`", shown(pattern));
            (cause, "write the name of a key of KeyTable behind it, or remove it".to_owned())
        }),
        "%" => {}
        name if keys.is_memory() && !keys.has(name) => report.note(TABLE_KEY, line, || {
            let cause = format!(
                "signing table references unknown key '{}'; mail of `{}` is put off",
                shown(name),
                shown(pattern)
            );
            (cause, "add the key to KeyTable, or correct its name; its case counts".to_owned())
        }),
        _ => {}
    }
}
