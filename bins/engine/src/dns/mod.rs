//! The one resolver, of DKIM and SPF: questions with time-outs and a cache, and a zone file in place of the network.
//!
//! | the DNS says | [`TxtAnswer`], [`Answer`] |
//! |---|---|
//! | TXT records, at most 64 KiB of them; A, AAAA, MX or PTR records, at most [`MAX_RECORDS`] | `Records`; `Txt`, `A`, `Aaaa`, `Mx`, `Ptr` |
//! | NOERROR without record of the kind | `NoData` |
//! | NXDOMAIN | `NxDomain` |
//! | SERVFAIL, REFUSED and every other code, or a referral, from every server; no answer in time; garbage; truncated and no TCP; more than is read; more than 16 aliases | `Failed` (RFC 6376 §6.1.2, RFC 7208 §5) |
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
use hickory_proto::rr::Name as WireName;
use spf_core::dns::{Answer, Question, RecordKind};
use spf_core::name::Name;
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

/// Records of another kind taken of one name. More may not be passed over: a client whose address is among the rest would fail where it
/// passes, and RFC 7208 §4.6.4 counts the exchanges beyond ten.
pub const MAX_RECORDS: usize = 1000;

/// The system's resolver configuration cannot be used.
pub const DNS_SYSTEM: Code = Code::new("E-DNS-SYSTEM");

/// The longest time an answer is kept.
const MAX_KEEP: Duration = Duration::from_secs(86_400);

/// The longest time a negative answer is kept, and the time where no SOA says.
const MAX_KEEP_NEGATIVE: Duration = Duration::from_secs(900);
const KEEP_NEGATIVE: Duration = Duration::from_secs(60);

/// A failure, and the time it is kept.
const FAILED: Fresh = Fresh { answer: Answer::Failed, keep: Duration::from_secs(5) };

/// Questions under way at a time: ten signatures of four hundred messages. Each has a socket for every server that it was sent to.
pub const MAX_QUESTIONS: usize = 4096;

/// Parts of the descriptors that the process may have, of which questions get one: connections need theirs.
const DESCRIPTOR_PARTS: usize = 2;

/// Servers that are reckoned with when fewer are configured.
const USUAL_SERVERS: usize = 4;

/// What those who wait for the question of somebody else give it beyond its time to be done by itself.
const GRACE: Duration = Duration::from_millis(250);

/// Answers questions; a clone shares the cache.
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
        let Some(question) = txt_question(name) else { return TxtAnswer::NxDomain };
        self.kept(&question, |kept| as_txt(kept.answer())).await.unwrap_or(TxtAnswer::Failed)
    }

    /// The key record of `name`, parsed once for all messages that ask for it. As [`txt`](Self::txt) otherwise.
    pub async fn key(&self, name: &str) -> KeyAnswer {
        let backend = self.0.backend;
        let Some(question) = txt_question(name) else { return KeyAnswer::parse(&TxtAnswer::NxDomain, backend) };
        let key = self.kept(&question, |kept| kept.key(backend)).await;
        key.unwrap_or_else(|| KeyAnswer::parse(&TxtAnswer::Failed, backend))
    }

    /// The answer to a question of SPF, from the zone, the cache or the network; aliases are followed for every kind. A TXT answer is the one
    /// that DKIM gets, and its SPF record is parsed once for all messages that ask for it.
    ///
    /// *Limits*: as [`txt`](Self::txt); [`MAX_RECORDS`] addresses, exchanges or names, and more are [`Failed`](Answer::Failed).
    pub async fn spf(&self, question: &Question) -> Answer {
        self.kept(question, |kept| kept.answer().clone()).await.unwrap_or(Answer::Failed)
    }

    /// `None` when those who were to answer went away again and again: whoever waits gets his turn to ask, but not more time.
    async fn kept<R>(&self, question: &Question, use_it: impl FnOnce(&Kept) -> R) -> Option<R> {
        let answered = self.0.cache.get(question, self.0.ask(question), use_it);
        match &self.0.network {
            None => Some(answered.await),
            Some(_) => timeout(self.0.timeout.saturating_add(GRACE), answered).await.ok(),
        }
    }
}

/// The question for the TXT records of a name; `None`: no record can have a name that is not one.
fn txt_question(name: &str) -> Option<Question> {
    Name::parse(name).ok().map(|name| Question::new(name, RecordKind::Txt))
}

/// A TXT answer as DKIM reads it. What is no TXT answer is none.
fn as_txt(answer: &Answer) -> TxtAnswer {
    match answer {
        Answer::Txt(records) => TxtAnswer::Records(records.texts().to_vec()),
        Answer::NoData => TxtAnswer::NoData,
        Answer::NxDomain => TxtAnswer::NxDomain,
        Answer::A(_) | Answer::Aaaa(_) | Answer::Mx(_) | Answer::Ptr(_) | Answer::Failed => TxtAnswer::Failed,
    }
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

    async fn ask(&self, question: &Question) -> Fresh {
        let name = question.name.as_str();
        if let Some(zone) = self.zone.as_ref().filter(|zone| self.network.is_none() || zone.has(name)) {
            return Fresh { answer: zone.answer(name, question.kind), keep: MAX_KEEP };
        }
        let Some(network) = &self.network else { return FAILED };
        let Ok(name) = WireName::try_from(&question.name) else {
            return Fresh { answer: Answer::NxDomain, keep: MAX_KEEP_NEGATIVE };
        };
        timeout(self.timeout, resolve(network, name, question.kind)).await.unwrap_or_else(|_elapsed| {
            tracing::debug!(%question, "no answer in time");
            FAILED
        })
    }
}

/// Asks, and asks for what an alias leads to.
async fn resolve(network: &Servers, mut name: WireName, kind: RecordKind) -> Fresh {
    let mut keep = MAX_KEEP;
    let mut aliases_left = answer::MAX_ALIASES;
    loop {
        let message = match network.ask(&name, kind.into()).await {
            Ok(message) => message,
            Err(error) => {
                tracing::debug!(%name, %kind, "{error}");
                return FAILED;
            }
        };
        let reading = answer::read(&name, kind.into(), &message, aliases_left);
        keep = keep.min(reading.keep);
        let answer = match reading.said {
            Said::Records(data) => Answer::from_data(kind, data),
            Said::NoData => Answer::NoData,
            Said::NxDomain => Answer::NxDomain,
            Said::TooLong | Said::TooMany | Said::TooManyAliases => return FAILED,
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
