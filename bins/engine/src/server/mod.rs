//! The life of the daemon: open sockets, accept, bound, install, stop.
//!
//! ```text
//!  Server::bind ─► listening sockets ─► run ─► one accept loop a socket ─► one task a connection
//!                                        ▲ │
//!             Handle::install ───────────┘ └─ stop ─► no new connections; idle ones end; messages in flight get their answer
//! ```
//!
//! Each connection has the [`Setup`] of the moment it was accepted, to its end. [`Handle::install`] gives later ones another: sockets
//! that are new are opened first, those that are gone are closed, then everything changes at once. When a socket cannot be opened nothing
//! changes. [`Handle::follow`] is the place for whoever has to know what is installed.
//!
//! Invariants: no message sees parts of two setups; never more connections are served than `limits.connections`, over all sockets
//! (further ones wait in their socket's queue, one a socket in its loop); a panic in a connection ends that connection and is logged;
//! after the stop signal nothing lasts longer than `limits.stop`.

mod accept;
mod current;
mod listen;
pub mod notify;
mod passed;
mod signals;

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinSet;

use self::accept::{Accepting, CloseRequest};
pub use self::current::Installed;
use self::current::{Current, Place};
pub use self::listen::{ListenError, Listening, SocketFile};
use self::passed::PassedSockets;
pub use self::signals::{ReloadSignal, stop_signal};
use crate::config::{Config, Listener};
pub use crate::connection::Setup;
use crate::connection::{PROGRESS, Surroundings};
use crate::crypto_pool::CryptoPool;
use crate::journal::Journal;
use crate::key_watch::{self, KeyCounters};
use crate::logging::Logger;
use crate::socket_address::SocketAddress;

/// The daemon with its sockets open.
#[derive(Debug)]
pub struct Server {
    places: Vec<Place>,
    passed: PassedSockets,
    shared: Arc<Shared>,
    handle: Handle,
    requests: mpsc::Receiver<Request>,
}

/// What all accept loops share.
#[derive(Debug)]
struct Shared {
    current: watch::Sender<Current>,
    surroundings: Surroundings,
    connections: Arc<Semaphore>,
}

/// Reaches into a running daemon.
#[derive(Clone, Debug)]
pub struct Handle {
    requests: mpsc::Sender<Request>,
    current: watch::Receiver<Current>,
    keys: Arc<KeyCounters>,
}

/// A setup to install, and where to say what became of it.
#[derive(Debug)]
struct Request {
    setup: Arc<Setup>,
    done: oneshot::Sender<Result<(), ListenError>>,
}

/// Why a setup was not installed; the old one is still in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// A new socket cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The daemon stops.
    #[error("the daemon stops")]
    Stopping,
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
        Self::bind_with_journal(setup, logger, Journal::disabled()).await
    }

    /// As [`bind`](Self::bind), with a journal of what is decided on each message.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    pub async fn bind_with_journal(setup: Setup, logger: Logger, journal: Journal) -> Result<Self, ListenError> {
        let setup = Arc::new(setup);
        let passed = PassedSockets::take();
        let opened = open(setup.rules.config(), &[], &passed).await?;
        for (index, name) in passed.names().enumerate().filter(|(index, _)| !opened.uses_passed.contains(index)) {
            tracing::warn!(descriptor = index, name, "the service manager passed a socket that no listener uses");
        }
        let most = places_for_connections(setup.rules.config());
        let surroundings = Surroundings {
            logger,
            journal,
            pool: CryptoPool::for_this_machine(),
            host_name: host_name().into(),
            progress: PROGRESS,
            told_about_spaces: Arc::default(),
        };
        let current = watch::Sender::new(Current::new(setup, &opened.places));
        let (requests, receiver) = mpsc::channel(1);
        let handle = Handle { requests, current: current.subscribe(), keys: Arc::default() };
        let shared = Shared { current, surroundings, connections: Arc::new(Semaphore::new(most)) };
        Ok(Self { places: opened.places, passed, shared: Arc::new(shared), handle, requests: receiver })
    }

    /// Where the daemon can be reached.
    #[must_use]
    pub fn addresses(&self) -> Vec<LocalAddress> {
        self.places.iter().flat_map(|place| &place.sockets).filter_map(Listening::address).collect()
    }

    /// A handle to change what later connections work with.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Serves until `stop` is done, and then until messages in flight are, at most `limits.stop`.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let (stopping, stopped) = watch::channel(false);
        let mut loops = JoinSet::new();
        for place in &mut self.places {
            serve(place, &self.shared, &stopped, &mut loops);
        }
        let domains = self.handle.setup().rules.config().domains.rules().len();
        tracing::info!(version = env!("CARGO_PKG_VERSION"), domains, "started");
        let watching = tokio::spawn(key_watch::run(self.handle.follow(), Arc::clone(&self.handle.keys)));
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(Request { setup, done }) = self.requests.recv() => {
                    // Only this may take time, and it can be given up at any point: nothing has changed yet.
                    let opened = tokio::select! {
                        biased;
                        () = &mut stop => break,
                        opened = open(setup.rules.config(), &self.places, &self.passed) => opened,
                    };
                    let installed = match opened {
                        Ok(opened) => {
                            self.install(setup, opened, &stopped, &mut loops).await;
                            Ok(())
                        }
                        Err(error) => Err(error),
                    };
                    let _ = done.send(installed);
                }
                // Loops of sockets that were closed, once their last connection is gone.
                Some(ended) = loops.join_next() => if let Err(error) = ended {
                    tracing::error!("a socket is served no longer, its loop ended in a fault: {error}");
                },
            }
        }
        let patience = self.handle.setup().rules.config().limits.stop;
        tracing::info!("stopping");
        watching.abort();
        self.requests.close();
        let _ = stopping.send(true);
        if tokio::time::timeout(patience, async { while loops.join_next().await.is_some() {} }).await.is_err() {
            tracing::warn!("messages in flight did not finish within {} s and are given up", patience.as_secs());
            loops.shutdown().await;
        }
    }

    /// From here on nothing can fail: closes what is gone, changes the setup for all sockets at once, serves what is new.
    async fn install(
        &mut self,
        setup: Arc<Setup>,
        opened: Opened,
        stopped: &watch::Receiver<bool>,
        loops: &mut JoinSet<()>,
    ) {
        let stays = |place: &Place| opened.places.iter().any(|new| new.id == place.id);
        for place in self.places.iter().filter(|place| !stays(place)) {
            for close in &place.closers {
                let (closed, is_closed) = oneshot::channel();
                // A loop that is gone has closed its socket already.
                if close.send(CloseRequest { closed }).await.is_ok() {
                    let _ = is_closed.await;
                }
            }
            let listener = &place.listener.socket;
            if matches!(listener, SocketAddress::Passed(_)) {
                // Ours is closed, the service manager's is not.
                tracing::warn!(%listener, "no longer served; clients wait until the socket unit is stopped");
            } else {
                tracing::info!(%listener, "no longer listening");
            }
        }
        let mut places = opened.places;
        for place in &mut places {
            if let Some(old) = self.places.iter_mut().find(|old| old.id == place.id) {
                place.closers = std::mem::take(&mut old.closers);
            }
        }
        let before = places_for_connections(self.handle.setup().rules.config());
        change_places(&self.shared.connections, before, places_for_connections(setup.rules.config()));
        setup.rules.take_over_standings(&self.handle.current.borrow().setup.rules);
        self.shared.current.send_replace(Current::new(setup, &places));
        for place in &mut places {
            serve(place, &self.shared, stopped, loops);
        }
        self.places = places;
    }
}

impl Handle {
    /// Gives later connections another setup, and opens and closes sockets so that those of its configuration are served. Connections
    /// that are open go on with what they have. Calls at the same time are installed one after the other.
    ///
    /// # Errors
    ///
    /// [`InstallError`]; nothing has changed then.
    pub async fn install(&self, setup: Setup) -> Result<(), InstallError> {
        let (done, answer) = oneshot::channel();
        let request = Request { setup: Arc::new(setup), done };
        self.requests.send(request).await.map_err(|_closed| InstallError::Stopping)?;
        match answer.await {
            Ok(installed) => Ok(installed?),
            Err(_gone) => Err(InstallError::Stopping),
        }
    }

    /// The setup that is in force.
    #[must_use]
    pub fn setup(&self) -> Arc<Setup> {
        Arc::clone(&self.current.borrow().setup)
    }

    /// What came of comparing our keys with the DNS, in numbers.
    #[must_use]
    pub fn key_counters(&self) -> Arc<KeyCounters> {
        Arc::clone(&self.keys)
    }

    /// What is installed now and at every reload from now on: the one place to hook in whatever depends on the configuration and is no
    /// part of a connection.
    #[must_use]
    pub fn follow(&self) -> Installed {
        Installed::new(self.current.clone())
    }
}

/// Sockets for a configuration.
struct Opened {
    places: Vec<Place>,
    /// Numbers of the passed sockets among them.
    uses_passed: Vec<usize>,
}

/// Finds or opens a place for each listener of a configuration. Places that are there are taken over without their sockets, which stay
/// with their loops; a socket counts as the same when its address is configured the same.
async fn open(config: &Config, open: &[Place], passed: &PassedSockets) -> Result<Opened, ListenError> {
    passed.claimed_twice(config.listeners.iter().map(|listener| &listener.socket))?;
    let mut places: Vec<Place> = Vec::new();
    let mut uses_passed = Vec::new();
    for listener in &config.listeners {
        let is_free = |place: &&Place| places.iter().all(|taken| taken.id != place.id);
        let same = open.iter().filter(is_free).find(|place| place.listener.socket == listener.socket);
        let place = match same {
            Some(place) => place.with_listener(listener),
            None => Place::new(listener, listen::listen(listener, passed).await?),
        };
        if let SocketAddress::Passed(which) = &listener.socket {
            uses_passed.extend(passed.indices(which)?);
        }
        places.push(place);
    }
    Ok(Opened { places, uses_passed })
}

/// Starts a loop for each socket of a place that has none yet.
fn serve(place: &mut Place, shared: &Arc<Shared>, stopped: &watch::Receiver<bool>, loops: &mut JoinSet<()>) {
    let Listener { socket: address, mode, .. } = &*place.listener;
    for socket in place.sockets.drain(..) {
        tracing::info!(listener = %address, %mode, "listening");
        let (closer, close) = mpsc::channel(1);
        place.closers.push(closer);
        let accepting =
            Accepting::new(place.id, Arc::clone(&place.listener), socket, Arc::clone(shared), stopped.clone(), close);
        loops.spawn(accepting.run());
    }
}

fn places_for_connections(config: &Config) -> usize {
    config.limits.connections.clamp(1, Semaphore::MAX_PERMITS)
}

/// Follows a change of `limits.connections`. Fewer: places are taken away as connections end, ahead of clients that wait.
fn change_places(connections: &Arc<Semaphore>, before: usize, after: usize) {
    connections.add_permits(after.saturating_sub(before));
    if let Ok(fewer) = u32::try_from(before.saturating_sub(after))
        && fewer > 0
    {
        let taken = Arc::clone(connections).acquire_many_owned(fewer);
        tokio::spawn(async move {
            if let Ok(taken) = taken.await {
                taken.forget();
            }
        });
    }
}

/// The name of this host, for the MTA that tells none and a configuration that names none.
#[must_use]
pub fn host_name() -> String {
    let system = nix::sys::utsname::uname();
    let name = system.as_ref().ok().and_then(|system| system.nodename().to_str());
    name.filter(|name| !name.is_empty()).unwrap_or("localhost").to_owned()
}
