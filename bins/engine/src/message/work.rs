//! The cryptographic part of a message, from the end of its header section on.
//!
//! ```text
//!  headers ─► Work::start ─► (body) update ─► finish ─┬─► Verified
//!                 │   ▲                               └─► SignJob ─► Vec<Attempt>
//!          key names  answers
//! ```
//!
//! All machines of the message share one body pass. Signing comes out as a job of its own, because RSA may have to go to another
//! thread.

use std::collections::HashMap;
use std::sync::Arc;

use dkim_core::UnixTime;
use dkim_core::body_hash::{BodyHashPlan, BodyHasher, BodyHashes};
use dkim_core::crypto::Algorithm;
use dkim_core::dns::TxtAnswer;
use dkim_core::domain::{DomainName, Selector};
use dkim_core::header::{HeaderBlock, HeaderLimits};
use dkim_core::key_record::KeyRecord;
use dkim_core::sign::{Layout, NewField, PreparedSpec, SignError, Signing};
use dkim_core::verify::{KeyAnswer, KeyId, SignatureReport, Verification, key_name, key_query_of};

use super::headers::DKIM_SIGNATURE;
use super::plan::{Plan, SignPlan, SignSkip};
use super::rules::{Rules, Signer};
use crate::config::OnKeyMismatch;
use crate::opendkim::ToSign;

/// What verification came to.
#[derive(Clone, Debug)]
pub enum Verified {
    /// The message is not for us to judge.
    NotAsked,
    /// One report a signature; none for a message without any.
    Reports(Vec<SignatureReport>),
}

impl Verified {
    /// The reports, of a message that was judged.
    #[must_use]
    pub fn reports(&self) -> &[SignatureReport] {
        match self {
            Self::Reports(reports) => reports,
            Self::NotAsked => &[],
        }
    }
}

/// One signature that was to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// `d=`
    pub domain: DomainName,
    /// `s=`
    pub selector: Selector,
    /// `a=`; not known for a key that cannot be used.
    pub algorithm: Option<Algorithm>,
    /// What came of it.
    pub outcome: AttemptOutcome,
}

/// What came of a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// It was made.
    Made(NewField),
    /// It is in the message already, and valid (M11).
    AlreadyThere,
    /// The key cannot be used, since the start of the daemon or now.
    KeyFailed(String),
    /// The DNS has another record for the key, and the domain does not sign with such keys.
    Withheld,
    /// The message cannot be signed so.
    MessageRefused(String),
}

/// Machines at work on a message.
#[derive(Debug)]
pub(super) struct Work {
    verification: Option<Verification>,
    /// Verifies signatures that look like ours with our own keys, so that mail that comes twice is not signed twice.
    recognition: Option<Verification>,
    attempts: Vec<Started>,
    skip: Option<SignSkip>,
    hasher: BodyHasher,
    /// Names that have been asked for, with the answers that came.
    keys: HashMap<String, Option<KeyAnswer>>,
    needed: Vec<(KeyId, String)>,
}

#[derive(Debug)]
enum Started {
    Settled(Attempt),
    Signing(Box<Signing>, Algorithm),
}

impl Work {
    /// Starts every machine that `plan` asks for; `keys` are the lookups that began while the header section came in.
    pub(super) fn start(
        rules: &Rules,
        plan: &Plan,
        headers: &Arc<HeaderBlock>,
        keys: HashMap<String, Option<KeyAnswer>>,
        now: UnixTime,
    ) -> Self {
        let backend = crate::BACKEND;
        let mut hash_plan = BodyHashPlan::new(backend);
        let verification = plan.verify.then(|| start_verification(rules, plan, headers, now, &mut hash_plan));
        let needed = verification.iter().flat_map(Verification::key_queries).map(|query| (query.id, query.name()));
        let needed = needed.collect();
        let (mut attempts, mut skip, mut recognition) = (Vec::new(), None, None);
        match &plan.sign {
            SignPlan::Skip(reason) => skip = Some(reason.clone()),
            SignPlan::Rule(index) => {
                if let Some((rule, domain)) = rules.signers(*index) {
                    attempts.extend(domain.failed.iter().map(|key| {
                        let outcome = AttemptOutcome::KeyFailed(key.cause.clone());
                        let domain = rule.signing_domain.clone();
                        Started::Settled(Attempt { domain, selector: key.selector.clone(), algorithm: None, outcome })
                    }));
                    recognition = recognize(&domain.signers, headers, rules, now, &mut hash_plan);
                    let skips = rule.options.on_key_mismatch == OnKeyMismatch::Skip;
                    attempts.extend(domain.signers.iter().map(|signer| {
                        if skips && signer.standing.is_mismatched() {
                            return settled(signer, AttemptOutcome::Withheld);
                        }
                        start_signing(signer, headers, now, &mut hash_plan)
                    }));
                }
                if attempts.is_empty() {
                    skip = Some(SignSkip::NoUsableKey);
                }
            }
            SignPlan::With(ToSign { signers, headers: Err(error) }) => {
                let refused = || AttemptOutcome::MessageRefused(error.to_string());
                attempts.extend(signers.iter().map(|signer| settled(signer, refused())));
            }
            SignPlan::With(ToSign { signers, headers: Ok(headers) }) => {
                let removes_old = rules.ways().is_some_and(|ways| ways.removes_old_signatures());
                // A signature that is removed need not be known again, and none is signed.
                let without_old = removes_old.then(|| without_signatures(headers)).flatten();
                if !removes_old {
                    recognition = recognize(signers, headers, rules, now, &mut hash_plan);
                }
                let headers = without_old.as_ref().unwrap_or(headers);
                attempts.extend(signers.iter().map(|signer| start_signing(signer, headers, now, &mut hash_plan)));
            }
        }
        Self { verification, recognition, attempts, skip, hasher: hash_plan.start(), keys, needed }
    }

    /// Names to look up that nobody has asked for yet; they count as asked for from now on.
    pub(super) fn names_to_ask(&mut self) -> Vec<String> {
        let mut names = Vec::new();
        for (_, name) in &self.needed {
            if !self.keys.contains_key(name) {
                self.keys.insert(name.clone(), None);
                names.push(name.clone());
            }
        }
        names
    }

    pub(super) fn answer(&mut self, name: &str, answer: KeyAnswer) {
        if let Some(slot) = self.keys.get_mut(name) {
            *slot = Some(answer);
        }
    }

    /// Whether a key that counts has not been answered yet.
    pub(super) fn waits_for_keys(&self) -> bool {
        self.needed.iter().any(|(_, name)| !matches!(self.keys.get(name), Some(Some(_))))
    }

    pub(super) fn body(&mut self, chunk: &[u8]) {
        if self.hasher.wants_more() {
            self.hasher.update(chunk);
        }
    }

    /// Ends the body, verifies, and leaves what is to be signed. `has_bare_line_ends`: the message holds a CR or LF that is no
    /// line end.
    pub(super) fn finish(mut self, has_bare_line_ends: bool) -> (Verified, SignJob) {
        let bodies = self.hasher.finish();
        let verified = match self.verification.take() {
            None => Verified::NotAsked,
            Some(mut verification) => {
                for (id, name) in &self.needed {
                    if let Some(Some(answer)) = self.keys.get(name) {
                        verification.provide_key(*id, answer.clone());
                    }
                }
                Verified::Reports(verification.finish(&bodies))
            }
        };
        let recognized = self.recognition.map_or_else(Vec::new, |recognition| recognition.finish(&bodies));
        let mut skip = self.skip;
        if skip.is_none() && has_bare_line_ends {
            skip = Some(SignSkip::BareLineEnds);
        }
        let mut attempts = if skip.is_some() { Vec::new() } else { self.attempts };
        for attempt in &mut attempts {
            attempt.settle_if_there(&recognized);
        }
        let there = |attempt: &Started| {
            matches!(attempt, Started::Settled(Attempt { outcome: AttemptOutcome::AlreadyThere, .. }))
        };
        if !attempts.is_empty() && attempts.iter().all(there) {
            skip = Some(SignSkip::AlreadySigned);
        }
        (verified, SignJob { skip, attempts, bodies })
    }
}

impl Started {
    fn settle_if_there(&mut self, recognized: &[SignatureReport]) {
        let Self::Signing(signing, algorithm) = self else { return };
        let spec = signing.spec();
        let is_there = recognized.iter().any(|report| {
            report.outcome.result() == "pass"
                && report.domain.as_ref() == Some(&spec.domain)
                && report.selector.as_ref() == Some(&spec.selector)
        });
        if is_there {
            *self = Self::Settled(Attempt {
                domain: spec.domain.clone(),
                selector: spec.selector.clone(),
                algorithm: Some(*algorithm),
                outcome: AttemptOutcome::AlreadyThere,
            });
        }
    }
}

/// The signatures that are still to be made, with everything that takes. `Send` and without references: it may go to another
/// thread.
#[derive(Debug)]
pub struct SignJob {
    skip: Option<SignSkip>,
    attempts: Vec<Started>,
    bodies: BodyHashes,
}

/// What signing came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signed {
    /// It was not tried.
    Skipped(SignSkip),
    /// It was; at least one attempt.
    Tried(Vec<Attempt>),
}

impl SignJob {
    /// A job for a message on which work was given up.
    pub(super) fn nothing() -> Self {
        let bodies = BodyHashPlan::new(crate::BACKEND).start().finish();
        Self { skip: None, attempts: Vec::new(), bodies }
    }

    /// Whether [`run`](Self::run) may hold up the thread.
    #[must_use]
    pub fn may_block(&self) -> bool {
        self.skip.is_none()
            && self.attempts.iter().any(|attempt| match attempt {
                Started::Signing(signing, _) => signing.may_block(),
                Started::Settled(_) => false,
            })
    }

    /// Makes the signatures.
    #[must_use]
    pub fn run(self) -> Signed {
        if let Some(skip) = self.skip {
            return Signed::Skipped(skip);
        }
        let bodies = self.bodies;
        let attempts = self.attempts.into_iter().map(|attempt| match attempt {
            Started::Settled(attempt) => attempt,
            Started::Signing(signing, algorithm) => {
                let (domain, selector) = (signing.spec().domain.clone(), signing.spec().selector.clone());
                let outcome = signing.finish(&bodies).map_or_else(|error| refused(&error), AttemptOutcome::Made);
                Attempt { domain, selector, algorithm: Some(algorithm), outcome }
            }
        });
        Signed::Tried(attempts.collect())
    }
}

fn start_verification(
    rules: &Rules,
    plan: &Plan,
    headers: &Arc<HeaderBlock>,
    now: UnixTime,
    hash_plan: &mut BodyHashPlan,
) -> Verification {
    Verification::start_screened(Arc::clone(headers), now, rules.verify_policy(), hash_plan, &plan.screened)
}

/// The header section without its signatures.
fn without_signatures(headers: &HeaderBlock) -> Option<Arc<HeaderBlock>> {
    let mut limits = HeaderLimits::default();
    // It was within the limits before.
    (limits.max_bytes, limits.max_fields) = (usize::MAX, usize::MAX);
    let mut builder = HeaderBlock::builder(limits);
    for field in headers.iter().filter(|field| !field.is_named(DKIM_SIGNATURE)) {
        builder.push(field.name, field.value).ok()?;
    }
    Some(Arc::new(builder.finish()))
}

fn start_signing(signer: &Signer, headers: &Arc<HeaderBlock>, now: UnixTime, plan: &mut BodyHashPlan) -> Started {
    let algorithm = signer.key.algorithm();
    match Signing::start(headers, spec_for(signer, headers), Arc::clone(&signer.key), now, plan) {
        Ok(signing) => Started::Signing(Box::new(signing), algorithm),
        Err(error) => settled(signer, refused(&error)),
    }
}

/// How to sign this message: as configured, but a field that MTAs add where it is missing is not listed while it is missing.
///
/// Sendmail adds both after the filter has seen the message, relays may (RFC 5321 §6.4: "Addition of a message-id field when none appears",
/// "Addition of a date, time, or time zone when none appears"): a signature that says there is none breaks by that.
fn spec_for(signer: &Signer, headers: &HeaderBlock) -> PreparedSpec {
    const ADDED_ON_THE_WAY: [&str; 2] = ["Date", "Message-ID"];
    if signer.spec.spec().layout != Layout::Native {
        // As OpenDKIM would sign it, and as its owner chose.
        return signer.spec.clone();
    }
    let is_missing = |name: &&str| !headers.iter().any(|field| field.is_named(name));
    let missing: Vec<&str> = ADDED_ON_THE_WAY.into_iter().filter(is_missing).collect();
    if missing.is_empty() {
        return signer.spec.clone();
    }
    let mut spec = signer.spec.spec().clone();
    spec.oversigned.retain(|name| !missing.iter().any(|missing| name.eq_ignore_ascii_case(missing)));
    spec.into()
}

fn settled(signer: &Signer, outcome: AttemptOutcome) -> Started {
    Started::Settled(Attempt {
        domain: signer.spec.spec().domain.clone(),
        selector: signer.selector().clone(),
        algorithm: Some(signer.key.algorithm()),
        outcome,
    })
}

fn refused(error: &SignError) -> AttemptOutcome {
    match error {
        SignError::Key(error) => AttemptOutcome::KeyFailed(error.to_string()),
        other => AttemptOutcome::MessageRefused(other.to_string()),
    }
}

/// Starts to verify the message with our own public keys, if it holds signatures of ours (M11, M43): the keys are at hand, no DNS
/// is asked. A signature that no longer holds (a content filter changed the message) does not count, and a new one is made.
fn recognize(
    signers: &[Signer],
    headers: &Arc<HeaderBlock>,
    rules: &Rules,
    now: UnixTime,
    plan: &mut BodyHashPlan,
) -> Option<Verification> {
    let ours = |selector: &Selector, domain: &DomainName| {
        signers.iter().find(|signer| {
            let spec = signer.spec.spec();
            spec.selector == *selector && spec.domain == *domain
        })
    };
    let candidates =
        headers.iter().filter(|field| field.is_named(DKIM_SIGNATURE)).take(rules.verify_policy().max_signatures);
    let mut names = candidates.filter_map(|field| key_query_of(field.value));
    if !names.any(|(selector, domain)| ours(&selector, &domain).is_some()) {
        return None;
    }
    let mut verification = Verification::start(Arc::clone(headers), now, rules.verify_policy(), plan);
    let answers: Vec<(KeyId, KeyAnswer)> = verification
        .key_queries()
        .filter_map(|query| {
            let record = KeyRecord::text_for(&*ours(query.selector, query.domain)?.key).into_bytes();
            Some((query.id, KeyAnswer::parse(&TxtAnswer::Records(vec![record]), crate::BACKEND)))
        })
        .collect();
    for (id, answer) in answers {
        verification.provide_key(id, answer);
    }
    Some(verification)
}

/// The name to look up for a DKIM-Signature field that has just come, if there can be one.
pub(super) fn prefetch_name(value: &[u8]) -> Option<String> {
    key_query_of(value).map(|(selector, domain)| key_name(&selector, &domain))
}
