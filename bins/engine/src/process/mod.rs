//! The process as OpenDKIM and OpenDMARC run it: in the background, as another user, with a pid file, under a supervisor.
//!
//! ```text
//!  started ─(Background)─► starts itself again, waits until that serves, ends with 0 or with its exit code
//!                             │ setsid
//!                             ├─(AutoRestart)─► supervisor ──► the daemon, again after each crash
//!                             └─(otherwise)───► the daemon
//! ```
//!
//! A fork in Rust would need `unsafe`; a program that starts itself again does not. Each of these processes gets its place by [`PLACE`] and, as its standard input, one end of a
//! socket: an octet in it says that mail is served, its end says that the supervisor is gone or wants the daemon to stop.
//!
//! The order of the daemon: `BaseDirectory`; everything is read, `KeyFile` included; `PidFile` is opened; `UserID`; state folder, sockets; the pid is
//! written; whoever waits is told. So the pid file may stand where root alone may write, and sockets belong to the user. The supervisor
//! stays who it was started as, because it has to start a daemon that reads all of this again; it reads nothing but the configuration files.

mod again;
mod pid_file;
mod supervisor;
mod user;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use self::again::{Link, Place};
use self::pid_file::PidFile;
use self::user::Account;
use crate::config::diagnostics::Location;
use crate::config::old_file::{Process, UserId};
use crate::config::old_files::{self, OldFiles};
use crate::config::{Config, Diagnostics, Sourced, from_old};
use crate::daemon::{self, Daemon, Failure};
use crate::start::{CONFIG, Request, Source, UNAVAILABLE};

/// The variable of the environment that tells a process its place.
pub const PLACE: &str = "POSTSEAL_PLACE";

/// What the command line says in place of the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Stay in the foreground.
    pub foreground: bool,
    /// In place of `PidFile`.
    pub pid_file: Option<PathBuf>,
    /// In place of `UserID`.
    pub user: Option<UserId>,
    /// As `AutoRestart yes`.
    pub auto_restart: bool,
}

/// What the files and the command line say about the process.
#[derive(Debug)]
struct Settings {
    process: Process,
    account: Option<Account>,
    config: Config,
}

/// Runs a daemon from the old files, in whatever place of the picture above this process is: the exit code.
///
/// # Errors
///
/// [`Failure`], with words for the terminal.
pub fn run(request: Request, options: &Options) -> Result<u8, Failure> {
    let (place, link) = again::arrive().map_err(unavailable)?;
    let settings = settings(&request, options)?;
    let in_background = settings.process.background && !options.foreground;
    if place == Place::First && in_background {
        return again::leave_terminal();
    }
    if place != Place::Supervised && settings.process.auto_restart {
        return daemon::in_runtime(supervisor::run(&settings, link, in_background));
    }
    daemon::in_runtime(serve(request, &settings, link, place, in_background)).map(|()| 0)
}

/// Reads everything as the daemon would and says what was found, as [`daemon::check`]; nothing is opened.
///
/// # Errors
///
/// The findings, when the configuration cannot be used.
pub fn check(mut request: Request, options: &Options) -> Result<Diagnostics, Failure> {
    let settings = settings(&request, options)?;
    enter_base_directory(&mut request, &settings)?;
    let found = daemon::in_runtime(async { Ok(daemon::check(&request)) })?;
    found.map_err(|findings| Failure { text: findings.to_string(), code: CONFIG })
}

fn settings(request: &Request, options: &Options) -> Result<Settings, Failure> {
    let wrong = |text: String| Failure { text, code: CONFIG };
    let Source::OldFiles { opendkim, opendmarc, lines, socket, state_dir, .. } = &request.source else {
        return Err(wrong("only old files say how a process runs".to_owned()));
    };
    let read = old_files::read_with(opendkim.as_deref(), opendmarc.as_deref(), lines);
    let (files, _): (OldFiles, _) = read.map_err(|findings| wrong(findings.to_string()))?;
    let mut process = files.process();
    process.auto_restart |= options.auto_restart;
    let user = options.user.as_ref().or_else(|| process.user.as_ref().map(|user| &user.value));
    let account = user.map(Account::find).transpose().map_err(wrong)?.flatten();
    if let Some(base) = process.base_directory.as_ref().filter(|base| base.value.is_relative()) {
        let base = base.value.display();
        return Err(wrong(format!(
            "BaseDirectory {base}: a reload would look for it below itself; write the full path"
        )));
    }
    // The daemon tells what is found here.
    let config = from_old::config(&files, socket.as_ref(), state_dir, &mut Diagnostics::default());
    let mut settings = Settings { process, account, config };
    if let Some(file) = &options.pid_file {
        let file = std::path::absolute(file).map_err(unavailable)?;
        settings.process.pid_file = Some(Sourced { value: file, at: Location::whole(Path::new("-P")) });
    }
    Ok(settings)
}

/// The number of a user that this process has yet to become; `None` if it is that one, or cannot become it.
pub(crate) fn uid_of(user: &UserId) -> Option<nix::unistd::Uid> {
    Account::find(user).ok().flatten().map(|account| account.uid())
}

/// Paths of the command line start where the program was started; those of the files, at `BaseDirectory`.
fn enter_base_directory(request: &mut Request, settings: &Settings) -> Result<(), Failure> {
    let Some(base) = &settings.process.base_directory else { return Ok(()) };
    if let Source::OldFiles { opendkim, opendmarc, .. } = &mut request.source {
        for file in [opendkim, opendmarc].into_iter().flatten() {
            *file = std::path::absolute(&*file).map_err(unavailable)?;
        }
    }
    std::env::set_current_dir(&base.value)
        .map_err(|error| Failure { text: format!("BaseDirectory {}: {error}", base.value.display()), code: CONFIG })
}

async fn serve(
    mut request: Request,
    settings: &Settings,
    link: Option<Link>,
    place: Place,
    in_background: bool,
) -> Result<(), Failure> {
    enter_base_directory(&mut request, settings)?;
    let umask = settings.process.umask.as_ref().map(|umask| umask.value);
    let pid = if place == Place::Supervised { nix::unistd::getppid() } else { nix::unistd::getpid() };
    let mut pid_file = None;
    let daemon = Daemon::prepare_then(request, || {
        if let Some(path) = &settings.process.pid_file {
            pid_file = Some(PidFile::open(&path.value, umask, settings.account.as_ref().map(Account::uid)));
        }
        settings.account.as_ref().map_or(Ok(()), |account| account.enter().map_err(unavailable))
    })?;
    let _ = write!(std::io::stderr(), "{}", daemon.findings());
    let mut link = link;
    // A supervisor that is gone, or that wants the end.
    let ended = match (&link, place) {
        (Some(link), Place::Supervised) => Some(link.ended().map_err(unavailable)?),
        _ => None,
    };
    let leave = async {
        match ended {
            Some(ended) => ended.await,
            None => std::future::pending().await,
        }
    };
    let mut written = None;
    let ended = daemon
        .run_under(leave, || {
            // As OpenDKIM: without a pid file there is mail all the same.
            match pid_file.take().map(|file| file.and_then(|file| file.write(pid))) {
                Some(Ok(file)) => written = Some(file),
                Some(Err(error)) => tracing::error!("can't write pid to {error}"),
                None => {}
            }
            if let Some(link) = &mut link {
                link.tell().map_err(|error| unavailable(format!("whoever started this is gone: {error}")))?;
            }
            if in_background { again::leave_output().map_err(unavailable) } else { Ok(()) }
        })
        .await;
    drop(written);
    ended
}

fn unavailable(error: impl std::fmt::Display) -> Failure {
    Failure { text: error.to_string(), code: UNAVAILABLE }
}
