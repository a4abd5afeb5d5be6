//! A message that is complete: from what was found to its verdict.

use std::sync::Arc;
use std::time::Duration;

use dkim_core::header::HeaderBlock;
use milter_proto::{Decision, Edits};

use super::HeaderSummary;
use super::authserv_ids::AuthservIds;
use super::body_facts::BodyFacts;
use super::envelope::Envelope;
use super::guard::{Fault, guard};
use super::iprev::Iprev;
use super::own_fields::OwnFields;
use super::report::{Facts, Report};
use super::results::{self, DkimResults};
use super::rules::Rules;
use super::spf::{Ruling, SpfResults};
use super::verdict::{self, Action, NewFields, Outcomes};
use super::work::{Signed, Verified};
use crate::config::OnKeyError;
use crate::logging::Record;

/// A message that is complete and waits for its signatures.
#[derive(Debug)]
pub struct Closing {
    pub(super) rules: Arc<Rules>,
    pub(super) ids: Arc<AuthservIds>,
    pub(super) facts: Facts,
    pub(super) own: OwnFields,
    pub(super) header: HeaderSummary,
    pub(super) headers: Option<Arc<HeaderBlock>>,
    pub(super) body: BodyFacts,
    pub(super) verified: Verified,
    pub(super) spf: Option<SpfResults>,
    /// Recipients that were refused at RCPT.
    pub(super) refused: u64,
    pub(super) is_fault: bool,
}

/// What to do about a message, and what to say about it.
#[derive(Debug)]
pub struct Verdict {
    /// What becomes of the message.
    pub action: Action,
    /// What the MTA is told.
    pub reply: Decision,
    /// Changes of the header section.
    pub edits: Edits,
    /// The log record.
    pub record: Record,
}

impl Closing {
    /// The envelope, as it came.
    #[must_use]
    pub fn envelope(&self) -> &Envelope {
        &self.facts.envelope
    }

    /// The header section as it came, what was over a limit left out; `None` after a fault.
    #[must_use]
    pub fn headers(&self) -> Option<&HeaderBlock> {
        self.headers.as_deref()
    }

    /// What SPF says of the message; `None` for mail that is not checked, and after a fault.
    #[must_use]
    pub fn spf(&self) -> Option<&SpfResults> {
        self.spf.as_ref()
    }

    /// The verdict. `took`: the time since MAIL FROM; `waited`: the part of it that was spent waiting for DNS.
    #[must_use]
    pub fn verdict(mut self, signed: Result<Signed, Fault>, took: Duration, waited: Duration) -> Verdict {
        self.is_fault |= signed.is_err();
        let signed = if self.is_fault { None } else { signed.ok() };
        let reports = match &self.verified {
            Verified::Reports(reports) => reports.as_slice(),
            Verified::NotAsked => &[],
        };
        let dkim = match (self.header.verify && !self.is_fault, self.header.trouble) {
            (false, _) => None,
            (true, Some(trouble)) => Some(DkimResults::Incomplete(trouble, self.header.signatures)),
            (true, None) => Some(DkimResults::Reports(reports)),
        };
        let outcomes = Outcomes {
            is_fault: self.is_fault,
            trouble: self.header.trouble,
            reports,
            spf: self.spf.as_ref().map_or(Ruling::Pass, SpfResults::ruling),
            signed: signed.as_ref(),
            on_key_error: self.header.on_key_error.unwrap_or(OnKeyError::Unsigned),
        };
        let mut action = verdict::decide(&outcomes, &self.rules.config().policy);
        let mut is_fault = self.is_fault;
        let edits = guard(|| self.edits(action, dkim, signed.as_ref())).ok().flatten().unwrap_or_else(|| {
            // A field of ours that must not be sent: a mistake like any other, and the forged fields still go.
            is_fault = true;
            action = verdict::decide(&Outcomes { is_fault, ..outcomes }, &self.rules.config().policy);
            verdict::edits(self.own.doomed(), NewFields::default(), false).unwrap_or_default()
        });
        let report = Report {
            facts: &self.facts,
            author: self.header.author.as_ref(),
            signed: signed.as_ref(),
            dkim,
            spf: self.spf.as_ref(),
            iprev: self.facts.iprev_of_client(&self.rules.config().spf),
            refused: self.refused,
            trouble: self.header.trouble,
            is_fault,
            header_fields: self.header.fields,
            header_has_bare_cr: self.header.has_bare_cr,
            body: &self.body,
            removed: self.own.doomed().len(),
            kept: self.own.kept(),
            action,
            took,
            waited,
        };
        let record = report.to_record();
        Verdict { action, reply: action.decision(self.spf.as_ref()), edits, record }
    }

    fn edits(&self, action: Action, dkim: Option<DkimResults<'_>>, signed: Option<&Signed>) -> Option<Edits> {
        let is_smtputf8 = self.facts.envelope.is_smtputf8();
        let doomed = self.own.doomed();
        if action != Action::Accept {
            return verdict::edits(doomed, NewFields::default(), is_smtputf8).ok();
        }
        let Some(dkim) = dkim else {
            return verdict::edits(doomed, NewFields { signed, ..NewFields::default() }, is_smtputf8).ok();
        };
        // "verify: continue, mark (default)"
        let has_bare = self.header.has_bare_cr || self.body.has_bare_line_ends();
        let remark = has_bare.then_some("message holds a bare CR or LF");
        let mut others = self.spf.as_ref().map_or_else(Vec::new, SpfResults::infos);
        others.extend(self.facts.iprev_of_client(&self.rules.config().spf).map(Iprev::info));
        let results = results::field_value(self.ids.own(), dkim, others, remark, is_smtputf8).ok()?;
        let spf = self.spf.as_ref().filter(|_| self.rules.config().spf.received_spf);
        let received_spf = spf.and_then(|spf| spf.received_spf(self.ids.own()));
        let new = NewFields { results: Some(&results), received_spf: received_spf.as_deref(), signed };
        verdict::edits(doomed, new, is_smtputf8).ok()
    }
}
