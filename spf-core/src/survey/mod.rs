//! What a domain's record says to everybody: all of its terms, those of the records it includes, what they cost and whom they authorise.
//!
//! An evaluation ([`check`](crate::check)) is about one client and stops where that client matches. A survey is about the record: it goes through
//! the terms in the order in which they are evaluated (RFC 7208 §4.6.2), as if no client matched before an `all`, follows every `include` and
//! `redirect=`, and counts on the way against the limits of §4.6.4. So it finds the term at which mail begins to fail for clients that come so far.
//!
//! ```
//! use spf_core::dns::Answer;
//! use spf_core::name::Name;
//! use spf_core::survey::{Problem, SurveyLimits, survey};
//!
//! // Here the whole DNS is these few records; a real caller asks his resolver.
//! let found = survey(Name::from_domain("example.com")?, &SurveyLimits::default()).run(|question| {
//!     match question.to_string().as_str() {
//!         "example.com TXT" => Answer::txt(["v=spf1 ip4:192.0.2.0/24 include:_spf.example.net ptr ?all"]),
//!         "_spf.example.net TXT" => Answer::txt(["v=spf1 ip4:192.0.2.128/25 ip4:198.51.100.0/24 -all"]),
//!         _ => Answer::NxDomain,
//!     }
//! });
//! let tree: Vec<String> =
//!     found.terms.iter().map(|term| format!("{}{} {}", "  ".repeat(term.depth), found.text(term), term.counts.lookups)).collect();
//! assert_eq!(tree, [
//!     "ip4:192.0.2.0/24 0",
//!     "include:_spf.example.net 1",
//!     "  ip4:192.0.2.128/25 1",
//!     "  ip4:198.51.100.0/24 1",
//!     "  -all 1",
//!     "ptr 2",
//!     "?all 2",
//! ]);
//! // Addresses that two terms name count once.
//! assert_eq!(found.authorised.v4, 512);
//! let problems: Vec<Problem> = found.findings().into_iter().map(|finding| finding.problem).collect();
//! assert_eq!(problems, [Problem::Pointer, Problem::NeutralEnd]);
//! # Ok::<(), spf_core::name::NameError>(())
//! ```
//!
//! *Bounds*: [`SurveyLimits`]. Recursion is a list that [`SurveyLimits::max_depth`] bounds, and an `include` that leads back into a record that is
//! being read is not followed. Time is `O(n log n)` in the terms that were read.
//!
//! *What it cannot know*: what depends on the client or the sender, which are `ptr` and macros other than `%{d}`. Such terms are counted and marked
//! ([`State::Depends`]); whom they authorise is in no sum.
//!
//! | file | concern |
//! |---|---|
//! | `walk/` | the machine: terms in their order with counts; questions and their answers |
//! | `ranges.rs` | sets of addresses |
//! | `finding.rs` | what an operator should know of the result |

mod finding;
mod ranges;
#[cfg(test)]
mod tests;
mod walk;

use std::sync::Arc;

pub use self::finding::{Finding, Problem};
use self::ranges::Addresses;
use self::walk::Walk;
use crate::dns::{Answer, Question, TxtRecords};
use crate::limits::{Limit, Limits};
use crate::name::{Name, NameError};
use crate::outcome::Entered;
use crate::record::{Record, RecordError};

/// How much one survey may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SurveyLimits {
    /// The limits that terms are counted against; passing them ends nothing here, and is told.
    pub evaluation: Limits,
    /// Most questions, of all kinds together. Default 200. Terms beyond are listed and not asked about, and the survey is
    /// [incomplete](Survey::is_complete).
    pub max_questions: usize,
    /// Most includes and redirects within each other. Default 10, which is as deep as an evaluation can get. Deeper ones are not followed, and the
    /// survey is [incomplete](Survey::is_complete).
    pub max_depth: usize,
    /// Most terms that are listed, of all records together. Default 10,000. Those beyond are neither listed nor asked about, and the survey is
    /// [incomplete](Survey::is_complete).
    pub max_terms: usize,
}

impl Default for SurveyLimits {
    fn default() -> Self {
        Self { evaluation: Limits::default(), max_questions: 200, max_depth: 10, max_terms: 10_000 }
    }
}

/// Begins a survey of the record of this domain.
///
/// *DNS questions*: TXT for every record, A and AAAA for every `a` and for each host of every `mx`, MX, and A for `exists`. *Limits*:
/// [`SurveyLimits`].
pub fn survey(domain: Name, limits: &SurveyLimits) -> Progress {
    Progress::of(Box::new(Walk::new(domain, limits)))
}

/// Where a survey stands.
#[derive(Debug)]
#[must_use = "a survey does nothing until its questions are answered"]
#[expect(clippy::exhaustive_enums, reason = "there is no third way")]
#[expect(clippy::large_enum_variant, reason = "it is moved once for a question, and a question is a packet")]
pub enum Progress {
    /// A question has to be answered.
    Ask(Pending),
    /// The survey is over.
    Done(Survey),
}

/// A survey that waits for the answer to one question.
#[derive(Debug)]
#[must_use = "a survey does nothing until its questions are answered"]
pub struct Pending {
    walk: Box<Walk>,
    question: Question,
}

impl Pending {
    /// What to ask the DNS.
    #[must_use]
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// Goes on with the answer.
    pub fn answer(mut self, answer: Answer) -> Progress {
        self.walk.answer(self.question, answer);
        Progress::of(self.walk)
    }
}

impl Progress {
    fn of(mut walk: Box<Walk>) -> Self {
        match walk.run() {
            Some(question) => Self::Ask(Pending { walk, question }),
            None => Self::Done(walk.into_survey()),
        }
    }

    /// Answers every question with `lookup`, to the end.
    pub fn run(mut self, mut lookup: impl FnMut(&Question) -> Answer) -> Survey {
        loop {
            match self {
                Self::Done(survey) => return survey,
                Self::Ask(pending) => {
                    let answer = lookup(&pending.question);
                    self = pending.answer(answer);
                }
            }
        }
    }

    /// Answers every question with `lookup`, to the end; on any runtime, or none.
    pub async fn run_async<F, R>(mut self, mut lookup: F) -> Survey
    where
        F: FnMut(Question) -> R,
        R: Future<Output = Answer>,
    {
        loop {
            match self {
                Self::Done(survey) => return survey,
                Self::Ask(pending) => {
                    let answer = lookup(pending.question.clone()).await;
                    self = pending.answer(answer);
                }
            }
        }
    }
}

/// What was found.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Survey {
    /// The limits it was counted against.
    pub limits: SurveyLimits,
    /// Every record in the order of the questions: the domain's own first. One that is included twice is here twice.
    pub records: Vec<Surveyed>,
    /// Every term in the order of evaluation: behind an `include` the terms of its target. A `redirect=` that is followed stands at the end of its
    /// record.
    pub terms: Vec<SurveyedTerm>,
    /// All counts together.
    pub counts: Counts,
    /// Whom the domain's record authorises.
    pub authorised: Authorised,
    /// Whether everything was looked at that can be; `false` behind [`SurveyLimits::max_questions`], [`SurveyLimits::max_depth`] and
    /// [`SurveyLimits::max_terms`], and when a question had no answer.
    pub is_complete: bool,
    /// How many questions were asked.
    pub questions: usize,
    addresses: Addresses,
}

impl Survey {
    /// The text of a term, as it stands in its record.
    #[must_use]
    pub fn text(&self, term: &SurveyedTerm) -> &str {
        self.record_of(term).map_or("", |record| record.term_text(term.index))
    }

    /// The record that a term stands in.
    #[must_use]
    pub fn record_of(&self, term: &SurveyedTerm) -> Option<&Record> {
        self.records.get(term.record)?.state.record().map(Arc::as_ref)
    }

    /// Whether a term that can be enumerated authorises this address.
    #[must_use]
    pub fn authorises(&self, address: std::net::IpAddr) -> bool {
        self.addresses.contains(address)
    }
}

/// One record.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Surveyed {
    /// Whose it is.
    pub domain: Name,
    /// What led to it; places are indexes of [`Survey::records`] and of the record's terms.
    pub entered: Entered,
    /// What is there.
    pub state: RecordState,
    /// All TXT records of the domain, whatever they are for; `None` when there are none.
    pub texts: Option<Arc<TxtRecords>>,
    /// Octets of them together.
    pub text_octets: usize,
}

/// What the TXT records of a domain are for SPF.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_enums, reason = "RFC 7208 §4.4 and §4.5 know these cases")]
pub enum RecordState {
    /// One record, well-formed.
    Record(Arc<Record>),
    /// One record with a syntax error.
    Invalid(Arc<RecordError>),
    /// Several records.
    Several,
    /// The domain has TXT records perhaps, and no SPF record.
    Nothing,
    /// There is no such domain.
    NxDomain,
    /// The DNS did not answer.
    Failed,
}

impl RecordState {
    /// The record, when there is one.
    #[must_use]
    pub fn record(&self) -> Option<&Arc<Record>> {
        match self {
            Self::Record(record) => Some(record),
            Self::Invalid(_) | Self::Several | Self::Nothing | Self::NxDomain | Self::Failed => None,
        }
    }
}

/// Running counts of what RFC 7208 §4.6.4 limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counts {
    /// Terms that ask the DNS.
    pub lookups: u32,
    /// Lookups that find nothing when the client has an IPv4 address.
    pub voids_v4: u32,
    /// Lookups that find nothing when the client has an IPv6 address: an `a` asks for AAAA records then.
    pub voids_v6: u32,
}

impl Counts {
    /// The larger count of void lookups.
    #[must_use]
    pub fn voids(self) -> u32 {
        self.voids_v4.max(self.voids_v6)
    }
}

/// One term.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SurveyedTerm {
    /// How many includes and redirects led here.
    pub depth: usize,
    /// Index in [`Survey::records`].
    pub record: usize,
    /// Index in the record.
    pub index: usize,
    /// What is known of it.
    pub state: State,
    /// The counts when it was done; for an `include` and `redirect=` those before the terms of its target.
    pub counts: Counts,
    /// Whether an earlier term, of this record or of one that led here, gives every client a result, so that nobody comes to this one. It is told
    /// of terms that match everybody.
    pub is_behind_everybody: bool,
    /// The limits that are passed in this term, each at the first one.
    pub crosses: Vec<Limit>,
    /// The record that it led to: index in [`Survey::records`].
    pub led_to: Option<usize>,
    /// What it asked, in order; for `include` and `redirect=` the question for the record.
    pub asked: Vec<(Question, Answer)>,
}

/// What is known of a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// It asks nothing.
    Local,
    /// The DNS has what it asks for.
    Found,
    /// The DNS has nothing of what it asks for.
    Void,
    /// The DNS did not answer.
    Failed,
    /// What it asks depends on the client or the sender.
    Depends,
    /// Its name cannot be asked about: the term does not match, and of `include` and `redirect=` is an error (§5.2, §6.1).
    NotAName(NameError),
    /// An `include` or `redirect=` whose target has no record that could be evaluated, which is an error (§5.2, §6.1).
    NoRecord,
    /// An `include` or `redirect=` that leads back into a record that is being evaluated.
    Loop,
    /// It stands behind an `all`, or is a `redirect=` in a record that has one (§5.1, §6.1).
    NotReached,
    /// A modifier that decides nothing: `exp=`, or an unknown one.
    NotUsed,
    /// [`SurveyLimits`] did not let it be asked about.
    NotAsked,
}

/// Whom a record authorises: the addresses for which it gives `pass`, each counted once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Authorised {
    /// Addresses of IPv4, of 2^32.
    pub v4: u64,
    /// Addresses of IPv6, of 2^128; that many are `u128::MAX`.
    pub v6: u128,
    /// There are terms as well whose addresses cannot be told: see [`State::Depends`].
    pub and_others: bool,
}
