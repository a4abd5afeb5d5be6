//! Questions of a survey, and what their answers mean for the term that asked.

use std::sync::Arc;

use super::{Addresses, By, Frame, Hosts, Waiting, Walk};
use crate::dns::{Answer, Exchange, Question, RecordKind};
use crate::limits::Limit;
use crate::name::{Name, NameError};
use crate::outcome::{Entered, Place};
use crate::record::{DualCidr, Qualifier, Selection};
use crate::survey::{RecordState, State, Surveyed};

impl Walk {
    /// Asks, when there may be one more question. Otherwise the term is done with what was found so far.
    pub(super) fn ask(&mut self, question: Question, waiting: Waiting) {
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
    pub(super) fn enter(&mut self, domain: Name, by: By) {
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

    pub(super) fn ask_record(&mut self, domain: Name, entered: Entered, by: By) {
        self.ask(Question::new(domain.clone(), RecordKind::Txt), Waiting::Record { domain, entered, by });
    }

    pub(in crate::survey) fn answer(&mut self, question: Question, answer: Answer) {
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
                    self.decide_for_all(qualifier);
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
        let texts = match answer {
            Answer::Txt(records) => Some(Arc::clone(records)),
            _ => None,
        };
        let all = texts.iter().flat_map(|records| records.texts());
        let text_octets = all.map(Vec::len).fold(0, usize::saturating_add);
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
        self.records.push(Surveyed { domain, entered, state, texts, text_octets });
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
