//! A few connections to one data set: made when a question needs one, kept for the next, given up when they fail.
//!
//! A connection that is reused may have gone while nobody used it: the server was restarted, or a firewall forgot it. So where a reused one fails, the
//! question is asked once more over a new one, and only that one's failure is told. A question that is dropped (its time was over) takes its connection with
//! it, so that no answer ever meets the next question.

use std::fmt::{self, Debug};
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use engine::dataset::{Answer, Lookup, LookupError};
use tokio::sync::Semaphore;

/// Connections to one data set; further questions wait for one within their time.
pub const MAX_CONNECTIONS: usize = 4;

/// How long a connection that nobody uses is kept.
pub const MAX_IDLE: Duration = Duration::from_secs(300);

/// Octets of a key that is asked for. A longer one, and one with a NUL, is in no database, and nobody is asked.
pub const MAX_KEY_OCTETS: usize = 64 << 10;

/// Why a question has no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server said so; the connection is as good as before.
    Said(String),
    /// The connection is of no further use.
    Lost(String),
}

/// How to get to a data set, and how to ask there. Texts of errors have no password.
pub(crate) trait Way: Send + Sync + Debug + 'static {
    type Connection: Send;

    /// How many connections at a time, at most.
    const CONNECTIONS: usize = MAX_CONNECTIONS;

    fn connect(&self) -> impl Future<Output = Result<Self::Connection, String>> + Send;

    fn ask(
        &self,
        connection: &mut Self::Connection,
        key: &str,
    ) -> impl Future<Output = Result<Option<Vec<String>>, Failure>> + Send;

    /// Whether a kept connection still leads to what is configured.
    fn is_current(&self, _: &Self::Connection) -> bool {
        true
    }
}

/// A [`Way`] with its connections.
pub(crate) struct Kept<W: Way> {
    way: W,
    places: Semaphore,
    idle: Mutex<Vec<(W::Connection, Instant)>>,
}

impl<W: Way> Kept<W> {
    pub(crate) fn new(way: W) -> Self {
        Self { way, places: Semaphore::new(W::CONNECTIONS), idle: Mutex::new(Vec::new()) }
    }

    async fn fields(&self, key: &str) -> Result<Option<Vec<String>>, LookupError> {
        if key.len() > MAX_KEY_OCTETS || key.contains('\0') {
            return Ok(None);
        }
        let _place = self.places.acquire().await.map_err(|_| LookupError::Busy)?;
        if let Some(mut connection) = self.take() {
            match self.way.ask(&mut connection, key).await {
                Ok(fields) => return Ok(self.put_back(connection, fields)),
                Err(Failure::Said(text)) => return Err(self.put_back(connection, LookupError::Failed(text))),
                // What was kept beside it is as old.
                Err(Failure::Lost(_)) => self.idle().clear(),
            }
        }
        let mut connection = self.way.connect().await.map_err(LookupError::Failed)?;
        match self.way.ask(&mut connection, key).await {
            Ok(fields) => Ok(self.put_back(connection, fields)),
            Err(Failure::Said(text)) => Err(self.put_back(connection, LookupError::Failed(text))),
            Err(Failure::Lost(text)) => Err(LookupError::Failed(text)),
        }
    }

    /// The connection that was used last, if it is still good for a question. Old ones go.
    fn take(&self) -> Option<W::Connection> {
        let mut idle = self.idle();
        idle.retain(|(connection, since)| since.elapsed() < MAX_IDLE && self.way.is_current(connection));
        idle.pop().map(|(connection, _)| connection)
    }

    fn put_back<T>(&self, connection: W::Connection, result: T) -> T {
        self.idle().push((connection, Instant::now()));
        result
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(W::Connection, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Way> Lookup for Kept<W> {
    fn look_up<'a>(&'a self, key: &'a str) -> Answer<'a> {
        Box::pin(self.fields(key))
    }
}

impl<W: Way> Debug for Kept<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("way", &self.way).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;

    /// Counts; a connection is its number.
    #[derive(Debug, Default)]
    struct Counting {
        connected: AtomicUsize,
        under_way: AtomicUsize,
        most: AtomicUsize,
        /// Connections up to this number have gone.
        gone: AtomicUsize,
        is_down: AtomicBool,
    }

    impl Way for Counting {
        type Connection = usize;

        async fn connect(&self) -> Result<usize, String> {
            if self.is_down.load(Ordering::SeqCst) {
                return Err("refused".to_owned());
            }
            Ok(self.connected.fetch_add(1, Ordering::SeqCst).saturating_add(1))
        }

        async fn ask(&self, connection: &mut usize, key: &str) -> Result<Option<Vec<String>>, Failure> {
            if *connection <= self.gone.load(Ordering::SeqCst) {
                return Err(Failure::Lost("gone".to_owned()));
            }
            let now = self.under_way.fetch_add(1, Ordering::SeqCst).saturating_add(1);
            self.most.fetch_max(now, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(5)).await;
            self.under_way.fetch_sub(1, Ordering::SeqCst);
            if key == "said" { Err(Failure::Said("no".to_owned())) } else { Ok(Some(vec![connection.to_string()])) }
        }
    }

    fn connected(kept: &Kept<Counting>) -> usize {
        kept.way.connected.load(Ordering::SeqCst)
    }

    #[tokio::test]
    async fn a_connection_is_used_again_and_one_that_has_gone_is_replaced() {
        let kept = Kept::new(Counting::default());
        assert_eq!(connected(&kept), 0);
        kept.look_up("a").await.unwrap();
        kept.look_up("b").await.unwrap();
        assert_eq!(kept.look_up("said").await, Err(LookupError::Failed("no".to_owned())));
        assert_eq!(connected(&kept), 1, "what a server says costs no connection");
        kept.way.gone.store(1, Ordering::SeqCst);
        assert_eq!(kept.look_up("a").await, Ok(Some(vec!["2".to_owned()])));
        kept.way.gone.store(2, Ordering::SeqCst);
        kept.way.is_down.store(true, Ordering::SeqCst);
        assert_eq!(kept.look_up("a").await, Err(LookupError::Failed("refused".to_owned())));
        kept.way.is_down.store(false, Ordering::SeqCst);
        assert_eq!(kept.look_up("a").await, Ok(Some(vec!["3".to_owned()])));
    }

    #[tokio::test]
    async fn there_are_at_most_max_connections() {
        let kept = std::sync::Arc::new(Kept::new(Counting::default()));
        let tasks: Vec<_> = (0..40)
            .map(|_| {
                let kept = std::sync::Arc::clone(&kept);
                tokio::spawn(async move { kept.look_up("a").await })
            })
            .collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert_eq!(kept.way.most.load(Ordering::SeqCst), MAX_CONNECTIONS);
        assert_eq!(connected(&kept), MAX_CONNECTIONS);
    }

    #[tokio::test]
    async fn a_dropped_question_takes_its_connection_with_it() {
        let kept = Kept::new(Counting::default());
        kept.look_up("a").await.unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(1), kept.look_up("a")).await.is_err());
        assert_eq!(kept.look_up("a").await, Ok(Some(vec!["2".to_owned()])));
    }

    #[tokio::test]
    async fn keys_that_no_database_has_ask_nobody() {
        let kept = Kept::new(Counting::default());
        for key in ["a\0b", &"x".repeat(MAX_KEY_OCTETS + 1)] {
            assert_eq!(kept.look_up(key).await, Ok(None));
        }
        assert_eq!(connected(&kept), 0);
    }
}
