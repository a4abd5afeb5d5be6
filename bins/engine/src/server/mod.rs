//! The life of the daemon: open sockets, accept, bound, stop.
//!
//! ```text
//!  Server::bind ─► listening sockets ─► run ─► one accept loop a socket ─► one task a connection
//!                                        │
//!                                      stop ─► no new connections; idle ones end; messages in flight get their answer
//! ```
//!
//! Each connection gets the [`Setup`] of the moment it was accepted. [`Handle::replace`] swaps it for later ones: nothing changes
//! in the middle of a session.
//!
//! Invariants: never more connections are served than `limits.connections`, over all sockets (further ones wait in their socket's
//! queue, one a socket in its loop); a panic in a connection ends that connection and is logged; after the stop signal nothing lasts
//! longer than `limits.stop`.

mod listen;

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinError, JoinSet};

pub use self::listen::{ListenError, Listening, SocketFile};
use crate::config::Listener;
pub use crate::connection::Setup;
use crate::connection::{Connection, PROGRESS, Stream, Surroundings};
use crate::crypto_pool::CryptoPool;
use crate::logging::Logger;

/// Pause after an `accept` that failed for want of resources.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The daemon with its sockets open.
#[derive(Debug)]
pub struct Server {
    sockets: Vec<(Arc<Listener>, Listening)>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    setup: ArcSwap<Setup>,
    surroundings: Surroundings,
    connections: Arc<Semaphore>,
}

/// Reaches into a running daemon.
#[derive(Clone, Debug)]
pub struct Handle {
    shared: Arc<Shared>,
}

/// Where a socket is, as the system sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalAddress {
    /// TCP, with the port that was given for port 0.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl Server {
    /// Opens every socket of the configuration.
    ///
    /// # Errors
    ///
    /// [`ListenError`] of the first one that cannot be opened; none is open then.
    pub async fn bind(setup: Setup, logger: Logger) -> Result<Self, ListenError> {
        let mut sockets = Vec::new();
        for listener in &setup.rules.config().listeners {
            let listener = Arc::new(listener.clone());
            for socket in listen::listen(&listener).await? {
                sockets.push((Arc::clone(&listener), socket));
            }
        }
        let most = setup.rules.config().limits.connections.clamp(1, Semaphore::MAX_PERMITS);
        let surroundings = Surroundings {
            logger,
            pool: CryptoPool::for_this_machine(),
            host_name: host_name().into(),
            progress: PROGRESS,
            told_about_spaces: Arc::default(),
        };
        let shared =
            Shared { setup: ArcSwap::from_pointee(setup), surroundings, connections: Arc::new(Semaphore::new(most)) };
        Ok(Self { sockets, shared: Arc::new(shared) })
    }

    /// Where the daemon can be reached.
    #[must_use]
    pub fn addresses(&self) -> Vec<LocalAddress> {
        self.sockets.iter().filter_map(|(_, socket)| socket.address()).collect()
    }

    /// A handle to change what later connections work with.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle { shared: Arc::clone(&self.shared) }
    }

    /// Serves until `stop` is done, and then until messages in flight are, at most `limits.stop`.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let (stopping, stopped) = watch::channel(false);
        let domains = self.shared.setup.load().rules.config().domains.rules().len();
        tracing::info!(version = env!("CARGO_PKG_VERSION"), domains, "started");
        let mut loops = JoinSet::new();
        for (listener, socket) in self.sockets {
            tracing::info!(listener = %listener.socket, mode = %listener.mode, "listening");
            loops.spawn(accept_loop(listener, socket, Arc::clone(&self.shared), stopped.clone()));
        }
        stop.await;
        let patience = self.shared.setup.load().rules.config().limits.stop;
        tracing::info!("stopping");
        let _ = stopping.send(true);
        if tokio::time::timeout(patience, async { while loops.join_next().await.is_some() {} }).await.is_err() {
            tracing::warn!("messages in flight did not finish within {} s and are given up", patience.as_secs());
            loops.shutdown().await;
        }
    }
}

impl Handle {
    /// Gives later connections another setup. Sockets stay as they are.
    pub fn replace(&self, setup: Setup) {
        self.shared.setup.store(Arc::new(setup));
    }
}

/// Waits for SIGTERM or SIGINT. A second one ends the process at once.
///
/// # Errors
///
/// When the system lets no handler be set.
pub fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            std::process::exit(EXIT_INTERRUPTED);
        });
    })
}

/// The exit code after a second stop signal: 128 and SIGINT, as shells have it.
const EXIT_INTERRUPTED: i32 = 130;

async fn accept_loop(listener: Arc<Listener>, socket: Listening, shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let mut tasks = JoinSet::new();
    let is_stopping = |stop: &watch::Receiver<bool>| *stop.borrow();
    let mut waiting = None;
    while !is_stopping(&stop) {
        tokio::select! {
            biased;
            changed = stop.changed() => {
                if changed.is_err() {
                    break;
                }
            }
            Some(ended) = tasks.join_next() => note_end(ended, &listener),
            // Only who has a client takes one of the places, which all sockets share: an idle socket must not hold one back.
            free = Arc::clone(&shared.connections).acquire_owned(), if waiting.is_some() => {
                if let (Ok(permit), Some(stream)) = (free, waiting.take()) {
                    start(stream, permit, &listener, &shared, &stop, &mut tasks);
                }
            }
            // One client beyond the limit waits here, the others stay in the socket's queue, where they cost us nothing.
            accepted = socket.accept(), if waiting.is_none() => match accepted {
                Ok(stream) => waiting = Some(stream),
                Err(error) => {
                    tracing::warn!(listener = %listener.socket, "cannot accept a connection: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(waiting);
    // The socket goes first: from here on clients are refused.
    drop(socket);
    while let Some(ended) = tasks.join_next().await {
        note_end(ended, &listener);
    }
}

fn start(
    stream: Stream,
    permit: OwnedSemaphorePermit,
    listener: &Arc<Listener>,
    shared: &Shared,
    stop: &watch::Receiver<bool>,
    tasks: &mut JoinSet<()>,
) {
    let setup = shared.setup.load_full();
    // After a reload this socket may have another mode or trust rule; one that is configured no more keeps its own.
    let same = |current: &&Listener| current.socket == listener.socket;
    let is_unchanged = setup.rules.config().listeners.iter().any(|current| *current == **listener);
    let changed = setup.rules.config().listeners.iter().find(same).filter(|_| !is_unchanged);
    let listener = changed.map_or_else(|| Arc::clone(listener), |new| Arc::new(new.clone()));
    let surroundings = shared.surroundings.clone();
    tasks.spawn(Connection::new(stream, setup, listener, surroundings, stop.clone(), Some(permit)).serve());
}

fn note_end(ended: Result<(), JoinError>, listener: &Listener) {
    if let Err(error) = ended {
        // What could answer the MTA has done so already; this is the last wall. The panic hook has logged the place.
        tracing::error!(listener = %listener.socket, "a connection ended in a fault: {error}");
    }
}

/// The name of this host, for the MTA that tells none and a configuration that names none.
fn host_name() -> String {
    let system = nix::sys::utsname::uname();
    let name = system.as_ref().ok().and_then(|system| system.nodename().to_str());
    name.filter(|name| !name.is_empty()).unwrap_or("localhost").to_owned()
}
