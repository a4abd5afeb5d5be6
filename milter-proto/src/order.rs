//! Which event may follow which: the table of libmilter.
//!
//! | after | may come |
//! |---|---|
//! | negotiation, QUIT_NC | connect, unknown |
//! | connect, HELO, end of a message, ABORT | HELO, mail, unknown |
//! | mail | rcpt, unknown |
//! | rcpt | rcpt, data, header, end of headers, body, end of message, unknown |
//! | data, header | header, end of headers |
//! | end of headers, body | body, end of message |
//!
//! ABORT, QUIT, QUIT_NC and macro packets may come at any time. Two rules go beyond the table. An event that a NO bit masks is transparent: what
//! may follow it may come in its place. And HELO or MAIL inside a message ends it, as ABORT does: Sendmail sends no ABORT between messages.

use crate::flags::Steps;
use crate::stage::Stage;

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Position {
    /// Nothing has come.
    Start,
    /// Options are agreed, or QUIT_NC has come: a client has to connect.
    BeforeConnect,
    /// Connected, and not inside a message.
    Idle,
    /// Inside a message; the stage of the last event.
    Message(Stage),
    /// QUIT has come, or an error.
    Closed,
}

/// A set of stages.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stages(u16);

impl Stages {
    const fn of(stages: &[Stage]) -> Self {
        match stages {
            [] => Self(0),
            [first, rest @ ..] => Self(1 << *first as u16 | Self::of(rest).0),
        }
    }

    const fn contains(self, stage: Stage) -> bool {
        self.0 & (1 << stage as u16) != 0
    }

    const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

const fn after(stage: Stage) -> Stages {
    match stage {
        Stage::Connect | Stage::Helo | Stage::EndOfBody => Stages::of(&[Stage::Helo, Stage::Mail, Stage::Unknown]),
        Stage::Mail => Stages::of(&[Stage::Rcpt, Stage::Unknown]),
        Stage::Rcpt => Stages::of(&[
            Stage::Rcpt,
            Stage::Data,
            Stage::Header,
            Stage::EndOfHeaders,
            Stage::Body,
            Stage::EndOfBody,
            Stage::Unknown,
        ]),
        Stage::Data | Stage::Header => Stages::of(&[Stage::Header, Stage::EndOfHeaders]),
        Stage::EndOfHeaders | Stage::Body => Stages::of(&[Stage::Body, Stage::EndOfBody]),
        // Never the last event of a position: an unknown command leaves the session where it is.
        Stage::Unknown => Stages::of(&[]),
    }
}

impl Position {
    /// Whether an event may come here, with these steps agreed.
    pub(crate) fn allows(self, stage: Stage, steps: Steps) -> bool {
        let mut allowed = match self {
            Self::Start | Self::Closed => return false,
            Self::BeforeConnect => Stages::of(&[Stage::Connect, Stage::Unknown]),
            Self::Idle => after(Stage::Helo),
            // "Illegal transition in libmilter: call abort if in a message, fall back to state HELO, try again"
            Self::Message(_) if matches!(stage, Stage::Helo | Stage::Mail) => return true,
            Self::Message(last) => after(last),
        };
        // Stages stand in their order, so one pass reaches through any number of masked ones.
        for masked in Stage::ALL.iter().copied().filter(|&stage| steps.intersects(stage.no_event())) {
            if allowed.contains(masked) {
                allowed = allowed.union(after(masked));
            }
        }
        allowed.contains(stage)
    }

    /// Whether a message is open.
    pub(crate) fn is_in_message(self) -> bool {
        matches!(self, Self::Message(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(position: Position, steps: Steps) -> Vec<Stage> {
        Stage::ALL.iter().copied().filter(|&stage| position.allows(stage, steps)).collect()
    }

    #[test]
    fn s5_the_table_is_libmilters() {
        use Stage::*;
        let none = Steps::NONE;
        assert_eq!(allowed(Position::Start, none), []);
        assert_eq!(allowed(Position::BeforeConnect, none), [Unknown, Connect]);
        assert_eq!(allowed(Position::Idle, none), [Unknown, Helo, Mail]);
        // HELO and MAIL end the message that is open.
        assert_eq!(allowed(Position::Message(Mail), none), [Unknown, Helo, Mail, Rcpt]);
        assert_eq!(
            allowed(Position::Message(Rcpt), none),
            [Unknown, Helo, Mail, Rcpt, Data, Header, EndOfHeaders, Body, EndOfBody]
        );
        for last in [Data, Header] {
            assert_eq!(allowed(Position::Message(last), none), [Helo, Mail, Header, EndOfHeaders]);
        }
        for last in [EndOfHeaders, Body] {
            assert_eq!(allowed(Position::Message(last), none), [Helo, Mail, Body, EndOfBody]);
        }
        assert_eq!(allowed(Position::Closed, none), []);
    }

    #[test]
    fn s5_masked_events_are_transparent() {
        use Stage::*;
        assert_eq!(allowed(Position::BeforeConnect, Steps::NO_CONNECT), [Unknown, Connect, Helo, Mail]);
        assert_eq!(
            allowed(Position::BeforeConnect, Steps::NO_CONNECT | Steps::NO_HELO | Steps::NO_MAIL),
            [Unknown, Connect, Helo, Mail, Rcpt]
        );
        assert!(Position::Message(Mail).allows(Data, Steps::NO_RCPT));
        assert!(Position::Message(Data).allows(Body, Steps::NO_HEADERS | Steps::NO_END_OF_HEADERS));
        assert!(Position::Message(Header).allows(EndOfBody, Steps::NO_END_OF_HEADERS));
        assert!(!Position::Message(Header).allows(EndOfBody, Steps::NO_BODY));
        assert!(!Position::Message(Data).allows(Rcpt, Steps::ALL));
    }
}
