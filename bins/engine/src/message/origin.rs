//! Where a message comes from: one of ours to sign, or somebody else's to judge.
//!
//! Decided at MAIL and not before (CONNECT comes ahead of TLS and SASL), by the first rule that fits:
//!
//! 1. the client authenticated (`{auth_authen}` or `{auth_type}` not empty), unless the configuration says that this proves
//!    nothing: submission;
//! 2. `{daemon_name}` or `{daemon_port}` is one of the configured submission services: submission;
//! 3. a loopback client with port 0, which is how Postfix presents its pickup service: local;
//! 4. a client that passes on mail which we have judged already, or one in the upstream networks, which pass on mail from outside: inbound;
//! 5. a Unix socket peer, or a loopback client in the trusted networks: local (a program or a content filter on this host);
//! 6. a client in the trusted networks: relay;
//! 7. everything else, a client whose address is not known included: inbound.
//!
//! Pure: facts in, decision out. What follows from it is `plan`.

use std::fmt;
use std::net::IpAddr;

use crate::config::Trust;

/// The client as the MTA named it at CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// An address and a port; Postfix's pickup has port 0.
    Ip(IpAddr, u16),
    /// A Unix socket.
    Unix,
    /// The MTA does not know, or there was no CONNECT.
    Unknown,
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address, _) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

/// What the MTA said about the client and the service it talks to; macro values as they came.
#[derive(Clone, Copy, Debug)]
pub struct OriginFacts<'a> {
    /// The client.
    pub client: Client,
    /// `{auth_type}`.
    pub auth_type: Option<&'a [u8]>,
    /// `{auth_authen}`.
    pub auth_authen: Option<&'a [u8]>,
    /// `{daemon_name}`.
    pub daemon_name: Option<&'a [u8]>,
    /// `{daemon_port}`.
    pub daemon_port: Option<&'a [u8]>,
}

/// The decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A user of ours hands in mail.
    Submission,
    /// A program on this host does.
    Local,
    /// A host that we relay for does.
    Relay,
    /// Anybody.
    Inbound,
}

impl Origin {
    /// The word for logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Submission => "submission",
            Self::Local => "local",
            Self::Relay => "relay",
            Self::Inbound => "inbound",
        }
    }

    /// Whether the mail is ours: signed, never judged.
    #[must_use]
    pub fn is_ours(self) -> bool {
        self != Self::Inbound
    }
}

/// The rule that made the decision, for logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OriginRule {
    /// Rule 1.
    Authenticated,
    /// Rule 2, by name.
    DaemonName,
    /// Rule 2, by port.
    DaemonPort,
    /// A macro of the MTA (`MacroList` of OpenDKIM).
    Macro,
    /// Rule 3.
    Pickup,
    /// Rule 4, mail with results of ours.
    JudgedBefore,
    /// Rule 4, other mail.
    Upstream,
    /// Rule 5, a Unix socket.
    UnixClient,
    /// Rule 5, loopback.
    Loopback,
    /// Rule 6.
    TrustedNetwork,
    /// Rule 7.
    NotTrusted,
}

impl OriginRule {
    /// The word for logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authenticated => "authenticated",
            Self::DaemonName => "daemon-name",
            Self::DaemonPort => "daemon-port",
            Self::Macro => "macro",
            Self::Pickup => "pickup",
            Self::JudgedBefore => "judged-before",
            Self::Upstream => "upstream",
            Self::UnixClient => "unix-client",
            Self::Loopback => "loopback",
            Self::TrustedNetwork => "trusted-network",
            Self::NotTrusted => "client-not-trusted",
        }
    }

    /// Whether results under our name that stand in the message are ours, and say what there is to say about it.
    ///
    /// RFC 8601 §5 has fields with our name deleted that "did not come directly from another trusted MTA": this is the one exception, and
    /// only configured clients come under it. Mail of our own never does: nobody has judged it.
    #[must_use]
    pub fn keeps_results(self) -> bool {
        self == Self::JudgedBefore
    }
}

/// Decides; see the module for the order.
#[must_use]
pub fn decide(facts: &OriginFacts<'_>, trust: &Trust) -> (Origin, OriginRule) {
    let set = |value: Option<&[u8]>| value.is_some_and(|value| !value.is_empty());
    if trust.authenticated && (set(facts.auth_authen) || set(facts.auth_type)) {
        return (Origin::Submission, OriginRule::Authenticated);
    }
    if let Some(name) = facts.daemon_name
        && trust.daemon_names.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name))
    {
        return (Origin::Submission, OriginRule::DaemonName);
    }
    if let Some(port) = facts.daemon_port.and_then(parse_port)
        && trust.daemon_ports.contains(&port)
    {
        return (Origin::Submission, OriginRule::DaemonPort);
    }
    match facts.client {
        Client::Unix => (Origin::Local, OriginRule::UnixClient),
        Client::Ip(address, 0) if address.to_canonical().is_loopback() => (Origin::Local, OriginRule::Pickup),
        Client::Ip(address, _) if trust.keep_results_from.contains(address) => {
            (Origin::Inbound, OriginRule::JudgedBefore)
        }
        Client::Ip(address, _) if trust.upstream.contains(address) => (Origin::Inbound, OriginRule::Upstream),
        Client::Ip(address, _) if trust.networks.contains(address) => {
            if address.to_canonical().is_loopback() {
                (Origin::Local, OriginRule::Loopback)
            } else {
                (Origin::Relay, OriginRule::TrustedNetwork)
            }
        }
        Client::Ip(..) | Client::Unknown => (Origin::Inbound, OriginRule::NotTrusted),
    }
}

fn parse_port(text: &[u8]) -> Option<u16> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::IpSet;

    const NOTHING: OriginFacts<'static> = OriginFacts {
        client: Client::Unknown,
        auth_type: None,
        auth_authen: None,
        daemon_name: None,
        daemon_port: None,
    };

    fn set(networks: &str) -> IpSet {
        networks.split(' ').map(|network| network.parse().unwrap()).collect()
    }

    fn rules() -> Trust {
        Trust {
            daemon_ports: vec![587, 465],
            networks: set("127.0.0.0/8 ::1 192.0.2.0/24"),
            upstream: set("192.0.2.66"),
            ..Trust::default()
        }
    }

    fn from(address: &str, port: u16) -> OriginFacts<'static> {
        OriginFacts { client: Client::Ip(address.parse().unwrap(), port), ..NOTHING }
    }

    #[test]
    fn s6_the_first_rule_that_fits_decides() {
        let outside = from("198.51.100.7", 1234);
        for (facts, origin, rule) in [
            (OriginFacts { auth_type: Some(b"PLAIN"), ..outside }, Origin::Submission, OriginRule::Authenticated),
            (
                OriginFacts { auth_authen: Some(b"jo"), ..from("127.0.0.1", 0) },
                Origin::Submission,
                OriginRule::Authenticated,
            ),
            (OriginFacts { daemon_name: Some(b"originating"), ..outside }, Origin::Submission, OriginRule::DaemonName),
            (OriginFacts { daemon_port: Some(b"465"), ..outside }, Origin::Submission, OriginRule::DaemonPort),
            (from("127.0.0.1", 0), Origin::Local, OriginRule::Pickup),
            (from("::1", 0), Origin::Local, OriginRule::Pickup),
            (from("127.0.0.1", 40000), Origin::Local, OriginRule::Loopback),
            (from("::ffff:127.0.0.1", 40000), Origin::Local, OriginRule::Loopback),
            (OriginFacts { client: Client::Unix, ..NOTHING }, Origin::Local, OriginRule::UnixClient),
            (from("192.0.2.9", 40000), Origin::Relay, OriginRule::TrustedNetwork),
            (from("192.0.2.66", 40000), Origin::Inbound, OriginRule::Upstream),
            (from("192.0.3.9", 40000), Origin::Inbound, OriginRule::NotTrusted),
            (from("192.0.3.9", 0), Origin::Inbound, OriginRule::NotTrusted),
            (NOTHING, Origin::Inbound, OriginRule::NotTrusted),
        ] {
            assert_eq!(decide(&facts, &rules()), (origin, rule), "{facts:?}");
        }
    }

    #[test]
    fn m22_an_empty_macro_is_no_authentication() {
        let facts = OriginFacts { auth_type: Some(b""), auth_authen: Some(b""), ..from("198.51.100.7", 9) };
        assert_eq!(decide(&facts, &rules()), (Origin::Inbound, OriginRule::NotTrusted));
    }

    #[test]
    fn s6_loopback_as_upstream_is_inbound_but_for_pickup() {
        let rules = Trust { upstream: IpSet::loopback(), ..rules() };
        assert_eq!(decide(&from("127.0.0.1", 40000), &rules), (Origin::Inbound, OriginRule::Upstream));
        assert_eq!(decide(&from("127.0.0.1", 0), &rules), (Origin::Local, OriginRule::Pickup));
        let rules = Trust { networks: IpSet::default(), ..rules };
        assert_eq!(decide(&from("::1", 40000), &rules).0, Origin::Inbound);
    }

    #[test]
    fn h2_results_are_kept_from_configured_clients_alone_and_never_in_mail_of_our_own() {
        let keeping = Trust { keep_results_from: set("127.0.0.1 192.0.2.77"), ..rules() };
        let filter = from("127.0.0.1", 40000);
        let named = OriginFacts { daemon_name: Some(b"ORIGINATING"), ..filter };
        let authenticated = OriginFacts { auth_authen: Some(b"jo"), ..filter };
        for (facts, keeps) in [
            (filter, true),
            (from("::ffff:127.0.0.1", 40000), true),
            (from("192.0.2.77", 40000), true),
            (from("127.0.0.2", 40000), false),
            (from("192.0.2.66", 40000), false),
            (from("198.51.100.7", 40000), false),
            (from("127.0.0.1", 0), false),
            (named, false),
            (authenticated, false),
            (OriginFacts { client: Client::Unix, ..NOTHING }, false),
            (NOTHING, false),
        ] {
            let (origin, rule) = decide(&facts, &keeping);
            assert_eq!(rule.keeps_results(), keeps, "{facts:?}");
            assert!(!keeps || origin == Origin::Inbound, "{facts:?}");
            assert!(!decide(&facts, &rules()).1.keeps_results(), "not without configuration: {facts:?}");
        }
    }

    #[test]
    fn authentication_counts_for_nothing_where_it_is_switched_off() {
        let rules = Trust { authenticated: false, ..rules() };
        let facts = OriginFacts { auth_authen: Some(b"jo"), ..from("198.51.100.7", 9) };
        assert_eq!(decide(&facts, &rules), (Origin::Inbound, OriginRule::NotTrusted));
    }

    #[test]
    fn odd_macro_values_match_nothing() {
        for port in ["", "587 ", "-587", "99999", "x"] {
            let facts = OriginFacts { daemon_port: Some(port.as_bytes()), ..from("198.51.100.7", 9) };
            assert_eq!(decide(&facts, &rules()).0, Origin::Inbound, "{port}");
        }
    }
}
