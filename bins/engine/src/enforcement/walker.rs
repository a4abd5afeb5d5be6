//! One walker a domain: an advisory lock on a file of the state folder, which ends with the process, however that ends.
//!
//! Two that decide about one domain would go up twice as fast as its mail allows. The file is never removed: others may have it open and wait for it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::unistd::Uid;

/// Octets of a domain that are part of the file's name; of a longer one it is a checksum. A name in a folder has 255 at most.
const MAX_NAME: usize = 200;

/// Octets read of a lock file: a process id has at most ten digits.
const MAX_PID: u64 = 32;

/// Why somebody may not walk a domain.
#[derive(Debug, thiserror::Error)]
pub enum WalkerError {
    /// Another process does.
    #[error("{domain} is walked by {} already", owner(*.pid))]
    Taken {
        /// The domain.
        domain: String,
        /// The process, if it said so.
        pid: Option<u32>,
    },
    /// The file system refused.
    #[error("{}: {source}", file.display())]
    Io {
        /// The lock file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn owner(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

/// The right to walk a domain; given back when this value or the process goes.
#[derive(Debug)]
pub struct Walker {
    _lock: Flock<File>,
}

impl Walker {
    /// Takes the right, in this state folder.
    ///
    /// # Errors
    ///
    /// [`WalkerError`]; nothing is waited for.
    pub fn take(state: &Path, domain: &str) -> Result<Self, WalkerError> {
        let file = state.join(name(domain));
        let opened = open(&file).map_err(|source| WalkerError::Io { file: file.clone(), source })?;
        let mut lock = match Flock::lock(opened, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => lock,
            Err((opened, Errno::EWOULDBLOCK)) => {
                let mut text = String::new();
                // Who cannot be named is in the way all the same.
                let _ = opened.take(MAX_PID).read_to_string(&mut text);
                return Err(WalkerError::Taken { domain: domain.to_owned(), pid: text.trim().parse().ok() });
            }
            Err((_, error)) => return Err(WalkerError::Io { file, source: error.into() }),
        };
        // For those who are refused; the lock holds without it, where the file is somebody else's.
        let _ = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
        Ok(Self { _lock: lock })
    }
}

fn name(domain: &str) -> String {
    if domain.len() <= MAX_NAME {
        format!(".enforcement-{domain}.lock")
    } else {
        format!(".enforcement-{:08x}.lock", crc32fast::hash(domain.as_bytes()))
    }
}

/// Opens a lock file, and makes it if it is not there. One that another user has made can be locked without writing to it.
///
/// Whoever can read a file can lock it, so nobody but the owner of the folder may: the folder may be readable for everyone.
pub(super) fn open(file: &Path) -> io::Result<File> {
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(0o600).custom_flags(flags);
    match options.open(file) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => return made.inspect(|made| give_to_owner(made, file)),
    }
    match options.create_new(false).open(file) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            OpenOptions::new().read(true).custom_flags(flags).open(file)
        }
        opened => opened,
    }
}

/// What root makes in the folder of another user is his, as the folder is: he walks as well. Where that cannot be, it stays with root.
fn give_to_owner(made: &File, file: &Path) {
    let folder = file.parent().and_then(|folder| folder.metadata().ok());
    if let Some(folder) = folder.filter(|folder| Uid::effective().is_root() && folder.uid() != 0) {
        let _ = fchown(made, Some(folder.uid()), Some(folder.gid()));
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn nobody_but_the_owner_of_the_folder_can_hold_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name("bank.example"));
        if Uid::effective().is_root() {
            std::os::unix::fs::chown(folder.path(), Some(65534), Some(65534)).unwrap();
        }
        for _ in 0..2 {
            Walker::take(folder.path(), "bank.example").unwrap();
            let (data, owner) = (file.metadata().unwrap(), folder.path().metadata().unwrap().uid());
            assert_eq!((data.permissions().mode() & 0o777, data.uid()), (0o600, owner));
        }
    }

    #[test]
    fn one_walks_a_domain_and_the_next_one_is_told_who() {
        let folder = tempfile::tempdir().unwrap();
        let first = Walker::take(folder.path(), "bank.example").unwrap();
        let told = Walker::take(folder.path(), "bank.example").unwrap_err().to_string();
        assert_eq!(told, format!("bank.example is walked by process {} already", std::process::id()));
        let _other = Walker::take(folder.path(), "shop.example").unwrap();
        drop(first);
        Walker::take(folder.path(), "bank.example").unwrap();
        let long = ["x"; 126].join(".");
        assert_eq!(long.len(), 251);
        Walker::take(folder.path(), &long).unwrap();
    }

    #[test]
    fn what_is_no_lock_file_is_told_and_no_wait() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/dev/null", folder.path().join(name("bank.example"))).unwrap();
        let error = Walker::take(folder.path(), "bank.example").unwrap_err();
        assert!(matches!(error, WalkerError::Io { .. }), "{error}");
        assert!(matches!(Walker::take(&folder.path().join("absent"), "a.example"), Err(WalkerError::Io { .. })));
    }
}
