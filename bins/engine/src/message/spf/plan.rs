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

use crate::config::{self, Mode, Trust};
use crate::message::origin::{Client, OriginRule};
use crate::message::received::{self, ReceivedFrom, RelayError};
use crate::message::report::Facts;

/// Whose address is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// Nobody's: the mail is not for us to judge.
    Nobody,
    /// This one, at once.
    Client(IpAddr),
    /// The client of a relay of ours.
    BehindRelay,
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
    /// It is a relay of ours, and the Received fields do not tell whose mail it passes on.
    Relay(RelayError),
    /// It is a relay of ours that passes on mail of our own.
    OwnNetwork,
    /// It is a relay of ours that says that its client authenticated: a user, from wherever.
    Authenticated,
}

impl NoClient {
    /// The word for logs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Unknown => "client-unknown",
            Self::Loopback => "client-on-this-host",
            Self::Relay(error) => error.code(),
            Self::OwnNetwork => "client-of-relay-is-ours",
            Self::Authenticated => "client-of-relay-authenticated",
        }
    }

    /// For people, in an Authentication-Results field.
    #[must_use]
    pub fn text(self) -> String {
        match self {
            Self::Unknown => "address of the client is not known".to_owned(),
            Self::Loopback => "client is on this host".to_owned(),
            Self::Relay(error) => format!("client of the relay is not known: {error}"),
            Self::OwnNetwork => "client of the relay is one of our own".to_owned(),
            Self::Authenticated => "the relay says that the client authenticated".to_owned(),
        }
    }
}

/// Decides whose address is checked.
pub(super) fn subject(facts: &Facts, mode: Mode, spf: &config::Spf) -> Subject {
    if !spf.enabled || !mode.verifies() || !facts.is_to_be_judged() {
        return Subject::Nobody;
    }
    if is_relay(facts, spf) {
        return Subject::BehindRelay;
    }
    match facts.client {
        Client::Ip(address, _) if address.is_loopback() => Subject::NoClient(NoClient::Loopback),
        Client::Ip(address, _) => Subject::Client(address),
        // A Unix socket is mail of our own; should it ever not be, there is no address all the same.
        Client::Unix | Client::Unknown => Subject::NoClient(NoClient::Unknown),
    }
}

/// Whether the client passes on mail of others for us.
pub(in crate::message) fn is_relay(facts: &Facts, spf: &config::Spf) -> bool {
    let is_listed = matches!(facts.client, Client::Ip(address, _) if spf.relays.contains(address));
    facts.rule == OriginRule::Upstream || is_listed
}

/// The client outside that gave the message to the first of our relays, from the values of the Received fields.
///
/// Trusted are the relays: each wrote the field above that of the next. A client in `trust.networks` may be a workstation, whose word does not
/// count; its mail is our own, and nobody's record is about it.
pub(super) fn client_of_relay<'a>(
    fields: impl IntoIterator<Item = &'a [u8]>,
    trust: &Trust,
    spf: &config::Spf,
) -> Result<ReceivedFrom, NoClient> {
    let is_relay = |address: IpAddr| spf.relays.contains(address) || trust.upstream.contains(address);
    let from = received::sender_of(fields, is_relay).map_err(NoClient::Relay)?;
    if trust.networks.contains(from.client) {
        return Err(NoClient::OwnNetwork);
    }
    if from.is_authenticated() { Err(NoClient::Authenticated) } else { Ok(from) }
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
            (stranger, (Origin::Inbound, OriginRule::Upstream), Mode::Both, Subject::BehindRelay),
            (Client::Ip(ip("192.0.2.25"), 25), theirs, Mode::Both, Subject::BehindRelay),
            (
                Client::Ip(ip("127.0.0.1"), 25),
                (Origin::Inbound, OriginRule::Upstream),
                Mode::Both,
                Subject::BehindRelay,
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

    #[test]
    fn behind_relays_the_client_is_the_one_outside_and_never_one_of_ours() {
        let spf =
            config::Spf { relays: std::iter::once("192.0.2.25".parse().unwrap()).collect(), ..Default::default() };
        let trust = Trust {
            networks: std::iter::once("203.0.113.0/24".parse().unwrap()).collect(),
            upstream: std::iter::once("203.0.113.25".parse().unwrap()).collect(),
            ..Trust::default()
        };
        let of = |clients: &[&str]| {
            let fields: Vec<String> = clients
                .iter()
                .map(|client| format!(" from h.example (h.example [{client}]) by r.example; x"))
                .collect();
            let found = client_of_relay(fields.iter().map(String::as_bytes), &trust, &spf);
            found.map(|from| from.client.to_string()).map_err(NoClient::code)
        };
        assert_eq!(of(&["198.51.100.7"]), Ok("198.51.100.7".to_owned()));
        assert_eq!(of(&["192.0.2.25", "203.0.113.25", "198.51.100.7"]), Ok("198.51.100.7".to_owned()));
        // What the client outside wrote below its own field is not looked at.
        assert_eq!(of(&["192.0.2.25", "198.51.100.7", "192.0.2.80"]), Ok("198.51.100.7".to_owned()));
        assert_eq!(of(&["203.0.113.80", "198.51.100.7"]), Err("client-of-relay-is-ours"));
        assert_eq!(of(&["192.0.2.25"]), Err("received-no-outsider"));
        assert_eq!(of(&[]), Err("received-no-outsider"));
        assert_eq!(of(&["192.0.2.25", "127.0.0.1", "198.51.100.7"]), Err("received-loopback"));
        for (word, expected) in [("esmtpsa", Err("client-of-relay-authenticated")), ("ESMTPS", Ok(()))] {
            let field = format!(" from h (h [198.51.100.7]) by r.example with {word} id 1; x");
            let found = client_of_relay([field.as_bytes()], &trust, &spf);
            assert_eq!(found.map(drop).map_err(NoClient::code), expected, "{word}");
        }
        assert_eq!(of(&["what"]), Err("received-unreadable"));
    }
}
