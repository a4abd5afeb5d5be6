//! What can be wrong, and whose mistake it is.
//!
//! | type | whose mistake | what to do |
//! |---|---|---|
//! | [`FrameError`] | the peer's: the byte stream cannot be cut into frames | close the connection |
//! | [`DecodeError`] | the peer's: a frame does not hold what its code promises | close the connection |
//! | [`ProtocolError`] | the peer's: wrong at this point of the session | close the connection |
//! | [`EncodeError`] | the caller's: a value that the wire format cannot carry | do not send it |
//! | [`UsageError`] | the caller's: a call in the wrong order, an action that was not negotiated | mend the caller |
//!
//! An event that merely comes out of order is none of these: it is [`Event::OutOfOrder`](crate::Event::OutOfOrder). What a filter does wrong is,
//! on the side of the MTA, a [`Violation`](crate::Violation).

use crate::flags::Actions;
use crate::header_text::UnsafeFold;
use crate::stage::Stage;

/// The byte stream cannot be cut into frames; the connection is of no further use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A length of zero: a frame has at least its code.
    #[error("frame of length zero at stream offset {offset}")]
    Empty {
        /// Offset of the length prefix in the stream.
        offset: u64,
    },
    /// A length above the limit, found in the prefix alone: nothing was allocated for it.
    #[error("frame of {length} octets at stream offset {offset} exceeds the limit of {max}")]
    TooLong {
        /// The length the peer announced, code included.
        length: u32,
        /// The limit of this decoder.
        max: u32,
        /// Offset of the length prefix in the stream.
        offset: u64,
    },
    /// The stream ended inside a frame.
    #[error("stream ended inside the frame at stream offset {offset}")]
    Truncated {
        /// Offset of the length prefix in the stream.
        offset: u64,
    },
}

/// A frame does not hold what its code promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at offset {at} of the data of {:?}", char::from(*.code))]
#[non_exhaustive]
pub struct DecodeError {
    /// The code of the frame.
    pub code: u8,
    /// Offset in the data of the frame (after the code).
    pub at: usize,
    /// What is wrong there.
    pub kind: DecodeErrorKind,
}

/// What is wrong with the data of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The code is not one of this direction of the protocol.
    #[error("unknown code")]
    UnknownCode,
    /// The data ends before the last part that must be there.
    #[error("data ends too early")]
    TooShort,
    /// A string has no NUL at its end (accepted from an MTA, not from a filter).
    #[error("string without NUL")]
    MissingNul,
    /// There is data after the last part.
    #[error("trailing data")]
    Trailing,
    /// An address family other than `U`, `L`, `4`, `6`.
    #[error("unknown address family")]
    UnknownFamily,
}

/// A value that the wire format cannot carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A NUL inside a string: it would end there.
    #[error("NUL inside a string")]
    Nul,
    /// The frame would be longer than its 32-bit length can say.
    #[error("frame too long")]
    TooLong,
}

/// The MTA broke the protocol; close the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A frame that cannot be read.
    #[error("malformed command")]
    Malformed(#[from] DecodeError),
    /// The first frame was not the option negotiation.
    #[error("command {:?} before the option negotiation", char::from(*.code))]
    NotNegotiated {
        /// The code that came instead.
        code: u8,
    },
    /// A second option negotiation.
    #[error("second option negotiation")]
    NegotiatedTwice,
    /// The MTA offered a version below 2.
    #[error("protocol version {offered} is not supported")]
    Version {
        /// The version the MTA offered.
        offered: u32,
    },
    /// The MTA does not offer an action of [`Wants::required`](crate::Wants::required).
    #[error("required actions not offered: {missing}")]
    MissingActions {
        /// What is required and was not offered.
        missing: Actions,
    },
    /// A frame after QUIT, or after an error that ended the session.
    #[error("session is over")]
    Closed,
    /// The event before this one is owed a reply: the *caller* has forgotten it. The session is as it was.
    #[error("previous event ({stage}) has not been answered")]
    Unanswered {
        /// What is not answered.
        stage: Waiting,
    },
}

/// What waits for a reply: named by [`ProtocolError::Unanswered`], by several [`UsageError`]s, and by
/// [`MtaSession::awaiting`](crate::MtaSession::awaiting).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Waiting {
    /// The option negotiation.
    Negotiation,
    /// An event.
    Event(Stage),
}

impl std::fmt::Display for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Negotiation => f.write_str("option negotiation"),
            Self::Event(stage) => stage.fmt(f),
        }
    }
}

/// A call that the session cannot carry out; nothing was written and the session is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// No event waits for a reply.
    #[error("no event waits for a reply")]
    NothingToAnswer,
    /// This decision cannot be given at this stage.
    #[error("decision not allowed at {0}")]
    NotAllowed(Waiting),
    /// Skip was not negotiated.
    #[error("skip was not negotiated")]
    SkipNotNegotiated,
    /// An action that was not negotiated.
    #[error("action not negotiated: {0}")]
    NotNegotiated(Actions),
    /// A modification outside end of message.
    #[error("modification outside end of message")]
    NotAtEndOfMessage,
    /// A second run of body replacement after another modification: Postfix takes it for a configuration error.
    #[error("body replacement resumed after another modification")]
    BodyReplacementResumed,
    /// A header field name that is empty or holds something other than printable ASCII without colon.
    #[error("invalid header field name")]
    HeaderName,
    /// A header field value that would break the header section.
    #[error("unsafe header field value")]
    HeaderValue(#[from] UnsafeFold),
    /// CR, LF or NUL in an address, its parameters, a reason, or a macro name.
    #[error("line break, NUL or white space where the protocol allows none")]
    UnsafeText,
    /// More octets than one packet takes: 65535, unless Sendmail and the filter have agreed on more.
    #[error("packet of {0} octets is too long")]
    TooLong(usize),
    /// More macro names for one stage than Sendmail takes.
    #[error("{0} macro names for one stage exceed 50")]
    TooManyMacros(usize),
    /// The wire format cannot carry a value.
    #[error("value cannot be encoded")]
    Encode(#[from] EncodeError),
    /// The session of the MTA is not at a point where this can be sent.
    #[error("{0} cannot be sent at this point")]
    OutOfOrder(Waiting),
    /// The session of the MTA waits for a reply to what it sent before.
    #[error("reply to {0} has not come")]
    AwaitingReply(Waiting),
}
