//! SPF of a message: both identities, from MAIL on.
//!
//! ```text
//!  MAIL ─► plan ─┬─ a client ───────────────────► two checks ─► lookups ─► answers ─► SpfResults ─► field, record
//!                ├─ a relay of ours ─► headers ──►     │                      │
//!                └─ nobody, or no address               └── policy: MAIL, RCPT, end of message
//! ```
//!
//! `plan.rs` says who is checked and when, `policy.rs` what follows from it, `results.rs` how it is written. The checks are machines of
//! `spf_core`; whoever runs the lookups asks the DNS for them.
//!
//! Invariants: HELO and MAIL FROM are two types from the start to the end, and only a MAIL FROM outcome leaves for DMARC or refuses mail
//! (`standards.md` M-17); fields of the message are never a source of results.

mod plan;
pub mod policy;
mod results;

use std::net::IpAddr;

use dkim_core::UnixTime;
use dkim_core::header::HeaderBlock;
use milter_proto::Decision;
use spf_core::check::{Progress, check_helo, check_mail_from};
use spf_core::identity::{Helo, MailFrom, Sender, Session};
use spf_core::limits::Limits;
use spf_core::name::Name;
use spf_core::outcome::Outcome;

pub use self::plan::NoClient;
pub(super) use self::plan::is_relay;
pub use self::policy::{Refusal, Ruling};

use self::plan::{Subject, subject};
use super::lookups::Lookup;
use super::received::RelayError;
use super::report::Facts;
use crate::config::{self, Mode, Trust};

/// SPF at work on a message.
#[derive(Debug)]
pub(super) struct Spf {
    stage: Stage,
    sender: Sender,
    /// Who checks, for explanations.
    receiver: String,
    now: UnixTime,
}

#[derive(Debug)]
enum Stage {
    /// There is nothing to check.
    Off,
    /// Until the header section is complete.
    BehindRelay,
    NoClient(NoClient),
    Checking(Box<Checking>),
}

#[derive(Debug)]
struct Checking {
    session: Session,
    is_behind_relay: bool,
    helo: State<Helo>,
    mail_from: State<MailFrom>,
}

/// A check that was begun.
#[derive(Debug)]
enum State<I: spf_core::identity::Identity> {
    /// It has questions, and nobody has taken it yet.
    ToAsk(Progress<I>),
    /// Somebody asks them.
    Asked,
    /// Without its log, see [`done`](Self::done).
    Done(Outcome<I>),
}

impl<I: spf_core::identity::Identity> State<I> {
    fn of(progress: Progress<I>) -> Self {
        match progress {
            Progress::Done(outcome) => Self::done(outcome),
            ask @ Progress::Ask(_) => Self::ToAsk(ask),
        }
    }

    /// The check is over. Messages are open for as long as their MTA likes, and there are many of them: the records and answers, which
    /// strangers may make large, do not stay with them.
    fn done(outcome: Outcome<I>) -> Self {
        Self::Done(outcome.without_log())
    }

    fn outcome(&self) -> Option<&Outcome<I>> {
        match self {
            Self::Done(outcome) => Some(outcome),
            Self::ToAsk(_) | Self::Asked => None,
        }
    }

    fn into_outcome(self) -> Option<Outcome<I>> {
        match self {
            Self::Done(outcome) => Some(outcome),
            Self::ToAsk(_) | Self::Asked => None,
        }
    }

    fn take(&mut self) -> Option<Progress<I>> {
        match std::mem::replace(self, Self::Asked) {
            Self::ToAsk(progress) => Some(progress),
            other => {
                *self = other;
                None
            }
        }
    }

    /// The outcome; a check that was not answered ends as RFC 7208 §4.6.4 says. Whoever asks for it ends it in time and answers with what it
    /// came to; only one that was lost with its lookup is begun `again`, to end at once.
    fn finish(self, again: impl FnOnce() -> Progress<I>) -> Outcome<I> {
        let progress = match self {
            Self::Done(outcome) => return outcome,
            Self::ToAsk(progress) => progress,
            Self::Asked => again(),
        };
        match progress {
            Progress::Done(outcome) => outcome,
            Progress::Ask(pending) => pending.expire(),
        }
    }
}

impl Spf {
    /// Nothing to check.
    pub(super) fn off() -> Self {
        Self { stage: Stage::Off, sender: Sender::null(), receiver: String::new(), now: UnixTime::from_secs(0) }
    }

    /// MAIL has come. `receiver` is the name under which we check.
    pub(super) fn begin(facts: &Facts, mode: Mode, spf: &config::Spf, receiver: &str) -> Self {
        let subject = subject(facts, mode, spf);
        if subject == Subject::Nobody {
            return Self::off();
        }
        let sender = Sender::from_reverse_path(facts.envelope.sender());
        let mut this = Self { stage: Stage::Off, sender, receiver: receiver.to_owned(), now: facts.began };
        match subject {
            Subject::Nobody => {}
            Subject::Client(client) => this.check(client, &facts.helo, false, spf),
            Subject::BehindRelay => this.stage = Stage::BehindRelay,
            Subject::NoClient(why) => this.stage = Stage::NoClient(why),
        }
        this
    }

    /// The header section is complete: behind a relay of ours, its Received fields tell the client.
    pub(super) fn client_of_relay(&mut self, headers: &HeaderBlock, trust: &Trust, spf: &config::Spf) {
        if !matches!(self.stage, Stage::BehindRelay) {
            return;
        }
        let fields = headers.iter().filter(|field| field.is_named("Received")).map(|field| field.value);
        match plan::client_of_relay(fields, trust, spf) {
            Ok(from) => self.check(from.client, from.helo.as_deref().unwrap_or_default(), true, spf),
            Err(why) => self.stage = Stage::NoClient(why),
        }
    }

    fn check(&mut self, client: IpAddr, helo: &[u8], is_behind_relay: bool, spf: &config::Spf) {
        let session = Session::new(client, helo).with_receiver(&self.receiver).with_time(self.now.as_secs());
        // An explanation is shown where mail is rejected, and nowhere else.
        let mut limits = Limits::default();
        limits.explanation = false;
        let helo = check_helo(&session, &limits);
        limits.explanation = !is_behind_relay && policy::may_reject(&session, &self.sender, spf);
        let mail_from = check_mail_from(&session, &self.sender, &limits);
        let (helo, mail_from) = (State::of(helo), State::of(mail_from));
        self.stage = Stage::Checking(Box::new(Checking { session, is_behind_relay, helo, mail_from }));
    }

    /// Checks to run now; each is handed out once.
    pub(super) fn take_lookups(&mut self, lookups: &mut Vec<Lookup>) {
        let Stage::Checking(checking) = &mut self.stage else { return };
        lookups.extend(checking.mail_from.take().map(Lookup::MailFrom));
        lookups.extend(checking.helo.take().map(Lookup::Helo));
    }

    pub(super) fn answer_helo(&mut self, outcome: Outcome<Helo>) {
        if let Stage::Checking(checking) = &mut self.stage {
            checking.helo = State::done(outcome);
        }
    }

    pub(super) fn answer_mail_from(&mut self, outcome: Outcome<MailFrom>) {
        if let Stage::Checking(checking) = &mut self.stage {
            checking.mail_from = State::done(outcome);
        }
    }

    /// Whether a check is not over.
    pub(super) fn is_waiting(&self) -> bool {
        match &self.stage {
            Stage::Checking(checking) => checking.helo.outcome().is_none() || checking.mail_from.outcome().is_none(),
            Stage::Off | Stage::BehindRelay | Stage::NoClient(_) => false,
        }
    }

    /// The MAIL FROM outcome, once it is there, and what follows from it.
    pub(super) fn mail_from(&self, spf: &config::Spf) -> Option<(&Outcome<MailFrom>, Ruling)> {
        match &self.stage {
            Stage::Checking(checking) => checking
                .mail_from
                .outcome()
                .map(|outcome| (outcome, policy::rule(outcome, checking.is_behind_relay, spf))),
            Stage::Off | Stage::BehindRelay | Stage::NoClient(_) => None,
        }
    }

    /// Whether the MAIL FROM outcome is on its way and could be one to refuse.
    pub(super) fn may_refuse(&self, spf: &config::Spf) -> bool {
        match &self.stage {
            Stage::Checking(checking) => {
                checking.mail_from.outcome().is_none() && policy::may_refuse(&checking.session, &self.sender, spf)
            }
            Stage::Off | Stage::BehindRelay | Stage::NoClient(_) => false,
        }
    }

    /// The results; `None` for mail that is not checked. What was not answered until now is `temperror`.
    pub(super) fn finish(self, spf: &config::Spf) -> Option<SpfResults> {
        let sender = self.sender;
        match self.stage {
            Stage::Off => None,
            Stage::BehindRelay => {
                let why = NoClient::Relay(RelayError::NoOutsider);
                Some(SpfResults(What::NoClient(why, sender.domain().cloned())))
            }
            Stage::NoClient(why) => Some(SpfResults(What::NoClient(why, sender.domain().cloned()))),
            Stage::Checking(checking) => {
                let Checking { session, is_behind_relay, helo, mail_from } = *checking;
                let limits = Limits::default();
                let helo = Some(helo.finish(|| check_helo(&session, &limits)));
                let mail_from = mail_from.finish(|| check_mail_from(&session, &sender, &limits));
                let ruling = policy::rule(&mail_from, is_behind_relay, spf);
                Some(SpfResults(What::Checked(Box::new(Checked { helo, mail_from, is_behind_relay, ruling }))))
            }
        }
    }

    /// What is known of a message that was refused before its end.
    pub(super) fn so_far(self, spf: &config::Spf) -> Option<SpfResults> {
        let Stage::Checking(checking) = self.stage else { return None };
        let Checking { helo, mail_from, is_behind_relay, .. } = *checking;
        let (helo, mail_from) = (helo.into_outcome(), mail_from.into_outcome()?);
        let ruling = policy::rule(&mail_from, is_behind_relay, spf);
        Some(SpfResults(What::Checked(Box::new(Checked { helo, mail_from, is_behind_relay, ruling }))))
    }
}

/// What SPF says of a message.
///
/// DMARC takes the MAIL FROM result alone (RFC 9989 §4.4, `standards.md` M-17). [`for_dmarc`](Self::for_dmarc) hands out that one, and the
/// HELO one does not fit in its place:
///
/// ```compile_fail,E0308
/// use engine::message::spf::SpfResults;
/// use spf_core::{identity::MailFrom, outcome::Outcome};
///
/// fn evaluate_dmarc(spf: Option<&Outcome<MailFrom>>) {}
///
/// fn confuse(results: &SpfResults) {
///     evaluate_dmarc(results.helo()); // does not compile
/// }
/// ```
///
/// ```
/// # use engine::message::spf::SpfResults;
/// # use spf_core::{identity::MailFrom, outcome::Outcome};
/// # fn evaluate_dmarc(spf: Option<&Outcome<MailFrom>>) {}
/// fn right(results: &SpfResults) {
///     evaluate_dmarc(results.for_dmarc());
/// }
/// ```
#[derive(Debug)]
pub struct SpfResults(What);

#[derive(Debug)]
enum What {
    /// There was no address to check; the domain of the sender, if it has one.
    NoClient(NoClient, Option<Name>),
    Checked(Box<Checked>),
}

#[derive(Debug)]
struct Checked {
    /// `None`: not known when the message ended, which was before its end.
    helo: Option<Outcome<Helo>>,
    mail_from: Outcome<MailFrom>,
    is_behind_relay: bool,
    ruling: Ruling,
}

impl SpfResults {
    /// The outcome for MAIL FROM, the one that DMARC takes; `None` where no address could be checked.
    #[must_use]
    pub fn for_dmarc(&self) -> Option<&Outcome<MailFrom>> {
        self.checked().map(|checked| &checked.mail_from)
    }

    /// The outcome for HELO; `None` where no address could be checked, or the message was refused before it was known.
    #[must_use]
    pub fn helo(&self) -> Option<&Outcome<Helo>> {
        self.checked().and_then(|checked| checked.helo.as_ref())
    }

    /// Why no address could be checked, if so.
    #[must_use]
    pub fn no_client(&self) -> Option<NoClient> {
        match &self.0 {
            What::NoClient(why, _) => Some(*why),
            What::Checked(_) => None,
        }
    }

    /// What follows from it.
    #[must_use]
    pub fn ruling(&self) -> Ruling {
        self.checked().map_or(Ruling::Pass, |checked| checked.ruling)
    }

    /// What the SMTP client is told, where the message is to be refused.
    #[must_use]
    pub fn refusal(&self) -> Option<Decision> {
        let checked = self.checked()?;
        match checked.ruling {
            Ruling::Refuse(refusal) => Some(policy::reply(refusal, &checked.mail_from)),
            Ruling::Pass | Ruling::Reported | Ruling::Allowed => None,
        }
    }

    fn checked(&self) -> Option<&Checked> {
        match &self.0 {
            What::NoClient(..) => None,
            What::Checked(checked) => Some(checked),
        }
    }
}

#[cfg(test)]
mod tests;
