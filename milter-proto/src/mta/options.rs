//! Which MTA this end behaves like, what it offers, and its limits.

use crate::command::Offer;
use crate::flags::{Actions, Steps};
use crate::negotiation::MAX_VERSION;

/// Whose behaviour the MTA's end has.
///
/// | | [`Postfix`](Self::Postfix) | [`Sendmail`](Self::Sendmail) |
/// |---|---|---|
/// | macros | before every event, masked ones included; the packet may be empty | before C, H, M, R, E; before T and N if the filter asked for some |
/// | list for end of message | as asked | as asked if one for end of headers was asked for as well |
/// | ABORT | after each message | only for a message that the filter has begun and not ended |
/// | own fields | Received | Received, and what is missing of Date, Message-Id … between it and the client's first |
/// | field too long | cut | [`UsageError::TooLong`](crate::UsageError::TooLong): Sendmail gives up the connection |
/// | deletion | renumbers the fields of that name | leaves the number to what is deleted |
/// | ADDHEADER | at the end | in place of an own field of that name, else above the first of that name, else at the end |
/// | PROGRESS | at any event | at end of message only |
/// | SKIP | at RCPT, header field, body | body only |
/// | SHUTDOWN | ends the session | garbage: the code is for inside the MTA |
/// | reply code with bad text | [`Violation::ReplyCode`](crate::Violation::ReplyCode) | replaced by the standard reply, [`MtaSession::replaced_reply`](crate::MtaSession::replaced_reply) |
/// | decision at connect or HELO | closes at once | QUIT, then closes |
/// | body replaced in two runs | a violation | allowed |
/// | address of an IPv6 client | plain | with `IPv6:` in front |
/// | host names in macros of MAIL and RCPT | as they are | with a dot at the end |
/// | QUIT_NC | yes | never |
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Profile {
    /// Postfix 3.x.
    #[default]
    Postfix,
    /// Sendmail 8.14 to 8.18.
    Sendmail,
}

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
    /// Names and values of fields that Sendmail adds to a message without them (Date, Message-Id): they stand between its Received and the
    /// client's first field, and the filter does not see them. Default: none.
    ///
    /// Not used with [`Profile::Postfix`], which shows such fields to the filter, after the client's: pass them to
    /// [`MtaSession::header`](crate::MtaSession::header).
    pub added_fields: Vec<(Vec<u8>, Vec<u8>)>,
    /// Octets of a header field, name and colon counted; longer ones are cut. Default: 60000, as Postfix. Not used with [`Profile::Sendmail`].
    pub max_header: usize,
    /// Modifications of one message; more are a [`Violation::TooMuch`](crate::Violation::TooMuch). Default: 10000.
    pub max_modifications: u32,
    /// Octets in the modifications of one message; more are a [`Violation::TooMuch`](crate::Violation::TooMuch). Default: 64 MiB.
    pub max_modified_octets: usize,
}

impl Default for MtaOptions {
    fn default() -> Self {
        Self {
            offer: Offer::new(MAX_VERSION, Actions::ALL, Steps::ALL),
            profile: Profile::Postfix,
            own_received: None,
            added_fields: Vec::new(),
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

    /// Sendmail, with its offer. Add [`Steps::DATA_256K`] or [`Steps::DATA_1M`] to the offer for one that is configured for larger packets.
    pub fn sendmail() -> Self {
        // §15: "O v6 actions 1ff protocol 1fffff (identical offer)"
        Self { profile: Profile::Sendmail, ..Self::default() }
    }
}
