//! The life of the daemon, from what it was started with to its end: read, lock, log, listen, serve, reload, stop.
//!
//! A state folder that nobody named and that cannot be made (a read-only file system, a working folder that belongs to somebody else) is
//! done without, with a warning: nothing but keys and the journal is kept there, and whoever wants keys made gets an error. A folder that was named, in the
//! configuration or on the command line, has to be there. That another daemon has it is an error in any case.

use std::path::{Path, PathBuf};
use std::time::Duration;

use dkim_core::UnixTime;
use jiff::Timestamp;

use crate::config::{Config, Diagnostics};
use crate::descriptors;
use crate::enforcement;
use crate::journal::{Journal, JournalThread};
use crate::known_domains;
use crate::logging;
use crate::message::dmarc::KnownDomains;
use crate::reload::Reloader;
use crate::server::notify::{State, notify};
use crate::server::{ReloadSignal, Server, stop_signal};
use crate::start::{CONFIG, Prepared, Request, Source, UNAVAILABLE, prepare};
use crate::state_lock::{StateLock, StateLockError};

/// How long the end waits for the journal to be written: as long as a disk that is well may take for a full queue.
const JOURNAL_PATIENCE: Duration = Duration::from_secs(5);

/// How long the end waits for log lines to be written.
const LOG_PATIENCE: Duration = Duration::from_secs(1);

/// A daemon that has read everything and opened nothing.
#[derive(Debug)]
pub struct Daemon {
    request: Request,
    prepared: Prepared,
    /// The lock on the state folder, or why there is none.
    state: Result<StateLock, StateLockError>,
}

/// Why a daemon does not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    /// For people.
    pub text: String,
    /// The exit code of the process.
    pub code: u8,
}

/// Reads everything, opens and locks nothing: the findings, when it could be used. A quick start with domains makes the keys that are missing.
///
/// # Errors
///
/// The findings, when it could not.
pub fn check(request: &Request) -> Result<Diagnostics, Diagnostics> {
    let Prepared { findings, .. } = prepare(request, None)?;
    if findings.has_errors() { Err(findings) } else { Ok(findings) }
}

/// Runs a daemon's life in a tokio runtime of its own, and returns as soon as that is over: a reload that hangs in a file system holds up
/// nobody who waits for the end.
///
/// # Errors
///
/// [`Failure`]: that of `life`, or a system that gives no threads.
pub fn in_runtime<T>(life: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| unavailable(&error))?;
    let ended = runtime.block_on(life);
    runtime.shutdown_background();
    ended
}

impl Daemon {
    /// Reads everything and takes the state folder. Call it inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`Failure`]: a configuration that cannot be used, or a state folder that is another daemon's.
    pub fn prepare(request: Request) -> Result<Self, Failure> {
        Self::prepare_then(request, || Ok(()))
    }

    /// As [`prepare`](Self::prepare); `then` is called when everything is read and, unless this is a quick start, nothing is written: the time to become
    /// another user.
    ///
    /// # Errors
    ///
    /// As [`prepare`](Self::prepare), and what `then` says.
    pub fn prepare_then(request: Request, then: impl FnOnce() -> Result<(), Failure>) -> Result<Self, Failure> {
        // Before the resolver counts on them.
        descriptors::raise();
        // A quick start writes into the folder, so it takes it first.
        let early = match &request.source {
            Source::Quickstart { state_dir, .. } => Some(StateLock::take(&request.state_dir(state_dir))),
            Source::File(_) | Source::OldFiles { .. } => None,
        };
        if let Some(Err(error @ StateLockError::InUse { .. })) = early {
            return Err(unavailable(&error));
        }
        let mut prepared =
            prepare(&request, None).map_err(|findings| Failure { text: findings.to_string(), code: CONFIG })?;
        then()?;
        if let Some(ways) = prepared.setup.rules.ways() {
            ways.tell_of_keys(&mut prepared.findings);
        }
        let folder = &prepared.setup.rules.config().state_dir;
        let state = early.unwrap_or_else(|| StateLock::take(folder));
        match &state {
            Err(error) if matches!(error, StateLockError::InUse { .. }) || is_named(&request, folder) => {
                Err(unavailable(error))
            }
            _ => Ok(Self { request, prepared, state }),
        }
    }

    /// Warnings, and errors of single keys.
    #[must_use]
    pub fn findings(&self) -> &Diagnostics {
        &self.prepared.findings
    }

    /// After a quick start: what to publish and what to write into Postfix's configuration.
    #[must_use]
    pub fn instructions(&self) -> &str {
        self.prepared.instructions.as_deref().unwrap_or_default()
    }

    /// Serves mail until a signal ends it.
    ///
    /// # Errors
    ///
    /// [`Failure`]: a socket that cannot be listened on, or a part of the system that is missing.
    pub async fn run(self) -> Result<(), Failure> {
        self.run_under(std::future::pending(), || Ok(())).await
    }

    /// As [`run`](Self::run), until `leave` is over or a signal ends it; `ready` is called when all sockets are open.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), and what `ready` says.
    pub async fn run_under(
        self,
        leave: impl Future<Output = ()>,
        ready: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let Self { request, prepared: Prepared { setup, .. }, state } = self;
        let log = logging::install(&setup.rules.config().log).map_err(|error| unavailable(&error))?;
        descriptors::check(setup.rules.config().limits.connections);
        // Before anything is open: from here on a signal to reload does not end the process.
        let reload = ReloadSignal::new().map_err(|error| unavailable(&error))?;
        let stop = stop_signal().map_err(|error| unavailable(&error))?;
        if let Err(error) = &state {
            tracing::warn!("working without a state folder: {error}");
        }
        let (state_dir, steps) = (setup.rules.config().state_dir.clone(), setup.rules.steps().clone());
        // Without a state folder there are no steps either.
        if state.is_ok() {
            enforcement::watch::first(&state_dir, &steps).map_err(|error| {
                unavailable(&format!("{error}; mend the file, or remove it to begin anew with `postseal enforce`"))
            })?;
        }
        let keeping = open_journal(&request, setup.rules.config())?;
        let journal = keeping.as_ref().map_or_else(Journal::disabled, JournalThread::journal);
        if keeping.is_some() {
            remember(setup.rules.config().journal.folder(&state_dir), setup.rules.known_domains().clone());
        }
        let server = Server::bind_with_journal(setup, log.logger(), journal.clone());
        let server = match server.await {
            Ok(server) => server,
            Err(error) => {
                // Nothing was served: nothing is left behind.
                keeping.map(|keeping| keeping.finish(JOURNAL_PATIENCE));
                return Err(unavailable(&error));
            }
        };
        if let Err(failure) = ready() {
            keeping.map(|keeping| keeping.finish(JOURNAL_PATIENCE));
            return Err(failure);
        }
        notify(&State::Ready("serving"));
        let enforcing = tokio::spawn(enforcement::watch::run(state_dir, steps));
        let handle = server.handle();
        let source = request.source.clone();
        logging::starting(&source);
        let reloading = tokio::spawn(Reloader::new(request, server.handle()).run(reload));
        server
            .run(async {
                tokio::select! {
                    () = stop => {}
                    () = leave => {}
                }
                // What a reload had to say would be the last word behind "stopping".
                reloading.abort();
                enforcing.abort();
                notify(&State::Stopping);
            })
            .await;
        let is_whole = keeping.is_none_or(|keeping| keeping.finish(JOURNAL_PATIENCE));
        if !is_whole || journal.lost() > 0 {
            tracing::error!(lost = journal.lost(), is_whole, "the journal lacks records of this run");
        }
        let setup = handle.setup();
        if let Some(history) = setup.rules.opendmarc().and_then(|ways| ways.history()) {
            let is_whole = history.finish(JOURNAL_PATIENCE);
            if !is_whole || history.lost() > 0 {
                tracing::error!(lost = history.lost(), is_whole, "the history file lacks records of this run");
            }
        }
        if let Some(failures) = setup.rules.failures() {
            let is_whole = failures.finish(JOURNAL_PATIENCE);
            if !is_whole || failures.lost() > 0 {
                tracing::error!(lost = failures.lost(), is_whole, "failures of this run will not be reported");
            }
        }
        logging::terminating(&source);
        log.finish(LOG_PATIENCE);
        // Not before the last message is done.
        drop(state);
        Ok(())
    }
}

/// Opens the journal, where one is wanted. One in a folder that nobody named is done without, like the state folder.
fn open_journal(request: &Request, config: &Config) -> Result<Option<JournalThread>, Failure> {
    if !config.journal.enabled {
        return Ok(None);
    }
    let settings = config.journal.settings(&config.state_dir);
    match JournalThread::spawn(settings) {
        Ok(thread) => Ok(Some(thread)),
        Err(error) if config.journal.folder.is_some() || is_named(request, &config.state_dir) => {
            let fix = "name another one in `[journal] folder`, or set `enabled = false`";
            Err(unavailable(&format!("{error}: {}; {fix}", error.source)))
        }
        Err(error) => {
            tracing::warn!("working without a journal: {error}: {}", error.source);
            Ok(None)
        }
    }
}

/// Counts which domains were known before, on a thread of its own: nothing waits for it.
fn remember(journal: PathBuf, known: KnownDomains) {
    let start = UnixTime::from_secs(Timestamp::now().as_second().try_into().unwrap_or(0));
    tokio::task::spawn_blocking(move || match known_domains::count(&journal, &known, start) {
        Ok(messages) => tracing::debug!(messages, "domains known from the journal"),
        Err(error) => tracing::warn!("domains known before are not read from the journal: {error}"),
    });
}

/// Whether somebody chose this folder.
fn is_named(request: &Request, folder: &Path) -> bool {
    folder != request.state_dir(&Config::default().state_dir)
}

fn unavailable(error: &dyn std::fmt::Display) -> Failure {
    Failure { text: error.to_string(), code: UNAVAILABLE }
}
