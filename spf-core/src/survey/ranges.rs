//! Sets of addresses as ranges that do not touch each other.
//!
//! Adding `n` ranges takes `O(n log n)` in any order: a range that covers others swallows them, so nothing is looked at again and again.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses of both families.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Addresses {
    pub(super) v4: Ranges,
    pub(super) v6: Ranges,
}

impl Addresses {
    /// Every address.
    pub(super) fn all() -> Self {
        let mut all = Self::default();
        all.insert_v4(Ipv4Addr::UNSPECIFIED, 0);
        all.insert_v6(Ipv6Addr::UNSPECIFIED, 0);
        all
    }

    /// Adds a network of IPv4: the addresses that agree with this one in so many bits.
    pub(super) fn insert_v4(&mut self, network: Ipv4Addr, bits: u8) {
        let host = u32::MAX.checked_shr(bits.into()).unwrap_or(0);
        let network = network.to_bits();
        self.v4.insert((network & !host).into(), (network | host).into());
    }

    /// As [`insert_v4`](Self::insert_v4), of IPv6.
    pub(super) fn insert_v6(&mut self, network: Ipv6Addr, bits: u8) {
        let host = u128::MAX.checked_shr(bits.into()).unwrap_or(0);
        let network = network.to_bits();
        self.v6.insert(network & !host, network | host);
    }

    /// Adds what is in `other`.
    pub(super) fn extend(&mut self, other: &Self) {
        self.v4.extend(&other.v4);
        self.v6.extend(&other.v6);
    }

    /// What is in `self` and not in `other`.
    pub(super) fn without(&self, other: &Self) -> Self {
        Self { v4: self.v4.without(&other.v4), v6: self.v6.without(&other.v6) }
    }

    /// Whether the address is in it.
    /// Whether every address of both families is in it.
    pub(super) fn is_all(&self) -> bool {
        *self == Self::all()
    }

    pub(super) fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.v4.contains(address.to_bits().into()),
            IpAddr::V6(address) => self.v6.contains(address.to_bits()),
        }
    }
}

/// First and last address of each range.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ranges(BTreeMap<u128, u128>);

impl Ranges {
    /// How many addresses are in it; `u128::MAX` also for one more than that, which is every address of IPv6.
    pub(super) fn count(&self) -> u128 {
        let size = |(first, last): (&u128, &u128)| last.saturating_sub(*first).saturating_add(1);
        self.0.iter().map(size).fold(0, u128::saturating_add)
    }

    fn contains(&self, address: u128) -> bool {
        self.0.range(..=address).next_back().is_some_and(|(_, last)| *last >= address)
    }

    fn insert(&mut self, mut first: u128, mut last: u128) {
        if let Some((&before, &its_last)) = self.0.range(..first).next_back()
            && its_last >= first.saturating_sub(1)
        {
            (first, last) = (before, last.max(its_last));
        }
        while let Some((&next, &its_last)) = self.0.range(first..=last.saturating_add(1)).next() {
            last = last.max(its_last);
            self.0.remove(&next);
        }
        self.0.insert(first, last);
    }

    fn extend(&mut self, other: &Self) {
        for (&first, &last) in &other.0 {
            self.insert(first, last);
        }
    }

    fn without(&self, other: &Self) -> Self {
        let mut left = Self::default();
        for (&first, &last) in &self.0 {
            let mut next = Some(first);
            let before = other.0.range(..first).next_back().into_iter();
            for (&its_first, &its_last) in before.chain(other.0.range(first..=last)) {
                let Some(from) = next else { break };
                if its_last < from {
                    continue;
                }
                if its_first > from {
                    left.0.insert(from, its_first.saturating_sub(1));
                }
                next = its_last.checked_add(1).filter(|&next| next <= last);
            }
            if let Some(from) = next {
                left.0.insert(from, last);
            }
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(ranges: &[(u128, u128)]) -> Ranges {
        let mut set = Ranges::default();
        for &(first, last) in ranges {
            set.insert(first, last);
        }
        set
    }

    #[test]
    fn networks_are_cut_at_their_prefix_and_counted_once() {
        let mut set = Addresses::default();
        set.insert_v4(Ipv4Addr::new(192, 0, 2, 77), 24);
        set.insert_v4(Ipv4Addr::new(192, 0, 2, 1), 32);
        set.insert_v4(Ipv4Addr::new(192, 0, 3, 0), 24);
        assert_eq!((set.v4.count(), set.v4.0.len()), (512, 1));
        set.insert_v6("2001:db8::1".parse().unwrap(), 32);
        assert_eq!(set.v6.count(), 1 << 96);
        assert!(set.contains("192.0.2.255".parse().unwrap()) && !set.contains("192.0.4.0".parse().unwrap()));
        assert!(set.contains("2001:db8:ffff::".parse().unwrap()) && !set.contains("2001:db9::".parse().unwrap()));
        let all = Addresses::all();
        assert_eq!((all.v4.count(), all.v6.count()), (1 << 32, u128::MAX));
        assert_eq!(all.without(&Addresses::all()).v6, Ranges::default());
        set.insert_v4(Ipv4Addr::BROADCAST, 0);
        assert_eq!(set.v4.count(), 1 << 32);
    }

    #[test]
    fn ranges_at_the_ends_of_the_numbers_do_not_overflow() {
        let mut set = of(&[(0, 0), (u128::MAX, u128::MAX), (1, 1)]);
        assert_eq!(set.0.len(), 2);
        set.insert(2, u128::MAX);
        assert_eq!(set, of(&[(0, u128::MAX)]));
        assert_eq!(set.without(&of(&[(0, 4), (9, u128::MAX)])), of(&[(5, 8)]));
    }

    proptest! {
        /// Against a table of small numbers.
        #[test]
        fn sets_do_what_sets_do(left in proptest::collection::vec((0_u128..64, 0_u128..12), 0..12), right in proptest::collection::vec((0_u128..64, 0_u128..12), 0..12)) {
            let set = |pairs: &[(u128, u128)]| of(&pairs.iter().map(|(first, more)| (*first, first.saturating_add(*more))).collect::<Vec<_>>());
            let has = |pairs: &[(u128, u128)], number: u128| pairs.iter().any(|(first, more)| (*first..=first.saturating_add(*more)).contains(&number));
            let (a, b) = (set(&left), set(&right));
            let mut both = a.clone();
            both.extend(&b);
            let less = a.without(&b);
            let expected = (0..80).filter(|number| has(&left, *number)).count();
            prop_assert_eq!(a.count(), expected as u128);
            for number in 0..80 {
                prop_assert_eq!(both.contains(number), has(&left, number) || has(&right, number));
                prop_assert_eq!(less.contains(number), has(&left, number) && !has(&right, number));
            }
            // Neighbours are one range.
            prop_assert!(both.0.iter().zip(both.0.iter().skip(1)).all(|((_, last), (first, _))| last.saturating_add(1) < *first));
        }
    }
}
