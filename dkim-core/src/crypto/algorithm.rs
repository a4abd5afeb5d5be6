//! The algorithms a signature can name.

use std::fmt;

/// A signature algorithm (`a=`) that this library signs and verifies with.
///
/// `rsa-sha1` is not among them: RFC 8301 §3.1: "rsa-sha1 MUST NOT be used for signing or verifying."
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// `rsa-sha256`: RSASSA-PKCS1-v1_5 with SHA-256 (RFC 6376 §3.3.2).
    RsaSha256,
    /// `ed25519-sha256`: PureEdDSA over the SHA-256 hash of the signed data (RFC 8463 §3).
    Ed25519Sha256,
}

impl Algorithm {
    /// The word of the `a=` tag, in lower case as it is to be written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RsaSha256 => "rsa-sha256",
            Self::Ed25519Sha256 => "ed25519-sha256",
        }
    }

    /// The hash that is used for the body and for the header.
    #[must_use]
    pub const fn hash(self) -> HashAlgorithm {
        match self {
            Self::RsaSha256 | Self::Ed25519Sha256 => HashAlgorithm::Sha256,
        }
    }

    /// The type of key it needs (`k=` of the key record).
    #[must_use]
    pub const fn key_type(self) -> KeyType {
        match self {
            Self::RsaSha256 => KeyType::Rsa,
            Self::Ed25519Sha256 => KeyType::Ed25519,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A hash algorithm, for bodies and headers alike.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HashAlgorithm {
    /// SHA-256: 32 octets.
    Sha256,
}

impl HashAlgorithm {
    /// The word of the `h=` tag of a key record.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
        }
    }

    /// The octets of a hash.
    #[must_use]
    pub const fn octets(self) -> usize {
        match self {
            Self::Sha256 => 32,
        }
    }
}

impl fmt::Display for HashAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The value of a hash: as many octets as its algorithm has.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct HashValue {
    algorithm: HashAlgorithm,
    /// Room for the longest; zeros behind the octets of the algorithm.
    octets: [u8; MAX_HASH_OCTETS],
}

/// The most that any [`HashAlgorithm`] has.
const MAX_HASH_OCTETS: usize = 32;

impl HashValue {
    /// The hash of these octets; `None` if they are more or fewer than the algorithm has.
    ///
    /// ```
    /// use dkim_core::crypto::{HashAlgorithm, HashValue};
    ///
    /// assert!(HashValue::from_octets(HashAlgorithm::Sha256, &[7; 32]).is_some());
    /// assert!(HashValue::from_octets(HashAlgorithm::Sha256, &[7; 20]).is_none());
    /// ```
    #[must_use]
    pub fn from_octets(algorithm: HashAlgorithm, octets: &[u8]) -> Option<Self> {
        if octets.len() != algorithm.octets() {
            return None;
        }
        let mut value = Self { algorithm, octets: [0; MAX_HASH_OCTETS] };
        value.octets.get_mut(..octets.len())?.copy_from_slice(octets);
        Some(value)
    }

    /// What a backend computed with this algorithm, and so as long as it has to be.
    #[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
    pub(super) fn of_digest(algorithm: HashAlgorithm, octets: &[u8]) -> Self {
        let mut value = Self { algorithm, octets: [0; MAX_HASH_OCTETS] };
        for (to, from) in value.octets.iter_mut().zip(octets) {
            *to = *from;
        }
        value
    }

    /// The algorithm that it is a value of.
    #[must_use]
    pub const fn algorithm(&self) -> HashAlgorithm {
        self.algorithm
    }

    /// Its octets: what `bh=` holds in base64.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.octets.get(..self.algorithm.octets()).unwrap_or_default()
    }
}

impl AsRef<[u8]> for HashValue {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Debug for HashValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.algorithm)?;
        self.as_bytes().iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// A type of key (`k=` of the key record).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyType {
    /// `rsa`, the default (RFC 6376 §3.6.1).
    Rsa,
    /// `ed25519` (RFC 8463 §4).
    Ed25519,
}

impl KeyType {
    /// The word of the `k=` tag.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rsa => "rsa",
            Self::Ed25519 => "ed25519",
        }
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
