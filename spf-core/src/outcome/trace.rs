//! A check as the tree that an operator reads: every term of every record in the order of evaluation, with running counts.

use super::{Asked, Check, Entered, Report};
use crate::record::TermKind;

/// What became of a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TermState {
    /// It matched and decided its record.
    Matched,
    /// It did not match.
    NotMatched,
    /// The whole check ended in it with an error: see [`Report::cause`].
    Ended,
    /// Evaluation did not come to it.
    NotReached,
    /// A modifier that was used: `redirect=` that was followed, `exp=` that was asked for.
    Used,
    /// A modifier that was not used.
    NotUsed,
}

/// One term in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraceLine<'a> {
    /// How many includes and redirects led here.
    pub depth: usize,
    /// The evaluation it belongs to: index in [`Report::checks`].
    pub check: usize,
    /// Index in the record.
    pub index: usize,
    /// The text of the term.
    pub term: &'a str,
    /// What became of it.
    pub state: TermState,
    /// Terms counted against the limit when this one was done, and void lookups: the counts of the last question up to here.
    pub lookups: u32,
    /// See [`lookups`](Self::lookups).
    pub voids: u32,
    /// The questions that it asked, in order; for `include` and `redirect=` the one for the record.
    pub questions: Vec<&'a Asked>,
    /// The evaluation that it led to: index in [`Report::checks`]; its lines follow.
    pub led_to: Option<usize>,
}

impl Report {
    /// Every term of every record that was evaluated, in the order of evaluation: below an `include` or `redirect=` the terms of its target.
    ///
    /// Made when asked for, in time linear in the records and questions. The question for the first record is in no line: it is the first of
    /// [`Report::questions`].
    #[must_use]
    pub fn trace(&self) -> Vec<TraceLine<'_>> {
        let mut lines = Vec::new();
        let mut counts = (0, 0);
        // Where the walk stands: evaluation, next term, depth. No deeper than the limit on terms.
        let mut stack = vec![(0_usize, 0_usize)];
        while let Some((check_index, index)) = stack.pop() {
            let Some(check) = self.checks.get(check_index) else { continue };
            let Some(record) = check.record.as_ref().filter(|record| index < record.terms().len()) else { continue };
            let depth = stack.len();
            stack.push((check_index, index.saturating_add(1)));
            let led_to = self.led_to(check_index, index);
            let own = |asked: &&Asked| asked.check == check_index && asked.term == Some(index);
            let of_target = |asked: &&Asked| led_to == Some(asked.check) && asked.term.is_none();
            let questions: Vec<&Asked> = self.questions.iter().filter(|asked| own(asked) || of_target(asked)).collect();
            if let Some(last) = questions.last() {
                counts = (last.lookups, last.voids);
            }
            let state = self.state(check_index, check, index, !questions.is_empty());
            if state == TermState::Ended && self.is_place(check_index, index) {
                counts = (self.lookups, self.voids);
            }
            let term = record.term_text(index);
            let (lookups, voids) = counts;
            lines.push(TraceLine { depth, check: check_index, index, term, state, lookups, voids, questions, led_to });
            stack.extend(led_to.map(|target| (target, 0)));
        }
        lines
    }

    /// The evaluation that this term led to.
    fn led_to(&self, check: usize, term: usize) -> Option<usize> {
        self.checks
            .iter()
            .position(|entered| entered.entered.by().is_some_and(|by| by.check == check && by.term == term))
    }

    fn is_place(&self, check: usize, term: usize) -> bool {
        self.place.is_some_and(|place| place.check == check && place.term == term)
    }

    fn state(&self, check_index: usize, check: &Check, index: usize, has_asked: bool) -> TermState {
        let is_error = self.cause.result().is_some();
        let is_directive = check
            .record
            .as_ref()
            .and_then(|record| record.terms().get(index))
            .is_some_and(|term| matches!(term.kind, TermKind::Directive(_)));
        if is_error && self.is_place(check_index, index) {
            return TermState::Ended;
        }
        if !is_directive {
            return if has_asked { TermState::Used } else { TermState::NotUsed };
        }
        match index.cmp(&check.reached) {
            std::cmp::Ordering::Less => TermState::NotMatched,
            std::cmp::Ordering::Greater => TermState::NotReached,
            // It stopped here: at a match, or because something below it ended the whole check.
            std::cmp::Ordering::Equal if is_error && self.is_open(check_index) => TermState::Ended,
            std::cmp::Ordering::Equal => TermState::Matched,
        }
    }

    /// Whether an evaluation was going on when an error ended the check: the place of the error is in it or below it.
    fn is_open(&self, check: usize) -> bool {
        let mut next = self.checks.len().checked_sub(1);
        while let Some(index) = next {
            if index == check {
                return true;
            }
            next = self.checks.get(index).and_then(|check| match check.entered {
                Entered::Start => None,
                Entered::Include(by) | Entered::Redirect(by) => Some(by.check),
            });
        }
        false
    }
}
