//! The evaluation itself: records, terms in their order, limits, and how evaluations end in each other (RFC 7208 §4.3 to §4.7).
//!
//! ```text
//!            ┌──────────── Enter (include, redirect) ────────────┐
//!            ▼                                                   │
//!   TXT of the domain ──► term ──► term ──► … ──► end of record ─┤
//!            │              │ ▲                        │         │
//!            │          Ask │ │ answer                 │         │
//!            ▼              ▼ │                        ▼         │
//!     none, permerror   the caller         a result: of the whole, or of an include
//! ```
//!
//! The stack of §5.2's recursion is `checks`: each holds what led to it, so going back is following [`Entered`]. A step that needs an answer
//! returns [`Flow::Ask`]; what the answer is for waits in [`Waiting`]. Steps that need several answers (`ptr`, `%{p}`) keep what they know in the
//! machine and are taken again.

use std::net::IpAddr;
use std::sync::Arc;

use super::step_all::step_all;
use super::step_explanation::Explaining;
use super::step_ip::{step_ip4, step_ip6};
use super::step_mx::MxNames;
use super::step_ptr::Pointers;
use crate::dns::{Answer, Question, RecordKind};
use crate::identity::{Mailbox, Session};
use crate::limits::{Limit, Limits};
use crate::name::Name;
use crate::outcome::{Asked, Cause, Check, Entered, Place, Report, SpfResult};
use crate::record::{DualCidr, Mechanism, Record, Selection, TermKind};

/// Everything about one check.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) session: Session,
    pub(crate) mailbox: Mailbox,
    pub(super) limits: Limits,
    /// What is known so far; its result and cause count when [`is_decided`](Self::is_decided).
    pub(crate) report: Report,
    /// The result is there; at most the explanation is missing.
    pub(super) is_decided: bool,
    /// The evaluation that is going on.
    pub(super) current: usize,
    /// The current term is in `lookups` already.
    pub(super) is_counted: bool,
    /// The names of the client, once they were asked for.
    pub(super) pointers: Option<Pointers>,
    /// The question that is out and not answered.
    question: Option<Question>,
    pub(super) waiting: Waiting,
    pub(super) explaining: Explaining,
}

/// What an answer is for.
#[derive(Debug, Clone)]
pub(super) enum Waiting {
    /// The record of the current evaluation.
    Record,
    /// `a`: addresses to compare.
    Addresses(DualCidr),
    /// `exists`: any address.
    Existence,
    /// `mx`: names.
    Exchanges(DualCidr),
    /// `mx`: addresses of one name.
    ExchangeAddresses(MxNames),
    /// Names of the client; for a `ptr` term a void lookup counts.
    Pointers { is_term: bool },
    /// Addresses of the name at this index of [`Machine::pointers`].
    PointerAddresses(usize),
    /// The text of an explanation.
    Explanation,
}

/// What a step comes to.
#[derive(Debug)]
pub(super) enum Flow {
    /// The term matches.
    Match,
    /// It does not.
    NoMatch,
    /// A question first.
    Ask(Question, Waiting),
    /// Take the same step again; more is known now.
    Again,
    /// Evaluate another domain first.
    Enter(Entered, Name),
    /// The whole check is over.
    Abort(Cause),
}

/// Where the walk over terms that ask nothing stopped.
enum Stop {
    Match,
    /// At a term that asks.
    Lookup(Arc<Record>),
    /// Behind the last term.
    End(Arc<Record>),
    NoRecord,
}

/// Whether a mechanism matches that asks nothing; `None` for one that asks.
pub(super) fn matches_locally(mechanism: &Mechanism, client: IpAddr) -> Option<bool> {
    match mechanism {
        Mechanism::All => Some(step_all()),
        Mechanism::Ip4(network, bits) => Some(step_ip4(*network, *bits, client)),
        Mechanism::Ip6(network, bits) => Some(step_ip6(*network, *bits, client)),
        Mechanism::Include(_) | Mechanism::A(..) | Mechanism::Mx(..) | Mechanism::Ptr(_) | Mechanism::Exists(_) => None,
    }
}

/// Room for the evaluations and questions of nearly every record.
const FEW: usize = 6;

impl Machine {
    /// A check of the domain of a mailbox.
    pub(super) fn start(session: &Session, mailbox: Mailbox, limits: &Limits) -> Box<Self> {
        match mailbox.domain.clone() {
            // §4.3: "If the <domain> is malformed ... or is not a multi-label domain name, check_host() immediately returns the result "none"."
            Err(error) => Self::ended(session, mailbox, limits, Cause::Domain(error)),
            Ok(domain) => {
                let mut machine = Self::new(session, mailbox, limits, FEW);
                machine.report.domain = Some(domain.clone());
                machine.enter(Entered::Start, domain);
                machine
            }
        }
    }

    /// A check that is over before it begins.
    pub(super) fn ended(session: &Session, mailbox: Mailbox, limits: &Limits, cause: Cause) -> Box<Self> {
        let mut machine = Self::new(session, mailbox, limits, 0);
        machine.decide(cause.result().unwrap_or(SpfResult::None), cause, None);
        machine
    }

    /// A machine with room for some evaluations and questions. Until something is decided, there was no answer.
    fn new(session: &Session, mailbox: Mailbox, limits: &Limits, room: usize) -> Box<Self> {
        Box::new(Self {
            session: session.clone(),
            mailbox,
            limits: *limits,
            report: Report {
                result: SpfResult::TempError,
                cause: Cause::Lookup,
                domain: None,
                place: None,
                explanation: None,
                checks: Vec::with_capacity(room),
                questions: Vec::with_capacity(room),
                lookups: 0,
                voids: 0,
                depends_on_sender: false,
                depends_on_helo: false,
                kept_term: None,
            },
            is_decided: false,
            current: 0,
            is_counted: false,
            pointers: None,
            question: None,
            waiting: Waiting::Record,
            explaining: Explaining::Nothing,
        })
    }

    /// Goes on to the next question; `None` when the check is over.
    pub(super) fn run(&mut self) -> Option<Question> {
        while self.question.is_none() {
            if !self.is_decided {
                self.run_terms();
            } else if !self.run_explanation() {
                return None;
            }
        }
        self.question.take()
    }

    /// Takes the answer to a question.
    pub(super) fn answer(&mut self, question: Question, answer: Answer) {
        let waiting = std::mem::replace(&mut self.waiting, Waiting::Record);
        let (check, term) = self.place_of(&waiting);
        let flow = match waiting {
            Waiting::Record => self.take_record(&answer),
            Waiting::Addresses(cidr) => self.take_addresses(&answer, cidr),
            Waiting::Existence => self.take_existence(&answer),
            Waiting::Exchanges(cidr) => self.take_exchanges(&answer, cidr),
            Waiting::ExchangeAddresses(names) => self.take_exchange_addresses(&answer, names),
            Waiting::Pointers { is_term } => self.take_pointers(&answer, is_term),
            Waiting::PointerAddresses(index) => self.take_pointer_addresses(&answer, index),
            Waiting::Explanation => self.take_explanation(&answer),
        };
        self.note(question, answer, check, term);
        self.follow(flow);
    }

    /// Ends the check because its time is over; what was answered too late is kept for the log.
    pub(super) fn expire(&mut self, question: Question, answer: Answer) {
        let (check, term) = self.place_of(&self.waiting);
        self.note(question, answer, check, term);
        if self.is_decided {
            self.explaining = Explaining::Nothing;
        } else {
            self.abort(Cause::Limit(Limit::Time));
        }
    }

    /// Drops everything that is not part of the result: records, answers, and what steps knew.
    pub(crate) fn forget(&mut self) {
        self.report.forget();
        self.pointers = None;
        self.question = None;
        self.waiting = Waiting::Record;
        self.explaining = Explaining::Nothing;
    }

    /// What came of the check.
    pub(crate) fn into_report(self) -> Report {
        self.report
    }

    fn note(&mut self, question: Question, answer: Answer, check: usize, term: Option<usize>) {
        let (lookups, voids) = (self.report.lookups, self.report.voids);
        self.report.questions.push(Asked { question, answer, check, term, lookups, voids });
    }

    /// The evaluation and the term that an answer belongs to.
    fn place_of(&self, waiting: &Waiting) -> (usize, Option<usize>) {
        match waiting {
            Waiting::Record => (self.current, None),
            _ if self.is_decided => self.explaining_place(),
            _ => (self.current, self.place(self.current).map(|place| place.term)),
        }
    }

    // ------------------------------------------------------------------------------------------------------- records and terms

    /// Begins the evaluation of a domain: asks for its TXT records.
    fn enter(&mut self, entered: Entered, domain: Name) {
        self.question = Some(Question::new(domain.clone(), RecordKind::Txt));
        self.waiting = Waiting::Record;
        self.current = self.report.checks.len();
        self.is_counted = false;
        self.report.checks.push(Check { domain, entered, record: None, reached: 0, result: None });
    }

    /// §4.4 and §4.5: what the TXT records of the current domain mean.
    fn take_record(&mut self, answer: &Answer) -> Flow {
        let cause = match answer {
            Answer::Txt(records) => match records.selection() {
                Selection::Record(record) => {
                    if let Some(check) = self.report.checks.get_mut(self.current) {
                        check.record = Some(Arc::clone(record));
                    }
                    return Flow::Again;
                }
                // §4.6: "If there are any syntax errors anywhere in the record, check_host() returns immediately with the result "permerror"".
                Selection::Invalid(error) => return Flow::Abort(Cause::Syntax(Arc::clone(error))),
                Selection::Several => return Flow::Abort(Cause::SeveralRecords),
                Selection::Nothing => Cause::NoRecord,
            },
            Answer::NoData => Cause::NoRecord,
            // §4.3: "if the DNS lookup returns "Name Error" (RCODE 3, also known as "NXDOMAIN"), check_host() immediately returns "none"".
            Answer::NxDomain => Cause::NoSuchDomain,
            // §4.4: "If the DNS lookup returns a server failure (RCODE 2) or some other error (RCODE other than 0 or 3), or if the lookup times
            // out, then check_host() terminates immediately with the result "temperror"."
            _ => return Flow::Abort(Cause::Lookup),
        };
        self.without_record(cause, answer.is_void())
    }

    /// A domain without a record: `none` for the identity, `permerror` for an include (§5.2) and a redirect (§6.1).
    fn without_record(&mut self, cause: Cause, is_void: bool) -> Flow {
        let Some(check) = self.report.checks.get_mut(self.current) else { return Flow::Abort(cause) };
        let (by, cause) = match check.entered {
            Entered::Start => return Flow::Abort(cause),
            Entered::Include(by) => (by, Cause::IncludeWithoutRecord),
            Entered::Redirect(by) => (by, Cause::RedirectWithoutRecord),
        };
        check.result = Some(SpfResult::None);
        self.current = by.check;
        if is_void {
            self.report.voids = self.report.voids.saturating_add(1);
        }
        Flow::Abort(cause)
    }

    /// Evaluates terms until a question comes up or the evaluation ends.
    fn run_terms(&mut self) {
        loop {
            let flow = match self.pass_local_terms() {
                Stop::Match => Flow::Match,
                Stop::Lookup(record) => match record.terms().get(self.reached()).map(|term| &term.kind) {
                    Some(TermKind::Directive(directive)) => self.step(&record, &directive.mechanism),
                    _ => Flow::NoMatch,
                },
                // §4.7: "If none of the mechanisms match and there is no "redirect" modifier, then the check_host() returns a result of "neutral",
                // just as if "?all" were specified as the last directive."
                Stop::End(record) => match self.step_redirect(&record) {
                    Some(flow) => flow,
                    None => return self.end_check(SpfResult::Neutral, Cause::NoMatch),
                },
                // An evaluation without a record waits for one, so its question is out; there is nothing to run.
                Stop::NoRecord => Flow::Abort(Cause::NoRecord),
            };
            match flow {
                Flow::NoMatch => self.next_term(),
                other => return self.follow(other),
            }
        }
    }

    /// Goes over terms that ask nothing, which are most of them in most records.
    fn pass_local_terms(&mut self) -> Stop {
        let client = self.session.client();
        let Some(Check { record: Some(record), reached, .. }) = self.report.checks.get_mut(self.current) else {
            return Stop::NoRecord;
        };
        // §4.6.2: "Each mechanism is considered in turn from left to right."
        for term in record.terms().get(*reached..).unwrap_or_default() {
            let is_match = match &term.kind {
                // §4.6.3: "Modifiers are not mechanisms. They do not return match or not-match."
                TermKind::Modifier(_) => false,
                TermKind::Directive(directive) => match matches_locally(&directive.mechanism, client) {
                    Some(is_match) => is_match,
                    None => return Stop::Lookup(Arc::clone(record)),
                },
            };
            if is_match {
                return Stop::Match;
            }
            *reached = reached.saturating_add(1);
        }
        Stop::End(Arc::clone(record))
    }

    fn step(&mut self, record: &Record, mechanism: &Mechanism) -> Flow {
        match mechanism {
            Mechanism::Include(domain) => self.step_include(record, domain),
            Mechanism::A(domain, cidr) => self.step_a(record, domain.as_ref(), *cidr),
            Mechanism::Mx(domain, cidr) => self.step_mx(record, domain.as_ref(), *cidr),
            Mechanism::Ptr(domain) => self.step_ptr(record, domain.as_ref()),
            Mechanism::Exists(domain) => self.step_exists(record, domain),
            Mechanism::All | Mechanism::Ip4(..) | Mechanism::Ip6(..) => Flow::NoMatch,
        }
    }

    /// Does what a step came to.
    pub(super) fn follow(&mut self, flow: Flow) {
        match flow {
            Flow::Again => (),
            Flow::NoMatch => self.next_term(),
            Flow::Match => match self.qualifier() {
                Some(result) => self.end_check(result, Cause::Match),
                None => self.next_term(),
            },
            Flow::Ask(question, waiting) => {
                self.question = Some(question);
                self.waiting = waiting;
            }
            Flow::Enter(entered, domain) => self.enter(entered, domain),
            Flow::Abort(cause) => self.abort(cause),
        }
    }

    /// The result that a match of the current term gives.
    fn qualifier(&self) -> Option<SpfResult> {
        let check = self.report.checks.get(self.current)?;
        match &check.record.as_ref()?.terms().get(check.reached)?.kind {
            TermKind::Directive(directive) => Some(directive.qualifier.result()),
            TermKind::Modifier(_) => None,
        }
    }

    fn reached(&self) -> usize {
        self.report.checks.get(self.current).map_or(0, |check| check.reached)
    }

    fn next_term(&mut self) {
        self.is_counted = false;
        if let Some(check) = self.report.checks.get_mut(self.current) {
            check.reached = check.reached.saturating_add(1);
        }
    }

    // -------------------------------------------------------------------------------------------------------------------- ends

    /// The current evaluation has a result: hands it to what led to it.
    fn end_check(&mut self, mut result: SpfResult, mut cause: Cause) {
        // A redirect is the same evaluation with another record (§6.1), so what decides for its origin is what decided here.
        let mut decisive = self.current;
        while let Some(check) = self.report.checks.get_mut(self.current) {
            check.result = Some(result);
            match check.entered {
                Entered::Redirect(by) => self.current = by.check,
                Entered::Include(by) => {
                    self.current = by.check;
                    // §5.2: "pass" is a match of the include; "fail", "softfail" and "neutral" are none. Errors do not come this way.
                    let qualified = self.qualifier().filter(|_| result == SpfResult::Pass);
                    let Some(qualified) = qualified else { return self.next_term() };
                    (result, cause, decisive) = (qualified, Cause::Match, by.check);
                }
                Entered::Start => {
                    let place = self.place(decisive).filter(|_| cause == Cause::Match);
                    self.decide(result, cause, place);
                    return self.start_explanation(result, decisive);
                }
            }
        }
    }

    /// The whole check is over: the same error for all evaluations that are going on.
    fn abort(&mut self, cause: Cause) {
        let result = cause.result().unwrap_or(SpfResult::PermError);
        let place = self.place(self.current);
        let mut next = Some(self.current);
        while let Some(check) = next.and_then(|index| self.report.checks.get_mut(index)) {
            check.result = Some(result);
            next = check.entered.by().map(|by| by.check);
        }
        self.decide(result, cause, place);
    }

    fn decide(&mut self, result: SpfResult, cause: Cause, place: Option<Place>) {
        (self.report.result, self.report.cause, self.report.place) = (result, cause, place);
        self.is_decided = true;
    }

    /// The term at which an evaluation stands; without a record of its own, the term that led to it.
    fn place(&self, index: usize) -> Option<Place> {
        let check = self.report.checks.get(index)?;
        let Some(record) = &check.record else { return check.entered.by() };
        // Behind the last term it is the redirect that is being evaluated.
        let term = if check.reached < record.terms().len() { check.reached } else { record.redirect()? };
        Some(Place { check: index, term })
    }
}
