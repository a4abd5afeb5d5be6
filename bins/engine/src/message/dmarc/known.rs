//! Which domains have mail here that passes: what is known beyond a policy.
//!
//! RFC 9989 §7.4 wants more than `p=reject` to reject. That mail of a domain passes here regularly is such knowledge: the domain's own mail arrives
//! intact, so what fails is more likely forged than broken. Only aligned passes count, so nobody but the owner of a domain makes it known.
//!
//! A message counts once: one that is put off, by us or by others, comes again and has the same number ([`mark`](super::mark)). One that passes by its
//! signature alone may be sent once more by anybody who has it, in another envelope and with other fields above: its number is that of the signature.
//!
//! Counts are kept in two halves of [`HALF`] each; when a half is over, the older one goes. *Limits*: [`MAX_DOMAINS`] a half, 16 octets each, and as
//! many again that the half before knows; further ones are not counted. Of messages the last [`MAX_MARKS`] at least are known again, 8 octets each.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dkim_core::UnixTime;
use dmarc_core::discovery::Place;
use dmarc_core::domain::DomainName;
use dmarc_core::outcome::Evaluation;

/// Seconds of a half: a domain is forgotten one to two months after its last mail.
const HALF: u64 = 30 * 86_400;

/// Domains of a half; further ones stay unknown, unless the half before knows them: there are as many places again for those.
pub(super) const MAX_DOMAINS: usize = 100_000;

/// Messages that are known again when they come another time; up to twice as many are kept.
pub(super) const MAX_MARKS: usize = 50_000;

/// Counts of messages that passed, by domain; a clone shares them.
#[derive(Clone, Debug, Default)]
pub struct KnownDomains(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    /// Names are hashed with a key of this process: nobody can choose two that meet.
    hasher: RandomState,
    current: HashMap<u64, u32>,
    before: HashMap<u64, u32>,
    /// The half that `current` is for.
    half: u64,
    /// The latest messages, and those before.
    marks: HashSet<u64>,
    marks_before: HashSet<u64>,
}

impl Counts {
    /// Whether a message comes for the first time. By domain: nobody can make the mail of others look as if it had come before.
    fn is_new(&mut self, domain: &str, mark: u32) -> bool {
        let message = self.hasher.hash_one((domain, mark));
        if self.marks_before.contains(&message) || !self.marks.insert(message) {
            return false;
        }
        if self.marks.len() >= MAX_MARKS {
            self.marks_before = std::mem::take(&mut self.marks);
        }
        true
    }
}

impl KnownDomains {
    /// A message of this domain passed at this time; in whatever order. `mark`: its number, `None` where it is not known.
    pub fn passed(&self, domain: &str, mark: Option<u32>, at: UnixTime) {
        let mut counts = self.lock();
        if mark.is_some_and(|mark| !counts.is_new(domain, mark)) {
            return;
        }
        let name = counts.hasher.hash_one(domain);
        let half = at.as_secs() / HALF;
        if half > counts.half {
            let is_next = half == counts.half.saturating_add(1);
            let current = std::mem::take(&mut counts.current);
            counts.before = if is_next { current } else { HashMap::new() };
            counts.half = half;
        }
        // What is read from the journal may be of the half before; what is older than that is over.
        let counts = &mut *counts;
        let is_before = match counts.half.saturating_sub(half) {
            0 => false,
            1 => true,
            _ => return,
        };
        // Nobody makes others unknown by making many names known: in the next half as well there is room for those of the last one.
        let most = if counts.before.contains_key(&name) { MAX_DOMAINS.saturating_mul(2) } else { MAX_DOMAINS };
        let table = if is_before { &mut counts.before } else { &mut counts.current };
        if table.len() >= most && !table.contains_key(&name) {
            return;
        }
        let count = table.entry(name).or_default();
        *count = count.saturating_add(1);
    }

    /// How many messages of this domain passed.
    #[must_use]
    pub fn count(&self, domain: &str) -> u32 {
        let counts = self.lock();
        let name = counts.hasher.hash_one(domain);
        let of = |half: &HashMap<u64, u32>| half.get(&name).copied().unwrap_or(0);
        of(&counts.current).saturating_add(of(&counts.before))
    }

    /// Held for a look at two tables. A panic in between leaves counts, whatever they are.
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The domain that a message is counted for: the one whose policy it is. Under the policy of a public suffix every stranger's mail would count, so it is
/// the author domain there.
pub(in crate::message) fn counted_domain(evaluation: &Evaluation) -> &DomainName {
    match &evaluation.policy {
        Some(policy) if policy.place != Place::PublicSuffixDomain => &policy.domain,
        _ => &evaluation.author,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(number: u64) -> UnixTime {
        UnixTime::from_secs(HALF.saturating_mul(700).saturating_add(number.saturating_mul(86_400)))
    }

    #[test]
    fn what_passes_is_counted_by_domain() {
        let known = KnownDomains::default();
        for number in 0..5 {
            known.passed("a.example", None, day(number));
        }
        known.clone().passed("b.example", None, day(5));
        assert_eq!((known.count("a.example"), known.count("b.example"), known.count("c.example")), (5, 1, 0));
    }

    #[test]
    fn what_was_long_ago_is_forgotten() {
        let known = KnownDomains::default();
        known.passed("a.example", None, day(0));
        known.passed("b.example", None, day(31));
        assert_eq!((known.count("a.example"), known.count("b.example")), (1, 1));
        known.passed("b.example", None, day(61));
        assert_eq!((known.count("a.example"), known.count("b.example")), (0, 2));
        known.passed("c.example", None, day(200));
        assert_eq!((known.count("b.example"), known.count("c.example")), (0, 1));
        // The journal is read while mail comes in: the half before counts, and what is older does not.
        known.passed("c.example", None, day(179));
        known.passed("c.example", None, day(0));
        assert_eq!(known.count("c.example"), 2);
        known.passed("d.example", None, day(210));
        assert_eq!(known.count("c.example"), 1, "what was of the half before is over");
    }

    #[test]
    fn a_message_that_comes_again_counts_once() {
        let known = KnownDomains::default();
        for _ in 0..5 {
            known.passed("a.example", Some(7), day(0));
        }
        known.passed("b.example", Some(7), day(0));
        known.passed("a.example", Some(8), day(0));
        assert_eq!((known.count("a.example"), known.count("b.example")), (2, 1));
        // Of so many others it is known still; what is kept is bounded.
        for mark in 100..100 + u32::try_from(MAX_MARKS).unwrap() {
            known.passed("c.example", Some(mark), day(0));
        }
        known.passed("a.example", Some(7), day(0));
        assert_eq!((known.count("a.example"), known.count("c.example")), (2, u32::try_from(MAX_MARKS).unwrap()));
        for mark in 100..100 + u32::try_from(3 * MAX_MARKS).unwrap() {
            known.passed("d.example", Some(mark), day(0));
        }
        let counts = known.lock();
        assert!(counts.marks.len() < MAX_MARKS && counts.marks_before.len() <= MAX_MARKS);
    }

    #[test]
    fn many_names_make_nobody_unknown() {
        let known = KnownDomains::default();
        known.passed("a.example", None, day(0));
        for number in 0..2 * MAX_DOMAINS {
            known.passed(&format!("{number}.example"), None, day(0));
        }
        known.passed("a.example", None, day(0));
        assert_eq!(known.lock().current.len(), MAX_DOMAINS);
        assert_eq!(known.count("a.example"), 2);
        // In the half that follows somebody is there before everybody else.
        for number in 0..2 * MAX_DOMAINS {
            known.passed(&format!("{number}.evil.example"), None, day(30));
        }
        known.passed("a.example", None, day(31));
        known.passed("late.example", None, day(31));
        assert_eq!((known.count("a.example"), known.count("late.example")), (3, 0));
        known.passed("b.example", None, day(60));
        assert_eq!(known.count("a.example"), 1, "known on, by its mail of the half before");
        assert!(known.lock().before.len() <= 2 * MAX_DOMAINS);
        assert_eq!(known.count(&format!("{}.example", 2 * MAX_DOMAINS - 1)), 0);
    }
}
