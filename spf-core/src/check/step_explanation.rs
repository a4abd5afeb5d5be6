//! `exp=`: why a client may not (RFC 7208 §6.2).
//!
//! Begins when everything is decided, and only for a `fail`: nothing here changes a result or counts against a limit. Whatever goes wrong, §6.2 has
//! receivers "proceed as if no "exp" modifier was given".

use std::sync::Arc;

use super::machine::{Flow, Machine, Waiting};
use crate::dns::{Answer, Question, RecordKind, TxtRecords};
use crate::macros::{Uses, expand_text};
use crate::outcome::{Explanation, SpfResult};
use crate::parse::{Allowed, Whole, macro_string};
use crate::record::{Modifier, Piece, Record, TermKind};

/// How far the explanation is.
#[derive(Debug, Clone)]
pub(super) enum Explaining {
    /// There is none, or not yet.
    Nothing,
    /// The name of the text is to be found.
    Target(Arc<Record>),
    /// The text is there and is to be expanded.
    Text(Arc<TxtRecords>),
}

impl Machine {
    /// The check ended with this result, decided by this evaluation: the identity's own, or the one that it was redirected to.
    ///
    /// §6.2: "when executing "include", exp= of the target domain MUST NOT be used", and "When executing "redirect", exp= of the original domain
    /// MUST NOT be used": so it is the record that decided and no other.
    pub(super) fn start_explanation(&mut self, result: SpfResult, decisive: usize) {
        if result != SpfResult::Fail || !self.limits.explanation {
            return;
        }
        let Some(record) = self.report.checks.get(decisive).and_then(|check| check.record.as_ref()) else { return };
        if record.explanation().is_some() {
            self.explaining = Explaining::Target(Arc::clone(record));
            self.current = decisive;
        }
    }

    /// The evaluation and the term that questions of an explanation belong to.
    pub(super) fn explaining_place(&self) -> (usize, Option<usize>) {
        let record = self.report.checks.get(self.current).and_then(|check| check.record.as_ref());
        (self.current, record.and_then(|record| record.explanation()))
    }

    /// Goes on with the explanation. Whether there is still something to do; a question may have come up.
    pub(super) fn run_explanation(&mut self) -> bool {
        let explaining = std::mem::replace(&mut self.explaining, Explaining::Nothing);
        let flow = match &explaining {
            Explaining::Nothing => return false,
            Explaining::Target(record) => self.ask_explanation(record),
            Explaining::Text(records) => self.expand_explanation(records),
        };
        if let Some(flow @ Flow::Ask(..)) = flow {
            // The same step again when the answer is there.
            self.explaining = explaining;
            self.follow(flow);
        }
        true
    }

    fn ask_explanation(&mut self, record: &Record) -> Option<Flow> {
        let term = record.terms().get(record.explanation()?)?;
        let TermKind::Modifier(Modifier::Explanation(domain)) = &term.kind else { return None };
        match self.target(record, Some(domain)) {
            Ok(name) => Some(Flow::Ask(Question::new(name, RecordKind::Txt), Waiting::Explanation)),
            Err(none) => Some(none.into()),
        }
    }

    pub(super) fn take_explanation(&mut self, answer: &Answer) -> Flow {
        self.explaining = match answer {
            // §6.2: "if no records are returned, or if more than one record is returned ... then proceed as if no "exp" modifier was given".
            Answer::Txt(records) if records.texts().len() == 1 => Explaining::Text(Arc::clone(records)),
            _ => Explaining::Nothing,
        };
        Flow::Again
    }

    /// §6.2: "The fetched TXT record's strings are concatenated with no spaces, and then treated as an explain-string, which is macro-expanded."
    fn expand_explanation(&mut self, records: &TxtRecords) -> Option<Flow> {
        let text = records.texts().first()?;
        let mut pieces: Vec<Piece> = Vec::new();
        // §6.2: "if there are syntax errors in the explanation string, then proceed as if no "exp" modifier was given". "Explanation text is
        // restricted to US-ASCII".
        let whole = Whole::new(text);
        macro_string(text, &whole, Allowed::InExplanation, &mut |piece| pieces.push(piece)).ok()?;
        let uses = Uses::of(&pieces);
        // These do not change the result, so it does not depend on them; but a local part beyond ASCII has no place in ASCII text.
        if uses.local_part && !self.mailbox.local().is_ascii() {
            return None;
        }
        if uses.validated
            && let Err(flow) = self.find_validated()
        {
            return Some(flow);
        }
        let text = expand_text(text, &pieces, &self.values()?, self.limits.max_explanation);
        let domain = self.domain()?.clone();
        self.report.explanation = Some(Explanation { text, domain }).filter(|explanation| !explanation.text.is_empty());
        None
    }
}
