//! Where a milter listens, in the spellings of Postfix and of Sendmail.
//!
//! | read | meaning |
//! |---|---|
//! | `inet:HOST:PORT`, `inet:[::1]:PORT` | TCP, Postfix's order |
//! | `inet:PORT@HOST`, `inet6:PORT@HOST` | TCP, the order of Sendmail and libmilter |
//! | `inet:PORT`, `inet6:PORT` | TCP on every address of the family |
//! | `unix:/PATH`, `local:/PATH`, `/PATH` | a Unix socket |
//! | `systemd:NAME`, `systemd:0` | what the service manager opened and passes on, by its name or number |
//!
//! [`SocketAddress::to_postfix`] and [`SocketAddress::to_sendmail`] print what belongs into `main.cf` and into an `INPUT_MAIL_FILTER` line. Port
//! names (`inet:host:milter`) are not read. Host names are kept as they are and resolved by whoever listens or connects.
//!
//! Invariant: an address that parsed prints as text that parses to an equal address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Octets of the longest path that fits into `sockaddr_un` of Linux, its NUL not counted.
pub const MAX_PATH: usize = 107;

/// Octets of the longest host name (RFC 1035 §2.3.4).
const MAX_HOST: usize = 253;

/// Where a milter listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SocketAddress {
    /// TCP.
    Inet(Host, u16),
    /// A Unix socket at an absolute path.
    Unix(PathBuf),
    /// Sockets that the service manager opened: socket activation as systemd has it (sd_listen_fds(3)).
    Passed(PassedSocket),
}

/// Which of the sockets that a service manager passes on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PassedSocket {
    /// The one with this number, counted from 0 in the order in which they are passed.
    Index(u16),
    /// All that have this name: `FileDescriptorName=` of the socket unit, by default the name of the unit.
    Name(String),
}

/// The host part of a TCP address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// An address; the unspecified one (`0.0.0.0`, `::`) stands for every address of its family.
    Ip(IpAddr),
    /// A name to be resolved; with `inet6` only its IPv6 addresses count.
    Name {
        /// Lower case, letters, digits, `-`, `_` and `.`.
        name: String,
        /// Whether it was given with `inet6:`.
        only_v6: bool,
    },
}

/// Why a text is not a socket address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SocketAddressError {
    /// Nothing there.
    #[error("it is empty")]
    Empty,
    /// The word before the first colon is none of `inet`, `inet6`, `unix`, `local`, `systemd`.
    #[error("it begins with none of `inet:`, `inet6:`, `unix:`, `local:`, `systemd:` and `/`")]
    Kind,
    /// The port is no number from 0 to 65535.
    #[error("`{port}` is not a port number")]
    Port {
        /// What stands there.
        port: String,
    },
    /// The host is neither an address nor a host name.
    #[error("`{host}` is neither an IP address nor a host name")]
    Host {
        /// What stands there.
        host: String,
    },
    /// An IPv6 address in Postfix's order without its brackets: it is not clear where the port begins.
    #[error("an IPv6 address needs brackets before `:port`")]
    Brackets,
    /// `inet6:` with an IPv4 address.
    #[error("`inet6:` with an IPv4 address")]
    Family,
    /// The path of a Unix socket does not begin with `/`.
    #[error("the path is not absolute")]
    RelativePath,
    /// The path of a Unix socket does not fit into the system's structure.
    #[error("the path is longer than {MAX_PATH} octets")]
    LongPath,
    /// The path of a Unix socket holds control characters.
    #[error("the path holds control characters")]
    PathCharacters,
    /// What stands behind `systemd:` is neither a number nor a name that a passed socket can have.
    #[error("`systemd:` needs the name of a passed socket (`FileDescriptorName=`), or its number from 0")]
    PassedName,
}

impl SocketAddress {
    /// As Postfix's `smtpd_milters` takes it: `inet:127.0.0.1:8891`, `inet:[::1]:8891`, `unix:/path`.
    ///
    /// Postfix has no way to say "IPv6 only" for a name; the address behind an `inet6:` name is printed with `inet:`. Where a passed socket
    /// is, only the service manager knows: it is printed as it is configured, which no MTA takes ([`is_passed`](Self::is_passed)).
    #[must_use]
    pub fn to_postfix(&self) -> String {
        match self {
            Self::Inet(host, port) => format!("inet:{}:{port}", Bracketed(host)),
            Self::Unix(path) => format!("unix:{}", path.display()),
            Self::Passed(which) => which.to_string(),
        }
    }

    /// As Sendmail's `INPUT_MAIL_FILTER` and libmilter take it: `inet:8891@127.0.0.1`, `inet6:8891@::1`, `local:/path`.
    #[must_use]
    pub fn to_sendmail(&self) -> String {
        match self {
            Self::Inet(Host::Ip(address), port) if address.is_ipv6() => format!("inet6:{port}@{address}"),
            Self::Inet(Host::Ip(address), port) => format!("inet:{port}@{address}"),
            Self::Inet(Host::Name { name, only_v6: true }, port) => format!("inet6:{port}@{name}"),
            Self::Inet(Host::Name { name, only_v6: false }, port) => format!("inet:{port}@{name}"),
            Self::Unix(path) => format!("local:{}", path.display()),
            Self::Passed(which) => which.to_string(),
        }
    }

    /// Where a client on the same host connects: the same address, with loopback in place of "every address".
    #[must_use]
    pub fn for_local_client(&self) -> Self {
        match self {
            Self::Inet(Host::Ip(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), port) => {
                Self::tcp(Ipv4Addr::LOCALHOST.into(), *port)
            }
            Self::Inet(Host::Ip(IpAddr::V6(Ipv6Addr::UNSPECIFIED)), port) => {
                Self::tcp(Ipv6Addr::LOCALHOST.into(), *port)
            }
            other => other.clone(),
        }
    }

    /// A TCP address.
    #[must_use]
    pub fn tcp(address: IpAddr, port: u16) -> Self {
        Self::Inet(Host::Ip(address), port)
    }

    /// Whether this is port 0, for which the system chooses a free one.
    #[must_use]
    pub fn port_is_chosen_by_the_system(&self) -> bool {
        matches!(self, Self::Inet(_, 0))
    }

    /// The path of a Unix socket.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Unix(path) => Some(path),
            Self::Inet(..) | Self::Passed(_) => None,
        }
    }

    /// Whether the service manager opens it, and so decides about its address, owner and mode.
    #[must_use]
    pub fn is_passed(&self) -> bool {
        matches!(self, Self::Passed(_))
    }
}

impl From<SocketAddr> for SocketAddress {
    fn from(address: SocketAddr) -> Self {
        Self::tcp(address.ip(), address.port())
    }
}

/// Postfix's order, with `inet6:` where that carries meaning: the form that [`FromStr`] turns back into an equal value.
impl fmt::Display for SocketAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(host @ Host::Name { only_v6: true, .. }, port) => write!(f, "inet6:{}:{port}", Bracketed(host)),
            other => f.write_str(&other.to_postfix()),
        }
    }
}

impl FromStr for SocketAddress {
    type Err = SocketAddressError;

    fn from_str(text: &str) -> Result<Self, SocketAddressError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(SocketAddressError::Empty);
        }
        if text.starts_with('/') {
            return parse_path(text);
        }
        let (kind, rest) = text.split_once(':').ok_or(SocketAddressError::Kind)?;
        match kind.to_ascii_lowercase().as_str() {
            "unix" | "local" => parse_path(rest),
            "inet" => parse_inet(rest, false),
            "inet6" => parse_inet(rest, true),
            "systemd" => parse_passed(rest),
            _ => Err(SocketAddressError::Kind),
        }
    }
}

/// As [`FromStr`] of [`SocketAddress`] reads it.
impl fmt::Display for PassedSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => write!(f, "systemd:{index}"),
            Self::Name(name) => write!(f, "systemd:{name}"),
        }
    }
}

/// A host as it stands before `:PORT`.
struct Bracketed<'h>(&'h Host);

impl fmt::Display for Bracketed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Host::Ip(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Host::Ip(IpAddr::V4(address)) => write!(f, "{address}"),
            Host::Name { name, .. } => f.write_str(name),
        }
    }
}

fn parse_path(path: &str) -> Result<SocketAddress, SocketAddressError> {
    if !path.starts_with('/') {
        return Err(SocketAddressError::RelativePath);
    }
    if path.len() > MAX_PATH {
        return Err(SocketAddressError::LongPath);
    }
    if path.chars().any(char::is_control) {
        return Err(SocketAddressError::PathCharacters);
    }
    Ok(SocketAddress::Unix(PathBuf::from(path)))
}

/// A number, or a name as systemd.socket(5) allows it: "Names may contain any ASCII character, but must exclude control characters and ":",
/// and must be at most 255 characters in length."
fn parse_passed(which: &str) -> Result<SocketAddress, SocketAddressError> {
    const MAX_NAME: usize = 255;
    if !which.is_empty() && which.bytes().all(|b| b.is_ascii_digit()) {
        let index = which.parse().map_err(|_too_large| SocketAddressError::PassedName)?;
        return Ok(SocketAddress::Passed(PassedSocket::Index(index)));
    }
    let fits = |b: u8| (b' '..=b'~').contains(&b) && b != b':';
    if which.is_empty() || which.len() > MAX_NAME || !which.bytes().all(fits) {
        return Err(SocketAddressError::PassedName);
    }
    Ok(SocketAddress::Passed(PassedSocket::Name(which.to_owned())))
}

/// `PORT@HOST`, `[V6]:PORT`, `HOST:PORT` or `PORT`.
fn parse_inet(rest: &str, only_v6: bool) -> Result<SocketAddress, SocketAddressError> {
    if let Some((port, host)) = rest.split_once('@') {
        return Ok(SocketAddress::Inet(parse_host(unbracket(host), only_v6)?, parse_port(port)?));
    }
    let Some((host, port)) = rest.rsplit_once(':') else {
        let every = if only_v6 { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) };
        return Ok(SocketAddress::tcp(every, parse_port(rest)?));
    };
    if host.contains(':') && !host.starts_with('[') {
        return Err(SocketAddressError::Brackets);
    }
    Ok(SocketAddress::Inet(parse_host(unbracket(host), only_v6)?, parse_port(port)?))
}

fn unbracket(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

fn parse_port(port: &str) -> Result<u16, SocketAddressError> {
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    port.parse().ok().filter(|_| digits).ok_or_else(|| SocketAddressError::Port { port: port.to_owned() })
}

fn parse_host(host: &str, only_v6: bool) -> Result<Host, SocketAddressError> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return if only_v6 && address.is_ipv4() { Err(SocketAddressError::Family) } else { Ok(Host::Ip(address)) };
    }
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    // A last label of digits would be a mistyped IPv4 address, and resolvers take `1.2.3` for one (RFC 3696 §2: a top label is never numeric).
    let numeric =
        host.trim_end_matches('.').rsplit('.').next().is_none_or(|top| top.bytes().all(|b| b.is_ascii_digit()));
    let bad_label = host
        .trim_end_matches('.')
        .split('.')
        .any(|label| label.is_empty() || label.len() > 63 || label.starts_with('-'));
    if host.len() > MAX_HOST || numeric || bad_label || !host.bytes().all(fits) {
        return Err(SocketAddressError::Host { host: host.to_owned() });
    }
    Ok(Host::Name { name: host.to_ascii_lowercase(), only_v6 })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_of_postfix_and_sendmail_are_read() {
        for (text, postfix, sendmail) in [
            ("inet:127.0.0.1:8891", "inet:127.0.0.1:8891", "inet:8891@127.0.0.1"),
            ("inet:8891@127.0.0.1", "inet:127.0.0.1:8891", "inet:8891@127.0.0.1"),
            ("inet:[::1]:8891", "inet:[::1]:8891", "inet6:8891@::1"),
            ("inet6:8891@::1", "inet:[::1]:8891", "inet6:8891@::1"),
            ("inet6:8891@[::1]", "inet:[::1]:8891", "inet6:8891@::1"),
            ("inet6:[::1]:8891", "inet:[::1]:8891", "inet6:8891@::1"),
            ("inet:8891", "inet:0.0.0.0:8891", "inet:8891@0.0.0.0"),
            ("inet6:8891", "inet:[::]:8891", "inet6:8891@::"),
            ("inet:localhost:8891", "inet:localhost:8891", "inet:8891@localhost"),
            ("inet6:8891@Mail.Example.ORG", "inet:mail.example.org:8891", "inet6:8891@mail.example.org"),
            ("unix:/run/postseal.sock", "unix:/run/postseal.sock", "local:/run/postseal.sock"),
            ("local:/run/postseal.sock", "unix:/run/postseal.sock", "local:/run/postseal.sock"),
            ("/run/postseal.sock", "unix:/run/postseal.sock", "local:/run/postseal.sock"),
            ("INET:127.0.0.1:0", "inet:127.0.0.1:0", "inet:0@127.0.0.1"),
            ("  unix:/a b  ", "unix:/a b", "local:/a b"),
            ("systemd:0", "systemd:0", "systemd:0"),
            ("SYSTEMD:postseal.socket", "systemd:postseal.socket", "systemd:postseal.socket"),
        ] {
            let address: SocketAddress = text.parse().unwrap();
            assert_eq!(address.to_postfix(), postfix, "{text}");
            assert_eq!(address.to_sendmail(), sendmail, "{text}");
            assert_eq!(address.to_string().parse::<SocketAddress>().unwrap(), address, "{text}");
        }
    }

    #[test]
    fn other_texts_are_named_for_what_is_wrong() {
        use SocketAddressError as E;
        let port = |port: &str| E::Port { port: port.into() };
        let host = |host: &str| E::Host { host: host.into() };
        for (text, expected) in [
            ("", E::Empty),
            ("8891", E::Kind),
            ("tcp:127.0.0.1:8891", E::Kind),
            ("inet:127.0.0.1:http", port("http")),
            ("inet:127.0.0.1:65536", port("65536")),
            ("inet:127.0.0.1:+1", port("+1")),
            ("inet:", port("")),
            ("inet:@localhost", port("")),
            ("inet:8891@", host("")),
            ("inet:8891@300.1.1.1", host("300.1.1.1")),
            ("inet:8891@a..b", host("a..b")),
            ("inet:8891@a b", host("a b")),
            ("inet:8891@1@2", host("1@2")),
            ("inet:::1:8891", E::Brackets),
            ("inet6:8891@127.0.0.1", E::Family),
            ("unix:relative", E::RelativePath),
            ("local:", E::RelativePath),
            ("unix:/a\0b", E::PathCharacters),
            ("systemd:", E::PassedName),
            ("systemd:a:b", E::PassedName),
            ("systemd:70000", E::PassedName),
            ("systemd:na\u{efef}me", E::PassedName),
        ] {
            assert_eq!(text.parse::<SocketAddress>(), Err(expected), "{text}");
        }
        assert_eq!(format!("/{}", "x".repeat(MAX_PATH)).parse::<SocketAddress>(), Err(E::LongPath));
        assert!(format!("/{}", "x".repeat(MAX_PATH - 1)).parse::<SocketAddress>().is_ok());
    }

    #[test]
    fn a_client_on_the_same_host_uses_loopback_for_every_address() {
        for (listen, connect) in [
            ("inet:9", "inet:127.0.0.1:9"),
            ("inet6:9", "inet:[::1]:9"),
            ("inet:192.0.2.1:9", "inet:192.0.2.1:9"),
            ("/x", "unix:/x"),
        ] {
            assert_eq!(listen.parse::<SocketAddress>().unwrap().for_local_client().to_postfix(), connect);
        }
    }

    proptest! {
        #[test]
        fn what_parses_prints_as_what_parses_to_the_same(text in "(inet|inet6|unix|local|systemd|x)?:?[]\\[0-9a-f:@./ A-Z-]{0,30}") {
            if let Ok(address) = text.parse::<SocketAddress>() {
                prop_assert_eq!(address.to_string().parse::<SocketAddress>(), Ok(address.clone()));
                prop_assert!(address.to_sendmail().parse::<SocketAddress>() == Ok(address));
            }
        }
    }
}
