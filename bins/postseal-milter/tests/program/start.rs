//! Start and stop: exit codes, what is printed, how it ends.

use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::running::{Running, run};

#[test]
fn help_names_every_option_and_wrong_arguments_are_64() {
    let folder = tempfile::tempdir().unwrap();
    let (code, text) = run(folder.path(), &["--help"]);
    assert_eq!(code, Some(0));
    for option in
        ["--config", "--domain", "--state", "--instance", "--socket", "--check-config", "--log-format", "Exit codes"]
    {
        assert!(text.contains(option), "{option} is not in:\n{text}");
    }
    for arguments in [
        &["--nonsense"][..],
        &["--domain", "not a domain"],
        &["--socket", "8891"],
        &["--log-format", "xml"],
        &["--instance", "../other"],
        &["--config", "a.toml", "--domain", "example.com"],
        &["--check-config", "--domain", "example.com"],
    ] {
        assert_eq!(run(folder.path(), arguments).0, Some(64), "{arguments:?}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "and nothing is made");
}

#[test]
fn a_wrong_configuration_is_78_and_named_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bad.toml"), "mode = \"both\"\nlisten_on = []\n").unwrap();
    for arguments in [&["--config", "bad.toml"][..], &["--config", "bad.toml", "--check-config"]] {
        let (code, text) = run(folder.path(), arguments);
        assert_eq!(code, Some(78), "{text}");
        assert!(text.contains("bad.toml:2") && text.contains("listen"), "{text}");
    }
    let (code, text) = run(folder.path(), &["--config", "absent.toml"]);
    assert!(code == Some(78) && text.contains("absent.toml"), "{code:?} {text}");
}

#[test]
fn check_config_opens_nothing_and_reports_single_keys() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("good.toml"), "listen = [\"inet:127.0.0.1:1\"]\n").unwrap();
    assert_eq!(run(folder.path(), &["--config", "good.toml", "--check-config"]), (Some(0), String::new()));
    let text = "[[domain]]\nname = \"example.com\"\nkeys = [{ selector = \"a\", file = \"absent.pem\" }]\n";
    std::fs::write(folder.path().join("key.toml"), text).unwrap();
    let (code, text) = run(folder.path(), &["--config", "key.toml", "--check-config"]);
    assert!(code == Some(78) && text.contains("E-KEY-MISSING"), "{code:?} {text}");
}

#[test]
fn a_busy_socket_is_69() {
    let folder = tempfile::tempdir().unwrap();
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = format!("inet:127.0.0.1:{}", busy.local_addr().unwrap().port());
    let (code, text) = run(folder.path(), &["--socket", &socket]);
    assert!(code == Some(69) && text.contains("another process listens there already"), "{code:?} {text}");
}

#[test]
fn a_quick_start_makes_keys_once_and_prints_what_to_publish() {
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", folder.path().join("socket").display());
    let arguments = ["--domain", "example.com", "--domain", "example.org", "--state", "state", "--socket", &socket];
    let mut records = Vec::new();
    for word in ["new rsa key", "found rsa key"] {
        let running = Running::start(folder.path(), &arguments);
        let text = running.log();
        assert!(text.contains(word), "{text}");
        assert!(text.contains(&format!("smtpd_milters = {socket}\n")), "{text}");
        records
            .push(text.lines().filter(|line| line.contains("_domainkey")).map(str::to_owned).collect::<Vec<String>>());
        UnixStream::connect(folder.path().join("socket")).unwrap();
        let (code, took) = running.stop(Signal::SIGTERM);
        assert_eq!(code, Some(0));
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
    assert!(records[0].len() >= 4 && records[0] == records[1], "{records:?}");
    assert!(!folder.path().join("socket").exists());
}

#[test]
fn without_arguments_it_verifies_only_and_logs_as_asked() {
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", folder.path().join("socket").display());
    let running = Running::start(folder.path(), &["--socket", &socket, "--log-format", "json"]);
    let log = running.log();
    assert!(log.lines().all(|line| line.starts_with("{\"time\":\"") && line.ends_with('}')), "{log}");
    let state: Vec<_> = std::fs::read_dir(folder.path().join("postseal-data")).unwrap().collect();
    assert_eq!(state.len(), 2, "nothing to sign, nothing to keep but the lock and the journal: {state:?}");
    assert_eq!(running.stop(Signal::SIGINT).0, Some(0));
}

/// What is in force by it is not known, and nothing was before that could stay so.
#[test]
fn enforcement_steps_that_cannot_be_read_are_69_and_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("state")).unwrap();
    std::fs::write(folder.path().join("state/enforcement.json"), "{ \"domains\": [").unwrap();
    let socket = folder.path().join("socket");
    let text = format!(
        "state_dir = \"state\"\nlisten = [\"unix:{}\"]\n[dns]\nnameservers = [\"127.0.0.1:9\"]\n",
        socket.display()
    );
    std::fs::write(folder.path().join("c.toml"), text).unwrap();
    let (code, text) = run(folder.path(), &["--config", "c.toml"]);
    assert_eq!(code, Some(69), "{text}");
    for part in ["enforcement.json is not a file of enforcement steps", "line 1", "or remove it"] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
}
