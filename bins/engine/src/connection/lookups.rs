//! The lookups of one message: all at the same time, each a task, and gone with their message.
//!
//! The one place that runs what a message wants to know ([`Lookup`]). Most answers are in the cache: a lookup is looked at once before it
//! becomes a task.
//!
//! A check that asks several questions in a row is shared with its task ([`Check`]), so that it can be ended where it stands.

use std::future::Future;
use std::task::Poll;
use std::time::Duration;

use dmarc_core::discovery::Discovering;
use spf_core::identity::{Helo, MailFrom};
use tokio::task::{JoinError, JoinSet};

use super::Setup;
use super::check::{Check, Ending};
use crate::message::{Answered, Fault, Lookup, guard};

/// Most time of a discovery, from the end of the header section: nine questions that each take their time by default. One whose message is
/// complete ends with the deadline of that.
const DISCOVERY: Duration = Duration::from_secs(60);

/// The lookups of the message that is open.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    running: JoinSet<Done>,
    helo: Check<spf_core::check::Progress<Helo>>,
    mail_from: Check<spf_core::check::Progress<MailFrom>>,
    discovery: Check<dmarc_core::progress::Progress<Discovering>>,
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
    Discovery,
}

impl Lookups {
    /// The lookups are those of this message from now on; what was asked for another one is of no interest.
    pub(super) fn belong_to(&mut self, message: Option<u64>) {
        if message != self.message {
            self.message = message;
            (self.helo, self.mail_from, self.discovery) = Default::default();
            if !self.running.is_empty() {
                self.running = JoinSet::new();
            }
        }
    }

    /// Starts a lookup. One that the cache can answer is answered at once, without a task. A panic leaves it unanswered, as in a task.
    pub(super) async fn start(&mut self, lookup: Lookup, setup: &Setup) -> Option<Answered> {
        let config = setup.rules.config();
        let (spf_due, discovery_due) = (super::after(config.spf.timeout), super::after(DISCOVERY));
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
                    check.run(&resolver, spf_due).await;
                    Done::Helo
                })
                .await
            }
            Lookup::MailFrom(progress) => {
                let check = Check::new(progress);
                self.mail_from = check.clone();
                self.run(async move {
                    check.run(&resolver, spf_due).await;
                    Done::MailFrom
                })
                .await
            }
            Lookup::Discovery(progress) => {
                let check = Check::new(progress);
                self.discovery = check.clone();
                self.run(async move {
                    check.run(&resolver, discovery_due).await;
                    Done::Discovery
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
        let helo = self.helo.end(which).map(Answered::Helo);
        let discovery = self.discovery.end(which).map(|discovery| Answered::Discovery(Box::new(discovery)));
        mail_from.into_iter().chain(helo).chain(discovery).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    fn answered(&self, done: Done) -> Option<Answered> {
        match done {
            Done::Answered(answered) => Some(answered),
            Done::Helo => self.helo.end(Ending::Decided).map(Answered::Helo),
            Done::MailFrom => self.mail_from.end(Ending::Decided).map(Answered::MailFrom),
            Done::Discovery => {
                self.discovery.end(Ending::Decided).map(|discovery| Answered::Discovery(Box::new(discovery)))
            }
        }
    }
}
