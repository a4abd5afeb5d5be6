//! The machine of a survey: records on a stack, their terms in the order of evaluation, one question at a time.
//!
//! It counts as [`check`](crate::check) does for a client that nothing matches: a term once (§4.6.4), the PTR question of `%{p}` once a survey, void
//! lookups for each family of addresses apart. `answers.rs` asks, and takes what is answered.

mod answers;

use std::sync::Arc;

use super::ranges::Addresses;
use super::{Authorised, Counts, State, Survey, SurveyLimits, Surveyed, SurveyedTerm};
use crate::dns::{Question, RecordKind};
use crate::identity::{Mailbox, Session};
use crate::limits::Limit;
use crate::macros::{Uses, Values, expand_name};
use crate::name::{Name, NameError};
use crate::outcome::Entered;
use crate::record::{
    DomainSpec, DualCidr, MacroLetter, Mechanism, Modifier, Piece, Qualifier, Record, Target, TermKind,
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
        if self.terms.len() >= self.limits.max_terms {
            self.is_complete = false;
            frame.next = record.terms().len();
            return;
        }
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
                self.decide_for_all(qualifier);
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
                if self.terms.len() >= self.limits.max_terms {
                    self.is_complete = false;
                    return;
                }
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

    /// What a term that every client matches gives those who come to it.
    fn decide_for_all(&mut self, qualifier: Qualifier) {
        let is_behind_everybody = self.stack.iter().any(|frame| frame.decided.is_all());
        if let Some(term) = self.terms.last_mut() {
            term.is_behind_everybody = is_behind_everybody;
        }
        self.decide(qualifier, &Addresses::all());
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
            is_behind_everybody: false,
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
}

/// §6.1: a `redirect=` "has to be ignored when there is an "all" mechanism anywhere in the record".
fn has_all(record: &Record) -> bool {
    let is_all = |kind: &TermKind| matches!(kind, TermKind::Directive(one) if one.mechanism == Mechanism::All);
    record.terms().iter().any(|term| is_all(&term.kind))
}
