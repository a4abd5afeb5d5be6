//! The one resolver: TXT questions with time-outs and a cache, and a zone file in place of the network.
//!
//! | the DNS says | [`TxtAnswer`] |
//! |---|---|
//! | TXT records, at most 64 KiB of them | `Records` |
//! | NOERROR without TXT record | `NoData` |
//! | NXDOMAIN | `NxDomain` |
//! | SERVFAIL, REFUSED and every other code; no answer in time; garbage; truncated and no TCP; more than 64 KiB | `Failed` (RFC 6376 §6.1.2) |
//!
//! Names in the zone file are never asked for. Answers are kept for their TTL, at most a day; negative ones for what the SOA says, at most 15
//! minutes (RFC 2308 §5), failures for five seconds, so that a dead server is not asked for every message (§7 allows up to five minutes).
//!
//! It does not validate DNSSEC, and leaves the deadline of a whole message to its caller.

use std::sync::Arc;
use std::time::Duration;

use dkim_core::crypto::Backend;
use dkim_core::dns::TxtAnswer;
use dkim_core::verify::KeyAnswer;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{Resolver as HickoryResolver, TokioResolver};
use tokio::time::Instant;

use crate::config::diagnostics::Code;
use crate::config::{self, Diagnostic, Diagnostics};

mod cache;
mod zone;

pub use zone::{MAX_FILE as MAX_ZONE_FILE, ZONE_LINE, ZONE_READ, Zone};

use cache::{Cache, Fresh};

/// Octets of TXT taken of one name.
pub const MAX_TXT: usize = 64 * 1024;

/// The system's resolver configuration cannot be used.
pub const DNS_SYSTEM: Code = Code::new("E-DNS-SYSTEM");

/// The longest time an answer is kept.
const MAX_KEEP: Duration = Duration::from_secs(86_400);

/// The longest time a negative answer is kept, and the time where no SOA says.
const MAX_KEEP_NEGATIVE: Duration = Duration::from_secs(900);
const KEEP_NEGATIVE: Duration = Duration::from_secs(60);

/// The time a failure is kept.
const KEEP_FAILURE: Duration = Duration::from_secs(5);

/// Questions under way at a time on one connection to a name server: ten signatures of many messages.
const MAX_ACTIVE: usize = 4096;

/// Answers TXT questions; a clone shares the cache.
#[derive(Debug, Clone)]
pub struct Resolver(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    zone: Option<Zone>,
    /// `None`: nothing but the zone.
    network: Option<TokioResolver>,
    timeout: Duration,
    cache: Cache,
    backend: Backend,
}

impl Resolver {
    /// The resolver that `dns` describes; reads its zone file, or else `/etc/resolv.conf` when no servers are given.
    ///
    /// # Errors
    ///
    /// What is wrong with the zone file or with the system's configuration.
    pub fn new(dns: &config::Dns, backend: Backend) -> Result<Self, Diagnostics> {
        let zone = dns.zone_file.as_deref().map(Zone::load).transpose()?;
        let network = network(dns).map_err(|error| {
            let mut found = Diagnostics::default();
            let fix = "mend /etc/resolv.conf, or give name servers: `[dns]`, `nameservers = [\"127.0.0.1\"]`";
            found.push(Diagnostic::new(DNS_SYSTEM, format!("the resolver cannot be set up: {error}"), fix));
            found
        })?;
        Ok(Self(Arc::new(Inner {
            zone,
            network: Some(network),
            timeout: dns.timeout,
            cache: Cache::new(dns.cache_size),
            backend,
        })))
    }

    /// A resolver that knows `zone` and nothing else: every other name does not exist.
    #[must_use]
    pub fn offline(zone: Zone, backend: Backend) -> Self {
        let cache = Cache::new(config::Dns::default().cache_size);
        Self(Arc::new(Inner { zone: Some(zone), network: None, timeout: Duration::ZERO, cache, backend }))
    }

    /// The TXT records of `name`, from the zone, the cache or the network.
    ///
    /// *Inputs*: a full name in A-labels, with or without final dot. *Limits*: takes no longer than `dns.timeout`.
    pub async fn txt(&self, name: &str) -> TxtAnswer {
        let name = canonical(name);
        self.0.cache.get(&name, self.0.ask(&name), |kept| kept.answer().clone()).await
    }

    /// The key record of `name`, parsed once for all messages that ask for it. As [`txt`](Self::txt) otherwise.
    pub async fn key(&self, name: &str) -> KeyAnswer {
        let (name, backend) = (canonical(name), self.0.backend);
        self.0.cache.get(&name, self.0.ask(&name), |kept| kept.key(backend)).await
    }
}

/// Lower case and without final dot: the same name is the same entry.
fn canonical(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

impl Inner {
    async fn ask(&self, name: &str) -> Fresh {
        let failed = Fresh { answer: TxtAnswer::Failed, keep: KEEP_FAILURE };
        if let Some(zone) = self.zone.as_ref().filter(|zone| self.network.is_none() || zone.has(name)) {
            return Fresh { answer: zone.txt(name), keep: MAX_KEEP };
        }
        let Some(network) = &self.network else { return failed };
        // A name with its final dot is not tried below the system's search domains.
        let Ok(name) = Name::from_ascii(format!("{name}.")) else {
            // No record can have a name that is not one.
            return Fresh { answer: TxtAnswer::NxDomain, keep: MAX_KEEP_NEGATIVE };
        };
        match tokio::time::timeout(self.timeout, network.lookup(name, RecordType::TXT)).await {
            Ok(Ok(lookup)) => positive(&lookup),
            Ok(Err(NetError::Dns(DnsError::NoRecordsFound(none)))) => {
                let answer = match none.response_code {
                    ResponseCode::NXDomain => TxtAnswer::NxDomain,
                    ResponseCode::NoError => TxtAnswer::NoData,
                    _ => return failed,
                };
                let keep = none.negative_ttl.map_or(KEEP_NEGATIVE, |seconds| Duration::from_secs(seconds.into()));
                Fresh { answer, keep: keep.min(MAX_KEEP_NEGATIVE) }
            }
            Ok(Err(_)) | Err(_) => failed,
        }
    }
}

fn positive(lookup: &Lookup) -> Fresh {
    let mut octets: usize = 0;
    let mut records = Vec::new();
    for record in lookup.answers() {
        let RData::TXT(text) = &record.data else { continue };
        let text = text.txt_data.concat();
        octets = octets.saturating_add(text.len());
        if octets > MAX_TXT {
            return Fresh { answer: TxtAnswer::Failed, keep: KEEP_FAILURE };
        }
        records.push(text);
    }
    let keep = Instant::from_std(lookup.valid_until()).saturating_duration_since(Instant::now());
    let answer = if records.is_empty() { TxtAnswer::NoData } else { TxtAnswer::Records(records) };
    Fresh { answer, keep: keep.min(MAX_KEEP) }
}

fn network(dns: &config::Dns) -> Result<TokioResolver, NetError> {
    let provider = TokioRuntimeProvider::default();
    let mut builder = if dns.nameservers.is_empty() {
        HickoryResolver::builder(provider)?
    } else {
        let servers = dns.nameservers.iter().map(|address| {
            let [mut udp, mut tcp] = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
            (udp.port, tcp.port) = (address.port(), address.port());
            NameServerConfig::new(address.ip(), true, vec![udp, tcp])
        });
        HickoryResolver::builder_with_config(ResolverConfig::from_name_servers(servers.collect()), provider)
    };
    set_options(builder.options_mut(), dns);
    builder.build()
}

fn set_options(options: &mut ResolverOpts, dns: &config::Dns) {
    // One retry for a lost packet; `Inner::ask` bounds the whole by `dns.timeout`.
    options.timeout = dns.timeout.checked_div(2).unwrap_or(dns.timeout);
    options.attempts = 1;
    // Our own cache holds the answers, with their keys parsed.
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    options.edns0 = true;
    options.max_active_requests = MAX_ACTIVE;
    options.try_tcp_on_error = true;
}
