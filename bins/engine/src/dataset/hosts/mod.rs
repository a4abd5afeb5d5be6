//! Lists of hosts: `PeerList`, `InternalHosts`, `ExternalIgnoreList`.
//!
//! OpenDKIM asks its data set for texts: the name of the client, then `.parent` names up to `.tld`, then its address, `[address]`, and each network that
//! holds it from the narrowest to the widest, as `network/bits` and `[network]/bits`; before each of them the same with `!` in front. A name that is
//! found with `!` ends the search among the names, not the one among the addresses; an address or network that is found with `!` ends that. So what is
//! more specific wins, whatever the order of the list.
//!
//! It compares texts: `10.0.0.1/8` and `2001:db8:0::/48` match nothing, in OpenDKIM and here, and are warned of. In a `refile:` each of the texts is held
//! against the patterns, `!` and all: `10.*` matches, `*.example.com` matches `!www.example.com` first and so excludes.
//!
//! What differs: an IPv4 address mapped into IPv6 is looked for as the IPv4 address it is, and then as it was written. And the text of a network is held
//! only against patterns with a slash: in OpenDKIM `192.168.*` matches the text `192.168.0.0/13` too, and so lets 192.175.1.1 in.
//!
//! *Cost*: two look-ups in a hash table for each part of the name, four for the address and four for each length of network that the list has, so mostly
//! below thirty. For patterns and databases every text is asked for, 780 at most, so it is done once a connection.

mod check;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::net::IpAddr;

use super::findings::Report;
use super::lookup::{LookupError, OpenOptions, Opener};
use super::set::{Dataset, Reading, at_once};
use crate::config::diagnostics::Location;
use crate::config::{Diagnostics, Sourced};

/// Octets of the longest host name that is looked for.
const MAX_NAME: usize = 255;

/// A list of hosts.
#[derive(Debug)]
pub struct HostList {
    set: Dataset,
    /// Lengths of networks in the list, of IPv4 and of IPv6; `None`: not known, so all are asked for.
    lengths: Option<[u128; 2]>,
    /// Whether a network of 128 bits is in the list, for which the above has no place.
    has_128: bool,
}

impl HostList {
    /// Opens the list that the option names. As [`Dataset::open`]; entries that match nothing, or everything, are warned of.
    pub fn open(
        option: &Sourced<String>,
        opener: &dyn Opener,
        options: &OpenOptions,
        found: &mut Diagnostics,
    ) -> Option<Self> {
        let set = Dataset::open(option, Reading::USUAL, opener, options, found)?;
        Some(Self::new(set, &option.at, found))
    }

    /// A list of the entries of `set`; findings are about its file, or the option at `at`.
    #[must_use]
    pub fn new(set: Dataset, at: &Location, found: &mut Diagnostics) -> Self {
        let mut report: Report<'_> = set.report(at, found);
        check::check(&set, &mut report);
        report.finish();
        Self::unchecked(set)
    }

    /// OpenDKIM's `InternalHosts` where there is none: `127.0.0.1` and `::1`.
    #[must_use]
    pub fn loopback() -> Self {
        Self::unchecked(Dataset::of_list("127.0.0.1,::1", Reading::USUAL))
    }

    fn unchecked(set: Dataset) -> Self {
        let mut lengths = [0_u128; 2];
        let mut has_128 = false;
        for entry in set.entries() {
            let Some((network, bits)) = entry.key.rsplit_once('/') else { continue };
            let family = usize::from(network.contains(':'));
            match (bits.parse::<u32>(), lengths.get_mut(family)) {
                (Ok(128), _) => has_128 = true,
                (Ok(bits), Some(lengths)) => *lengths |= 1_u128.checked_shl(bits).unwrap_or(0),
                _ => {}
            }
        }
        let is_known = set.is_memory() && !set.has_patterns();
        Self { set, lengths: is_known.then_some(lengths), has_128 }
    }

    /// Whether it is known to have no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// Whether the client is on the list; `None` for one in a database, for which [`contains`](Self::contains) waits.
    #[must_use]
    pub fn contains_now(&self, name: Option<&str>, address: Option<IpAddr>) -> Option<bool> {
        if !self.set.is_memory() {
            return None;
        }
        at_once(self.contains(name, address))?.ok()
    }

    /// Whether the client with this name and address is on the list.
    ///
    /// *Inputs*: the name as the MTA has it; `None` where the MTA does not know. Names of more than 255 octets are on no list.
    ///
    /// # Errors
    ///
    /// [`LookupError`], from a database.
    pub async fn contains(&self, name: Option<&str>, address: Option<IpAddr>) -> Result<bool, LookupError> {
        let name = name.filter(|name| !name.is_empty() && name.len() <= MAX_NAME);
        if let Some(name) = name {
            let parents = name.char_indices().filter(|(at, letter)| *letter == '.' && *at > 0);
            let texts = std::iter::once(name).chain(parents.filter_map(|(at, _)| name.get(at..)));
            if self.first_of(texts.map(str::to_owned)).await? == Some(true) {
                return Ok(true);
            }
        }
        let Some(address) = address else { return Ok(false) };
        let canonical = address.to_canonical();
        match self.first_of(self.texts(canonical)).await? {
            None if canonical != address => Ok(self.first_of(self.texts(address)).await? == Some(true)),
            found => Ok(found == Some(true)),
        }
    }

    /// The first text that is in the list: false when it is there with `!`, true when without.
    async fn first_of(&self, texts: impl Iterator<Item = String>) -> Result<Option<bool>, LookupError> {
        let mut negated = String::new();
        for text in texts {
            negated.clear();
            negated.push('!');
            negated.push_str(&text);
            if self.has(&negated).await? {
                return Ok(Some(false));
            }
            if self.has(&text).await? {
                return Ok(Some(true));
            }
        }
        Ok(None)
    }

    async fn has(&self, text: &str) -> Result<bool, LookupError> {
        if self.set.has_patterns() && text.contains('/') {
            return Ok(self.set.get_all(text).iter().any(|entry| entry.key.contains('/')));
        }
        self.set.contains(text).await
    }

    /// The texts for an address, in their order.
    fn texts(&self, address: IpAddr) -> impl Iterator<Item = String> {
        let width: u8 = if address.is_ipv4() { 32 } else { 128 };
        let networks = (0..=width).rev().filter(move |bits| self.has_length(address, *bits)).flat_map(move |bits| {
            let network = network(address, bits);
            [format!("{network}/{bits}"), format!("[{network}]/{bits}")]
        });
        [address.to_string(), format!("[{address}]")].into_iter().chain(networks)
    }

    /// Whether a network of this length may be in the list.
    fn has_length(&self, address: IpAddr, bits: u8) -> bool {
        let Some(lengths) = self.lengths else { return true };
        let family = usize::from(address.is_ipv6());
        match bits {
            128 => self.has_128,
            _ => lengths.get(family).is_some_and(|lengths| lengths.checked_shr(u32::from(bits)).unwrap_or(0) & 1 == 1),
        }
    }
}

/// The address with all bits cleared but the first `bits`; of the same family.
fn network(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(u32::from(bits))).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(u32::from(bits))).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

/// A network as an entry has to be written to match.
fn canonical(address: IpAddr, bits: Option<u8>, is_bracketed: bool) -> String {
    let mut text = if is_bracketed { format!("[{address}]") } else { address.to_string() };
    if let Some(bits) = bits {
        let _ = write!(text, "/{bits}");
    }
    text
}
