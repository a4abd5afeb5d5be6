//! Signing keys on disk: loading them, making new ones, and the DNS records that publish them.
//!
//! [`Keys::load`] reads the keys of every `[[domain]]`. A key that cannot be used is reported and left out; every other domain, and the other keys
//! of the same one, go on signing (M16). What a message of the affected domain then gets is the domain's `on_key_error`.
//!
//! [`published`] compares a key with what the DNS has; [`crate::key_watch`] does so again and again.
//!
//! Keys that tables name, which may be a hundred thousand, are loaded when they are first needed: [`KeyCache`].
//!
//! It does not watch files or rotate keys.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dkim_core::crypto::{Backend, KeyType, SigningKey};
use dkim_core::domain::Selector;

mod cache;
mod create;
mod file;
mod path_walk;
pub mod publish;
pub mod published;
mod safety;
mod short_rsa;
mod standing;

pub use cache::{KEEP_FOR, KeyCache, KeyProblem, MAX_CACHED, MAX_CACHED_OCTETS, RETRY_AFTER, SafeKeys, TableKey};
pub(crate) use create::make_folder;
pub use create::{CreateError, KeyKind, create, create_beside, create_named, find, open_to_everyone};
pub use file::{
    KEY_FORMAT, KEY_MISSING, KEY_NOT_A_FILE, KEY_READABLE, KEY_SHORT, KEY_SIZE, KEY_UNREADABLE, KEY_WRITABLE,
    MAX_KEY_FILE, load, quoted, rsa_bits,
};
pub(crate) use file::{KeyHome, short_key};
pub use path_walk::{PathWalk, Step, WalkEnd};
pub use safety::unsafe_because;
pub use short_rsa::signing_key;
pub use standing::Standing;

use crate::config::diagnostics::Code;
use crate::config::{Diagnostic, Diagnostics, KeySource, SigningDomain, SigningDomains};

/// A domain that would sign with Ed25519 alone (M32).
pub const ED25519_ONLY: Code = Code::new("E-KEY-ED25519-ONLY");
/// Two selectors of one domain with the same key.
pub const KEY_TWICE: Code = Code::new("W-KEY-TWICE");

/// A key that is ready to sign.
#[derive(Debug, Clone)]
pub struct LoadedKey {
    /// Its selector (`s=`).
    pub selector: Selector,
    /// The key.
    pub key: Arc<dyn SigningKey>,
    /// The file it came from.
    pub file: PathBuf,
}

/// A key that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedKey {
    /// Its selector.
    pub selector: Selector,
    /// The stable code of the reason.
    pub code: Code,
    /// The reason in words.
    pub cause: String,
    /// What to do about it.
    pub fix: String,
    /// Its file.
    pub file: PathBuf,
}

/// The keys of one `[[domain]]`.
#[derive(Debug, Clone, Default)]
pub struct DomainKeys {
    /// In the order of the configuration.
    pub usable: Vec<LoadedKey>,
    /// Those that cannot be used; when there are any, `on_key_error` of the domain applies.
    pub failed: Vec<FailedKey>,
}

/// The keys of every `[[domain]]`, read once.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    domains: Vec<DomainKeys>,
}

impl Keys {
    /// Reads the keys of `domains`. A file that several domains name is read once.
    ///
    /// The findings hold one error for each key that cannot be used; the rest of the keys are in the result all the same.
    #[must_use]
    pub fn load(domains: &SigningDomains, backend: Backend) -> (Self, Diagnostics) {
        let mut found = Diagnostics::default();
        let mut files = Files { backend, seen: HashMap::new() };
        let domains = domains.rules().iter().map(|rule| files.domain(rule, &mut found)).collect();
        (Self { domains }, found)
    }

    /// The keys of the rule at `index` of [`SigningDomains::rules`].
    #[must_use]
    pub fn of_rule(&self, index: usize) -> Option<&DomainKeys> {
        self.domains.get(index)
    }

    /// How many keys can be used, and how many cannot.
    #[must_use]
    pub fn count(&self) -> (usize, usize) {
        let count = |keys: fn(&DomainKeys) -> usize| self.domains.iter().map(keys).fold(0, usize::saturating_add);
        (count(|domain| domain.usable.len()), count(|domain| domain.failed.len()))
    }
}

type Loaded = Result<Arc<dyn SigningKey>, Box<Diagnostic>>;

/// Files read so far.
struct Files<'c> {
    backend: Backend,
    seen: HashMap<&'c Path, Loaded>,
}

impl<'c> Files<'c> {
    fn domain(&mut self, rule: &'c SigningDomain, found: &mut Diagnostics) -> DomainKeys {
        let mut keys = DomainKeys::default();
        for source in &rule.keys {
            let backend = self.backend;
            let mut is_new = false;
            let loaded = self.seen.entry(&source.file).or_insert_with(|| {
                is_new = true;
                load(&source.file, backend, found)
            });
            match loaded {
                Ok(key) => {
                    if let Some(finding) = key_home(rule, source)
                        .filter(|_| is_new)
                        .and_then(|home| short_key(&source.file, &**key, &rule.signing_domain, home))
                    {
                        found.push(finding);
                    }
                    let key = Arc::clone(key);
                    keys.usable.push(LoadedKey { selector: source.selector.clone(), key, file: source.file.clone() });
                }
                Err(finding) => {
                    keys.fail(source.selector.clone(), &source.file, finding);
                    if is_new {
                        found.push((**finding).clone());
                    }
                }
            }
        }
        check_twice(rule, &keys, found);
        check_ed25519_only(rule, &mut keys, found);
        keys
    }
}

/// Where the rule was read: in a configuration file, or as the folder of its domain in a state folder.
fn key_home<'a>(rule: &'a SigningDomain, source: &'a KeySource) -> Option<KeyHome<'a>> {
    match rule.defined_at.rsplit_once(':') {
        Some((file, _line)) => Some(KeyHome::Config(Path::new(file))),
        // STATE/keys/DOMAIN/SELECTOR.pem
        None => source.file.ancestors().nth(3).map(KeyHome::State),
    }
}

impl DomainKeys {
    fn fail(&mut self, selector: Selector, file: &Path, finding: &Diagnostic) {
        let Diagnostic { code, cause, fix, .. } = finding.clone();
        self.failed.push(FailedKey { selector, code, cause, fix, file: file.to_path_buf() });
    }
}

/// The same key under two selectors signs every message twice for nothing.
fn check_twice(rule: &SigningDomain, keys: &DomainKeys, found: &mut Diagnostics) {
    let mut seen: HashMap<Vec<u8>, &Selector> = HashMap::new();
    for loaded in &keys.usable {
        if let Some(first) = seen.insert(loaded.key.public_key(), &loaded.selector) {
            let cause =
                format!("{}: the selectors `{first}` and `{}` have the same key", rule.defined_at, loaded.selector);
            found.push(Diagnostic::new(KEY_TWICE, cause, "remove one of them, or give it a key of its own"));
        }
    }
}

/// M32: large receivers do not verify Ed25519, so its signature counts for nothing with them when it is the only one.
fn check_ed25519_only(rule: &SigningDomain, keys: &mut DomainKeys, found: &mut Diagnostics) {
    // A key that could not be read may be the RSA key; its own finding says what to do.
    let only_ed25519 = !keys.usable.is_empty()
        && keys.failed.is_empty()
        && keys.usable.iter().all(|loaded| loaded.key.algorithm().key_type() == KeyType::Ed25519);
    if rule.allow_ed25519_only || !only_ed25519 {
        return;
    }
    let cause =
        format!("{}: `{}` has only Ed25519 keys, which large receivers do not verify", rule.defined_at, rule.pattern);
    let fix = format!(
        "add an RSA key: `postseal key new {} --type rsa`; or set `allow_ed25519_only = true` for this domain",
        rule.signing_domain
    );
    let finding = Diagnostic::new(ED25519_ONLY, cause, fix);
    for loaded in std::mem::take(&mut keys.usable) {
        keys.fail(loaded.selector, &loaded.file, &finding);
    }
    found.push(finding);
}
