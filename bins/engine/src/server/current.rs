//! What is in force: the setup, and which listener each place belongs to. One value, so that nobody sees parts of two.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{mpsc, watch};

use super::accept::CloseRequest;
use super::listen::Listening;
use crate::config::Listener;
use crate::connection::Setup;

/// Tells places apart, also those with the same address (port 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PlaceId(u64);

/// A configured listener with its sockets: one, or one for each address of a host name.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) id: PlaceId,
    pub(super) listener: Arc<Listener>,
    /// Those without a loop yet.
    pub(super) sockets: Vec<Listening>,
    /// One for each loop.
    pub(super) closers: Vec<mpsc::Sender<CloseRequest>>,
}

impl Place {
    pub(super) fn new(listener: &Listener, sockets: Vec<Listening>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = PlaceId(NEXT.fetch_add(1, Ordering::Relaxed));
        Self { id, listener: Arc::new(listener.clone()), sockets, closers: Vec::new() }
    }

    /// The same place with the mode and the trust of `listener`.
    pub(super) fn with_listener(&self, listener: &Listener) -> Self {
        Self { id: self.id, listener: Arc::new(listener.clone()), sockets: Vec::new(), closers: Vec::new() }
    }
}

/// What later connections work with.
#[derive(Clone, Debug)]
pub(super) struct Current {
    pub(super) setup: Arc<Setup>,
    listeners: Arc<HashMap<PlaceId, Arc<Listener>>>,
}

impl Current {
    pub(super) fn new(setup: Arc<Setup>, places: &[Place]) -> Self {
        let listeners = places.iter().map(|place| (place.id, Arc::clone(&place.listener)));
        Self { setup, listeners: Arc::new(listeners.collect()) }
    }

    /// The listener of a place, while it has one.
    pub(super) fn listener(&self, place: PlaceId) -> Option<&Arc<Listener>> {
        self.listeners.get(&place)
    }
}

/// Follows what is installed; see [`Handle::follow`](super::Handle::follow).
#[derive(Clone, Debug)]
pub struct Installed(watch::Receiver<Current>);

impl Installed {
    pub(super) fn new(mut current: watch::Receiver<Current>) -> Self {
        current.mark_changed();
        Self(current)
    }

    /// The setup that is in force, at once the first time and later when another one is installed; what was replaced in the meantime
    /// is passed over. `None` when the daemon has ended.
    pub async fn next(&mut self) -> Option<Arc<Setup>> {
        self.0.changed().await.ok()?;
        Some(Arc::clone(&self.0.borrow_and_update().setup))
    }
}
