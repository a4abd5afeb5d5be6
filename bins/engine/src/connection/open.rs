//! The message that is open, and the steps of its envelope that may have to wait for an answer.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use milter_proto::Decision;
use tokio::time::Instant;

use crate::config::RejectAt;
use crate::message::verdict::Action;
use crate::message::{EnvelopeStep, Message, Refused};

/// A message between MAIL and its end.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) message: Message,
    pub(super) since: Instant,
    /// Time that was spent waiting for DNS.
    pub(super) waited: Duration,
    /// Until when MAIL and RCPT wait for what is to be known of the sender; set when the first of them does.
    step_due: Option<Instant>,
    /// The step that has no answer yet.
    step: Option<Step<'static>>,
}

/// A step of the envelope.
#[derive(Debug)]
pub(super) enum Step<'a> {
    Mail,
    /// With the recipient.
    Rcpt(Cow<'a, [u8]>),
}

impl Step<'_> {
    fn at(&self) -> RejectAt {
        match self {
            Self::Mail => RejectAt::Mail,
            Self::Rcpt(_) => RejectAt::Rcpt,
        }
    }

    fn into_owned(self) -> Step<'static> {
        match self {
            Self::Mail => Step::Mail,
            Self::Rcpt(address) => Step::Rcpt(Cow::Owned(address.into_owned())),
        }
    }
}

/// The answer to a step of the envelope.
#[derive(Debug)]
pub(super) struct StepAnswer {
    pub(super) decision: Decision,
    /// Whether the message is over by that.
    pub(super) is_over: bool,
}

impl Open {
    pub(super) fn new(message: Message) -> Self {
        Self { message, since: Instant::now(), waited: Duration::ZERO, step_due: None, step: None }
    }

    /// MAIL or RCPT has come: whether it can go on at once. Otherwise it is kept until [`answer_step`](Self::answer_step).
    pub(super) fn passes_step(&mut self, step: Step<'_>) -> bool {
        match (self.message.at(step.at()), step) {
            (EnvelopeStep::Pass, Step::Rcpt(address)) => self.message.recipient(&address),
            (EnvelopeStep::Pass, Step::Mail) => {}
            (EnvelopeStep::Wait | EnvelopeStep::Refuse(_), step) => {
                self.step = Some(step.into_owned());
                return false;
            }
        }
        true
    }

    /// Whether the step that was kept waits for what is to be known of the sender.
    pub(super) fn waits_at_step(&self) -> bool {
        self.step.as_ref().is_some_and(|step| self.message.at(step.at()) == EnvelopeStep::Wait)
    }

    /// Until when it waits: the first step that does begins the time, and all of a message share it.
    pub(super) fn step_due(&mut self, budget: Duration) -> Instant {
        *self.step_due.get_or_insert_with(|| super::after(budget))
    }

    /// The answer to the step that was kept, by what is known now; `None` when none was.
    pub(super) fn answer_step(&mut self) -> Option<StepAnswer> {
        let step = self.step.take()?;
        let (decision, is_over) = match (self.message.at(step.at()), step) {
            (EnvelopeStep::Refuse(decision), Step::Mail) => (decision, true),
            (EnvelopeStep::Refuse(decision), Step::Rcpt(_)) => {
                self.message.refused_recipient();
                (decision, false)
            }
            // Its time is over: the mail goes on.
            (EnvelopeStep::Pass | EnvelopeStep::Wait, Step::Rcpt(address)) => {
                self.message.recipient(&address);
                (Decision::Continue, false)
            }
            (EnvelopeStep::Pass | EnvelopeStep::Wait, Step::Mail) => (Decision::Continue, false),
        };
        Some(StepAnswer { decision, is_over })
    }

    /// What there is to say about a message that was answered at the end of its header section.
    pub(super) fn into_left(self, action: Action, keeps_entry: bool) -> Refused {
        let entry_at = keeps_entry.then(SystemTime::now);
        self.message.into_left(action, self.since.elapsed(), self.waited, entry_at)
    }

    /// What there is to say about a message that was refused and ends here.
    pub(super) fn into_refused(self, keeps_entry: bool) -> Refused {
        let entry_at = keeps_entry.then(SystemTime::now);
        self.message.into_refused(self.since.elapsed(), self.waited, entry_at)
    }
}
