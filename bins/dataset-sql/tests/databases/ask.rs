//! Opening and asking, as the engine does.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dataset_sql::Databases;
use engine::config::diagnostics::Location;
use engine::config::{Diagnostics, Sourced};
use engine::dataset::{Dataset, ExternalSpec, Lookup, LookupError, OpenOptions, Opener, Reading, Spec};

pub(crate) fn spec(text: &str) -> ExternalSpec {
    let Ok(Spec::External(spec)) = Spec::parse(text) else { panic!("{text} is no external data set") };
    spec
}

/// The lookup alone, without the engine's cache and time limit.
pub(crate) fn open(text: &str) -> Arc<dyn Lookup> {
    open_with(text, &OpenOptions::default())
}

pub(crate) fn open_with(text: &str, options: &OpenOptions) -> Arc<dyn Lookup> {
    Databases.open(&spec(text), options).unwrap()
}

/// The data set as the daemon has it.
pub(crate) fn dataset(text: &str, timeout: Duration) -> Dataset {
    let option = Sourced { value: text.to_owned(), at: Location::whole(Path::new("opendkim.conf")) };
    let options = OpenOptions { timeout, ..OpenOptions::default() };
    let mut found = Diagnostics::default();
    let set = Dataset::open(&option, Reading::USUAL, &Databases, &options, &mut found);
    set.unwrap_or_else(|| panic!("{found}"))
}

/// The fields under a key.
pub(crate) async fn fields(lookup: &Arc<dyn Lookup>, key: &str) -> Option<Vec<String>> {
    let shown: String = key.chars().take(60).collect();
    lookup.look_up(key).await.unwrap_or_else(|error| panic!("{shown:?}: {error}"))
}

/// The error, which is no answer to come later.
pub(crate) async fn failure(lookup: &Arc<dyn Lookup>, key: &str) -> String {
    match lookup.look_up(key).await {
        Err(LookupError::Failed(text)) => text,
        other => panic!("{other:?}"),
    }
}

/// What the engine says to a slow server: its time limit, about as soon as that; and that the next question is answered again.
pub(crate) async fn slow_is_cut(slow: &str, quick: &str, slow_key: &str, key: &str) {
    const LIMIT: Duration = Duration::from_millis(700);
    let set = dataset(slow, LIMIT);
    let begin = std::time::Instant::now();
    assert_eq!(set.look_up(slow_key).await.unwrap_err(), LookupError::TimedOut(LIMIT));
    let took = begin.elapsed();
    assert!(took >= LIMIT && took < LIMIT + Duration::from_millis(1500), "{took:?}");
    assert!(dataset(quick, Duration::from_secs(5)).contains(key).await.unwrap());
    if slow == quick {
        // Over a new connection: the late answer meets no other question.
        assert!(set.contains(key).await.unwrap());
    }
}

/// Lets the answers of the engine's cache grow old.
pub(crate) async fn wait_until_stale() {
    tokio::time::pause();
    tokio::time::advance(engine::dataset::FRESH_FOR + Duration::from_secs(1)).await;
    tokio::time::resume();
}

/// While the database is away, the last answer serves, and there is an error for what was never asked; back again, it answers without us doing anything.
///
/// `set` and `lookup` ask the same table, whose entry `known` has a value, and `other` too; `stop` and `start` are the server's.
pub(crate) async fn goes_and_comes<S>(
    set: &Dataset,
    lookup: &Arc<dyn Lookup>,
    (known, other): (&str, &str),
    server: S,
    stop: impl AsyncFnOnce(S),
    start: impl AsyncFnOnce() -> S,
) -> S {
    let before = set.look_up(known).await.unwrap().unwrap();
    assert!(fields(lookup, known).await.is_some());
    stop(server).await;
    wait_until_stale().await;
    assert_eq!(set.look_up(known).await.unwrap(), Some(before.clone()), "the last good answer");
    assert!(matches!(set.look_up(other).await, Err(LookupError::Failed(_))), "never asked before");
    let begin = std::time::Instant::now();
    failure(lookup, known).await;
    assert!(begin.elapsed() < Duration::from_secs(2), "that nobody listens is told at once");
    let server = start().await;
    assert!(fields(lookup, known).await.is_some(), "the same lookup answers again");
    assert!(set.look_up(other).await.unwrap().is_some());
    wait_until_stale().await;
    assert_eq!(set.look_up(known).await.unwrap(), Some(before));
    server
}
