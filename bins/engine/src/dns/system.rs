//! The name servers of `/etc/resolv.conf`.
//!
//! Of `resolv.conf(5)` it reads `nameserver`: names here are full, so there is nothing to search, and times are ours (`[dns]`).

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};
use std::path::Path;

/// The file.
const FILE: &str = "/etc/resolv.conf";

/// Octets read of it.
const MAX_OCTETS: u64 = 64 * 1024;

/// The port of DNS.
const PORT: u16 = 53;

/// resolv.conf(5): "Up to MAXNS (currently 3 …) name servers may be listed".
const MAX_SERVERS: usize = 3;

/// The name servers of this system.
pub(super) fn name_servers() -> io::Result<Vec<SocketAddr>> {
    read(Path::new(FILE))
}

fn read(file: &Path) -> io::Result<Vec<SocketAddr>> {
    use io::Read as _;
    let mut text = Vec::new();
    match std::fs::File::open(file) {
        Ok(file) => drop(file.take(MAX_OCTETS).read_to_end(&mut text)?),
        // As an empty one.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(parse(&String::from_utf8_lossy(&text)))
}

fn parse(text: &str) -> Vec<SocketAddr> {
    let mut servers: Vec<SocketAddr> = text.lines().filter_map(server).take(MAX_SERVERS).collect();
    if servers.is_empty() {
        // "If no nameserver entries are present, the default is to use the name server on the local machine."
        servers.push((Ipv4Addr::LOCALHOST, PORT).into());
    }
    servers
}

fn server(line: &str) -> Option<SocketAddr> {
    let mut words = line.split_whitespace();
    let value = words.next().filter(|word| *word == "nameserver").and_then(|_| words.next())?;
    let found = match value.split_once('%') {
        // A link-local address with its interface.
        Some((address, scope)) => {
            let index = scope.parse().ok().or_else(|| nix::net::if_::if_nametoindex(scope).ok());
            address.parse().ok().zip(index).map(|(address, index)| SocketAddrV6::new(address, PORT, 0, index).into())
        }
        None => value.parse().ok().map(|address: IpAddr| (address, PORT).into()),
    };
    if found.is_none() {
        tracing::warn!("{FILE}: `{value}` is not the address of a name server");
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Vec<String> {
        parse(text).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn name_servers_are_read_and_everything_else_is_passed_over() {
        let text = "# nameserver 192.0.2.9\n; comment\nsearch a.example b.example\noptions timeout:1 edns0\n\
            nameserver 192.0.2.1 # home\n\tnameserver\t2001:db8::1\r\nnameserverx 192.0.2.8\nnameserver\nnameserver fe80::1%1\n";
        assert_eq!(parsed(text), ["192.0.2.1:53", "[2001:db8::1]:53", "[fe80::1%1]:53"]);
    }

    #[test]
    fn a_file_that_names_none_means_the_local_machine() {
        for text in ["", "search example\n", "nameserver not-an-address\n", "nameserver fe80::1%no-such-interface\n"] {
            assert_eq!(parsed(text), ["127.0.0.1:53"], "{text}");
        }
        assert_eq!(read(Path::new("/nonexistent/resolv.conf")).unwrap().len(), 1);
        assert!(read(Path::new("/")).is_err());
    }

    #[test]
    fn three_at_most_are_used() {
        let text: String = (1..9).map(|n| format!("nameserver 192.0.2.{n}\n")).collect();
        assert_eq!(parsed(&text), ["192.0.2.1:53", "192.0.2.2:53", "192.0.2.3:53"]);
    }
}
