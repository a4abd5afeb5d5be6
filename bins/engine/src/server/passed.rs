//! Sockets that the service manager opened and passes on: socket activation (systemd.socket(5), sd_listen_fds(3)).
//!
//! The environment says which descriptors are meant: `LISTEN_PID` for whom, `LISTEN_FDS` how many from descriptor 3 on, and
//! `LISTEN_FDNAMES` what they are called. They are taken once, when the daemon starts, and kept until it ends: a listener that a reload
//! removes and a later one brings back finds its socket again. Each use is a duplicate of the descriptor.
//!
//! Invariants: nothing is taken that was meant for another process; a descriptor that is no listening stream socket is named for what it
//! is; the files of passed Unix sockets are never removed, since they belong to the service manager.

use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use listenfd::ListenFd;
use socket2::SockRef;

use super::listen::{ListenError, Listening};
use crate::socket_address::{PassedSocket, SocketAddress};

/// Most descriptors taken: systemd's own limit (`NFDSMAX` for the names is higher, no unit comes near it).
const MAX_SOCKETS: usize = 256;

/// The environment variables of sd_listen_fds(3).
const LISTEN_PID: &str = "LISTEN_PID";
const LISTEN_FDS: &str = "LISTEN_FDS";
const LISTEN_FDNAMES: &str = "LISTEN_FDNAMES";

/// What was passed on.
#[derive(Debug)]
pub(super) struct PassedSockets {
    /// Why nothing was.
    nothing: Option<String>,
    sockets: Vec<Passed>,
}

#[derive(Debug)]
struct Passed {
    name: String,
    socket: Result<Kept, String>,
}

#[derive(Debug)]
enum Kept {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl PassedSockets {
    /// Takes what is passed to this process. A second call finds nothing: a descriptor has one owner.
    pub(super) fn take() -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        let pid = std::process::id().to_string();
        match claim(variable(LISTEN_PID), variable(LISTEN_FDS), variable(LISTEN_FDNAMES), &pid) {
            Err(why) => Self { nothing: Some(why), sockets: Vec::new() },
            Ok(names) => {
                let mut descriptors = ListenFd::from_env();
                let sockets = names.into_iter().enumerate();
                let sockets = sockets
                    .map(|(index, name)| Passed { name, socket: take_socket(&mut descriptors, index) })
                    .collect();
                Self { nothing: None, sockets }
            }
        }
    }

    /// Names of what was passed, in order; unnamed ones are `unknown`, as in systemd.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.sockets.iter().map(|passed| passed.name.as_str())
    }

    /// The numbers of the sockets that a listener means, at least one.
    pub(super) fn indices(&self, which: &PassedSocket) -> Result<Vec<usize>, ListenError> {
        let failed = |cause: String| ListenError::NotPassed { socket: which.to_string(), cause };
        if let Some(why) = &self.nothing {
            return Err(failed(why.clone()));
        }
        let found: Vec<usize> = match which {
            PassedSocket::Index(index) => {
                Some(usize::from(*index)).into_iter().filter(|index| *index < self.sockets.len()).collect()
            }
            PassedSocket::Name(name) => {
                (0..).zip(self.names()).filter(|(_, has)| has == name).map(|(at, _)| at).collect()
            }
        };
        if found.is_empty() {
            let list: Vec<&str> = self.names().collect();
            return Err(failed(format!("not among the {} passed: {}", list.len(), list.join(", "))));
        }
        Ok(found)
    }

    /// The sockets that a listener means, ready to accept. Call it inside a tokio runtime.
    pub(super) fn listen(&self, which: &PassedSocket) -> Result<Vec<Listening>, ListenError> {
        let failed = |cause: String| ListenError::NotPassed { socket: which.to_string(), cause };
        let mut sockets = Vec::new();
        for passed in self.indices(which)?.into_iter().filter_map(|index| self.sockets.get(index)) {
            let kept = passed.socket.as_ref().map_err(|why| failed(why.clone()))?;
            let listening = match kept {
                Kept::Tcp(socket) => socket.try_clone().and_then(tokio::net::TcpListener::from_std).map(Listening::Tcp),
                Kept::Unix(socket) => socket
                    .try_clone()
                    .and_then(tokio::net::UnixListener::from_std)
                    .map(|socket| Listening::Unix(socket, None)),
            };
            sockets.push(listening.map_err(|error| failed(error.to_string()))?);
        }
        Ok(sockets)
    }

    /// The first socket that two listeners mean, as the later one has it.
    pub(super) fn claimed_twice<'a>(
        &self,
        listeners: impl Iterator<Item = &'a SocketAddress>,
    ) -> Result<(), ListenError> {
        let mut taken = vec![false; self.sockets.len()];
        for which in
            listeners.filter_map(|socket| if let SocketAddress::Passed(which) = socket { Some(which) } else { None })
        {
            for index in self.indices(which)? {
                let Some(taken) = taken.get_mut(index) else { continue };
                if std::mem::replace(taken, true) {
                    let cause = format!("another listener has descriptor {index} already");
                    return Err(ListenError::NotPassed { socket: which.to_string(), cause });
                }
            }
        }
        Ok(())
    }
}

/// The names of the descriptors that are meant for the process `pid`.
fn claim(
    listen_pid: Option<String>,
    listen_fds: Option<String>,
    names: Option<String>,
    pid: &str,
) -> Result<Vec<String>, String> {
    let Some(count) = listen_fds else {
        return Err(format!("the service manager passed no sockets: {LISTEN_FDS} is not set"));
    };
    match listen_pid {
        None => return Err(format!("the service manager passed no sockets: {LISTEN_PID} is not set")),
        Some(other) if other.trim() != pid => {
            return Err(format!("the passed sockets are for process {other} ({LISTEN_PID}), and this is {pid}"));
        }
        Some(_) => {}
    }
    let count: usize = count.trim().parse().ok().filter(|count| *count <= MAX_SOCKETS).ok_or_else(|| {
        format!("{LISTEN_FDS} is `{}`: not a number of sockets up to {MAX_SOCKETS}", count.escape_debug())
    })?;
    // sd_listen_fds_with_names(3): without names "the service manager did not set a name", and the word is "unknown".
    let names: Vec<String> = match names {
        None => vec!["unknown".to_owned(); count],
        Some(names) => names.split(':').map(str::to_owned).collect(),
    };
    if names.len() != count {
        return Err(format!("{LISTEN_FDNAMES} has {} names for {count} sockets", names.len()));
    }
    Ok(names)
}

/// Takes a descriptor for what it is.
fn take_socket(descriptors: &mut ListenFd, index: usize) -> Result<Kept, String> {
    // Each of the two refuses what is of the other family, and leaves it where it is.
    let kept = match descriptors.take_tcp_listener(index) {
        Ok(socket) => socket.map(Kept::Tcp),
        Err(_) => match descriptors.take_unix_listener(index) {
            Ok(socket) => socket.map(Kept::Unix),
            Err(_) => return Err(format!("descriptor {index} is no stream socket of TCP or Unix")),
        },
    };
    let kept = kept.ok_or_else(|| format!("descriptor {index} is not there"))?;
    let (listens, ready) = match &kept {
        Kept::Tcp(socket) => (SockRef::from(socket).is_listener(), socket.set_nonblocking(true)),
        Kept::Unix(socket) => (SockRef::from(socket).is_listener(), socket.set_nonblocking(true)),
    };
    let said = |error: io::Error| format!("descriptor {index}: {error}");
    ready.map_err(said)?;
    if !listens.map_err(said)? {
        // `Accept=yes` passes a connection in place of the socket: one process for each, which a milter cannot be.
        return Err(format!("descriptor {index} does not listen: the socket unit needs `Accept=no`"));
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claimed(pid: Option<&str>, count: Option<&str>, names: Option<&str>) -> Result<Vec<String>, String> {
        let own = |text: Option<&str>| text.map(str::to_owned);
        claim(own(pid), own(count), own(names), "42")
    }

    #[test]
    fn descriptors_are_named_as_the_environment_says() {
        assert_eq!(claimed(Some("42"), Some("2"), Some("in:out")).unwrap(), ["in", "out"]);
        assert_eq!(claimed(Some("42"), Some("2"), None).unwrap(), ["unknown", "unknown"]);
    }

    #[test]
    fn what_is_not_meant_for_this_process_is_not_taken_and_said_why() {
        for (pid, count, names, word) in [
            (Some("42"), None, None, "LISTEN_FDS is not set"),
            (None, Some("1"), None, "LISTEN_PID is not set"),
            (Some("43"), Some("1"), None, "for process 43"),
            (Some("42"), Some("-1"), None, "not a number"),
            (Some("42"), Some("4000000000"), None, "not a number"),
            (Some("42"), Some("2"), Some("in"), "1 names for 2"),
        ] {
            let why = claimed(pid, count, names).unwrap_err();
            assert!(why.contains(word), "{why}");
        }
    }

    #[test]
    fn a_name_that_does_not_exist_is_told_with_those_that_do() {
        let passed = |name: &str| Passed { name: name.to_owned(), socket: Err("no stream socket".to_owned()) };
        let sockets = PassedSockets { nothing: None, sockets: vec![passed("in"), passed("out"), passed("in")] };
        let name = |name: &str| PassedSocket::Name(name.to_owned());
        assert_eq!(sockets.indices(&name("in")).unwrap(), [0, 2]);
        assert_eq!(sockets.indices(&PassedSocket::Index(1)).unwrap(), [1]);
        for which in [name("mid"), PassedSocket::Index(3)] {
            let error = sockets.indices(&which).unwrap_err().to_string();
            assert!(error.ends_with("not among the 3 passed: in, out, in"), "{error}");
        }
        let twice = [SocketAddress::Passed(name("in")), SocketAddress::Passed(PassedSocket::Index(2))];
        assert!(sockets.claimed_twice(twice.iter()).unwrap_err().to_string().contains("descriptor 2 already"));
        assert_eq!(sockets.claimed_twice(twice[..1].iter()), Ok(()));
    }
}
