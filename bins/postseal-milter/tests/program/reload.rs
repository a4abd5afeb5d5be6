//! Reload by signal.

use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::sys::signal::Signal;

use crate::running::{Running, negotiates, write};

fn listen(folder: &Path, names: &[&str]) -> String {
    let sockets: Vec<String> = names.iter().map(|name| format!("\"unix:{}\"", folder.join(name).display())).collect();
    format!("listen = [{}]\n", sockets.join(", "))
}

#[test]
fn both_signals_reload_and_neither_ends_the_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "c.toml", &listen(folder, &["a"]));
    let running = Running::start(folder, &["--config", "c.toml"]);
    for (times, signal) in [(1, Signal::SIGHUP), (2, Signal::SIGUSR1)] {
        running.signal(signal);
        let log = running.wait_for_times("reloaded", times);
        assert!(log.contains(&format!("reloads={times} ")), "{log}");
    }
    // A socket more, and then another one in the place of the first.
    write(folder, "c.toml", &listen(folder, &["a", "b"]));
    running.signal(Signal::SIGHUP);
    running.wait_for_times("reloaded", 3);
    assert!(negotiates(UnixStream::connect(folder.join("a")).unwrap()));
    assert!(negotiates(UnixStream::connect(folder.join("b")).unwrap()));
    write(folder, "c.toml", &listen(folder, &["b", "c"]));
    running.signal(Signal::SIGHUP);
    running.wait_for_times("reloaded", 4);
    assert!(!folder.join("a").exists());
    assert!(negotiates(UnixStream::connect(folder.join("b")).unwrap()));
    assert!(negotiates(UnixStream::connect(folder.join("c")).unwrap()));
    assert_eq!(running.stop(Signal::SIGTERM).0, Some(0));
}

#[test]
fn a_wrong_configuration_is_told_finding_by_finding_and_the_old_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "c.toml", &listen(folder, &["a"]));
    let running = Running::start(folder, &["--config", "c.toml"]);
    for failures in 1..=2 {
        write(folder, "c.toml", &format!("{}mod = \"both\"\n[dns]\ntimeout = \"1d\"\n", listen(folder, &["b"])));
        running.signal(Signal::SIGHUP);
        let log = running.wait_for_times("reload failed, the old configuration stays in force", failures);
        assert!(log.contains(&format!("failures={failures} findings=2 ms=")), "{log}");
        for finding in ["c.toml:2: error[E-CONFIG-UNKNOWN-KEY]", "c.toml:4: error[E-CONFIG-RANGE]"] {
            assert_eq!(log.matches(finding).count(), failures, "{finding} in {log}");
        }
        assert!(negotiates(UnixStream::connect(folder.join("a")).unwrap()));
        assert!(!folder.join("b").exists());
    }
    // A file that is gone, and one that names a socket that cannot be had.
    std::fs::remove_file(folder.join("c.toml")).unwrap();
    running.signal(Signal::SIGUSR1);
    running.wait_for_times("reload failed", 3);
    write(folder, "occupied", "");
    write(folder, "c.toml", &listen(folder, &["b", "occupied"]));
    running.signal(Signal::SIGUSR1);
    let log = running.wait_for_times("reload failed", 4);
    assert!(log.contains("occupied: the file exists and is not a socket"), "{log}");
    assert!(negotiates(UnixStream::connect(folder.join("a")).unwrap()));
    assert!(!folder.join("b").exists(), "the one that could be opened was closed again");

    write(folder, "c.toml", &listen(folder, &["b"]));
    running.signal(Signal::SIGHUP);
    running.wait_for("reloaded");
    assert!(negotiates(UnixStream::connect(folder.join("b")).unwrap()));
    assert_eq!(running.stop(Signal::SIGTERM).0, Some(0));
}

#[test]
fn what_needs_a_restart_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "c.toml", &listen(folder, &["a"]));
    let running = Running::start(folder, &["--config", "c.toml", "--log-format", "json"]);
    let socket = folder.join("a");
    let text = format!(
        "state_dir = \"other\"\n[[listen]]\nsocket = \"unix:{}\"\nsocket_mode = \"0600\"\n[log]\nlevel = \"debug\"\nname = \"x\"\n",
        socket.display()
    );
    write(folder, "c.toml", &text);
    running.signal(Signal::SIGHUP);
    let log = running.wait_for_times("\"reloaded\"", 1);
    for setting in ["\"state_dir\"", "\"log.level\"", "\"log.name\"", "\"listen.socket_mode of unix:"] {
        let line = log.lines().find(|line| line.contains("restart") && line.contains(setting));
        assert!(line.is_some(), "{setting} in {log}");
    }
    assert!(!log.contains("\"log.format\""), "the command line decides about it, then as now: {log}");
    assert!(!folder.join("other").exists());
}
