//! What a signer needs from a private key, whoever holds it.

use std::fmt;

use super::{Algorithm, KeyType};

/// A private key that can sign, kept in this process or elsewhere.
///
/// Implement it for a hardware module or an agent; the crate's own keys come from a [`Backend`](super::Backend). `Debug` must not print key
/// material.
pub trait SigningKey: Send + Sync + fmt::Debug {
    /// The algorithm it signs with.
    fn algorithm(&self) -> Algorithm;

    /// Signs `signed_data` (the canonicalized header fields, RFC 6376 §3.7), not a digest of it.
    ///
    /// The hash belongs to the algorithm: for [`Algorithm::Ed25519Sha256`] the message given to Ed25519 is the SHA-256 hash of `signed_data`
    /// (RFC 8463 §3). Returns the octets of `b=` before base64.
    ///
    /// # Errors
    /// [`KeyError::SigningFailed`] when no signature could be made.
    fn sign(&self, signed_data: &[u8]) -> Result<Vec<u8>, KeyError>;

    /// The public key as the octets of the DNS record's `p=` before base64: `SubjectPublicKeyInfo` for RSA (RFC 6376 §3.6.1 and its erratum
    /// 3017), the bare 32 octets for Ed25519 (RFC 8463 §4).
    fn public_key(&self) -> Vec<u8>;

    /// Whether [`sign`](Self::sign) takes long enough (about 100 µs or more, or unbounded as with a device) that an asynchronous caller should
    /// move it off its thread. By default true for RSA and false for Ed25519.
    fn may_block(&self) -> bool {
        match self.algorithm().key_type() {
            KeyType::Rsa => true,
            KeyType::Ed25519 => false,
        }
    }
}

/// Why a private key cannot be loaded, or cannot sign.
///
/// Every text says what was found, so that the operator knows which file was put there by mistake.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing, or only white space.
    #[error("the key file is empty")]
    Empty,
    /// The key cannot be used without a passphrase (PKCS#8 `ENCRYPTED PRIVATE KEY`, or PKCS#1 with `Proc-Type: 4,ENCRYPTED`).
    #[error("the private key is encrypted with a passphrase; a daemon needs it decrypted")]
    Encrypted,
    /// A public key, in PEM, in DER or as an OpenSSH line.
    #[error("this is a public key; the private key is needed to sign")]
    PublicKey,
    /// An X.509 certificate.
    #[error("this is a certificate, not a private key")]
    Certificate,
    /// A certificate signing request.
    #[error("this is a certificate signing request, not a private key")]
    CertificateRequest,
    /// The format of ssh-keygen.
    #[error("the private key is in OpenSSH format; a PKCS#1 or PKCS#8 PEM file is needed")]
    OpenSsh,
    /// An elliptic-curve key of a curve DKIM does not use.
    #[error("this is an elliptic-curve (EC) private key; DKIM signs with RSA or Ed25519")]
    EllipticCurve,
    /// A private key of another type: its object identifier in dotted form, or its PEM label.
    #[error("this is a private key of type {kind}; DKIM signs with RSA or Ed25519")]
    OtherType {
        /// The object identifier or PEM label.
        kind: String,
    },
    /// More than one private key.
    #[error("the file holds {count} private keys; one is expected")]
    SeveralKeys {
        /// How many.
        count: usize,
    },
    /// A binary (DER) file where text was expected.
    #[error("the file is binary (DER); a PEM text file is needed")]
    Der,
    /// A PEM block begins and does not end, or its `END` names something else.
    #[error("the PEM block `{label}` has no matching end line")]
    Unterminated {
        /// The label of the begin line.
        label: String,
    },
    /// A PEM block of some other kind, and no key.
    #[error("the file holds `{label}`, which is no private key")]
    OtherPem {
        /// The label of the begin line.
        label: String,
    },
    /// The base64 text of the key is broken.
    #[error("the base64 text of the private key is damaged")]
    Base64,
    /// The DER structure inside is broken, or its numbers do not fit each other.
    #[error("the private key is damaged: {what}")]
    Damaged {
        /// The part that is wrong.
        what: &'static str,
    },
    /// A DKIM DNS record.
    #[error("this is the DNS record of a public key; the private key is needed to sign")]
    DnsRecord,
    /// Text that is none of the formats read.
    #[error("the file holds no private key in PEM, and is no base64 text of 32 octets")]
    Unrecognized,
    /// The file is larger than any key.
    #[error("the key file has {bytes} bytes, more than the {max} allowed")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// RFC 8301 §3.2: "Signers MUST use RSA keys of at least 1024 bits".
    #[error("the RSA key has {bits} bits; keys below 1024 bits must not be used")]
    RsaTooWeak {
        /// Size of the modulus.
        bits: usize,
    },
    /// From 1024 to 2047 bits: permitted by RFC 8301 §3.2, refused by this backend.
    #[error("the RSA key has {bits} bits; this backend signs with 2048 bits or more")]
    RsaBelow2048 {
        /// Size of the modulus.
        bits: usize,
    },
    /// Larger than the backend signs with.
    #[error("the RSA key has {bits} bits; this backend signs with {max} bits at most")]
    RsaTooLarge {
        /// Size of the modulus.
        bits: usize,
        /// The limit of the backend.
        max: usize,
    },
    /// The public exponent is below 65537 or too large for the backend.
    #[error("the RSA key has a public exponent that this backend does not sign with; 65537 is usual")]
    RsaExponent,
    /// The key was good and no signature came: the reason its holder gives.
    #[error("signing failed: {reason}")]
    SigningFailed {
        /// For the log.
        reason: String,
    },
}
