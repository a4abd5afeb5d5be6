//! Answers kept for as long as they may be, each asked for once.
//!
//! An entry is a cell that the first asker fills and everybody else who asks meanwhile waits for: a hundred messages of one sender ask one
//! question. When the asker goes away (its message's deadline), the next one in line asks again. Entries are dropped first in, first out once
//! there are more than the limit; nothing is held over an await but a reference to the cell.

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
#[derive(Debug, Clone)]
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

/// Answers by name.
#[derive(Debug)]
pub(super) struct Cache {
    limit: usize,
    kept: Mutex<Names>,
}

#[derive(Debug, Default)]
struct Names {
    cells: HashMap<Arc<str>, Cell>,
    order: VecDeque<Arc<str>>,
}

impl Cache {
    /// A cache of at most `limit` answers; 0 keeps none.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, kept: Mutex::new(Names::default()) }
    }

    /// Hands the answer for `name` to `use_it`; asks with `ask` when none is kept or being asked for.
    pub(super) async fn get<R>(
        &self,
        name: &str,
        ask: impl Future<Output = Fresh>,
        use_it: impl FnOnce(&Kept) -> R,
    ) -> R {
        let cell = self.cell(name);
        let kept = cell
            .get_or_init(|| async {
                let Fresh { answer, keep } = ask.await;
                let now = Instant::now();
                Kept { answer, until: now.checked_add(keep).unwrap_or(now), key: OnceLock::new() }
            })
            .await;
        use_it(kept)
    }

    /// The cell for `name`: the one there is unless its answer is too old.
    fn cell(&self, name: &str) -> Cell {
        if self.limit == 0 {
            return Cell::default();
        }
        let mut names = self.lock();
        if let Some(cell) = names.cells.get_mut(name) {
            if cell.get().is_some_and(|kept| kept.until <= Instant::now()) {
                *cell = Cell::default();
            }
            return Arc::clone(cell);
        }
        while names.cells.len() >= self.limit {
            let Some(oldest) = names.order.pop_front() else { break };
            names.cells.remove(&oldest);
        }
        let (name, cell) = (Arc::from(name), Cell::default());
        names.order.push_back(Arc::clone(&name));
        names.cells.insert(name, Arc::clone(&cell));
        cell
    }

    /// The lock is held for a few instructions that do not panic; were it poisoned all the same, the map would be whole.
    fn lock(&self) -> MutexGuard<'_, Names> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
        let (cache, asked) = (Cache::new(10), AtomicUsize::new(0));
        ask(&cache, "a", &asked, 60).await;
        ask(&cache, "a", &asked, 60).await;
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        tokio::time::advance(Duration::from_secs(61)).await;
        ask(&cache, "a", &asked, 60).await;
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_ask_meanwhile_wait_for_the_one_question() {
        let (cache, asked) = (Cache::new(10), AtomicUsize::new(0));
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
        let (cache, asked) = (Cache::new(10), AtomicUsize::new(0));
        let given_up = tokio::time::timeout(Duration::from_millis(1), ask(&cache, "a", &asked, 60)).await;
        assert!(given_up.is_err());
        ask(&cache, "a", &asked, 60).await;
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_answer_goes_first_and_none_is_kept_at_limit_zero() {
        let (cache, asked) = (Cache::new(2), AtomicUsize::new(0));
        for name in ["a", "b", "c", "b", "c", "a"] {
            ask(&cache, name, &asked, 60).await;
        }
        assert_eq!(asked.load(Ordering::SeqCst), 4, "a was dropped when c came");
        assert_eq!(cache.lock().cells.len(), 2);
        assert_eq!(cache.lock().order.len(), 2);
        let (none, asked) = (Cache::new(0), AtomicUsize::new(0));
        ask(&none, "a", &asked, 60).await;
        ask(&none, "a", &asked, 60).await;
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
}
