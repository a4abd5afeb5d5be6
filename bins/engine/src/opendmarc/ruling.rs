//! What is done about a result: `RejectFailures` and `HoldQuarantinedMessages`, each for its own policy.
//!
//! | wish of the owner | `RejectFailures` | `HoldQuarantinedMessages` |
//! |---|---|---|
//! | `reject` | refused, 550 5.7.1 with `RejectString` | nothing |
//! | `quarantine` | nothing | the MTA's quarantine |
//! | `none` | nothing | nothing |
//!
//! The wish is the policy as published, one level lower with `t=y` or for mail that `pct=` spares (RFC 7489 §6.6.4, with a list of public suffixes; not
//! with `DMARCbisIgnorePct`). Neither mailing lists nor domains that are seldom seen are spared, as in OpenDMARC.

use dkim_core::domain::DomainName;
use dkim_core::header::HeaderBlock;
use dmarc_core::outcome::{DmarcResult, Evaluation};
use dmarc_core::record::Policy;

use super::Ways;
use crate::config::Enforcement;
use crate::config::opendmarc::OpenDmarc;
use crate::message::author::AuthorError;
use crate::message::dmarc::{Judged, Reason, ReasonKind, Ruling};

/// What happens to mail that fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Acting {
    rejects: bool,
    pub(super) holds: bool,
    reject_string: String,
    ignores_pct: bool,
}

impl Acting {
    pub(super) fn new(dmarc: &OpenDmarc) -> Self {
        Self {
            rejects: dmarc.acting.reject_failures,
            holds: dmarc.acting.hold_quarantined,
            reject_string: dmarc.acting.reject_string.clone(),
            ignores_pct: dmarc.evaluating.ignore_pct == Some(true),
        }
    }

    /// `draw`: the message's number below 100.
    fn rule(&self, evaluation: &Evaluation, draw: u8) -> (Ruling, Option<String>) {
        let (DmarcResult::Fail, Some(policy)) = (evaluation.result, &evaluation.policy) else { return nothing() };
        let wish = if self.ignores_pct { policy.requested } else { policy.for_sample(draw) };
        let mut reasons = Vec::new();
        let mut because = |kind, comment: &str| reasons.push(Reason { kind, comment: comment.to_owned() });
        if policy.is_lowered_by_testing() {
            because(ReasonKind::PolicyTestMode, "the owner is testing (t=y)");
        } else if wish != policy.requested {
            because(ReasonKind::Other, "spared by pct=");
        }
        let (full, is_done, option) = match wish {
            Policy::None => (Enforcement::Observe, true, ""),
            Policy::Quarantine => (Enforcement::Quarantine, self.holds, "HoldQuarantinedMessages no"),
            Policy::Reject => (Enforcement::Reject, self.rejects, "RejectFailures no"),
        };
        if !is_done {
            because(ReasonKind::LocalPolicy, option);
        }
        let done = if is_done { full } else { Enforcement::Observe };
        // OpenDMARC names the domain whose record was used.
        let words = match done {
            Enforcement::Reject => Some(self.reject_string.replacen("%s", policy.domain.as_str(), 1)),
            Enforcement::Quarantine => Some(format!("quarantined by DMARC policy for {}", policy.domain)),
            Enforcement::Observe | Enforcement::Tag => None,
        };
        (Ruling { requested: wish, done, would: full, reasons }, words)
    }
}

impl Ways {
    /// What is done about a message, and the words for whoever is told.
    ///
    /// *Inputs*: what DMARC says; the header section where it is complete; the author; the message's number below 100; its queue id for the log.
    pub(crate) fn rule(
        &self,
        judged: &Judged,
        headers: Option<&HeaderBlock>,
        author: Option<&Result<DomainName, AuthorError>>,
        draw: u8,
        job: &str,
    ) -> (Ruling, Option<String>) {
        let refusal = headers.zip(author).and_then(|(headers, author)| self.required.refusal(headers, author, job));
        if let Some(words) = refusal {
            let reasons = vec![Reason { kind: ReasonKind::LocalPolicy, comment: words.to_owned() }];
            let (done, would) = (Enforcement::Reject, Enforcement::Reject);
            return (Ruling { requested: Policy::None, done, would, reasons }, Some(words.to_owned()));
        }
        match judged {
            Judged::NoAuthor(_) => nothing(),
            Judged::Evaluated { evaluation, .. } => self.acting.rule(evaluation, draw),
        }
    }

    /// Nothing is done.
    pub(crate) fn nothing() -> (Ruling, Option<String>) {
        nothing()
    }

    /// Whether the policy of a message that fails asks for more than nothing: who is to get copies gets one then.
    pub(crate) fn is_copied(judged: &Judged) -> bool {
        matches!(judged, Judged::Evaluated { evaluation, .. } if evaluation.result == DmarcResult::Fail
            && evaluation.policy.as_ref().is_some_and(|policy| policy.requested > Policy::None))
    }
}

fn nothing() -> (Ruling, Option<String>) {
    let (done, would) = (Enforcement::Observe, Enforcement::Observe);
    (Ruling { requested: Policy::None, done, would, reasons: Vec::new() }, None)
}
