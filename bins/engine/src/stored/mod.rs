//! Stored mail, message by message: a Maildir with all its folders, an mbox file, a folder of `.eml` files, or one message.
//!
//! | what | which files are messages |
//! |---|---|
//! | a folder `cur` or `new` | all of them: a Maildir, and the folders below it (`.Sent`, `.Lists.dev`, …) |
//! | any other folder | `NAME.eml`; those of `NAME.mbox` |
//! | a file | all messages of an mbox (it begins with `From `), else it is one |
//!
//! One message is in memory at a time. *Limits*: [`MAX_MESSAGE`] octets a message, [`MAX_DEPTH`] folders in one another; what is beyond is passed over
//! and told. Symbolic links are never followed but for the path itself, so a loop of them is none; devices, pipes and sockets are no files.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, ReadDir};
use std::io::{self, BufReader, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use dkim_core::UnixTime;
use nix::fcntl::OFlag;

pub mod mbox;

use self::mbox::{FromLine, Item, Mbox};
use crate::regular_file;

/// Octets of the largest message that is read: more than MTAs take by default.
pub const MAX_MESSAGE: usize = 64 << 20;

/// Folders in one another that are entered.
pub const MAX_DEPTH: usize = 32;

/// What is found next.
#[derive(Debug)]
pub enum Found {
    /// A message.
    Message(Stored),
    /// Something that is passed over.
    Skipped {
        /// Its file.
        file: PathBuf,
        /// Why.
        why: Skip,
    },
}

/// A message as it is stored.
#[derive(Debug)]
pub struct Stored {
    /// Its file; in an mbox with the number of the message behind `#`.
    pub name: String,
    /// What is in it.
    pub octets: Vec<u8>,
    /// The line before it in an mbox.
    pub from_line: Option<FromLine>,
    /// When its file was written; none in an mbox.
    pub written: Option<UnixTime>,
}

/// Why a file is passed over.
#[derive(Debug, thiserror::Error)]
pub enum Skip {
    /// A symbolic link.
    #[error("symbolic link")]
    Link,
    /// More than [`MAX_MESSAGE`] octets.
    #[error("message of more than {MAX_MESSAGE} octets")]
    TooLarge,
    /// Below [`MAX_DEPTH`] folders.
    #[error("more than {MAX_DEPTH} folders in one another")]
    TooDeep,
    /// The system does not let us read it, or it is no mbox.
    #[error("{0}")]
    Unreadable(io::Error),
}

impl Skip {
    /// The word for counts.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Link => "symbolic-link",
            Self::TooLarge => "too-large",
            Self::TooDeep => "too-deep",
            Self::Unreadable(_) => "unreadable",
        }
    }
}

/// Stored messages, one after the other, in the order of the file system.
#[derive(Debug)]
pub struct Messages {
    folders: Vec<Folder>,
    mbox: Option<OpenMbox>,
    /// The only message.
    single: Option<PathBuf>,
}

#[derive(Debug)]
struct Folder {
    entries: ReadDir,
    path: PathBuf,
    /// Its name is `cur` or `new`.
    is_of_maildir: bool,
}

#[derive(Debug)]
struct OpenMbox {
    path: PathBuf,
    number: u64,
    messages: Mbox<BufReader<File>>,
}

impl Messages {
    /// The messages at a path.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is neither folder nor file.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut messages = Self { folders: Vec::new(), mbox: None, single: None };
        let kind = fs::metadata(path)?;
        if kind.is_dir() {
            messages.folders.push(Folder::open(path.to_path_buf())?);
        } else if kind.is_file() {
            // The path itself may be a link: from here on it is what that leads to.
            let path = path.canonicalize()?;
            let mut start = Vec::new();
            regular_file::open(&path)?.take(mbox::START.len() as u64).read_to_end(&mut start)?;
            if start == mbox::START {
                messages.mbox = Some(OpenMbox::open(path)?);
            } else {
                messages.single = Some(path);
            }
        } else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "neither a folder nor a file"));
        }
        Ok(messages)
    }
}

impl Iterator for Messages {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        loop {
            if let Some(mbox) = &mut self.mbox {
                match mbox.next_message() {
                    Some(found) => return Some(found),
                    None => self.mbox = None,
                }
                continue;
            }
            if let Some(path) = self.single.take() {
                return Some(message(path));
            }
            let depth = self.folders.len();
            let folder = self.folders.last_mut()?;
            let Some(entry) = folder.entries.next() else {
                self.folders.pop();
                continue;
            };
            let (path, kind) = match entry.and_then(|entry| Ok((entry.path(), entry.file_type()?))) {
                Ok(both) => both,
                Err(error) => return Some(skipped(folder.path.clone(), Skip::Unreadable(error))),
            };
            let extension = path.extension().map(OsStr::to_ascii_lowercase);
            let is_message = folder.is_of_maildir || extension.as_deref() == Some(OsStr::new("eml"));
            let is_mbox = !folder.is_of_maildir && extension.as_deref() == Some(OsStr::new("mbox"));
            if kind.is_symlink() {
                return Some(skipped(path, Skip::Link));
            } else if kind.is_dir() && !folder.is_of_maildir {
                if depth >= MAX_DEPTH {
                    return Some(skipped(path, Skip::TooDeep));
                }
                match Folder::open(path.clone()) {
                    Ok(below) => self.folders.push(below),
                    Err(error) => return Some(skipped(path, Skip::Unreadable(error))),
                }
            } else if kind.is_file() && is_message {
                return Some(message(path));
            } else if kind.is_file() && is_mbox {
                match OpenMbox::open(path.clone()) {
                    Ok(mbox) => self.mbox = Some(mbox),
                    Err(error) => return Some(skipped(path, Skip::Unreadable(error))),
                }
            }
        }
    }
}

impl Folder {
    fn open(path: PathBuf) -> io::Result<Self> {
        let is_of_maildir = path.file_name().is_some_and(|name| name == "cur" || name == "new");
        Ok(Self { entries: fs::read_dir(&path)?, path, is_of_maildir })
    }
}

impl OpenMbox {
    fn open(path: PathBuf) -> io::Result<Self> {
        Ok(Self { messages: Mbox::new(BufReader::with_capacity(64 * 1024, open(&path)?)), path, number: 0 })
    }

    fn next_message(&mut self) -> Option<Found> {
        let item = self.messages.next_message().transpose()?;
        self.number = self.number.saturating_add(1);
        let name = format!("{}#{}", self.path.display(), self.number);
        Some(match item {
            Ok(Item::Message { from, octets }) => {
                Found::Message(Stored { name, octets, from_line: Some(from), written: None })
            }
            Ok(Item::TooLarge) => skipped(name.into(), Skip::TooLarge),
            Err(error) => skipped(self.path.clone(), Skip::Unreadable(error)),
        })
    }
}

fn skipped(file: PathBuf, why: Skip) -> Found {
    Found::Skipped { file, why }
}

/// One message in one file.
fn message(path: PathBuf) -> Found {
    match read(&path) {
        Ok((octets, _)) if octets.len() > MAX_MESSAGE => skipped(path, Skip::TooLarge),
        Ok((octets, written)) => {
            let name = path.display().to_string();
            Found::Message(Stored { name, octets, from_line: None, written })
        }
        Err(error) => skipped(path, Skip::Unreadable(error)),
    }
}

/// What is in a file, up to one octet more than a message may have, and when it was written.
fn read(path: &Path) -> io::Result<(Vec<u8>, Option<UnixTime>)> {
    let file = open(path)?;
    let written = file.metadata()?.modified().ok().and_then(unix_time);
    let mut octets = Vec::new();
    file.take((MAX_MESSAGE as u64).saturating_add(1)).read_to_end(&mut octets)?;
    Ok((octets, written))
}

/// Opens a file that was one a moment ago, and is not waited for if it is a pipe now.
fn open(path: &Path) -> io::Result<File> {
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"))
}

fn unix_time(time: SystemTime) -> Option<UnixTime> {
    time.duration_since(UNIX_EPOCH).ok().map(|since| UnixTime::from_secs(since.as_secs()))
}

#[cfg(test)]
mod tests;
