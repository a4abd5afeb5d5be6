//! Algorithms, keys, and the one door to the cryptographic backends.
//!
//! *Standard*: RFC 6376 §3.3 as amended by RFC 8301 (no SHA-1, RSA of at least 1024 bits) and RFC 8463 (Ed25519).
//!
//! A backend is chosen by value, [`Backend`], with one variant for each enabled feature; it is handed to whatever hashes a body, prepares a
//! public key or loads a private one. Each backend lives in one private file that alone names its crate. A signer that is not a backend (a
//! hardware module, an agent) implements [`SigningKey`].
//!
//! *Invariants*: no key material is ever printed, by `Debug` or in an error; nothing here allocates from a number read from input.
//! *What it does not do*: it does not generate keys, does not read files, and knows no SHA-1.

mod algorithm;
#[cfg(feature = "aws-lc-rs")]
mod aws_lc;
#[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
mod backend;
mod der;
mod pem;
mod private_key;
mod public_key;
#[cfg(feature = "ring")]
mod ring;
mod signing_key;

pub use self::algorithm::{Algorithm, HashAlgorithm, HashValue, KeyType};
#[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
pub use self::backend::{Backend, Digest, VerifyingKey};
pub use self::private_key::{Ed25519PrivateKey, PrivateKey, RsaPrivateKey};
pub use self::public_key::{PublicKey, RsaPublicKey, RsaPublicKeyError};
pub use self::signing_key::{KeyError, SigningKey};
