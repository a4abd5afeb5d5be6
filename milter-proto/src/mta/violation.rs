//! What a filter can do wrong, as the MTA sees it.

use crate::error::DecodeError;
use crate::flags::{Actions, Steps};
use crate::reply_code::ReplyCodeError;

/// The filter broke the protocol. A value, not a panic: a test asserts it, a load tool counts it.
///
/// After any of them but [`DiscardIgnored`](Self::DiscardIgnored) the connection is given up, as Postfix does: what the filter has not done to
/// the message, nobody does. Sendmail lets some of them pass (it carries out what was not negotiated, and ignores data after a reply); here they
/// are violations with either [`Profile`](super::Profile), because a filter that must work with both cannot do them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// A frame that is no reply, lacks a part, or has data after the last one.
    #[error("malformed reply")]
    Malformed(#[from] DecodeError),
    /// A reply that cannot come here: none was awaited, or a modification outside end of message, or connection failure. For Sendmail also
    /// progress outside end of message, and SHUTDOWN.
    #[error("unexpected reply {:?}", char::from(*.code))]
    Unexpected {
        /// Its code.
        code: u8,
    },
    /// An answer with a version above the offered one, or below 2.
    #[error("version {answered} answered to an offer of {offered}")]
    Version {
        /// The version of the offer.
        offered: u32,
        /// The version of the answer.
        answered: u32,
    },
    /// An answer with actions that were not offered.
    #[error("actions not offered: {0}")]
    ActionsNotOffered(Actions),
    /// An answer with steps that were not offered. Sendmail gives up the connection, Postfix does not look.
    #[error("steps not offered: {0}")]
    StepsNotOffered(Steps),
    /// Macro lists in the answer although the action for them was not offered.
    #[error("macro lists not offered")]
    MacroListsNotOffered,
    /// A modification whose action was not negotiated.
    #[error("action not negotiated: {0}")]
    ActionNotNegotiated(Actions),
    /// SKIP without its negotiation.
    #[error("skip not negotiated")]
    SkipNotNegotiated,
    /// DISCARD outside a message: Postfix logs a warning and goes on, and so does Sendmail after HELO.
    #[error("discard outside a message is ignored")]
    DiscardIgnored,
    /// DISCARD at connect: Sendmail ignores it as well, but has let go of the filter by then. The mail of this client passes unfiltered.
    #[error("discard at connect ends the session")]
    DiscardAtConnect,
    /// A reply code or text that the MTA does not pass on, or that would break the SMTP dialogue.
    #[error("invalid reply code")]
    ReplyCode(#[from] ReplyCodeError),
    /// A second run of body replacement after another modification (Postfix).
    #[error("body replacement resumed after another modification")]
    BodyReplacementResumed,
    /// A header modification without a name.
    #[error("header modification without a name")]
    EmptyHeaderName,
    /// More modifications, or more octets in them, than [`MtaOptions`](super::MtaOptions) allow.
    #[error("too many modifications of one message")]
    TooMuch,
    /// A reply after the session was over.
    #[error("reply after the end of the session")]
    Closed,
}

impl Violation {
    /// Whether the MTA gives up the connection.
    pub fn is_fatal(&self) -> bool {
        !matches!(self, Self::DiscardIgnored)
    }
}
