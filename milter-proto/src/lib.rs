//! The milter protocol, versions 2 to 6, both ends, without IO.
//!
//! A milter is a filter that an MTA (Postfix, Sendmail) asks about each session and each message. This crate turns octets into events and
//! decisions into octets: no socket, no clock, no thread, no `async`. It does what the MTAs do, which differs in places from what libmilter does;
//! the documentation of each module says where.
//!
//! # A dialogue
//!
//! Filter and MTA in one process; in a daemon one of them is at the other end of a socket.
//!
//! ```
//! use milter_proto::{Decision, Edits, Event, FilterSession, FrameDecoder, Heard, MtaOptions, MtaSession, Peer, Place, Sent, Wants};
//!
//! /// One step of a filter: takes what came, writes what is to be sent.
//! fn filter(session: &mut FilterSession, decoder: &mut FrameDecoder, out: &mut Vec<u8>) -> Result<(), Box<dyn std::error::Error>> {
//!     while let Some(frame) = decoder.next_frame()? {
//!         match session.receive(frame)? {
//!             Event::RcptTo { address: b"<nobody@example.org>", .. } => session.reply(&Decision::Reject, out)?,
//!             Event::EndOfBody(_) => {
//!                 let mut edits = Edits::new();
//!                 edits.delete(b"X-Forged", 1)?;
//!                 edits.insert(Place::Top, b"X-Seen", b" by the filter")?;
//!                 edits.write(session, out)?;
//!                 session.reply(&Decision::Continue, out)?;
//!             }
//!             _ if session.awaits_decision() => session.reply(&Decision::Continue, out)?,
//!             _ => {} // macros, ABORT, QUIT: nothing to answer
//!         }
//!     }
//!     Ok(())
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut mta = MtaSession::new(MtaOptions::default());
//! let mut session = FilterSession::new(Wants::default());
//! let (mut to_filter, mut to_mta) = (FrameDecoder::default(), FrameDecoder::default());
//! let mut decisions = Vec::new();
//!
//! // The steps of a session; each writes its octets and says whether a reply comes.
//! type Step = fn(&mut MtaSession, &mut Vec<u8>) -> Result<Sent, milter_proto::UsageError>;
//! let steps: [Step; 13] = [
//!     |mta, out| mta.negotiate(out),
//!     |mta, out| mta.connect(b"client.example", Peer::Inet { address: b"192.0.2.1", port: 4711 }, out),
//!     |mta, out| mta.helo(b"client.example", out),
//!     |mta, out| mta.mail(b"<a@example.com>", &[b"BODY=8BITMIME"], out),
//!     |mta, out| mta.rcpt(b"<nobody@example.org>", &[], out),
//!     |mta, out| mta.rcpt(b"<b@example.org>", &[], out),
//!     |mta, out| mta.data(out),
//!     |mta, out| mta.header(b"From", b" a@example.com", out),
//!     |mta, out| mta.header(b"X-Forged", b" yes", out),
//!     |mta, out| mta.end_of_headers(out),
//!     |mta, out| mta.body(b"Hello\r\n", out),
//!     |mta, out| mta.end_of_body(out),
//!     |mta, out| mta.quit(out),
//! ];
//! for step in steps {
//!     let (mut sent, mut answer) = (Vec::new(), Vec::new());
//!     let awaits_reply = step(&mut mta, &mut sent)? == Sent::AwaitReply;
//!     to_filter.push(&sent);
//!     filter(&mut session, &mut to_filter, &mut answer)?;
//!     to_mta.push(&answer);
//!     while let Some(frame) = to_mta.next_frame()? {
//!         if let Heard::Decision(decision) = mta.receive(frame)? {
//!             decisions.push(decision);
//!         }
//!     }
//!     assert_eq!(mta.awaiting(), None); // a filter answers what it must …
//!     assert_eq!(awaits_reply, !answer.is_empty()); // … and nothing else
//! }
//!
//! // Header fields, end of headers and body had no reply: `Wants` asks for that, and the MTA offered it.
//! assert_eq!(decisions.len(), 7);
//! assert_eq!(mta.message().recipients().collect::<Vec<_>>(), [b"<b@example.org>"]);
//! assert_eq!(mta.message().to_octets(b"Hello\r\n"), b"X-Seen: by the filter\r\nFrom: a@example.com\r\n\r\nHello\r\n");
//! # Ok(())
//! # }
//! ```
//!
//! # Map
//!
//! | what | where |
//! |---|---|
//! | octets ⇄ frames | [`FrameDecoder`], [`Frame`] |
//! | frames ⇄ commands of the MTA | [`Command`], [`Offer`], [`Peer`], [`Strings`], [`MacroPairs`] |
//! | frames ⇄ replies of the filter | [`Reply`], [`Answer`], [`Modification`], [`MacroLists`] |
//! | what can be negotiated | [`flags`], [`Stage`], [`Wants`], [`Negotiated`] |
//! | the filter's end | [`FilterSession`], [`Event`], [`Decision`], [`Macros`] |
//! | header values on the wire and in the message | [`header_text`], [`LeadingSpace`] |
//! | changes to a message in the order that is safe | [`Edits`], [`Place`] |
//! | reply text that cannot break an SMTP dialogue | [`ReplyCode`] |
//! | the MTA's end | [`MtaSession`], [`MtaOptions`], [`Profile`], [`MtaMessage`], [`Violation`] |
//! | dialogues as text, for tests and bug reports | [`recording`] |
//! | what can be wrong, and whose mistake it is | [`FrameError`], [`DecodeError`], [`ProtocolError`] · [`EncodeError`], [`UsageError`], [`EditError`], [`ReplyCodeError`] |
//!
//! # For the one who owns the socket
//!
//! - Read into [`FrameDecoder::space`], then take frames until there is none.
//! - Write everything that one batch of frames has produced at once, with `TCP_NODELAY`: two writes cost the delayed acknowledgement of the MTA,
//!   some 40 ms a message. For the same reason acknowledge at once (`TCP_QUICKACK`), and do not ask for `NO_DATA` or `NO_REPLY_DATA`.
//! - End of stream is a normal end: after a rejection at connect or HELO Postfix closes without QUIT.
//! - Timeouts: hours between messages, seconds inside a frame ([`FrameDecoder::is_inside_frame`]). While deciding takes long,
//!   [`FilterSession::keep_alive`].
//!
//! # Limits
//!
//! | limit | default | beyond it |
//! |---|---|---|
//! | length of a frame, [`FrameDecoder::new`] | 1 MiB | [`FrameError::TooLong`], before anything is allocated |
//! | macros of one stage | 65535 octets | the rest of the packet is ignored |
//! | data of a packet we send | 65535 octets | a filter's body is cut into packets; for the rest [`UsageError::TooLong`] |
//! | reply text | 32 lines of 510 octets | broken into lines, then cut with `...` |
//! | line of an added header field | 998 octets | [`EditError::LineTooLong`] |
//! | modifications of a message, MTA's end | 10000, 64 MiB | [`Violation::TooMuch`] |
//! | text of a recording, [`recording::Recorder::new`] | 64 MiB | [`recording::RecorderError::Full`] |
//! | line, packet and packets of a recording, [`recording::ReaderLimits`] | 7 MiB, 1 MiB, 1 million | [`recording::RecordingError`], which names the line |

#![forbid(unsafe_code)]
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

mod command;
mod edits;
mod error;
mod filter;
pub mod flags;
mod frame;
pub mod header_text;
mod macros;
mod mta;
mod negotiation;
mod order;
pub mod recording;
mod reply;
mod reply_code;
mod stage;
mod wire;

pub use command::{Command, Offer, Peer, Strings};
pub use edits::{EditError, Edits, Place};
pub use error::{DecodeError, DecodeErrorKind, EncodeError, FrameError, ProtocolError, UsageError, Waiting};
pub use filter::{Event, FilterSession, MAX_DATA};
pub use frame::{DEFAULT_MAX_FRAME, Frame, FrameDecoder};
pub use header_text::LeadingSpace;
pub use macros::{MAX_MACRO_OCTETS, MacroLists, MacroPairs, Macros};
pub use mta::{Field, Heard, MtaMessage, MtaOptions, MtaSession, Profile, Sent, Violation};
pub use negotiation::{MAX_VERSION, MIN_VERSION, Negotiated, Wants};
pub use reply::{Answer, Decision, Modification, Reply};
pub use reply_code::{ReplyCode, ReplyCodeBuilder, ReplyCodeError};
pub use stage::Stage;
