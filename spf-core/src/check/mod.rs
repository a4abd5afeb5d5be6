//! `check_host()` as a machine of questions and answers (RFC 7208 §4).
//!
//! ```text
//!  check_helo ────┐                 ┌── Ask(Pending) ── question() ──► the caller's DNS
//!                 ├──► Progress ────┤                                        │
//!  check_mail_from┘        ▲        └── Done(Outcome)                        │
//!                          └──────────────── answer(Answer) ◄────────────────┘
//! ```
//!
//! A [`Pending`] waits for one answer and is used up by it: nothing can be answered twice or skipped. It is `Send` and `Clone`, and it holds no
//! thread, no socket and no clock. [`Pending::ahead`] names the questions that will probably follow, for callers who want to ask them meanwhile.
//!
//! | file | RFC 7208 |
//! |---|---|
//! | `machine.rs` | §4.3 to §4.7: records, terms in their order, how evaluations end in each other |
//! | `terms.rs` | §4.6.4, §4.8: limits, the name a term is about, addresses that cover the client |
//! | `step_all.rs` | §5.1 |
//! | `step_include.rs` | §5.2 |
//! | `step_a.rs` | §5.3 |
//! | `step_mx.rs` | §5.4 |
//! | `step_ptr.rs` | §5.5, and `%{p}` of §7.3 |
//! | `step_ip.rs` | §5.6 |
//! | `step_exists.rs` | §5.7 |
//! | `step_redirect.rs` | §6.1 |
//! | `step_explanation.rs` | §6.2 |
//! | `ahead.rs` | §11.1: questions that will follow |
//!
//! Invariants: recursion is a list ([`Report::checks`](crate::outcome::Report::checks)) that the limit on terms bounds; the number of questions is bounded by the limits,
//! whatever records and answers say: 1 for the domain, `1 + max_mx_names` for each term, `1 + max_ptr_names` for names of the client, 1 for the
//! explanation.

mod ahead;
mod machine;
mod step_a;
mod step_all;
mod step_exists;
mod step_explanation;
mod step_include;
mod step_ip;
mod step_mx;
mod step_ptr;
mod step_redirect;
mod terms;

use std::marker::PhantomData;
use std::time::Duration;

pub(crate) use self::machine::Machine;
use crate::dns::{Answer, Question};
use crate::identity::{Helo, Identity, MailFrom, Mailbox, Path, Sender, Session};
use crate::limits::Limits;
use crate::outcome::{Cause, Outcome};

/// Checks the HELO identity (RFC 7208 §2.3).
///
/// *DNS questions*: none when HELO is no domain; otherwise TXT at that domain, and what its record asks for. *Limits*: [`Limits`]. *Results*: all
/// of §2.6; `none` when HELO is no domain.
///
/// ```
/// use spf_core::check::check_helo;
/// use spf_core::dns::Answer;
/// use spf_core::identity::Session;
/// use spf_core::limits::Limits;
///
/// let session = Session::new("192.0.2.1".parse()?, "mail.example.com");
/// let outcome = check_helo(&session, &Limits::default()).run(|question| {
///     assert_eq!(question.to_string(), "mail.example.com TXT");
///     Answer::txt(["v=spf1 ip4:192.0.2.1 -all"])
/// });
/// assert_eq!(outcome.result.as_str(), "pass");
/// assert_eq!(outcome.term(), Some("ip4:192.0.2.1"));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
pub fn check_helo(session: &Session, limits: &Limits) -> Progress<Helo> {
    Progress::of(Machine::start(session, Mailbox::of_helo(session), limits))
}

/// Checks the MAIL FROM identity (RFC 7208 §2.4); for a null reverse path that is postmaster at the domain of HELO.
///
/// *DNS questions*: none when the path names no domain; otherwise TXT at its domain, and what the record asks for. *Limits*: [`Limits`].
/// *Results*: all of §2.6; `none` when there is no domain.
///
/// ```
/// use spf_core::check::check_mail_from;
/// use spf_core::dns::Answer;
/// use spf_core::identity::{Sender, Session};
/// use spf_core::limits::Limits;
///
/// let session = Session::new("192.0.2.1".parse()?, "mail.example.com");
/// let sender = Sender::from_reverse_path(b"<joe@example.com>");
/// let outcome = check_mail_from(&session, &sender, &Limits::default()).run(|_| Answer::NxDomain);
/// assert_eq!(outcome.result.as_str(), "none");
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
pub fn check_mail_from(session: &Session, sender: &Sender, limits: &Limits) -> Progress<MailFrom> {
    Progress::of(match &sender.0 {
        Path::Null => Machine::start(session, Mailbox::of_helo(session), limits),
        Path::Mailbox(mailbox) => Machine::start(session, mailbox.clone(), limits),
        Path::Malformed(error) => Machine::ended(session, Mailbox::of_helo(session), limits, Cause::Sender(*error)),
    })
}

/// Where a check stands.
#[derive(Debug, Clone)]
#[must_use = "a check does nothing until its questions are answered"]
#[expect(clippy::exhaustive_enums, reason = "there is no third way")]
pub enum Progress<I: Identity> {
    /// A question has to be answered.
    Ask(Pending<I>),
    /// The check is over.
    Done(Outcome<I>),
}

/// A check that waits for the answer to one question.
#[derive(Debug, Clone)]
#[must_use = "a check does nothing until its questions are answered"]
pub struct Pending<I: Identity> {
    machine: Box<Machine>,
    question: Question,
    identity: PhantomData<I>,
}

impl<I: Identity> Pending<I> {
    /// What to ask the DNS.
    #[must_use]
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// Goes on with the answer.
    pub fn answer(mut self, answer: Answer) -> Progress<I> {
        self.machine.answer(self.question, answer);
        Progress::of(self.machine)
    }

    /// Goes on with the answer, which came this long after the check began; see [`Limits::max_time`].
    ///
    /// RFC 7208 §4.6.4: "If such a limit is exceeded, the result of authorization SHOULD be "temperror"." A result that only waits for its
    /// explanation stays what it is.
    pub fn answer_at(mut self, answer: Answer, elapsed: Duration) -> Progress<I> {
        if elapsed > self.machine.limits.max_time {
            self.machine.expire(self.question, answer);
            return Progress::of(self.machine);
        }
        self.answer(answer)
    }

    /// Ends the check because its time is over: `temperror`, or the result that only waited for its explanation.
    #[must_use]
    pub fn expire(mut self) -> Outcome<I> {
        self.machine.expire(self.question, Answer::Failed);
        Outcome::new(self.machine)
    }

    /// Whether the result is known and only its explanation is missing: [`expire`](Self::expire) gives that result.
    #[must_use]
    pub fn is_decided(&self) -> bool {
        self.machine.is_decided
    }

    /// The questions that will probably be asked after this one, in that order; see [`ahead`](self).
    ///
    /// Callers may ask them meanwhile and keep the answers: the check takes one answer at a time, in its own order, and may end before it comes to
    /// them. Never more than the limits allow; none whose name depends on answers that are not there yet.
    #[must_use]
    pub fn ahead(&self) -> Vec<Question> {
        self.machine.ahead()
    }
}

impl<I: Identity> Progress<I> {
    fn of(mut machine: Box<Machine>) -> Self {
        match machine.run() {
            Some(question) => Self::Ask(Pending { machine, question, identity: PhantomData }),
            None => Self::Done(Outcome::new(machine)),
        }
    }

    /// Answers every question with `lookup`, to the end.
    pub fn run(mut self, mut lookup: impl FnMut(&Question) -> Answer) -> Outcome<I> {
        loop {
            match self {
                Self::Done(outcome) => return outcome,
                Self::Ask(pending) => {
                    let answer = lookup(&pending.question);
                    self = pending.answer(answer);
                }
            }
        }
    }

    /// Answers every question with `lookup`, to the end; on any runtime, or none.
    pub async fn run_async<F, R>(mut self, mut lookup: F) -> Outcome<I>
    where
        F: FnMut(Question) -> R,
        R: Future<Output = Answer>,
    {
        loop {
            match self {
                Self::Done(outcome) => return outcome,
                Self::Ask(pending) => {
                    let answer = lookup(pending.question.clone()).await;
                    self = pending.answer(answer);
                }
            }
        }
    }
}
