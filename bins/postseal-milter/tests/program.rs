//! The program as an operator meets it: exit codes, what it prints, how it stops.

#![expect(clippy::unwrap_used, clippy::panic, reason = "test helpers")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postseal-milter"));
    command.current_dir(folder).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = program(folder, arguments).output().unwrap();
    (status.code(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

/// A running daemon; killed when the test is over, whatever became of it.
struct Running(Child);

impl Running {
    fn start(folder: &Path, arguments: &[&str]) -> (Self, Vec<String>) {
        let mut child = program(folder, arguments).spawn().unwrap();
        let mut lines = Vec::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        while lines.last().is_none_or(|line: &String| !line.contains("listening")) {
            let mut line = String::new();
            if stdout.read_line(&mut line).unwrap() == 0 {
                let mut stderr = String::new();
                child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
                panic!("it ended: {lines:?} {stderr}");
            }
            lines.push(line);
        }
        child.stdout = Some(stdout.into_inner());
        (Self(child), lines)
    }

    /// Ends it with a signal; the exit code and the time that took.
    fn stop(mut self, signal: Signal) -> (Option<i32>, Duration) {
        let start = Instant::now();
        kill(Pid::from_raw(i32::try_from(self.0.id()).unwrap()), signal).unwrap();
        (self.0.wait().unwrap().code(), start.elapsed())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn help_names_every_option_and_wrong_arguments_are_64() {
    let folder = tempfile::tempdir().unwrap();
    let (code, text) = run(folder.path(), &["--help"]);
    assert_eq!(code, Some(0));
    for option in ["--config", "--domain", "--state", "--socket", "--check-config", "--log-format", "Exit codes"] {
        assert!(text.contains(option), "{option} is not in:\n{text}");
    }
    for arguments in [
        &["--nonsense"][..],
        &["--domain", "not a domain"],
        &["--socket", "8891"],
        &["--log-format", "xml"],
        &["--config", "a.toml", "--domain", "example.com"],
    ] {
        assert_eq!(run(folder.path(), arguments).0, Some(64), "{arguments:?}");
    }
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
        let (running, lines) = Running::start(folder.path(), &arguments);
        let text = lines.concat();
        assert!(text.contains(word), "{text}");
        assert!(text.contains(&format!("smtpd_milters = {socket}\n")), "{text}");
        records.push(lines.into_iter().filter(|line| line.contains("_domainkey")).collect::<Vec<String>>());
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
    let (running, lines) = Running::start(folder.path(), &["--socket", &socket, "--log-format", "json"]);
    assert!(lines.iter().all(|line| line.starts_with("{\"time\":\"") && line.ends_with("}\n")), "{lines:?}");
    assert!(!folder.path().join("postseal-data").exists(), "nothing to sign, nothing to keep");
    assert_eq!(running.stop(Signal::SIGINT).0, Some(0));
}
