//! Sockets that the service manager opened, passed to the real program as systemd passes them.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use crate::running::{PROGRAM, Running, negotiates, write};

/// The shell that becomes the daemon: what came as standard input and output is moved to descriptors 3 and 4, and the rest is as
/// systemd leaves it. `$$` is the process id that the program will have.
const SHELL: &str = r#"exec 3<&0 4<&1 0</dev/null 1>&2; export LISTEN_PID=${PID_TOLD:-$$}; exec "$@""#;

/// The program with two descriptors passed, and what the environment says about them.
fn passed(folder: &Path, first: OwnedFd, second: OwnedFd, environment: &[(&str, &str)]) -> Running {
    let mut command = Command::new("/bin/sh");
    command.current_dir(folder).args(["-c", SHELL, "sh", PROGRAM, "--config", "c.toml"]);
    command.envs(environment.iter().copied());
    Running::launch_with(folder, command, Stdio::from(first), Stdio::from(second))
}

fn two_listeners(folder: &Path) {
    write(
        folder,
        "c.toml",
        "[[listen]]\nsocket = \"systemd:in\"\nmode = \"verify\"\n[[listen]]\nsocket = \"systemd:1\"\nmode = \"sign\"\n",
    );
}

#[test]
fn tcp_and_unix_sockets_are_taken_by_name_and_by_number_and_are_left_to_systemd() {
    let folder = tempfile::tempdir().unwrap();
    two_listeners(folder.path());
    let path = folder.path().join("out.sock");
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let unix = UnixListener::bind(&path).unwrap();
    let address = tcp.local_addr().unwrap();
    // Clients that come before the daemon wait in the queue: none is refused while it starts, or restarts.
    let early = TcpStream::connect(address).unwrap();
    let names = [("LISTEN_FDS", "2"), ("LISTEN_FDNAMES", "in:out")];
    let kept = (tcp.try_clone().unwrap(), unix.try_clone().unwrap());
    let running = passed(folder.path(), tcp.into(), unix.into(), &names);
    running.wait_for("started");
    assert!(negotiates(early));
    assert!(negotiates(TcpStream::connect(address).unwrap()));
    assert!(negotiates(UnixStream::connect(&path).unwrap()));
    let log = running.log();
    assert!(log.contains("listener=systemd:in mode=verify") && log.contains("listener=systemd:1 mode=sign"), "{log}");

    // At a reload they stay, and one that is given back can be had again.
    write(folder.path(), "c.toml", "listen = [\"systemd:in\"]\n");
    running.signal(Signal::SIGHUP);
    running.wait_for_times("reloaded", 1);
    assert!(
        running.log().contains("no longer served; clients wait until the socket unit is stopped"),
        "{}",
        running.log()
    );
    assert!(negotiates(TcpStream::connect(address).unwrap()));
    two_listeners(folder.path());
    running.signal(Signal::SIGHUP);
    running.wait_for_times("reloaded", 2);
    assert!(negotiates(UnixStream::connect(&path).unwrap()));

    assert_eq!(running.stop(Signal::SIGTERM).0, Some(0));
    assert!(path.exists(), "the file belongs to systemd");
    UnixStream::connect(&path).unwrap();
    TcpStream::connect(address).unwrap();
    drop(kept);
}

#[test]
fn what_is_wrong_with_passed_sockets_is_said_and_the_exit_code_is_69() {
    let listening = || OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap());
    let datagrams = || OwnedFd::from(UdpSocket::bind("127.0.0.1:0").unwrap());
    let connected = || OwnedFd::from(UnixStream::pair().unwrap().0);
    let file = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    let two = [("LISTEN_FDS", "2"), ("LISTEN_FDNAMES", "in:out")];
    for (first, environment, word) in [
        (listening(), &[][..], "LISTEN_FDS is not set"),
        (listening(), &[("LISTEN_FDS", "2"), ("PID_TOLD", "1")], "for process 1 (LISTEN_PID)"),
        (listening(), &[("LISTEN_FDS", "2")], "not among the 2 passed: unknown, unknown"),
        (listening(), &[("LISTEN_FDS", "2"), ("LISTEN_FDNAMES", "a:b")], "not among the 2 passed: a, b"),
        (listening(), &[("LISTEN_FDS", "1"), ("LISTEN_FDNAMES", "in")], "systemd:1: not among the 1 passed: in"),
        (listening(), &[("LISTEN_FDS", "2"), ("LISTEN_FDNAMES", "a:in")], "descriptor 1 already"),
        (datagrams(), &two, "descriptor 0 is no stream socket"),
        (file(), &two, "descriptor 0 is no stream socket"),
        (connected(), &two, "descriptor 0 does not listen: the socket unit needs `Accept=no`"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        two_listeners(folder.path());
        let mut running = passed(folder.path(), first, listening(), environment);
        let (code, text) = running.wait();
        assert_eq!(code, Some(69), "{environment:?} {text}");
        assert!(text.contains("cannot listen on systemd:") && text.contains(word), "{word} in {text}");
    }
}

#[test]
fn a_passed_socket_that_no_listener_uses_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "c.toml", "listen = [\"systemd:in\"]\n");
    let socket = || OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap());
    let names = [("LISTEN_FDS", "2"), ("LISTEN_FDNAMES", "in:forgotten")];
    let running = passed(folder.path(), socket(), socket(), &names);
    running.wait_for("started");
    let log = running.log();
    assert!(log.lines().any(|line| line.contains("no listener uses") && line.contains("name=forgotten")), "{log}");
}
