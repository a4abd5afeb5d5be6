//! The one resolver: TXT questions with time-outs and a cache, and a zone file in place of the network.
//!
//! | the DNS says | [`TxtAnswer`] |
//! |---|---|
//! | TXT records, at most 64 KiB of them | `Records` |
//! | NOERROR without TXT record | `NoData` |
//! | NXDOMAIN | `NxDomain` |
//! | SERVFAIL, REFUSED and every other code, or a referral, from every server; no answer in time; garbage; truncated and no TCP; more than 64 KiB; more than 16 aliases | `Failed` (RFC 6376 §6.1.2) |
//!
//! Names in the zone file are never asked for; an alias is followed where it was found, in the file or on the network. Answers are kept for their
//! TTL, at most a day; negative ones for what the SOA says, at most 15 minutes (RFC 2308 §5), failures for five seconds, so that a dead server is
//! not asked for every message (§7 allows up to five minutes). `exchange` speaks with the servers, `answer` reads what they say, `cache` keeps it; a
//! question is under way once, whoever asks it.
//!
//! It does not validate DNSSEC, and leaves the deadline of a whole message to its caller.

use std::sync::Arc;
use std::time::Duration;

use dkim_core::crypto::Backend;
use dkim_core::dns::TxtAnswer;
use dkim_core::verify::KeyAnswer;
use hickory_proto::rr::{Name, RecordType};
use tokio::time::timeout;

use crate::config::diagnostics::Code;
use crate::config::{self, Diagnostic, Diagnostics};

mod answer;
mod cache;
mod exchange;
mod inspect;
mod system;
mod zone;

pub use inspect::{Detail, Inspection, Trouble};
pub use zone::{MAX_FILE as MAX_ZONE_FILE, ZONE_LINE, ZONE_READ, Zone};

use answer::Said;
use cache::{Cache, Fresh, Kept};
use exchange::Servers;

/// Octets of TXT taken of one name.
pub const MAX_TXT: usize = 64 * 1024;

/// The system's resolver configuration cannot be used.
pub const DNS_SYSTEM: Code = Code::new("E-DNS-SYSTEM");

/// The longest time an answer is kept.
const MAX_KEEP: Duration = Duration::from_secs(86_400);

/// The longest time a negative answer is kept, and the time where no SOA says.
const MAX_KEEP_NEGATIVE: Duration = Duration::from_secs(900);
const KEEP_NEGATIVE: Duration = Duration::from_secs(60);

/// A failure, and the time it is kept.
const FAILED: Fresh = Fresh { answer: TxtAnswer::Failed, keep: Duration::from_secs(5) };

/// Questions under way at a time: ten signatures of four hundred messages. Each has a socket for every server that it was sent to.
pub const MAX_QUESTIONS: usize = 4096;

/// Parts of the descriptors that the process may have, of which questions get one: connections need theirs.
const DESCRIPTOR_PARTS: usize = 2;

/// Servers that are reckoned with when fewer are configured.
const USUAL_SERVERS: usize = 4;

/// What those who wait for the question of somebody else give it beyond its time to be done by itself.
const GRACE: Duration = Duration::from_millis(250);

/// Answers TXT questions; a clone shares the cache.
#[derive(Debug, Clone)]
pub struct Resolver(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    zone: Option<Zone>,
    /// `None`: nothing but the zone.
    network: Option<Servers>,
    timeout: Duration,
    cache: Arc<Cache>,
    backend: Backend,
}

impl Resolver {
    /// The resolver that `dns` describes; reads its zone file, or else `/etc/resolv.conf` when no servers are given.
    ///
    /// # Errors
    ///
    /// What is wrong with the zone file or with the system's configuration.
    pub fn new(dns: &config::Dns, backend: Backend) -> Result<Self, Diagnostics> {
        Ok(Self(Arc::new(Inner::new(dns, backend)?)))
    }

    /// As [`new`](Self::new), in place of this resolver, which `before` describes: what it keeps is kept when nothing has changed, neither
    /// the settings nor what is in the zone file. The system's configuration is read again.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn renewed(&self, before: &config::Dns, dns: &config::Dns) -> Result<Self, Diagnostics> {
        let mut inner = Inner::new(dns, self.0.backend)?;
        if before == dns && inner.zone == self.0.zone {
            inner.cache = Arc::clone(&self.0.cache);
        }
        Ok(Self(Arc::new(inner)))
    }

    /// A resolver that knows `zone` and nothing else: every other name does not exist.
    #[must_use]
    pub fn offline(zone: Zone, backend: Backend) -> Self {
        let cache = Arc::new(Cache::new(config::Dns::default().cache_size, cache::MAX_OCTETS));
        Self(Arc::new(Inner { zone: Some(zone), network: None, timeout: Duration::ZERO, cache, backend }))
    }

    /// The TXT records of `name`, from the zone, the cache or the network.
    ///
    /// *Inputs*: a full name in A-labels, with or without final dot. *Limits*: takes no longer than `dns.timeout`, or a
    /// quarter of a second more where somebody else asks the same.
    pub async fn txt(&self, name: &str) -> TxtAnswer {
        self.kept(name, |kept| kept.answer().clone()).await.unwrap_or(TxtAnswer::Failed)
    }

    /// The key record of `name`, parsed once for all messages that ask for it. As [`txt`](Self::txt) otherwise.
    pub async fn key(&self, name: &str) -> KeyAnswer {
        let backend = self.0.backend;
        let key = self.kept(name, |kept| kept.key(backend)).await;
        key.unwrap_or_else(|| KeyAnswer::parse(&TxtAnswer::Failed, backend))
    }

    /// `None` when those who were to answer went away again and again: whoever waits gets his turn to ask, but not more time.
    async fn kept<R>(&self, name: &str, use_it: impl FnOnce(&Kept) -> R) -> Option<R> {
        let name = canonical(name);
        let answered = self.0.cache.get(&name, self.0.ask(&name), use_it);
        match &self.0.network {
            None => Some(answered.await),
            Some(_) => timeout(self.0.timeout.saturating_add(GRACE), answered).await.ok(),
        }
    }
}

/// Lower case and without final dot: the same name is the same entry.
fn canonical(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

impl Inner {
    fn new(dns: &config::Dns, backend: Backend) -> Result<Self, Diagnostics> {
        let zone = dns.zone_file.as_deref().map(Zone::load).transpose()?;
        let servers = if dns.nameservers.is_empty() { system::name_servers() } else { Ok(dns.nameservers.clone()) };
        let servers = servers.map_err(|error| {
            let mut found = Diagnostics::default();
            let fix = "mend /etc/resolv.conf, or give name servers: `[dns]`, `nameservers = [\"127.0.0.1\"]`";
            found.push(Diagnostic::new(DNS_SYSTEM, format!("/etc/resolv.conf cannot be read: {error}"), fix));
            found
        })?;
        let questions = most_questions(crate::descriptors::limit(), servers.len());
        let network = Servers::new(servers, dns.timeout, questions);
        Ok(Self {
            zone,
            network: Some(network),
            timeout: dns.timeout,
            cache: Arc::new(Cache::new(dns.cache_size, cache::MAX_OCTETS)),
            backend,
        })
    }

    async fn ask(&self, name: &str) -> Fresh {
        if let Some(zone) = self.zone.as_ref().filter(|zone| self.network.is_none() || zone.has(name)) {
            return Fresh { answer: zone.txt(name), keep: MAX_KEEP };
        }
        let Some(network) = &self.network else { return FAILED };
        // With its final dot it is the full name that records have; without, it would equal none of theirs.
        let Ok(name) = Name::from_ascii(format!("{name}.")) else {
            // No record can have a name that is not one.
            return Fresh { answer: TxtAnswer::NxDomain, keep: MAX_KEEP_NEGATIVE };
        };
        timeout(self.timeout, resolve(network, name)).await.unwrap_or_else(|_elapsed| {
            tracing::debug!("no answer in time");
            FAILED
        })
    }
}

/// Asks, and asks for what an alias leads to.
async fn resolve(network: &Servers, mut name: Name) -> Fresh {
    let mut keep = MAX_KEEP;
    let mut aliases_left = answer::MAX_ALIASES;
    loop {
        let message = match network.ask(&name, RecordType::TXT).await {
            Ok(message) => message,
            Err(error) => {
                tracing::debug!(%name, "{error}");
                return FAILED;
            }
        };
        let reading = answer::read(&name, &message, aliases_left);
        keep = keep.min(reading.keep);
        let answer = match reading.said {
            Said::Texts(texts) => TxtAnswer::Records(texts.iter().map(|text| text.txt_data.concat()).collect()),
            Said::NoData => TxtAnswer::NoData,
            Said::NxDomain => TxtAnswer::NxDomain,
            Said::TooLong | Said::TooManyAliases => return FAILED,
            Said::Alias(target) => {
                aliases_left = aliases_left.saturating_sub(reading.aliases.len());
                name = target.clone();
                continue;
            }
        };
        return Fresh { answer, keep };
    }
}

/// What so many descriptors allow, at most [`MAX_QUESTIONS`]: a question may have a socket for each of the servers.
fn most_questions(descriptors: u64, servers: usize) -> usize {
    let descriptors = usize::try_from(descriptors).unwrap_or(usize::MAX);
    let each = servers.max(USUAL_SERVERS);
    (descriptors / DESCRIPTOR_PARTS).checked_div(each).unwrap_or_default().clamp(1, MAX_QUESTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_leave_half_of_the_descriptors_to_connections_however_many_servers_there_are() {
        for (descriptors, servers, questions) in
            [(1024, 1, 128), (1024, 3, 128), (1024, 16, 32), (0, 1, 1), (u64::MAX, 16, MAX_QUESTIONS)]
        {
            assert_eq!(most_questions(descriptors, servers), questions, "{descriptors} {servers}");
        }
    }
}
