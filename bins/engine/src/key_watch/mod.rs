//! Every key of ours compared with the DNS: at the start, when the configuration is read again, and every `keys.check_interval` (M44); those for
//! which there was no answer after five minutes.
//!
//! ```text
//!  installed ─┐
//!             ├─► round: each key ─► keys::published::check ─► Standing (who signs reads it) + counters + log
//!   interval ─┘
//! ```
//!
//! One task of its own, which neither the start nor any message waits for. What it tells an operator: each finding with its mend when it is new, when
//! it has changed, and once a day as long as it stays; in between it repeats nothing above `debug`. When a key matches again it says so.
//!
//! Invariants: at most [`AT_A_TIME`] keys are asked for at a time; a DNS that does not answer changes the standing of no key from good to bad or
//! back; a round that a reload overtakes is given up and begun anew with what is in force then.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dkim_core::domain::DomainName;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use crate::config::OnKeyMismatch;
use crate::connection::Setup;
use crate::dns::Resolver;
use crate::keys::Standing;
use crate::keys::publish::DnsRecord;
use crate::keys::published::{KeyReport, OwnKey, Problem, Severity, State, check};
use crate::message::Rules;
use crate::server::Installed;

/// Keys asked for at a time: few beside what mail asks for.
pub const AT_A_TIME: usize = 8;

/// Time after which a finding that stays is told again.
const REMINDER: Duration = Duration::from_secs(86_400);

/// Time after which keys are asked for again for which there was no answer: a name server that starts after us, or again, is not waited
/// for the whole interval.
const RETRY: Duration = Duration::from_secs(300);

/// What was counted since the start of the daemon.
#[derive(Debug, Default)]
pub struct KeyCounters {
    rounds: AtomicU64,
    matches: AtomicU64,
    mismatches: AtomicU64,
    unanswered: AtomicU64,
}

impl KeyCounters {
    /// Rounds that came to their end, those through the unanswered keys alone included.
    #[must_use]
    pub fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Relaxed)
    }

    /// Checks that came to this.
    #[must_use]
    pub fn checks(&self, state: State) -> u64 {
        self.of(state).load(Ordering::Relaxed)
    }

    fn of(&self, state: State) -> &AtomicU64 {
        match state {
            State::Matches => &self.matches,
            State::Mismatch => &self.mismatches,
            State::Unknown => &self.unanswered,
        }
    }
}

/// A key with those who want to know.
#[derive(Debug)]
struct Watched {
    own: OwnKey,
    standings: Vec<Arc<Standing>>,
    /// All keys of its domain.
    siblings: Arc<[OwnKey]>,
    /// Whether a rule stops signing with it.
    is_skipped: bool,
}

/// What was last told about a key.
#[derive(Debug)]
struct Told {
    codes: Vec<&'static str>,
    state: State,
    at: Instant,
}

/// What a round came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Summary {
    matching: u64,
    mismatched: u64,
    unanswered: u64,
}

#[derive(Debug, Default)]
struct Watch {
    counters: Arc<KeyCounters>,
    told: HashMap<DnsRecord, Told>,
    last: Option<Summary>,
}

/// Checks until the daemon ends.
pub(crate) async fn run(mut installed: Installed, counters: Arc<KeyCounters>) {
    let mut watch = Watch { counters, ..Watch::default() };
    let Some(mut setup) = installed.next().await else { return };
    loop {
        let changed = tokio::select! {
            biased;
            changed = installed.next() => changed,
            () = watch.keep(&setup) => return,
        };
        match changed {
            Some(new) => setup = new,
            None => return,
        }
    }
}

/// Which keys a round is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    All,
    /// Those about which nobody could tell the last time.
    Unanswered,
}

impl Watch {
    /// Round after round; ends with the setup only, when it is dropped.
    async fn keep(&mut self, setup: &Setup) {
        let Some(interval) = setup.rules.config().keys.interval else {
            setup.rules.all_signers().for_each(|(_, signer)| signer.standing.forget());
            return std::future::pending().await;
        };
        let mut scope = Scope::All;
        let mut all_due = Instant::now();
        loop {
            let now = Instant::now();
            if scope == Scope::All {
                all_due = now.checked_add(interval).unwrap_or(now);
            }
            let summary = self.round(setup, scope, now).await;
            let again = now.checked_add(RETRY).filter(|again| summary.unanswered > 0 && *again < all_due);
            scope = if again.is_some() { Scope::Unanswered } else { Scope::All };
            // A round that takes longer than its time is followed by the next at once.
            sleep_until(again.unwrap_or(all_due)).await;
        }
    }

    /// Checks every key in `scope` once.
    async fn round(&mut self, setup: &Setup, scope: Scope, now: Instant) -> Summary {
        let keys = watched(&setup.rules);
        let mut running = JoinSet::new();
        let mut summary = Summary::default();
        for (index, key) in keys.iter().enumerate() {
            if let Some(known) = key.known().filter(|_| scope == Scope::Unanswered) {
                summary.count(known);
                continue;
            }
            if running.len() >= AT_A_TIME {
                self.take(running.join_next().await, &keys, &mut summary, now);
            }
            running.spawn(ask(setup.resolver.clone(), key.own.clone(), Arc::clone(&key.siblings), index));
        }
        while let Some(done) = running.join_next().await {
            self.take(Some(done), &keys, &mut summary, now);
        }
        let names: HashSet<&DnsRecord> = keys.iter().map(|key| &key.own.record).collect();
        self.told.retain(|record, _| names.contains(record));
        self.counters.rounds.fetch_add(1, Ordering::Relaxed);
        self.sum_up(summary);
        summary
    }

    /// Takes what came of one key. A check that panicked has been logged by the panic hook, and says nothing about the key.
    fn take(&mut self, done: Option<Checked>, keys: &[Watched], summary: &mut Summary, now: Instant) {
        let Some(Ok((index, report))) = done else { return };
        let Some(key) = keys.get(index) else { return };
        key.standings.iter().for_each(|standing| standing.note(report.state));
        self.counters.of(report.state).fetch_add(1, Ordering::Relaxed);
        summary.count(report.state);
        self.tell(key, &report, now);
    }

    fn tell(&mut self, key: &Watched, report: &KeyReport, now: Instant) {
        if report.state == State::Unknown {
            // The summary says how many; what was told about the key before still stands.
            report.findings.iter().for_each(|problem| log(key, problem, Loudness::Debug));
            return;
        }
        let codes: Vec<&'static str> = report.findings.iter().map(Problem::code).collect();
        let before = self.told.get(&key.own.record);
        let is_new = before.is_none_or(|told| told.codes != codes);
        let is_due = before.is_some_and(|told| now.saturating_duration_since(told.at) >= REMINDER);
        let loudness = if is_new || is_due { Loudness::Warn } else { Loudness::Debug };
        for problem in &report.findings {
            let is_note = problem.severity() == Severity::Note;
            log(key, problem, if is_note { Loudness::Debug } else { loudness });
        }
        if report.state == State::Matches && before.is_some_and(|told| told.state == State::Mismatch) {
            tracing::info!(key = %key.own.record.name, signs = true, "the DNS has the record of the key again");
        }
        if is_new || is_due {
            self.told.insert(key.own.record.clone(), Told { codes, state: report.state, at: now });
        }
    }

    fn sum_up(&mut self, summary: Summary) {
        let Summary { matching, mismatched, unanswered } = summary;
        let is_new = self.last.replace(summary) != Some(summary);
        // Without keys there is nothing to say.
        if is_new && summary != Summary::default() {
            if unanswered > 0 {
                tracing::warn!(
                    matching,
                    mismatched,
                    unanswered,
                    "keys compared with the DNS, which does not answer for all"
                );
            } else {
                tracing::info!(matching, mismatched, unanswered, "keys compared with the DNS");
            }
        } else {
            tracing::debug!(matching, mismatched, unanswered, "keys compared with the DNS");
        }
    }
}

impl Summary {
    fn count(&mut self, state: State) {
        let count = match state {
            State::Matches => &mut self.matching,
            State::Mismatch => &mut self.mismatched,
            State::Unknown => &mut self.unanswered,
        };
        *count = count.saturating_add(1);
    }
}

impl Watched {
    /// What the last check came to, if it came to something.
    fn known(&self) -> Option<State> {
        self.standings.iter().find_map(|standing| standing.latest()).filter(|state| *state != State::Unknown)
    }
}

/// How loud a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loudness {
    Warn,
    Debug,
}

/// One line for one finding, with its mend.
fn log(key: &Watched, problem: &Problem, loudness: Loudness) {
    let (own, finding) = (&key.own, problem.code());
    let (what, fix) = (problem.what(own), problem.fix(own));
    let record = if problem.needs_record() { own.record.to_line() } else { String::new() };
    let signs = !(key.is_skipped && problem.severity() == Severity::Failure);
    match loudness {
        Loudness::Warn => tracing::warn!(key = %own.record.name, finding, what, fix, record, signs, "key and DNS"),
        Loudness::Debug => tracing::debug!(key = %own.record.name, finding, what, fix, record, signs, "key and DNS"),
    }
}

type Checked = Result<(usize, KeyReport), JoinError>;

async fn ask(resolver: Resolver, own: OwnKey, siblings: Arc<[OwnKey]>, index: usize) -> (usize, KeyReport) {
    (index, check(&resolver, &own, &siblings).await)
}

/// Every key that signs, once each, in the order of the domains.
fn watched(rules: &Rules) -> Vec<Watched> {
    let mut domains: BTreeMap<&DomainName, Vec<Watched>> = BTreeMap::new();
    for (rule, signer) in rules.all_signers() {
        let own = OwnKey::new(signer.selector(), &rule.signing_domain, &*signer.key, rule.options.identity.as_ref());
        let is_skipped = rule.options.on_key_mismatch == OnKeyMismatch::Skip;
        let keys = domains.entry(&rule.signing_domain).or_default();
        // Several rules may sign with one key.
        match keys.iter_mut().find(|key| key.own.record == own.record) {
            Some(known) => {
                known.standings.push(Arc::clone(&signer.standing));
                known.own.signs_below_domain |= own.signs_below_domain;
                known.is_skipped |= is_skipped;
            }
            None => {
                let standings = vec![Arc::clone(&signer.standing)];
                keys.push(Watched { own, standings, siblings: Arc::default(), is_skipped });
            }
        }
    }
    domains
        .into_values()
        .flat_map(|mut keys| {
            let siblings: Arc<[OwnKey]> = keys.iter().map(|key| key.own.clone()).collect();
            keys.iter_mut().for_each(|key| key.siblings = Arc::clone(&siblings));
            keys
        })
        .collect()
}

#[cfg(test)]
mod tests;
