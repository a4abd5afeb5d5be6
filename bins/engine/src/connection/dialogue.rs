//! The dialogue with one MTA: frames in, replies out, and the message in between. No IO and no waiting.
//!
//! Connection scope (client, authserv-ids) and message scope are kept apart: ABORT and MAIL end a message and leave the connection
//! as it is, QUIT_NC ends both. MAIL alone may end a message, since Sendmail sends no ABORT between two.

use std::sync::Arc;
use std::time::Duration;

use dkim_core::UnixTime;
use dkim_core::domain::DomainName;
use milter_proto::flags::{Actions, Steps};
use milter_proto::{
    Decision, Event, FilterSession, Frame, LeadingSpace, Peer, ProtocolError, Stage, UsageError, Wants, header_text,
};
use tokio::time::Instant;

use super::Setup;
use super::open::{Open, Step};
use crate::config::{Listener, OnFailure};
use crate::message::envelope::Envelope;
use crate::message::origin::{self, Client, OriginFacts};
use crate::message::verdict::{Action, RejectCause, TempfailCause};
use crate::message::{Answered, AuthservIds, Closing, Facts, Iprev, Lookup, Message, Refused, SignJob, Verdict};
use crate::opendkim::{Choice, ClientLists, DkimCause, Mail, Ways};
use crate::opendmarc::Judges;

/// What the connection has to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Go on with the next frame.
    Continue,
    /// A client has come, and lists have to be asked about it.
    Client,
    /// The header section is complete, and what is done with the message has to be chosen.
    Choice,
    /// MAIL or RCPT has no answer yet: what is known of the sender decides, or will.
    EnvelopeStep,
    /// The message is complete: join its lookups and answer.
    EndOfMessage,
    /// The MTA is done.
    Quit,
}

/// Why a dialogue cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DialogueError {
    /// The MTA's mistake.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// Ours.
    #[error(transparent)]
    Usage(#[from] UsageError),
}

/// One dialogue.
#[derive(Debug)]
pub(super) struct Dialogue {
    session: FilterSession,
    setup: Arc<Setup>,
    listener: Arc<Listener>,
    host_name: Arc<str>,
    client: Client,
    client_name: Vec<u8>,
    /// The lists of OpenDKIM's ways that the client is on.
    lists: ClientLists,
    helo: Vec<u8>,
    ids: Option<Arc<AuthservIds>>,
    open: Option<Open>,
    /// Counts messages, so that an answer for an old one is told from one for this.
    generation: u64,
    /// A header value as it stands in the message; kept for its buffer.
    raw: Vec<u8>,
    was_out_of_order: bool,
    /// Messages that were answered before their end.
    refused: Vec<Refused>,
    /// Whether they go into the journal.
    keeps_entries: bool,
}

/// Octets of HELO that are kept: RFC 5321 §4.5.3.1.4 allows 512 for the command, and no domain has so many.
const MAX_HELO: usize = 512;

/// What we ask of an MTA: header edits and quarantine and nothing else (least privilege), and silence where it saves round trips.
///
/// `Wants::default` has the rest: HDR_LEADSPC, no replies to header fields, end of headers and body, all other events with replies
/// (NODATA and NR_DATA would make Postfix stall).
///
/// With the ways of OpenDKIM the end of headers is answered, since mail is left alone or put off there; their macros are asked for at MAIL, where it is
/// decided whose mail it is.
///
/// Quarantine is asked for unless the old files put nothing there.
pub(super) fn wants(ways: Option<&Ways>, quarantines: bool) -> Wants {
    let mut wants = Wants::default();
    if let Some(ways) = ways {
        wants.steps = wants.steps.without(Steps::NO_REPLY_END_OF_HEADERS);
        let of_ways: Vec<&str> = ways.macro_names().collect();
        // A list that is too long, or a name that is none, is for the MTA's own configuration.
        if !of_ways.is_empty() && wants.add_macros(Stage::Mail, &of_ways).is_err() {
            tracing::warn!("not all macros of MacroList can be asked for; let the MTA send them at MAIL");
        }
    }
    wants.actions = Actions::ADD_HEADERS | Actions::CHANGE_HEADERS | Actions::SET_MACRO_LIST;
    if quarantines {
        wants.actions |= Actions::QUARANTINE;
    }
    // Without them forged fields would stay: no session is better, and `milter_default_action` decides.
    wants.required = Actions::ADD_HEADERS | Actions::CHANGE_HEADERS;
    wants
}

/// Recipients are added for `CopyFailuresTo` of OpenDMARC alone.
fn with_copies(mut wants: Wants, has_copies: bool) -> Wants {
    if has_copies {
        wants.actions |= Actions::ADD_RCPT;
    }
    wants
}

impl Dialogue {
    pub(super) fn new(setup: Arc<Setup>, listener: Arc<Listener>, host_name: Arc<str>, keeps_entries: bool) -> Self {
        Self {
            session: FilterSession::new(if listener.takes_part {
                let ways = setup.rules.ways().map(AsRef::as_ref);
                let holds = setup.rules.opendmarc().is_some_and(|ways| ways.holds());
                let wants = wants(ways, ways.is_none_or(|ways| ways.quarantines() || holds));
                with_copies(wants, setup.rules.opendmarc().is_some_and(|ways| ways.copy_failures_to().is_some()))
            } else {
                Wants::nothing()
            }),
            setup,
            listener,
            host_name,
            client: Client::Unknown,
            client_name: Vec::new(),
            lists: ClientLists::default(),
            helo: Vec::new(),
            ids: None,
            open: None,
            generation: 0,
            raw: Vec::new(),
            was_out_of_order: false,
            refused: Vec::new(),
            keeps_entries,
        }
    }

    /// Takes a frame; replies go to `out`.
    pub(super) fn take(&mut self, frame: Frame<'_>, out: &mut Vec<u8>) -> Result<Next, DialogueError> {
        let event = self.session.receive(frame)?;
        let mut next = Next::Continue;
        match event {
            // An MTA that sends no CONNECT hears at its first question that nobody looks at its mail.
            Event::Connect { .. } | Event::Helo(_) | Event::MailFrom { .. } if !self.listener.takes_part => {
                self.session.reply(&Decision::Accept, out)?;
            }
            Event::Connect { hostname, peer } => {
                self.client = client_of(&peer);
                self.client_name = hostname.to_vec();
                self.helo.clear();
                self.ids = None;
                self.lists = ClientLists::default();
                if self.setup.rules.ways().is_some() {
                    next = Next::Client;
                }
            }
            Event::Helo(name) => {
                self.end_message();
                self.helo = name.get(..MAX_HELO).unwrap_or(name).to_vec();
            }
            Event::Abort => self.end_message(),
            Event::MailFrom { address, parameters } => {
                let most = self.setup.rules.config().limits.recipients;
                self.begin(Envelope::new(address, parameters.iter(), most));
                next = self.step(Step::Mail);
            }
            Event::RcptTo { address, .. } => next = self.step(Step::Rcpt(address.into())),
            Event::Header { name, value } => {
                if let Some(open) = &mut self.open {
                    self.raw.clear();
                    header_text::from_wire(value, self.session.leading_space(), &mut self.raw);
                    open.message.header(name, &self.raw);
                }
            }
            Event::EndOfHeaders => {
                if let Some(open) = &mut self.open {
                    if self.setup.rules.ways().is_some() {
                        next = Next::Choice;
                    } else {
                        open.message.end_of_headers(now());
                    }
                }
                // A field of a megabyte is rare, its buffer need not stay.
                self.raw.shrink_to(64 * 1024);
            }
            Event::Body(octets) => {
                if let Some(open) = &mut self.open {
                    open.message.body(octets, now());
                }
            }
            Event::EndOfBody(octets) => {
                if let Some(open) = &mut self.open {
                    if !octets.is_empty() {
                        open.message.body(octets, now());
                    }
                    // Postfix knows the queue id late; here it is certain.
                    if let Some(id) = self.session.macros().get("i") {
                        open.message.queue_id(id);
                    }
                    next = Next::EndOfMessage;
                }
            }
            Event::Quit => next = Next::Quit,
            Event::QuitNewConnection => {
                self.end_message();
                self.helo.clear();
                self.ids = None;
                self.client = Client::Unknown;
                self.client_name.clear();
                self.lists = ClientLists::default();
            }
            Event::OutOfOrder { stage } => {
                self.end_message();
                if !std::mem::replace(&mut self.was_out_of_order, true) {
                    tracing::warn!(listener = %self.listener.socket, %stage, "the mta sent an event out of order");
                }
            }
            // `Event` may get more variants; none needs anything of us but a reply.
            _ => {}
        }
        if next == Next::Continue && self.session.awaits_decision() {
            self.session.reply(&Decision::Continue, out)?;
        }
        Ok(next)
    }

    /// The client, for whoever asks lists about it.
    pub(super) fn client(&self) -> (Client, &[u8]) {
        (self.client, &self.client_name)
    }

    /// Answers CONNECT: a peer's mail passes untouched.
    pub(super) fn answer_client(&mut self, lists: ClientLists, out: &mut Vec<u8>) -> Result<(), DialogueError> {
        self.lists = lists;
        if self.session.awaits_decision() {
            let decision = if lists.is_peer { Decision::Accept } else { Decision::Continue };
            self.session.reply(&decision, out)?;
        }
        Ok(())
    }

    /// The message whose header section is complete, for whoever chooses what is done with it, and its queue id.
    pub(super) fn mail_to_choose_for(&mut self) -> Option<(Mail, String)> {
        let open = self.open.as_mut()?;
        // Postfix has an id from the first recipient on.
        if let Some(id) = self.session.macros().get("i") {
            open.message.queue_id(id);
        }
        let mail = open.message.mail_to_choose_for()?;
        let job = self.session.macros().get("i").filter(|id| !id.is_empty());
        Some((mail, job.map_or_else(|| "(unknown-jobid)".to_owned(), |id| id.escape_ascii().to_string())))
    }

    /// Answers the end of headers by what was chosen.
    pub(super) fn answer_choice(&mut self, choice: Option<Choice>, out: &mut Vec<u8>) -> Result<(), DialogueError> {
        let Some(open) = &mut self.open else { return Ok(()) };
        // What OpenDKIM has nothing to do with goes on to OpenDMARC.
        let choice = match choice {
            Some(Choice::LeaveAlone) if open.message.is_for_opendmarc() => Some(Choice::Verify(Vec::new())),
            other => other,
        };
        let (action, decision) = match choice {
            Some(Choice::Tempfail) => (Action::Tempfail(TempfailCause::Key), Decision::TempFail),
            Some(Choice::Refuse(why)) => {
                let cause = DkimCause::Required(why);
                (Action::Reject(RejectCause::Dkim(cause)), cause.refusal(true))
            }
            // With a forged field in it the message goes on to its end, where that is removed.
            Some(Choice::LeaveAlone) if !open.message.has_forged_fields() => (Action::Accept, Decision::Accept),
            _ => (Action::Accept, Decision::Continue),
        };
        open.message.go_on(choice, now());
        if self.session.awaits_decision() {
            if decision != Decision::Continue {
                let keeps_entries = self.keeps_entries;
                self.refused.extend(self.open.take().map(|open| open.into_left(action, keeps_entries)));
            }
            self.session.reply(&decision, out)?;
        }
        Ok(())
    }

    /// Whether a message is in flight.
    pub(super) fn is_busy(&self) -> bool {
        self.open.is_some()
    }

    /// The number of the message that is open.
    pub(super) fn open_message(&self) -> Option<u64> {
        self.open.as_ref().map(|_| self.generation)
    }

    pub(super) fn take_lookups(&mut self) -> Vec<Lookup> {
        self.open.as_mut().map_or_else(Vec::new, |open| open.message.take_lookups())
    }

    /// What came of a lookup of the message that is open.
    pub(super) fn answer(&mut self, answered: Answered) {
        if let Some(open) = &mut self.open {
            open.message.answer(answered);
        }
    }

    pub(super) fn waits_for_answers(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.message.waits_for_answers())
    }

    /// Whether MAIL or RCPT waits for what is to be known of the sender.
    pub(super) fn waits_at_step(&self) -> bool {
        self.open.as_ref().is_some_and(Open::waits_at_step)
    }

    /// Until when it waits.
    pub(super) fn step_due(&mut self) -> Option<Instant> {
        let budget = self.setup.rules.config().spf.budget;
        self.open.as_mut().map(|open| open.step_due(budget))
    }

    /// Answers MAIL or RCPT by what is known now.
    pub(super) fn answer_step(&mut self, out: &mut Vec<u8>) -> Result<(), DialogueError> {
        let Some(answer) = self.open.as_mut().and_then(Open::answer_step) else { return Ok(()) };
        if answer.is_over {
            let keeps_entries = self.keeps_entries;
            self.refused.extend(self.open.take().map(|open| open.into_refused(keeps_entries)));
        }
        self.session.reply(&answer.decision, out)?;
        Ok(())
    }

    /// The message that is open ends here, before its end of message: ABORT, another one, the end of the connection.
    pub(super) fn end_message(&mut self) {
        let refused = self.open.take().filter(|open| open.message.has_refused());
        let keeps_entries = self.keeps_entries;
        self.refused.extend(refused.map(|open| open.into_refused(keeps_entries)));
    }

    /// Messages that were refused before their end.
    pub(super) fn take_refused(&mut self) -> Vec<Refused> {
        std::mem::take(&mut self.refused)
    }

    /// Tells the MTA that we are still at work.
    pub(super) fn keep_alive(&mut self, out: &mut Vec<u8>) {
        self.session.keep_alive(out);
    }

    /// Time was spent waiting for DNS.
    pub(super) fn waited(&mut self, time: Duration) {
        if let Some(open) = &mut self.open {
            open.waited = open.waited.saturating_add(time);
        }
    }

    /// Takes the message that is complete, with the time it began and what of it was spent waiting for DNS.
    pub(super) fn close_message(&mut self) -> Option<(Closing, SignJob, Instant, Duration)> {
        let open = self.open.take()?;
        let (closing, job) = open.message.finish(now());
        Some((closing, job, open.since, open.waited))
    }

    /// Writes edits and decision of a verdict.
    pub(super) fn conclude(&mut self, verdict: &Verdict, out: &mut Vec<u8>) -> Result<(), DialogueError> {
        verdict.edits.write(&mut self.session, out)?;
        self.session.reply(&verdict.reply, out)?;
        Ok(())
    }

    /// Answers the event with this code after a fault of ours, as well as that still goes: the connection ends after it.
    pub(super) fn answer_fault(&mut self, code: u8, out: &mut Vec<u8>) {
        let (decision, raw) = match self.setup.rules.config().policy.on_internal_error {
            OnFailure::Tempfail => (Decision::TempFail, b't'),
            OnFailure::Accept => (Decision::Accept, b'a'),
        };
        let written = crate::message::guard(|| {
            if self.session.awaits_decision() { self.session.reply(&decision, out).is_ok() } else { false }
        });
        // The session itself broke, before it took the event: the events that are never silent get their reply all the same.
        let is_answered = Stage::from_code(code)
            .is_some_and(|stage| !matches!(stage, Stage::Header | Stage::EndOfHeaders | Stage::Body | Stage::Unknown));
        if written != Ok(true) && is_answered {
            out.extend_from_slice(&[0, 0, 0, 1, raw]);
        }
    }

    /// Whether signatures with `simple` headers may fail because the MTA takes spaces away; asked once the options are agreed.
    pub(super) fn lacks_leading_space(&self) -> bool {
        self.listener.takes_part
            && self.session.negotiated().is_some()
            && self.session.leading_space() == LeadingSpace::OneStripped
    }

    /// MAIL or RCPT has come: whether it has its answer now.
    fn step(&mut self, step: Step<'_>) -> Next {
        let passes = self.open.as_mut().is_none_or(|open| open.passes_step(step));
        if passes { Next::Continue } else { Next::EnvelopeStep }
    }

    fn begin(&mut self, envelope: Envelope) {
        self.end_message();
        let macros = self.session.macros();
        let facts = OriginFacts {
            client: self.client,
            auth_type: macros.get("{auth_type}"),
            auth_authen: macros.get("{auth_authen}"),
            daemon_name: macros.get("{daemon_name}"),
            daemon_port: macros.get("{daemon_port}"),
        };
        let judges = self.setup.rules.opendmarc().map(|ways| {
            let judges = ways.judges(self.client, &self.client_name, facts.auth_authen);
            judges.log(&self.client_name, self.client, envelope.sender());
            judges
        });
        let (origin, rule) = match (self.setup.rules.ways(), judges) {
            (Some(ways), _) => ways.origin(&facts, self.lists, macros),
            (None, Some(judges)) => judges.origin(self.client),
            (None, None) => origin::decide(&facts, &self.listener.trust),
        };
        let facts = Facts {
            queue_id: macros.get("i").filter(|id| !id.is_empty()).map(<[u8]>::to_vec),
            listener: self.listener.socket.to_string(),
            origin,
            rule,
            client: self.client,
            is_ignored: self.lists.is_ignored,
            daemon_name: macros.get("{daemon_name}").map(<[u8]>::to_vec),
            judged: judges.map(|judges| judges == Judges::Yes),
            mta_name: macros.get("j").map(<[u8]>::to_vec),
            client_name: self.client_name.clone(),
            helo: self.helo.clone(),
            iprev: Iprev::new(self.client, macros.get("{client_resolve}"), macros.get("{client_ptr}")),
            began: now(),
            can_quarantine: self
                .session
                .negotiated()
                .is_some_and(|agreed| agreed.actions.contains(Actions::QUARANTINE)),
            envelope,
        };
        let ids = self.authserv_ids();
        let message = Message::begin(Arc::clone(&self.setup.rules), Arc::clone(&self.listener), ids, facts);
        self.generation = self.generation.wrapping_add(1);
        self.open = Some(Open::new(message));
    }

    /// Our names: the configured one, or the MTA's name from its `j` macro (M26: never the name of a container while the MTA has
    /// a better one).
    pub(super) fn authserv_ids(&mut self) -> Arc<AuthservIds> {
        let config = self.setup.rules.config();
        let ids = self.ids.get_or_insert_with(|| {
            // A name that is neither ASCII nor a domain has no spelling of its own in an ASCII field.
            let is_writable = |name: &&str| name.is_ascii() || DomainName::parse(name).is_ok();
            let from_mta =
                self.session.macros().get_str("j").map(|name| name.trim_end_matches('.')).filter(is_writable);
            let own = match (&config.authserv_id, from_mta) {
                (Some(id), _) => id.clone(),
                (None, Some(name)) if !name.trim().is_empty() => name.to_owned(),
                (None, _) => self.host_name.as_ref().to_owned(),
            };
            Arc::new(AuthservIds::new(own, &config.remove_authserv_ids))
        });
        Arc::clone(ids)
    }
}

fn client_of(peer: &Peer<'_>) -> Client {
    match (peer, peer.ip()) {
        (Peer::Unix { .. }, _) => Client::Unix,
        (_, Some(address)) => Client::Ip(address.to_canonical(), peer.port().unwrap_or(u16::MAX)),
        _ => Client::Unknown,
    }
}

fn now() -> UnixTime {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    UnixTime::from_secs(since_epoch.map_or(0, |time| time.as_secs()))
}
