//! The signals that the daemon answers to.

use std::future::Future;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The exit code after a second stop signal: 128 and SIGINT, as shells have it.
const EXIT_INTERRUPTED: i32 = 130;

/// Waits for SIGTERM or SIGINT. A second one ends the process at once.
///
/// # Errors
///
/// When the system lets no handler be set.
pub fn stop_signal() -> io::Result<impl Future<Output = ()>> {
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

/// SIGHUP, as daemons have it, and SIGUSR1, as OpenDKIM has it.
#[derive(Debug)]
pub struct ReloadSignal {
    hang_up: Signal,
    user: Signal,
}

impl ReloadSignal {
    /// Takes both signals over: from now on neither ends the process.
    ///
    /// # Errors
    ///
    /// When the system lets no handler be set.
    pub fn new() -> io::Result<Self> {
        Ok(Self { hang_up: signal(SignalKind::hangup())?, user: signal(SignalKind::user_defined1())? })
    }

    /// The next one. Signals that come while nobody waits count as one.
    pub async fn recv(&mut self) {
        tokio::select! {
            Some(()) = self.hang_up.recv() => {}
            Some(()) = self.user.recv() => {}
            // The runtime takes no more signals: it ends.
            else => std::future::pending().await,
        }
        // The other one may have come as well.
        tokio::select! {
            biased;
            _ = self.hang_up.recv() => {}
            _ = self.user.recv() => {}
            () = std::future::ready(()) => {}
        }
    }
}
