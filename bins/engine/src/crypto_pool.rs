//! Threads for RSA signatures.
//!
//! An RSA-2048 signature takes 0.25 to 0.6 ms, an RSA-4096 signature ten times as long: enough to hold up every other connection of the
//! thread. Everything else (Ed25519, verification) is cheaper than the way to another thread and back and runs in place. Measured in
//! `docs/decisions/0006-rsa-signing-pool.md`.
//!
//! The threads are our own and not tokio's blocking ones: those are started anew whenever none is idle at the moment, up to hundreds, and each
//! has memory and caches of its own. Here there are as many as processors, begun when there is work for them, and one that ends a piece of work
//! takes the next without a pause.
//!
//! *Invariants.* A panic in a piece of work ends there. Work that nobody waits for any more is not begun. The queue needs no bound: a
//! connection has one piece of work in it at most.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

type Work = Box<dyn FnOnce() + Send>;

/// A bounded number of threads. Clones are the same pool; the threads end with the last of them.
#[derive(Clone, Debug)]
pub struct CryptoPool {
    owner: Arc<Owner>,
}

/// The work did not come to an end: it panicked, or the system gives no thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the work on another thread did not come to an end")]
pub struct PoolError;

/// The one end that submits.
#[derive(Debug)]
struct Owner {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// The most threads.
    most: usize,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Work>,
    threads: usize,
    /// Threads that wait for work.
    idle: usize,
    is_closed: bool,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { queue, threads, idle, is_closed } = self;
        let mut out = f.debug_struct("State");
        out.field("queue", &queue.len()).field("threads", threads).field("idle", idle).field("is_closed", is_closed);
        out.finish()
    }
}

impl CryptoPool {
    /// A pool of at most `threads` threads, at least one. None is started yet.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        let shared = Shared { state: Mutex::default(), changed: Condvar::new(), most: threads.max(1) };
        Self { owner: Arc::new(Owner { shared: Arc::new(shared) }) }
    }

    /// A pool that keeps the machine busy: a thread a processor.
    #[must_use]
    pub fn for_this_machine() -> Self {
        Self::new(std::thread::available_parallelism().map_or(1, usize::from))
    }

    /// Runs `work` on another thread. Work that was not begun when the future is dropped never is.
    ///
    /// # Errors
    ///
    /// [`PoolError`] when it panicked; the panic ends there. Also when there is no thread and the system gives none.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, PoolError> {
        let (done, result) = oneshot::channel();
        self.owner.submit(Box::new(move || {
            if done.is_closed() {
                return;
            }
            // After a panic `done` is dropped, and that is the answer; nobody sees what the work left behind.
            if let Ok(value) = catch_unwind(AssertUnwindSafe(work)) {
                let _ = done.send(value);
            }
        }))?;
        result.await.map_err(|_dropped| PoolError)
    }
}

impl Owner {
    fn submit(&self, work: Work) -> Result<(), PoolError> {
        let mut state = self.shared.lock();
        // One that was woken counts as idle until it runs: a second piece of work must not wait for it.
        let lacks_threads = state.idle <= state.queue.len();
        if lacks_threads && state.threads < self.shared.most {
            let shared = Arc::clone(&self.shared);
            let started = std::thread::Builder::new().name("sign".to_owned()).spawn(move || shared.serve());
            match started {
                Ok(_) => state.threads = state.threads.saturating_add(1),
                // Those that are there will do the work, only later.
                Err(_) if state.threads > 0 => {}
                Err(_) => return Err(PoolError),
            }
        }
        let is_awaited = state.idle > 0;
        state.queue.push_back(work);
        drop(state);
        if is_awaited {
            self.shared.changed.notify_one();
        }
        Ok(())
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    /// The life of a thread.
    fn serve(&self) {
        let mut state = self.lock();
        loop {
            if let Some(work) = state.queue.pop_front() {
                drop(state);
                work();
                state = self.lock();
            } else if state.is_closed {
                return;
            } else {
                state.idle = state.idle.saturating_add(1);
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle = state.idle.saturating_sub(1);
            }
        }
    }

    /// No work runs under the lock, so nothing is ever half done in there.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    fn threads(pool: &CryptoPool) -> usize {
        pool.owner.shared.lock().threads
    }

    #[tokio::test]
    async fn no_more_pieces_of_work_than_threads_run_at_a_time() {
        let pool = CryptoPool::new(2);
        let running = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let (pool, running, most) = (pool.clone(), Arc::clone(&running), Arc::clone(&most));
            tasks.spawn(async move {
                pool.run(move || {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(5));
                    running.fetch_sub(1, Ordering::SeqCst);
                })
                .await
            });
        }
        while let Some(done) = tasks.join_next().await {
            assert_eq!(done.unwrap(), Ok(()));
        }
        assert_eq!(most.load(Ordering::SeqCst), 2);
        assert_eq!(threads(&pool), 2);
    }

    #[tokio::test]
    async fn threads_are_started_when_there_is_work_for_them() {
        let pool = CryptoPool::new(8);
        assert_eq!(threads(&pool), 0);
        for _ in 0..20 {
            assert_eq!(pool.run(|| 1).await, Ok(1));
            while pool.owner.shared.lock().idle == 0 {
                std::thread::yield_now();
            }
        }
        assert_eq!(threads(&pool), 1, "one piece of work after the other");
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_leaves_the_thread() {
        let pool = CryptoPool::new(1);
        assert_eq!(pool.run(|| panic!("on purpose")).await, Err::<(), _>(PoolError));
        assert_eq!(pool.run(|| 7).await, Ok(7));
        assert_eq!(threads(&pool), 1);
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_any_more_is_not_begun() {
        let pool = CryptoPool::new(1);
        let (release, held) = std::sync::mpsc::channel::<()>();
        let first = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(move || held.recv().is_ok()).await }
        });
        while threads(&pool) == 0 {
            tokio::task::yield_now().await;
        }
        let has_run = Arc::new(AtomicBool::new(false));
        let second = tokio::time::timeout(Duration::ZERO, {
            let has_run = Arc::clone(&has_run);
            pool.run(move || has_run.store(true, Ordering::SeqCst))
        });
        assert!(second.await.is_err(), "the only thread is busy");
        release.send(()).unwrap();
        assert_eq!(first.await.unwrap(), Ok(true));
        assert_eq!(pool.run(|| 7).await, Ok(7));
        assert!(!has_run.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn threads_end_with_the_last_clone_of_the_pool() {
        let pool = CryptoPool::new(3);
        assert_eq!(pool.clone().run(|| 7).await, Ok(7));
        let shared = Arc::downgrade(&pool.owner.shared);
        drop(pool);
        let start = std::time::Instant::now();
        while shared.strong_count() > 0 && start.elapsed() < Duration::from_secs(10) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(shared.strong_count(), 0);
    }
}
