//! Tells the service manager how far we are: sd_notify(3) and the `Type=notify` and `Type=notify-reload` of systemd.service(5).
//!
//! A datagram to the socket that `NOTIFY_SOCKET` names; without it, nothing. A service manager that cannot be reached is no reason not to
//! serve mail: that is logged and nothing else.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use nix::time::{ClockId, clock_gettime};

/// What there is to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State<'a> {
    /// All sockets are open; or a reload is over, with what became of it.
    Ready(&'a str),
    /// A reload begins.
    Reloading,
    /// The daemon ends.
    Stopping,
}

/// Tells the service manager, if there is one.
pub fn notify(state: &State<'_>) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(path.as_bytes(), &text(state)) {
        tracing::warn!("cannot tell the service manager: {error}");
    }
}

fn text(state: &State<'_>) -> String {
    match state {
        // One line: what stands behind a line end would be another message.
        State::Ready(status) => format!("READY=1\nSTATUS={}", status.replace(char::is_control, " ")),
        // "the service must send … a monotonic timestamp … so that the service manager can tell the reload from another one"
        State::Reloading => {
            let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(std::time::Duration::from);
            format!("RELOADING=1\nMONOTONIC_USEC={}", now.unwrap_or_default().as_micros())
        }
        State::Stopping => "STOPPING=1".to_owned(),
    }
}

fn send(path: &[u8], text: &str) -> io::Result<()> {
    let address = match path {
        [b'@', name @ ..] => abstract_name(name)?,
        path => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path))?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to_addr(text.as_bytes(), &address)?;
    Ok(())
}

#[cfg(target_os = "linux")]
fn abstract_name(name: &[u8]) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt as _;
    SocketAddr::from_abstract_name(name)
}

/// Only Linux has them.
#[cfg(not(target_os = "linux"))]
fn abstract_name(_name: &[u8]) -> io::Result<SocketAddr> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_manager_reads_states_from_a_path_and_from_an_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let by_path = UnixDatagram::bind(&path).unwrap();
        let name = format!("postseal-test-{}", std::process::id());
        let by_name = UnixDatagram::bind_addr(&abstract_name(name.as_bytes()).unwrap()).unwrap();
        let targets = [(by_path, path.as_os_str().as_bytes().to_vec()), (by_name, format!("@{name}").into_bytes())];
        for (socket, address) in targets {
            send(&address, &text(&State::Ready("2 keys\nREADY=0"))).unwrap();
            let mut datagram = [0; 256];
            let octets = socket.recv(&mut datagram).unwrap();
            assert_eq!(datagram[..octets], *b"READY=1\nSTATUS=2 keys READY=0");
        }
    }

    #[test]
    fn a_reload_has_its_time() {
        let told = text(&State::Reloading);
        let time = told.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        assert!(time.parse::<u64>().unwrap() > 0, "{told}");
    }

    #[test]
    fn nobody_at_the_other_end_is_an_error_and_no_wait() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("absent");
        assert!(send(path.as_os_str().as_bytes(), "READY=1").is_err());
    }
}
