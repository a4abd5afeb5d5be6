//! One message: what arrives goes in, lookups to start and at the end a [`Verdict`] come out.
//!
//! ```text
//!  begin ─► recipient* ─► header* ─► end_of_headers ─► body* ─► finish ─► Closing ─► Verdict
//!    │         ▲            │              │                       ▲
//!    │         │ refused?   │              │                       │
//!    └─────────┴────────────┴──────────────┴─► lookups ─► answer ──┘
//! ```
//!
//! Synchronous, without IO and clock: it can be driven by a test as well as by a connection. It keeps the raw header section, the
//! envelope and whatever the machines of the cores keep; never the body.
//!
//! Invariants: forged fields of ours are counted before anything else looks at a field, and the count is part of every verdict;
//! a panic in the work on the message is a verdict by `policy.on_internal_error`.

pub mod author;
mod authserv_ids;
pub mod body_facts;
mod closing;
pub mod dmarc;
mod entry;
pub mod envelope;
mod failure;
pub(crate) mod field_counts;
mod guard;
mod headers;
mod iprev;
mod lookups;
mod opendkim;
mod opendmarc;
pub mod origin;
mod own_fields;
pub mod plan;
pub mod received;
mod refusal;
mod report;
mod results;
mod rules;
pub mod spf;
pub mod verdict;
mod work;

use std::collections::HashMap;
use std::sync::Arc;

use dkim_core::UnixTime;
use dkim_core::domain::DomainName;
use dkim_core::header::{Field, HeaderBlock};
use dkim_core::verify::KeyAnswer;

pub use self::authserv_ids::AuthservIds;
pub use self::closing::{Closing, Found, Verdict};
pub use self::guard::{Fault, guard};
pub use self::headers::HeaderTrouble;
pub use self::iprev::Iprev;
pub use self::lookups::{Answered, Lookup};
pub use self::refusal::{EnvelopeStep, Refused};
pub use self::report::Facts;
pub use self::results::MAX_RESULTS;
pub use self::rules::{DomainSigners, Rules, Signer};
pub use self::work::{Attempt, AttemptOutcome, SignJob, Signed, Verified};

use self::author::AuthorError;
use self::body_facts::BodyFacts;
use self::dmarc::{Dmarc, Judging};
use self::headers::{DKIM_SIGNATURE, Headers};
use self::own_fields::OwnFields;
use self::spf::{Spf, SpfResults};
use self::work::Work;
use crate::config::{self, Listener, Mode, OnKeyError};
use crate::logging::OLD_LINE;
use crate::opendkim::{Choice, Mail};

/// A message from MAIL FROM to its verdict.
#[derive(Debug)]
pub struct Message {
    rules: Arc<Rules>,
    listener: Arc<Listener>,
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
    spf: Spf,
    dmarc: Dmarc,
    /// Recipients that were refused at RCPT.
    refused: u64,
}

#[derive(Debug)]
enum Stage {
    Headers(Headers),
    /// The header section is complete, and what is done with the message is being chosen.
    Choosing(Arc<HeaderBlock>),
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
    /// The ways of OpenDKIM look at no signature of it.
    is_malformed: bool,
    /// Why the ways of OpenDKIM refuse it.
    refused_for: Option<&'static str>,
    on_key_error: Option<OnKeyError>,
}

impl Message {
    /// A message begins; it came in by this listener.
    #[must_use]
    pub fn begin(rules: Arc<Rules>, listener: Arc<Listener>, ids: Arc<AuthservIds>, facts: Facts) -> Self {
        let headers = Headers::new(rules.config().limits.header.clone());
        let spf = guard(|| Spf::begin(&facts, listener.mode, &rules.config().spf, ids.own()));
        let stage = if spf.is_ok() { Stage::Headers(headers) } else { Stage::Failed };
        let adds_software = rules.ways().is_some_and(|ways| ways.adds_software());
        let host = facts.mta_name.clone().filter(|name| adds_software && !name.is_empty());
        let own = own_fields(&facts, listener.mode, &rules.config().dmarc).without_software_of(host);
        Self {
            rules,
            listener,
            ids,
            own,
            facts,
            stage,
            header: HeaderSummary::default(),
            headers: None,
            body: BodyFacts::default(),
            to_ask: Vec::new(),
            asked: HashMap::new(),
            spf: spf.unwrap_or_else(|_fault| Spf::off()),
            dmarc: Dmarc::Off,
            refused: 0,
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
        self.own.field(field, self.ids.all());
        let judged = self.listener.mode.verifies() && self.facts.is_to_be_judged();
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
        self.close_headers();
        self.go_on(None, now);
    }

    /// The header section is complete, and what is done with the message has to be chosen: what that takes. [`go_on`](Self::go_on) follows.
    pub fn mail_to_choose_for(&mut self) -> Option<Mail> {
        self.close_headers();
        let Stage::Choosing(headers) = &self.stage else { return None };
        Some(Mail {
            headers: Arc::clone(headers),
            is_whole: self.header.trouble.is_none(),
            is_ours: self.facts.origin.is_ours(),
            is_ignored: self.facts.is_ignored,
            recipients: self.facts.envelope.recipients().to_vec(),
            mode: self.listener.mode,
            client: self.facts.client,
            client_name: self.facts.client_name.escape_ascii().to_string(),
            daemon_name: self.facts.daemon_name.as_deref().unwrap_or_default().escape_ascii().to_string(),
        })
    }

    /// Whether fields stand in the header section that claim to be ours.
    #[must_use]
    pub fn has_forged_fields(&self) -> bool {
        self.own.doomed().next().is_some()
    }

    /// Whether the ways of OpenDMARC judge it although those of OpenDKIM have nothing to do with it: mail of our own is left to its signatures.
    #[must_use]
    pub fn is_for_opendmarc(&self) -> bool {
        self.rules.opendmarc().is_some() && self.facts.is_to_be_judged() && !self.facts.origin.is_ours()
    }

    /// What the ways of OpenDMARC do not judge after all: mail that is signed here, and that of authors who are ignored.
    fn not_for_opendmarc(&mut self, plan: &plan::Plan) {
        let Some(ways) = self.rules.opendmarc().filter(|_| self.facts.is_to_be_judged()) else { return };
        let ignored = plan.author.as_ref().ok().filter(|author| ways.ignores_author(author));
        if let Some(author) = ignored.filter(|_| plan.verify) {
            tracing::info!(target: OLD_LINE, "{}: ignoring mail from {author}", self.facts.job());
        }
        if ignored.is_some() || !plan.verify {
            self.facts.judged = Some(false);
            self.spf = Spf::off();
        }
    }

    fn close_headers(&mut self) {
        match std::mem::replace(&mut self.stage, Stage::Failed) {
            Stage::Headers(headers) => {
                self.header.fields = headers.fields();
                self.header.signatures = headers.signatures();
                self.header.has_bare_cr = headers.has_bare_cr();
                self.header.trouble = headers.trouble();
                if let Ok(headers) = guard(|| Arc::new(headers.finish())) {
                    self.stage = Stage::Choosing(headers);
                }
            }
            other => self.stage = other,
        }
    }

    /// Goes on from the end of the header section, with what was chosen where the ways of OpenDKIM choose.
    pub fn go_on(&mut self, choice: Option<Choice>, now: UnixTime) {
        let headers = match std::mem::replace(&mut self.stage, Stage::Failed) {
            Stage::Choosing(headers) => headers,
            other => {
                self.stage = other;
                return;
            }
        };
        let asked = std::mem::take(&mut self.asked);
        let started = guard(|| {
            let origin = (self.facts.origin, self.facts.rule);
            let trouble = self.header.trouble;
            if let Some(Choice::Refuse(why)) = choice {
                self.header.refused_for = Some(why);
            }
            let mut plan = if self.rules.ways().is_some() {
                plan::as_chosen(choice, &headers, trouble, self.listener.mode)
            } else {
                plan::plan(self.listener.mode, origin, &headers, trouble, &self.rules.config().domains)
            };
            if let (true, plan::SignPlan::Rule(index)) = (self.rules.is_trial(), &plan.sign) {
                plan.sign = plan::SignPlan::Skip(plan::SignSkip::Trial(*index));
            }
            self.not_for_opendmarc(&plan);
            // Without an `opendkim.conf` nothing but DMARC asks for signatures.
            plan.verify &= self.rules.ways().is_some() || self.facts.judged != Some(false);
            self.header.verify = plan.verify;
            // What is delivered is more than what is here: a verdict about the part would be one about another message.
            plan.verify &= trouble.is_none() && !plan.is_malformed;
            self.header.is_malformed = plan.is_malformed;
            if self.header.verify && self.facts.is_to_be_judged() && self.rules.config().dmarc.enabled {
                self.dmarc = Dmarc::begin(&plan.author, trouble, self.rules.org_domains());
            }
            if let plan::SignPlan::With(_) = plan.sign {
                self.header.on_key_error = Some(OnKeyError::Tempfail);
            } else if let plan::SignPlan::Rule(index) = plan.sign {
                self.header.on_key_error = self.rules.signers(index).map(|(rule, _)| rule.options.on_key_error);
            }
            // The relay has said now whose mail this is.
            self.spf.client_of_relay(&headers, &self.listener.trust, &self.rules.config().spf);
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
        self.without_end_of_headers(now);
        self.body.update(chunk);
        if let Stage::Body(work) = &mut self.stage
            && guard(|| work.body(chunk)).is_err()
        {
            self.stage = Stage::Failed;
        }
    }

    /// An MTA that does not tell where the header section ends has nothing chosen for its mail: it is verified.
    fn without_end_of_headers(&mut self, now: UnixTime) {
        if matches!(self.stage, Stage::Headers(_) | Stage::Choosing(_)) {
            self.end_of_headers(now);
        }
    }

    /// What to look up now; each is handed out once.
    pub fn take_lookups(&mut self) -> Vec<Lookup> {
        let mut lookups = Vec::new();
        self.spf.take_lookups(&mut lookups);
        lookups.extend(self.dmarc.take_lookup().map(Lookup::Discovery));
        lookups.extend(std::mem::take(&mut self.to_ask).into_iter().map(Lookup::Key));
        lookups
    }

    /// What came of a lookup.
    pub fn answer(&mut self, answered: Answered) {
        match (answered, &mut self.stage) {
            (_, Stage::Failed) => {}
            (Answered::Helo(outcome), _) => self.spf.answer_helo(outcome),
            (Answered::MailFrom(outcome), _) => self.spf.answer_mail_from(outcome),
            (Answered::Discovery(discovery), _) => self.dmarc.answer(*discovery),
            (Answered::Key(name, answer), Stage::Headers(_) | Stage::Choosing(_)) => {
                if let Some(slot) = self.asked.get_mut(&name) {
                    *slot = Some(answer);
                }
            }
            (Answered::Key(name, answer), Stage::Body(work)) => work.answer(&name, answer),
        }
    }

    /// Whether an answer that counts is missing.
    #[must_use]
    pub fn waits_for_answers(&self) -> bool {
        match &self.stage {
            Stage::Body(work) => work.waits_for_keys() || self.spf.is_waiting() || self.dmarc.is_waiting(),
            Stage::Headers(_) | Stage::Choosing(_) => self.spf.is_waiting(),
            Stage::Failed => false,
        }
    }

    /// The message is complete: verifies, and leaves the signing as a job. A key or a check of the sender that was not answered is
    /// `temperror`.
    #[must_use]
    pub fn finish(mut self, now: UnixTime) -> (Closing, SignJob) {
        self.without_end_of_headers(now);
        self.body.finish();
        let has_bare_line_ends = self.header.has_bare_cr || self.body.has_bare_line_ends();
        let finished = match std::mem::replace(&mut self.stage, Stage::Failed) {
            Stage::Body(work) => guard(|| work.finish(has_bare_line_ends)),
            Stage::Headers(_) | Stage::Choosing(_) | Stage::Failed => Err(Fault),
        };
        let Self { rules, ids, facts, own, header, headers, body, spf, dmarc, refused, .. } = self;
        let joined = finished.and_then(|(verified, job)| {
            guard(|| {
                let spf = spf.finish(&rules.config().spf);
                let for_dmarc = spf.as_ref().and_then(SpfResults::for_dmarc);
                let judging = dmarc.evaluate(for_dmarc, verified.reports(), rules.org_domains());
                (verified, job, spf, judging)
            })
        });
        let is_fault = joined.is_err();
        let (verified, job, spf, judging) =
            joined.unwrap_or_else(|_fault| (Verified::NotAsked, SignJob::nothing(), None, Judging::Off));
        let entry_at = None;
        let closing = Closing {
            rules,
            ids,
            facts,
            own,
            header,
            headers,
            body,
            verified,
            spf,
            judging,
            refused,
            is_fault,
            entry_at,
        };
        (closing, job)
    }
}

/// The fields that are not for others to write, in mail of others.
fn own_fields(facts: &Facts, mode: Mode, dmarc: &config::Dmarc) -> OwnFields {
    let own = OwnFields::new(facts.rule.keeps_results());
    if !mode.verifies() || !facts.is_to_be_judged() || !dmarc.enabled {
        return own;
    }
    let bimi = ["BIMI-Location", "BIMI-Indicator"].into_iter().filter(|_| dmarc.remove_bimi).map(str::to_owned);
    own.without(std::iter::once(dmarc.tag_header.clone()).chain(bimi))
}

#[cfg(test)]
mod tests;
