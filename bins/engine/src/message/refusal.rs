//! Mail that is refused before its end, at MAIL or RCPT, and what is said about it.
//!
//! Refused at MAIL, the message is over. Refused at RCPT, one recipient is: the MTA may send more of them, and each has its answer.

use std::time::{Duration, SystemTime};

use milter_proto::Decision;

use super::Message;
use super::guard::guard;
use super::plan::SignSkip;
use super::report::Report;
use super::spf::{Ruling, SpfResults, policy};
use super::verdict::Action;
use super::work::Signed;
use crate::config::RejectAt;
use crate::journal;
use crate::logging::Record;

/// What there is to say to MAIL or RCPT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvelopeStep {
    /// Go on.
    Pass,
    /// A result is on its way that could be one to refuse, and this is the step to wait for it.
    Wait,
    /// This answer.
    Refuse(Decision),
}

/// What there is to say about a message that ends before its end because it was refused.
#[derive(Debug)]
pub struct Refused {
    /// The log record.
    pub record: Record,
    /// The journal's entry, where one was asked for.
    pub entry: Option<Box<journal::Record>>,
}

impl Message {
    /// What there is to say to this step. A result that is known later than at its own step counts at the next one.
    #[must_use]
    pub fn at(&self, step: RejectAt) -> EnvelopeStep {
        // A fault of ours shows again at the end of the message, and is answered there.
        guard(|| self.spf_at(step)).unwrap_or(EnvelopeStep::Pass)
    }

    fn spf_at(&self, step: RejectAt) -> EnvelopeStep {
        let spf = &self.rules.config().spf;
        let Some((outcome, ruling)) = self.spf.mail_from(spf) else {
            let waits = step == spf.reject_at && self.spf.may_refuse(spf);
            return if waits { EnvelopeStep::Wait } else { EnvelopeStep::Pass };
        };
        match ruling {
            Ruling::Refuse(refusal) if step == RejectAt::Rcpt || spf.reject_at == RejectAt::Mail => {
                EnvelopeStep::Refuse(policy::reply(refusal, outcome))
            }
            _ => EnvelopeStep::Pass,
        }
    }

    /// What there is to say about a message that the ways of OpenDKIM had done with at the end of its header section: it was put off, since a table or a key could
    /// not be had, refused, or passes as it is.
    #[must_use]
    pub fn into_left(self, action: Action, took: Duration, waited: Duration, entry_at: Option<SystemTime>) -> Refused {
        let signed = (action == Action::Accept).then_some(Signed::Skipped(SignSkip::LeftAlone));
        self.into_early(signed.as_ref(), |_| action, took, waited, entry_at)
    }

    /// A recipient was refused.
    pub fn refused_recipient(&mut self) {
        self.refused = self.refused.saturating_add(1);
    }

    /// Whether a recipient was refused.
    #[must_use]
    pub fn has_refused(&self) -> bool {
        self.refused > 0
    }

    /// What there is to say about a message that ends here because it was refused. `took`: the time since MAIL FROM; `waited`: the part of it
    /// that was spent waiting for DNS; `entry_at`: the time, where the journal is to have an entry.
    #[must_use]
    pub fn into_refused(self, took: Duration, waited: Duration, entry_at: Option<SystemTime>) -> Refused {
        let action = |spf: Option<&SpfResults>| match spf.map(SpfResults::ruling) {
            Some(Ruling::Refuse(refusal)) => Action::of_refusal(refusal),
            _ => Action::Accept,
        };
        self.into_early(None, action, took, waited, entry_at)
    }

    fn into_early(
        self,
        signed: Option<&Signed>,
        action: impl FnOnce(Option<&SpfResults>) -> Action,
        took: Duration,
        waited: Duration,
        entry_at: Option<SystemTime>,
    ) -> Refused {
        let spf = self.spf.so_far(&self.rules.config().spf);
        let report = Report {
            facts: &self.facts,
            author: self.header.author.as_ref(),
            signed,
            dkim: None,
            spf: spf.as_ref(),
            dmarc: None,
            iprev: None,
            refused: self.refused,
            trouble: None,
            is_fault: false,
            header_fields: self.header.fields,
            header_has_bare_cr: false,
            body: &self.body,
            removed: 0,
            kept: 0,
            action: action(spf.as_ref()),
            took,
            waited,
        };
        let entry = entry_at.and_then(|at| guard(|| report.to_entry(at, None, None)).ok()).map(Box::new);
        Refused { record: report.to_record(), entry }
    }
}
