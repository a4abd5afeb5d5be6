//! The filter's end of a session.
//!
//! ```text
//!  frame ──► receive ──► Event ──► (the caller decides) ──► reply ──► octets
//!                         │                                   ▲
//!                         └── at end of message: modify, keep_alive
//! ```
//!
//! One event at a time: each [`Event`] that [`FilterSession::awaits_decision`] is answered by [`FilterSession::reply`] before the next frame goes in.
//!
//! *Invariants.* What is written is legal at that point for Postfix and Sendmail: one final reply for an event that expects one, nothing for a
//! step agreed to be silent, modifications only at end of message and only those negotiated. A decision taken in a silent step is kept and given
//! in place of the caller's at every step that has a reply until the message is over. An event out of order never hangs the MTA: it gets
//! TEMPFAIL. After a [`ProtocolError`] the session stays closed.
//!
//! *Scopes.* ABORT and MAIL end a message: its macros and its kept decision go, those of the connection stay. QUIT_NC ends everything but the
//! options.

use crate::command::{Command, Offer, Peer, Strings};
use crate::error::{ProtocolError, UsageError, Waiting};
use crate::flags::Steps;
use crate::frame::Frame;
use crate::header_text::{self, LeadingSpace};
use crate::macros::Macros;
use crate::negotiation::{Negotiated, Wants};
use crate::order::Position;
use crate::reply::{Decision, Modification, Reply};
use crate::stage::Stage;

/// The most data a filter puts into one packet, whatever was negotiated: every MTA takes as much.
pub const MAX_DATA: usize = 65_535;

/// What stands for [`Decision::Shutdown`] unless the MTA is Postfix, in the words of RFC 5321 §4.2.3.
const SHUTDOWN: &[u8] = b"421 4.7.0 Service not available, closing transmission channel";

/// What has happened, as the filter sees it. Borrows from the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The MTA offers its options. [`Decision::Continue`] writes the answer; [`FilterSession::negotiated`] already tells it.
    Negotiate(Offer),
    /// Macros for the command that follows, now in [`FilterSession::macros`]. No reply.
    Macros {
        /// The code of that command.
        command: u8,
    },
    /// A client has connected.
    Connect {
        /// Its verified name, or `[address]` or the like.
        hostname: &'a [u8],
        /// Where it connected from.
        peer: Peer<'a>,
    },
    /// HELO or EHLO. A message that was open is over.
    Helo(&'a [u8]),
    /// A message begins; one that was open is over.
    MailFrom {
        /// The sender as typed, with or without angle brackets.
        address: &'a [u8],
        /// ESMTP parameters.
        parameters: Strings<'a>,
    },
    /// A recipient.
    RcptTo {
        /// The recipient as typed, with or without angle brackets.
        address: &'a [u8],
        /// ESMTP parameters.
        parameters: Strings<'a>,
    },
    /// DATA.
    Data,
    /// A header field.
    Header {
        /// Its name.
        name: &'a [u8],
        /// Its value as on the wire; [`FilterSession::leading_space`] says how to read it.
        value: &'a [u8],
    },
    /// End of the header section.
    EndOfHeaders,
    /// A piece of the body.
    Body(&'a [u8]),
    /// End of message. The octets, if any, are the last piece of the body.
    EndOfBody(&'a [u8]),
    /// A command the MTA does not know.
    Unknown(&'a [u8]),
    /// The message is over, if one was open. May come twice, and outside a message. No reply.
    Abort,
    /// The session is over. No reply; close the connection.
    Quit,
    /// The session is over, and another client comes on the same connection. No reply.
    QuitNewConnection,
    /// An event that cannot come here; worth a line in the log. A message that was open is over, and what still comes of it is out of order as
    /// well. [`FilterSession::reply`] answers TEMPFAIL whatever the decision is.
    OutOfOrder {
        /// The stage of the event.
        stage: Stage,
    },
}

/// What waits for a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pending {
    Negotiation,
    Event(Stage),
    OutOfOrder(Stage),
}

/// A decision from a silent step.
#[derive(Clone, Debug)]
struct Kept {
    stage: Stage,
    decision: Decision,
}

/// Whether the body is being replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replacement {
    NotBegun,
    Running,
    Over,
}

/// The filter's end of a session.
///
/// The crate's front page has a whole dialogue.
#[derive(Clone, Debug)]
pub struct FilterSession {
    wants: Wants,
    agreed: Option<Negotiated>,
    position: Position,
    pending: Option<Pending>,
    /// Taken at connect or HELO: stays until the client goes.
    kept_for_session: Option<Kept>,
    /// Taken inside a message: stays until it is over.
    kept_for_message: Option<Kept>,
    replacement: Replacement,
    macros: Macros,
}

impl FilterSession {
    /// A session that will ask for `wants`.
    pub fn new(wants: Wants) -> Self {
        Self {
            wants,
            agreed: None,
            position: Position::Start,
            pending: None,
            kept_for_session: None,
            kept_for_message: None,
            replacement: Replacement::NotBegun,
            macros: Macros::default(),
        }
    }

    /// Takes the next frame from the MTA.
    ///
    /// # Errors
    /// [`ProtocolError`]: close the connection. [`ProtocolError::Unanswered`] is the caller's own mistake, and the frame was not taken.
    pub fn receive<'f>(&mut self, frame: Frame<'f>) -> Result<Event<'f>, ProtocolError> {
        if self.position == Position::Closed {
            return Err(ProtocolError::Closed);
        }
        // The MTA may leave at any time; everything else waits for our reply.
        if frame.code != b'Q' && self.awaits_reply() {
            return Err(ProtocolError::Unanswered { stage: self.waiting() });
        }
        self.pending = None;
        let event = self.take(frame);
        if event.is_err() {
            self.position = Position::Closed;
        }
        event
    }

    /// Answers the last event. Under a silent step nothing is written and the decision is kept; for an event out of order TEMPFAIL is written;
    /// otherwise a decision that was kept goes before this one.
    ///
    /// # Errors
    /// [`UsageError`] if nothing waits for a reply, or the decision is not allowed at this stage; nothing is written then, and the event still
    /// waits.
    pub fn reply(&mut self, decision: &Decision, out: &mut Vec<u8>) -> Result<(), UsageError> {
        let pending = self.pending.ok_or(UsageError::NothingToAnswer)?;
        let agreed = self.agreed.ok_or(UsageError::NothingToAnswer)?;
        match pending {
            Pending::Negotiation => {
                if *decision != Decision::Continue {
                    return Err(UsageError::NotAllowed(Waiting::Negotiation));
                }
                self.wants.write_answer(&agreed, out)?;
                self.position = Position::BeforeConnect;
            }
            Pending::OutOfOrder(stage) => {
                if !agreed.is_silent(stage) {
                    Reply::TempFail.encode(out)?;
                }
            }
            Pending::Event(stage) => {
                check_decision(decision, stage, &agreed)?;
                if agreed.is_silent(stage) {
                    self.keep(decision, stage);
                } else {
                    let kept = self.kept_for_session.as_ref().or(self.kept_for_message.as_ref());
                    let given = kept.map_or(decision, |kept| &kept.decision);
                    match given {
                        // mfdef.h on its code: "421: shutdown (internal to MTA)"; Sendmail takes it for garbage. 421 closes with every MTA.
                        Decision::Shutdown if !self.mta_is_postfix() => Reply::ReplyCode(SHUTDOWN).encode(out)?,
                        _ => given.as_reply().encode(out)?,
                    }
                    if ends_message(given, stage) {
                        self.end_message();
                    }
                }
            }
        }
        self.pending = None;
        Ok(())
    }

    /// Writes a modification. Only while end of message waits for its reply. A new body may be longer than a packet: it is cut as needed.
    ///
    /// # Errors
    /// [`UsageError`] at another time, for an action that was not negotiated, for a second run of body replacement after another modification, and
    /// for text that would break a header section or a command: see its variants. Nothing is written then.
    pub fn modify(&mut self, modification: &Modification<'_>, out: &mut Vec<u8>) -> Result<(), UsageError> {
        if self.pending != Some(Pending::Event(Stage::EndOfBody)) {
            return Err(UsageError::NotAtEndOfMessage);
        }
        let action = modification.action();
        if !self.agreed.is_some_and(|agreed| agreed.actions.contains(action)) {
            return Err(UsageError::NotNegotiated(action));
        }
        check_modification(modification)?;
        if let Modification::ReplaceBody(body) = modification {
            // §10: "contiguous run in Postfix (mixing other edits inside the run → configuration error)"
            if self.replacement == Replacement::Over {
                return Err(UsageError::BodyReplacementResumed);
            }
            // "Zero-length replacement: send one `b` with no data."
            let whole = std::iter::once(*body).filter(|body| body.is_empty());
            for piece in whole.chain(body.chunks(MAX_DATA)) {
                Reply::Modify(Modification::ReplaceBody(piece)).encode(out)?;
            }
            self.replacement = Replacement::Running;
            return Ok(());
        }
        let start = out.len();
        Reply::Modify(*modification).encode(out)?;
        let data = out.len().saturating_sub(start).saturating_sub(5);
        if data > MAX_DATA {
            out.truncate(start);
            return Err(UsageError::TooLong(data));
        }
        if self.replacement == Replacement::Running {
            self.replacement = Replacement::Over;
        }
        Ok(())
    }

    /// Tells the MTA that the filter is still at work, and says whether anything was written.
    ///
    /// Postfix restarts its timer at any event, Sendmail takes the message for garbage at any but end of message. So it is written while an event
    /// waits for a reply, at end of message or if macro `v` says that the MTA is Postfix.
    pub fn keep_alive(&mut self, out: &mut Vec<u8>) -> bool {
        let may = match self.pending {
            Some(Pending::Event(Stage::EndOfBody)) => true,
            Some(Pending::Event(_)) => self.awaits_reply() && self.mta_is_postfix(),
            _ => false,
        };
        may && Reply::Progress.encode(out).is_ok()
    }

    /// Whether the last event waits for a call of [`reply`](Self::reply), be it written or kept.
    pub fn awaits_decision(&self) -> bool {
        self.pending.is_some()
    }

    /// Whether the MTA waits for octets: the last event has not been answered, and its step is not silent.
    pub fn awaits_reply(&self) -> bool {
        match self.pending {
            None => false,
            Some(Pending::Negotiation) => true,
            Some(Pending::Event(stage) | Pending::OutOfOrder(stage)) => {
                !self.agreed.is_some_and(|agreed| agreed.is_silent(stage))
            }
        }
    }

    /// The macros in force.
    pub fn macros(&self) -> &Macros {
        &self.macros
    }

    /// What was agreed; `None` before the option negotiation.
    pub fn negotiated(&self) -> Option<&Negotiated> {
        self.agreed.as_ref()
    }

    /// How header values are spelled on this connection.
    pub fn leading_space(&self) -> LeadingSpace {
        self.agreed.map_or(LeadingSpace::OneStripped, |agreed| agreed.leading_space())
    }

    /// The decision that was taken in a silent step and is still to be given.
    pub fn kept_decision(&self) -> Option<&Decision> {
        self.kept_for_session.as_ref().or(self.kept_for_message.as_ref()).map(|kept| &kept.decision)
    }

    fn mta_is_postfix(&self) -> bool {
        self.macros.get("v").is_some_and(|version| version.starts_with(b"Postfix"))
    }

    fn waiting(&self) -> Waiting {
        match self.pending {
            None | Some(Pending::Negotiation) => Waiting::Negotiation,
            Some(Pending::Event(stage) | Pending::OutOfOrder(stage)) => Waiting::Event(stage),
        }
    }

    fn take<'f>(&mut self, frame: Frame<'f>) -> Result<Event<'f>, ProtocolError> {
        let command = Command::decode(frame)?;
        if self.agreed.is_none() && !matches!(command, Command::Negotiate(_) | Command::Quit) {
            return Err(ProtocolError::NotNegotiated { code: frame.code });
        }
        Ok(match command {
            Command::Negotiate(offer) => return self.negotiate(offer),
            Command::Macros { command, pairs } => {
                self.macros.packet(command, &pairs);
                Event::Macros { command }
            }
            Command::Abort => {
                self.end_message();
                self.macros.end_message();
                Event::Abort
            }
            Command::Quit => {
                self.position = Position::Closed;
                Event::Quit
            }
            Command::QuitNewConnection => {
                self.end_message();
                self.kept_for_session = None;
                self.macros.end_session();
                self.position = Position::BeforeConnect;
                Event::QuitNewConnection
            }
            Command::Connect { hostname, peer } => self.enter(Stage::Connect, Event::Connect { hostname, peer }),
            Command::Helo(argument) => self.enter(Stage::Helo, Event::Helo(argument)),
            Command::MailFrom { address, parameters } => {
                self.enter(Stage::Mail, Event::MailFrom { address, parameters })
            }
            Command::RcptTo { address, parameters } => self.enter(Stage::Rcpt, Event::RcptTo { address, parameters }),
            Command::Data => self.enter(Stage::Data, Event::Data),
            Command::Header { name, value } => self.enter(Stage::Header, Event::Header { name, value }),
            Command::EndOfHeaders => self.enter(Stage::EndOfHeaders, Event::EndOfHeaders),
            Command::Body(octets) => self.enter(Stage::Body, Event::Body(octets)),
            Command::EndOfBody(octets) => self.enter(Stage::EndOfBody, Event::EndOfBody(octets)),
            Command::Unknown(line) => self.enter(Stage::Unknown, Event::Unknown(line)),
        })
    }

    fn negotiate<'f>(&mut self, offer: Offer) -> Result<Event<'f>, ProtocolError> {
        if self.agreed.is_some() {
            return Err(ProtocolError::NegotiatedTwice);
        }
        self.agreed = Some(Negotiated::agree(&offer, &self.wants)?);
        self.pending = Some(Pending::Negotiation);
        Ok(Event::Negotiate(offer))
    }

    /// Moves the session to the stage of an event.
    fn enter<'f>(&mut self, stage: Stage, event: Event<'f>) -> Event<'f> {
        self.macros.command(stage);
        if !self.agreed.is_some_and(|agreed| self.position.allows(stage, agreed.steps)) {
            // Nothing of the message that was open can be trusted any more; the rest of it is out of order as well.
            self.end_message();
            self.pending = Some(Pending::OutOfOrder(stage));
            return Event::OutOfOrder { stage };
        }
        match stage {
            Stage::Unknown => {}
            Stage::Connect => self.position = Position::Idle,
            Stage::Helo => {
                self.end_message();
                self.position = Position::Idle;
                // The client has another chance: what was decided on the HELO before is not about this one.
                self.kept_for_session.take_if(|kept| kept.stage == Stage::Helo);
            }
            _ => {
                if stage == Stage::Mail || !self.position.is_in_message() {
                    self.end_message();
                }
                self.position = Position::Message(stage);
            }
        }
        self.pending = Some(Pending::Event(stage));
        event
    }

    /// Keeps a decision of a silent step; the first one counts.
    fn keep(&mut self, decision: &Decision, stage: Stage) {
        if *decision == Decision::Continue {
            return;
        }
        let slot = if stage.is_in_message() { &mut self.kept_for_message } else { &mut self.kept_for_session };
        slot.get_or_insert_with(|| Kept { stage, decision: decision.clone() });
    }

    fn end_message(&mut self) {
        if !matches!(self.position, Position::BeforeConnect | Position::Closed) {
            self.position = Position::Idle;
        }
        self.kept_for_message = None;
        self.replacement = Replacement::NotBegun;
    }
}

/// Whether a decision can be given at a stage.
fn check_decision(decision: &Decision, stage: Stage, agreed: &Negotiated) -> Result<(), UsageError> {
    let not_allowed = Err(UsageError::NotAllowed(Waiting::Event(stage)));
    match decision {
        // §3: DISCARD is allowed after "M R T L N B E".
        Decision::Discard if !stage.is_in_message() => not_allowed,
        Decision::Skip if stage != Stage::Body => not_allowed,
        Decision::Skip if !agreed.steps.contains(Steps::SKIP) => Err(UsageError::SkipNotNegotiated),
        Decision::Continue
        | Decision::Accept
        | Decision::Reject
        | Decision::TempFail
        | Decision::Discard
        | Decision::ReplyCode(_)
        | Decision::Shutdown
        | Decision::Skip => Ok(()),
    }
}

/// Whether the MTA sends no more of this message after such a reply.
pub(crate) fn ends_message(decision: &Decision, stage: Stage) -> bool {
    match decision {
        Decision::Continue | Decision::Skip => stage == Stage::EndOfBody,
        Decision::Accept | Decision::Discard | Decision::Shutdown => stage.is_in_message(),
        // §5: "except for RCPT and UNKNOWN where errors leave the state alone"
        Decision::Reject | Decision::TempFail | Decision::ReplyCode(_) => stage.is_in_message() && stage != Stage::Rcpt,
    }
}

/// Whether a modification is free of what would break a header section or a command line of the MTA.
fn check_modification(modification: &Modification<'_>) -> Result<(), UsageError> {
    match modification {
        Modification::AddHeader { name, value }
        | Modification::InsertHeader { name, value, .. }
        | Modification::ChangeHeader { name, value, .. } => {
            check_name(name)?;
            // On the wire a value has no CR at all; `check` would let one pass before an LF.
            if let Some(at) = value.iter().position(|&octet| octet == b'\r') {
                return Err(header_text::UnsafeFold::BareCr { at }.into());
            }
            Ok(header_text::check(value)?)
        }
        Modification::ReplaceBody(_) => Ok(()),
        Modification::AddRecipient(text) | Modification::DeleteRecipient(text) | Modification::Quarantine(text) => {
            check_text(text)
        }
        Modification::AddRecipientWithParameters { address, parameters }
        | Modification::ChangeSender { address, parameters } => {
            check_text(address)?;
            parameters.map_or(Ok(()), check_text)
        }
    }
}

/// RFC 5322 §2.2: "A field name MUST be composed of printable US-ASCII characters (i.e., characters that have values between 33 and 126,
/// inclusive), except colon."
pub(crate) fn check_name(name: &[u8]) -> Result<(), UsageError> {
    let valid = !name.is_empty() && name.iter().all(|&octet| octet.is_ascii_graphic() && octet != b':');
    if valid { Ok(()) } else { Err(UsageError::HeaderName) }
}

fn check_text(text: &[u8]) -> Result<(), UsageError> {
    if text.iter().any(|octet| b"\r\n\0".contains(octet)) { Err(UsageError::UnsafeText) } else { Ok(()) }
}
