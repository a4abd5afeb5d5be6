//! The daemon as a process, with a configuration file of its own.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::work::{port, signal};

/// Where the daemon listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Socket {
    /// A port of 127.0.0.1.
    Tcp,
    /// A file.
    Unix,
}

/// A running daemon; stopped when dropped.
pub(crate) struct Daemon {
    process: Child,
    /// How it was started.
    arguments: Vec<OsString>,
    work: PathBuf,
    log: PathBuf,
    /// Its address, as in main.cf.
    pub(crate) socket: String,
}

impl Daemon {
    /// Starts one with this configuration, to which the listener is added, and waits until it accepts connections.
    pub(crate) fn start(work: &Path, socket: Socket, config: &str) -> Self {
        let (socket, listen) = match socket {
            Socket::Tcp => {
                let socket = format!("inet:127.0.0.1:{}", port());
                (socket.clone(), format!("[[listen]]\nsocket = \"{socket}\"\n"))
            }
            Socket::Unix => {
                let socket = format!("unix:{}", work.join("milter.sock").display());
                // Postfix opens it as the user postfix.
                (
                    socket.clone(),
                    format!("[[listen]]\nsocket = \"{socket}\"\nsocket_mode = \"0660\"\nsocket_group = \"postfix\"\n"),
                )
            }
        };
        let file = work.join("postseal.toml");
        fs::write(&file, format!("{config}\n{listen}")).unwrap();
        Self::launch(work, socket, &[OsStr::new("--config"), file.as_os_str()])
    }

    /// Starts one with this configuration as it is, and with further arguments: configuration and log are files called after `name`. It
    /// counts as started when it accepts connections at `socket`.
    #[allow(dead_code, reason = "each test program uses a part of it")]
    pub(crate) fn start_as(work: &Path, name: &str, socket: &str, config: &str, arguments: &[&str]) -> Self {
        let file = work.join(format!("{name}.toml"));
        fs::write(&file, config).unwrap();
        let mut all = vec![OsStr::new("--config"), file.as_os_str()];
        all.extend(arguments.iter().map(OsStr::new));
        Self::launch_as(work, name, socket.to_owned(), &all)
    }

    /// Starts one from the files of OpenDKIM and OpenDMARC; it counts as started when it accepts connections at `socket`.
    #[allow(dead_code, reason = "each test program uses a part of it")]
    pub(crate) fn start_from_old_files(work: &Path, socket: &str, opendkim: &Path, opendmarc: &Path) -> Self {
        let state = work.join("state");
        let arguments = [
            OsStr::new("--foreground"),
            OsStr::new("--opendkim-conf"),
            opendkim.as_os_str(),
            OsStr::new("--opendmarc-conf"),
            opendmarc.as_os_str(),
            OsStr::new("--state"),
            state.as_os_str(),
        ];
        Self::launch(work, socket.to_owned(), &arguments)
    }

    /// Starts one from a file of OpenDKIM alone.
    #[allow(dead_code, reason = "each test program uses a part of it")]
    pub(crate) fn start_from_opendkim_conf(work: &Path, socket: &str, opendkim: &Path) -> Self {
        let state = work.join("state");
        let arguments = [
            OsStr::new("--foreground"),
            OsStr::new("--opendkim-conf"),
            opendkim.as_os_str(),
            OsStr::new("--state"),
            state.as_os_str(),
        ];
        Self::launch(work, socket.to_owned(), &arguments)
    }

    /// Starts one without a configuration file, as a new user does: it makes its keys under `state`.
    pub(crate) fn quick_start(work: &Path, state: &Path, domain: &str) -> Self {
        let socket = format!("inet:127.0.0.1:{}", port());
        let arguments = [
            OsStr::new("--domain"),
            OsStr::new(domain),
            OsStr::new("--state"),
            state.as_os_str(),
            OsStr::new("--socket"),
            OsStr::new(&socket),
        ];
        Self::launch(work, socket.clone(), &arguments)
    }

    fn launch(work: &Path, socket: String, arguments: &[&OsStr]) -> Self {
        Self::launch_as(work, "postseal", socket, arguments)
    }

    fn launch_as(work: &Path, name: &str, socket: String, arguments: &[&OsStr]) -> Self {
        let log = work.join(format!("{name}.log"));
        File::create(&log).unwrap();
        let arguments: Vec<OsString> = arguments.iter().map(|argument| argument.to_os_string()).collect();
        let process = spawn(work, &log, &arguments);
        let mut daemon = Self { process, arguments, work: work.to_owned(), log, socket };
        daemon.wait_until_it_accepts();
        daemon
    }

    /// Kills it, so that it can do nothing more (SIGKILL), and waits until the system has taken its sockets away.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again after its end.
    pub(crate) fn restart(&mut self) {
        self.process = spawn(&self.work, &self.log, &self.arguments);
        self.wait_until_it_accepts();
    }

    /// The number of the process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    fn wait_until_it_accepts(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self.accepts() {
            let ended = self.process.try_wait().unwrap();
            let log = self.log();
            assert!(ended.is_none() && Instant::now() < deadline, "the daemon did not start: {ended:?}\n{log}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What it has written to standard output and standard error.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The log line that a mail left, waited for up to ten seconds: it is written after the reply.
    pub(crate) fn log_line(&self, word: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let lines = BufReader::new(File::open(&self.log).unwrap()).lines();
            if let Some(line) = lines.map(Result::unwrap).find(|line| line.contains(word)) {
                return line;
            }
            assert!(Instant::now() < deadline, "no line with `{word}` in the log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Asks it to stop.
    pub(crate) fn terminate(&self) {
        signal(self.process.id(), Signal::SIGTERM);
    }

    /// Waits for its end, which was asked for, up to a minute.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the daemon does not stop:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn accepts(&self) -> bool {
        match self.socket.split_once(':') {
            Some(("inet", address)) => TcpStream::connect(address).is_ok(),
            Some((_, path)) => UnixStream::connect(path).is_ok(),
            None => false,
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- postseal-milter\n{}", self.log());
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(work: &Path, log: &Path, arguments: &[OsString]) -> Child {
    let log = || File::options().append(true).open(log).unwrap();
    Command::new(env!("CARGO_BIN_EXE_postseal-milter"))
        .args(arguments)
        .current_dir(work)
        .stdin(Stdio::null())
        .stdout(log())
        .stderr(log())
        .spawn()
        .unwrap()
}
