//! `ip4` and `ip6` (RFC 7208 §5.6).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::machine::{Flow, Machine};
use crate::record::{covers_v4, covers_v6};

impl Machine {
    /// §5.6: "The <ip> is compared to the given network. If CIDR prefix length high-order bits match, the mechanism matches." A client of the
    /// other family never does.
    pub(super) fn step_ip4(&self, network: Ipv4Addr, bits: u8) -> Flow {
        match self.session.client() {
            IpAddr::V4(client) if covers_v4(network, bits, client) => Flow::Match,
            _ => Flow::NoMatch,
        }
    }

    /// The same for IPv6. §5: "ip6:" never matches an IPv4-mapped client, because such a client is an IPv4 client here.
    pub(super) fn step_ip6(&self, network: Ipv6Addr, bits: u8) -> Flow {
        match self.session.client() {
            IpAddr::V6(client) if covers_v6(network, bits, client) => Flow::Match,
            _ => Flow::NoMatch,
        }
    }
}
