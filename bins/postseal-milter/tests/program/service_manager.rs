//! What the service manager is told: `Type=notify` and `Type=notify-reload`.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::running::{Running, program, write};

/// The next message.
fn told(manager: &UnixDatagram) -> String {
    let mut datagram = [0; 1024];
    let octets = manager.recv(&mut datagram).unwrap();
    String::from_utf8(datagram[..octets].to_vec()).unwrap()
}

#[test]
fn it_is_told_when_sockets_are_open_when_a_reload_begins_and_ends_and_when_the_daemon_stops() {
    let folder = tempfile::tempdir().unwrap();
    let manager = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let socket = folder.path().join("socket");
    write(folder.path(), "c.toml", &format!("listen = [\"unix:{}\"]\n", socket.display()));
    let mut command = program(folder.path(), &["--config", "c.toml"]);
    command.env("NOTIFY_SOCKET", folder.path().join("notify"));
    let running = Running::launch(folder.path(), command);
    assert!(told(&manager).starts_with("READY=1\n"));
    assert!(socket.exists(), "ready means that clients can connect");

    running.signal(Signal::SIGHUP);
    let reloading = told(&manager);
    let time = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
    assert!(time.parse::<u64>().unwrap() > 0);
    assert_eq!(told(&manager), "READY=1\nSTATUS=the configuration was reloaded");

    write(folder.path(), "c.toml", "listen = []\n");
    running.signal(Signal::SIGHUP);
    assert!(told(&manager).starts_with("RELOADING=1\n"));
    let failed = told(&manager);
    assert!(failed.starts_with("READY=1\nSTATUS=the last reload failed"), "it goes on, and says so: {failed}");

    running.signal(Signal::SIGTERM);
    assert_eq!(told(&manager), "STOPPING=1");
    assert_eq!(running.stop(Signal::SIGCONT).0, Some(0));
}
