//! A database behind a small cache: answers are used again for a short time, and for a long time while the database is away.
//!
//! Found entries and answers that there is none are kept apart, so that addresses that somebody makes up push no entry out. An answer serves for
//! [`FRESH_FOR`]; then the database is asked again. Where that fails, the last answer goes on serving, for up to [`KEEP_FOR`]: mail is signed while the
//! database restarts. For [`PAUSE`] after a failure nobody who has a last answer asks again, so that mail does not wait for one time-out after the other.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::lookup::{Lookup, LookupError};
use super::spec::ExternalSpec;
use crate::lru::Lru;

/// How long an answer serves without the database being asked again.
pub const FRESH_FOR: Duration = Duration::from_secs(30);

/// How long the last answer serves while the database is away.
pub const KEEP_FOR: Duration = Duration::from_secs(24 * 3600);

/// How long after a failure the last answers are used without asking.
pub const PAUSE: Duration = Duration::from_secs(2);

/// Answers of each kind, found and not found, that are kept of one data set.
pub const MAX_ANSWERS: usize = 10_000;

/// Octets of the answers of each kind that are kept of one data set.
pub const MAX_ANSWER_OCTETS: usize = 4 << 20;

/// Octets of one entry; more are a failed lookup.
pub const MAX_ENTRY: usize = 64 << 10;

/// Questions to one data set that are under way; others wait within their time.
pub const MAX_QUESTIONS: usize = 16;

/// What an answer costs beside its texts.
const ANSWER: usize = 160;

type Fields = Arc<[String]>;

/// An answer and when it came.
#[derive(Debug, Clone)]
struct Kept {
    fields: Option<Fields>,
    at: Instant,
}

#[derive(Debug)]
struct Cache {
    found: Lru<Arc<str>, Kept>,
    absent: Lru<Arc<str>, Kept>,
    pause_until: Option<Instant>,
}

impl Cache {
    fn get(&mut self, key: &str) -> Option<Kept> {
        self.found.get(key).or_else(|| self.absent.get(key)).cloned()
    }

    fn keep(&mut self, key: &str, fields: Option<Fields>) {
        self.pause_until = None;
        self.found.remove(key);
        self.absent.remove(key);
        let weight = key.len().saturating_add(octets(fields.as_deref())).saturating_add(ANSWER);
        let kind = if fields.is_some() { &mut self.found } else { &mut self.absent };
        kind.insert(Arc::from(key), Kept { fields, at: Instant::now() }, weight);
    }
}

fn octets(fields: Option<&[String]>) -> usize {
    fields.unwrap_or_default().iter().map(|field| field.len().saturating_add(24)).fold(0, usize::saturating_add)
}

/// A data set outside of this process.
pub(super) struct External {
    spec: ExternalSpec,
    lookup: Arc<dyn Lookup>,
    timeout: Duration,
    places: Semaphore,
    is_away: AtomicBool,
    cache: Mutex<Cache>,
}

impl External {
    pub(super) fn new(spec: ExternalSpec, lookup: Arc<dyn Lookup>, timeout: Duration) -> Self {
        let kept = || Lru::new(MAX_ANSWERS, MAX_ANSWER_OCTETS);
        Self {
            spec,
            lookup,
            timeout,
            places: Semaphore::new(MAX_QUESTIONS),
            is_away: AtomicBool::new(false),
            cache: Mutex::new(Cache { found: kept(), absent: kept(), pause_until: None }),
        }
    }

    /// The fields under `key`: as they were a short time ago, or as the database says, or as it last said.
    pub(super) async fn look_up(&self, key: &str) -> Result<Option<Fields>, LookupError> {
        let (last, pauses) = {
            let mut cache = self.cache();
            (cache.get(key), cache.pause_until.is_some_and(|until| Instant::now() < until))
        };
        if let Some(last) = last.as_ref().filter(|last| last.at.elapsed() < FRESH_FOR || pauses) {
            return Ok(last.fields.clone());
        }
        let error = match timeout(self.timeout, self.ask(key)).await {
            Ok(Ok(fields)) => {
                self.cache().keep(key, fields.clone());
                if self.is_away.swap(false, Ordering::Relaxed) {
                    tracing::info!(dataset = %self.spec, "the data set answers again");
                }
                return Ok(fields);
            }
            Ok(Err(error)) => error,
            Err(_) => LookupError::TimedOut(self.timeout),
        };
        self.cache().pause_until = Instant::now().checked_add(PAUSE);
        if !self.is_away.swap(true, Ordering::Relaxed) {
            tracing::warn!(dataset = %self.spec, "the data set does not answer, last answers are used where there are any: {error}");
        }
        match last {
            Some(last) if last.at.elapsed() < KEEP_FOR => Ok(last.fields),
            _ => Err(error),
        }
    }

    async fn ask(&self, key: &str) -> Result<Option<Fields>, LookupError> {
        let _place = self.places.acquire().await.map_err(|_| LookupError::Busy)?;
        let fields = self.lookup.look_up(key).await?;
        if octets(fields.as_deref()) > MAX_ENTRY {
            return Err(LookupError::Failed(format!("the entry has more than {MAX_ENTRY} octets")));
        }
        Ok(fields.map(Arc::from))
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for External {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("External").field("spec", &self.spec).field("lookup", &self.lookup).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::dataset::{Answer, Scheme};

    /// A database of one entry, which can be away, silent, or have another value.
    #[derive(Debug, Default)]
    struct Database {
        asked: AtomicUsize,
        is_away: AtomicBool,
        is_silent: AtomicBool,
        value: Mutex<String>,
    }

    impl Lookup for Database {
        fn look_up<'a>(&'a self, key: &'a str) -> Answer<'a> {
            Box::pin(async move {
                self.asked.fetch_add(1, Ordering::Relaxed);
                if self.is_silent.load(Ordering::Relaxed) {
                    std::future::pending::<()>().await;
                }
                if self.is_away.load(Ordering::Relaxed) {
                    return Err(LookupError::Failed("away".into()));
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
                Ok((key == "k").then(|| vec![self.value.lock().unwrap().clone()]))
            })
        }
    }

    impl Database {
        fn asked(&self) -> usize {
            self.asked.swap(0, Ordering::Relaxed)
        }

        fn set(&self, value: &str) {
            *self.value.lock().unwrap() = value.to_owned();
        }
    }

    fn external() -> (Arc<Database>, External) {
        let database = Arc::new(Database::default());
        database.set("v1");
        let spec = ExternalSpec { scheme: Scheme::Dsn, text: "mysql://user:pw@h/d".into() };
        (Arc::clone(&database), External::new(spec, database, Duration::from_secs(5)))
    }

    async fn text(external: &External, key: &str) -> Result<Option<String>, LookupError> {
        Ok(external.look_up(key).await?.map(|fields| fields[0].clone()))
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_serves_for_a_short_time_and_is_then_asked_for_again() {
        let (database, external) = external();
        for _ in 0..3 {
            assert_eq!(text(&external, "k").await.unwrap().as_deref(), Some("v1"));
            assert_eq!(text(&external, "none").await.unwrap(), None);
        }
        assert_eq!(database.asked(), 2);
        database.set("v2");
        tokio::time::advance(FRESH_FOR).await;
        assert_eq!(text(&external, "k").await.unwrap().as_deref(), Some("v2"));
    }

    #[tokio::test(start_paused = true)]
    async fn s8_7_the_last_good_answer_is_kept_while_the_database_is_away() {
        let (database, external) = external();
        text(&external, "k").await.unwrap();
        text(&external, "none").await.unwrap();
        database.is_away.store(true, Ordering::Relaxed);
        tokio::time::advance(FRESH_FOR).await;
        database.asked();
        for _ in 0..5 {
            assert_eq!(text(&external, "k").await.unwrap().as_deref(), Some("v1"));
            assert_eq!(text(&external, "none").await.unwrap(), None);
        }
        assert_eq!(database.asked(), 1, "nobody who has an answer asks again at once");
        assert_eq!(text(&external, "new").await, Err(LookupError::Failed("away".into())));
        tokio::time::advance(KEEP_FOR).await;
        assert!(text(&external, "k").await.is_err(), "not for ever");
        database.is_away.store(false, Ordering::Relaxed);
        assert_eq!(text(&external, "k").await.unwrap().as_deref(), Some("v1"));
    }

    #[tokio::test(start_paused = true)]
    async fn limit_a_lookup_ends_after_its_time() {
        let (database, external) = external();
        database.is_silent.store(true, Ordering::Relaxed);
        let begin = Instant::now();
        assert_eq!(text(&external, "k").await, Err(LookupError::TimedOut(Duration::from_secs(5))));
        assert_eq!(begin.elapsed(), Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn limit_questions_under_way_wait_for_a_place() {
        let (database, external) = external();
        database.is_silent.store(true, Ordering::Relaxed);
        let external = Arc::new(external);
        let many: Vec<_> = (0..MAX_QUESTIONS * 2)
            .map(|number| {
                let external = Arc::clone(&external);
                tokio::spawn(async move { text(&external, &number.to_string()).await })
            })
            .collect();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(database.asked(), MAX_QUESTIONS);
        for one in many {
            assert!(one.await.unwrap().is_err());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn limit_made_up_keys_push_no_entry_out() {
        let (database, external) = external();
        text(&external, "k").await.unwrap();
        for number in 0..MAX_ANSWERS + 10 {
            external.cache().keep(&number.to_string(), None);
        }
        assert_eq!(external.cache().absent.len(), MAX_ANSWERS);
        database.asked();
        assert!(text(&external, "k").await.unwrap().is_some());
        assert_eq!(database.asked(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn limit_a_large_entry_is_a_failure() {
        let (database, external) = external();
        database.set(&"x".repeat(MAX_ENTRY + 1));
        assert!(matches!(text(&external, "k").await, Err(LookupError::Failed(_))));
    }
}
