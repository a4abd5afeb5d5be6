//! The floor of a row: what no implementation can go below with the same backend.
//!
//! SHA-256 of the raw body and of [`HEADER_OCTETS`] octets of header, and the public-key operation, called on the crates themselves and not through
//! `dkim-core`.
#![expect(clippy::expect_used, reason = "keys are constants of this package")]

use std::hint::black_box;

use dkim_core::crypto::{Backend, PrivateKey, PublicKey};
use dkim_core::key_record::KeyRecord;

use crate::message::Key;

/// Octets of header in the floor: about what a signature with 25 fields covers.
pub const HEADER_OCTETS: usize = 1500;

/// The bare operations of one key on one backend.
pub struct Floor {
    operations: Box<dyn Operations>,
    header: Vec<u8>,
    signature: Vec<u8>,
}

impl std::fmt::Debug for Floor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Floor").finish_non_exhaustive()
    }
}

/// What each backend does in its own words.
trait Operations {
    fn digest(&self, octets: &[u8]);
    fn sign(&self, header: &[u8]) -> Vec<u8>;
    fn verify(&self, header: &[u8], signature: &[u8]);
}

impl Floor {
    /// The floor for a key.
    ///
    /// # Panics
    /// If a key of this package is damaged.
    #[must_use]
    pub fn new(backend: Backend, key: &Key) -> Self {
        let private = PrivateKey::from_text(key.file).expect("a private key");
        let record = KeyRecord::parse(key.record().as_bytes()).expect("a key record");
        let public = record.key.expect("a key that is not revoked");
        let operations: Box<dyn Operations> = match backend {
            Backend::AwsLc => Box::new(aws_lc::Keys::new(&private, &public)),
            _ => Box::new(ring_crate::Keys::new(&private, &public)),
        };
        let header = vec![b'h'; HEADER_OCTETS];
        let signature = operations.sign(&header);
        Self { operations, header, signature }
    }

    /// The work of a signer.
    pub fn sign(&self, body: &[u8]) {
        self.operations.digest(black_box(body));
        black_box(self.operations.sign(black_box(&self.header)));
    }

    /// The work of a verifier.
    pub fn verify(&self, body: &[u8]) {
        self.operations.digest(black_box(body));
        self.operations.verify(black_box(&self.header), black_box(&self.signature));
    }
}

/// The operations of one crate: both have the same interface, but for the form in which a public key is kept.
macro_rules! operations {
    ($module:ident, $krate:ident, $prepared:ty, $prepare:expr, $verify:expr) => {
        mod $module {
            use std::hint::black_box;

            use $krate::digest::{SHA256, digest};
            use $krate::rand::SystemRandom;
            use $krate::rsa::KeyPair as RsaKeyPair;
            use $krate::signature::{Ed25519KeyPair, RSA_PKCS1_SHA256};

            use super::{Operations, PrivateKey, PublicKey};

            enum Pair {
                Rsa(RsaKeyPair),
                Ed25519(Ed25519KeyPair),
            }

            pub(super) struct Keys {
                pair: Pair,
                public: $prepared,
            }

            impl Keys {
                pub(super) fn new(private: &PrivateKey, public: &PublicKey) -> Self {
                    let pair = match private {
                        PrivateKey::Rsa(key) => Pair::Rsa(RsaKeyPair::from_der(key.pkcs1_der()).expect("an RSA key")),
                        PrivateKey::Ed25519(key) => {
                            Pair::Ed25519(Ed25519KeyPair::from_seed_unchecked(key.seed()).expect("a seed"))
                        }
                        _ => unreachable!("keys of this package are RSA or Ed25519"),
                    };
                    Self { pair, public: $prepare(public) }
                }
            }

            impl Operations for Keys {
                fn digest(&self, octets: &[u8]) {
                    black_box(digest(&SHA256, octets));
                }

                fn sign(&self, header: &[u8]) -> Vec<u8> {
                    match &self.pair {
                        Pair::Rsa(pair) => {
                            let mut signature = vec![0; 256];
                            pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), header, &mut signature)
                                .expect("a signature");
                            signature
                        }
                        Pair::Ed25519(pair) => pair.sign(digest(&SHA256, header).as_ref()).as_ref().to_vec(),
                    }
                }

                fn verify(&self, header: &[u8], signature: &[u8]) {
                    let hash;
                    let message = match &self.pair {
                        Pair::Rsa(_) => header,
                        Pair::Ed25519(_) => {
                            hash = digest(&SHA256, header);
                            hash.as_ref()
                        }
                    };
                    assert!($verify(&self.public, message, signature), "the signature of the floor");
                }
            }
        }
    };
}

operations!(
    aws_lc,
    aws_lc_rs,
    aws_lc_rs::signature::ParsedPublicKey,
    super::parsed,
    |key: &aws_lc_rs::signature::ParsedPublicKey, message, signature| { key.verify_sig(message, signature).is_ok() }
);
operations!(ring_crate, ring, super::RingPublic, super::RingPublic::new, super::RingPublic::verify);

fn parsed(key: &PublicKey) -> aws_lc_rs::signature::ParsedPublicKey {
    use aws_lc_rs::signature::{ED25519, ParsedPublicKey, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY as RSA};
    match key {
        PublicKey::Rsa(key) => aws_lc_rs::rsa::PublicKeyComponents { n: key.modulus(), e: key.exponent() }
            .to_parsed_public_key(&RSA)
            .expect("an RSA key"),
        other => ParsedPublicKey::new(&ED25519, other.to_octets()).expect("an Ed25519 key"),
    }
}

/// `ring` has no parsed form: its floor holds what it does with a key each time.
enum RingPublic {
    Rsa(ring::rsa::PublicKeyComponents<Vec<u8>>),
    Ed25519(ring::signature::UnparsedPublicKey<Vec<u8>>),
}

impl RingPublic {
    fn new(key: &PublicKey) -> Self {
        match key {
            PublicKey::Rsa(key) => {
                Self::Rsa(ring::rsa::PublicKeyComponents { n: key.modulus().to_vec(), e: key.exponent().to_vec() })
            }
            other => {
                Self::Ed25519(ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, other.to_octets()))
            }
        }
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        use ring::signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY as RSA;
        match self {
            Self::Rsa(key) => key.verify(&RSA, message, signature).is_ok(),
            Self::Ed25519(key) => key.verify(message, signature).is_ok(),
        }
    }
}
