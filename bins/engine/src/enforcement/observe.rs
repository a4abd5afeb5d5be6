//! What the journal says of a domain since a time, and of the sources of its mail.
//!
//! A source is who sent: the domain that authenticated, `dkim:DOMAIN` or `spf:DOMAIN`, be it aligned or not, and else the network of the client,
//! `ip:NETWORK` (/24 or /64). Mail that passes DMARC is counted for the client's network as well, so that a host of the domain whose signature breaks is known by
//! its address. A forger's hosts authenticate as nobody, or as domains of his own.
//!
//! *Limits*: [`MAX_SOURCES`] sources; the mail of further ones is counted and not told apart.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::path::Path;

use crate::journal::record::Content;
use crate::journal::{Read, Reader, Record};

/// Most sources that are told apart.
pub const MAX_SOURCES: usize = 10_000;

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
    /// Messages of sources beyond [`MAX_SOURCES`].
    pub untold: u64,
    /// Records of all domains that the journal lost.
    pub lost: u64,
    /// Whether a part of the journal could not be read.
    pub damaged: bool,
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
}

impl Observation {
    /// What a journal says of `domain` from this time on (seconds since the epoch).
    ///
    /// # Errors
    ///
    /// When the folder or a segment cannot be read.
    pub fn of_journal(folder: &Path, domain: &str, since: u64) -> io::Result<Self> {
        let mut seen = Self::default();
        let since = since.saturating_mul(1000);
        let mut reader = Reader::since(folder, since)?;
        loop {
            match reader.read_next()? {
                Read::End => return Ok(seen),
                // The end of a segment whose writer was killed is half a record, which was not answered for long.
                Read::Damage(damage) => seen.damaged |= !damage.is_torn_tail,
                Read::Entry(entry) => match entry.content {
                    Content::Message(record) if record.at >= since => seen.add(domain, &record),
                    Content::Message(_) => {}
                    Content::Lost(lost) if lost.at >= since => seen.lost = seen.lost.saturating_add(lost.records),
                    Content::Lost(_) => {}
                },
            }
        }
    }

    /// Adds a message, if it is one of `domain` or of something below it.
    pub fn add(&mut self, domain: &str, record: &Record) {
        let [author] = record.header_from.as_slice() else { return };
        let below = author.strip_suffix(domain).is_some_and(|front| front.is_empty() || front.ends_with('.'));
        let Some(dmarc) = record.dmarc.as_ref().filter(|_| below) else { return };
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
        for (source, authenticates) in sources_of(domain, record, passed) {
            if self.sources.len() >= MAX_SOURCES && !self.sources.contains_key(&source) {
                self.untold = self.untold.saturating_add(1);
                continue;
            }
            let counts = self.sources.entry(source).or_default();
            counts.authenticates = authenticates;
            let count = if passed { &mut counts.passed } else { &mut counts.failed };
            *count = count.saturating_add(1);
        }
    }

    /// Sources of which more passed than failed, and so are the domain's own; a network only when at least this many messages of it passed.
    #[must_use]
    pub fn own_sources(&self, least: u64) -> BTreeSet<String> {
        let own = self
            .sources
            .iter()
            .filter(|(_, counts)| counts.passed > counts.failed && (counts.authenticates || counts.passed >= least));
        own.map(|(source, _)| source.clone()).collect()
    }
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

/// The network that a client counts for: /24, or /64.
#[must_use]
pub fn network_of(client: IpAddr) -> String {
    match client.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}
