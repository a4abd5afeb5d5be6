//! Temporary folders and ports of the parts that a test starts, and what killed runs left of theirs.

use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::Once;
use std::sync::atomic::{AtomicU16, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use tempfile::TempDir;

/// Folders are called `postseal-e2e-PID-…` after the test process that made them.
const PREFIX: &str = "postseal-e2e-";

/// A new folder that every user can traverse (Postfix and the mailboxes need that), removed when dropped.
pub(crate) fn folder() -> TempDir {
    folder_in(&std::env::temp_dir())
}

/// The same where no folder above can be written by everybody, as `RequireSafeKeys` wants it for keys.
#[allow(dead_code, reason = "each test program uses a part of it")]
pub(crate) fn safe_folder() -> TempDir {
    folder_in(&safe_place())
}

/// Root's own, where other users may enter; without root there are no other users in a test.
fn safe_place() -> PathBuf {
    if Uid::effective().is_root() { "/run".into() } else { env!("CARGO_TARGET_TMPDIR").into() }
}

fn folder_in(place: &Path) -> TempDir {
    static SWEEP: Once = Once::new();
    SWEEP.call_once(remove_what_killed_runs_left);
    let folder = tempfile::Builder::new().prefix(&format!("{PREFIX}{}-", process::id())).tempdir_in(place).unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    folder
}

/// A port of 127.0.0.1 on which nobody listens, for TCP and UDP, never given out twice by this process.
///
/// The range lies below the one from which the system takes the ports of outgoing connections; each process begins at another place of it.
pub(crate) fn port() -> u16 {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(process::id() % 120).unwrap() * 100;
    for _ in 0..COUNT {
        let offset = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (start + offset % COUNT) % COUNT;
        let address = (Ipv4Addr::LOCALHOST, port);
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}

/// Sends a signal to a process of ours; one that is gone already is no mistake.
pub(crate) fn signal(pid: u32, signal: Signal) {
    let _ = kill(Pid::from_raw(pid.try_into().unwrap()), signal);
}

/// A run that was killed had no chance to stop its Postfix, DNS server and daemon: they are found by its folder and stopped.
fn remove_what_killed_runs_left() {
    let places = [std::env::temp_dir(), safe_place()];
    for entry in places.iter().flat_map(|place| fs::read_dir(place).unwrap().flatten()) {
        let name = entry.file_name();
        let Some(owner) =
            name.to_str().and_then(|name| name.strip_prefix(PREFIX)).and_then(|rest| rest.split('-').next())
        else {
            continue;
        };
        // A process that ended but was not waited for has an empty command line.
        let command = fs::read(Path::new("/proc").join(owner).join("cmdline")).unwrap_or_default();
        if owner.parse::<u32>().is_ok() && command.is_empty() {
            stop_processes_of(&entry.path());
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn stop_processes_of(folder: &Path) {
    let _ = command("postfix")
        .arg("-c")
        .arg(folder.join("etc"))
        .arg("abort")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let needle = folder.to_str().unwrap_or_default().as_bytes();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if command.windows(needle.len().max(1)).any(|window| window == needle) {
            signal(pid, Signal::SIGKILL);
        }
    }
}

/// A command that is looked for in the folders of the system's services as well, which an ordinary PATH leaves out.
pub(crate) fn command(program: &str) -> Command {
    for folder in ["/usr/sbin", "/usr/bin", "/sbin", "/usr/local/sbin"] {
        let path = Path::new(folder).join(program);
        if path.is_file() {
            return Command::new(path);
        }
    }
    panic!("`{program}` is not installed; scripts/test installs what these tests need");
}
