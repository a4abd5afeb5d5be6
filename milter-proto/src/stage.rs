//! The stages of a session: one for each event that has a reply.
//!
//! A stage ties together what the protocol keeps in five tables: the code of the command, the bit that masks the event, the bit that silences
//! its reply, the number of its macro list, and its place in the order of a session.

use crate::flags::Steps;

/// A stage of the session, in the order of an SMTP dialogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// A command the MTA does not know; it may come at any point outside the content.
    Unknown,
    /// A client has connected.
    Connect,
    /// HELO or EHLO; again after STARTTLS.
    Helo,
    /// MAIL FROM.
    Mail,
    /// RCPT TO, one event each.
    Rcpt,
    /// DATA, or the first BDAT.
    Data,
    /// One header field.
    Header,
    /// End of the header section.
    EndOfHeaders,
    /// A piece of the body.
    Body,
    /// End of message: the only stage with modifications.
    EndOfBody,
}

impl Stage {
    /// All stages, in order.
    pub const ALL: &'static [Self] = &[
        Self::Unknown,
        Self::Connect,
        Self::Helo,
        Self::Mail,
        Self::Rcpt,
        Self::Data,
        Self::Header,
        Self::EndOfHeaders,
        Self::Body,
        Self::EndOfBody,
    ];

    /// The code of the command (`SMFIC_*`).
    pub const fn code(self) -> u8 {
        match self {
            Self::Unknown => b'U',
            Self::Connect => b'C',
            Self::Helo => b'H',
            Self::Mail => b'M',
            Self::Rcpt => b'R',
            Self::Data => b'T',
            Self::Header => b'L',
            Self::EndOfHeaders => b'N',
            Self::Body => b'B',
            Self::EndOfBody => b'E',
        }
    }

    /// The stage of a command code; `None` for commands without a reply and for codes that do not exist.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|stage| stage.code() == code)
    }

    /// The bit by which a filter declines the event (`SMFIP_NO*`); none for end of message.
    pub const fn no_event(self) -> Steps {
        match self {
            Self::Unknown => Steps::NO_UNKNOWN,
            Self::Connect => Steps::NO_CONNECT,
            Self::Helo => Steps::NO_HELO,
            Self::Mail => Steps::NO_MAIL,
            Self::Rcpt => Steps::NO_RCPT,
            Self::Data => Steps::NO_DATA,
            Self::Header => Steps::NO_HEADERS,
            Self::EndOfHeaders => Steps::NO_END_OF_HEADERS,
            Self::Body => Steps::NO_BODY,
            Self::EndOfBody => Steps::NONE,
        }
    }

    /// The bit by which a filter announces that it will not reply (`SMFIP_NR_*`); none for end of message.
    pub const fn no_reply(self) -> Steps {
        match self {
            Self::Unknown => Steps::NO_REPLY_UNKNOWN,
            Self::Connect => Steps::NO_REPLY_CONNECT,
            Self::Helo => Steps::NO_REPLY_HELO,
            Self::Mail => Steps::NO_REPLY_MAIL,
            Self::Rcpt => Steps::NO_REPLY_RCPT,
            Self::Data => Steps::NO_REPLY_DATA,
            Self::Header => Steps::NO_REPLY_HEADERS,
            Self::EndOfHeaders => Steps::NO_REPLY_END_OF_HEADERS,
            Self::Body => Steps::NO_REPLY_BODY,
            Self::EndOfBody => Steps::NONE,
        }
    }

    /// The number of its macro list in the option negotiation (`SMFIM_*`); header, body and unknown command have none.
    pub const fn macro_list(self) -> Option<u32> {
        match self {
            Self::Connect => Some(0),
            Self::Helo => Some(1),
            Self::Mail => Some(2),
            Self::Rcpt => Some(3),
            Self::Data => Some(4),
            Self::EndOfBody => Some(5),
            Self::EndOfHeaders => Some(6),
            Self::Unknown | Self::Header | Self::Body => None,
        }
    }

    /// The stage of a macro list number.
    pub fn from_macro_list(number: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|stage| stage.macro_list() == Some(number))
    }

    /// Whether the event belongs to a message (MAIL to end of message).
    pub fn is_in_message(self) -> bool {
        self >= Self::Mail
    }
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown command",
            Self::Connect => "connect",
            Self::Helo => "helo",
            Self::Mail => "mail",
            Self::Rcpt => "rcpt",
            Self::Data => "data",
            Self::Header => "header",
            Self::EndOfHeaders => "end of headers",
            Self::Body => "body",
            Self::EndOfBody => "end of message",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s3_macro_list_numbers_are_those_of_mfdef() {
        let numbers: Vec<Option<Stage>> = (0..8).map(Stage::from_macro_list).collect();
        let expected = [
            Some(Stage::Connect),
            Some(Stage::Helo),
            Some(Stage::Mail),
            Some(Stage::Rcpt),
            Some(Stage::Data),
            Some(Stage::EndOfBody),
            Some(Stage::EndOfHeaders),
            None,
        ];
        assert_eq!(numbers, expected);
    }

    #[test]
    fn s2_every_code_names_its_stage() {
        for stage in Stage::ALL.iter().copied() {
            assert_eq!(Stage::from_code(stage.code()), Some(stage));
        }
        for code in [b'O', b'D', b'A', b'Q', b'K', 0, 255] {
            assert_eq!(Stage::from_code(code), None);
        }
    }
}
