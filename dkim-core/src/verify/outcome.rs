//! What became of a signature, and the word for it.
//!
//! *Standard*: RFC 6376 §3.9 and §6.1 (SUCCESS, PERMFAIL, TEMPFAIL), RFC 8601 §2.7.1 (the words). `docs/rfc-notes.md` holds the table of all causes;
//! a test compares it with this file.

use std::fmt;

use crate::key_record::KeyRecordError;
use crate::signature::SignatureErrorKind;
use crate::tag_list::TagListErrorKind;

/// The outcome of one signature.
///
/// §6.1: "a Verifier SHOULD NOT treat a message that has one or more bad signatures and no good signatures differently from a message with no
/// signature at all": everything but [`Pass`](Self::Pass) says why a signature does not count. `neutral` is never produced; `none` is for a message
/// without any signature, so it is no outcome of one.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The signature is valid and acceptable.
    Pass,
    /// The message is not what was signed.
    Fail(FailCause),
    /// The signature or its key cannot be used.
    PermError(PermErrorCause),
    /// The key is not known now; asking again later may help.
    TempError(TempErrorCause),
    /// A rule of the verifier refuses it.
    Policy(PolicyCause),
}

impl Outcome {
    /// The result word of RFC 8601 §2.7.1.
    #[must_use]
    pub const fn result(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail(_) => "fail",
            Self::PermError(_) => "permerror",
            Self::TempError(_) => "temperror",
            Self::Policy(_) => "policy",
        }
    }

    /// A short name of the cause for logs and counters, `pass` if there is none to name. It is stable.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail(cause) => cause.code(),
            Self::PermError(cause) => cause.code(),
            Self::TempError(cause) => cause.code(),
            Self::Policy(cause) => cause.code(),
        }
    }

    /// Every outcome there is.
    pub fn all() -> impl Iterator<Item = Self> {
        let fail = FailCause::ALL.iter().copied().map(Self::Fail);
        let perm_error = PermErrorCause::ALL.iter().copied().map(Self::PermError);
        let temp_error = TempErrorCause::ALL.iter().copied().map(Self::TempError);
        let policy = PolicyCause::ALL.iter().copied().map(Self::Policy);
        std::iter::once(Self::Pass).chain(fail).chain(perm_error).chain(temp_error).chain(policy)
    }
}

/// The cause in a few words, fit for a comment in Authentication-Results.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass => "signature is good",
            Self::Fail(cause) => cause.text(),
            Self::PermError(cause) => cause.text(),
            Self::TempError(cause) => cause.text(),
            Self::Policy(cause) => cause.text(),
        })
    }
}

/// An enumeration of causes: each with its code and its words.
macro_rules! causes {
    ($(#[$doc:meta])* $name:ident { $($variant:ident, $code:literal, $text:literal;)* }) => {
        $(#[$doc])*
        #[non_exhaustive]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $(#[doc = concat!("`", $code, "`: ", $text, ".")] $variant,)*
        }

        impl $name {
            /// Every cause, in the order of the type.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// A short, stable name for logs and counters.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.text())
            }
        }
    };
}

causes! {
    /// Why a well-formed signature with a good key does not hold for the message (§6.1.3).
    FailCause {
        BodyHash, "body-hash", "body hash did not verify";
        Signature, "signature", "signature did not verify";
    }
}

causes! {
    /// Why a signature can never be used (PERMFAIL).
    PermErrorCause {
        Syntax, "syntax", "signature syntax error";
        MissingTag, "missing-tag", "signature missing required tag";
        Version, "version", "incompatible version";
        RsaSha1, "rsa-sha1", "rsa-sha1 must not be used";
        Algorithm, "algorithm", "unknown algorithm";
        Canonicalization, "canonicalization", "unknown canonicalization";
        QueryMethod, "query-method", "no known query method";
        Domain, "domain", "bad domain in d=";
        Selector, "selector", "bad selector in s=";
        KeyName, "key-name", "name of the key too long";
        Identity, "identity", "bad identity in i=";
        DomainMismatch, "domain-mismatch", "domain mismatch of i= and d=";
        HeaderNames, "header-names", "bad list in h=";
        FromNotSigned, "from-not-signed", "From field not signed";
        BodyLength, "body-length", "bad number in l=";
        Timestamp, "timestamp", "bad number in t=";
        Expiration, "expiration", "bad number in x=";
        ExpirationOrder, "expiration-order", "expiration not after timestamp";
        BodyHashValue, "body-hash-value", "bad hash in bh=";
        SignatureData, "signature-data", "bad base64 in b=";
        Expired, "expired", "signature expired";
        InFuture, "in-future", "signature timestamp in the future";
        BodyTooShort, "body-too-short", "l= beyond the end of the body";
        KeyNxDomain, "key-nxdomain", "no key for signature";
        KeyNoData, "key-nodata", "no key record for signature";
        KeyNotAmongRecords, "key-not-among-records", "no key among the TXT records";
        SeveralKeys, "several-keys", "several key records";
        KeySyntax, "key-syntax", "key syntax error";
        KeyVersion, "key-version", "key record of another version";
        KeyMissing, "key-missing", "key record without p=";
        KeyRevoked, "key-revoked", "key revoked";
        KeyTypeUnknown, "key-type-unknown", "unknown type of key";
        KeyDamaged, "key-damaged", "damaged public key";
        KeyType, "key-type", "inappropriate key algorithm";
        KeyHash, "key-hash", "inappropriate hash algorithm";
        KeyService, "key-service", "key is not for email";
        KeyStrict, "key-strict", "key forbids subdomains in i=";
        RsaTooSmall, "rsa-too-small", "RSA key below 1024 bits";
        RsaExponent, "rsa-exponent", "RSA exponent too large";
    }
}

causes! {
    /// Why a signature cannot be checked now (TEMPFAIL).
    TempErrorCause {
        KeyLookup, "key-lookup", "key unavailable";
        KeyUnanswered, "key-unanswered", "no answer about the key in time";
        BodyMissing, "body-missing", "the body was not hashed";
    }
}

causes! {
    /// Which rule of the verifier refuses the signature. All but the limits were checked and are cryptographically good.
    PolicyCause {
        TooManySignatures, "too-many-signatures", "too many signatures, not checked";
        TooManyTags, "too-many-tags", "too many tags, not checked";
        TooLong, "too-long", "signature too long, not checked";
        TooManyHeaderNames, "too-many-header-names", "too many names in h=, not checked";
        RsaTooLarge, "rsa-too-large", "RSA key too large, not checked";
        RsaBelowMinimum, "rsa-below-minimum", "RSA key below the local minimum";
        BodyLengthTag, "body-length-tag", "l= refused";
        BodyNotCovered, "body-not-covered", "l= leaves part of the body unsigned";
        ContentTypeNotSigned, "content-type-not-signed", "l= without a signed Content-Type";
        FieldNotSigned, "field-not-signed", "a field that must be signed is not";
        NotTrusted, "not-trusted", "signature of a domain that is not trusted, not checked";
    }
}

/// Every syntax fault has its outcome; those that are limits of ours are `policy`, because the signature may be good.
impl From<&SignatureErrorKind> for Outcome {
    fn from(kind: &SignatureErrorKind) -> Self {
        use PermErrorCause as P;
        Self::PermError(match kind {
            SignatureErrorKind::TagList(kind) => match kind {
                TagListErrorKind::TooManyTags => return Self::Policy(PolicyCause::TooManyTags),
                TagListErrorKind::TooLong => return Self::Policy(PolicyCause::TooLong),
                TagListErrorKind::EmptyList
                | TagListErrorKind::EmptyTag
                | TagListErrorKind::BadName
                | TagListErrorKind::MissingEquals
                | TagListErrorKind::BadValueByte
                | TagListErrorKind::Duplicate => P::Syntax,
            },
            SignatureErrorKind::TooManyHeaderNames => return Self::Policy(PolicyCause::TooManyHeaderNames),
            SignatureErrorKind::MissingTag(_) => P::MissingTag,
            SignatureErrorKind::Version => P::Version,
            SignatureErrorKind::RsaSha1 => P::RsaSha1,
            SignatureErrorKind::Algorithm => P::Algorithm,
            SignatureErrorKind::Canonicalization => P::Canonicalization,
            SignatureErrorKind::QueryMethod => P::QueryMethod,
            SignatureErrorKind::Domain(_) | SignatureErrorKind::SingleLabel => P::Domain,
            SignatureErrorKind::Selector(_) => P::Selector,
            SignatureErrorKind::KeyNameTooLong => P::KeyName,
            SignatureErrorKind::Identity => P::Identity,
            SignatureErrorKind::DomainMismatch => P::DomainMismatch,
            SignatureErrorKind::HeaderNames => P::HeaderNames,
            SignatureErrorKind::FromNotSigned => P::FromNotSigned,
            SignatureErrorKind::BodyLength => P::BodyLength,
            SignatureErrorKind::Timestamp => P::Timestamp,
            SignatureErrorKind::Expiration => P::Expiration,
            SignatureErrorKind::ExpirationNotAfterTimestamp => P::ExpirationOrder,
            SignatureErrorKind::BodyHash => P::BodyHashValue,
            SignatureErrorKind::SignatureData => P::SignatureData,
        })
    }
}

/// Every fault of a key record has its cause (§6.1.2).
impl From<&KeyRecordError> for PermErrorCause {
    fn from(error: &KeyRecordError) -> Self {
        match error {
            KeyRecordError::TagList(_) => Self::KeySyntax,
            KeyRecordError::Version | KeyRecordError::VersionNotFirst => Self::KeyVersion,
            KeyRecordError::NoKey => Self::KeyMissing,
            KeyRecordError::UnknownKeyType => Self::KeyTypeUnknown,
            KeyRecordError::Base64 | KeyRecordError::Rsa(_) | KeyRecordError::Ed25519Length { .. } => Self::KeyDamaged,
        }
    }
}
