//! Machines of questions and answers, and how they are driven.
//!
//! ```text
//!  discover ─────────────┐                 ┌── Ask(Pending) ── question() ──► the caller's DNS
//!  evaluate ─────────────┼──► Progress ────┤                                        │
//!  authorize_report_uri ─┘        ▲        └── Done(outcome)                        │
//!                                 └──────────────── answer(TxtAnswer) ◄─────────────┘
//! ```
//!
//! A [`Pending`] waits for one answer and is used up by it: nothing can be answered twice or skipped. It is `Send` and `Clone`, and it holds no
//! thread, no socket and no clock.

use crate::dns::{Question, TxtAnswer};

mod sealed {
    #[expect(unnameable_types, reason = "so that nobody else implements `Machine`")]
    pub trait Sealed {}
    impl Sealed for crate::discovery::Discovering {}
    impl Sealed for crate::evaluate::Evaluating {}
    impl Sealed for crate::authorize::Authorizing {}
}

/// What asks questions until it knows its outcome. The machines of this crate, and no others.
pub trait Machine: sealed::Sealed {
    /// What it comes to.
    type Outcome;

    /// The next question; `None` when there is nothing more to ask.
    #[doc(hidden)]
    fn next_question(&mut self) -> Option<Question>;

    /// Takes the answer to the question that was last asked.
    #[doc(hidden)]
    fn take_answer(&mut self, question: &Question, answer: &TxtAnswer);

    /// What came of it.
    #[doc(hidden)]
    fn into_outcome(self) -> Self::Outcome;
}

/// Where a machine stands.
#[derive(Debug, Clone)]
#[must_use = "nothing is done until the questions are answered"]
#[expect(clippy::exhaustive_enums, reason = "there is no third way")]
pub enum Progress<M: Machine> {
    /// A question has to be answered.
    Ask(Pending<M>),
    /// It is over.
    Done(M::Outcome),
}

/// A machine that waits for the answer to one question.
#[derive(Debug, Clone)]
#[must_use = "nothing is done until the questions are answered"]
pub struct Pending<M> {
    machine: Box<M>,
    question: Question,
}

impl<M: Machine> Pending<M> {
    /// What to ask the DNS.
    #[must_use]
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// Goes on with the answer.
    pub fn answer(mut self, answer: &TxtAnswer) -> Progress<M> {
        self.machine.take_answer(&self.question, answer);
        Progress::of_boxed(self.machine)
    }

    /// Ends it because its time is over: this question and all that would follow get no answer.
    #[must_use]
    pub fn expire(self) -> M::Outcome {
        self.answer(&TxtAnswer::Failed).run(|_| TxtAnswer::Failed)
    }
}

impl<M: Machine> Progress<M> {
    pub(crate) fn of(machine: M) -> Self {
        Self::of_boxed(Box::new(machine))
    }

    fn of_boxed(mut machine: Box<M>) -> Self {
        match machine.next_question() {
            Some(question) => Self::Ask(Pending { machine, question }),
            None => Self::Done(machine.into_outcome()),
        }
    }

    /// Answers every question with `lookup`, to the end.
    pub fn run(mut self, mut lookup: impl FnMut(&Question) -> TxtAnswer) -> M::Outcome {
        loop {
            match self {
                Self::Done(outcome) => return outcome,
                Self::Ask(pending) => {
                    let answer = lookup(&pending.question);
                    self = pending.answer(&answer);
                }
            }
        }
    }

    /// Answers every question with `lookup`, to the end; on any runtime, or none.
    pub async fn run_async<F, R>(mut self, mut lookup: F) -> M::Outcome
    where
        F: FnMut(Question) -> R,
        R: Future<Output = TxtAnswer>,
    {
        loop {
            match self {
                Self::Done(outcome) => return outcome,
                Self::Ask(pending) => {
                    let answer = lookup(pending.question.clone()).await;
                    self = pending.answer(&answer);
                }
            }
        }
    }
}
