//! One message: what arrives goes in, lookups to start and at the end a [`Verdict`] come out.
//!
//! ```text
//!  begin ─► recipient* ─► header* ─► end_of_headers ─► body* ─► finish ─► Closing ─► Verdict
//!                           │              │                       ▲
//!                           └──────────────┴─► lookups ─► answer ──┘
//! ```
//!
//! Synchronous, without IO and clock: it can be driven by a test as well as by a connection. It keeps the raw header section, the
//! envelope and whatever the machines of the cores keep; never the body.
//!
//! Invariants: forged fields of ours are counted before anything else looks at a field, and the count is part of every verdict;
//! a panic in the work on the message is a verdict by `policy.on_internal_error`.

pub mod author;
pub mod body_facts;
pub mod envelope;
mod guard;
mod headers;
pub mod origin;
mod own_fields;
pub mod plan;
pub mod received;
mod report;
mod results;
mod rules;
pub mod verdict;
mod work;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use dkim_core::UnixTime;
use dkim_core::domain::DomainName;
use dkim_core::header::{Field, HeaderBlock};
use dkim_core::verify::KeyAnswer;
use milter_proto::Edits;

pub use self::guard::{Fault, guard};
pub use self::headers::HeaderTrouble;
pub use self::report::Facts;
pub use self::results::MAX_RESULTS;
pub use self::rules::{DomainSigners, Rules, Signer};
pub use self::work::{Attempt, AttemptOutcome, SignJob, Signed, Verified};

use self::author::AuthorError;
use self::body_facts::BodyFacts;
use self::envelope::Envelope;
use self::headers::{DKIM_SIGNATURE, Headers};
use self::own_fields::OwnFields;
use self::report::Report;
use self::results::DkimResults;
use self::verdict::{Action, Outcomes};
use self::work::Work;
use crate::config::{Mode, OnKeyError};
use crate::logging::Record;

/// The names by which we are known in Authentication-Results fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthservIds {
    /// Ours first, then further ones whose fields are removed.
    all: Vec<String>,
}

impl AuthservIds {
    /// Our own id, and others that count as ours when they come in.
    ///
    /// An internationalized name is ours in A-labels: the field of a message that is not SMTPUTF8 is ASCII, and what stands there
    /// must be what incoming fields are compared with. They are compared in both spellings.
    #[must_use]
    pub fn new(own: String, others: &[String]) -> Self {
        let a_labels = if own.is_ascii() { None } else { DomainName::parse(&own).ok() };
        let own = a_labels.map_or(own, |name| name.as_str().to_owned());
        Self { all: std::iter::once(own).chain(others.iter().cloned()).collect() }
    }

    /// The id that we write.
    #[must_use]
    pub fn own(&self) -> &str {
        self.all.first().map_or("", String::as_str)
    }
}

/// A message from MAIL FROM to its verdict.
#[derive(Debug)]
pub struct Message {
    rules: Arc<Rules>,
    mode: Mode,
    ids: Arc<AuthservIds>,
    facts: Facts,
    own: OwnFields,
    stage: Stage,
    header: HeaderSummary,
    /// The header section as it came, once it is complete.
    headers: Option<Arc<HeaderBlock>>,
    body: BodyFacts,
    /// Names of keys to look up that the caller has not taken yet.
    to_ask: Vec<String>,
    asked: HashMap<String, Option<KeyAnswer>>,
}

#[derive(Debug)]
enum Stage {
    Headers(Headers),
    Body(Box<Work>),
    /// Work on the message panicked and was given up.
    Failed,
}

/// What stays of the header section in any case.
#[derive(Clone, Debug, Default)]
struct HeaderSummary {
    fields: u64,
    signatures: u64,
    has_bare_cr: bool,
    trouble: Option<HeaderTrouble>,
    author: Option<Result<DomainName, AuthorError>>,
    verify: bool,
    on_key_error: Option<OnKeyError>,
}

impl Message {
    /// A message begins.
    #[must_use]
    pub fn begin(rules: Arc<Rules>, mode: Mode, ids: Arc<AuthservIds>, facts: Facts) -> Self {
        let headers = Headers::new(rules.config().limits.header.clone());
        Self {
            rules,
            mode,
            ids,
            own: OwnFields::new(facts.rule.keeps_results()),
            facts,
            stage: Stage::Headers(headers),
            header: HeaderSummary::default(),
            headers: None,
            body: BodyFacts::default(),
            to_ask: Vec::new(),
            asked: HashMap::new(),
        }
    }

    /// The MTA told the queue id.
    pub fn queue_id(&mut self, id: &[u8]) {
        if !id.is_empty() && self.facts.queue_id.as_deref() != Some(id) {
            self.facts.queue_id = Some(id.to_vec());
        }
    }

    /// A recipient.
    pub fn recipient(&mut self, address: &[u8]) {
        self.facts.envelope.recipient(address);
    }

    /// A header field with its raw value (CRLF folds, leading space).
    pub fn header(&mut self, name: &[u8], value: &[u8]) {
        let field = Field::new(name, value);
        // First and outside of all that could fail: this count must be right.
        self.own.field(field, &self.ids.all);
        let judged = self.mode.verifies() && self.facts.is_to_be_judged();
        let Stage::Headers(headers) = &mut self.stage else { return };
        let pushed = guard(|| headers.push(field));
        // Keys of the signatures that will be looked at are asked for while the rest of the message is on its way.
        let most = self.rules.verify_policy().max_signatures;
        let prefetch = judged && self.asked.len() < most && field.is_named(DKIM_SIGNATURE);
        let name = if prefetch { guard(|| work::prefetch_name(value)) } else { Ok(None) };
        match (pushed, name) {
            (Ok(()), Ok(None)) => {}
            (Ok(()), Ok(Some(name))) => {
                if !self.asked.contains_key(&name) {
                    self.asked.insert(name.clone(), None);
                    self.to_ask.push(name);
                }
            }
            (Err(Fault), _) | (_, Err(Fault)) => self.stage = Stage::Failed,
        }
    }

    /// The header section is complete.
    pub fn end_of_headers(&mut self, now: UnixTime) {
        let Stage::Headers(headers) = std::mem::replace(&mut self.stage, Stage::Failed) else { return };
        self.header.fields = headers.fields();
        self.header.signatures = headers.signatures();
        self.header.has_bare_cr = headers.has_bare_cr();
        self.header.trouble = headers.trouble();
        let asked = std::mem::take(&mut self.asked);
        let started = guard(|| {
            let headers = Arc::new(headers.finish());
            let origin = (self.facts.origin, self.facts.rule);
            let trouble = self.header.trouble;
            let mut plan = plan::plan(self.mode, origin, &headers, trouble, &self.rules.config().domains);
            self.header.verify = plan.verify;
            // What is delivered is more than what is here: a verdict about the part would be one about another message.
            plan.verify &= trouble.is_none();
            if let plan::SignPlan::Rule(index) = plan.sign {
                self.header.on_key_error = self.rules.signers(index).map(|(rule, _)| rule.options.on_key_error);
            }
            let mut work = Work::start(&self.rules, &plan, &headers, asked, now);
            self.headers = Some(headers);
            self.to_ask.extend(work.names_to_ask());
            self.header.author = Some(plan.author);
            work
        });
        if let Ok(work) = started {
            self.stage = Stage::Body(Box::new(work));
        }
    }

    /// A piece of the body, cut anywhere.
    pub fn body(&mut self, chunk: &[u8], now: UnixTime) {
        if matches!(self.stage, Stage::Headers(_)) {
            self.end_of_headers(now);
        }
        self.body.update(chunk);
        if let Stage::Body(work) = &mut self.stage
            && guard(|| work.body(chunk)).is_err()
        {
            self.stage = Stage::Failed;
        }
    }

    /// Names of keys to look up now; each is handed out once.
    pub fn take_lookups(&mut self) -> Vec<String> {
        std::mem::take(&mut self.to_ask)
    }

    /// The answer to a lookup.
    pub fn answer(&mut self, name: &str, answer: KeyAnswer) {
        match &mut self.stage {
            Stage::Headers(_) => {
                if let Some(slot) = self.asked.get_mut(name) {
                    *slot = Some(answer);
                }
            }
            Stage::Body(work) => work.answer(name, answer),
            Stage::Failed => {}
        }
    }

    /// Whether an answer that counts is missing.
    #[must_use]
    pub fn waits_for_keys(&self) -> bool {
        match &self.stage {
            Stage::Body(work) => work.waits_for_keys(),
            Stage::Headers(_) | Stage::Failed => false,
        }
    }

    /// The message is complete: verifies, and leaves the signing as a job. A key that was not answered is `temperror`.
    #[must_use]
    pub fn finish(mut self, now: UnixTime) -> (Closing, SignJob) {
        if matches!(self.stage, Stage::Headers(_)) {
            self.end_of_headers(now);
        }
        self.body.finish();
        let has_bare_line_ends = self.header.has_bare_cr || self.body.has_bare_line_ends();
        let finished = match std::mem::replace(&mut self.stage, Stage::Failed) {
            Stage::Body(work) => guard(|| work.finish(has_bare_line_ends)),
            Stage::Headers(_) | Stage::Failed => Err(Fault),
        };
        let is_fault = finished.is_err();
        let (verified, job) = finished.unwrap_or_else(|_fault| (Verified::NotAsked, SignJob::nothing()));
        let Self { rules, ids, facts, own, header, headers, body, .. } = self;
        (Closing { rules, ids, facts, own, header, headers, body, verified, is_fault }, job)
    }
}

/// A message that is complete and waits for its signatures.
#[derive(Debug)]
pub struct Closing {
    rules: Arc<Rules>,
    ids: Arc<AuthservIds>,
    facts: Facts,
    own: OwnFields,
    header: HeaderSummary,
    headers: Option<Arc<HeaderBlock>>,
    body: BodyFacts,
    verified: Verified,
    is_fault: bool,
}

/// What to do about a message, and what to say about it.
#[derive(Debug)]
pub struct Verdict {
    /// What the MTA is told.
    pub action: Action,
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
            signed: signed.as_ref(),
            on_key_error: self.header.on_key_error.unwrap_or(OnKeyError::Unsigned),
        };
        let mut action = verdict::decide(&outcomes, &self.rules.config().policy);
        let mut is_fault = self.is_fault;
        let edits = self.edits(action, dkim, signed.as_ref()).unwrap_or_else(|| {
            // A field of ours that must not be sent: a mistake like any other, and the forged fields still go.
            is_fault = true;
            action = verdict::decide(&Outcomes { is_fault, ..outcomes }, &self.rules.config().policy);
            verdict::edits(self.own.doomed(), None, None, false).unwrap_or_default()
        });
        let report = Report {
            facts: &self.facts,
            author: self.header.author.as_ref(),
            signed: signed.as_ref(),
            dkim,
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
        Verdict { action, edits, record: report.to_record() }
    }

    fn edits(&self, action: Action, dkim: Option<DkimResults<'_>>, signed: Option<&Signed>) -> Option<Edits> {
        let is_smtputf8 = self.facts.envelope.is_smtputf8();
        let doomed = self.own.doomed();
        if action != Action::Accept {
            return verdict::edits(doomed, None, None, is_smtputf8).ok();
        }
        // X-6: "verify: continue, mark (default)"
        let has_bare = self.header.has_bare_cr || self.body.has_bare_line_ends();
        let remark = has_bare.then_some("message holds a bare CR or LF");
        let results = match dkim {
            Some(dkim) => Some(results::field_value(self.ids.own(), dkim, remark, is_smtputf8).ok()?),
            None => None,
        };
        verdict::edits(doomed, results.as_deref(), signed, is_smtputf8).ok()
    }
}

#[cfg(test)]
mod tests;
