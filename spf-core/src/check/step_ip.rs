//! `ip4` and `ip6` (RFC 7208 §5.6).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::record::{covers_v4, covers_v6};

/// §5.6: "The <ip> is compared to the given network. If CIDR prefix length high-order bits match, the mechanism matches." A client of the other
/// family never does.
pub(super) fn step_ip4(network: Ipv4Addr, bits: u8, client: IpAddr) -> bool {
    matches!(client, IpAddr::V4(client) if covers_v4(network, bits, client))
}

/// The same for IPv6. §5: an IPv4-mapped client is an IPv4 client here, and so never within an IPv6 network, `::ffff:0:0/96` included.
pub(super) fn step_ip6(network: Ipv6Addr, bits: u8, client: IpAddr) -> bool {
    matches!(client, IpAddr::V6(client) if covers_v6(network, bits, client))
}
