//! Runs the program: to its end, or as a daemon that is stopped when the test is over.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Longer than anything here should take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The path of the program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_postseal-milter");

/// The program with arguments, in a working folder.
pub(crate) fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.current_dir(folder).args(arguments).stdin(Stdio::null());
    command
}

/// Runs it to its end: exit code, and what it wrote.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = program(folder, arguments).output().unwrap();
    (status.code(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

/// A running daemon; killed when the test is over, whatever became of it.
pub(crate) struct Running {
    process: Child,
    log: PathBuf,
}

impl Running {
    /// Starts it and waits until it listens.
    pub(crate) fn start(folder: &Path, arguments: &[&str]) -> Self {
        let running = Self::launch(folder, program(folder, arguments));
        running.wait_for("started");
        running
    }

    /// Starts a command that is or becomes the daemon, and does not wait. What it writes goes to a file of its own.
    pub(crate) fn launch(folder: &Path, mut command: Command) -> Self {
        let (file, log) = log_file(folder);
        let process = command.stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        Self { process, log }
    }

    /// The same with descriptors as standard input and output; only standard error is written to.
    pub(crate) fn launch_with(folder: &Path, mut command: Command, input: Stdio, output: Stdio) -> Self {
        let (file, log) = log_file(folder);
        let process = command.stdin(input).stdout(output).stderr(file).spawn().unwrap();
        Self { process, log }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// What it has written so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Waits for a text in the log.
    pub(crate) fn wait_for(&self, text: &str) {
        self.wait_for_times(text, 1);
    }

    /// Waits until a text has been logged so many times; the log until then.
    pub(crate) fn wait_for_times(&self, text: &str, times: usize) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = self.log();
            if log.matches(text).count() >= times {
                return log;
            }
            assert!(Instant::now() < deadline, "no `{text}` (times {times}) in:\n{log}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.process.id()).unwrap()), signal).unwrap();
    }

    /// Waits for its end: the exit code, and what it wrote.
    pub(crate) fn wait(&mut self) -> (Option<i32>, String) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return (status.code(), self.log());
            }
            assert!(Instant::now() < deadline, "it does not end:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it with a signal; the exit code and the time that took.
    pub(crate) fn stop(mut self, signal: Signal) -> (Option<i32>, Duration) {
        let start = Instant::now();
        self.signal(signal);
        (self.wait().0, start.elapsed())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A new file for what is written, appended to by whoever has it.
fn log_file(folder: &Path) -> (File, PathBuf) {
    let file = tempfile::Builder::new().prefix("log-").append(true).tempfile_in(folder).unwrap();
    file.keep().unwrap()
}

/// Whether a milter answers at the other end: the first packet of an MTA gets the first packet of a filter.
pub(crate) fn negotiates(mut stream: impl std::io::Read + std::io::Write) -> bool {
    // Length, `O`, version 6, all actions, all steps.
    stream.write_all(b"\0\0\0\x0dO\0\0\0\x06\0\0\x01\xff\0\x1f\xff\xff").unwrap();
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).is_ok() && answer[4] == b'O'
}

/// Writes a file below a folder: whoever reads it meanwhile has the old or the new text, and never a part.
pub(crate) fn write(folder: &Path, name: &str, text: &str) {
    let mut file = tempfile::NamedTempFile::new_in(folder).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.persist(folder.join(name)).unwrap();
}
