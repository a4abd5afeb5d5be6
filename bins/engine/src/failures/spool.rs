//! The folder, for who reports what is in it: oldest first, each file removed when it was reported.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::record::Spooled;
use crate::regular_file;

/// Octets of a file.
pub const MAX_FILE: u64 = 256 * 1024;

/// What files that are complete end in.
pub(super) const SUFFIX: &str = ".json";

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpoolError {
    /// It cannot be read.
    #[error("cannot be read")]
    Io(#[from] io::Error),
    /// It is larger than any that is written.
    #[error("more than {MAX_FILE} octets")]
    TooLarge,
    /// It is not one of these files.
    #[error("it holds something else")]
    Json(#[from] serde_json::Error),
}

/// The files, oldest first. A folder that is not there holds none.
///
/// # Errors
///
/// When the folder cannot be read.
pub fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if name.is_some_and(|name| name.ends_with(SUFFIX) && !name.starts_with('.')) {
            files.push(path);
        }
    }
    // Names begin with the time.
    files.sort_unstable();
    Ok(files)
}

/// What is in a file.
///
/// # Errors
///
/// [`SpoolError`]: then it is nobody's message, and to be set aside by the caller.
pub fn read(file: &Path) -> Result<Spooled, SpoolError> {
    let mut text = Vec::new();
    let opened = regular_file::open(file)?;
    opened.take(MAX_FILE.saturating_add(1)).read_to_end(&mut text)?;
    if u64::try_from(text.len()).is_ok_and(|octets| octets > MAX_FILE) {
        return Err(SpoolError::TooLarge);
    }
    Ok(serde_json::from_slice(&text)?)
}

/// Removes a file that was reported. One that is gone is removed.
///
/// # Errors
///
/// When it cannot be removed: it would be reported again.
pub fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
