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
//! [`MtaMessage`]. What differs between MTAs is in [`Profile`].
//!
//! *Invariants.* What a filter does wrong is a [`Violation`]; the session is then over, as with both MTAs. What the caller does wrong is a
//! [`UsageError`], and nothing is written. Nothing a filter sends makes the message grow beyond the limits in [`MtaOptions`].
//!
//! *Not done here*: timeouts and default actions, access rules, the rest of SMTP.

use crate::command::{Command, Peer, Strings};
use crate::error::{UsageError, Waiting};
use crate::filter::{MAX_DATA, Replacement};
use crate::flags::Steps;
use crate::frame::Frame;
use crate::header_text::{LeadingSpace, from_wire};
use crate::negotiation::{MAX_VERSION, Negotiated};
use crate::order::Position;
use crate::reply::{Answer, Decision, Modification};
use crate::stage::Stage;

mod events;
mod macro_values;
mod message;
mod options;
mod replies;
mod violation;

use events::{sendmail_peer, wire_value};
use macro_values::MacroValues;
pub use message::{Field, MtaMessage};
pub use options::{MtaOptions, Profile};
pub use violation::Violation;

/// What came of a call; [`MtaSession::awaiting`] says the same later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sent {
    /// The command was written, and the filter replies: call [`MtaSession::receive`] until it gives a decision.
    AwaitReply,
    /// The command was written, and the filter does not reply.
    NoReply,
    /// The command was not written: the filter has masked the event, the version or the MTA does not have it, the filter said SKIP or has decided
    /// on the message, or the session is over. Macros may have been written all the same.
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
    /// The final reply, as the MTA takes it: Sendmail replaces a reply code with bad text ([`MtaSession::replaced_reply`]), and at connect
    /// takes only the class of one.
    Decision(Decision),
}

/// Where a filter stands with Sendmail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It has no message.
    Open,
    /// It has begun one: ABORT would tell it that there will be no end.
    InMessage,
    /// It is done with the message, and hears nothing until the next HELO or MAIL.
    Done,
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
    /// Only Sendmail looks at it.
    standing: Standing,
    /// The session is over, and Sendmail still says QUIT.
    owes_quit: bool,
    replaced_reply: Option<Violation>,
}

impl MtaSession {
    /// A session that has sent nothing yet.
    pub fn new(options: MtaOptions) -> Self {
        Self {
            macros: MacroValues::new(options.profile),
            options,
            agreed: None,
            position: Position::Start,
            awaiting: None,
            skipped: None,
            is_decided: false,
            replacement: Replacement::NotBegun,
            modifications: 0,
            modified_octets: 0,
            message: MtaMessage::default(),
            standing: Standing::Open,
            owes_quit: false,
            replaced_reply: None,
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

    /// A client has connected. With [`Profile::Sendmail`] an IPv6 address gets the prefix `IPv6:`, and one that maps an IPv4 address is sent as
    /// that.
    ///
    /// # Errors
    /// As all calls for an event: [`UsageError::AwaitingReply`], [`UsageError::OutOfOrder`], and [`UsageError::Encode`] for a NUL. With
    /// [`Profile::Sendmail`] also [`UsageError::TooLong`], for a packet above 65535 octets or what was negotiated.
    pub fn connect(&mut self, hostname: &[u8], peer: Peer<'_>, out: &mut Vec<u8>) -> Result<Sent, UsageError> {
        let mut address = Vec::new();
        let peer = if self.is_sendmail() { sendmail_peer(peer, &mut address) } else { peer };
        self.event(Stage::Connect, &Command::Connect { hostname, peer }, out)
    }

    /// The client said HELO or EHLO.
    ///
    /// # Errors
    /// See [`connect`](Self::connect). Inside a message call [`end_message`](Self::end_message) first, as for [`mail`](Self::mail); with
    /// [`Profile::Sendmail`] both write the ABORT themselves if the filter needs one.
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
        self.message.begin(address, &self.options);
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
    /// long for Postfix.
    ///
    /// # Errors
    /// See [`connect`](Self::connect).
    pub fn header(&mut self, name: &[u8], value: &[u8], out: &mut Vec<u8>) -> Result<Sent, UsageError> {
        // §8.3: "White space before the colon is dropped by Postfix", and by Sendmail as well.
        let name = name.trim_ascii_end();
        let max = if self.is_sendmail() { usize::MAX } else { self.options.max_header };
        let wire = wire_value(value, max.saturating_sub(name.len()).saturating_sub(1));
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

    /// A piece of the body, of at most [`max_data`](Self::max_data) octets.
    ///
    /// # Errors
    /// See [`connect`](Self::connect), and [`UsageError::TooLong`].
    pub fn body(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<Sent, UsageError> {
        if piece.len() > self.max_data() {
            return Err(UsageError::TooLong(piece.len()));
        }
        self.event(Stage::Body, &Command::Body(piece), out)
    }

    /// End of message. With [`Profile::Sendmail`] macro `{msg_id}`, unless it was set, is the Message-Id of the message.
    ///
    /// # Errors
    /// See [`connect`](Self::connect).
    pub fn end_of_body(&mut self, out: &mut Vec<u8>) -> Result<Sent, UsageError> {
        self.event(Stage::EndOfBody, &Command::EndOfBody(b""), out)
    }

    /// End of message with the last piece of the body in the same packet, as the protocol permits. The piece is left out if the filter has masked
    /// the body or said SKIP.
    ///
    /// # Errors
    /// See [`body`](Self::body); [`UsageError::NotAllowed`] with [`Profile::Postfix`]: Postfix never does this.
    pub fn end_of_body_with(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<Sent, UsageError> {
        if !self.is_sendmail() {
            return Err(UsageError::NotAllowed(Waiting::Event(Stage::EndOfBody)));
        }
        if piece.len() > self.max_data() {
            return Err(UsageError::TooLong(piece.len()));
        }
        let is_wanted =
            self.skipped != Some(Stage::Body) && !self.agreed.is_some_and(|agreed| agreed.is_masked(Stage::Body));
        self.event(Stage::EndOfBody, &Command::EndOfBody(if is_wanted { piece } else { b"" }), out)
    }

    /// A command the MTA does not know. Not sent before version 3.
    ///
    /// # Errors
    /// See [`connect`](Self::connect).
    pub fn unknown(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<Sent, UsageError> {
        self.event(Stage::Unknown, &Command::Unknown(line), out)
    }

    /// The message is over, done or not: writes ABORT, as Postfix does after each message. With [`Profile::Sendmail`] only for a message that the
    /// filter has begun and not ended, as after RSET; otherwise [`Sent::NotSent`].
    ///
    /// # Errors
    /// [`UsageError::AwaitingReply`], and [`UsageError::OutOfOrder`] before the option negotiation.
    pub fn end_message(&mut self, out: &mut Vec<u8>) -> Result<Sent, UsageError> {
        let abort =
            if self.is_sendmail() && self.standing != Standing::InMessage { None } else { Some(Command::Abort) };
        self.leave(abort, out, |session| {
            session.forget_message();
            if session.standing == Standing::InMessage {
                session.standing = Standing::Done;
            }
            if session.position != Position::BeforeConnect {
                session.position = Position::Idle;
            }
        })
    }

    /// The client goes, and another one comes on the same connection. Not sent before version 6 and never by Sendmail: open another connection then.
    ///
    /// # Errors
    /// See [`end_message`](Self::end_message).
    pub fn quit_new_connection(&mut self, out: &mut Vec<u8>) -> Result<Sent, UsageError> {
        if self.is_sendmail() || self.agreed.is_some_and(|agreed| agreed.version < MAX_VERSION) {
            return Ok(Sent::NotSent);
        }
        self.leave(Some(Command::QuitNewConnection), out, |session| {
            session.forget_message();
            session.position = Position::BeforeConnect;
        })
    }

    /// The session is over: close the connection after writing this.
    ///
    /// # Errors
    /// See [`end_message`](Self::end_message).
    pub fn quit(&mut self, out: &mut Vec<u8>) -> Result<Sent, UsageError> {
        if std::mem::take(&mut self.owes_quit) {
            Command::Quit.encode(out)?;
            return Ok(Sent::NoReply);
        }
        self.leave(Some(Command::Quit), out, |session| session.position = Position::Closed)
    }

    /// Takes the next frame from the filter.
    ///
    /// # Errors
    /// [`Violation`]; unless it is [not fatal](Violation::is_fatal) the session is over.
    pub fn receive<'f>(&mut self, frame: Frame<'f>) -> Result<Heard<'f>, Violation> {
        if self.position == Position::Closed {
            return Err(Violation::Closed);
        }
        self.replaced_reply = None;
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

    /// What was wrong with the reply code that came last, if Sendmail has put its standard reply in its place: the client is told less than the
    /// filter meant.
    pub fn replaced_reply(&self) -> Option<Violation> {
        self.replaced_reply
    }

    /// The most octets of a piece of the body: 65535, unless Sendmail and the filter have agreed on larger packets.
    pub fn max_data(&self) -> usize {
        let agreed = |bit| self.is_sendmail() && self.agreed.is_some_and(|agreed| agreed.steps.contains(bit));
        // §1: "65535 (`MILTER_MAX_DATA_SIZE`), or 256 KiB-1 / 1 MiB-1 when negotiated by MDS bits"
        if agreed(Steps::DATA_1M) {
            (1 << 20) - 1
        } else if agreed(Steps::DATA_256K) {
            (256 << 10) - 1
        } else {
            MAX_DATA
        }
    }

    /// The message in hand; after its end, until the next one begins, the finished one.
    pub fn message(&self) -> &MtaMessage {
        &self.message
    }

    /// Whether the session is over: QUIT was sent, the filter decided at connect or HELO or said SHUTDOWN, or it broke the protocol. After a
    /// decision at connect or HELO Postfix closes the connection, Sendmail says [`quit`](Self::quit) before that.
    pub fn is_over(&self) -> bool {
        self.position == Position::Closed
    }

    fn is_sendmail(&self) -> bool {
        self.options.profile == Profile::Sendmail
    }

    fn leading_space(&self) -> LeadingSpace {
        self.agreed.map_or(LeadingSpace::OneStripped, |agreed| agreed.leading_space())
    }
}
