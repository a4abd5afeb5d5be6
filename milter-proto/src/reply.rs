//! What the filter sends.
//!
//! | code | reply | data |
//! |---|---|---|
//! | `O` | [`Negotiate`](Reply::Negotiate) | version, actions, steps, macro lists |
//! | `c` `a` `r` `t` `d` `4` `s` `f` | the final replies without data | |
//! | `y` | [`ReplyCode`](Reply::ReplyCode) | text |
//! | `p` | [`Progress`](Reply::Progress): not final | |
//! | `h` `i` `m` `b` `+` `2` `-` `e` `q` | [`Modify`](Reply::Modify): not final, only at end of message | see [`Modification`] |
//!
//! Decoding is strict, as the MTAs are: a missing NUL or data after the last part is an error. Postfix gives up the connection for it, and with
//! `milter_default_action=accept` mail then passes unfiltered. Encoding writes what it is given; [`FilterSession`](crate::FilterSession) is what
//! refuses to write something at the wrong time.

use crate::command::Offer;
use crate::error::{DecodeError, DecodeErrorKind, EncodeError};
use crate::flags::{Actions, Steps};
use crate::frame::Frame;
use crate::macros::MacroLists;
use crate::reply_code::ReplyCode;
use crate::wire::{Reader, write_frame, write_string, write_u32};

/// A reply from the filter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Reply<'a> {
    /// `O`: the answer to the option negotiation.
    Negotiate(Answer<'a>),
    /// `c`: go on; at end of message: accept.
    Continue,
    /// `a`: accept without further events.
    Accept,
    /// `r`: reject.
    Reject,
    /// `t`: defer.
    TempFail,
    /// `d`: take the message and drop it.
    Discard,
    /// `y`: reject or defer with this code and text, without NUL. Not yet judged: see [`ReplyCode::parse`].
    ReplyCode(&'a [u8]),
    /// `4`: close the SMTP session with 421. Only for Postfix; Sendmail takes it for garbage.
    Shutdown,
    /// `f`: connection failure. Decoded only for recorders; Postfix takes it for garbage.
    ConnFail,
    /// `s`: no more events of this kind for this message.
    Skip,
    /// `p`: still at work; restarts the MTA's timer.
    Progress,
    /// A change to the message.
    Modify(Modification<'a>),
}

/// The answer to an [`Offer`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Answer<'a> {
    /// The version both speak.
    pub version: u32,
    /// What the filter may do: a subset of the offer.
    pub actions: Actions,
    /// What is left out or changed: a subset of the offer.
    pub steps: Steps,
    /// Which macros the MTA shall send.
    pub macro_lists: MacroLists<'a>,
}

impl<'a> Answer<'a> {
    /// An answer without macro lists.
    pub const fn new(version: u32, actions: Actions, steps: Steps) -> Self {
        Self { version, actions, steps, macro_lists: MacroLists::NONE }
    }

    /// The same with macro lists.
    pub const fn with_macro_lists(mut self, macro_lists: MacroLists<'a>) -> Self {
        self.macro_lists = macro_lists;
        self
    }
}

/// A change to the message, sent at end of message before the final reply. Each needs its bit of [`Actions`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Modification<'a> {
    /// `h`: a field at the end. Sendmail may put it in the place of one of its own; inserting is safer.
    AddHeader {
        /// Field name.
        name: &'a [u8],
        /// Value as on the wire.
        value: &'a [u8],
    },
    /// `i`: a field at a place of the header section. 0 is above the MTA's own Received, 1 below it; other places differ between MTAs, except
    /// that a very large number is the end.
    InsertHeader {
        /// The place.
        index: u32,
        /// Field name.
        name: &'a [u8],
        /// Value as on the wire.
        value: &'a [u8],
    },
    /// `m`: another value for an existing field, or with an empty value its deletion.
    ChangeHeader {
        /// Which of the fields of this name, from 1.
        index: u32,
        /// Field name.
        name: &'a [u8],
        /// Value as on the wire; empty deletes.
        value: &'a [u8],
    },
    /// `b`: a piece of the new body. The first one replaces the whole old body, the others are appended.
    ReplaceBody(&'a [u8]),
    /// `+`: another recipient.
    AddRecipient(&'a [u8]),
    /// `2`: another recipient, with ESMTP parameters in one string.
    AddRecipientWithParameters {
        /// The address.
        address: &'a [u8],
        /// Parameters, separated by spaces.
        parameters: Option<&'a [u8]>,
    },
    /// `-`: one recipient less.
    DeleteRecipient(&'a [u8]),
    /// `e`: another envelope sender.
    ChangeSender {
        /// The address.
        address: &'a [u8],
        /// ESMTP parameters, separated by spaces.
        parameters: Option<&'a [u8]>,
    },
    /// `q`: into quarantine (the hold queue of Postfix), with a reason. The message is accepted.
    Quarantine(&'a [u8]),
}

impl Modification<'_> {
    /// The action that must have been negotiated for it.
    pub const fn action(&self) -> Actions {
        match self {
            Self::AddHeader { .. } | Self::InsertHeader { .. } => Actions::ADD_HEADERS,
            Self::ChangeHeader { .. } => Actions::CHANGE_HEADERS,
            Self::ReplaceBody(_) => Actions::CHANGE_BODY,
            Self::AddRecipient(_) => Actions::ADD_RCPT,
            Self::AddRecipientWithParameters { .. } => Actions::ADD_RCPT_PARAMETERS,
            Self::DeleteRecipient(_) => Actions::DELETE_RCPT,
            Self::ChangeSender { .. } => Actions::CHANGE_FROM,
            Self::Quarantine(_) => Actions::QUARANTINE,
        }
    }
}

impl<'a> Reply<'a> {
    /// Reads a reply.
    ///
    /// # Errors
    /// [`DecodeError`] if the code is no reply's, a part or a NUL is missing, or data follows the last part.
    pub fn decode(frame: Frame<'a>) -> Result<Self, DecodeError> {
        let mut data = Reader::new(frame.code, frame.payload);
        let reply = match frame.code {
            b'O' => {
                let Offer { version, actions, steps } = Offer::decode(&mut data)?;
                Self::Negotiate(Answer { version, actions, steps, macro_lists: MacroLists::decode(&mut data)? })
            }
            b'c' => Self::Continue,
            b'a' => Self::Accept,
            b'r' => Self::Reject,
            b't' => Self::TempFail,
            b'd' => Self::Discard,
            b'y' => Self::ReplyCode(data.string()?),
            b'4' => Self::Shutdown,
            b'f' => Self::ConnFail,
            b's' => Self::Skip,
            b'p' => Self::Progress,
            _ => Self::Modify(decode_modification(frame.code, &mut data)?),
        };
        data.end()?;
        Ok(reply)
    }

    /// Appends the reply as a frame.
    ///
    /// # Errors
    /// [`EncodeError`] for a NUL inside a string and for a frame beyond 32 bits; `out` is then as it was.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        write_frame(out, self.code(), |out| match self {
            Self::Negotiate(answer) => {
                Offer { version: answer.version, actions: answer.actions, steps: answer.steps }.write(out);
                answer.macro_lists.write(out)
            }
            Self::ReplyCode(text) => write_string(out, text),
            Self::Modify(modification) => write_modification(modification, out),
            Self::Continue
            | Self::Accept
            | Self::Reject
            | Self::TempFail
            | Self::Discard
            | Self::Shutdown
            | Self::ConnFail
            | Self::Skip
            | Self::Progress => Ok(()),
        })
    }

    /// The code of the reply (`SMFIR_*`).
    pub const fn code(&self) -> u8 {
        match self {
            Self::Negotiate(_) => b'O',
            Self::Continue => b'c',
            Self::Accept => b'a',
            Self::Reject => b'r',
            Self::TempFail => b't',
            Self::Discard => b'd',
            Self::ReplyCode(_) => b'y',
            Self::Shutdown => b'4',
            Self::ConnFail => b'f',
            Self::Skip => b's',
            Self::Progress => b'p',
            Self::Modify(modification) => match modification {
                Modification::AddHeader { .. } => b'h',
                Modification::InsertHeader { .. } => b'i',
                Modification::ChangeHeader { .. } => b'm',
                Modification::ReplaceBody(_) => b'b',
                Modification::AddRecipient(_) => b'+',
                Modification::AddRecipientWithParameters { .. } => b'2',
                Modification::DeleteRecipient(_) => b'-',
                Modification::ChangeSender { .. } => b'e',
                Modification::Quarantine(_) => b'q',
            },
        }
    }
}

fn decode_modification<'a>(code: u8, data: &mut Reader<'a>) -> Result<Modification<'a>, DecodeError> {
    Ok(match code {
        b'h' => Modification::AddHeader { name: data.string()?, value: data.string()? },
        b'i' => Modification::InsertHeader { index: data.u32()?, name: data.string()?, value: data.string()? },
        b'm' => Modification::ChangeHeader { index: data.u32()?, name: data.string()?, value: data.string()? },
        b'b' => Modification::ReplaceBody(data.rest()),
        b'+' => Modification::AddRecipient(data.string()?),
        b'2' => {
            Modification::AddRecipientWithParameters { address: data.string()?, parameters: optional_string(data)? }
        }
        b'-' => Modification::DeleteRecipient(data.string()?),
        b'e' => Modification::ChangeSender { address: data.string()?, parameters: optional_string(data)? },
        b'q' => Modification::Quarantine(data.string()?),
        _ => return Err(data.error(DecodeErrorKind::UnknownCode)),
    })
}

fn optional_string<'a>(data: &mut Reader<'a>) -> Result<Option<&'a [u8]>, DecodeError> {
    if data.is_empty() { Ok(None) } else { data.string().map(Some) }
}

fn write_modification(modification: &Modification<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    match *modification {
        Modification::AddHeader { name, value } => {
            write_string(out, name)?;
            write_string(out, value)
        }
        Modification::InsertHeader { index, name, value } | Modification::ChangeHeader { index, name, value } => {
            write_u32(out, index);
            write_string(out, name)?;
            write_string(out, value)
        }
        Modification::ReplaceBody(octets) => {
            out.extend_from_slice(octets);
            Ok(())
        }
        Modification::AddRecipient(text) | Modification::DeleteRecipient(text) | Modification::Quarantine(text) => {
            write_string(out, text)
        }
        Modification::AddRecipientWithParameters { address, parameters }
        | Modification::ChangeSender { address, parameters } => {
            write_string(out, address)?;
            parameters.map_or(Ok(()), |parameters| write_string(out, parameters))
        }
    }
}

/// A final reply: what a filter decides on an event.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Decision {
    /// Go on; at end of message: accept, with the modifications.
    Continue,
    /// Accept without further events: at connect and HELO for the whole session, else for this message.
    Accept,
    /// Reject; at RCPT this recipient only.
    Reject,
    /// Defer; at RCPT this recipient only.
    TempFail,
    /// Take the message from the client and drop it. Not at connect, HELO, and unknown commands.
    Discard,
    /// Reject or defer with this code and text.
    ReplyCode(ReplyCode),
    /// Close the SMTP session with 421. [`FilterSession`](crate::FilterSession) says it to Postfix in so many words, to other MTAs by a reply code.
    Shutdown,
    /// No more pieces of this body. Only at BODY, and only if negotiated.
    Skip,
}

impl Decision {
    /// The reply that says it.
    pub fn as_reply(&self) -> Reply<'_> {
        match self {
            Self::Continue => Reply::Continue,
            Self::Accept => Reply::Accept,
            Self::Reject => Reply::Reject,
            Self::TempFail => Reply::TempFail,
            Self::Discard => Reply::Discard,
            Self::ReplyCode(code) => Reply::ReplyCode(code.as_wire()),
            Self::Shutdown => Reply::Shutdown,
            Self::Skip => Reply::Skip,
        }
    }
}
