//! The lookups of one message: all at the same time, each a task, and gone with their message.
//!
//! The one place that runs what a message wants to know ([`Lookup`]). Most answers are in the cache: a lookup is looked at once before it
//! becomes a task.
//!
//! ```text
//!  task:        question ──► resolver ──► answer ─┐
//!                  ▲                              ▼
//!                  └───────────────────────── Check (shared) ──► outcome: taken when the task is done,
//!                                                                or by `end_checks` when the time is over
//! ```
//!
//! A check of a sender lies between its task and the message, so that whoever runs out of time ends it where it stands: a `fail` that only waits
//! for its explanation is a `fail`.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use spf_core::check::Progress;
use spf_core::dns::{Answer, Question};
use spf_core::identity::{Helo, Identity, MailFrom};
use spf_core::outcome::Outcome;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, timeout_at};

use super::Setup;
use crate::dns::Resolver;
use crate::message::{Answered, Fault, Lookup, guard};

/// The lookups of the message that is open.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    running: JoinSet<Done>,
    helo: Check<Helo>,
    mail_from: Check<MailFrom>,
    /// Whose they are.
    message: Option<u64>,
}

/// What a task has done.
#[derive(Debug)]
enum Done {
    Answered(Answered),
    /// The outcome is in the check, unless it was taken.
    Helo,
    MailFrom,
}

/// Which checks end before their questions are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Those whose result is known: their explanation is not waited for.
    Decided,
    /// All.
    All,
}

impl Lookups {
    /// The lookups are those of this message from now on; what was asked for another one is of no interest.
    pub(super) fn belong_to(&mut self, message: Option<u64>) {
        if message != self.message {
            self.message = message;
            (self.helo, self.mail_from) = (Check::default(), Check::default());
            if !self.running.is_empty() {
                self.running = JoinSet::new();
            }
        }
    }

    /// Starts a lookup. One that the cache can answer is answered at once, without a task. A panic leaves it unanswered, as in a task.
    pub(super) async fn start(&mut self, lookup: Lookup, setup: &Setup) -> Option<Answered> {
        let due = super::after(setup.rules.config().spf.timeout);
        let resolver = setup.resolver.clone();
        match lookup {
            Lookup::Key(name) => {
                self.run(async move {
                    let answer = resolver.key(&name).await;
                    Done::Answered(Answered::Key(name, answer))
                })
                .await
            }
            Lookup::Helo(progress) => {
                let check = Check::new(progress);
                self.helo = check.clone();
                self.run(async move {
                    check.run(&resolver, due).await;
                    Done::Helo
                })
                .await
            }
            Lookup::MailFrom(progress) => {
                let check = Check::new(progress);
                self.mail_from = check.clone();
                self.run(async move {
                    check.run(&resolver, due).await;
                    Done::MailFrom
                })
                .await
            }
        }
    }

    async fn run(&mut self, lookup: impl Future<Output = Done> + Send + 'static) -> Option<Answered> {
        let mut lookup = Box::pin(lookup);
        let at_once = std::future::poll_fn(|context| Poll::Ready(guard(|| lookup.as_mut().poll(context))));
        match at_once.await {
            Ok(Poll::Ready(done)) => self.answered(done),
            Ok(Poll::Pending) => {
                self.running.spawn(lookup);
                None
            }
            Err(Fault) => None,
        }
    }

    /// The next answer; `None` when nothing is under way. Can be dropped before it is done.
    pub(super) async fn next(&mut self) -> Option<Result<Answered, JoinError>> {
        loop {
            match self.running.join_next().await? {
                // A check that was ended before has no answer any more.
                Ok(done) => match self.answered(done) {
                    Some(answered) => return Some(Ok(answered)),
                    None => continue,
                },
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// Ends checks whose time is over, and gives what they come to.
    pub(super) fn end_checks(&mut self, which: Ending) -> Vec<Answered> {
        let mail_from = self.mail_from.end(which).map(Answered::MailFrom);
        mail_from.into_iter().chain(self.helo.end(which).map(Answered::Helo)).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    fn answered(&self, done: Done) -> Option<Answered> {
        match done {
            Done::Answered(answered) => Some(answered),
            Done::Helo => self.helo.end(Ending::Decided).map(Answered::Helo),
            Done::MailFrom => self.mail_from.end(Ending::Decided).map(Answered::MailFrom),
        }
    }
}

/// A check of the sender, which its task and the message share. Empty when its outcome was taken, or a panic ate it.
#[derive(Debug, Clone)]
struct Check<I: Identity>(Arc<Mutex<Option<Progress<I>>>>);

impl<I: Identity> Default for Check<I> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<I: Identity> Check<I> {
    fn new(progress: Progress<I>) -> Self {
        Self(Arc::new(Mutex::new(Some(progress))))
    }

    /// Answers one question after the other. RFC 7208 §4.6.4 on time: "If such a limit is exceeded, the result of authorization SHOULD be
    /// "temperror"."
    async fn run(&self, resolver: &Resolver, due: Instant) {
        while let Some(question) = self.question() {
            match timeout_at(due, resolver.spf(&question)).await {
                Ok(answer) => self.answer(answer),
                Err(_elapsed) => self.expire(),
            }
        }
    }

    /// What to ask; `None` when the check is over.
    fn question(&self) -> Option<Question> {
        match &*self.lock() {
            Some(Progress::Ask(pending)) => Some(pending.question().clone()),
            Some(Progress::Done(_)) | None => None,
        }
    }

    fn answer(&self, answer: Answer) {
        self.change(|progress| match progress {
            Progress::Ask(pending) => pending.answer(answer),
            done @ Progress::Done(_) => done,
        });
    }

    fn expire(&self) {
        self.change(|progress| match progress {
            Progress::Ask(pending) => Progress::Done(pending.expire()),
            done @ Progress::Done(_) => done,
        });
    }

    fn change(&self, change: impl FnOnce(Progress<I>) -> Progress<I>) {
        let progress = &mut *self.lock();
        *progress = progress.take().map(change);
    }

    /// Takes the outcome, of a check that is over or is to end now.
    fn end(&self, which: Ending) -> Option<Outcome<I>> {
        let progress = &mut *self.lock();
        match progress.take()? {
            Progress::Done(outcome) => Some(outcome),
            Progress::Ask(pending) if which == Ending::All || pending.is_decided() => Some(pending.expire()),
            ask @ Progress::Ask(_) => {
                *progress = Some(ask);
                None
            }
        }
    }

    /// Held while one answer is looked at and over no wait. After a panic the check is gone, which is as good as no answer.
    fn lock(&self) -> MutexGuard<'_, Option<Progress<I>>> {
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
        check.answer(Answer::txt(["v=spf1 -all exp=why.example.com"]));
        assert_eq!(check.question().map(|question| question.name.to_string()).as_deref(), Some("why.example.com"));
        assert_eq!(check.end(Ending::Decided).map(|outcome| outcome.result), Some(SpfResult::Fail));
        // Its task comes back with the answer that it waited for.
        check.answer(Answer::txt(["too late"]));
        assert!(check.question().is_none() && check.end(Ending::All).is_none());
        let other = Check::new(check_helo(&session, &Limits::default()));
        assert_eq!(other.end(Ending::All).map(|outcome| outcome.result), Some(SpfResult::TempError));
    }
}
