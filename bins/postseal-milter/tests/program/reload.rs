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
    write(folder, "c.toml", &format!("state_dir = \"other\"\n{}", listen(folder, &["b", "occupied"])));
    running.signal(Signal::SIGUSR1);
    let log = running.wait_for_times("reload failed", 4);
    assert!(log.contains("occupied: the file exists and is not a socket"), "{log}");
    assert!(!log.contains("with a restart"), "what is not in force is not waiting for a restart either: {log}");
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

#[test]
fn signals_in_a_row_are_no_reloads_at_the_same_time_and_the_last_state_counts() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "c.toml", &listen(folder, &["a"]));
    let running = Running::start(folder, &["--config", "c.toml"]);
    for number in 0..100 {
        running.signal(if number % 2 == 0 { Signal::SIGHUP } else { Signal::SIGUSR1 });
    }
    // What is written before a signal is read by a reload that begins after it.
    write(folder, "c.toml", &listen(folder, &["a", "b"]));
    running.signal(Signal::SIGHUP);
    let end = format!("listening listener=unix:{}", folder.join("b").display());
    let log = running.wait_for_times(&end, 1);
    assert!(negotiates(UnixStream::connect(folder.join("b")).unwrap()));
    let events: Vec<&str> = log
        .lines()
        .filter_map(|line| line.split(' ').nth(2).filter(|word| matches!(*word, "reloading" | "reloaded")))
        .collect();
    assert!(events.len() < 202, "{} events for 101 signals", events.len());
    for pair in events.chunks(2) {
        assert!(matches!(pair, ["reloading", "reloaded"] | ["reloading"]), "one after the other: {log}");
    }
    assert_eq!(running.stop(Signal::SIGTERM).0, Some(0));
}

#[test]
fn a_reload_that_takes_long_to_read_delays_neither_mail_nor_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "c.toml", &listen(folder, &["a"]));
    let running = Running::start(folder, &["--config", "c.toml"]);
    // So many domains and keys stand for a file system that is slow to answer.
    let mut text = listen(folder, &["a"]);
    for number in 0..200_000 {
        text.push_str(&format!(
            "[[domain]]\nname = \"d{number}.example\"\nkeys = [{{ selector = \"s\", file = \"k.pem\" }}]\n"
        ));
    }
    write(folder, "c.toml", &text);
    running.signal(Signal::SIGHUP);
    running.wait_for("reloading");
    for _ in 0..20 {
        assert!(negotiates(UnixStream::connect(folder.join("a")).unwrap()));
    }
    let log = running.log();
    assert!(!log.contains("reloaded") && !log.contains("reload failed"), "it was read before mail came");
    assert_eq!(running.stop(Signal::SIGTERM).0, Some(0));
}

/// It would be waited for, for ever and without a word.
#[test]
fn a_pipe_in_place_of_the_configuration_or_of_a_list_is_told_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "c.toml", &listen(folder, &["a"]));
    let running = Running::start(folder, &["--config", "c.toml"]);
    nix::unistd::mkfifo(&folder.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let list = "[dmarc]\nmethod = \"public-suffix-list\"\npublic_suffix_list = \"pipe\"\n";
    write(folder, "c.toml", &format!("{}{list}", listen(folder, &["a"])));
    running.signal(Signal::SIGHUP);
    let log = running.wait_for_times("reload failed", 1);
    assert!(log.contains("E-DMARC-SUFFIXES") && log.contains("it is not a regular file"), "{log}");
    std::fs::remove_file(folder.join("c.toml")).unwrap();
    std::fs::rename(folder.join("pipe"), folder.join("c.toml")).unwrap();
    running.signal(Signal::SIGHUP);
    let log = running.wait_for_times("reload failed", 2);
    assert!(log.contains("E-CONFIG-READ"), "{log}");
    assert!(negotiates(UnixStream::connect(folder.join("a")).unwrap()));
    assert_eq!(running.stop(Signal::SIGTERM).0, Some(0));
}

#[test]
fn a_quick_start_reloads_too_and_makes_nothing_anew() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let socket = format!("unix:{}", folder.join("a").display());
    let running = Running::start(folder, &["--domain", "example.com", "--state", "state", "--socket", &socket]);
    let keys = || std::fs::read_dir(folder.join("state/keys/example.com")).unwrap().count();
    assert_eq!(keys(), 2);
    running.signal(Signal::SIGHUP);
    let log = running.wait_for_times("reloaded", 1);
    assert_eq!(keys(), 2);
    assert_eq!(log.matches("Publish for").count(), 1, "what to publish and to write is said once: {log}");
    assert!(negotiates(UnixStream::connect(folder.join("a")).unwrap()));
    for key in std::fs::read_dir(folder.join("state/keys/example.com")).unwrap() {
        std::fs::remove_file(key.unwrap().path()).unwrap();
    }
    running.signal(Signal::SIGHUP);
    let log = running.wait_for_times("reload failed", 1);
    assert_eq!((keys(), log.matches("E-KEY-MISSING").count()), (0, 2), "{log}");
}
