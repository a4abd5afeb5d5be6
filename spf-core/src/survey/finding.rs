//! What an operator should know of a record: errors that make evaluations end, and what is allowed and unwise.

use std::sync::Arc;

use super::{RecordState, State, Survey, SurveyedTerm};
use crate::dns::Answer;
use crate::limits::Limit;
use crate::name::NameError;
use crate::outcome::Entered;
use crate::record::{Mechanism, Qualifier, RecordError, TermKind};

/// RFC 7208 §3.4: "if the combined length of the DNS name and the text of all the records of a given type is under 450 octets, then DNS answers
/// ought to fit in UDP packets".
const MAX_ANSWER: usize = 450;

/// Something found, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The record it is about: index in [`Survey::records`].
    pub record: usize,
    /// The term it is about: index in [`Survey::terms`]; `None` when it is about the whole record.
    pub term: Option<usize>,
    /// What it is.
    pub problem: Problem,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// The domain has no SPF record.
    NoRecord,
    /// It has several, which is `permerror` (RFC 7208 §4.5).
    SeveralRecords,
    /// A syntax error, which is `permerror` (§4.6).
    Syntax(Arc<RecordError>),
    /// This term passes a limit of §4.6.4: `permerror` for clients that come so far.
    Limit(Limit),
    /// The target of an `include` or `redirect=` has no record, several, or one with a syntax error: `permerror` (§5.2, §6.1).
    BrokenTarget,
    /// The target of an `include` or `redirect=` is a record that is being evaluated already: it comes to no end within the limits.
    Loop,
    /// The name of a term cannot be asked about: it matches nobody, and for `include` and `redirect=` it is `permerror`.
    Name(NameError),
    /// The DNS did not answer: `temperror` now.
    Unanswered,
    /// More than [`SurveyLimits`](super::SurveyLimits) allow was there; the rest was not looked at.
    Incomplete,
    /// `+all`, or an `exists` of a fixed name that exists: everybody passes who comes there. Not told of a record that is included with another
    /// qualifier than `+`, nor behind terms that give everybody a result.
    PassAll,
    /// The record ends with `?all`, or with neither an `all` nor a `redirect=`: it says nothing about strangers (§4.7).
    NeutralEnd,
    /// `ptr`, whose addresses depend on the client too. §5.5: "This mechanism SHOULD NOT be published."
    Pointer,
    /// Terms behind `all`, which nobody evaluates (§5.1); `redirect=` is one of them (§6.1).
    BehindAll,
    /// A term of which the DNS has nothing: of no use, and counted (§4.6.4).
    Void,
    /// An `mx` whose mail exchangers have no addresses, or that says that there are none (RFC 7505): it authorises nobody.
    NoAddress,
    /// A term whose addresses depend on the client or the sender, so that they are in no sum.
    DependsOnClient,
    /// The text of the record, in octets, is longer than what §3.4 wants for name and answer together.
    LongRecord(usize),
    /// All TXT records of the domain together are that long, in octets.
    LongAnswer(usize),
}

impl Survey {
    /// What is wrong with the record and unwise in it, in the order of the terms; what is about whole records comes first, or where it was met.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        self.about_domain(&mut findings);
        for (index, term) in self.terms.iter().enumerate() {
            let mut problems = Vec::new();
            self.about_term(term, &mut problems);
            let found = |problem| Finding { record: term.record, term: Some(index), problem };
            findings.extend(problems.into_iter().map(found));
        }
        self.about_end(&mut findings);
        let is_told = |finding: &Finding| finding.problem == Problem::Unanswered;
        if !self.is_complete && !findings.iter().any(is_told) {
            findings.push(Finding { record: 0, term: None, problem: Problem::Incomplete });
        }
        findings
    }

    /// The domain's own record as a whole.
    fn about_domain(&self, findings: &mut Vec<Finding>) {
        let Some(own) = self.records.first() else { return };
        let mut tell = |problem| findings.push(Finding { record: 0, term: None, problem });
        match &own.state {
            RecordState::Record(record) => {
                let name = own.domain.as_str().len();
                let (record, all) = (name.saturating_add(record.text().len()), name.saturating_add(own.text_octets));
                if record > MAX_ANSWER {
                    tell(Problem::LongRecord(record));
                } else if all > MAX_ANSWER {
                    tell(Problem::LongAnswer(all));
                }
            }
            RecordState::Invalid(error) => tell(Problem::Syntax(Arc::clone(error))),
            RecordState::Several => tell(Problem::SeveralRecords),
            RecordState::Nothing | RecordState::NxDomain => tell(Problem::NoRecord),
            RecordState::Failed => tell(Problem::Unanswered),
        }
    }

    fn about_term(&self, term: &SurveyedTerm, problems: &mut Vec<Problem>) {
        problems.extend(term.crosses.iter().map(|limit| Problem::Limit(*limit)));
        let Some(kind) = self.record_of(term).and_then(|record| record.terms().get(term.index)).map(|term| &term.kind)
        else {
            return;
        };
        let is_own = term.record == 0;
        match term.state {
            State::NotReached if is_own => return problems.push(Problem::BehindAll),
            State::NotReached | State::NotUsed => return,
            State::NoRecord => problems.push(self.broken_target(term)),
            State::Loop => problems.push(Problem::Loop),
            State::NotAName(error) => problems.push(Problem::Name(error)),
            State::Failed => problems.push(Problem::Unanswered),
            State::Void => problems.push(Problem::Void),
            // Of `ptr` that is told with the rest.
            State::Depends if is_pointer(kind) => (),
            State::Depends => problems.push(Problem::DependsOnClient),
            State::Local | State::Found | State::NotAsked => (),
        }
        let TermKind::Directive(directive) = kind else { return };
        match (&directive.mechanism, term.state) {
            (Mechanism::Ptr(_), _) => problems.push(Problem::Pointer),
            (Mechanism::All, State::Local) | (Mechanism::Exists(_), State::Found)
                if directive.qualifier == Qualifier::Pass
                    && !term.is_behind_everybody
                    && self.gives_what_it_matches(term.record) =>
            {
                problems.push(Problem::PassAll);
            }
            (Mechanism::Mx(..), State::Found) if self.has_no_address(term) => problems.push(Problem::NoAddress),
            _ => (),
        }
    }

    /// Whether `pass` of this record is `pass` of the domain's own: each `include` on the way has the qualifier `+`.
    fn gives_what_it_matches(&self, mut record: usize) -> bool {
        loop {
            let place = match self.records.get(record).map(|record| record.entered) {
                Some(Entered::Include(place)) => {
                    let including = self.records.get(place.check).and_then(|record| record.state.record());
                    match including.and_then(|record| record.terms().get(place.term)).map(|term| &term.kind) {
                        Some(TermKind::Directive(directive)) if directive.qualifier == Qualifier::Pass => place,
                        _ => return false,
                    }
                }
                Some(Entered::Redirect(place)) => place,
                _ => return true,
            };
            // What leads to a record is an earlier one.
            if place.check >= record {
                return false;
            }
            record = place.check;
        }
    }

    /// Whether all hosts of an `mx` were asked for, and none has an address.
    fn has_no_address(&self, term: &SurveyedTerm) -> bool {
        let is_address = |answer: &Answer| matches!(answer, Answer::A(_) | Answer::Aaaa(_)) && !answer.is_void();
        // Behind the last question hosts may be left that have some.
        self.questions < self.limits.max_questions && !term.asked.iter().any(|(_, answer)| is_address(answer))
    }

    /// Why the target of an include has no record that could be evaluated.
    fn broken_target(&self, term: &SurveyedTerm) -> Problem {
        match term.led_to.and_then(|index| self.records.get(index)).map(|target| &target.state) {
            Some(RecordState::Invalid(error)) => Problem::Syntax(Arc::clone(error)),
            Some(RecordState::Several) => Problem::SeveralRecords,
            _ => Problem::BrokenTarget,
        }
    }

    /// How the domain's own record ends, or that of its `redirect=`.
    fn about_end(&self, findings: &mut Vec<Finding>) {
        let mut record = 0;
        // Each redirect is a later record.
        while let Some(next) = self.terms.iter().find(|term| term.record == record && self.is_redirect(term)) {
            match next.led_to {
                Some(target) if target > record => record = target,
                _ => return,
            }
        }
        let Some(RecordState::Record(ending)) = self.records.get(record).map(|record| &record.state) else { return };
        let all = ending.terms().iter().find_map(|term| match &term.kind {
            TermKind::Directive(directive) if directive.mechanism == Mechanism::All => Some(directive.qualifier),
            _ => None,
        });
        if matches!(all, None | Some(Qualifier::Neutral)) {
            let is_all = |term: &SurveyedTerm| term.record == record && self.is_neutral_all(term);
            let term = self.terms.iter().position(is_all);
            findings.push(Finding { record, term, problem: Problem::NeutralEnd });
        }
    }

    fn is_redirect(&self, term: &SurveyedTerm) -> bool {
        term.state != State::NotReached
            && self.record_of(term).is_some_and(|record| record.redirect() == Some(term.index))
    }

    fn is_neutral_all(&self, term: &SurveyedTerm) -> bool {
        let kind = self.record_of(term).and_then(|record| record.terms().get(term.index)).map(|term| &term.kind);
        matches!(kind, Some(TermKind::Directive(one)) if one.mechanism == Mechanism::All && one.qualifier == Qualifier::Neutral)
    }
}

fn is_pointer(kind: &TermKind) -> bool {
    matches!(kind, TermKind::Directive(directive) if matches!(directive.mechanism, Mechanism::Ptr(_)))
}
