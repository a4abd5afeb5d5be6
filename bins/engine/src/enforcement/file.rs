//! The file that holds the ramps: `STATE/enforcement.json`.
//!
//! Written beside the old one and renamed over it, so that a reader sees one or the other. *Limits*: [`MAX_OCTETS`], [`WAIT`].

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use dkim_core::domain::DomainName;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::ramp::{LADDER, Ramps};
use super::walker;
use crate::regular_file;

/// The name of the file in the state folder.
pub const NAME: &str = "enforcement.json";

/// The file that is locked while the ramps are changed.
const LOCK: &str = ".enforcement.lock";

/// Longest wait for another process that changes the ramps, which takes milliseconds.
pub const WAIT: Duration = Duration::from_secs(10);

/// Between two tries to lock.
const PAUSE: Duration = Duration::from_millis(10);

/// Octets of the largest file that is read: ten thousand domains with all their events.
pub const MAX_OCTETS: u64 = 64 << 20;

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system says so.
    #[error("{}: {source}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not what we wrote.
    #[error("{} is not a file of enforcement steps: {cause}", file.display())]
    Content {
        /// The file.
        file: PathBuf,
        /// What is wrong, with line and column.
        cause: String,
    },
}

/// Reads the ramps of a state folder; none when there is no file.
///
/// # Errors
///
/// [`FileError`]
pub fn read(folder: &Path) -> Result<Ramps, FileError> {
    let file = folder.join(NAME);
    let mut text = Vec::new();
    let opened = match regular_file::open(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Ramps::default()),
        opened => opened,
    };
    let read = opened.and_then(|opened| opened.take(MAX_OCTETS.saturating_add(1)).read_to_end(&mut text));
    if let Err(source) = read {
        return Err(FileError::Io { file, source });
    }
    let ramps = if u64::try_from(text.len()).is_ok_and(|octets| octets <= MAX_OCTETS) {
        serde_json::from_slice(&text).map_err(|error| error.to_string()).and_then(checked)
    } else {
        Err(format!("it has more than {MAX_OCTETS} octets"))
    };
    ramps.map_err(|cause| FileError::Content { file, cause })
}

/// A name that is none, or a step that there is not, would not be in force, and nobody would know.
fn checked(ramps: Ramps) -> Result<Ramps, String> {
    for (domain, ramp) in &ramps.domains {
        if !DomainName::parse(domain).is_ok_and(|name| name.as_str() == domain) {
            return Err(format!("`{}` is no domain in A-labels and lower case", domain.escape_debug()));
        }
        if ramp.at >= LADDER.len() {
            return Err(format!("there is no step {} for {domain}", ramp.at));
        }
    }
    Ok(ramps)
}

/// Reads, changes and writes the ramps, while nobody else does; others are waited for, [`WAIT`] at most.
///
/// # Errors
///
/// [`FileError`]; nothing is written then.
pub fn update<R>(folder: &Path, change: impl FnOnce(&mut Ramps) -> R) -> Result<R, FileError> {
    let file = folder.join(LOCK);
    let locked = walker::open(&file).and_then(|opened| lock(opened, WAIT));
    let _lock = locked.map_err(|source| FileError::Io { file, source })?;
    let before = read(folder)?;
    let mut ramps = before.clone();
    let result = change(&mut ramps);
    if ramps != before {
        write(folder, &ramps)?;
    }
    Ok(result)
}

/// Somebody who wants to stop a domain must not wait for ever for a process that hangs.
fn lock(mut file: File, wait: Duration) -> io::Result<Flock<File>> {
    let begin = Instant::now();
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((again, Errno::EWOULDBLOCK)) if begin.elapsed() < wait => file = again,
            Err((_, Errno::EWOULDBLOCK)) => {
                let why = format!("another process has held it for {} s", wait.as_secs());
                return Err(io::Error::new(io::ErrorKind::TimedOut, why));
            }
            Err((_, error)) => return Err(error.into()),
        }
        std::thread::sleep(PAUSE);
    }
}

/// Writes the ramps of a state folder.
///
/// # Errors
///
/// [`FileError::Io`]; the old file is as it was then.
pub fn write(folder: &Path, ramps: &Ramps) -> Result<(), FileError> {
    let file = folder.join(NAME);
    let written = || {
        let mut temporary = tempfile::Builder::new().prefix(".enforcement").tempfile_in(folder)?;
        let text = serde_json::to_vec(ramps)?;
        if u64::try_from(text.len()).is_ok_and(|octets| octets >= MAX_OCTETS) {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "too many domains for one file"));
        }
        temporary.write_all(&text)?;
        temporary.write_all(b"\n")?;
        // The daemon may be another user; there is nothing secret in it.
        let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        temporary.as_file().set_permissions(readable)?;
        temporary.as_file().sync_all()?;
        temporary.persist(&file).map_err(|error| error.error)?;
        Ok(())
    };
    written().map_err(|source| FileError::Io { file: file.clone(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_not_given_back_is_not_waited_for_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let open = || walker::open(&folder.path().join(LOCK)).unwrap();
        let held = lock(open(), WAIT).unwrap();
        let error = lock(open(), Duration::from_millis(50)).unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (io::ErrorKind::TimedOut, "another process has held it for 0 s")
        );
        drop(held);
        update(folder.path(), |_| ()).unwrap();
    }
}
