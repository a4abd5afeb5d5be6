//! The choice between backends, and what every backend offers.

use std::sync::Arc;

#[cfg(feature = "aws-lc-rs")]
use super::aws_lc;
#[cfg(feature = "ring")]
use super::ring;
use super::{HashAlgorithm, HashValue, KeyError, PrivateKey, PublicKey, SigningKey};

/// The crate that does the arithmetic; one variant for each enabled feature.
///
/// Results never depend on the choice, only speed does.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Backend {
    /// The `ring` crate (feature `ring`).
    #[cfg(feature = "ring")]
    #[default]
    Ring,
    /// The `aws-lc-rs` crate (feature `aws-lc-rs`): the default only where `ring` is not enabled.
    #[cfg(feature = "aws-lc-rs")]
    #[cfg_attr(not(feature = "ring"), default)]
    AwsLc,
}

impl Backend {
    /// Reads a key file and prepares the key: [`PrivateKey::from_text`], then [`signing_key`](Self::signing_key).
    ///
    /// # Errors
    /// As those two.
    pub fn load_key(self, file: &[u8]) -> Result<Arc<dyn SigningKey>, KeyError> {
        self.signing_key(&PrivateKey::from_text(file)?)
    }

    /// Prepares a private key for signing: RSA of 2048 to 4096 bits with a public exponent from 65537, or Ed25519.
    ///
    /// # Errors
    /// [`KeyError`] for damaged keys, and for sizes and exponents that the backend does not sign with.
    pub fn signing_key(self, key: &PrivateKey) -> Result<Arc<dyn SigningKey>, KeyError> {
        match self {
            #[cfg(feature = "ring")]
            Self::Ring => Ok(Arc::new(ring::RingKey::new(key)?)),
            #[cfg(feature = "aws-lc-rs")]
            Self::AwsLc => Ok(Arc::new(aws_lc::AwsLcKey::new(key)?)),
        }
    }

    /// The hash of octets that are all at hand: cheaper than a [`Digest`] for few of them.
    ///
    /// ```
    /// use dkim_core::crypto::{Backend, HashAlgorithm};
    ///
    /// let hash = Backend::default().hash(HashAlgorithm::Sha256, b"\r\n");
    /// assert_eq!(hash.as_bytes()[..4], [0x7e, 0xb7, 0x02, 0x57]); // the hash of an empty body, RFC 6376 §3.4.3
    /// ```
    #[must_use]
    pub fn hash(self, algorithm: HashAlgorithm, octets: &[u8]) -> HashValue {
        match self {
            #[cfg(feature = "ring")]
            Self::Ring => HashValue::of_digest(algorithm, ring::hash(algorithm, octets).as_ref()),
            #[cfg(feature = "aws-lc-rs")]
            Self::AwsLc => HashValue::of_digest(algorithm, aws_lc::hash(algorithm, octets).as_ref()),
        }
    }
}

/// A public key prepared for verification, once for however many signatures.
#[derive(Clone, Debug)]
pub struct VerifyingKey(Prepared);

#[derive(Clone, Debug)]
enum Prepared {
    #[cfg(feature = "ring")]
    Ring(ring::VerifyingKey),
    #[cfg(feature = "aws-lc-rs")]
    AwsLc(aws_lc::VerifyingKey),
}

impl VerifyingKey {
    /// Prepares `key`. Its size is not judged here; see [`PublicKey::bits`].
    #[must_use]
    pub fn new(backend: Backend, key: &PublicKey) -> Self {
        match backend {
            #[cfg(feature = "ring")]
            Backend::Ring => Self(Prepared::Ring(ring::VerifyingKey::new(key))),
            #[cfg(feature = "aws-lc-rs")]
            Backend::AwsLc => Self(Prepared::AwsLc(aws_lc::VerifyingKey::new(key))),
        }
    }

    /// Whether `signature` is a signature of `signed_data` by this key, under the one algorithm that DKIM has for its type.
    ///
    /// RSA keys below 1024 or above 8192 bits never verify.
    #[must_use]
    pub fn verify(&self, signed_data: &[u8], signature: &[u8]) -> bool {
        match &self.0 {
            #[cfg(feature = "ring")]
            Prepared::Ring(key) => key.verify(signed_data, signature),
            #[cfg(feature = "aws-lc-rs")]
            Prepared::AwsLc(key) => key.verify(signed_data, signature),
        }
    }
}

/// A running hash.
///
/// ```
/// use dkim_core::crypto::{Backend, Digest, HashAlgorithm};
///
/// let mut digest = Digest::new(Backend::default(), HashAlgorithm::Sha256);
/// digest.update(b"\r\n");
/// assert_eq!(digest.finish().as_bytes()[..4], [0x7e, 0xb7, 0x02, 0x57]); // the hash of an empty body, RFC 6376 §3.4.3
/// ```
#[derive(Clone, Debug)]
pub struct Digest {
    algorithm: HashAlgorithm,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    #[cfg(feature = "ring")]
    Ring(ring::Digest),
    #[cfg(feature = "aws-lc-rs")]
    AwsLc(aws_lc::Digest),
}

impl Digest {
    /// Starts a hash with `algorithm`, computed by `backend`.
    #[must_use]
    pub fn new(backend: Backend, algorithm: HashAlgorithm) -> Self {
        let state = match backend {
            #[cfg(feature = "ring")]
            Backend::Ring => State::Ring(ring::Digest::new(algorithm)),
            #[cfg(feature = "aws-lc-rs")]
            Backend::AwsLc => State::AwsLc(aws_lc::Digest::new(algorithm)),
        };
        Self { algorithm, state }
    }

    /// Adds octets.
    pub fn update(&mut self, octets: &[u8]) {
        match &mut self.state {
            #[cfg(feature = "ring")]
            State::Ring(digest) => digest.update(octets),
            #[cfg(feature = "aws-lc-rs")]
            State::AwsLc(digest) => digest.update(octets),
        }
    }

    /// The hash of all octets added.
    #[must_use]
    pub fn finish(self) -> HashValue {
        let value = |octets: &[u8]| HashValue::of_digest(self.algorithm, octets);
        match self.state {
            #[cfg(feature = "ring")]
            State::Ring(digest) => value(digest.finish().as_ref()),
            #[cfg(feature = "aws-lc-rs")]
            State::AwsLc(digest) => value(digest.finish().as_ref()),
        }
    }
}
