//! The MTA's end of a session: for tests, load tools, and other MTAs.
//!
//! ```text
//!  negotiate, connect, helo, mail, … ──► octets ──► filter
//!                     │
//!                     └─► Sent::AwaitReply ──► receive until Heard::Decision
//! ```
//!
//! Each call puts the macro packet of its stage and the command behind each other in the caller's buffer, and says by [`Sent`] whether a reply
//! comes. Commands that the filter has masked, or does not want any more (SKIP, ACCEPT), are not written. Modifications are carried out on
//! [`MtaMessage`] as [`Profile`] has it.
//!
//! *Invariants.* What a filter does wrong is a [`Violation`]; the session is then over, as with Postfix. What the caller does wrong is a
//! [`UsageError`], and nothing is written. Nothing a filter sends makes the message grow beyond the limits in [`MtaOptions`].
//!
//! *Not done here*: timeouts and default actions, access rules, the rest of SMTP.

use crate::command::{Command, Offer, Peer, Strings};
use crate::error::{UsageError, Waiting};
use crate::filter::{MAX_DATA, Replacement};
use crate::flags::{Actions, Steps};
use crate::frame::Frame;
use crate::header_text::{LeadingSpace, from_wire};
use crate::negotiation::{MAX_VERSION, Negotiated};
use crate::order::Position;
use crate::reply::{Answer, Decision, Modification};
use crate::stage::Stage;

mod macro_values;
mod message;
mod replies;
mod violation;

use macro_values::MacroValues;
pub use message::{Field, MtaMessage, Profile};
pub use violation::Violation;

/// How the MTA's end behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MtaOptions {
    /// What is offered. Default: version 6 with everything.
    pub offer: Offer,
    /// Whose behaviour. Default: Postfix.
    pub profile: Profile,
    /// The value of the MTA's own Received field, which the filter does not see. Default: none.
    pub own_received: Option<Vec<u8>>,
    /// Octets of a header field, name and colon counted; longer ones are cut. Default: 60000, as Postfix.
    pub max_header: usize,
    /// Modifications of one message; more are a [`Violation::TooMuch`]. Default: 10000.
    pub max_modifications: u32,
    /// Octets in the modifications of one message; more are a [`Violation::TooMuch`]. Default: 64 MiB.
    pub max_modified_octets: usize,
}

impl Default for MtaOptions {
    fn default() -> Self {
        Self {
            offer: Offer::new(MAX_VERSION, Actions::ALL, Steps::ALL),
            profile: Profile::Postfix,
            own_received: None,
            max_header: 60_000,
            max_modifications: 10_000,
            max_modified_octets: 64 << 20,
        }
    }
}

impl MtaOptions {
    /// The offer of Postfix with `milter_protocol` set to 2, 3, 4 or 6.
    pub fn for_version(version: u32) -> Self {
        // Postfix does not know the option of Sendmail 8.13 that `known_in` allows before version 6.
        let old = if version < MAX_VERSION { Steps::NO_REPLY_HEADERS } else { Steps::NONE };
        let steps = (Steps::ALL & Steps::known_in(version)).without(old);
        Self { offer: Offer::new(version, Actions::ALL, steps), ..Self::default() }
    }
}

/// What came of a call; [`MtaSession::awaiting`] says the same later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sent {
    /// The command was written, and the filter replies: call [`MtaSession::receive`] until it gives a decision.
    AwaitReply,
    /// The command was written, and the filter does not reply.
    NoReply,
    /// The command was not written: the filter has masked the event, the version does not have it, the filter said SKIP or has decided on the
    /// message, or the session is over.
    NotSent,
}

/// What the filter said.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Heard<'a> {
    /// The answer to the offer.
    Negotiated(Answer<'a>),
    /// Still at work: wait on.
    Progress,
    /// A change, which [`MtaSession::message`] now shows. More follows.
    Modification(Modification<'a>),
    /// The final reply.
    Decision(Decision),
}

/// The MTA's end of a session.
///
/// The crate's front page has a whole dialogue.
#[derive(Clone, Debug)]
pub struct MtaSession {
    options: MtaOptions,
    agreed: Option<Negotiated>,
    position: Position,
    awaiting: Option<Waiting>,
    /// Events that the filter does not want any more in this message.
    skipped: Option<Stage>,
    /// The filter has decided on this message before its end.
    is_decided: bool,
    replacement: Replacement,
    modifications: u32,
    modified_octets: usize,
    macros: MacroValues,
    message: MtaMessage,
}

impl MtaSession {
    /// A session that has sent nothing yet.
    pub fn new(options: MtaOptions) -> Self {
        Self {
            options,
            agreed: None,
            position: Position::Start,
            awaiting: None,
            skipped: None,
            is_decided: false,
            replacement: Replacement::NotBegun,
            modifications: 0,
            modified_octets: 0,
            macros: MacroValues::default(),
            message: MtaMessage::default(),
        }
    }

    /// Writes the offer. The filter answers.
    ///
    /// # Errors
    /// [`UsageError::OutOfOrder`] if it was written before.
    pub fn negotiate(&mut self, out: &mut Vec<u8>) -> Result<Sent, UsageError> {
        if self.position != Position::Start || self.awaiting.is_some() {
            return Err(UsageError::OutOfOrder(Waiting::Negotiation));
        }
        Command::Negotiate(self.options.offer).encode(out)?;
        self.awaiting = Some(Waiting::Negotiation);
        Ok(Sent::AwaitReply)
    }

    /// Sets a macro for all stages that list it; `None` unsets it. Braces around the name are optional.
    pub fn set_macro(&mut self, name: &str, value: Option<&[u8]>) {
        self.macros.set(name, value);
    }

    /// A client has connected.
    ///
    /// # Errors
    /// As all calls for an event: [`UsageError::AwaitingReply`], [`UsageError::OutOfOrder`], and [`UsageError::Encode`] for a NUL.
    pub fn connect(&mut self, hostname: &[u8], peer: Peer<'_>, out: &mut Vec<u8>) -> Result<Sent, UsageError> {
        self.event(Stage::Connect, &Command::Connect { hostname, peer }, out)
    }

    /// The client said HELO or EHLO.
    ///
    /// # Errors
    /// See [`connect`](Self::connect). Inside a message call [`end_message`](Self::end_message) first, as for [`mail`](Self::mail).
    pub fn helo(&mut self, argument: &[u8], out: &mut Vec<u8>) -> Result<Sent, UsageError> {
        self.event(Stage::Helo, &Command::Helo(argument), out)
    }

    /// A message begins: `address` as the client typed it.
    ///
    /// # Errors
    /// See [`connect`](Self::connect).
    pub fn mail(&mut self, address: &[u8], parameters: &[&[u8]], out: &mut Vec<u8>) -> Result<Sent, UsageError> {
        let command = Command::MailFrom { address, parameters: Strings::from(parameters) };
        let sent = self.event(Stage::Mail, &command, out)?;
        self.message.begin(address, self.options.own_received.as_deref());
        Ok(sent)
    }

    /// A recipient.
    ///
    /// # Errors
    /// See [`connect`](Self::connect).
    pub fn rcpt(&mut self, address: &[u8], parameters: &[&[u8]], out: &mut Vec<u8>) -> Result<Sent, UsageError> {
        let command = Command::RcptTo { address, parameters: Strings::from(parameters) };
        let sent = self.event(Stage::Rcpt, &command, out)?;
        self.message.add_recipient(address);
        Ok(sent)
    }

    /// The client said DATA. Not sent before version 4.
    ///
    /// # Errors
    /// See [`connect`](Self::connect).
    pub fn data(&mut self, out: &mut Vec<u8>) -> Result<Sent, UsageError> {
        self.event(Stage::Data, &Command::Data, out)
    }

    /// A header field. `value` is everything between colon and final CRLF; it is spelled for the wire as was negotiated, and cut if it is too
    /// long.
    ///
    /// # Errors
    /// See [`connect`](Self::connect).
    pub fn header(&mut self, name: &[u8], value: &[u8], out: &mut Vec<u8>) -> Result<Sent, UsageError> {
        // §8.3: "White space before the colon is dropped by Postfix"
        let name = name.trim_ascii_end();
        let wire = wire_value(value, self.options.max_header.saturating_sub(name.len()).saturating_sub(1));
        let value = match self.leading_space() {
            LeadingSpace::Verbatim => &wire[..],
            LeadingSpace::OneStripped => wire.strip_prefix(b" ").unwrap_or(&wire),
        };
        let sent = self.event(Stage::Header, &Command::Header { name, value }, out)?;
        let mut raw = Vec::new();
        from_wire(&wire, LeadingSpace::Verbatim, &mut raw);
        self.message.push_field(name, raw);
        Ok(sent)
    }

    /// End of the header section.
    ///
    /// # Errors
    /// See [`connect`](Self::connect).
    pub fn end_of_headers(&mut self, out: &mut Vec<u8>) -> Result<Sent, UsageError> {
        self.event(Stage::EndOfHeaders, &Command::EndOfHeaders, out)
    }

    /// A piece of the body, of at most 65535 octets.
    ///
    /// # Errors
    /// See [`connect`](Self::connect), and [`UsageError::TooLong`].
    pub fn body(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<Sent, UsageError> {
        if piece.len() > MAX_DATA {
            return Err(UsageError::TooLong(piece.len()));
        }
        self.event(Stage::Body, &Command::Body(piece), out)
    }

    /// End of message. Postfix never puts a piece of the body into it, so neither does this.
    ///
    /// # Errors
    /// See [`connect`](Self::connect).
    pub fn end_of_body(&mut self, out: &mut Vec<u8>) -> Result<Sent, UsageError> {
        self.event(Stage::EndOfBody, &Command::EndOfBody(b""), out)
    }

    /// A command the MTA does not know. Not sent before version 3.
    ///
    /// # Errors
    /// See [`connect`](Self::connect).
    pub fn unknown(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<Sent, UsageError> {
        self.event(Stage::Unknown, &Command::Unknown(line), out)
    }

    /// The message is over, done or not: writes ABORT, as Postfix does after each message.
    ///
    /// # Errors
    /// [`UsageError::AwaitingReply`], and [`UsageError::OutOfOrder`] before the option negotiation.
    pub fn end_message(&mut self, out: &mut Vec<u8>) -> Result<Sent, UsageError> {
        self.leave(&Command::Abort, out, |session| {
            session.forget_message();
            if session.position != Position::BeforeConnect {
                session.position = Position::Idle;
            }
        })
    }

    /// The client goes, and another one comes on the same connection. Not sent before version 6: open another connection then.
    ///
    /// # Errors
    /// See [`end_message`](Self::end_message).
    pub fn quit_new_connection(&mut self, out: &mut Vec<u8>) -> Result<Sent, UsageError> {
        if self.agreed.is_some_and(|agreed| agreed.version < MAX_VERSION) {
            return Ok(Sent::NotSent);
        }
        self.leave(&Command::QuitNewConnection, out, |session| {
            session.forget_message();
            session.position = Position::BeforeConnect;
        })
    }

    /// The session is over: close the connection after writing this.
    ///
    /// # Errors
    /// See [`end_message`](Self::end_message).
    pub fn quit(&mut self, out: &mut Vec<u8>) -> Result<Sent, UsageError> {
        self.leave(&Command::Quit, out, |session| session.position = Position::Closed)
    }

    /// Takes the next frame from the filter.
    ///
    /// # Errors
    /// [`Violation`]; unless it is [not fatal](Violation::is_fatal) the session is over.
    pub fn receive<'f>(&mut self, frame: Frame<'f>) -> Result<Heard<'f>, Violation> {
        if self.position == Position::Closed {
            return Err(Violation::Closed);
        }
        let heard = self.hear(frame);
        if heard.as_ref().is_err_and(Violation::is_fatal) {
            self.position = Position::Closed;
            self.awaiting = None;
        }
        heard
    }

    /// What the filter is waited for.
    pub fn awaiting(&self) -> Option<Waiting> {
        self.awaiting
    }

    /// What was agreed; `None` before the answer.
    pub fn negotiated(&self) -> Option<&Negotiated> {
        self.agreed.as_ref()
    }

    /// The message in hand; after its end, until the next one begins, the finished one.
    pub fn message(&self) -> &MtaMessage {
        &self.message
    }

    /// Whether the session is over: QUIT was sent, the filter decided at connect or HELO or said SHUTDOWN (Postfix closes the connection then),
    /// or it broke the protocol.
    pub fn is_over(&self) -> bool {
        self.position == Position::Closed
    }

    fn leading_space(&self) -> LeadingSpace {
        self.agreed.map_or(LeadingSpace::OneStripped, |agreed| agreed.leading_space())
    }

    /// Writes macros and command of an event, unless the filter does not want it.
    fn event(&mut self, stage: Stage, command: &Command<'_>, out: &mut Vec<u8>) -> Result<Sent, UsageError> {
        if let Some(waiting) = self.awaiting {
            return Err(UsageError::AwaitingReply(waiting));
        }
        if self.position == Position::Closed {
            return Ok(Sent::NotSent);
        }
        let agreed = self.agreed.ok_or(UsageError::OutOfOrder(Waiting::Event(stage)))?;
        // Every event is announced here, masked or not: the order is that of a session in which nothing is masked. Before version 4 there is
        // no DATA, and the table allows that as well.
        let ends_open_message = self.position.is_in_message() && matches!(stage, Stage::Helo | Stage::Mail);
        if ends_open_message || !self.position.allows(stage, Steps::NONE) {
            return Err(UsageError::OutOfOrder(Waiting::Event(stage)));
        }
        let is_wanted = !(stage.is_in_message() && stage != Stage::Mail && self.is_decided)
            && self.skipped != Some(stage)
            && exists_in(agreed.version, stage);
        let start = out.len();
        let mut sent = Sent::NotSent;
        if is_wanted {
            // §6: macros come "even [for] events the filter masked out"
            self.macros.write(stage, out)?;
            if !agreed.is_masked(stage) {
                command.encode(out).inspect_err(|_| out.truncate(start))?;
                sent = if agreed.is_silent(stage) { Sent::NoReply } else { Sent::AwaitReply };
            }
        }
        self.advance(stage);
        if sent == Sent::AwaitReply {
            self.awaiting = Some(Waiting::Event(stage));
        }
        Ok(sent)
    }

    fn advance(&mut self, stage: Stage) {
        match stage {
            Stage::Unknown => {}
            Stage::Connect | Stage::Helo => self.position = Position::Idle,
            Stage::Mail => {
                self.forget_message();
                self.position = Position::Message(stage);
            }
            // A message that was decided on before has no end of its own to wait for.
            Stage::EndOfBody if self.is_decided => self.position = Position::Idle,
            _ => self.position = Position::Message(stage),
        }
    }

    fn forget_message(&mut self) {
        self.skipped = None;
        self.is_decided = false;
        self.replacement = Replacement::NotBegun;
        self.modifications = 0;
        self.modified_octets = 0;
    }

    /// Writes a command that is no event.
    fn leave(
        &mut self,
        command: &Command<'_>,
        out: &mut Vec<u8>,
        then: impl FnOnce(&mut Self),
    ) -> Result<Sent, UsageError> {
        if let Some(waiting) = self.awaiting {
            return Err(UsageError::AwaitingReply(waiting));
        }
        match self.position {
            Position::Start => Err(UsageError::OutOfOrder(Waiting::Negotiation)),
            Position::Closed => Ok(Sent::NotSent),
            Position::BeforeConnect | Position::Idle | Position::Message(_) => {
                command.encode(out)?;
                then(self);
                Ok(Sent::NoReply)
            }
        }
    }
}

/// Whether a version has an event at all (§4.5: "Version ≤ 2: no UNKNOWN, ≤ 3: no DATA, whatever the bits say").
fn exists_in(version: u32, stage: Stage) -> bool {
    match stage {
        Stage::Unknown => version >= 3,
        Stage::Data => version >= 4,
        _ => true,
    }
}

/// A value as Postfix sends it with its leading space: lines joined by LF, and cut to `max` octets, at a line boundary if less than a tenth is
/// lost by that (§8.12).
fn wire_value(value: &[u8], max: usize) -> Vec<u8> {
    let mut wire = Vec::new();
    for line in value.split_inclusive(|&octet| octet == b'\n') {
        match line.strip_suffix(b"\r\n") {
            Some(text) => {
                wire.extend_from_slice(text);
                wire.push(b'\n');
            }
            None => wire.extend_from_slice(line),
        }
    }
    if wire.len() > max {
        wire.truncate(max);
        if let Some(end) =
            wire.iter().rposition(|&octet| octet == b'\n').filter(|&end| end.saturating_mul(10) > max.saturating_mul(9))
        {
            wire.truncate(end);
        }
    }
    wire
}
