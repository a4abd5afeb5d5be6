//! For tests alone: real database servers in temporary folders, as a user who may do nothing else.
//!
//! [`MariaDb`] and [`PostgreSql`] make a database once, and start and stop a server of it as often as a test wants. Everything is on the loopback address
//! and goes away with the folder. What is not installed is a failed test that says so.

#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests: a broken assumption is to fail the test at its place"
)]

mod mariadb;
mod postgres;

pub use mariadb::MariaDb;
pub use postgres::PostgreSql;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, User};
use tempfile::TempDir;

/// How long a server may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// A folder that belongs to the user of the servers.
#[derive(Debug)]
pub struct Folder(TempDir);

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Folder {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("postseal-databases").tempdir().unwrap();
        give_away(folder.path());
        Self(folder)
    }

    /// A path in it.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Makes a folder.
    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir(&path).unwrap();
        give_away(&path);
        path
    }

    /// Writes a file.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        give_away(&path);
        path
    }
}

/// The user of the servers, where this runs as root: PostgreSQL refuses root.
fn nobody() -> Option<(u32, u32)> {
    let nobody = || User::from_name("nobody").unwrap().map(|user| (user.uid.as_raw(), user.gid.as_raw()));
    if Uid::effective().is_root() { nobody() } else { None }
}

fn give_away(path: &Path) {
    if let Some((user, group)) = nobody() {
        chown(path, Some(user), Some(group)).unwrap();
    }
}

/// A program run by that user, without output.
pub fn command(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/").env("LC_ALL", "C");
    if let Some((user, group)) = nobody() {
        command.uid(user).gid(group);
    }
    command
}

/// A program that Debian may keep away from the path.
pub fn program(name: &str, folders: &str) -> PathBuf {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut found: Vec<PathBuf> = Vec::new();
    for folder in folders.split(':').chain(path.split(':')).chain(["/usr/sbin", "/sbin"]) {
        match folder.split_once('*') {
            Some((before, after)) => {
                let versions = fs::read_dir(before).into_iter().flatten().flatten();
                found.extend(versions.map(|version| version.path().join(after.trim_start_matches('/')).join(name)));
                found.sort();
                found.reverse();
            }
            None => found.push(Path::new(folder).join(name)),
        }
    }
    found
        .into_iter()
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("{name} is not installed: scripts/test --only databases installs it"))
}

/// A port of the loopback address that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Runs to its end.
pub fn run(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

/// A server that runs, until it is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    end: Signal,
}

impl Server {
    /// Starts; `end` is the signal that stops it without waiting for its clients.
    pub fn start(command: &mut Command, end: Signal) -> Self {
        Self { child: command.spawn().unwrap(), end }
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as a power cut would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Stops, and waits for that.
    pub fn stop(mut self) {
        self.end_it();
    }

    fn end_it(&mut self) {
        if self.child.try_wait().unwrap().is_some() {
            return;
        }
        let pid = Pid::from_raw(self.child.id().try_into().unwrap());
        kill(pid, self.end).unwrap();
        let begin = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            if begin.elapsed() > PATIENCE {
                self.child.kill().unwrap();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end_it();
    }
}

/// Tries until it works.
pub async fn until<T, E: std::fmt::Display>(mut attempt: impl AsyncFnMut() -> Result<T, E>) -> T {
    let begin = Instant::now();
    loop {
        match attempt().await {
            Ok(value) => return value,
            Err(error) => assert!(begin.elapsed() < PATIENCE, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
