//! One daemon a state folder: an advisory lock on `STATE/lock`, which ends with the process, however that ends.
//!
//! The file holds the process id of its owner for the one who is refused; it is never removed, since a file that others may have open
//! and wait for must stay the same one.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::keys::{CreateError, make_folder};

/// The file that is locked, within the state folder.
pub const LOCK_FILE: &str = "lock";

/// Octets read of a lock file: a process id has at most ten digits.
const MAX_PID: u64 = 32;

/// Why the state folder is not ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateLockError {
    /// Another daemon has it.
    #[error(
        "the state folder {} is in use by {}; give this daemon a name of its own (`--instance NAME`) or another folder",
        folder.display(),
        owner(*.pid)
    )]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// The process that has it, if it said so.
        pid: Option<u32>,
    },
    /// The folder cannot be made.
    #[error("the state folder cannot be made: {0}")]
    Folder(#[from] CreateError),
    /// The file system refused.
    #[error("the state folder cannot be locked: {}: {kind}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        kind: io::ErrorKind,
    },
}

fn owner(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another daemon".to_owned(), |pid| format!("the daemon with process id {pid}"))
}

/// The lock; given back when this value or the process goes.
#[derive(Debug)]
pub struct StateLock {
    _file: File,
}

impl StateLock {
    /// Makes the folder if it is not there, and takes the lock.
    ///
    /// # Errors
    ///
    /// [`StateLockError`].
    pub fn take(folder: &Path) -> Result<Self, StateLockError> {
        make_folder(folder)?;
        let path = folder.join(LOCK_FILE);
        let failed = |error: &io::Error| StateLockError::Io { path: path.clone(), kind: error.kind() };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            // Not before the lock is ours.
            .truncate(false)
            .mode(0o600)
            .custom_flags(nix::libc::O_NOFOLLOW)
            .open(&path)
            .map_err(|error| failed(&error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // Who cannot be named is in the way all the same.
                let _ = (&file).take(MAX_PID).read_to_string(&mut text);
                return Err(StateLockError::InUse { folder: folder.to_path_buf(), pid: text.trim().parse().ok() });
            }
            Err(TryLockError::Error(error)) => return Err(failed(&error)),
        }
        let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        written.map_err(|error| failed(&error))?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_second_one_is_told_who_was_first_and_the_lock_ends_with_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("a/state");
        let first = StateLock::take(&state).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&state), mode(&state.join(LOCK_FILE))), (0o700, 0o600));
        let error = StateLock::take(&state).unwrap_err();
        assert_eq!(error, StateLockError::InUse { folder: state.clone(), pid: Some(std::process::id()) });
        assert!(error.to_string().contains(&format!("process id {}", std::process::id())), "{error}");
        drop(first);
        StateLock::take(&state).unwrap();
        assert!(state.join(LOCK_FILE).exists(), "it stays for the next one");
    }

    #[test]
    fn a_lock_that_is_something_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let precious = folder.path().join("precious");
        std::fs::write(&precious, "text").unwrap();
        std::os::unix::fs::symlink(&precious, folder.path().join(LOCK_FILE)).unwrap();
        assert!(matches!(StateLock::take(folder.path()), Err(StateLockError::Io { .. })));
        assert_eq!(std::fs::read_to_string(&precious).unwrap(), "text");
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(StateLock::take(&file.join("state")).is_err(), "a file where a folder should be");
    }
}
