//! Public keys as a key record holds them.
//!
//! *Standard*: RFC 6376 §3.6.1 (`p=`), erratum 3017 to it, RFC 8463 §4.

use std::fmt;

use super::KeyType;
use super::der::{self, BIT_STRING, NULL, OBJECT_IDENTIFIER, OID_RSA, Reader, SEQUENCE};

/// The public key of a key record, read but not yet prepared for a backend.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// An RSA key of any size.
    Rsa(RsaPublicKey),
    /// The 32 octets of an Ed25519 key.
    Ed25519([u8; 32]),
}

impl PublicKey {
    /// The type of the key.
    #[must_use]
    pub const fn key_type(&self) -> KeyType {
        match self {
            Self::Rsa(_) => KeyType::Rsa,
            Self::Ed25519(_) => KeyType::Ed25519,
        }
    }

    /// The size people speak of: bits of the modulus, or 256 for Ed25519.
    #[must_use]
    pub fn bits(&self) -> usize {
        match self {
            Self::Rsa(key) => key.bits(),
            Self::Ed25519(_) => 256,
        }
    }

    /// The octets of `p=` before base64: `SubjectPublicKeyInfo`, or the bare 32 octets.
    #[must_use]
    pub fn to_octets(&self) -> Vec<u8> {
        match self {
            Self::Rsa(key) => key.to_spki_der(),
            Self::Ed25519(key) => key.to_vec(),
        }
    }
}

/// An RSA public key: an odd modulus and an odd exponent of at least 3, each without leading zeros.
#[derive(Clone, PartialEq, Eq)]
pub struct RsaPublicKey {
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

/// Why octets are no RSA public key.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RsaPublicKeyError {
    /// Neither `SubjectPublicKeyInfo` nor `RSAPublicKey` in DER.
    #[error("not a SubjectPublicKeyInfo or RSAPublicKey")]
    Structure,
    /// A `SubjectPublicKeyInfo` of some other type of key.
    #[error("a public key of another type than RSA")]
    OtherType,
    /// An even modulus: a product of two odd primes is odd.
    #[error("the modulus is even or zero")]
    Modulus,
    /// The exponent is even or below 3.
    #[error("the exponent is even or below 3")]
    Exponent,
}

impl RsaPublicKey {
    /// Reads a `SubjectPublicKeyInfo` (what nearly everyone publishes) or a bare `RSAPublicKey` (what the text of RFC 6376 §3.6.1 names).
    ///
    /// # Errors
    /// When `der` is neither, has octets after the structure, or holds numbers that are no RSA key. The size is not judged here.
    pub fn from_der(der: &[u8]) -> Result<Self, RsaPublicKeyError> {
        let structure = RsaPublicKeyError::Structure;
        let mut outer = Reader::new(der);
        let mut body = outer.nested(SEQUENCE).ok_or(structure)?;
        if !outer.is_empty() {
            return Err(structure);
        }
        if body.peek() != Some(SEQUENCE) {
            return Self::from_numbers(body);
        }
        let mut algorithm = body.nested(SEQUENCE).ok_or(structure)?;
        if algorithm.element(OBJECT_IDENTIFIER).ok_or(structure)? != OID_RSA {
            return Err(RsaPublicKeyError::OtherType);
        }
        // RFC 3279 §2.3.1 wants NULL parameters; keys without any are read everywhere.
        let parameters = algorithm.is_empty() || algorithm.element(NULL) == Some(&[]);
        let mut key = Reader::new(body.bit_string(BIT_STRING).ok_or(structure)?);
        let numbers = key.nested(SEQUENCE).ok_or(structure)?;
        if !parameters || !algorithm.is_empty() || !body.is_empty() || !key.is_empty() {
            return Err(structure);
        }
        Self::from_numbers(numbers)
    }

    /// The contents of an `RSAPublicKey`: modulus, exponent, nothing more.
    fn from_numbers(mut numbers: Reader<'_>) -> Result<Self, RsaPublicKeyError> {
        let modulus = numbers.unsigned().ok_or(RsaPublicKeyError::Structure)?;
        let exponent = numbers.unsigned().ok_or(RsaPublicKeyError::Structure)?;
        if !numbers.is_empty() {
            return Err(RsaPublicKeyError::Structure);
        }
        Self::from_components(modulus, exponent)
    }

    /// A key from its two numbers, big-endian and without leading zeros.
    ///
    /// # Errors
    /// [`RsaPublicKeyError::Modulus`] and [`RsaPublicKeyError::Exponent`] for numbers that are no RSA key.
    pub fn from_components(modulus: &[u8], exponent: &[u8]) -> Result<Self, RsaPublicKeyError> {
        let is_odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
        if !is_odd(modulus) || modulus.first() == Some(&0) {
            return Err(RsaPublicKeyError::Modulus);
        }
        if !is_odd(exponent) || exponent.first() == Some(&0) || exponent == [1] {
            return Err(RsaPublicKeyError::Exponent);
        }
        Ok(Self { modulus: modulus.to_vec(), exponent: exponent.to_vec() })
    }

    /// The modulus, big-endian, without leading zeros.
    #[must_use]
    pub fn modulus(&self) -> &[u8] {
        &self.modulus
    }

    /// The public exponent, big-endian, without leading zeros.
    #[must_use]
    pub fn exponent(&self) -> &[u8] {
        &self.exponent
    }

    /// Bits of the modulus, exactly: 1023 and 1024 differ.
    #[must_use]
    pub fn bits(&self) -> usize {
        let leading = self.modulus.first().map_or(0, |first| first.leading_zeros());
        self.modulus.len().saturating_mul(8).saturating_sub(usize::try_from(leading).unwrap_or(0))
    }

    /// The key as `SubjectPublicKeyInfo` in DER.
    #[must_use]
    pub fn to_spki_der(&self) -> Vec<u8> {
        let mut numbers = Vec::new();
        der::write_unsigned(&mut numbers, &self.modulus);
        der::write_unsigned(&mut numbers, &self.exponent);
        let mut key = vec![0];
        der::write(&mut key, SEQUENCE, &numbers);
        let mut algorithm = Vec::new();
        der::write(&mut algorithm, OBJECT_IDENTIFIER, OID_RSA);
        der::write(&mut algorithm, NULL, &[]);
        let mut info = Vec::new();
        der::write(&mut info, SEQUENCE, &algorithm);
        der::write(&mut info, BIT_STRING, &key);
        let mut spki = Vec::new();
        der::write(&mut spki, SEQUENCE, &info);
        spki
    }
}

impl fmt::Debug for RsaPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RsaPublicKey").field("bits", &self.bits()).finish_non_exhaustive()
    }
}
