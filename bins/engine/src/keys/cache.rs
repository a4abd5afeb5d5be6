//! Keys that tables name, loaded when a message first needs one.
//!
//! A table may name a hundred thousand keys, of which a day's mail needs a few hundred; loading all would take minutes and most of the memory. A key that was
//! loaded serves for [`KEEP_FOR`] and is then loaded again, so that a key file that is replaced comes into force by itself, as with OpenDKIM, which
//! reads the file for each message. A key that cannot be loaded is an error for its messages only, and is tried again after [`RETRY_AFTER`].
//!
//! [`KeyCache::get`] never waits. Loading is file IO: [`KeyCache::load`] does it on a thread where that may take its time.
//!
//! *Limits*: [`MAX_CACHED_OCTETS`] of keys; those that were not needed for the longest go.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dkim_core::crypto::{Backend, HashAlgorithm, HashValue, KeyError, KeyType, PrivateKey, SigningKey};
use nix::unistd::Uid;
use zeroize::Zeroizing;

use super::file::load_whoever_may_write;
use super::path_walk::user_name;
use super::safety::unsafe_for;
use super::{KEY_FORMAT, KEY_UNREADABLE, rsa_bits, signing_key};
use crate::config::Diagnostic;
use crate::config::diagnostics::Location;
use crate::dataset::KeyLocation;
use crate::lru::Lru;

/// How long a loaded key serves before its file is read again.
pub const KEEP_FOR: Duration = Duration::from_secs(60);

/// For ever: longer than any process.
const PINNED_FOR: Duration = Duration::from_secs(u32::MAX as u64);

/// How long a key that cannot be loaded is not tried again.
pub const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Octets of memory that loaded keys take together: about 2,000 RSA keys of 2048 bits.
pub const MAX_CACHED_OCTETS: usize = 16 << 20;

/// Keys and failures that are kept, whatever they weigh.
pub const MAX_CACHED: usize = 10_000;

/// What an entry costs beside its key.
const ENTRY: usize = 512;

/// What a prepared RSA key takes for each of its bits, and an Ed25519 key: measured with AWS-LC, rounded up.
const RSA_OCTETS_A_BIT: usize = 4;
const ED25519_OCTETS: usize = 512;

/// `RequireSafeKeys`: what becomes of a key that other users can read or replace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SafeKeys {
    /// It is not used.
    #[default]
    Required,
    /// It is used, with a warning for each message.
    Warned,
}

/// A key that is ready to sign.
#[derive(Debug, Clone)]
pub struct TableKey {
    /// The key.
    pub key: Arc<dyn SigningKey>,
    /// Why its file is not safe, in OpenDKIM's words, if it is not: logged as `NAME: key data is not secure: …`.
    pub not_secure: Option<Arc<str>>,
}

/// Why a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyProblem {
    /// Others can read or replace it: OpenDKIM logs `NAME: key data is not secure: …` with these words.
    NotSecure(Arc<str>),
    /// It cannot be read, or is no private key: OpenDKIM logs `can't load key from PATH: …`.
    Unusable(Arc<Diagnostic>),
}

impl KeyProblem {
    /// The line that OpenDKIM logs about the key with this name, which is at `location`.
    #[must_use]
    pub fn log_line(&self, name: &str, location: &KeyLocation) -> String {
        match self {
            Self::NotSecure(words) => format!("{name}: key data is not secure: {words}"),
            Self::Unusable(finding) => format!("can't load key from {location}: {}", finding.cause),
        }
    }
}

impl KeyProblem {
    /// The finding about it, at the line that names the key.
    #[must_use]
    pub fn finding(&self, line: &Location, location: &KeyLocation) -> Diagnostic {
        match self {
            Self::NotSecure(words) => {
                let fix = format!(
                    "chown {} and chmod 600 the key, and let nobody else write to its folders; or `RequireSafeKeys no`",
                    user_name(Uid::effective().as_raw())
                );
                Diagnostic::at(line, KEY_UNREADABLE, format!("{location}: key data is not secure: {words}"), fix)
            }
            Self::Unusable(finding) => {
                let cause = format!("{location}: {}", finding.cause);
                Diagnostic {
                    detail: finding.detail.clone(),
                    ..Diagnostic::at(line, finding.code, cause, &*finding.fix)
                }
            }
        }
    }
}

type Outcome = Result<TableKey, KeyProblem>;

/// A file, or the hash of a key in a table, so that the key itself is not kept as text once more.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Name {
    File(Arc<Path>),
    Inline(Vec<u8>),
}

impl Name {
    fn of(location: &KeyLocation, backend: Backend) -> Self {
        match location {
            KeyLocation::File(path) => Self::File(Arc::clone(path)),
            KeyLocation::Inline(text) => {
                let hash: HashValue = backend.hash(HashAlgorithm::Sha256, text.as_bytes());
                Self::Inline(hash.as_bytes().to_vec())
            }
        }
    }
}

#[derive(Debug, Clone)]
struct Kept {
    outcome: Outcome,
    until: Instant,
}

/// Keys by where they are. A clone is the same cache.
#[derive(Debug, Clone)]
pub struct KeyCache {
    backend: Backend,
    safe_keys: SafeKeys,
    kept: Arc<Mutex<Lru<Name, Kept>>>,
}

impl KeyCache {
    /// An empty cache.
    #[must_use]
    pub fn new(backend: Backend, safe_keys: SafeKeys) -> Self {
        Self::with_limit(backend, safe_keys, MAX_CACHED_OCTETS)
    }

    /// As [`new`](Self::new), with another limit of memory in place of [`MAX_CACHED_OCTETS`]; 0 keeps nothing.
    #[must_use]
    pub fn with_limit(backend: Backend, safe_keys: SafeKeys, octets: usize) -> Self {
        Self { backend, safe_keys, kept: Arc::new(Mutex::new(Lru::new(MAX_CACHED, octets))) }
    }

    /// What is known of the key, without any waiting; `None`: it has to be loaded.
    #[must_use]
    pub fn get(&self, location: &KeyLocation) -> Option<Result<TableKey, KeyProblem>> {
        let name = Name::of(location, self.backend);
        let mut kept = self.kept();
        kept.get(&name).filter(|kept| Instant::now() < kept.until).map(|kept| kept.outcome.clone())
    }

    /// The key: at once if it is here, else loaded on a thread for blocking work. Called inside of a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`KeyProblem`]: also when the thread ends in a fault.
    pub async fn load(&self, location: &KeyLocation) -> Result<TableKey, KeyProblem> {
        if let Some(outcome) = self.get(location) {
            return outcome;
        }
        let (cache, wanted) = (self.clone(), location.clone());
        match tokio::task::spawn_blocking(move || cache.load_now(&wanted)).await {
            Ok(outcome) => outcome,
            Err(error) => {
                let cause = format!("loading it ended in a fault: {error}");
                Err(KeyProblem::Unusable(Arc::new(at(location, KEY_UNREADABLE, cause, "report this"))))
            }
        }
    }

    /// As [`load`](Self::load), waiting for the disk.
    ///
    /// # Errors
    ///
    /// [`KeyProblem`].
    pub fn load_now(&self, location: &KeyLocation) -> Result<TableKey, KeyProblem> {
        self.load_for(location, Uid::effective())
    }

    fn load_for(&self, location: &KeyLocation, user: Uid) -> Outcome {
        if let Some(outcome) = self.get(location) {
            return outcome;
        }
        let outcome = self.read(location, user);
        let (keep, weight) = match &outcome {
            Ok(loaded) => (KEEP_FOR, weight(&*loaded.key)),
            Err(_) => (RETRY_AFTER, ENTRY),
        };
        let now = Instant::now();
        let kept = Kept { outcome: outcome.clone(), until: now.checked_add(keep).unwrap_or(now) };
        self.kept().insert(Name::of(location, self.backend), kept, weight);
        outcome
    }

    /// Loads a key that is kept as long as this cache: `KeyFile`, which OpenDKIM reads once, before it becomes another user. What that user cannot
    /// read at a reload is taken from the cache `before`; otherwise a key that cannot be loaded is tried again as usual. `user`: who this process
    /// is going to be; whether the key is safe depends on it.
    ///
    /// # Errors
    ///
    /// [`KeyProblem`].
    pub fn pin(&self, location: &KeyLocation, before: Option<&Self>, user: Option<Uid>) -> Result<(), KeyProblem> {
        let loaded = self.load_for(location, user.unwrap_or_else(Uid::effective));
        let loaded = loaded.or_else(|problem| before.and_then(|cache| cache.get(location)?.ok()).ok_or(problem))?;
        let (now, weight) = (Instant::now(), weight(&*loaded.key));
        let kept = Kept { outcome: Ok(loaded), until: now.checked_add(PINNED_FOR).unwrap_or(now) };
        self.kept().insert(Name::of(location, self.backend), kept, weight);
        Ok(())
    }

    /// Forgets all keys, for a reload.
    pub fn clear(&self) {
        self.kept().clear();
    }

    /// How many keys and failures are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept().len()
    }

    /// Whether nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn read(&self, location: &KeyLocation, user: Uid) -> Outcome {
        let unusable = |finding: Diagnostic| KeyProblem::Unusable(Arc::new(finding));
        match location {
            KeyLocation::File(path) => {
                // A file that is not there is named by the load below.
                let not_secure: Option<Arc<str>> = unsafe_for(path, user).ok().flatten().map(Arc::from);
                if let Some(words) = not_secure.as_ref().filter(|_| self.safe_keys == SafeKeys::Required) {
                    return Err(KeyProblem::NotSecure(Arc::clone(words)));
                }
                let key = load_whoever_may_write(path, self.backend).map_err(|finding| unusable(*finding))?;
                Ok(TableKey { key, not_secure })
            }
            KeyLocation::Inline(text) => {
                let key = inline(text).and_then(|key| signing_key(&key, self.backend));
                let fix = "write a path that begins with `/` or `./`, or the key as PEM or base64";
                let key = key.map_err(|error| unusable(at(location, KEY_FORMAT, error.to_string(), fix)))?;
                Ok(TableKey { key, not_secure: None })
            }
        }
    }

    fn kept(&self) -> MutexGuard<'_, Lru<Name, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A finding about a key, at its file if it has one.
fn at(location: &KeyLocation, code: crate::config::diagnostics::Code, cause: String, fix: &str) -> Diagnostic {
    match location {
        KeyLocation::File(path) => Diagnostic::at(&Location::whole(path), code, cause, fix),
        KeyLocation::Inline(_) => Diagnostic::new(code, cause, fix),
    }
}

/// A key that stands in a table: PEM, which may have lost its line ends, or DER in base64 (PKCS#1 or PKCS#8), or the 32 octets of Ed25519 in base64.
fn inline(text: &str) -> Result<PrivateKey, KeyError> {
    if text.starts_with("-----BEGIN") {
        return PrivateKey::from_text(text.as_bytes());
    }
    let base64: Zeroizing<String> =
        Zeroizing::new(text.chars().filter(|letter| !letter.is_ascii_whitespace()).collect());
    let Ok(der) = STANDARD.decode(base64.as_bytes()).map(Zeroizing::new) else {
        return PrivateKey::from_text(text.as_bytes());
    };
    match PrivateKey::from_pkcs8_der(&der).or_else(|_| PrivateKey::from_pkcs1_der(&der)) {
        Ok(key) => Ok(key),
        // It has the words for everything else that is put in the place of a key.
        Err(error) => PrivateKey::from_text(text.as_bytes()).map_err(|_| error),
    }
}

/// About what a loaded key takes in memory.
fn weight(key: &dyn SigningKey) -> usize {
    let octets = match key.algorithm().key_type() {
        KeyType::Ed25519 => ED25519_OCTETS,
        _ => rsa_bits(key).unwrap_or(4096).saturating_mul(RSA_OCTETS_A_BIT),
    };
    octets.saturating_add(ENTRY)
}
