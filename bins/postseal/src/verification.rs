//! Verifying one message with a resolver, and what to tell about it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use dkim_core::UnixTime;
use dkim_core::body_hash::BodyHashPlan;
use dkim_core::verify::{Outcome, SignatureReport, Verification, VerifyPolicy};
use engine::dns::Resolver;
use serde::Serialize;
use tokio::task::JoinSet;

use crate::exit::Exit;
use crate::mail::Mail;

/// All signatures of a message.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// The best result, `none` for a message without signature.
    pub(crate) dkim: &'static str,
    pub(crate) signatures: Vec<Signature>,
}

/// One signature.
#[derive(Debug, Serialize)]
pub(crate) struct Signature {
    pub(crate) result: &'static str,
    /// The stable name of the cause.
    pub(crate) code: &'static str,
    pub(crate) reason: String,
    pub(crate) domain: Option<String>,
    selector: Option<String>,
    identity: Option<String>,
    algorithm: Option<String>,
    b: String,
    key_bits: Option<usize>,
    body_length: Option<u64>,
    signed_at: Option<u64>,
    expires_at: Option<u64>,
    is_testing: bool,
}

/// Asks for all keys at once and checks every signature.
pub(crate) async fn verify(mail: &Mail, resolver: &Resolver, now: UnixTime, policy: &VerifyPolicy) -> Report {
    let mut plan = BodyHashPlan::new(engine::BACKEND);
    let mut verification = Verification::start(Arc::clone(&mail.headers), now, policy, &mut plan);
    let mut lookups = JoinSet::new();
    for query in verification.key_queries() {
        let (id, name, resolver) = (query.id, query.name(), resolver.clone());
        lookups.spawn(async move { (id, resolver.key(&name).await) });
    }
    // A lookup that panicked counts as unanswered, which is `temperror`.
    while let Some(done) = lookups.join_next().await {
        if let Ok((id, answer)) = done {
            verification.provide_key(id, answer);
        }
    }
    let mut hasher = plan.start();
    hasher.update(mail.body());
    Report::of(&verification.finish(&hasher.finish()))
}

impl Report {
    fn of(reports: &[SignatureReport]) -> Self {
        let best = reports.iter().map(|report| report.outcome).min_by_key(|outcome| match outcome {
            Outcome::Pass => 0,
            Outcome::TempError(_) => 1,
            Outcome::Fail(_) => 2,
            _ => 3,
        });
        Self { dkim: best.map_or("none", Outcome::result), signatures: reports.iter().map(Signature::of).collect() }
    }

    pub(crate) fn exit(&self) -> Exit {
        match self.dkim {
            "pass" => Exit::Pass,
            "temperror" => Exit::Temp,
            _ => Exit::Fail,
        }
    }
}

impl Signature {
    pub(crate) fn of(report: &SignatureReport) -> Self {
        let detail = report.error.as_ref().map(|error| format!(" ({error})")).unwrap_or_default();
        Self {
            result: report.outcome.result(),
            code: report.outcome.code(),
            reason: format!("{}{detail}", report.outcome),
            domain: report.domain.as_ref().map(ToString::to_string),
            selector: report.selector.as_ref().map(ToString::to_string),
            identity: report.identity.as_ref().map(ToString::to_string),
            algorithm: report.algorithm.clone().map(Cow::into_owned),
            b: report.b_start.clone(),
            key_bits: report.key_bits,
            body_length: report.body_length,
            signed_at: report.timestamp.map(UnixTime::as_secs),
            expires_at: report.expiration.map(UnixTime::as_secs),
            is_testing: report.testing,
        }
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.result)?;
        if self.reason != self.result {
            write!(f, " ({})", self.reason)?;
        }
        for (tag, value) in [("d", &self.domain), ("s", &self.selector), ("i", &self.identity), ("a", &self.algorithm)]
        {
            if let Some(value) = value {
                write!(f, " {tag}={value}")?;
            }
        }
        if let Some(bits) = self.key_bits {
            write!(f, " key={bits} bits")?;
        }
        if self.is_testing {
            f.write_str(" testing (t=y)")?;
        }
        write!(f, " b={}", self.b)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, signature) in self.signatures.iter().enumerate() {
            writeln!(f, "signature {}: {signature}", index.saturating_add(1))?;
        }
        match self.signatures.as_slice() {
            [] => writeln!(f, "dkim=none: the message has no signature"),
            _ => writeln!(f, "dkim={}", self.dkim),
        }
    }
}
