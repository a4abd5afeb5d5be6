//! One loop a socket: accepts, waits for a place, starts the connection, collects its end.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinSet};

use super::Shared;
use super::current::PlaceId;
use super::listen::Listening;
use crate::config::Listener;
use crate::connection::{Connection, Setup, Stream};

/// Pause after an `accept` that failed for want of resources.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Asks a loop to close its socket; connections that are open go on.
#[derive(Debug)]
pub(super) struct CloseRequest {
    /// Told when the socket is closed.
    pub(super) closed: oneshot::Sender<()>,
}

/// A socket and its loop.
pub(super) struct Accepting {
    place: PlaceId,
    /// As it was when the loop began, for log lines.
    listener: Arc<Listener>,
    /// `None` once it is closed.
    socket: Option<Listening>,
    shared: Arc<Shared>,
    stop: watch::Receiver<bool>,
    close: mpsc::Receiver<CloseRequest>,
    connections: JoinSet<()>,
    /// A client that has no place yet.
    waiting: Option<Client>,
    /// Whether the last `accept` failed.
    cannot_accept: bool,
}

/// A client, with what was in force when it was accepted.
struct Client {
    stream: Stream,
    setup: Arc<Setup>,
    listener: Arc<Listener>,
}

impl Accepting {
    pub(super) fn new(
        place: PlaceId,
        listener: Arc<Listener>,
        socket: Listening,
        shared: Arc<Shared>,
        stop: watch::Receiver<bool>,
        close: mpsc::Receiver<CloseRequest>,
    ) -> Self {
        let (socket, connections) = (Some(socket), JoinSet::new());
        Self { place, listener, socket, shared, stop, close, connections, waiting: None, cannot_accept: false }
    }

    /// Runs until the daemon stops or the socket is closed, and then until the last connection is gone.
    pub(super) async fn run(mut self) {
        while !*self.stop.borrow() && (self.socket.is_some() || self.waiting.is_some()) {
            tokio::select! {
                biased;
                changed = self.stop.changed() => {
                    if changed.is_err() {
                        break;
                    }
                }
                Some(request) = self.close.recv() => {
                    self.socket = None;
                    let _ = request.closed.send(());
                }
                Some(ended) = self.connections.join_next() => note_end(ended, &self.listener),
                // Only who has a client takes one of the places, which all sockets share: an idle socket must not hold one back.
                free = Arc::clone(&self.shared.connections).acquire_owned(), if self.waiting.is_some() => {
                    if let (Ok(permit), Some(client)) = (free, self.waiting.take()) {
                        self.start(client, permit);
                    }
                }
                // One client beyond the limit waits here, the others stay in the socket's queue, where they cost us nothing.
                accepted = accept(self.socket.as_ref()), if self.waiting.is_none() => match accepted {
                    Ok(stream) => {
                        self.cannot_accept = false;
                        self.waiting = self.welcome(stream);
                    }
                    Err(error) => {
                        // Said once, not ten times a second.
                        if !std::mem::replace(&mut self.cannot_accept, true) {
                            tracing::warn!(listener = %self.listener.socket, "cannot accept a connection: {error}");
                        }
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(self.waiting.take());
        // The socket goes first: from here on clients are refused.
        drop(self.socket.take());
        while let Some(ended) = self.connections.join_next().await {
            note_end(ended, &self.listener);
        }
    }

    /// What is in force now is in force for this client to its end.
    fn welcome(&self, stream: Stream) -> Option<Client> {
        let current = self.shared.current.borrow();
        // A place without listener is closed before that shows here.
        let listener = Arc::clone(current.listener(self.place)?);
        Some(Client { stream, setup: Arc::clone(&current.setup), listener })
    }

    fn start(&mut self, client: Client, permit: OwnedSemaphorePermit) {
        let Client { stream, setup, listener } = client;
        let surroundings = self.shared.surroundings.clone();
        let connection = Connection::new(stream, setup, listener, surroundings, self.stop.clone(), Some(permit));
        self.connections.spawn(connection.serve());
    }
}

/// The next connection; never one where there is no socket.
async fn accept(socket: Option<&Listening>) -> std::io::Result<Stream> {
    match socket {
        Some(socket) => socket.accept().await,
        None => std::future::pending().await,
    }
}

fn note_end(ended: Result<(), JoinError>, listener: &Listener) {
    if let Err(error) = ended {
        // What could answer the MTA has done so already; this is the last wall. The panic hook has logged the place.
        tracing::error!(listener = %listener.socket, "a connection ended in a fault: {error}");
    }
}
