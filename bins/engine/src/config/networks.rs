//! Networks as typed values: `192.0.2.0/24`, `2001:db8::/32`, `::1`, and sets of them.
//!
//! An [`IpSet`] holds merged, sorted ranges, so a question costs a binary search. An IPv4 address that arrives mapped into IPv6
//! (`::ffff:192.0.2.1`) is the IPv4 address (M29: typed, both families). Postfix's spelling of IPv6 networks, `[2001:db8::]/32`, is read as
//! well. It does not resolve names.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// One network in CIDR notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

/// Why a text is not a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CidrError {
    /// Neither an IPv4 nor an IPv6 address.
    #[error("not an IP address")]
    Address,
    /// The length behind the slash is no number or longer than an address.
    #[error("the prefix length is not a number from 0 to {max}")]
    Prefix {
        /// Bits of an address of this family.
        max: u8,
    },
    /// Bits are set to the right of the prefix.
    #[error("the address has bits set behind the prefix, the network is {network}")]
    HostBits {
        /// The network that holds the address.
        network: Cidr,
    },
}

impl Cidr {
    /// The network of `prefix` bits that holds `address`; a prefix longer than the address counts as a single address.
    ///
    /// A network of IPv4 addresses mapped into IPv6 (`::ffff:192.0.2.0/120`) becomes the network of IPv4 addresses.
    #[must_use]
    pub fn containing(address: IpAddr, prefix: u8) -> Self {
        let prefix = prefix.min(width(address));
        let (address, prefix) = match (address.to_canonical(), prefix.checked_sub(96)) {
            (mapped @ IpAddr::V4(_), Some(prefix)) if address.is_ipv6() => (mapped, prefix),
            _ => (address, prefix),
        };
        let (first, _) = range(address, prefix);
        let address = match address {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(first).unwrap_or(u32::MAX))),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(first)),
        };
        Self { address, prefix }
    }

    /// The first address.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The number of fixed bits.
    #[must_use]
    pub fn prefix(&self) -> u8 {
        self.prefix
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address = match address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(inner) => IpAddr::V6(inner.parse().map_err(|_| CidrError::Address)?),
            None => address.parse().map_err(|_| CidrError::Address)?,
        };
        let max = width(address);
        let prefix = match prefix {
            None => max,
            Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().ok().filter(|bits| *bits <= max).ok_or(CidrError::Prefix { max })?
            }
            Some(_) => return Err(CidrError::Prefix { max }),
        };
        let network = Self::containing(address, prefix);
        let has_host_bits = range(address, prefix).0 != range(address, max).0;
        if has_host_bits { Err(CidrError::HostBits { network }) } else { Ok(network) }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == width(self.address) {
            write!(f, "{}", self.address)
        } else {
            write!(f, "{}/{}", self.address, self.prefix)
        }
    }
}

/// A set of addresses, given as networks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IpSet {
    networks: Vec<Cidr>,
    v4: Vec<(u128, u128)>,
    v6: Vec<(u128, u128)>,
}

impl IpSet {
    /// Loopback of both families: what is trusted unless the configuration says otherwise (M38).
    #[must_use]
    pub fn loopback() -> Self {
        Self::from_iter([
            Cidr::containing(IpAddr::V4(Ipv4Addr::LOCALHOST), 8),
            Cidr::containing(IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
        ])
    }

    /// Whether `address` is in one of the networks.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let (bits, _) = range(address, width(address));
        let ranges = if address.is_ipv4() { &self.v4 } else { &self.v6 };
        let at = ranges.partition_point(|(first, _)| *first <= bits);
        at.checked_sub(1).and_then(|i| ranges.get(i)).is_some_and(|(_, last)| bits <= *last)
    }

    /// The network that holds `address`, narrowest first: the rule to name in a log.
    #[must_use]
    pub fn rule_for(&self, address: IpAddr) -> Option<Cidr> {
        let address = address.to_canonical();
        self.networks
            .iter()
            .copied()
            .filter(|network| network.address.is_ipv4() == address.is_ipv4())
            .filter(|network| Cidr::containing(address, network.prefix) == *network)
            .max_by_key(Cidr::prefix)
    }

    /// The first address of `network` that is in this set and not in `other`.
    #[must_use]
    pub fn first_not_in(&self, other: &Self, network: Cidr) -> Option<IpAddr> {
        let is_ipv4 = network.address.is_ipv4();
        let (ours, others) = if is_ipv4 { (&self.v4, &other.v4) } else { (&self.v6, &other.v6) };
        let (start, end) = range(network.address, network.prefix);
        let bits = ours.iter().find_map(|(first, last)| {
            let (first, last) = (start.max(*first), end.min(*last));
            // Ranges of a set neither touch nor overlap: behind one of them its set has a gap.
            let covering = others.iter().find(|(from, to)| *from <= first && first <= *to);
            let first = covering.map_or(Some(first), |(_, to)| to.checked_add(1))?;
            (first <= last).then_some(first)
        })?;
        Some(if is_ipv4 {
            IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(bits).unwrap_or(u32::MAX)))
        } else {
            IpAddr::V6(Ipv6Addr::from_bits(bits))
        })
    }

    /// Whether every IPv4 or every IPv6 address is in it, be it by one network or by several.
    #[must_use]
    pub fn covers_a_whole_family(&self) -> bool {
        self.v4 == [(0, u128::from(u32::MAX))] || self.v6 == [(0, u128::MAX)]
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty()
    }

    /// The networks as they were given.
    #[must_use]
    pub fn networks(&self) -> &[Cidr] {
        &self.networks
    }
}

impl FromIterator<Cidr> for IpSet {
    fn from_iter<I: IntoIterator<Item = Cidr>>(networks: I) -> Self {
        let networks: Vec<Cidr> = networks.into_iter().collect();
        let ranges = |v4: bool| {
            let family = networks.iter().filter(|n| n.address.is_ipv4() == v4);
            merge(family.map(|n| range(n.address, n.prefix)).collect())
        };
        let (v4, v6) = (ranges(true), ranges(false));
        Self { networks, v4, v6 }
    }
}

/// Sorted, with touching and overlapping ranges joined.
fn merge(mut ranges: Vec<(u128, u128)>) -> Vec<(u128, u128)> {
    ranges.sort_unstable();
    let mut merged: Vec<(u128, u128)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match merged.last_mut() {
            Some(previous) if first <= previous.1.saturating_add(1) => previous.1 = previous.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    merged
}

/// Bits of an address.
fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// First and last address of a network as numbers.
fn range(address: IpAddr, prefix: u8) -> (u128, u128) {
    let (bits, all) = match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), u128::from(u32::MAX)),
        IpAddr::V6(v6) => (v6.to_bits(), u128::MAX),
    };
    let host = all.checked_shr(u32::from(prefix)).unwrap_or(0);
    (bits & !host, bits | host)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(networks: &[&str]) -> IpSet {
        networks.iter().map(|n| n.parse().unwrap()).collect()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn networks_are_read_and_printed() {
        for (text, shown) in [
            ("192.0.2.0/24", "192.0.2.0/24"),
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1/32", "192.0.2.1"),
            ("::1", "::1"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("[2001:db8::]/32", "2001:db8::/32"),
            ("[::1]", "::1"),
            ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(text.parse::<Cidr>().unwrap().to_string(), shown);
        }
        for text in [
            "",
            "/",
            "192.0.2.0/",
            "192.0.2.0/33",
            "192.0.2.0/-1",
            "192.0.2.0/+8",
            "192.0.2",
            "[192.0.2.1]",
            "[::1",
            "::1/129",
        ] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
    }

    #[test]
    fn bits_behind_the_prefix_are_an_error_that_names_the_network() {
        let error = "192.0.2.5/24".parse::<Cidr>().unwrap_err();
        assert_eq!(error.to_string(), "the address has bits set behind the prefix, the network is 192.0.2.0/24");
    }

    #[test]
    fn m38_loopback_of_both_families_is_the_default_trust() {
        let loopback = IpSet::loopback();
        for inside in ["127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1"] {
            assert!(loopback.contains(ip(inside)), "{inside}");
        }
        for outside in ["126.255.255.255", "128.0.0.0", "::2", "::", "192.0.2.1", "::ffff:192.0.2.1"] {
            assert!(!loopback.contains(ip(outside)), "{outside}");
        }
    }

    #[test]
    fn m08_everyone_is_seen_also_when_given_in_parts() {
        assert!(set(&["0.0.0.0/0"]).covers_a_whole_family());
        assert!(set(&["::/0"]).covers_a_whole_family());
        assert!(set(&["0.0.0.0/1", "128.0.0.0/1"]).covers_a_whole_family());
        assert!(set(&["0.0.0.0/1", "64.0.0.0/2", "128.0.0.0/2", "192.0.0.0/2"]).covers_a_whole_family());
        assert!(!set(&["0.0.0.0/1", "128.0.0.0/2"]).covers_a_whole_family());
        assert!(!set(&["10.0.0.0/8", "fc00::/7"]).covers_a_whole_family());
    }

    #[test]
    fn the_narrowest_network_is_the_rule() {
        let set = set(&["10.0.0.0/8", "10.1.0.0/16", "fd00::/8"]);
        assert_eq!(set.rule_for(ip("10.1.2.3")).unwrap().to_string(), "10.1.0.0/16");
        assert_eq!(set.rule_for(ip("10.2.2.3")).unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(set.rule_for(ip("fd00::1")).unwrap().to_string(), "fd00::/8");
        assert_eq!(set.rule_for(ip("11.0.0.1")), None);
    }

    #[test]
    fn an_address_that_one_set_has_and_another_has_not_is_found() {
        for (ours, others, network, first) in [
            (&["10.0.0.0/8"][..], &[][..], "10.1.0.0/16", Some("10.1.0.0")),
            (&["10.1.2.0/24"], &[], "10.0.0.0/8", Some("10.1.2.0")),
            (&["10.0.0.0/8"], &[], "11.0.0.0/8", None),
            (&["10.0.0.0/8"], &["10.0.0.0/9"], "10.0.0.0/8", Some("10.128.0.0")),
            (&["10.0.0.0/8"], &["10.0.0.0/9"], "10.0.0.0/9", None),
            (&["10.0.0.0/8"], &["10.0.0.1", "10.0.0.0"], "10.0.0.0/31", None),
            (&["10.0.0.0/8", "12.0.0.0/8"], &["10.0.0.0/8"], "8.0.0.0/5", Some("12.0.0.0")),
            (&["10.0.0.5"], &["10.0.0.0/8"], "10.0.0.5", None),
            (&["0.0.0.0/0"], &["128.0.0.0/1"], "255.0.0.0/8", None),
            (&["::/0"], &["8000::/1"], "ff00::/8", None),
            (&["::/0"], &["0.0.0.0/0"], "::1", Some("::1")),
            (&["0.0.0.0/0"], &[], "::1", None),
        ] {
            let found = set(ours).first_not_in(&set(others), network.parse().unwrap());
            assert_eq!(found, first.map(ip), "{ours:?} {others:?} {network}");
        }
    }

    fn any_ip() -> impl Strategy<Value = IpAddr> {
        prop_oneof![any::<u32>().prop_map(|b| IpAddr::V4(b.into())), any::<u128>().prop_map(|b| IpAddr::V6(b.into()))]
    }

    proptest! {
        #[test]
        fn a_set_holds_what_one_of_its_networks_holds(
            networks in prop::collection::vec((any_ip(), 0_u8..=128), 0..8),
            address in any_ip(),
        ) {
            let networks: Vec<Cidr> = networks.into_iter().map(|(a, p)| Cidr::containing(a, p)).collect();
            let set: IpSet = networks.iter().copied().collect();
            prop_assert_eq!(set.contains(address), set.rule_for(address).is_some());
            for network in &networks {
                prop_assert!(set.contains(network.address()));
                prop_assert_eq!(network.to_string().parse::<Cidr>().unwrap(), *network);
            }
        }
    }
}
