//! What the journal says of a domain since a time, and of the sources of its mail.
//!
//! A source is who sent: the domain that authenticated, `dkim:DOMAIN` or `spf:DOMAIN`, be it aligned or not, and else the network of the client,
//! `ip:NETWORK` (/24 or /64). Mail that passes DMARC is counted for the client's network as well, so that a host of the domain whose signature breaks is known by
//! its address. A forger's hosts authenticate as nobody, or as domains of his own.
//!
//! A network is many hosts, and a signed message may be sent once more from anywhere: mail that passes by its signature alone says nothing about who sent it.
//! So the *hosts* of the domain are kept beside it: those that its SPF record named when mail came from them (IPv4 addresses, /64 of IPv6).
//!
//! *Limits*: [`MAX_SOURCES`] sources beside those that are approved, and as many hosts; the mail of further ones is counted and not told apart.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;

use crate::journal::record::{Content, Dmarc};
use crate::journal::{Read, Reader, Record};

/// Most sources that are told apart, and most hosts that are known.
pub const MAX_SOURCES: usize = 10_000;

/// How often a segment that is gone when it is to be opened is looked for again.
const MAX_RETRIES: u32 = 5;

/// Counts of the mail of a domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// Messages with a result.
    pub messages: u64,
    /// That passed.
    pub passed: u64,
    /// That failed.
    pub failed: u64,
    /// Without a result, for want of the DNS.
    pub temperrors: u64,
    /// By source.
    pub sources: BTreeMap<String, Counts>,
    /// Hosts of the domain: of these mail came that passed by aligned SPF.
    pub hosts: BTreeSet<IpAddr>,
    /// Messages of sources beyond [`MAX_SOURCES`].
    pub untold: u64,
    /// Records of all domains that the journal lost.
    pub lost: u64,
    /// Whether a part of the journal could not be read.
    pub damaged: bool,
    /// How many sources are told apart, where that is more than [`MAX_SOURCES`].
    pub places: usize,
}

/// Counts of a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that passed.
    pub passed: u64,
    /// Messages that failed.
    pub failed: u64,
    /// Whether it is a domain that authenticated.
    pub authenticates: bool,
    /// Of a network: messages that passed by aligned SPF.
    pub authorized: u64,
    /// Of a network: messages that failed, from a host that was known as one of the domain.
    pub failed_of_hosts: u64,
}

impl Counts {
    /// All messages.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.passed.saturating_add(self.failed)
    }
}

impl Observation {
    /// What a journal says of `domain` from this time on (seconds since the epoch). Hosts are learned from `hosts_since` on. Nobody who sends from many
    /// places makes the sources in `approved` untold.
    ///
    /// # Errors
    ///
    /// When the folder or a segment cannot be read.
    pub fn of_journal(
        folder: &Path,
        domain: &str,
        since: u64,
        hosts_since: u64,
        approved: &BTreeSet<String>,
    ) -> io::Result<Self> {
        let mut seen = Self::of_approved(approved);
        let (since, hosts_since) = (since.saturating_mul(1000), hosts_since.min(since).saturating_mul(1000));
        let mut reader = Reader::since(folder, hosts_since)?;
        // Damage tells no time: it is of the time of what comes behind it.
        let mut has_damage = false;
        let mut retries: u32 = 0;
        loop {
            let read = match reader.read_next() {
                Ok(read) => read,
                // The daemon removes old segments; what was to be opened may be one of them.
                Err(error) if error.kind() == io::ErrorKind::NotFound && folder.is_dir() && retries < MAX_RETRIES => {
                    retries = retries.saturating_add(1);
                    continue;
                }
                Err(error) => return Err(error),
            };
            retries = 0;
            let entry = match read {
                Read::End => break,
                // The end of a segment whose writer was killed is half a record, which was not answered for long.
                Read::Damage(damage) => {
                    has_damage |= !damage.is_torn_tail;
                    continue;
                }
                Read::Entry(entry) => entry,
            };
            let at = match &entry.content {
                Content::Message(record) => record.at,
                Content::Lost(lost) => lost.at,
            };
            seen.damaged |= has_damage && at >= since;
            has_damage = false;
            match entry.content {
                Content::Message(record) if at >= since => seen.add(domain, &record),
                Content::Message(record) if at >= hosts_since => seen.learn(domain, &record),
                Content::Lost(lost) if at >= since => seen.lost = seen.lost.saturating_add(lost.records),
                Content::Message(_) | Content::Lost(_) => {}
            }
        }
        seen.damaged |= has_damage;
        seen.sources.retain(|_, counts| *counts != Counts::default());
        Ok(seen)
    }

    /// Nothing seen yet, with a place for each of these sources.
    #[must_use]
    pub fn of_approved(approved: &BTreeSet<String>) -> Self {
        let sources = approved.iter().map(|source| (source.clone(), Counts::default())).collect();
        Self { sources, places: MAX_SOURCES.saturating_add(approved.len()), ..Self::default() }
    }

    /// Adds a message, if it is one of `domain` or of something below it.
    pub fn add(&mut self, domain: &str, record: &Record) {
        let Some(dmarc) = dmarc_of(domain, record) else { return };
        let passed = match dmarc.result.as_str() {
            "pass" => true,
            "fail" => false,
            "temperror" => {
                self.temperrors = self.temperrors.saturating_add(1);
                return;
            }
            _ => return,
        };
        self.messages = self.messages.saturating_add(1);
        let total = if passed { &mut self.passed } else { &mut self.failed };
        *total = total.saturating_add(1);
        self.learn(domain, record);
        let is_of_host = !passed && record.client.is_some_and(|client| self.hosts.contains(&host_of(client)));
        let is_authorized = passed && dmarc.spf_aligned;
        for (source, authenticates) in sources_of(domain, record, passed) {
            if self.sources.len() >= self.places.max(MAX_SOURCES) && !self.sources.contains_key(&source) {
                self.untold = self.untold.saturating_add(1);
                continue;
            }
            let counts = self.sources.entry(source).or_default();
            counts.authenticates = authenticates;
            let count = if passed { &mut counts.passed } else { &mut counts.failed };
            *count = count.saturating_add(1);
            if !authenticates {
                counts.authorized = counts.authorized.saturating_add(u64::from(is_authorized));
                counts.failed_of_hosts = counts.failed_of_hosts.saturating_add(u64::from(is_of_host));
            }
        }
    }

    /// Learns from a message that a host is one of the domain.
    fn learn(&mut self, domain: &str, record: &Record) {
        let authorized = dmarc_of(domain, record).filter(|dmarc| dmarc.result == "pass" && dmarc.spf_aligned);
        if let Some(client) = record.client.filter(|_| authorized.is_some() && self.hosts.len() < MAX_SOURCES) {
            self.hosts.insert(host_of(client));
        }
    }

    /// Sources of which more passed than failed, and so are the domain's own; a network only when at least this many messages of it passed by aligned SPF.
    #[must_use]
    pub fn own_sources(&self, least: u64) -> BTreeSet<String> {
        let own = self.sources.iter().filter(|(_, counts)| {
            counts.passed > counts.failed && (counts.authenticates || counts.authorized >= least)
        });
        own.map(|(source, _)| source.clone()).collect()
    }
}

/// What DMARC said of a message of `domain` or of something below it.
fn dmarc_of<'r>(domain: &str, record: &'r Record) -> Option<&'r Dmarc> {
    let [author] = record.header_from.as_slice() else { return None };
    let is_below = author.strip_suffix(domain).is_some_and(|front| front.is_empty() || front.ends_with('.'));
    record.dmarc.as_ref().filter(|_| is_below)
}

/// The sources of a message, each with whether it authenticates. Mail that passed does so by what is related to the domain; whoever added a signature of
/// his own to it (and sent it once more) is no source of it.
fn sources_of(domain: &str, record: &Record, passed: bool) -> BTreeMap<String, bool> {
    let counts = |name: &str| !passed || is_related(name, domain);
    let mut sources = BTreeMap::new();
    for signature in record.dkim.iter().filter(|it| it.result == "pass" && counts(&it.domain)) {
        sources.insert(format!("dkim:{}", signature.domain), true);
    }
    if let Some(spf) = record.spf.as_ref().filter(|it| it.mail_from.result == "pass" && counts(&it.mail_from.domain)) {
        sources.insert(format!("spf:{}", spf.mail_from.domain), true);
    }
    if let Some(client) = record.client.filter(|_| passed || sources.is_empty()) {
        sources.insert(format!("ip:{}", network_of(client)), false);
    }
    sources
}

/// Whether one of the two is the other, or lies below it.
fn is_related(one: &str, other: &str) -> bool {
    let is_at_or_below = |name: &str, above: &str| {
        name.strip_suffix(above).is_some_and(|front| front.is_empty() || front.ends_with('.'))
    };
    is_at_or_below(one, other) || is_at_or_below(other, one)
}

/// What of a client's address is one host: all of IPv4, and /64, within which a host has any address.
fn host_of(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address @ IpAddr::V4(_) => address,
    }
}

/// The network that a client counts for: /24, or /64.
#[must_use]
pub fn network_of(client: IpAddr) -> String {
    match host_of(client) {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(address) => format!("{address}/64"),
    }
}
