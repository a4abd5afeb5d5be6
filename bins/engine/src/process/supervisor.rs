//! `AutoRestart`: starts the daemon, and again after a crash.
//!
//! Not again: after a stop, after the daemon's own end with 0, after exit codes that another start would not change (64, 70, 78), and when it ended before
//! it had served at all. SIGTERM and SIGINT stop the daemon and then this process; a second one kills it. SIGHUP and SIGUSR1 are passed on.
//!
//! The daemon stands in a process group of its own and is told to stop by the end of its line, not by a signal: where a terminal or a service manager
//! signals both, it would take the second signal for impatience. When this process is killed, the line ends too, and no daemon is left behind.

use std::collections::VecDeque;
use std::net::Shutdown;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpid};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use tokio::signal::unix::{self, SignalKind, signal};

use super::again::{self, Link, Place};
use super::{Settings, pid_file, unavailable};
use crate::config::old_file::{Process, RestartRate};
use crate::daemon::Failure;
use crate::logging;
use crate::server::notify::{State, notify};
use crate::start::{CONFIG, UNAVAILABLE, USAGE};

/// sysexits: an internal error.
const SOFTWARE: u8 = 70;

/// Exit code after a second stop signal, as the daemon has it.
const INTERRUPTED: u8 = 130;

/// A daemon that lives shorter is not started again at once: without a limit of the rate that would be a busy loop.
const SHORT_LIFE: Duration = Duration::from_secs(1);

/// How long the end waits for log lines to be written.
const LOG_PATIENCE: Duration = Duration::from_secs(1);

/// The signals of a supervisor.
struct Signals {
    /// SIGTERM and SIGINT.
    stop: [unix::Signal; 2],
    /// SIGHUP and SIGUSR1.
    reload: [unix::Signal; 2],
}

/// How a daemon ended.
struct Ended {
    status: ExitStatus,
    /// Whether it was to end.
    stopped: bool,
    /// Whether it ever served.
    served: bool,
}

/// Supervises a daemon until it ends for good: the exit code.
pub(super) async fn run(settings: &Settings, link: Option<Link>, in_background: bool) -> Result<u8, Failure> {
    let log = logging::install(&settings.config.log).map_err(unavailable)?;
    let code = supervise(&settings.process, link, in_background).await;
    if let Some(file) = &settings.process.pid_file {
        let base = settings.process.base_directory.as_ref();
        let path = base.map_or_else(|| file.value.clone(), |base| base.value.join(&file.value));
        pid_file::remove(&path, getpid());
    }
    log.finish(LOG_PATIENCE);
    code
}

async fn supervise(process: &Process, mut link: Option<Link>, in_background: bool) -> Result<u8, Failure> {
    let mut signals = Signals::new().map_err(unavailable)?;
    let mut limits = Limits::of(process);
    loop {
        let started = Instant::now();
        let is_first = limits.restarts == 0;
        let ended = watch(&mut signals, || {
            if !is_first {
                return Ok(());
            }
            if let Some(link) = &mut link {
                link.tell()?;
            }
            // For `Type=notify`, where the service manager hears the main process alone.
            notify(&State::Ready("serving"));
            if in_background { again::leave_output() } else { Ok(()) }
        });
        let ended = ended.await.map_err(unavailable)?;
        let code = ended.status.code().map(|code| u8::try_from(code).unwrap_or(UNAVAILABLE));
        if ended.stopped {
            notify(&State::Stopping);
            return Ok(code.unwrap_or(INTERRUPTED));
        }
        match (code, ended.status.signal()) {
            (Some(0), _) => return Ok(0),
            (Some(code), _) if is_first && !ended.served => return Ok(code),
            (Some(code @ (USAGE | SOFTWARE | CONFIG)), _) => {
                tracing::error!("exited with status {code}");
                return Ok(code);
            }
            (Some(code), _) => tracing::warn!("exited with status {code}, restarting"),
            (None, signal) => tracing::warn!("terminated with signal {}, restarting", signal.unwrap_or_default()),
        }
        if let Err(words) = limits.restart(Instant::now()) {
            tracing::error!("{words}");
            return Ok(UNAVAILABLE);
        }
        if started.elapsed() < SHORT_LIFE {
            tokio::select! {
                () = tokio::time::sleep(SHORT_LIFE) => {}
                () = stop(&mut signals.stop) => return Ok(0),
            }
        }
    }
}

/// Starts a daemon and waits for its end; `ready` is called when it serves.
async fn watch(signals: &mut Signals, ready: impl FnOnce() -> std::io::Result<()>) -> std::io::Result<Ended> {
    let (command, line) = again::command(Place::Supervised)?;
    let mut command = Command::from(command);
    let mut daemon = command.process_group(0).spawn()?;
    drop(command);
    line.set_nonblocking(true)?;
    let (mut ready, mut stopped, mut told) = (Some(ready), false, false);
    let stop_line = line.try_clone()?;
    let mut line = tokio::net::UnixStream::from_std(line)?;
    let mut octet = [0];
    loop {
        let served = ready.is_none();
        tokio::select! {
            status = daemon.wait() => return Ok(Ended { status: status?, stopped, served }),
            read = line.read(&mut octet), if !told => {
                told = true;
                if read.is_ok_and(|octets| octets > 0) && let Some(ready) = ready.take()
                    && let Err(error) = ready() {
                        // Whoever started this is gone before it was told.
                        tracing::error!("stopping: {error}");
                        stopped = true;
                        let _ = stop_line.shutdown(Shutdown::Write);
                    }
            }
            () = stop(&mut signals.stop) => {
                if stopped {
                    daemon.start_kill()?;
                }
                stopped = true;
                let _ = stop_line.shutdown(Shutdown::Write);
            }
            signal = reload(&mut signals.reload) => {
                // Before it serves it has just read what a reload would read, and a signal would end it.
                if served {
                    pass_on(&daemon, signal);
                }
            }
        }
    }
}

/// Not waited for yet, so that the number is still the daemon's.
fn pass_on(daemon: &Child, signal: Signal) {
    if let Some(pid) = daemon.id().and_then(|pid| i32::try_from(pid).ok())
        && let Err(error) = kill(Pid::from_raw(pid), signal)
    {
        tracing::error!("kill({pid}, {signal}): {error}");
    }
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            stop: [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?],
            reload: [signal(SignalKind::hangup())?, signal(SignalKind::user_defined1())?],
        })
    }
}

async fn stop([terminate, interrupt]: &mut [unix::Signal; 2]) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

async fn reload([hang_up, user]: &mut [unix::Signal; 2]) -> Signal {
    tokio::select! {
        _ = hang_up.recv() => Signal::SIGHUP,
        _ = user.recv() => Signal::SIGUSR1,
    }
}

/// `AutoRestartCount` and `AutoRestartRate`.
struct Limits {
    restarts: u32,
    most: u32,
    rate: Option<RestartRate>,
    recent: VecDeque<Instant>,
}

impl Limits {
    fn of(process: &Process) -> Self {
        let rate = process.auto_restart_rate.as_ref().map(|rate| rate.value);
        Self { restarts: 0, most: process.auto_restart_count, rate, recent: VecDeque::new() }
    }

    /// Whether there may be one more, now; if not, OpenDKIM's words.
    fn restart(&mut self, now: Instant) -> Result<(), &'static str> {
        if self.most > 0 && self.restarts >= self.most {
            return Err("maximum restart count exceeded");
        }
        if let Some(rate) = self.rate {
            self.recent.retain(|then| now.saturating_duration_since(*then) < rate.within);
            if self.recent.len() >= usize::try_from(rate.restarts).unwrap_or(usize::MAX) {
                return Err("maximum restart rate exceeded");
            }
            self.recent.push_back(now);
        }
        self.restarts = self.restarts.saturating_add(1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s1_2_restarts_have_a_count_and_a_rate() {
        let start = Instant::now();
        let rate = RestartRate { restarts: 2, within: Duration::from_secs(10) };
        let mut limits = Limits { restarts: 0, most: 0, rate: Some(rate), recent: VecDeque::new() };
        let mut at = |seconds: u64| limits.restart(start + Duration::from_secs(seconds));
        assert_eq!((at(0), at(5)), (Ok(()), Ok(())));
        assert_eq!(at(9), Err("maximum restart rate exceeded"));
        assert_eq!(at(10), Ok(()), "the first one is ten seconds ago");
        let mut limits = Limits { restarts: 0, most: 1, rate: None, recent: VecDeque::new() };
        assert_eq!(limits.restart(start), Ok(()));
        assert_eq!(limits.restart(start), Err("maximum restart count exceeded"));
    }
}
