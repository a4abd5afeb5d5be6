//! A message that is complete: from what was found to its verdict.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use dkim_core::UnixTime;
use dkim_core::header::HeaderBlock;
use dkim_core::verify::{Outcome, SignatureReport};
use dmarc_core::dns::{Question, TxtAnswer};
use dmarc_core::outcome::DmarcResult;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use milter_proto::{Decision, Edits};

use super::HeaderSummary;
use super::authserv_ids::AuthservIds;
use super::body_facts::BodyFacts;
use super::dmarc::policy::{self, Circumstances};
use super::dmarc::{DmarcResults, Judged, Judging, counted_domain, draw, list_sign, mark, mark_of_signature};
use super::entry;
use super::envelope::Envelope;
use super::guard::{Fault, guard};
use super::iprev::Iprev;
use super::opendkim::CAPTURED;
use super::origin::Client;
use super::own_fields::OwnFields;
use super::report::{Facts, Report};
use super::results::{self, BadFormat, DkimResults};
use super::rules::Rules;
use super::spf::{self, Ruling, SpfResults};
use super::verdict::{self, Action, DmarcStep, NewFields, Outcomes, RejectCause};
use super::work::{Attempt, AttemptOutcome, Signed, Verified};
use crate::config::{Enforcement, OnFailure, OnKeyError, opendkim};
use crate::failures::Failure;
use crate::journal;
use crate::logging::Record;
use crate::opendkim::{DkimCause, DkimStep};

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
    pub(super) judging: Judging,
    /// Recipients that were refused at RCPT.
    pub(super) refused: u64,
    pub(super) is_fault: bool,
    /// When it was complete, where that is to be written into the journal.
    pub(super) entry_at: Option<SystemTime>,
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
    /// The journal's entry, where [`Closing::with_entry`] asked for it.
    pub entry: Option<Box<journal::Record>>,
    /// The record for OpenDMARC's history file, where one is written.
    pub history: Option<String>,
    /// What is kept of it for a failure report, where the owner of its author domain wants one.
    pub failure: Option<Box<Failure>>,
    /// What it was decided from.
    pub found: Found,
}

/// What was found out about a message.
#[derive(Debug)]
pub struct Found {
    /// What its signatures came to.
    pub dkim: Verified,
    /// What SPF says; `None` for mail that is not checked.
    pub spf: Option<SpfResults>,
    /// What DMARC says and what is done about it; `None` for mail that is not judged.
    pub dmarc: Option<DmarcResults>,
    /// What signing came to; `None` after a fault.
    pub signed: Option<Signed>,
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

    /// What DMARC asks the DNS now, once DKIM and SPF are done: one question after the other.
    #[must_use]
    pub fn question(&self) -> Option<&Question> {
        self.judging.question()
    }

    /// The answer to the question. After a fault the message is one that we made a mistake about.
    pub fn answer(&mut self, answer: &TxtAnswer) {
        let judging = std::mem::replace(&mut self.judging, Judging::Off);
        match guard(|| judging.answer(answer)) {
            Ok(judging) => self.judging = judging,
            Err(Fault) => self.is_fault = true,
        }
    }

    /// Asks for an entry of the journal. `at`: the time, at which the message is complete.
    #[must_use]
    pub fn with_entry(self, at: SystemTime) -> Self {
        Self { entry_at: Some(at), ..self }
    }

    /// The verdict. `took`: the time since MAIL FROM; `waited`: the part of it that was spent waiting for DNS.
    ///
    /// A question that was not answered is one that the DNS did not answer.
    #[must_use]
    pub fn verdict(mut self, signed: Result<Signed, Fault>, took: Duration, waited: Duration) -> Verdict {
        self.is_fault |= signed.is_err();
        let judging = std::mem::replace(&mut self.judging, Judging::Off);
        let dmarc = guard(|| self.judge(judging));
        self.is_fault |= dmarc.is_err();
        let dmarc = dmarc.ok().flatten().filter(|_| !self.is_fault);
        let signed = if self.is_fault { None } else { signed.ok() };
        let reports = self.verified.reports();
        let dkim = match (self.header.verify && !self.is_fault, self.header.trouble) {
            (false, _) => None,
            (true, _) if self.header.is_malformed => self.bad_format(),
            (true, Some(trouble)) => Some(DkimResults::Incomplete(trouble, self.header.signatures)),
            (true, None) => Some(DkimResults::Reports(reports)),
        };
        let outcomes = Outcomes {
            is_fault: self.is_fault,
            captures_faults: self.captures(),
            trouble: self.header.trouble,
            reports,
            spf: self.spf.as_ref().map_or(Ruling::Pass, SpfResults::ruling),
            dmarc: dmarc.as_ref().map_or(DmarcStep::Done(Enforcement::Observe), |dmarc| self.step(dmarc)),
            dkim: self.dkim_step(dkim.is_some(), reports, signed.as_ref()),
            signed: signed.as_ref(),
            on_key_error: self.header.on_key_error.unwrap_or(OnKeyError::Unsigned),
        };
        let mut action = verdict::decide(&outcomes, &self.rules.config().policy);
        let mut is_fault = self.is_fault;
        let edits =
            guard(|| self.edits(action, dkim, dmarc.as_ref(), signed.as_ref())).ok().flatten().unwrap_or_else(|| {
                // A field of ours that must not be sent: a mistake like any other, and the forged fields still go.
                is_fault = true;
                // What is not sent cannot be quarantined.
                let dmarc = match outcomes.dmarc {
                    DmarcStep::Done(Enforcement::Quarantine) => DmarcStep::Done(Enforcement::Observe),
                    other => other,
                };
                action = verdict::decide(&Outcomes { is_fault, dmarc, ..outcomes }, &self.rules.config().policy);
                let doomed = self.own.doomed().filter(|_| action.passes());
                let new = NewFields { quarantine: captured(action), ..NewFields::default() };
                verdict::edits(doomed, new, false).unwrap_or_default()
            });
        let mark = self.mark_of_pass(action, dmarc.as_ref()).filter(|_| !is_fault);
        if let Some(mark) = mark.filter(|_| !self.rules.is_trial()) {
            self.count(mark, dmarc.as_ref());
        }
        let report = Report {
            facts: &self.facts,
            author: self.header.author.as_ref(),
            signed: signed.as_ref(),
            dkim,
            spf: self.spf.as_ref(),
            dmarc: dmarc.as_ref(),
            iprev: self.facts.iprev_of_client(&self.rules.config().spf),
            refused: self.refused,
            trouble: self.header.trouble,
            is_fault,
            header_fields: self.header.fields,
            header_has_bare_cr: self.header.has_bare_cr,
            body: &self.body,
            removed: self.own.doomed().filter(|_| action.passes()).count(),
            kept: self.own.kept(),
            action,
            took,
            waited,
        };
        let record = report.to_record();
        if !self.rules.is_trial() && !is_fault {
            self.log_as_opendkim(dkim, signed.as_ref());
        }
        // Mail does not fail for the sake of its entry.
        let entry = self.entry_at.and_then(|at| {
            let entry = || dmarc.as_ref().map(|dmarc| journal::record::Dmarc { mark, ..dmarc.entry() });
            guard(|| report.to_entry(at, self.headers.as_deref(), entry())).ok()
        });
        let entry = entry.map(Box::new);
        let reply = action.decision(self.spf.as_ref(), dmarc.as_ref(), &self.rules.config().dmarc.reply);
        let history = dmarc.as_ref().and_then(|dmarc| guard(|| self.history(action, dmarc)).ok().flatten());
        let failure = dmarc.as_ref().filter(|_| !is_fault);
        let failure = failure.and_then(|dmarc| guard(|| self.failure(action, dmarc)).ok().flatten());
        let found = Found { dkim: self.verified, spf: self.spf, dmarc, signed };
        Verdict { action, reply, edits, record, entry, history, failure, found }
    }

    /// What follows from DKIM alone, where the options of OpenDKIM decide about it.
    fn dkim_step(&self, is_verified: bool, reports: &[SignatureReport], signed: Option<&Signed>) -> Option<DkimStep> {
        let ways = self.rules.ways()?;
        if let Some(why) = self.header.refused_for {
            return Some(DkimStep { action: opendkim::Action::Reject, cause: DkimCause::Required(why) });
        }
        if is_verified {
            // OpenDKIM lets it pass, whatever the options say.
            return if self.header.is_malformed { None } else { ways.act(reports) };
        }
        let failed = |attempt: &Attempt| {
            matches!(attempt.outcome, AttemptOutcome::KeyFailed(_) | AttemptOutcome::MessageRefused(_))
        };
        match signed {
            Some(Signed::Tried(attempts)) if attempts.iter().any(failed) => ways.on_signature_error(),
            _ => None,
        }
    }

    /// What OpenDKIM logs about what was signed and verified.
    fn log_as_opendkim(&self, dkim: Option<DkimResults<'_>>, signed: Option<&Signed>) {
        let Some(ways) = self.rules.ways() else { return };
        let job = self.facts.job();
        let step = self.dkim_step(dkim.is_some(), self.verified.reports(), signed);
        if let Some(DkimResults::Reports(reports)) = dkim {
            ways.log_verified(&job, reports, step);
        }
        if let Some(Signed::Tried(attempts)) = signed {
            for attempt in attempts.iter().filter(|attempt| matches!(attempt.outcome, AttemptOutcome::Made(_))) {
                ways.log_added(&job, &attempt.domain, &attempt.selector);
            }
            ways.log_not_signed(&job, step);
        }
    }

    /// What is done about what DMARC says.
    fn judge(&self, judging: Judging) -> Option<DmarcResults> {
        let judged = judging.finish()?;
        if self.rules.opendmarc().is_some() {
            return Some(self.judge_as_opendmarc(judged));
        }
        let dmarc = &self.rules.config().dmarc;
        let recipients;
        let mut circumstances = Circumstances {
            is_behind_relay: self.is_behind_relay(),
            is_forwarder: self.is_forwarded(),
            list_sign: None,
            is_seldom_seen: false,
            draw: 0,
            ramp: None,
            has_more_recipients: self.facts.envelope.recipients_seen()
                > u64::try_from(self.facts.envelope.recipients().len()).unwrap_or(u64::MAX),
            is_ours_by_relay: self.is_ours_by_relay(),
            today: day_of(self.facts.began),
            recipients: &[],
        };
        let mut ruling = match &judged {
            Judged::NoAuthor(why) => policy::rule_without_author(*why, &circumstances, dmarc),
            Judged::Evaluated { evaluation, .. } => {
                if let (DmarcResult::Fail, Some(headers)) = (evaluation.result, &self.headers) {
                    recipients = entry::domains_of(self.facts.envelope.recipients());
                    circumstances.recipients = &recipients;
                    circumstances.list_sign = list_sign(headers);
                    let known = self.rules.known_domains().count(counted_domain(evaluation).as_str());
                    circumstances.is_seldom_seen = known < dmarc.known_after;
                    circumstances.ramp = self.rules.steps().of(evaluation.author.as_str());
                    circumstances.draw = draw(mark(self.facts.envelope.sender(), headers));
                }
                policy::rule(evaluation, &circumstances, dmarc)
            }
        };
        if !self.facts.can_quarantine {
            ruling.without_quarantine();
        }
        Some(DmarcResults { judged, ruling, words: None })
    }

    /// The number of a message that makes its domain known: one that passed and is taken.
    fn mark_of_pass(&self, action: Action, dmarc: Option<&DmarcResults>) -> Option<u32> {
        let Judged::Evaluated { evaluation, .. } = &dmarc?.judged else { return None };
        let headers = self.headers.as_ref()?;
        if action != Action::Accept || evaluation.result != DmarcResult::Pass {
            return None;
        }
        if evaluation.is_spf_aligned() {
            return Some(mark(self.facts.envelope.sender(), headers));
        }
        let aligned = evaluation.dkim.iter().find(|identifier| identifier.is_aligned_pass())?;
        let mut passed = self.verified.reports().iter().filter(|report| report.outcome == Outcome::Pass);
        let signature = passed.find(|report| report.domain.as_ref() == Some(&aligned.domain))?;
        Some(mark_of_signature(signature))
    }

    /// Counts a pass, once a message however often it comes: what the MTA, or a filter behind us, puts off comes again.
    fn count(&self, mark: u32, dmarc: Option<&DmarcResults>) {
        if let Some(Judged::Evaluated { evaluation, .. }) = dmarc.map(|dmarc| &dmarc.judged) {
            let domain = counted_domain(evaluation).as_str();
            self.rules.known_domains().passed(domain, Some(mark), self.facts.began);
        }
    }

    fn step(&self, dmarc: &DmarcResults) -> DmarcStep {
        let defers = self.rules.config().dmarc.on_temperror == OnFailure::Tempfail && dmarc.is_temperror();
        // A relay would try again and in the end bounce.
        if defers && !self.is_behind_relay() && !self.is_forwarded() {
            return DmarcStep::Defer;
        }
        DmarcStep::Done(dmarc.ruling.done)
    }

    fn is_behind_relay(&self) -> bool {
        spf::is_relay(&self.facts, &self.rules.config().spf)
    }

    /// Whether the client, or the client of a relay of ours, is a trusted forwarder.
    fn is_forwarded(&self) -> bool {
        let forwarders = &self.rules.config().dmarc.trusted_forwarders;
        let outside = self.spf.as_ref().and_then(SpfResults::for_dmarc).map(|outcome| outcome.session().client());
        let client = match self.facts.client {
            Client::Ip(address, _) => Some(address),
            Client::Unix | Client::Unknown => None,
        };
        outside.or(client).is_some_and(|address| forwarders.contains(address))
    }

    /// Whether a relay of ours says that the mail is from one of our own people.
    fn is_ours_by_relay(&self) -> bool {
        let why = self.spf.as_ref().and_then(SpfResults::no_client);
        matches!(why, Some(spf::NoClient::Authenticated | spf::NoClient::OwnNetwork))
    }

    fn edits(
        &self,
        action: Action,
        dkim: Option<DkimResults<'_>>,
        dmarc: Option<&DmarcResults>,
        signed: Option<&Signed>,
    ) -> Option<Edits> {
        let is_smtputf8 = self.facts.envelope.is_smtputf8();
        // What is refused or put off is not delivered, and nobody reads an edit of it.
        if !action.passes() {
            return Some(Edits::new());
        }
        let doomed = self.own.doomed();
        let says_nothing = |dkim: &DkimResults<'_>| {
            // `AlwaysAddARHeader` of OpenDKIM: without it, unsigned mail of which there is nothing else to say gets no field.
            let is_silent = self.rules.ways().is_some_and(|ways| !ways.adds_results_to_unsigned_mail());
            let has_nothing = match dkim {
                DkimResults::Reports([]) => is_silent,
                DkimResults::BadFormat(told) => *told == BadFormat::Ignored,
                _ => false,
            };
            has_nothing && self.spf.is_none() && dmarc.is_none()
        };
        let software = self.software();
        let Some(dkim) = dkim.filter(|dkim| !says_nothing(dkim)) else {
            let quarantine = match action {
                Action::Quarantine(RejectCause::Dkim(cause)) => Some(cause.text()),
                action => captured(action),
            };
            let new = NewFields { signed, quarantine, software: software.as_deref(), ..NewFields::default() };
            let mut edits = verdict::edits(doomed, new, is_smtputf8).ok()?;
            self.remove_old_signatures(signed, &mut edits).ok()?;
            return Some(edits);
        };
        // "verify: continue, mark (default)"
        let has_bare = self.header.has_bare_cr || self.body.has_bare_line_ends();
        let remark = has_bare.then_some("message holds a bare CR or LF");
        let config = self.rules.config();
        let mut others = self.spf.as_ref().map_or_else(Vec::new, SpfResults::infos);
        others.extend(dmarc.map(DmarcResults::info));
        others.extend(self.facts.iprev_of_client(&config.spf).map(Iprev::info));
        let with_job_id;
        let own_id = if config.authserv_id_with_job_id {
            with_job_id = format!("{}/{}", self.ids.own(), self.facts.job());
            &with_job_id
        } else {
            self.ids.own()
        };
        let results = results::field_value(own_id, dkim, others, remark, (self.style(), is_smtputf8)).ok()?;
        let spf = self.spf.as_ref().filter(|_| config.spf.received_spf);
        let received_spf = spf.and_then(|spf| spf.received_spf(self.ids.own()));
        // OpenDMARC has no such field.
        let tag = dmarc.filter(|_| self.rules.opendmarc().is_none()).and_then(DmarcResults::tag);
        let quarantine = match action {
            Action::Quarantine(RejectCause::Dkim(cause)) => Some(cause.text().to_owned()),
            Action::Quarantine(_) => dmarc.map(DmarcResults::quarantine_reason),
            _ => None,
        };
        let new = NewFields {
            results: Some(&results),
            received_spf: received_spf.as_deref(),
            tag: tag.as_deref().map(|value| (config.dmarc.tag_header.as_str(), value)),
            quarantine: quarantine.as_deref(),
            software: software.as_deref(),
            signed,
        };
        let mut edits = verdict::edits(doomed, new, is_smtputf8).ok()?;
        self.edits_of_opendmarc(dmarc, &mut edits).ok()?;
        Some(edits)
    }
}

/// The reason for quarantine after a mistake of ours.
fn captured(action: Action) -> Option<&'static str> {
    (action == Action::Quarantine(RejectCause::Captured)).then_some(CAPTURED)
}

/// The day in UTC.
fn day_of(time: UnixTime) -> Date {
    let time = i64::try_from(time.as_secs()).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.unwrap_or(Timestamp::MAX).to_zoned(TimeZone::UTC).date()
}
