//! A check that asks one question after the other, shared between its task and its message.
//!
//! ```text
//!  task:        question ──► resolver ──► answer ─┐
//!                  ▲                              ▼
//!                  └───────────────────────── Check (shared) ──► outcome: taken when the task is done,
//!                                                                or by `end` when the time is over
//! ```
//!
//! Whoever runs out of time ends it where it stands: an SPF `fail` that only waits for its explanation is a `fail`, and a policy that was found is
//! known though the DNS does not say whether its domain exists.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dmarc_core::dns::TxtAnswer;
use dmarc_core::progress::Machine;
use spf_core::dns::{Answer, Question};
use spf_core::identity::Identity;
use spf_core::outcome::Outcome;
use tokio::time::{Instant, timeout_at};

use crate::dns::Resolver;

/// A machine of questions and answers, wherever it stands.
pub(crate) trait Asking: Sized {
    type Question: Send;
    type Answer: Send;
    type Outcome;

    /// What to ask; `None` when it is over.
    fn question(&self) -> Option<Self::Question>;
    fn answer(self, answer: Self::Answer) -> Self;
    /// Ends it here: all further questions have no answer.
    fn expire(self) -> Self::Outcome;
    /// Whether the questions that are left do not change its result.
    fn is_decided(&self) -> bool;
    /// An outcome that is there.
    fn done(outcome: Self::Outcome) -> Self;
    fn ask(resolver: &Resolver, question: Self::Question) -> impl Future<Output = Self::Answer> + Send;

    /// Answers one question after the other, and ends where it stands at `due`; for whoever shares it with nobody.
    async fn run_until(mut self, resolver: &Resolver, due: Instant) -> Self::Outcome {
        while let Some(question) = self.question() {
            match timeout_at(due, Self::ask(resolver, question)).await {
                Ok(answer) => self = self.answer(answer),
                Err(_elapsed) => break,
            }
        }
        self.expire()
    }
}

impl<I: Identity> Asking for spf_core::check::Progress<I> {
    type Question = Question;
    type Answer = Answer;
    type Outcome = Outcome<I>;

    fn question(&self) -> Option<Question> {
        match self {
            Self::Ask(pending) => Some(pending.question().clone()),
            Self::Done(_) => None,
        }
    }

    fn answer(self, answer: Answer) -> Self {
        match self {
            Self::Ask(pending) => pending.answer(answer),
            done @ Self::Done(_) => done,
        }
    }

    fn expire(self) -> Outcome<I> {
        match self {
            Self::Ask(pending) => pending.expire(),
            Self::Done(outcome) => outcome,
        }
    }

    fn is_decided(&self) -> bool {
        match self {
            Self::Ask(pending) => pending.is_decided(),
            Self::Done(_) => true,
        }
    }

    fn done(outcome: Outcome<I>) -> Self {
        Self::Done(outcome)
    }

    async fn ask(resolver: &Resolver, question: Question) -> Answer {
        resolver.spf(&question).await
    }
}

impl<M: Machine> Asking for dmarc_core::progress::Progress<M> {
    type Question = dmarc_core::dns::Question;
    type Answer = TxtAnswer;
    type Outcome = M::Outcome;

    fn question(&self) -> Option<dmarc_core::dns::Question> {
        match self {
            Self::Ask(pending) => Some(pending.question().clone()),
            Self::Done(_) => None,
        }
    }

    fn answer(self, answer: TxtAnswer) -> Self {
        match self {
            Self::Ask(pending) => pending.answer(&answer),
            done @ Self::Done(_) => done,
        }
    }

    fn expire(self) -> M::Outcome {
        match self {
            Self::Ask(pending) => pending.expire(),
            Self::Done(outcome) => outcome,
        }
    }

    fn is_decided(&self) -> bool {
        matches!(self, Self::Done(_))
    }

    fn done(outcome: M::Outcome) -> Self {
        Self::Done(outcome)
    }

    async fn ask(resolver: &Resolver, question: dmarc_core::dns::Question) -> TxtAnswer {
        resolver.txt(question.name.as_str()).await
    }
}

/// Which checks end before their questions are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Those whose result is known: what else they ask is not waited for.
    Decided,
    /// All.
    All,
}

/// A check, which its task and the message share. Empty when its outcome was taken, or a panic ate it.
#[derive(Debug)]
pub(super) struct Check<A>(Arc<Mutex<Option<A>>>);

impl<A> Clone for Check<A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<A> Default for Check<A> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<A: Asking> Check<A> {
    pub(super) fn new(asking: A) -> Self {
        Self(Arc::new(Mutex::new(Some(asking))))
    }

    /// Answers one question after the other, at most until then. RFC 7208 §4.6.4 on time: "If such a limit is exceeded, the result of authorization
    /// SHOULD be "temperror"."
    pub(super) async fn run(&self, resolver: &Resolver, due: Instant) {
        while let Some(question) = self.question() {
            match timeout_at(due, A::ask(resolver, question)).await {
                Ok(answer) => self.change(|asking| asking.answer(answer)),
                Err(_elapsed) => self.change(|asking| A::done(asking.expire())),
            }
        }
    }

    fn question(&self) -> Option<A::Question> {
        self.lock().as_ref().and_then(A::question)
    }

    fn change(&self, change: impl FnOnce(A) -> A) {
        let asking = &mut *self.lock();
        *asking = asking.take().map(change);
    }

    /// Takes the outcome, of a check that is over or is to end now.
    pub(super) fn end(&self, which: Ending) -> Option<A::Outcome> {
        let shared = &mut *self.lock();
        let asking = shared.take()?;
        if which == Ending::All || asking.is_decided() {
            return Some(asking.expire());
        }
        *shared = Some(asking);
        None
    }

    /// Held while one answer is looked at and over no wait. After a panic the check is gone, which is as good as no answer.
    fn lock(&self) -> MutexGuard<'_, Option<A>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use spf_core::check::{check_helo, check_mail_from};
    use spf_core::identity::{Sender, Session};
    use spf_core::limits::Limits;
    use spf_core::outcome::SpfResult;
    use tokio::net::UdpSocket;

    use super::*;
    use crate::config;

    /// RFC 7208 §4.6.4: at least 20 seconds. No server answers, and one question may take longer than the whole check.
    #[tokio::test(start_paused = true)]
    async fn s11_a_check_ends_after_its_time_however_long_one_question_may_take() {
        let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let dns = config::Dns {
            nameservers: vec![silent.local_addr().unwrap()],
            timeout: Duration::from_secs(60),
            ..config::Dns::default()
        };
        let resolver = Resolver::new(&dns, crate::BACKEND).unwrap();
        let client: IpAddr = "192.0.2.1".parse().unwrap();
        let session = Session::new(client, "mail.example.com");
        let sender = Sender::from_reverse_path(b"<jo@example.com>");
        let limits = Limits::default();
        let start = Instant::now();
        let due = super::super::after(config::Spf::default().timeout);
        let helo = Check::new(check_helo(&session, &limits));
        let mail_from = Check::new(check_mail_from(&session, &sender, &limits));
        tokio::join!(helo.run(&resolver, due), mail_from.run(&resolver, due));
        assert_eq!(start.elapsed().as_secs(), 20);
        let (helo, mail_from) = (helo.end(Ending::Decided).unwrap(), mail_from.end(Ending::Decided).unwrap());
        assert_eq!((helo.result, mail_from.result), (SpfResult::TempError, SpfResult::TempError));
    }

    #[test]
    fn s11_a_check_is_ended_once_and_where_it_stands() {
        let session = Session::new("192.0.2.1".parse().unwrap(), "mail.example.com");
        let check = Check::new(check_helo(&session, &Limits::default()));
        assert!(check.question().is_some() && check.end(Ending::Decided).is_none(), "nothing is known yet");
        check.change(|asking| asking.answer(Answer::txt(["v=spf1 -all exp=why.example.com"])));
        assert_eq!(check.question().map(|question| question.name.to_string()).as_deref(), Some("why.example.com"));
        assert_eq!(check.end(Ending::Decided).map(|outcome| outcome.result), Some(SpfResult::Fail));
        // Its task comes back with the answer that it waited for.
        check.change(|asking| asking.answer(Answer::txt(["too late"])));
        assert!(check.question().is_none() && check.end(Ending::All).is_none());
        let other = Check::new(check_helo(&session, &Limits::default()));
        assert_eq!(other.end(Ending::All).map(|outcome| outcome.result), Some(SpfResult::TempError));
    }
}
