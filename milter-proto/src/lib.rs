//! The milter protocol, both ends.
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
