//! Signing with RSA keys of 1024 to 2047 bits, which the backends refuse to sign with.
//!
//! *Standard*: RFC 8301 §3.2: "Signers MUST use RSA keys of at least 1024 bits for all keys. Signers SHOULD use RSA keys of at least 2048
//! bits." Such keys are in use for years, and mail that goes unsigned on the day of a change is worse than a short key with a warning. New keys are
//! never made so short.
//!
//! The crate `rsa` does the arithmetic. What is known against it (RUSTSEC-2023-0071, "Marvin": the time of a private-key operation depended on
//! its input) is met so: every signature is made with fresh random numbers that blind base, exponents and primes, and an error of the random number
//! source is an error of the signature, never a signature without blinding; nothing is decrypted, so there is no padding oracle; what is raised to
//! the private exponent is a padded hash, never a number that somebody sent. What is left: parts of the arithmetic are not claimed to run in
//! constant time, so somebody with a precise clock on the same processor may learn something.
//!
//! *Invariants*: a signature that does not verify never leaves this module. With a fault in one half of the computation a wrong signature and its
//! message give away a prime (Boneh, DeMillo and Lipton, "On the importance of checking cryptographic protocols for faults"). The crate raises
//! the result to the public exponent; here the backend, another implementation, verifies the whole.

use std::sync::Arc;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use dkim_core::crypto::{
    Algorithm, Backend, Digest, HashAlgorithm, KeyError, PrivateKey, PublicKey, RsaPrivateKey, SigningKey, VerifyingKey,
};
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::sha2::Sha256;

/// Prepares a private key for signing: with the backend, or here when it is an RSA key that is too short for the backend.
///
/// # Errors
///
/// [`KeyError`] for damaged keys, and for sizes and exponents that nobody here signs with: below 1024 bits, above 4096.
pub fn signing_key(key: &PrivateKey, backend: Backend) -> Result<Arc<dyn SigningKey>, KeyError> {
    match (backend.signing_key(key), key) {
        (Err(KeyError::RsaBelow2048 { .. }), PrivateKey::Rsa(short)) => Ok(Arc::new(ShortRsaKey::new(short, backend)?)),
        (made, _) => made,
    }
}

/// An RSA key below 2048 bits. `Debug` prints its size only.
struct ShortRsaKey {
    key: rsa::PrivateKey,
    spki: Vec<u8>,
    bits: usize,
    check: VerifyingKey,
    backend: Backend,
}

impl ShortRsaKey {
    fn new(private: &RsaPrivateKey, backend: Backend) -> Result<Self, KeyError> {
        let damaged = KeyError::Damaged { what: "the numbers of the RSA key do not fit each other" };
        // Checks that the primes give the modulus and that the exponents belong together.
        let key = rsa::PrivateKey::from_pkcs1_der(private.pkcs1_der()).map_err(|_| damaged)?;
        let key = Self {
            key,
            spki: private.public_key().to_spki_der(),
            bits: private.bits(),
            check: VerifyingKey::new(backend, &PublicKey::Rsa(private.public_key().clone())),
            backend,
        };
        // One signature now, so that a key that does not sign is known before the first message.
        key.sign(b"")?;
        Ok(key)
    }
}

impl SigningKey for ShortRsaKey {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RsaSha256
    }

    fn sign(&self, signed_data: &[u8]) -> Result<Vec<u8>, KeyError> {
        let system = SystemRandom::new();
        self.sign_blinded_by(&mut Blinding(|room: &mut [u8]| system.fill(room)), signed_data)
    }

    fn public_key(&self) -> Vec<u8> {
        self.spki.clone()
    }
}

impl ShortRsaKey {
    fn sign_blinded_by(&self, random: &mut impl TryCryptoRng, signed_data: &[u8]) -> Result<Vec<u8>, KeyError> {
        let failed = |reason: String| KeyError::SigningFailed { reason };
        let mut digest = Digest::new(self.backend, HashAlgorithm::Sha256);
        digest.update(signed_data);
        let signature = self
            .key
            .pkcs1v15_sign_prehash_with_rng::<Sha256, _>(random, digest.finish().as_bytes())
            .map_err(|error| failed(error.to_string()))?;
        if !self.check.verify(signed_data, &signature) {
            return Err(failed("the signature that was made does not verify, so it is kept back".to_owned()));
        }
        Ok(signature)
    }
}

impl std::fmt::Debug for ShortRsaKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShortRsaKey").field("bits", &self.bits).finish_non_exhaustive()
    }
}

/// A source that fills room with random numbers, in the form that the crate takes.
struct Blinding<F>(F);

/// The system gives no random numbers.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random numbers")]
struct NoRandomNumbers;

impl<F: FnMut(&mut [u8]) -> Result<(), Unspecified>> TryRng for Blinding<F> {
    type Error = NoRandomNumbers;

    fn try_next_u32(&mut self) -> Result<u32, NoRandomNumbers> {
        let mut octets = [0; 4];
        self.try_fill_bytes(&mut octets)?;
        Ok(u32::from_ne_bytes(octets))
    }

    fn try_next_u64(&mut self) -> Result<u64, NoRandomNumbers> {
        let mut octets = [0; 8];
        self.try_fill_bytes(&mut octets)?;
        Ok(u64::from_ne_bytes(octets))
    }

    fn try_fill_bytes(&mut self, room: &mut [u8]) -> Result<(), NoRandomNumbers> {
        (self.0)(room).map_err(|_| NoRandomNumbers)
    }
}

impl<F: FnMut(&mut [u8]) -> Result<(), Unspecified>> TryCryptoRng for Blinding<F> {}

#[cfg(test)]
mod tests;
