//! Private keys as files hold them, before any backend looks at them.
//!
//! *Standard*: RFC 8017 appendix A.1.2 (`RSAPrivateKey`, "PKCS#1"), RFC 5958 (`OneAsymmetricKey`, "PKCS#8"), RFC 8410 §7 (Ed25519 in it),
//! RFC 8463 appendix A.2 (32 octets in base64).
//!
//! *Invariants*: key material is in no `Debug` text and in no error, is overwritten when it is dropped, and is compared with nothing (a comparison
//! would take a time that depends on the secret). *What it does not do*: it does not decrypt, and checks the numbers only as far
//! as naming and measuring the key needs it; the backend checks that they fit each other.

use std::fmt;

use zeroize::{Zeroize as _, ZeroizeOnDrop};

use super::der::{
    self, BIT_STRING, CONTEXT_0, CONTEXT_1, OBJECT_IDENTIFIER, OCTET_STRING, OID_EC, OID_ED25519, OID_RSA, Reader,
    SEQUENCE,
};
use super::{KeyError, KeyType, PublicKey, RsaPublicKey, RsaPublicKeyError, pem};

/// Largest RSA key that signs.
#[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
const MAX_SIGNING_BITS: usize = 4096;

/// A private key, read from its file and not yet prepared for a backend.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum PrivateKey {
    /// An RSA key of at least 1024 bits.
    Rsa(RsaPrivateKey),
    /// An Ed25519 key.
    Ed25519(Ed25519PrivateKey),
}

/// The numbers of an RSA private key. Overwritten when dropped.
#[derive(Clone)]
pub struct RsaPrivateKey {
    pkcs1: Vec<u8>,
    public: RsaPublicKey,
}

/// The 32 secret octets of an Ed25519 key, and its public key if the file had it. Overwritten when dropped.
#[derive(Clone)]
pub struct Ed25519PrivateKey {
    seed: [u8; 32],
    public: Option<[u8; 32]>,
}

impl PrivateKey {
    /// Reads the contents of a key file.
    ///
    /// *Inputs*: PEM with one private key, as PKCS#1 (`RSA PRIVATE KEY`) or PKCS#8 (`PRIVATE KEY`, RSA or Ed25519, with or without the public key),
    /// or the 32 octets of an Ed25519 key in base64. Text around the PEM block, CRLF line ends and a byte order mark do no harm.
    /// *Limits*: files of at most 64 KiB.
    ///
    /// ```
    /// use dkim_core::crypto::{KeyError, KeyType, PrivateKey};
    ///
    /// // The key of RFC 8463 appendix A.2.
    /// let key = PrivateKey::from_text(b"nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=\r\n")?;
    /// assert_eq!(key.key_type(), KeyType::Ed25519);
    /// let certificate = b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----";
    /// assert_eq!(PrivateKey::from_text(certificate).unwrap_err(), KeyError::Certificate);
    /// # Ok::<(), KeyError>(())
    /// ```
    ///
    /// # Errors
    /// [`KeyError`] names what the file is instead.
    pub fn from_text(file: &[u8]) -> Result<Self, KeyError> {
        pem::read(file)
    }

    /// Reads PKCS#8 in DER.
    ///
    /// # Errors
    /// [`KeyError`] for damage, keys of another type and RSA keys below 1024 bits.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, KeyError> {
        let damaged = || KeyError::Damaged { what: "PKCS#8 structure" };
        let mut outer = Reader::new(der);
        let mut body = outer.nested(SEQUENCE).ok_or_else(damaged)?;
        let version = body.unsigned().ok_or_else(damaged)?;
        // RFC 5958 §2: version 1 (written 0), or version 2 (written 1) with a public key.
        if !outer.is_empty() || !matches!(version, [] | [1]) {
            return Err(damaged());
        }
        let mut algorithm = body.nested(SEQUENCE).ok_or_else(damaged)?;
        let oid = algorithm.element(OBJECT_IDENTIFIER).ok_or_else(damaged)?;
        let key = body.element(OCTET_STRING).ok_or_else(damaged)?;
        let _attributes = body.element(CONTEXT_0);
        let public = body.bit_string(CONTEXT_1);
        if !body.is_empty() {
            return Err(damaged());
        }
        match oid {
            OID_RSA => Self::from_pkcs1_der(key),
            OID_ED25519 => Ed25519PrivateKey::from_pkcs8_parts(key, public).map(Self::Ed25519),
            OID_EC => Err(KeyError::EllipticCurve),
            other => Err(KeyError::OtherType { kind: der::dotted(other) }),
        }
    }

    /// Reads a PKCS#1 `RSAPrivateKey` in DER.
    ///
    /// # Errors
    /// [`KeyError`] for damage and keys below 1024 bits.
    pub fn from_pkcs1_der(der: &[u8]) -> Result<Self, KeyError> {
        RsaPrivateKey::from_pkcs1_der(der).map(Self::Rsa)
    }

    /// An Ed25519 key from its 32 secret octets.
    #[must_use]
    pub const fn from_ed25519_seed(seed: [u8; 32]) -> Self {
        Self::Ed25519(Ed25519PrivateKey { seed, public: None })
    }

    /// The type of the key.
    #[must_use]
    pub const fn key_type(&self) -> KeyType {
        match self {
            Self::Rsa(_) => KeyType::Rsa,
            Self::Ed25519(_) => KeyType::Ed25519,
        }
    }
}

impl RsaPrivateKey {
    fn from_pkcs1_der(der: &[u8]) -> Result<Self, KeyError> {
        let damaged = |what| move || KeyError::Damaged { what };
        let mut outer = Reader::new(der);
        let mut numbers = outer.nested(SEQUENCE).ok_or_else(damaged("PKCS#1 structure"))?;
        // RFC 8017 A.1.2: version 0; 1 is for more than two primes.
        match numbers.unsigned() {
            Some([]) if outer.is_empty() => {}
            Some([1]) => return Err(KeyError::Damaged { what: "RSA with more than two primes" }),
            _ => return Err(KeyError::Damaged { what: "PKCS#1 structure" }),
        }
        let modulus = numbers.unsigned().ok_or_else(damaged("modulus"))?;
        let exponent = numbers.unsigned().ok_or_else(damaged("public exponent"))?;
        for what in
            ["private exponent", "first prime", "second prime", "first exponent", "second exponent", "coefficient"]
        {
            if numbers.unsigned().ok_or_else(damaged(what))?.is_empty() {
                return Err(KeyError::Damaged { what });
            }
        }
        if !numbers.is_empty() {
            return Err(KeyError::Damaged { what: "PKCS#1 structure" });
        }
        let public = RsaPublicKey::from_components(modulus, exponent).map_err(|error| match error {
            RsaPublicKeyError::Exponent => KeyError::RsaExponent,
            RsaPublicKeyError::Modulus | RsaPublicKeyError::Structure | RsaPublicKeyError::OtherType => {
                KeyError::Damaged { what: "modulus" }
            }
        })?;
        // RFC 8301 §3.2: "Signers MUST use RSA keys of at least 1024 bits for all keys."
        match public.bits() {
            bits @ ..1024 => Err(KeyError::RsaTooWeak { bits }),
            _ => Ok(Self { pkcs1: der.to_vec(), public }),
        }
    }

    /// The key as PKCS#1 `RSAPrivateKey` in DER: for a [`SigningKey`](super::SigningKey) of your own.
    #[must_use]
    pub fn pkcs1_der(&self) -> &[u8] {
        &self.pkcs1
    }

    /// The public half.
    #[must_use]
    pub const fn public_key(&self) -> &RsaPublicKey {
        &self.public
    }

    /// Bits of the modulus.
    #[must_use]
    pub fn bits(&self) -> usize {
        self.public.bits()
    }

    /// Whether a backend signs with a key of this size and exponent: the same bounds for all, those of `ring`, since no feature may change a
    /// result.
    #[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
    pub(super) fn check_fit_for_signing(&self) -> Result<(), KeyError> {
        match self.bits() {
            bits @ ..2048 => return Err(KeyError::RsaBelow2048 { bits }),
            bits if bits > MAX_SIGNING_BITS => return Err(KeyError::RsaTooLarge { bits, max: MAX_SIGNING_BITS }),
            _ => {}
        }
        // Exponents from 65537 (three octets) below 2^33.
        match self.public.exponent() {
            [_, _, _] | [_, _, _, _] | [1, _, _, _, _] => Ok(()),
            _ => Err(KeyError::RsaExponent),
        }
    }
}

impl Ed25519PrivateKey {
    fn from_pkcs8_parts(key: &[u8], public: Option<&[u8]>) -> Result<Self, KeyError> {
        // RFC 8410 §7: "CurvePrivateKey ::= OCTET STRING", inside the OCTET STRING of PKCS#8.
        let mut reader = Reader::new(key);
        let seed: Option<&[u8; 32]> =
            reader.element(OCTET_STRING).filter(|_| reader.is_empty()).and_then(|seed| seed.try_into().ok());
        let seed = seed.ok_or(KeyError::Damaged { what: "Ed25519 secret" })?;
        let public = match public {
            None => None,
            Some(octets) => Some(octets.try_into().map_err(|_| KeyError::Damaged { what: "Ed25519 public key" })?),
        };
        Ok(Self { seed: *seed, public })
    }

    /// The 32 secret octets: for a [`SigningKey`](super::SigningKey) of your own.
    #[must_use]
    pub const fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// The public key that stands beside the secret in the file, unchecked.
    #[must_use]
    pub const fn stated_public_key(&self) -> Option<&[u8; 32]> {
        self.public.as_ref()
    }
}

/// Names a DER structure that is no private key, for [`KeyError`]; `None` for anything that is not recognized.
pub(super) fn name_public_der(der: &[u8]) -> Option<KeyError> {
    if RsaPublicKey::from_der(der).is_ok() {
        return Some(KeyError::PublicKey);
    }
    let mut spki = Reader::new(der).nested(SEQUENCE)?;
    let mut algorithm = spki.nested(SEQUENCE)?;
    algorithm.element(OBJECT_IDENTIFIER)?;
    spki.element(BIT_STRING)?;
    spki.is_empty().then_some(KeyError::PublicKey)
}

impl PrivateKey {
    /// The public half as far as the file tells it: for an Ed25519 key the backend computes it.
    #[must_use]
    pub fn stated_public_key(&self) -> Option<PublicKey> {
        match self {
            Self::Rsa(key) => Some(PublicKey::Rsa(key.public.clone())),
            Self::Ed25519(key) => key.public.map(PublicKey::Ed25519),
        }
    }
}

impl Drop for RsaPrivateKey {
    fn drop(&mut self) {
        self.pkcs1.zeroize();
    }
}

impl ZeroizeOnDrop for RsaPrivateKey {}

impl Drop for Ed25519PrivateKey {
    fn drop(&mut self) {
        self.seed.zeroize();
    }
}

impl ZeroizeOnDrop for Ed25519PrivateKey {}

impl fmt::Debug for RsaPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RsaPrivateKey").field("bits", &self.bits()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Ed25519PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ed25519PrivateKey").finish_non_exhaustive()
    }
}
