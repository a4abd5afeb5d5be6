//! Verification of the DKIM signatures of a message.
//!
//! *Standard*: RFC 6376 §6, RFC 8301, RFC 8463, RFC 8616 §5.
//!
//! [`Verification`] is a machine without IO. It reads the signatures when the header is complete, asks for body hashes and keys as values, takes
//! the answers in any order while the body passes, and does all public-key work at the end:
//!
//! ```text
//!  header ──► start ──► key_queries ─► (DNS) ─► KeyAnswer ─► provide_key ─┐
//!               └─► BodyHashPlan ─► (body) ─► BodyHasher ─► BodyHashes ───┴─► finish ──► one SignatureReport a signature
//! ```
//!
//! ```
//! use std::sync::Arc;
//!
//! use dkim_core::UnixTime;
//! use dkim_core::body_hash::BodyHashPlan;
//! use dkim_core::crypto::Backend;
//! use dkim_core::dns::TxtAnswer;
//! use dkim_core::header::{HeaderBlock, HeaderLimits};
//! use dkim_core::verify::{KeyAnswer, KeyId, Verification, VerifyPolicy};
//!
//! // The message of RFC 8463 appendix A.3.
//! let message = include_bytes!("../../tests/vectors/dkim-rfc/rfc8463/signed.eml");
//! let (headers, body) = HeaderBlock::parse(message, HeaderLimits::default())?;
//!
//! let backend = Backend::default();
//! let mut plan = BodyHashPlan::new(backend);
//! let now = UnixTime::from_secs(1_528_637_909);
//! let mut verification = Verification::start(Arc::new(headers), now, &VerifyPolicy::default(), &mut plan);
//!
//! let questions: Vec<(KeyId, String)> = verification.key_queries().map(|query| (query.id, query.name())).collect();
//! for (id, name) in questions {
//!     let answer = match name.as_str() {
//!         "brisbane._domainkey.football.example.com" => {
//!             TxtAnswer::Records(vec![b"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=".to_vec()])
//!         }
//!         _ => TxtAnswer::NxDomain,
//!     };
//!     verification.provide_key(id, KeyAnswer::parse(&answer, backend));
//! }
//!
//! let mut hasher = plan.start();
//! hasher.update(&message[body..]);
//! let reports = verification.finish(&hasher.finish());
//! assert_eq!(reports[0].outcome.result(), "pass");
//! assert_eq!(reports[1].outcome.to_string(), "no key for signature");
//! # Ok::<(), dkim_core::header::HeaderError>(())
//! ```
//!
//! *Invariants*: every DKIM-Signature field gets one report, in the order of the message; no message makes it fail, panic or work beyond the limits
//! of [`VerifyPolicy`]. *What it does not do*: no lookups, no caching, and no judgement about the message: it says of each signature what it is.

mod check;
mod diagnosis;
mod key;
mod outcome;
mod policy;
mod report;

use std::sync::Arc;

use crate::UnixTime;
use crate::body_hash::{BodyHashId, BodyHashPlan, BodyHashes};
use crate::canon::header::{FieldIndex, FieldSelector};
use crate::few::Few;
use crate::header::HeaderBlock;
use crate::signature::{FIELD_NAME, Signature};

pub use self::diagnosis::{BodyDiagnosis, Diagnosis, DiagnosisLimits, FieldCount, HeaderDiagnosis, Suspect, diagnose};
pub use self::key::{KeyAnswer, KeyId, KeyQuery, NoKey, key_name, key_query_of};
pub use self::outcome::{FailCause, Outcome, PermErrorCause, PolicyCause, TempErrorCause};
pub use self::policy::{BodyLengthPolicy, BodyMinimum, Screening, VerifyPolicy};
pub use self::report::SignatureReport;

/// The verification of one message's signatures. See the [module page](self).
///
/// *Inputs*: the header, the time, the policy, body hashes, keys. *DNS questions asked*: one TXT question for each distinct (selector, domain), at
/// most [`VerifyPolicy::max_signatures`]. *Limits*: [`VerifyPolicy`]. *Results*: [`SignatureReport`].
#[derive(Clone, Debug)]
pub struct Verification {
    headers: Arc<HeaderBlock>,
    policy: VerifyPolicy,
    /// At most [`VerifyPolicy::max_signatures`], and those that are checked in any case.
    candidates: Few<Candidate>,
    /// The fields that are not looked at: their places among the signatures and in the header, and why.
    skipped: Vec<(usize, usize, PolicyCause)>,
    keys: Few<Option<KeyAnswer>>,
}

/// One DKIM-Signature field that is looked at.
#[derive(Clone, Debug)]
enum Candidate {
    /// Its outcome is known from the header alone.
    Settled(SignatureReport),
    /// It waits for the body and its key.
    Waiting(Waiting),
}

#[derive(Clone, Debug)]
struct Waiting {
    index: usize,
    field: usize,
    signature: Signature,
    body: BodyHashId,
    key: KeyId,
}

impl Verification {
    /// Reads the signatures of a message and asks `plan` for the body hashes that they need.
    #[must_use]
    pub fn start(headers: Arc<HeaderBlock>, now: UnixTime, policy: &VerifyPolicy, plan: &mut BodyHashPlan) -> Self {
        Self::start_screened(headers, now, policy, plan, &[])
    }

    /// As [`start`](Self::start), with what was decided about each signature beforehand, from the top; of further ones nothing was.
    ///
    /// *Limits*: those that are [`Screening::Always`] checked are work beyond [`VerifyPolicy::max_signatures`]; the caller bounds them.
    #[must_use]
    pub fn start_screened(
        headers: Arc<HeaderBlock>,
        now: UnixTime,
        policy: &VerifyPolicy,
        plan: &mut BodyHashPlan,
        screened: &[Screening],
    ) -> Self {
        let mut verification = Self {
            headers: Arc::clone(&headers),
            policy: policy.clone(),
            candidates: Few::new(),
            skipped: Vec::new(),
            keys: Few::new(),
        };
        let mut counted = 0_usize;
        let fields = headers.iter().enumerate().filter(|(_, field)| field.is_named(FIELD_NAME));
        for (index, (field, content)) in fields.enumerate() {
            let skipped = match screened.get(index).copied().unwrap_or_default() {
                Screening::Never => Some(PolicyCause::NotTrusted),
                Screening::Counted if counted >= policy.max_signatures => Some(PolicyCause::TooManySignatures),
                Screening::Counted => {
                    counted = counted.saturating_add(1);
                    None
                }
                Screening::Always => None,
            };
            if let Some(cause) = skipped {
                verification.skipped.push((index, field, cause));
            } else {
                let candidate = verification.candidate(index, field, content.value, now, plan);
                verification.candidates.push(candidate);
            }
        }
        verification
    }

    /// The keys that are needed, each once.
    pub fn key_queries(&self) -> impl Iterator<Item = KeyQuery<'_>> {
        let mut next = 0;
        // Keys are numbered in the order of the signatures that first need them.
        let first_needs = move |waiting: &&Waiting| {
            let is_next = waiting.key.0 == next;
            next = next.saturating_add(usize::from(is_next));
            is_next
        };
        self.waiting().filter(first_needs).map(|waiting| KeyQuery {
            id: waiting.key,
            selector: &waiting.signature.selector,
            domain: &waiting.signature.domain,
        })
    }

    /// Takes the answer to a question, in any order; a later answer to the same one replaces it. An id of another verification is passed over.
    pub fn provide_key(&mut self, id: KeyId, answer: KeyAnswer) {
        if let Some(key) = self.keys.iter_mut().nth(id.0) {
            *key = Some(answer);
        }
    }

    /// Whether the message has no signature at all: `dkim=none`.
    #[must_use]
    pub const fn is_unsigned(&self) -> bool {
        self.candidates.is_empty() && self.skipped.is_empty()
    }

    /// Checks every signature, and reports about all in the order of the message.
    ///
    /// `bodies` are the answers of the plan that [`start`](Self::start) was given. A key that nobody provided is `temperror`.
    #[must_use]
    pub fn finish(self, bodies: &BodyHashes) -> Vec<SignatureReport> {
        let index = FieldIndex::new(&self.headers);
        let mut selector = FieldSelector::new(&index);
        // One buffer for the canonical header text of one signature at a time.
        let mut text = Vec::with_capacity(self.headers.as_bytes().len());
        let checked = self.candidates.len();
        let is_only = checked == 1 && self.skipped.is_empty();
        let mut reports = Vec::with_capacity(checked.saturating_add(self.skipped.len()));
        for candidate in self.candidates {
            reports.push(match candidate {
                Candidate::Settled(report) => report,
                Candidate::Waiting(waiting) => {
                    let key = self.keys.get(waiting.key.0).and_then(Option::as_ref);
                    selector.restart(Some(waiting.field));
                    check::Check {
                        signature: &waiting.signature,
                        field: waiting.field,
                        body: bodies.get(waiting.body),
                        index: &index,
                        policy: &self.policy,
                    }
                    .run(key, &mut selector, &mut text)
                    .report(waiting.index, waiting.field, waiting.signature, is_only)
                }
            });
        }
        for (index, field, cause) in self.skipped {
            reports.push(match (cause, self.headers.get(field)) {
                // What it says of itself is told: it is asked for by name.
                (PolicyCause::NotTrusted, Some(content)) => {
                    SignatureReport::unchecked(index, field, content.value, self.policy.signature_limits().tags, cause)
                }
                _ => SignatureReport::blank(index, field, Outcome::Policy(cause)),
            });
        }
        reports.sort_by_key(|report| report.index);
        report::shorten_b(&mut reports);
        reports
    }

    /// Reads one field; a signature worth checking gets a body hash and a key.
    fn candidate(
        &mut self,
        index: usize,
        field: usize,
        value: &[u8],
        now: UnixTime,
        plan: &mut BodyHashPlan,
    ) -> Candidate {
        let limits = self.policy.signature_limits();
        let signature = match Signature::parse(value, &limits) {
            Ok(signature) => signature,
            Err(error) => {
                return Candidate::Settled(SignatureReport::unreadable(index, field, value, limits.tags, error));
            }
        };
        if let Some(cause) = check::time(&signature, now, self.policy.clock_skew) {
            return Candidate::Settled(SignatureReport::of(index, field, signature, Outcome::PermError(cause)));
        }
        let reach = match (self.policy.body_length, signature.body_length) {
            (BodyLengthPolicy::AtLeast(minimum), Some(length)) => minimum.reach(length),
            _ => 0,
        };
        let (canon, hash) = (signature.body_canon, signature.algorithm.hash());
        let body = plan.request_reaching(canon, hash, signature.body_length, if reach == u64::MAX { 0 } else { reach });
        let key = self.key_of(&signature);
        Candidate::Waiting(Waiting { index, field, signature, body, key })
    }

    /// The id of the key of a signature: a known one for the same name.
    fn key_of(&mut self, signature: &Signature) -> KeyId {
        let same = |other: &&Waiting| {
            other.signature.selector == signature.selector && other.signature.domain == signature.domain
        };
        let known = self.waiting().find(same).map(|other| other.key);
        known.unwrap_or_else(|| {
            self.keys.push(None);
            KeyId(self.keys.len().saturating_sub(1))
        })
    }

    fn waiting(&self) -> impl Iterator<Item = &Waiting> {
        self.candidates.iter().filter_map(|candidate| match candidate {
            Candidate::Settled(_) => None,
            Candidate::Waiting(waiting) => Some(waiting),
        })
    }
}
