//! A message through the machine without an MTA: what the daemon would do with it, and from what.
//!
//! The same [`Message`] that a connection drives, with the same lookups; only the events come from a file in place of a socket. Nothing is delivered,
//! written, signed or counted. *DNS questions*: those of the daemon, at the same time as there, within `dns.deadline`.

use std::sync::Arc;
use std::time::Duration;

use dkim_core::UnixTime;
use dkim_core::header::HeaderBlock;
use spf_core::identity::{Helo, MailFrom};
use spf_core::outcome::Outcome;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::config::{Listener, RejectAt};
use crate::connection::Asking as _;
use crate::dns::Resolver;
use crate::message::envelope::Envelope;
use crate::message::origin::{self, Client, OriginFacts};
use crate::message::{Answered, AuthservIds, EnvelopeStep, Facts, Lookup, Message, Rules, Verdict, guard};

/// By what messages are tried.
#[derive(Clone, Debug)]
pub struct Trial {
    rules: Arc<Rules>,
    listener: Arc<Listener>,
    ids: Arc<AuthservIds>,
    resolver: Resolver,
}

/// A message as it would come in.
#[derive(Clone, Debug)]
pub struct Incoming<'a> {
    /// The client.
    pub client: Client,
    /// Whether it authenticated.
    pub is_authenticated: bool,
    /// What it says in HELO.
    pub helo: &'a [u8],
    /// What it says in MAIL, with or without angle brackets.
    pub mail_from: &'a [u8],
    /// What it says in RCPT.
    pub rcpt_to: &'a [&'a [u8]],
    /// Its header section.
    pub headers: &'a HeaderBlock,
    /// Its body, with CRLF.
    pub body: &'a [u8],
    /// When it came: times of signatures and overrides are compared with it.
    pub at: UnixTime,
}

/// What came of a message.
#[derive(Debug)]
pub struct Tried {
    /// What the daemon would do.
    pub verdict: Verdict,
    /// The check of MAIL FROM with its log; `None` for mail that is not checked.
    pub mail_from: Option<Outcome<MailFrom>>,
    /// The check of HELO.
    pub helo: Option<Outcome<Helo>>,
    /// The step at which the sender is refused, before the message is seen.
    pub refused_at: Option<RejectAt>,
    /// Whose mail it is.
    pub origin: origin::Origin,
    /// The rule that said so.
    pub rule: origin::OriginRule,
}

impl Trial {
    /// Tries messages as the first listener of a configuration takes them; `host_name` is our name where the configuration has none.
    #[must_use]
    pub fn new(rules: Rules, resolver: Resolver, host_name: &str) -> Self {
        let rules = Arc::new(rules.for_trial());
        let config = rules.config();
        let listener =
            config.listeners.iter().find(|listener| listener.mode.verifies()).or_else(|| config.listeners.first());
        let listener = Arc::new(listener.cloned().unwrap_or_default());
        let own = config.authserv_id.clone().unwrap_or_else(|| host_name.to_owned());
        let ids = Arc::new(AuthservIds::new(own, &config.remove_authserv_ids));
        Self { rules, listener, ids, resolver }
    }

    /// By what it tries.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Tries one message.
    pub async fn run(&self, incoming: &Incoming<'_>) -> Tried {
        let begin = Instant::now();
        let deadline = begin.checked_add(self.rules.config().dns.deadline).unwrap_or(begin);
        let client = OriginFacts {
            client: incoming.client,
            auth_type: incoming.is_authenticated.then_some(b"PLAIN"),
            auth_authen: None,
            daemon_name: None,
            daemon_port: None,
        };
        let (origin, rule) = origin::decide(&client, &self.listener.trust);
        let facts = Facts {
            queue_id: None,
            listener: self.listener.socket.to_string(),
            origin,
            rule,
            client: incoming.client,
            is_ignored: false,
            daemon_name: None,
            judged: None,
            mta_name: None,
            client_name: Vec::new(),
            helo: incoming.helo.to_vec(),
            iprev: None,
            began: incoming.at,
            can_quarantine: true,
            envelope: Envelope::new(incoming.mail_from, [], self.rules.config().limits.recipients),
        };
        let message = Message::begin(Arc::clone(&self.rules), Arc::clone(&self.listener), Arc::clone(&self.ids), facts);
        let mut asked =
            Asked { message, mail_from: None, helo: None, resolver: &self.resolver, deadline, running: JoinSet::new() };
        asked.start();
        for recipient in incoming.rcpt_to {
            asked.message.recipient(recipient);
        }
        for field in incoming.headers {
            asked.message.header(field.name, field.value);
        }
        asked.message.end_of_headers(incoming.at);
        asked.start();
        asked.join().await;
        // Behind a relay, whose client is known from the header section alone, nothing is refused.
        let refused_at = [RejectAt::Mail, RejectAt::Rcpt]
            .into_iter()
            .find(|step| matches!(asked.message.at(*step), EnvelopeStep::Refuse(_)));
        asked.message.body(incoming.body, incoming.at);
        let Asked { message, mail_from, helo, .. } = asked;
        let (mut closing, job) = message.finish(incoming.at);
        // As in the daemon, one question's time is left in any case.
        let now = Instant::now();
        let deadline = deadline.max(now.checked_add(self.rules.config().dns.timeout).unwrap_or(now));
        while let Some(name) = closing.question().map(|question| question.name.as_str().to_owned()) {
            match timeout_at(deadline, self.resolver.txt(&name)).await {
                Ok(answer) => closing.answer(&answer),
                Err(_elapsed) => break,
            }
        }
        let signed = guard(|| job.run());
        let verdict = closing.verdict(signed, begin.elapsed(), Duration::ZERO);
        Tried { verdict, mail_from, helo, refused_at, origin, rule }
    }
}

/// A message and the lookups that it asks for.
struct Asked<'r> {
    message: Message,
    mail_from: Option<Outcome<MailFrom>>,
    helo: Option<Outcome<Helo>>,
    resolver: &'r Resolver,
    deadline: Instant,
    running: JoinSet<Option<Answered>>,
}

impl Asked<'_> {
    /// Asks what the message wants to know now, beside what is asked already.
    fn start(&mut self) {
        for lookup in self.message.take_lookups() {
            self.running.spawn(answer(lookup, self.resolver.clone(), self.deadline));
        }
    }

    /// Gives the message its answers; what has none by the deadline ends where it stands.
    async fn join(&mut self) {
        while let Some(done) = self.running.join_next().await {
            // A panic in a lookup leaves its question unanswered, as in the daemon.
            let Some(answered) = done.ok().flatten() else { continue };
            match &answered {
                Answered::MailFrom(outcome) => self.mail_from = Some(outcome.clone()),
                Answered::Helo(outcome) => self.helo = Some(outcome.clone()),
                Answered::Key(..) | Answered::Discovery(_) => {}
            }
            self.message.answer(answered);
        }
    }
}

/// What comes of a lookup; `None` for a key that is not there in time.
async fn answer(lookup: Lookup, resolver: Resolver, deadline: Instant) -> Option<Answered> {
    Some(match lookup {
        Lookup::Key(name) => {
            let answer = timeout_at(deadline, resolver.key(&name)).await.ok()?;
            Answered::Key(name, answer)
        }
        Lookup::MailFrom(progress) => Answered::MailFrom(progress.run_until(&resolver, deadline).await),
        Lookup::Helo(progress) => Answered::Helo(progress.run_until(&resolver, deadline).await),
        Lookup::Discovery(progress) => Answered::Discovery(Box::new(progress.run_until(&resolver, deadline).await)),
    })
}
