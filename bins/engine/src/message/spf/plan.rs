//! Whose address is checked, and when.
//!
//! | mail | what is checked |
//! |---|---|
//! | our own, judged before, or a listener that does not verify; `enabled = false` | nothing, and nothing is written |
//! | from a client that is a relay of ours (`spf.relays`, `trust.upstream`) | the client that the relay's Received field names, once the header section is complete |
//! | from a client without address, or on this host | nothing; the result is `none` with its reason |
//! | from anybody else | the client, at MAIL |
//!
//! A relay's own address is never checked: the domain of the sender says nothing about it.

use std::net::IpAddr;

use crate::config::{self, Mode};
use crate::message::origin::{Client, OriginRule};
use crate::message::report::Facts;

/// Whose address is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// Nobody's: the mail is not for us to judge.
    Nobody,
    /// This one, at once.
    Client(IpAddr),
    /// The client of this relay of ours.
    BehindRelay(IpAddr),
    /// There is none to check.
    NoClient(NoClient),
}

/// Why there is no address to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoClient {
    /// The MTA does not know it.
    Unknown,
    /// The client is a program on this host that nobody trusts: no record could name it.
    Loopback,
    /// It is a relay of ours, and no Received field tells whose mail it passes on.
    NotInReceived,
}

impl NoClient {
    /// The word for logs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Unknown => "client-unknown",
            Self::Loopback => "client-on-this-host",
            Self::NotInReceived => "client-not-in-received",
        }
    }

    /// For people, in an Authentication-Results field.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Unknown => "address of the client is not known",
            Self::Loopback => "client is on this host",
            Self::NotInReceived => "relay does not tell the address of the client",
        }
    }
}

/// Decides whose address is checked.
pub(super) fn subject(facts: &Facts, mode: Mode, spf: &config::Spf) -> Subject {
    if !spf.enabled || !mode.verifies() || !facts.is_to_be_judged() {
        return Subject::Nobody;
    }
    match facts.client {
        Client::Ip(address, _) if facts.rule == OriginRule::Upstream || spf.relays.contains(address) => {
            Subject::BehindRelay(address)
        }
        Client::Ip(address, _) if address.is_loopback() => Subject::NoClient(NoClient::Loopback),
        Client::Ip(address, _) => Subject::Client(address),
        // A Unix socket is mail of our own; should it ever not be, there is no address all the same.
        Client::Unix | Client::Unknown => Subject::NoClient(NoClient::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::origin::Origin;
    use crate::message::tests::facts;

    fn of(client: Client, origin: Origin, rule: OriginRule, mode: Mode) -> Subject {
        let mut facts = facts(origin);
        (facts.client, facts.rule) = (client, rule);
        let relays = std::iter::once("192.0.2.25".parse().unwrap()).collect();
        subject(&facts, mode, &config::Spf { relays, ..config::Spf::default() })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn s2_strangers_are_checked_and_nobody_else() {
        let stranger = Client::Ip(ip("198.51.100.7"), 4711);
        let theirs = (Origin::Inbound, OriginRule::NotTrusted);
        for (client, (origin, rule), mode, expected) in [
            (stranger, theirs, Mode::Both, Subject::Client(ip("198.51.100.7"))),
            (Client::Ip(ip("2001:db8::7"), 4711), theirs, Mode::Verify, Subject::Client(ip("2001:db8::7"))),
            // XCLIENT without a port: the address is a stranger's all the same.
            (Client::Ip(ip("198.51.100.7"), 0), theirs, Mode::Both, Subject::Client(ip("198.51.100.7"))),
            (stranger, theirs, Mode::Sign, Subject::Nobody),
            (stranger, theirs, Mode::Off, Subject::Nobody),
            (stranger, (Origin::Submission, OriginRule::Authenticated), Mode::Both, Subject::Nobody),
            (stranger, (Origin::Relay, OriginRule::TrustedNetwork), Mode::Both, Subject::Nobody),
            (Client::Ip(ip("127.0.0.1"), 0), (Origin::Local, OriginRule::Pickup), Mode::Both, Subject::Nobody),
            (Client::Unix, (Origin::Local, OriginRule::UnixClient), Mode::Both, Subject::Nobody),
            (stranger, (Origin::Inbound, OriginRule::JudgedBefore), Mode::Both, Subject::Nobody),
            (Client::Unknown, theirs, Mode::Both, Subject::NoClient(NoClient::Unknown)),
            (Client::Ip(ip("::1"), 4711), theirs, Mode::Both, Subject::NoClient(NoClient::Loopback)),
            (stranger, (Origin::Inbound, OriginRule::Upstream), Mode::Both, Subject::BehindRelay(ip("198.51.100.7"))),
            (Client::Ip(ip("192.0.2.25"), 25), theirs, Mode::Both, Subject::BehindRelay(ip("192.0.2.25"))),
            (
                Client::Ip(ip("127.0.0.1"), 25),
                (Origin::Inbound, OriginRule::Upstream),
                Mode::Both,
                Subject::BehindRelay(ip("127.0.0.1")),
            ),
        ] {
            assert_eq!(of(client, origin, rule, mode), expected, "{client:?} {rule:?} {mode}");
        }
    }

    #[test]
    fn nobody_is_checked_where_it_is_switched_off() {
        let mut facts = facts(Origin::Inbound);
        facts.client = Client::Ip(ip("198.51.100.7"), 4711);
        let off = config::Spf { enabled: false, ..config::Spf::default() };
        assert_eq!(subject(&facts, Mode::Both, &off), Subject::Nobody);
    }
}
