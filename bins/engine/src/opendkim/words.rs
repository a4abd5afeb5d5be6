//! OpenDKIM's words for what became of a signature: the result in Authentication-Results, and the text of its library.

use dkim_core::verify::{Outcome, PermErrorCause, PolicyCause, TempErrorCause};

/// What is shown of a result of DKIM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Words {
    /// The result word.
    pub(crate) result: &'static str,
    /// The reason, where OpenDKIM gives one.
    pub(crate) reason: Option<&'static str>,
    /// Whether the size of the key stands beside it.
    pub(crate) shows_key: bool,
}

impl Words {
    /// The words for an outcome.
    ///
    /// Keys that are missing, revoked or of no use are `fail`, where RFC 8601 §2.7.1 has `permerror`: those who read the fields of OpenDKIM look for it.
    pub(crate) fn of(outcome: Outcome) -> Self {
        let reason = Some(error_text(outcome));
        match outcome {
            Outcome::Pass => Self { result: "pass", reason: None, shows_key: true },
            Outcome::Fail(_) => Self { result: "fail", reason, shows_key: true },
            Outcome::TempError(_) => Self { result: "temperror", reason: None, shows_key: false },
            Outcome::Policy(PolicyCause::TooManySignatures) => {
                Self { result: "neutral", reason: None, shows_key: false }
            }
            Outcome::Policy(_) | Outcome::PermError(PermErrorCause::RsaTooSmall) => {
                Self { result: "policy", reason, shows_key: true }
            }
            Outcome::PermError(cause) if is_about_the_key(cause) => Self { result: "fail", reason, shows_key: false },
            Outcome::PermError(PermErrorCause::KeyStrict | PermErrorCause::BodyTooShort) => {
                Self { result: "fail", reason, shows_key: true }
            }
            // There is no other outcome.
            _ => Self { result: "permerror", reason: None, shows_key: false },
        }
    }
}

/// What OpenDKIM finds out when it has asked for the key.
fn is_about_the_key(cause: PermErrorCause) -> bool {
    matches!(
        cause,
        PermErrorCause::KeyNxDomain
            | PermErrorCause::KeyNoData
            | PermErrorCause::KeyNotAmongRecords
            | PermErrorCause::KeyRevoked
            | PermErrorCause::KeyVersion
            | PermErrorCause::KeyHash
            | PermErrorCause::KeyService
            | PermErrorCause::KeyType
            | PermErrorCause::KeyTypeUnknown
            | PermErrorCause::KeyMissing
    )
}

/// The text of OpenDKIM's library (§5.2); our own where it has none.
pub(crate) fn error_text(outcome: Outcome) -> &'static str {
    use PermErrorCause as Perm;
    match outcome {
        Outcome::Pass => "no signature error",
        Outcome::Fail(_) => "signature verification failed",
        Outcome::TempError(TempErrorCause::KeyLookup | TempErrorCause::KeyUnanswered) => "key DNS query failed",
        Outcome::Policy(PolicyCause::RsaBelowMinimum) => "signing key too small",
        Outcome::Policy(PolicyCause::FieldNotSigned) => "unprotected header field",
        Outcome::Policy(PolicyCause::BodyNotCovered) => "partial signature",
        Outcome::Policy(PolicyCause::ContentTypeNotSigned) => "partial signature without Content-Type",
        Outcome::Policy(PolicyCause::NotTrusted) => "domain not in TrustSignaturesFrom",
        Outcome::PermError(cause) => match cause {
            Perm::MissingTag | Perm::SignatureData => "signature data missing",
            Perm::Version => "unsupported signature version",
            Perm::RsaSha1 | Perm::Algorithm => "signature algorithm invalid",
            Perm::Canonicalization => "invalid header canonicalization",
            Perm::QueryMethod => "query method invalid",
            Perm::Domain | Perm::Identity | Perm::DomainMismatch => "invalid domain coverage",
            Perm::Selector | Perm::KeyName => "selector tag empty",
            Perm::HeaderNames => "header list tag empty",
            Perm::FromNotSigned => "header list missing required entries",
            Perm::BodyLength => "body length value invalid",
            Perm::ExpirationOrder => "signature timestamp order error",
            Perm::BodyHashValue => "body hash corrupt",
            Perm::Expired => "signature expired",
            Perm::InFuture => "signature timestamp in the future",
            Perm::BodyTooShort => "length tag value exceeds body size",
            Perm::KeyNxDomain | Perm::KeyNoData | Perm::KeyNotAmongRecords => "key not found in DNS",
            Perm::SeveralKeys => "multiple keys found",
            Perm::KeySyntax => "key DNS reply corrupt",
            Perm::KeyVersion => "unknown key version",
            Perm::KeyRevoked => "key revoked",
            Perm::KeyMissing => "key type missing",
            Perm::KeyTypeUnknown => "unknown key type",
            Perm::KeyDamaged | Perm::RsaExponent => "unable to apply public key",
            Perm::KeyType | Perm::KeyHash => "signature-key hash mismatch",
            Perm::KeyService => "not an e-mail key",
            Perm::KeyStrict => "unauthorized subdomain",
            Perm::RsaTooSmall => "signing key too small",
            _ => "signature data corrupt",
        },
        _ => "signature not checked",
    }
}

#[cfg(test)]
mod tests {
    use dkim_core::verify::FailCause;

    use super::*;

    #[test]
    fn s5_2_each_case_has_the_words_of_opendkim() {
        let perm = Outcome::PermError;
        for (outcome, result, reason, shows_key) in [
            (Outcome::Pass, "pass", None, true),
            (Outcome::Fail(FailCause::BodyHash), "fail", Some("signature verification failed"), true),
            (perm(PermErrorCause::KeyNxDomain), "fail", Some("key not found in DNS"), false),
            (perm(PermErrorCause::KeyRevoked), "fail", Some("key revoked"), false),
            (perm(PermErrorCause::KeyStrict), "fail", Some("unauthorized subdomain"), true),
            (perm(PermErrorCause::RsaTooSmall), "policy", Some("signing key too small"), true),
            (perm(PermErrorCause::KeyDamaged), "permerror", None, false),
            (perm(PermErrorCause::Expired), "permerror", None, false),
            (perm(PermErrorCause::RsaSha1), "permerror", None, false),
            (Outcome::TempError(TempErrorCause::KeyLookup), "temperror", None, false),
            (Outcome::Policy(PolicyCause::FieldNotSigned), "policy", Some("unprotected header field"), true),
            (Outcome::Policy(PolicyCause::TooManySignatures), "neutral", None, false),
        ] {
            assert_eq!(Words::of(outcome), Words { result, reason, shows_key }, "{outcome}");
        }
    }

    #[test]
    fn rfc8601_s2_7_1_a_signature_passes_in_their_words_when_it_does_and_never_else() {
        for outcome in Outcome::all() {
            let words = Words::of(outcome);
            assert_eq!(words.result == "pass", outcome == Outcome::Pass, "{outcome}");
            assert!(["pass", "fail", "policy", "neutral", "temperror", "permerror"].contains(&words.result));
            assert!(!error_text(outcome).is_empty() && error_text(outcome).is_ascii());
        }
    }
}
