//! Mechanisms: what is compared with the address of the client (RFC 7208 §5).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::DomainSpec;

/// A mechanism and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "RFC 7208 §5 defines these; others are syntax errors")]
pub enum Mechanism {
    /// §5.1: matches always.
    All,
    /// §5.2: matches when the record of another domain gives `pass`.
    Include(DomainSpec),
    /// §5.3: the addresses of a name, by default of the domain itself.
    A(Option<DomainSpec>, DualCidr),
    /// §5.4: the addresses of the mail exchangers of a name.
    Mx(Option<DomainSpec>, DualCidr),
    /// §5.5: the client's name, as PTR and address records agree on it, lies within a name.
    Ptr(Option<DomainSpec>),
    /// §5.6: an IPv4 network: address and length of its prefix.
    Ip4(Ipv4Addr, u8),
    /// §5.6: an IPv6 network.
    Ip6(Ipv6Addr, u8),
    /// §5.7: a name has an A record.
    Exists(DomainSpec),
}

impl Mechanism {
    /// Whether it asks the DNS, and so counts against the limit of §4.6.4.
    #[must_use]
    pub fn is_lookup(&self) -> bool {
        match self {
            Self::Include(_) | Self::A(..) | Self::Mx(..) | Self::Ptr(_) | Self::Exists(_) => true,
            Self::All | Self::Ip4(..) | Self::Ip6(..) => false,
        }
    }

    /// Its name in lower case.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Include(_) => "include",
            Self::A(..) => "a",
            Self::Mx(..) => "mx",
            Self::Ptr(_) => "ptr",
            Self::Ip4(..) => "ip4",
            Self::Ip6(..) => "ip6",
            Self::Exists(_) => "exists",
        }
    }
}

/// Lengths of the prefixes that have to be equal: `/24//64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct DualCidr {
    /// Bits of an IPv4 address, at most 32, which is the default.
    pub v4: u8,
    /// Bits of an IPv6 address, at most 128, which is the default.
    pub v6: u8,
}

impl Default for DualCidr {
    fn default() -> Self {
        Self { v4: 32, v6: 128 }
    }
}

impl DualCidr {
    /// Whether two addresses of one family agree in the prefix. Addresses of different families never do.
    #[must_use]
    pub fn covers(self, network: IpAddr, client: IpAddr) -> bool {
        match (network, client) {
            (IpAddr::V4(network), IpAddr::V4(client)) => covers_v4(network, self.v4, client),
            (IpAddr::V6(network), IpAddr::V6(client)) => covers_v6(network, self.v6, client),
            _ => false,
        }
    }
}

/// Whether the first `bits` of two addresses are equal.
pub(crate) fn covers_v4(network: Ipv4Addr, bits: u8, client: Ipv4Addr) -> bool {
    let low = 32_u32.saturating_sub(bits.into());
    // A shift by all 32 bits leaves nothing to compare.
    (network.to_bits() ^ client.to_bits()).checked_shr(low).unwrap_or(0) == 0
}

/// Whether the first `bits` of two addresses are equal.
pub(crate) fn covers_v6(network: Ipv6Addr, bits: u8, client: Ipv6Addr) -> bool {
    let low = 128_u32.saturating_sub(bits.into());
    (network.to_bits() ^ client.to_bits()).checked_shr(low).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s5_prefixes_are_compared_bit_by_bit() {
        let (network, client) = (Ipv4Addr::new(192, 0, 2, 128), Ipv4Addr::new(192, 0, 2, 255));
        assert!(covers_v4(network, 25, client) && !covers_v4(network, 26, client));
        assert!(covers_v4(Ipv4Addr::new(1, 1, 1, 1), 0, client));
        assert!(covers_v4(client, 32, client) && !covers_v4(network, 32, client));
        let (network, client): (Ipv6Addr, Ipv6Addr) =
            ("2001:db8:8000::".parse().unwrap(), "2001:db8:ffff::1".parse().unwrap());
        assert!(covers_v6(network, 33, client) && !covers_v6(network, 34, client));
        assert!(covers_v6(network, 0, Ipv6Addr::LOCALHOST) && covers_v6(client, 128, client));
    }

    #[test]
    fn s27_families_never_match_each_other() {
        let mapped = IpAddr::V6("::ffff:192.0.2.1".parse().unwrap());
        let cidr = DualCidr { v4: 0, v6: 0 };
        assert!(!cidr.covers(mapped, "192.0.2.1".parse().unwrap()));
        assert!(!cidr.covers("192.0.2.1".parse().unwrap(), mapped));
    }
}
