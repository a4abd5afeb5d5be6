//! The lookups of one message: all at the same time, each a task, and gone with their message.
//!
//! The one place that runs what a message wants to know ([`Lookup`]). Most answers are in the cache: a lookup is looked at once before it
//! becomes a task.

use std::future::Future;
use std::task::Poll;

use spf_core::check::Progress;
use spf_core::identity::Identity;
use spf_core::outcome::Outcome;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, timeout_at};

use super::Setup;
use crate::dns::Resolver;
use crate::message::{Answered, Fault, Lookup, guard};

/// The lookups of the message that is open.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    running: JoinSet<Answered>,
    /// Whose they are.
    message: Option<u64>,
}

impl Lookups {
    /// The lookups are those of this message from now on; what was asked for another one is of no interest.
    pub(super) fn belong_to(&mut self, message: Option<u64>) {
        if message != self.message {
            self.message = message;
            if !self.running.is_empty() {
                self.running = JoinSet::new();
            }
        }
    }

    /// Starts a lookup. One that the cache can answer is answered at once, without a task. A panic leaves it unanswered, as in a task.
    pub(super) async fn start(&mut self, lookup: Lookup, setup: &Setup) -> Option<Answered> {
        let due = super::after(setup.rules.config().spf.timeout);
        let mut lookup = Box::pin(run(lookup, setup.resolver.clone(), due));
        let at_once = std::future::poll_fn(|context| Poll::Ready(guard(|| lookup.as_mut().poll(context))));
        match at_once.await {
            Ok(Poll::Ready(answered)) => Some(answered),
            Ok(Poll::Pending) => {
                self.running.spawn(lookup);
                None
            }
            Err(Fault) => None,
        }
    }

    /// The next answer; `None` when nothing is under way. Can be dropped before it is done.
    pub(super) async fn next(&mut self) -> Option<Result<Answered, JoinError>> {
        self.running.join_next().await
    }

    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }
}

/// Asks what there is to ask; checks of the sender are over when they are `due`.
async fn run(lookup: Lookup, resolver: Resolver, due: Instant) -> Answered {
    match lookup {
        Lookup::Key(name) => {
            let answer = resolver.key(&name).await;
            Answered::Key(name, answer)
        }
        Lookup::Helo(progress) => Answered::Helo(check(progress, &resolver, due).await),
        Lookup::MailFrom(progress) => Answered::MailFrom(check(progress, &resolver, due).await),
    }
}

/// Answers one question after the other. RFC 7208 §4.6.4 on time: "If such a limit is exceeded, the result of authorization SHOULD be
/// "temperror"."
async fn check<I: Identity>(mut progress: Progress<I>, resolver: &Resolver, due: Instant) -> Outcome<I> {
    loop {
        progress = match progress {
            Progress::Done(outcome) => return outcome,
            Progress::Ask(pending) => match timeout_at(due, resolver.spf(pending.question())).await {
                Ok(answer) => pending.answer(answer),
                Err(_elapsed) => return pending.expire(),
            },
        };
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
        let (helo, mail_from) = tokio::join!(
            check(check_helo(&session, &limits), &resolver, due),
            check(check_mail_from(&session, &sender, &limits), &resolver, due),
        );
        assert_eq!((helo.result, mail_from.result), (SpfResult::TempError, SpfResult::TempError));
        assert_eq!(start.elapsed().as_secs(), 20);
    }
}
