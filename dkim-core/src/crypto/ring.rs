//! The `ring` backend: the only file that names the crate.
//!
//! What `ring` cannot do is said in the errors: it signs with RSA keys of 2048 to 4096 bits and public exponents from 65537, and verifies with
//! 1024 to 8192 bits and exponents below 2³³. It rounds sizes up to whole octets, so the callers check bits.

use ring::digest::{self, SHA256};
use ring::rand::SystemRandom;
use ring::rsa::{KeyPair as RsaKeyPair, PublicKeyComponents};
use ring::signature::{
    ED25519, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, RSA_PKCS1_SHA256,
    UnparsedPublicKey,
};

use super::{
    Algorithm, Ed25519PrivateKey, HashAlgorithm, KeyError, PrivateKey, PublicKey, RsaPrivateKey, RsaPublicKey,
    SigningKey,
};

/// A running hash.
#[derive(Clone)]
pub(super) struct Digest(digest::Context);

impl Digest {
    pub(super) fn new(algorithm: HashAlgorithm) -> Self {
        Self(digest::Context::new(of(algorithm)))
    }

    pub(super) fn update(&mut self, octets: &[u8]) {
        self.0.update(octets);
    }

    pub(super) fn finish(self) -> digest::Digest {
        self.0.finish()
    }
}

/// The hash of octets that are all at hand.
pub(super) fn hash(algorithm: HashAlgorithm, octets: &[u8]) -> digest::Digest {
    digest::digest(of(algorithm), octets)
}

fn of(algorithm: HashAlgorithm) -> &'static digest::Algorithm {
    match algorithm {
        HashAlgorithm::Sha256 => &SHA256,
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digest(..)")
    }
}

/// A public key ready to verify with.
#[derive(Clone, Debug)]
pub(super) enum VerifyingKey {
    Rsa(PublicKeyComponents<Box<[u8]>>),
    Ed25519(UnparsedPublicKey<[u8; 32]>),
}

impl VerifyingKey {
    pub(super) fn new(key: &PublicKey) -> Self {
        match key {
            PublicKey::Rsa(key) => Self::Rsa(components(key)),
            PublicKey::Ed25519(key) => Self::Ed25519(UnparsedPublicKey::new(&ED25519, *key)),
        }
    }

    pub(super) fn verify(&self, signed_data: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Rsa(key) => {
                key.verify(&RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, signed_data, signature).is_ok()
            }
            // RFC 8463 §3: the hash is signed with "the PureEdDSA variant Ed25519".
            Self::Ed25519(key) => key.verify(digest::digest(&SHA256, signed_data).as_ref(), signature).is_ok(),
        }
    }
}

fn components(key: &RsaPublicKey) -> PublicKeyComponents<Box<[u8]>> {
    PublicKeyComponents { n: key.modulus().into(), e: key.exponent().into() }
}

/// A private key held in memory and used with the `ring` crate. `Debug` prints the algorithm only.
pub(super) struct RingKey {
    pair: Pair,
    public: Vec<u8>,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl RingKey {
    /// Prepares a key for signing; checks that its numbers fit each other.
    ///
    /// # Errors
    /// [`KeyError`] for damaged keys and for sizes and exponents that `ring` does not sign with.
    pub(super) fn new(key: &PrivateKey) -> Result<Self, KeyError> {
        match key {
            PrivateKey::Rsa(key) => Self::from_rsa(key),
            PrivateKey::Ed25519(key) => Self::from_ed25519(key),
        }
    }

    fn from_rsa(key: &RsaPrivateKey) -> Result<Self, KeyError> {
        key.check_fit_for_signing()?;
        let damaged = KeyError::Damaged { what: "the numbers of the RSA key do not fit each other" };
        let pair = RsaKeyPair::from_der(key.pkcs1_der()).map_err(|_| damaged.clone())?;
        let key = Self { pair: Pair::Rsa(pair), public: key.public_key().to_spki_der() };
        // ring checks the exponents when it signs: one signature now, so that a damaged key is known before the first message.
        key.sign(b"").map_err(|_| damaged)?;
        Ok(key)
    }

    fn from_ed25519(key: &Ed25519PrivateKey) -> Result<Self, KeyError> {
        let pair = match key.stated_public_key() {
            Some(public) => Ed25519KeyPair::from_seed_and_public_key(key.seed(), public),
            None => Ed25519KeyPair::from_seed_unchecked(key.seed()),
        };
        let pair =
            pair.map_err(|_| KeyError::Damaged { what: "the public key does not belong to the Ed25519 secret" })?;
        let public = pair.public_key().as_ref().to_vec();
        Ok(Self { pair: Pair::Ed25519(pair), public })
    }
}

impl SigningKey for RingKey {
    fn algorithm(&self) -> Algorithm {
        match self.pair {
            Pair::Rsa(_) => Algorithm::RsaSha256,
            Pair::Ed25519(_) => Algorithm::Ed25519Sha256,
        }
    }

    fn sign(&self, signed_data: &[u8]) -> Result<Vec<u8>, KeyError> {
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed_data, &mut signature)
                    .map_err(|_| KeyError::SigningFailed { reason: "the backend gave no reason".to_owned() })?;
                Ok(signature)
            }
            // RFC 8463 §3: the message is the SHA-256 hash.
            Pair::Ed25519(pair) => Ok(pair.sign(digest::digest(&SHA256, signed_data).as_ref()).as_ref().to_vec()),
        }
    }

    fn public_key(&self) -> Vec<u8> {
        self.public.clone()
    }
}

impl std::fmt::Debug for RingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RingKey").field("algorithm", &self.algorithm()).finish_non_exhaustive()
    }
}
