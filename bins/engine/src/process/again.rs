//! A program that starts itself again, and the line between the two.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, Stdio};

use tokio::io::AsyncReadExt as _;

use super::{PLACE, unavailable};
use crate::daemon::Failure;
use crate::start::UNAVAILABLE;

/// What stands for "mail is served".
const SERVING: u8 = b'R';

/// Which of the processes this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The one that a user or a service manager started.
    First,
    /// The one that left the terminal.
    Background,
    /// The daemon below a supervisor.
    Supervised,
}

impl Place {
    fn word(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Background => "background",
            Self::Supervised => "supervised",
        }
    }
}

/// The line to the process that started this one.
#[derive(Debug)]
pub(super) struct Link(UnixStream);

impl Link {
    /// Tells that mail is served.
    pub(super) fn tell(&mut self) -> io::Result<()> {
        self.0.write_all(&[SERVING])
    }

    /// Over when the other end is. Called inside of a tokio runtime.
    pub(super) fn ended(&self) -> io::Result<impl Future<Output = ()> + use<>> {
        let stream = self.0.try_clone()?;
        stream.set_nonblocking(true)?;
        let mut stream = tokio::net::UnixStream::from_std(stream)?;
        Ok(async move {
            let mut octet = [0];
            while stream.read(&mut octet).await.is_ok_and(|octets| octets > 0) {}
        })
    }
}

/// Finds out which process this is; one that was started by ourselves takes its line from standard input, and leaves the terminal if that is its part.
pub(super) fn arrive() -> io::Result<(Place, Option<Link>)> {
    let place = match std::env::var(PLACE).as_deref() {
        Ok("background") => Place::Background,
        Ok("supervised") => Place::Supervised,
        _ => return Ok((Place::First, None)),
    };
    let line = io::stdin().as_fd().try_clone_to_owned()?;
    nix::unistd::dup2_stdin(null()?)?;
    name();
    if place == Place::Background {
        nix::unistd::setsid()?;
    }
    Ok((place, Some(Link(UnixStream::from(line)))))
}

/// The command that starts this program again, in `place`, with the arguments that it has; and the other end of its line.
pub(super) fn command(place: Place) -> io::Result<(Command, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    // This very program, also when its file was replaced meanwhile.
    let program = if cfg!(target_os = "linux") { "/proc/self/exe".into() } else { std::env::current_exe()? };
    let mut command = Command::new(program);
    let mut arguments = std::env::args_os();
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    command.args(arguments).env(PLACE, place.word()).stdin(Stdio::from(OwnedFd::from(theirs)));
    Ok((command, ours))
}

/// Starts this program again in the background, and waits until it serves or ends: the exit code.
pub(super) fn leave_terminal() -> Result<u8, Failure> {
    let (mut command, mut line) = command(Place::Background).map_err(unavailable)?;
    let mut child = command.spawn().map_err(unavailable)?;
    // It has the other end of the line; ours would keep that open.
    drop(command);
    if line.read(&mut [0]).is_ok_and(|octets| octets > 0) {
        return Ok(0);
    }
    let status = child.wait().map_err(unavailable)?;
    match (status.code(), status.signal()) {
        (Some(code), _) => Ok(u8::try_from(code).unwrap_or(UNAVAILABLE)),
        (None, signal) => {
            let signal = signal.unwrap_or_default();
            Err(unavailable(format!("the daemon was ended by signal {signal} while it started")))
        }
    }
}

/// Standard output and error go nowhere from here on: the terminal may be closed.
pub(super) fn leave_output() -> io::Result<()> {
    let null = null()?;
    nix::unistd::dup2_stdout(&null)?;
    nix::unistd::dup2_stderr(&null)?;
    Ok(())
}

fn null() -> io::Result<File> {
    File::options().read(true).write(true).open("/dev/null")
}

/// Started by way of `/proc/self/exe` a process is called `exe`, and nobody finds it by its name.
fn name() {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::ffi::OsStrExt as _;
        let program = std::env::args_os().next().unwrap_or_default();
        let name = std::path::Path::new(&program).file_name().unwrap_or_default();
        if let Ok(name) = std::ffi::CString::new(name.as_bytes()) {
            let _ = nix::sys::prctl::set_name(&name);
        }
    }
}
