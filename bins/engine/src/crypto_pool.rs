//! Threads for RSA signatures.
//!
//! An RSA-2048 signature takes 0.3 to 0.6 ms, long enough to hold up every other connection of the thread; everything else
//! (Ed25519, verification) is cheaper than the way to another thread and back, about 70 µs, and runs in place. Work goes to
//! tokio's blocking threads behind a semaphore of two permits a processor: with one, a processor idles while the next piece of
//! work is on its way (a fifth of the throughput); with more, other connections wait. Measured in
//! `docs/decisions/0006-rsa-signing-pool.md`.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// Pieces of work at a time for each processor: one runs, the next is ready.
const PER_PROCESSOR: usize = 2;

/// Bounded access to blocking threads.
#[derive(Clone, Debug)]
pub struct CryptoPool {
    permits: Arc<Semaphore>,
}

/// The work did not come to an end: it panicked, or the runtime is going down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the work on another thread did not come to an end")]
pub struct PoolError;

impl CryptoPool {
    /// A pool for `threads` pieces of work at a time, at least one.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(threads.clamp(1, Semaphore::MAX_PERMITS))) }
    }

    /// A pool that keeps the machine busy.
    #[must_use]
    pub fn for_this_machine() -> Self {
        Self::new(std::thread::available_parallelism().map_or(1, usize::from).saturating_mul(PER_PROCESSOR))
    }

    /// Runs `work` on another thread.
    ///
    /// # Errors
    ///
    /// [`PoolError`] when it panicked; the panic ends there.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, PoolError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_closed| PoolError)?;
        let work = move || {
            let result = work();
            drop(permit);
            result
        };
        tokio::task::spawn_blocking(work).await.map_err(|_panicked| PoolError)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn no_more_pieces_of_work_than_permits_run_at_a_time() {
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
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_gives_its_permit_back() {
        let pool = CryptoPool::new(1);
        assert_eq!(pool.run(|| panic!("on purpose")).await, Err::<(), _>(PoolError));
        assert_eq!(pool.run(|| 7).await, Ok(7));
    }
}
