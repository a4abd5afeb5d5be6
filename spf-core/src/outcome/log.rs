//! What was evaluated and asked.

use std::sync::Arc;

use super::SpfResult;
use crate::dns::{Answer, Question};
use crate::name::Name;
use crate::record::Record;

/// A term, by its evaluation and its index in the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Place {
    /// Index in [`Report::checks`](super::Report::checks).
    pub check: usize,
    /// Index in [`Record::terms`].
    pub term: usize,
}

/// One run of `check_host()`: the evaluation of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Check {
    /// Whose record.
    pub domain: Name,
    /// What led here.
    pub entered: Entered,
    /// The record, when there is one and it is well-formed.
    pub record: Option<Arc<Record>>,
    /// The index of the term at which evaluation stopped. Terms before it did not match; the number of terms when all were passed.
    pub reached: usize,
    /// What came of it; `none` and errors included.
    pub result: Option<SpfResult>,
}

/// What led to an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "RFC 7208 has these")]
pub enum Entered {
    /// The identity itself.
    Start,
    /// An `include` (§5.2).
    Include(Place),
    /// A `redirect=` (§6.1).
    Redirect(Place),
}

impl Entered {
    /// The term that led here.
    #[must_use]
    pub fn by(self) -> Option<Place> {
        match self {
            Self::Start => None,
            Self::Include(place) | Self::Redirect(place) => Some(place),
        }
    }
}

/// A question and what was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Asked {
    /// The question.
    pub question: Question,
    /// The answer. [`Answer::Failed`] also when none came in time.
    pub answer: Answer,
    /// The evaluation that asked: for the record of a domain its own one.
    pub check: usize,
    /// The term that asked; `None` for the record of a domain. For an explanation the `exp=` term.
    pub term: Option<usize>,
    /// Terms counted against the limit so far, this one included.
    pub lookups: u32,
    /// Void lookups counted so far, this one included.
    pub voids: u32,
}
