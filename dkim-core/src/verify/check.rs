//! The check of one signature against its body hash and its key.
//!
//! The order is that of RFC 6376 §6.1: the key and whether it fits (§6.1.2), the body hash, the signature (§6.1.3), and at last our own rules, which
//! are only asked about a signature that is good.

use super::key::Key;
use super::report;
use super::{
    BodyLengthPolicy, FailCause, KeyAnswer, NoKey, Outcome, PermErrorCause, PolicyCause, SignatureReport,
    TempErrorCause, VerifyPolicy,
};
use crate::UnixTime;
use crate::body_hash::{BodyCoverage, BodyHash};
use crate::canon::header::{FieldIndex, FieldSelector, without_b};
use crate::crypto::{HashAlgorithm, PublicKey};
use crate::signature::{Signature, write_signed_data};

/// RFC 8301 §3.2: "Verifiers MUST NOT consider signatures using RSA keys of less than 1024 bits as valid signatures."
const MIN_RSA_BITS: usize = 1024;

/// The largest RSA key that every backend works with.
const MAX_RSA_BITS: usize = 8192;

/// Public exponents up to 33 bits are worked with: those in use have 2 or 17 bits, and large ones only make verification slow.
const MAX_EXPONENT_BITS: u64 = 33;

/// What the check of one signature looks at.
pub(super) struct Check<'a, 'h> {
    pub(super) signature: &'a Signature,
    /// The place of its field in the header.
    pub(super) field: usize,
    pub(super) body: Option<&'a BodyHash>,
    pub(super) index: &'a FieldIndex<'h>,
    pub(super) policy: &'a VerifyPolicy,
}

/// What came of it.
pub(super) struct Checked {
    outcome: Outcome,
    testing: bool,
    key_bits: Option<usize>,
}

impl Checked {
    pub(super) fn report(self, index: usize, field: usize, mut signature: Signature, is_only: bool) -> SignatureReport {
        if is_only {
            report::shorten_only(&mut signature);
        }
        let mut report = SignatureReport::of(index, field, signature, self.outcome);
        report.testing = self.testing;
        report.key_bits = self.key_bits;
        report
    }
}

/// Whether `t=` and `x=` exclude the signature now; clocks may differ by `skew` seconds.
pub(super) fn time(signature: &Signature, now: UnixTime, skew: u64) -> Option<PermErrorCause> {
    let now = now.as_secs();
    // §3.5 on t=: "Implementations MAY ignore signatures that have a timestamp in the future."
    if signature.timestamp.is_some_and(|timestamp| timestamp.as_secs() > now.saturating_add(skew)) {
        return Some(PermErrorCause::InFuture);
    }
    // §6.1.1: "Verifiers MAY ignore the DKIM-Signature header field and return PERMFAIL (signature expired) if it contains an "x=" tag and the
    // signature has expired." A number of more than 64 bits never does.
    let expired =
        |expiration: UnixTime| expiration.as_secs() != u64::MAX && now > expiration.as_secs().saturating_add(skew);
    signature.expiration.is_some_and(expired).then_some(PermErrorCause::Expired)
}

impl Check<'_, '_> {
    /// Runs the whole check. `selector` has taken nothing yet and passes over the signature's own field; `text` is a buffer to reuse.
    pub(super) fn run(
        &self,
        answer: Option<&KeyAnswer>,
        selector: &mut FieldSelector<'_, '_>,
        text: &mut Vec<u8>,
    ) -> Checked {
        let mut checked =
            Checked { outcome: Outcome::TempError(TempErrorCause::KeyUnanswered), testing: false, key_bits: None };
        let key = match answer.map(KeyAnswer::key) {
            None => return checked,
            Some(Ok(key)) => key,
            Some(Err(no_key)) => {
                checked.outcome = no_key_outcome(no_key);
                return checked;
            }
        };
        checked.testing = key.record.is_testing;
        checked.key_bits = key.record.key.as_ref().map(PublicKey::bits);
        checked.outcome = match self.all(key, selector, text) {
            Ok(()) => Outcome::Pass,
            Err(outcome) => outcome,
        };
        checked
    }

    fn all(&self, key: &Key, selector: &mut FieldSelector<'_, '_>, text: &mut Vec<u8>) -> Result<(), Outcome> {
        self.key_fits(key)?;
        self.body_hash()?;
        self.signature(key, selector, text)?;
        self.local_rules(key)
    }

    /// §6.1.2: whether the key may be used for this signature.
    fn key_fits(&self, key: &Key) -> Result<(), Outcome> {
        let fail = |cause| Err(Outcome::PermError(cause));
        let record = &key.record;
        if !record.is_for_email {
            return fail(PermErrorCause::KeyService);
        }
        // §6.1.2: "If the "h=" tag exists in the public-key record and the hash algorithm implied by the "a=" tag in the DKIM-Signature header field
        // is not included in the contents of the "h=" tag, the Verifier MUST ignore the key record and return PERMFAIL (inappropriate hash
        // algorithm)."
        let hash_allowed = match self.signature.algorithm.hash() {
            HashAlgorithm::Sha256 => record.allows_sha256,
        };
        if !hash_allowed {
            return fail(PermErrorCause::KeyHash);
        }
        // §6.1.2: "If the public-key data (the "p=" tag) is empty, then this key has been revoked and the Verifier MUST … return PERMFAIL (key
        // revoked)."
        let Some(public) = &record.key else {
            return fail(PermErrorCause::KeyRevoked);
        };
        // §6.1.2: "If the public-key data is not suitable for use with the algorithm and key types defined by the "a=" and "k=" tags …, the Verifier
        // MUST immediately return PERMFAIL (inappropriate key algorithm)."
        if public.key_type() != self.signature.algorithm.key_type() {
            return fail(PermErrorCause::KeyType);
        }
        // §3.6.1 on t=s: "Any DKIM-Signature header fields using the "i=" tag MUST have the same domain value on the right-hand side of the "@" in the
        // "i=" tag and the value of the "d=" tag."
        let is_subdomain = self.signature.identity.as_ref().is_some_and(|i| *i.domain() != self.signature.domain);
        if record.is_strict && is_subdomain {
            return fail(PermErrorCause::KeyStrict);
        }
        match public {
            PublicKey::Ed25519(_) => Ok(()),
            PublicKey::Rsa(rsa) if rsa.bits() < MIN_RSA_BITS => fail(PermErrorCause::RsaTooSmall),
            PublicKey::Rsa(rsa) if rsa.bits() > self.policy.max_rsa_bits.min(MAX_RSA_BITS) => {
                Err(Outcome::Policy(PolicyCause::RsaTooLarge))
            }
            PublicKey::Rsa(rsa) if exponent_bits(rsa.exponent()) > MAX_EXPONENT_BITS => {
                fail(PermErrorCause::RsaExponent)
            }
            PublicKey::Rsa(_) => Ok(()),
        }
    }

    /// §6.1.3, step 3: "Verify that the hash of the canonicalized message body computed in the previous step matches the hash value conveyed in the
    /// "bh=" tag."
    fn body_hash(&self) -> Result<(), Outcome> {
        let Some(body) = self.body else {
            return Err(Outcome::TempError(TempErrorCause::BodyMissing));
        };
        // §3.5 on l=: "This value MUST NOT be larger than the actual number of octets in the canonicalized message body."
        if body.coverage() == BodyCoverage::BeyondEnd {
            return Err(Outcome::PermError(PermErrorCause::BodyTooShort));
        }
        if *body.digest() != self.signature.body_hash {
            return Err(Outcome::Fail(FailCause::BodyHash));
        }
        Ok(())
    }

    /// §6.1.3, step 4: the signature over the header.
    fn signature(&self, key: &Key, selector: &mut FieldSelector<'_, '_>, text: &mut Vec<u8>) -> Result<(), Outcome> {
        let signature = self.signature;
        let field = self.index.headers().get(self.field);
        let parts = field.and_then(|field| Some((field.name, without_b(field.value, &signature.b_span)?)));
        let verifies = match (parts, &key.verifying) {
            (Some((name, value)), Some(key)) => {
                text.clear();
                write_signed_data(signature.header_canon, &signature.header_names, selector, name, value, text);
                key.verify(text, &signature.signature)
            }
            _ => false,
        };
        if verifies { Ok(()) } else { Err(Outcome::Fail(FailCause::Signature)) }
    }

    /// What this verifier asks of a signature that is good.
    fn local_rules(&self, key: &Key) -> Result<(), Outcome> {
        let refuse = |cause| Err(Outcome::Policy(cause));
        if let Some(PublicKey::Rsa(rsa)) = &key.record.key
            && rsa.bits() < self.policy.min_rsa_bits
        {
            return refuse(PolicyCause::RsaBelowMinimum);
        }
        if let Some(cause) = self.body_length_rule() {
            return refuse(cause);
        }
        if self.policy.must_be_signed.iter().any(|name| self.leaves_unsigned(name)) {
            return refuse(PolicyCause::FieldNotSigned);
        }
        Ok(())
    }

    /// Whether the message has more fields of this name than the signature covers.
    fn leaves_unsigned(&self, name: &str) -> bool {
        let signed = self.signature.header_names.count(name);
        self.index.named(name.as_bytes()).nth(signed).is_some()
    }

    /// What [`BodyLengthPolicy`] says about the signature.
    fn body_length_rule(&self) -> Option<PolicyCause> {
        self.signature.body_length?;
        if self.policy.body_length == BodyLengthPolicy::Reject {
            return Some(PolicyCause::BodyLengthTag);
        }
        let covers_body = self.body.is_some_and(BodyHash::covers_body);
        if covers_body && matches!(self.policy.body_length, BodyLengthPolicy::AtLeast(_)) {
            return None;
        }
        // §8.2: the appended part could be made visible by a Content-Type that is not signed: the only one, or one more than were there.
        if !self.signature.header_names.contains("content-type") || self.leaves_unsigned("content-type") {
            return Some(PolicyCause::ContentTypeNotSigned);
        }
        match self.policy.body_length {
            BodyLengthPolicy::Accept => None,
            BodyLengthPolicy::AtLeast(minimum) => {
                let is_enough = |body: &BodyHash| body.seen_octets() <= minimum.reach(body.hashed_octets());
                (!self.body.is_some_and(is_enough)).then_some(PolicyCause::BodyNotCovered)
            }
            BodyLengthPolicy::Reject | BodyLengthPolicy::Policy => {
                (!covers_body).then_some(PolicyCause::BodyNotCovered)
            }
        }
    }
}

/// §6.1.2: what an answer without a key means.
fn no_key_outcome(no_key: NoKey) -> Outcome {
    match no_key {
        // "If the query for the public key fails to respond, the Verifier MAY seek a later verification attempt by returning TEMPFAIL (key
        // unavailable)."
        NoKey::Failed => Outcome::TempError(TempErrorCause::KeyLookup),
        // "If the query for the public key fails because the corresponding key record does not exist, the Verifier MUST immediately return PERMFAIL
        // (no key for signature)."
        NoKey::NxDomain => Outcome::PermError(PermErrorCause::KeyNxDomain),
        NoKey::NoData => Outcome::PermError(PermErrorCause::KeyNoData),
        NoKey::NotAmongRecords => Outcome::PermError(PermErrorCause::KeyNotAmongRecords),
        NoKey::Several => Outcome::PermError(PermErrorCause::SeveralKeys),
        NoKey::Record(error) => Outcome::PermError(PermErrorCause::from(&error)),
    }
}

/// Bits of a number written big-endian without leading zeros.
fn exponent_bits(number: &[u8]) -> u64 {
    let leading = number.first().map_or(0, |first| first.leading_zeros());
    (number.len() as u64).saturating_mul(8).saturating_sub(u64::from(leading))
}
