//! Key records: the TXT record that holds a public key.
//!
//! *Standard*: RFC 6376 §3.6.1, RFC 8301 §3.2 (sizes), RFC 8463 §4 (Ed25519), RFC 8460 §3 (a service type that is not for mail).
//!
//! *Invariants*: linear time; whatever the record holds, reading it allocates no more than the record is long. *What it does not do*: it does not
//! judge the size of a key (that is a verifier's policy), and does not choose among several records (`verify::KeyAnswer` does).
//!
//! Decisions: RSA keys are read as `SubjectPublicKeyInfo` and as bare `RSAPublicKey` (erratum 3017), Ed25519 keys only as the bare 32 octets that
//! RFC 8463 §4 describes. The words of `k=`, `h=`, `s=` and `t=` match in any case, because they are ABNF strings; `DKIM1` does not.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

use crate::crypto::{HashAlgorithm, KeyType, PublicKey, RsaPublicKey, RsaPublicKeyError, SigningKey};
use crate::tag_list::{Tag, TagLimits, TagList, TagListError, trim_fws};

/// A key record.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// The public key; `None` if the key is revoked (§3.6.1: "An empty value means that this public key has been revoked").
    pub key: Option<PublicKey>,
    /// Whether signatures that use SHA-256 are allowed (`h=`; all are if it is absent).
    pub allows_sha256: bool,
    /// Whether the key is for mail (`s=` holds `*` or `email`, or is absent).
    pub is_for_email: bool,
    /// `t=y`: "This domain is testing DKIM."
    pub is_testing: bool,
    /// `t=s`: the domain of `i=` "MUST NOT be a subdomain of "d="".
    pub is_strict: bool,
}

/// Why a text is not a usable key record.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyRecordError {
    /// Not a tag list.
    #[error(transparent)]
    TagList(#[from] TagListError),
    /// `v=` is there and is not `DKIM1`, letter by letter.
    #[error("version is not DKIM1")]
    Version,
    /// `v=` is there and is not the first tag.
    #[error("version is not the first tag")]
    VersionNotFirst,
    /// No `p=`.
    #[error("no p= tag")]
    NoKey,
    /// `k=` names a type that is not known here.
    #[error("unknown type of key")]
    UnknownKeyType,
    /// `p=` is not base64.
    #[error("p= is not base64")]
    Base64,
    /// `p=` holds no RSA key.
    #[error("p= is no RSA key: {0}")]
    Rsa(RsaPublicKeyError),
    /// `p=` of an Ed25519 key does not hold 32 octets.
    #[error("p= holds {octets} octets; an Ed25519 key has 32")]
    Ed25519Length {
        /// How many it holds.
        octets: usize,
    },
}

impl KeyRecord {
    /// Reads the text of a record, its character-strings joined.
    ///
    /// *Limits*: those of [`TagLimits::default`].
    ///
    /// ```
    /// use dkim_core::key_record::KeyRecord;
    ///
    /// let record = KeyRecord::parse(b"v=DKIM1; k=ed25519; t=s; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")?;
    /// assert!(record.is_strict && !record.is_testing);
    /// # Ok::<(), dkim_core::key_record::KeyRecordError>(())
    /// ```
    ///
    /// # Errors
    /// [`KeyRecordError`]. A revoked key is no error.
    pub fn parse(text: &[u8]) -> Result<Self, KeyRecordError> {
        let tags = TagList::parse(text, TagLimits::default())?;
        if let Some(version) = tags.get("v") {
            // §3.6.1 on v=: "This tag MUST be the first tag in the record. Records beginning with a "v=" tag with any other value MUST be
            // discarded. Note that Verifiers must do a string comparison on this value".
            if version.value != b"DKIM1" {
                return Err(KeyRecordError::Version);
            }
            if tags.first() != Some(version) {
                return Err(KeyRecordError::VersionNotFirst);
            }
        }
        let list = |name| tags.get(name).map(Words);
        let flags = list("t");
        let has_flag = |flag| flags.as_ref().is_some_and(|flags| flags.contain(flag));
        Ok(Self {
            key: public_key(&tags)?,
            // §3.6.1 on h=: "A colon-separated list of hash algorithms that might be used. … Unrecognized algorithms MUST be ignored."
            allows_sha256: list("h").is_none_or(|hashes| hashes.contain(HashAlgorithm::Sha256.as_str())),
            // §3.6.1 on s=: "Verifiers for a given service type MUST ignore this record if the appropriate type is not listed."
            is_for_email: list("s").is_none_or(|services| services.contain("*") || services.contain("email")),
            // §3.6.1 on t=: "Unrecognized flags MUST be ignored."
            is_testing: has_flag("y"),
            is_strict: has_flag("s"),
        })
    }

    /// Whether a text is meant as a key record: a tag list with `p=` and no foreign version, or anything that begins as one.
    ///
    /// Tells keys from the other TXT records that a wild card brings to the same name (SPF, DMARC).
    #[must_use]
    pub fn is_likely(text: &[u8]) -> bool {
        let Ok(tags) = TagList::parse(text, TagLimits::default()) else {
            return trim_fws(text).starts_with(b"v=DKIM1");
        };
        match tags.get("v") {
            Some(version) => version.value.starts_with(b"DKIM"),
            None => tags.get("p").is_some(),
        }
    }

    /// The text of the record that publishes the public half of `key`.
    ///
    /// It may be longer than 255 octets, the most that one character-string of a TXT record holds.
    #[must_use]
    pub fn text_for(key: &dyn SigningKey) -> String {
        let key_type = key.algorithm().key_type();
        format!("v=DKIM1; k={key_type}; p={}", STANDARD.encode(key.public_key()))
    }
}

/// The value of `p=` read as `k=` says.
fn public_key(tags: &TagList<'_>) -> Result<Option<PublicKey>, KeyRecordError> {
    // §3.6.1 on p=: "Public-key data (base64; REQUIRED)."
    let p = tags.get("p").ok_or(KeyRecordError::NoKey)?;
    if p.value.is_empty() {
        return Ok(None);
    }
    // §3.6.1 on k=: "Key type (plain-text; OPTIONAL, default is "rsa")."
    let key_type = match tags.get("k").map(|k| k.value) {
        None => KeyType::Rsa,
        Some(word) if word.eq_ignore_ascii_case(b"rsa") => KeyType::Rsa,
        Some(word) if word.eq_ignore_ascii_case(b"ed25519") => KeyType::Ed25519,
        // "Unrecognized key types MUST be ignored."
        Some(_) => return Err(KeyRecordError::UnknownKeyType),
    };
    let octets = STANDARD.decode(p.without_fws()).map_err(|_| KeyRecordError::Base64)?;
    match key_type {
        KeyType::Rsa => RsaPublicKey::from_der(&octets).map(PublicKey::Rsa).map_err(KeyRecordError::Rsa),
        // RFC 8463 §4: the 32 octets of the key themselves, not a SubjectPublicKeyInfo.
        KeyType::Ed25519 => match <[u8; 32]>::try_from(octets.as_slice()) {
            Ok(key) => Ok(PublicKey::Ed25519(key)),
            Err(_) => Err(KeyRecordError::Ed25519Length { octets: octets.len() }),
        },
    }
    .map(Some)
}

/// A tag whose value is a list of words with colons between them.
struct Words<'l, 'a>(&'l Tag<'a>);

impl Words<'_, '_> {
    fn contain(&self, word: &str) -> bool {
        self.0.value.split(|byte| *byte == b':').any(|item| trim_fws(item).eq_ignore_ascii_case(word.as_bytes()))
    }
}

#[cfg(test)]
mod tests;
