//! Answers kept for as long as they may be, each asked for once.
//!
//! An entry is a cell that the first asker fills and everybody else who asks meanwhile waits for: a hundred messages of one sender ask one
//! question. When the asker goes away (its message's deadline), the next one in line asks again. Entries are dropped first in, first out once
//! there are more than the limit, or hold more octets together; nothing is held over an await but a reference to the cell.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use dkim_core::crypto::Backend;
use dkim_core::dns::TxtAnswer;
use dkim_core::verify::KeyAnswer;
use tokio::sync::OnceCell;
use tokio::time::Instant;

/// An answer and how long it may be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fresh {
    pub(super) answer: TxtAnswer,
    pub(super) keep: Duration,
}

/// A kept answer.
#[derive(Debug)]
pub(super) struct Kept {
    answer: TxtAnswer,
    until: Instant,
    key: OnceLock<KeyAnswer>,
}

impl Kept {
    pub(super) fn answer(&self) -> &TxtAnswer {
        &self.answer
    }

    /// The answer as a key, parsed when it is first asked for.
    pub(super) fn key(&self, backend: Backend) -> KeyAnswer {
        self.key.get_or_init(|| KeyAnswer::parse(&self.answer, backend)).clone()
    }
}

type Cell = Arc<OnceCell<Kept>>;

/// What the answers of the cache may hold together: an answer of 64 KiB must not cost as little as one of 400 octets.
pub(super) const MAX_OCTETS: usize = 32 << 20;

/// What an entry costs beside its name and its answer.
const ENTRY: usize = 256;

/// Answers by name.
#[derive(Debug)]
pub(super) struct Cache {
    limit: usize,
    max_octets: usize,
    kept: Mutex<Names>,
}

#[derive(Debug, Default)]
struct Names {
    entries: HashMap<Arc<str>, Entry>,
    order: VecDeque<Arc<str>>,
    octets: usize,
}

#[derive(Debug, Default)]
struct Entry {
    cell: Cell,
    /// Counted in [`Names::octets`].
    octets: usize,
}

impl Cache {
    /// A cache of at most `limit` answers with at most `max_octets` in all; 0 keeps none.
    pub(super) fn new(limit: usize, max_octets: usize) -> Self {
        Self { limit, max_octets, kept: Mutex::new(Names::default()) }
    }

    /// Hands the answer for `name` to `use_it`; asks with `ask` when none is kept or being asked for.
    pub(super) async fn get<R>(
        &self,
        name: &str,
        ask: impl Future<Output = Fresh>,
        use_it: impl FnOnce(&Kept) -> R,
    ) -> R {
        let cell = self.cell(name);
        let mut filled = None;
        let kept = cell
            .get_or_init(|| async {
                let Fresh { answer, keep } = ask.await;
                filled = Some(octets_of(&answer));
                let now = Instant::now();
                Kept { answer, until: now.checked_add(keep).unwrap_or(now), key: OnceLock::new() }
            })
            .await;
        if let Some(octets) = filled {
            self.count(name, &cell, octets);
        }
        use_it(kept)
    }

    /// The cell for `name`: the one there is unless its answer is too old.
    fn cell(&self, name: &str) -> Cell {
        if self.limit == 0 {
            return Cell::default();
        }
        let names = &mut *self.lock();
        if let Some(entry) = names.entries.get_mut(name) {
            if entry.cell.get().is_some_and(|kept| kept.until <= Instant::now()) {
                names.octets = names.octets.saturating_sub(std::mem::take(entry).octets);
            }
            return Arc::clone(&entry.cell);
        }
        while names.entries.len() >= self.limit && names.drop_oldest() {}
        let (name, entry) = (Arc::from(name), Entry::default());
        let cell = Arc::clone(&entry.cell);
        names.order.push_back(Arc::clone(&name));
        names.entries.insert(name, entry);
        cell
    }

    /// Counts the answer that has come into `cell`, and makes room for it.
    fn count(&self, name: &str, cell: &Cell, octets: usize) {
        let names = &mut *self.lock();
        // It may have been dropped meanwhile, and even been asked for anew.
        let Some(entry) = names.entries.get_mut(name).filter(|entry| Arc::ptr_eq(&entry.cell, cell)) else { return };
        entry.octets = octets.saturating_add(name.len().saturating_mul(2)).saturating_add(ENTRY);
        names.octets = names.octets.saturating_add(entry.octets);
        while names.octets > self.max_octets && names.drop_oldest() {}
    }

    /// The lock is held for a few instructions that do not panic; were it poisoned all the same, the map would be whole.
    fn lock(&self) -> MutexGuard<'_, Names> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Names {
    /// Whether there was one.
    fn drop_oldest(&mut self) -> bool {
        let Some(oldest) = self.order.pop_front() else { return false };
        let octets = self.entries.remove(&oldest).map_or(0, |entry| entry.octets);
        self.octets = self.octets.saturating_sub(octets);
        true
    }
}

/// What an answer holds: its octets, and as much again for the key that is parsed out of them.
fn octets_of(answer: &TxtAnswer) -> usize {
    let TxtAnswer::Records(records) = answer else { return 0 };
    let octets = records.iter().map(|record| record.len().saturating_add(size_of::<Vec<u8>>()));
    octets.fold(0, usize::saturating_add).saturating_mul(2)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn fresh(text: &str, keep: u64) -> Fresh {
        Fresh { answer: TxtAnswer::Records(vec![text.as_bytes().to_vec()]), keep: Duration::from_secs(keep) }
    }

    async fn ask(cache: &Cache, name: &str, asked: &AtomicUsize, keep: u64) {
        let question = async {
            asked.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(10)).await;
            fresh(name, keep)
        };
        let answer = cache.get(name, question, |kept| kept.answer().clone()).await;
        assert_eq!(answer, fresh(name, 0).answer);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_kept_as_long_as_it_may_be() {
        let (cache, asked) = (Cache::new(10, MAX_OCTETS), AtomicUsize::new(0));
        ask(&cache, "a", &asked, 60).await;
        ask(&cache, "a", &asked, 60).await;
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        tokio::time::advance(Duration::from_secs(61)).await;
        ask(&cache, "a", &asked, 60).await;
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_ask_meanwhile_wait_for_the_one_question() {
        let (cache, asked) = (Cache::new(10, MAX_OCTETS), AtomicUsize::new(0));
        let all = (0..50).map(|_| ask(&cache, "a", &asked, 60));
        let mut all: Vec<_> = all.map(Box::pin).collect();
        std::future::poll_fn(|context| {
            all.retain_mut(|one| one.as_mut().poll(context).is_pending());
            if all.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_is_given_up_is_asked_by_the_next() {
        let (cache, asked) = (Cache::new(10, MAX_OCTETS), AtomicUsize::new(0));
        let given_up = tokio::time::timeout(Duration::from_millis(1), ask(&cache, "a", &asked, 60)).await;
        assert!(given_up.is_err());
        ask(&cache, "a", &asked, 60).await;
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_answer_goes_first_and_none_is_kept_at_limit_zero() {
        let (cache, asked) = (Cache::new(2, MAX_OCTETS), AtomicUsize::new(0));
        for name in ["a", "b", "c", "b", "c", "a"] {
            ask(&cache, name, &asked, 60).await;
        }
        assert_eq!(asked.load(Ordering::SeqCst), 4, "a was dropped when c came");
        assert_eq!(cache.lock().entries.len(), 2);
        assert_eq!(cache.lock().order.len(), 2);
        let (none, asked) = (Cache::new(0, MAX_OCTETS), AtomicUsize::new(0));
        ask(&none, "a", &asked, 60).await;
        ask(&none, "a", &asked, 60).await;
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
    fn long(octets: usize) -> Fresh {
        fresh(&"x".repeat(octets), 60)
    }

    #[tokio::test]
    async fn many_long_answers_hold_no_more_than_their_octets_and_the_newest_stay() {
        let cache = Cache::new(8192, 1 << 20);
        for number in 0..1000 {
            cache.get(&number.to_string(), async { long(60_000) }, |_| ()).await;
            assert!(cache.lock().octets <= 1 << 20);
        }
        let there: Vec<usize> =
            (0..1000).filter(|n| cache.lock().entries.contains_key(n.to_string().as_str())).collect();
        assert_eq!(there, (992..1000).collect::<Vec<_>>(), "as many as 1 MiB holds, each twice");
        assert_eq!(cache.lock().order.len(), 8);
        // One that is larger than everything is handed out and not kept.
        let octets = cache.get("huge", async { long(1 << 20) }, |kept| octets_of(kept.answer())).await;
        assert!(octets > 1 << 20);
        let names = cache.lock();
        assert_eq!((names.octets, names.entries.len()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_replaced_is_counted_once() {
        let cache = Cache::new(8192, MAX_OCTETS);
        let counted = |octets: usize| (octets + size_of::<Vec<u8>>()) * 2 + 2 + ENTRY;
        for octets in [10_000, 50_000, 100] {
            cache.get("a", async { long(octets) }, |_| ()).await;
            assert_eq!(cache.lock().octets, counted(octets));
            tokio::time::advance(Duration::from_secs(61)).await;
        }
    }
}
