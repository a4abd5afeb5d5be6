//! What the tables say about a sender: which keys sign, as whom.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use dkim_core::crypto::{KeyType, SigningKey};
use dkim_core::domain::{DomainName, Selector};
use dkim_core::signature::Identity;
use thiserror::Error;
use zeroize::Zeroizing;

use super::lookup::LookupError;

/// Whose mail it is: the address in From.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    /// What stands before the `@`, in its own case.
    pub local: &'a str,
    /// The domain.
    pub domain: &'a DomainName,
}

/// One signature to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct SignRequest {
    /// The name of the key in `KeyTable`.
    pub key_name: String,
    /// The domain in `d=`.
    pub domain: DomainName,
    /// The selector in `s=`.
    pub selector: Selector,
    /// Where the private key is.
    pub key: KeyLocation,
    /// The type of key that the table names; `None`: whatever the key is.
    pub key_type: Option<KeyType>,
    /// The identity (`i=`), at or below the domain; `None`: the tag is left out.
    pub identity: Option<Identity>,
}

impl SignRequest {
    /// Checks that the key that was loaded is of the type that the table names.
    ///
    /// # Errors
    ///
    /// [`TableError::KeyType`].
    pub fn check(&self, key: &dyn SigningKey) -> Result<(), TableError> {
        match self.key_type {
            Some(named) if named != key.algorithm().key_type() => {
                Err(TableError::KeyType { name: self.key_name.clone() })
            }
            _ => Ok(()),
        }
    }
}

/// Where a private key is. A clone shares the text.
#[derive(Clone, PartialEq, Eq)]
pub enum KeyLocation {
    /// In a file; a relative path starts at the working folder.
    File(Arc<Path>),
    /// In the table itself: PEM, or DER in base64.
    Inline(Arc<Zeroizing<String>>),
}

impl KeyLocation {
    /// Reads the third field of a `KeyTable` entry: a path begins with `/`, `./` or `../`, and everything else is the key.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let is_path = ["/", "./", "../"].iter().any(|start| text.starts_with(start));
        if is_path {
            Self::File(Arc::from(Path::new(text)))
        } else {
            Self::Inline(Arc::new(Zeroizing::new(text.to_owned())))
        }
    }
}

/// The path, or that the key is in the table; never the key.
impl fmt::Display for KeyLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Inline(_) => f.write_str("the table"),
        }
    }
}

impl fmt::Debug for KeyLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why nothing can be said about a sender.
///
/// The texts are the words of OpenDKIM's log; [`source`](std::error::Error::source) has what went wrong in a database. OpenDKIM answers the message with a
/// temporary failure.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TableError {
    /// `SigningTable` is in a database that does not answer.
    #[error("error reading signing table")]
    SigningTable(#[source] LookupError),
    /// `SigningTable` names a key that `KeyTable` has not; also an empty name.
    #[error("signing table references unknown key '{0}'")]
    UnknownKey(String),
    /// `KeyTable` is in a database that does not answer.
    #[error("error loading key '{name}'")]
    KeyTable {
        /// The key that was asked for.
        name: String,
        /// What went wrong.
        #[source]
        error: LookupError,
    },
    /// An entry of `KeyTable` lacks a field, or has no domain or no selector where there should be one.
    #[error("KeyTable entry for '{0}' corrupt")]
    Corrupt(String),
    /// The key is of another type than the table names.
    #[error("error loading key '{name}'")]
    KeyType {
        /// The key.
        name: String,
    },
    /// More signatures than [`MAX_REQUESTS`](super::MAX_REQUESTS).
    #[error("signing table has more than {} keys for '{sender}'", super::MAX_REQUESTS)]
    TooMany {
        /// The address.
        sender: String,
    },
}
