//! The machine of a survey: records on a stack, their terms in the order of evaluation, one question at a time.
//!
//! It counts as [`check`](crate::check) does for a client that nothing matches: a term once (§4.6.4), the PTR question of `%{p}` once a survey, void
//! lookups for each family of addresses apart.

use std::sync::Arc;

use super::ranges::Addresses;
use super::{Authorised, Counts, RecordState, State, Survey, SurveyLimits, Surveyed, SurveyedTerm};
use crate::dns::{Answer, Exchange, Question, RecordKind};
use crate::identity::{Mailbox, Session};
use crate::limits::Limit;
use crate::macros::{Uses, Values, expand_name};
use crate::name::{Name, NameError};
use crate::outcome::{Entered, Place};
use crate::record::{
    DomainSpec, DualCidr, MacroLetter, Mechanism, Modifier, Piece, Qualifier, Record, Selection, Target, TermKind,
};

#[derive(Debug)]
pub(super) struct Walk {
    limits: SurveyLimits,
    records: Vec<Surveyed>,
    terms: Vec<SurveyedTerm>,
    stack: Vec<Frame>,
    counts: Counts,
    /// The PTR question of `%{p}` or `ptr` is counted.
    knows_pointers: bool,
    is_complete: bool,
    and_others: bool,
    questions: usize,
    /// The question to hand out next, or that is out.
    next: Option<Question>,
    waiting: Waiting,
    authorised: Addresses,
}

/// A record that is being read.
#[derive(Debug)]
struct Frame {
    record: Arc<Record>,
    /// Index in `records`.
    at: usize,
    domain: Name,
    /// The term to read next.
    next: usize,
    /// An `all` was read: nothing behind it is reached.
    is_over: bool,
    /// The `redirect=` was followed.
    is_redirected: bool,
    /// What gave `pass`, and all that gave something.
    passed: Addresses,
    decided: Addresses,
    by: By,
}

/// What to do with a record that was read.
#[derive(Debug, Clone, Copy)]
enum By {
    Start,
    Include(Qualifier),
    Redirect,
}

/// What an answer is for; the term is always the last one.
#[derive(Debug)]
enum Waiting {
    Record {
        domain: Name,
        entered: Entered,
        by: By,
    },
    /// `a`: addresses of IPv4, then of IPv6.
    AddressesV4(Hosts),
    AddressesV6(Hosts),
    Existence(Qualifier),
    Exchanges {
        cidr: DualCidr,
        qualifier: Qualifier,
    },
    ExchangeV4(Hosts),
    ExchangeV6(Hosts),
}

/// Hosts whose addresses are asked for.
#[derive(Debug)]
struct Hosts {
    /// Those of an `mx` that come later, the next one last.
    left: Vec<Name>,
    cidr: DualCidr,
    qualifier: Qualifier,
    found: Addresses,
}

/// Why a term has no name to ask about.
enum NoTarget {
    NotAName(NameError),
    Depends,
}

impl Walk {
    pub(super) fn new(domain: Name, limits: &SurveyLimits) -> Self {
        let mut walk = Self {
            limits: *limits,
            records: Vec::new(),
            terms: Vec::new(),
            stack: Vec::new(),
            counts: Counts::default(),
            knows_pointers: false,
            is_complete: true,
            and_others: false,
            questions: 0,
            next: None,
            waiting: Waiting::Existence(Qualifier::Neutral),
            authorised: Addresses::default(),
        };
        walk.ask_record(domain, Entered::Start, By::Start);
        walk
    }

    /// Goes on to the next question; `None` when everything was read.
    pub(super) fn run(&mut self) -> Option<Question> {
        while self.next.is_none() && !self.stack.is_empty() {
            self.read_term();
        }
        self.next.take()
    }

    pub(super) fn into_survey(self) -> Survey {
        let authorised = Authorised {
            v4: u64::try_from(self.authorised.v4.count()).unwrap_or(u64::MAX),
            v6: self.authorised.v6.count(),
            and_others: self.and_others,
        };
        Survey {
            limits: self.limits,
            records: self.records,
            terms: self.terms,
            counts: self.counts,
            authorised,
            is_complete: self.is_complete,
            questions: self.questions,
            addresses: self.authorised,
        }
    }

    // ----------------------------------------------------------------------------------------------------------------- terms

    /// Reads the next term of the record on top, or ends it.
    fn read_term(&mut self) {
        let Some(frame) = self.stack.last_mut() else { return };
        let (record, index) = (Arc::clone(&frame.record), frame.next);
        let Some(term) = record.terms().get(index) else { return self.end_of_terms(&record) };
        frame.next = index.saturating_add(1);
        let is_over = frame.is_over;
        match &term.kind {
            // Followed at the end of the record, where there is no "all".
            TermKind::Modifier(Modifier::Redirect(_)) if !has_all(&record) => (),
            TermKind::Modifier(Modifier::Redirect(_)) => self.begin(index, State::NotReached),
            TermKind::Modifier(_) => self.begin(index, State::NotUsed),
            TermKind::Directive(_) if is_over => self.begin(index, State::NotReached),
            TermKind::Directive(directive) => {
                self.begin(index, State::Local);
                self.directive(&record, directive.qualifier, &directive.mechanism);
            }
        }
    }

    fn directive(&mut self, record: &Record, qualifier: Qualifier, mechanism: &Mechanism) {
        let mut addresses = Addresses::default();
        match mechanism {
            // §5.1: "Mechanisms after "all" will never be tested."
            Mechanism::All => {
                if let Some(frame) = self.stack.last_mut() {
                    frame.is_over = true;
                }
                self.decide(qualifier, &Addresses::all());
            }
            Mechanism::Ip4(network, bits) => {
                addresses.insert_v4(*network, *bits);
                self.decide(qualifier, &addresses);
            }
            Mechanism::Ip6(network, bits) => {
                addresses.insert_v6(*network, *bits);
                self.decide(qualifier, &addresses);
            }
            Mechanism::Include(domain) => {
                if let Some(name) = self.lookup(record, Some(domain), qualifier) {
                    self.enter(name, By::Include(qualifier));
                }
            }
            Mechanism::A(domain, cidr) => {
                if let Some(name) = self.lookup(record, domain.as_ref(), qualifier) {
                    let hosts = Hosts { left: Vec::new(), cidr: *cidr, qualifier, found: addresses };
                    self.ask(Question::new(name, RecordKind::A), Waiting::AddressesV4(hosts));
                }
            }
            Mechanism::Mx(domain, cidr) => {
                if let Some(name) = self.lookup(record, domain.as_ref(), qualifier) {
                    let waiting = Waiting::Exchanges { cidr: *cidr, qualifier };
                    self.ask(Question::new(name, RecordKind::Mx), waiting);
                }
            }
            Mechanism::Exists(domain) => {
                if let Some(name) = self.lookup(record, Some(domain), qualifier) {
                    self.ask(Question::new(name, RecordKind::A), Waiting::Existence(qualifier));
                }
            }
            Mechanism::Ptr(domain) => {
                if self.lookup(record, domain.as_ref(), qualifier).is_some() {
                    self.depends(qualifier);
                }
                self.knows_pointers = true;
            }
        }
    }

    /// Counts the term that was begun, and says its name, when that is one.
    fn lookup(&mut self, record: &Record, domain: Option<&DomainSpec>, qualifier: Qualifier) -> Option<Name> {
        self.count_lookup();
        match self.target(record, domain) {
            Ok(name) => Some(name),
            Err(NoTarget::NotAName(error)) => {
                self.set(State::NotAName(error));
                None
            }
            Err(NoTarget::Depends) => {
                self.depends(qualifier);
                None
            }
        }
    }

    /// The name that a term is about. Only `%{d}` is the same for all clients and senders.
    fn target(&mut self, record: &Record, spec: Option<&DomainSpec>) -> Result<Name, NoTarget> {
        let Some(domain) = self.stack.last().map(|frame| frame.domain.clone()) else {
            return Err(NoTarget::NotAName(NameError::Empty));
        };
        let Some(spec) = spec else { return Ok(domain) };
        let pieces = match &spec.target {
            Target::Name(name) => return Ok(name.clone()),
            Target::NotAName(error) => return Err(NoTarget::NotAName(*error)),
            Target::Macros(pieces) => pieces,
        };
        // §4.6.4: "When evaluating the "ptr" mechanism or the %{p} macro, the number of "PTR" resource records queried is included in the overall
        // limit".
        if Uses::of(pieces).validated && !self.knows_pointers {
            self.knows_pointers = true;
            self.count_lookup();
        }
        let is_fixed = |piece: &Piece| !matches!(piece, Piece::Expand(expand) if expand.letter != MacroLetter::Domain);
        if !pieces.iter().all(is_fixed) {
            return Err(NoTarget::Depends);
        }
        // Nothing of these is in the name.
        let session = Session::new(std::net::Ipv4Addr::UNSPECIFIED.into(), "");
        let mailbox = Mailbox::of_helo(&session);
        let values = Values { session: &session, mailbox: &mailbox, domain: &domain, validated: None };
        expand_name(record.text().as_bytes(), pieces, &values).map_err(NoTarget::NotAName)
    }

    /// Behind the last term: the `redirect=`, and then back to what led here.
    fn end_of_terms(&mut self, record: &Arc<Record>) {
        let Some(frame) = self.stack.last_mut() else { return };
        if !frame.is_redirected && !has_all(record) {
            frame.is_redirected = true;
            let index = record.redirect();
            let kind = index.and_then(|index| record.terms().get(index)).map(|term| &term.kind);
            if let (Some(index), Some(TermKind::Modifier(Modifier::Redirect(domain)))) = (index, kind) {
                self.begin(index, State::Local);
                if let Some(name) = self.lookup(record, Some(domain), Qualifier::Pass) {
                    self.enter(name, By::Redirect);
                }
                return;
            }
        }
        let Some(frame) = self.stack.pop() else { return };
        match frame.by {
            By::Start => self.authorised = frame.passed,
            // §5.2: "pass" is a match of the include.
            By::Include(qualifier) => self.decide(qualifier, &frame.passed),
            // §6.1: the result of the target is the result of the record.
            By::Redirect => self.decide(Qualifier::Pass, &frame.passed),
        }
    }

    /// What a term of the record on top gives these addresses, of those that no earlier term gave something.
    fn decide(&mut self, qualifier: Qualifier, addresses: &Addresses) {
        let Some(frame) = self.stack.last_mut() else { return };
        if qualifier == Qualifier::Pass {
            frame.passed.extend(&addresses.without(&frame.decided));
        }
        frame.decided.extend(addresses);
    }

    // ---------------------------------------------------------------------------------------------------- lines and their counts

    fn begin(&mut self, index: usize, state: State) {
        let Some(frame) = self.stack.last() else { return };
        self.terms.push(SurveyedTerm {
            depth: self.stack.len().saturating_sub(1),
            record: frame.at,
            index,
            state,
            counts: self.counts,
            crosses: Vec::new(),
            led_to: None,
            asked: Vec::new(),
        });
    }

    fn set(&mut self, state: State) {
        if let Some(term) = self.terms.last_mut() {
            term.state = state;
        }
    }

    fn depends(&mut self, qualifier: Qualifier) {
        self.set(State::Depends);
        self.and_others |= qualifier == Qualifier::Pass;
    }

    fn count_lookup(&mut self) {
        self.counts.lookups = self.counts.lookups.saturating_add(1);
        let has_crossed = self.counts.lookups == self.limits.evaluation.max_lookup_terms.saturating_add(1);
        self.counted(has_crossed.then_some(Limit::LookupTerms));
    }

    fn count_voids(&mut self, v4: bool, v6: bool) {
        let before = self.counts.voids();
        self.counts.voids_v4 = self.counts.voids_v4.saturating_add(v4.into());
        self.counts.voids_v6 = self.counts.voids_v6.saturating_add(v6.into());
        let most = self.limits.evaluation.max_void_lookups;
        let has_crossed = before <= most && self.counts.voids() > most;
        self.counted(has_crossed.then_some(Limit::VoidLookups));
    }

    fn counted(&mut self, crossed: Option<Limit>) {
        let counts = self.counts;
        if let Some(term) = self.terms.last_mut() {
            term.counts = counts;
            term.crosses.extend(crossed);
        }
    }

    // ------------------------------------------------------------------------------------------------------ questions and answers

    /// Asks, when there may be one more question. Otherwise the term is done with what was found so far.
    fn ask(&mut self, question: Question, waiting: Waiting) {
        if self.questions < self.limits.max_questions {
            self.questions = self.questions.saturating_add(1);
            self.next = Some(question);
            self.waiting = waiting;
            return;
        }
        self.is_complete = false;
        if self.terms.last().is_some_and(|term| term.asked.is_empty()) {
            self.set(State::NotAsked);
        }
        match waiting {
            Waiting::AddressesV4(hosts)
            | Waiting::AddressesV6(hosts)
            | Waiting::ExchangeV4(hosts)
            | Waiting::ExchangeV6(hosts) => self.decide(hosts.qualifier, &hosts.found),
            Waiting::Record { .. } | Waiting::Existence(_) | Waiting::Exchanges { .. } => (),
        }
    }

    /// Follows the `include` or `redirect=` that was begun.
    fn enter(&mut self, domain: Name, by: By) {
        if !domain.is_multi_label() {
            return self.set(State::NotAName(NameError::SingleLabel));
        }
        if self.stack.iter().any(|frame| frame.domain == domain) {
            return self.set(State::Loop);
        }
        if self.stack.len() > self.limits.max_depth {
            self.is_complete = false;
            return self.set(State::NotAsked);
        }
        let Some(term) = self.terms.last() else { return };
        let place = Place { check: term.record, term: term.index };
        let entered = if matches!(by, By::Redirect) { Entered::Redirect(place) } else { Entered::Include(place) };
        self.ask_record(domain, entered, by);
    }

    fn ask_record(&mut self, domain: Name, entered: Entered, by: By) {
        self.ask(Question::new(domain.clone(), RecordKind::Txt), Waiting::Record { domain, entered, by });
    }

    pub(super) fn answer(&mut self, question: Question, answer: Answer) {
        let waiting = std::mem::replace(&mut self.waiting, Waiting::Existence(Qualifier::Neutral));
        let is_void = answer.is_void();
        let of_v6 = Question::new(question.name.clone(), RecordKind::Aaaa);
        // A record is noted with the term that led to it, which is the last one still.
        if let Some(term) = self.terms.last_mut() {
            term.asked.push((question, answer.clone()));
        }
        match waiting {
            Waiting::Record { domain, entered, by } => self.take_record(&answer, domain, entered, by),
            Waiting::AddressesV4(mut hosts) => {
                self.count_voids(is_void, false);
                self.take_addresses(&answer, &mut hosts);
                self.ask(of_v6, Waiting::AddressesV6(hosts));
            }
            Waiting::AddressesV6(mut hosts) => {
                self.count_voids(false, is_void);
                self.take_addresses(&answer, &mut hosts);
                self.decide(hosts.qualifier, &hosts.found);
            }
            Waiting::Existence(qualifier) => {
                self.count_voids(is_void, is_void);
                self.found(&answer);
                // §5.7: "If any A record is returned, this mechanism matches", whoever the client is.
                if matches!(answer, Answer::A(_)) && !is_void {
                    self.decide(qualifier, &Addresses::all());
                }
            }
            Waiting::Exchanges { cidr, qualifier } => self.take_exchanges(&answer, cidr, qualifier),
            // Not counted as void: §4.6.4 counts terms.
            Waiting::ExchangeV4(mut hosts) => {
                self.take_addresses(&answer, &mut hosts);
                self.ask(of_v6, Waiting::ExchangeV6(hosts));
            }
            Waiting::ExchangeV6(mut hosts) => {
                self.take_addresses(&answer, &mut hosts);
                self.next_exchange(hosts);
            }
        }
    }

    fn take_record(&mut self, answer: &Answer, domain: Name, entered: Entered, by: By) {
        let state = match answer {
            Answer::Txt(records) => match records.selection() {
                Selection::Record(record) => RecordState::Record(Arc::clone(record)),
                Selection::Invalid(error) => RecordState::Invalid(Arc::clone(error)),
                Selection::Several => RecordState::Several,
                Selection::Nothing => RecordState::Nothing,
            },
            Answer::NoData => RecordState::Nothing,
            Answer::NxDomain => RecordState::NxDomain,
            Answer::A(_) | Answer::Aaaa(_) | Answer::Mx(_) | Answer::Ptr(_) | Answer::Failed => RecordState::Failed,
        };
        let at = self.records.len();
        if entered != Entered::Start {
            self.count_voids(answer.is_void(), answer.is_void());
            if let Some(term) = self.terms.last_mut() {
                term.led_to = Some(at);
            }
            self.set(match &state {
                RecordState::Record(_) => State::Found,
                RecordState::Failed => State::Failed,
                _ => State::NoRecord,
            });
        }
        self.is_complete &= !matches!(state, RecordState::Failed);
        let text_octets = match answer {
            Answer::Txt(records) => records.texts().iter().map(Vec::len).fold(0, usize::saturating_add),
            _ => 0,
        };
        if let RecordState::Record(record) = &state {
            self.stack.push(Frame {
                record: Arc::clone(record),
                at,
                domain: domain.clone(),
                next: 0,
                is_over: false,
                is_redirected: false,
                passed: Addresses::default(),
                decided: Addresses::default(),
                by,
            });
        }
        self.records.push(Surveyed { domain, entered, state, text_octets });
    }

    fn take_addresses(&mut self, answer: &Answer, hosts: &mut Hosts) {
        let (found, cidr) = (&mut hosts.found, hosts.cidr);
        match answer {
            Answer::A(addresses) => addresses.iter().for_each(|address| found.insert_v4(*address, cidr.v4)),
            Answer::Aaaa(addresses) => addresses.iter().for_each(|address| found.insert_v6(*address, cidr.v6)),
            _ => (),
        }
        self.found(answer);
    }

    /// What one answer makes of the term: a failure weighs most, then anything that was found.
    fn found(&mut self, answer: &Answer) {
        let is_failed = matches!(answer, Answer::Failed | Answer::Txt(_) | Answer::Mx(_) | Answer::Ptr(_));
        self.is_complete &= !is_failed;
        let Some(term) = self.terms.last_mut() else { return };
        term.state = match term.state {
            State::Failed => State::Failed,
            _ if is_failed => State::Failed,
            State::Found => State::Found,
            _ if answer.is_void() => State::Void,
            _ => State::Found,
        };
    }

    fn take_exchanges(&mut self, answer: &Answer, cidr: DualCidr, qualifier: Qualifier) {
        let Answer::Mx(exchanges) = answer else {
            let is_void = answer.is_void();
            self.is_complete &= is_void;
            self.set(if is_void { State::Void } else { State::Failed });
            return self.count_voids(is_void, is_void);
        };
        self.set(State::Found);
        let most = self.limits.evaluation.max_mx_names;
        if exchanges.len() > most {
            self.counted(Some(Limit::MxNames));
        }
        let mut ordered: Vec<&Exchange> = exchanges.iter().collect();
        ordered.sort_by_key(|exchange| exchange.preference);
        ordered.truncate(most);
        let left = ordered.into_iter().rev().filter_map(|exchange| exchange.name.clone()).collect();
        self.next_exchange(Hosts { left, cidr, qualifier, found: Addresses::default() });
    }

    fn next_exchange(&mut self, mut hosts: Hosts) {
        match hosts.left.pop() {
            Some(name) => self.ask(Question::new(name, RecordKind::A), Waiting::ExchangeV4(hosts)),
            None => self.decide(hosts.qualifier, &hosts.found),
        }
    }
}

/// §6.1: a `redirect=` "has to be ignored when there is an "all" mechanism anywhere in the record".
fn has_all(record: &Record) -> bool {
    let is_all = |kind: &TermKind| matches!(kind, TermKind::Directive(one) if one.mechanism == Mechanism::All);
    record.terms().iter().any(|term| is_all(&term.kind))
}
