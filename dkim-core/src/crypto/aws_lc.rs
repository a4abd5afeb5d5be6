//! The `aws-lc-rs` backend: the only file that names the crate.
//!
//! Same keys, same answers as the `ring` backend, faster RSA signing on processors with wide integer vectors. `aws-lc-rs` signs with RSA keys of
//! 2048 to 8192 bits; what is accepted here is bounded as `ring` bounds it, because no feature may change a result. Public keys are kept in the
//! parsed form of the crate, so that a cached key record costs nothing to use again.

use aws_lc_rs::digest::{self, SHA256};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    ED25519, Ed25519KeyPair, KeyPair as _, ParsedPublicKey, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_SHA256, RsaKeyPair,
};

use super::{Algorithm, Ed25519PrivateKey, HashAlgorithm, KeyError, PrivateKey, PublicKey, RsaPrivateKey, SigningKey};

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
    Rsa(ParsedPublicKey),
    Ed25519(ParsedPublicKey),
    /// Numbers that the crate refuses when it reads them: nothing verifies with it.
    Refused,
}

impl VerifyingKey {
    pub(super) fn new(key: &PublicKey) -> Self {
        match key {
            PublicKey::Rsa(key) => PublicKeyComponents { n: key.modulus(), e: key.exponent() }
                .to_parsed_public_key(&RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY)
                .map_or(Self::Refused, Self::Rsa),
            PublicKey::Ed25519(key) => ParsedPublicKey::new(&ED25519, key).map_or(Self::Refused, Self::Ed25519),
        }
    }

    pub(super) fn verify(&self, signed_data: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Rsa(key) => key.verify_sig(signed_data, signature).is_ok(),
            // RFC 8463 §3: the hash is signed with "the PureEdDSA variant Ed25519".
            Self::Ed25519(key) => key.verify_sig(digest::digest(&SHA256, signed_data).as_ref(), signature).is_ok(),
            Self::Refused => false,
        }
    }
}

/// A private key held in memory and used with the `aws-lc-rs` crate. `Debug` prints the algorithm only.
pub(super) struct AwsLcKey {
    pair: Pair,
    public: Vec<u8>,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl AwsLcKey {
    /// Prepares a key for signing; checks that its numbers fit each other.
    ///
    /// # Errors
    /// [`KeyError`] for damaged keys and for sizes and exponents that are not signed with.
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
        // One signature now, so that a damaged key is known before the first message.
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

impl SigningKey for AwsLcKey {
    fn algorithm(&self) -> Algorithm {
        match self.pair {
            Pair::Rsa(_) => Algorithm::RsaSha256,
            Pair::Ed25519(_) => Algorithm::Ed25519Sha256,
        }
    }

    fn sign(&self, signed_data: &[u8]) -> Result<Vec<u8>, KeyError> {
        let failed = || KeyError::SigningFailed { reason: "the backend gave no reason".to_owned() };
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed_data, &mut signature)
                    .map_err(|_| failed())?;
                Ok(signature)
            }
            // RFC 8463 §3: the message is the SHA-256 hash.
            Pair::Ed25519(pair) => {
                let signature = pair.try_sign(digest::digest(&SHA256, signed_data).as_ref()).map_err(|_| failed())?;
                Ok(signature.as_ref().to_vec())
            }
        }
    }

    fn public_key(&self) -> Vec<u8> {
        self.public.clone()
    }
}

impl std::fmt::Debug for AwsLcKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AwsLcKey").field("algorithm", &self.algorithm()).finish_non_exhaustive()
    }
}
