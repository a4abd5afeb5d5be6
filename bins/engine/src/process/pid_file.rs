//! `PidFile`: opened before the process becomes another user, written when mail is served, removed at the end.
//!
//! The folder may belong to the user that the process becomes, so what root opens there is a regular file with one name, made anew or owned by root or
//! that user: neither a link nor a second name leads to a file of somebody else.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::unistd::{Pid, Uid};

/// Octets of a pid with its line end.
const MAX_PID: u64 = 32;

/// An open file, not yet written.
#[derive(Debug)]
pub(super) struct PidFile {
    path: PathBuf,
    file: File,
    is_new: bool,
}

/// A written file; removed with this value if it is still the one.
#[derive(Debug)]
pub(super) struct Written {
    path: PathBuf,
    file: File,
    pid: Pid,
}

impl PidFile {
    /// Opens it, with the permissions that `umask` leaves if it is new; `user` may own it beside root and this process.
    pub(super) fn open(path: &Path, umask: Option<u32>, user: Option<Uid>) -> Result<Self, String> {
        let failed = |error: io::Error| format!("{}: {error}", path.display());
        // From here on the working directory may change.
        let path = std::path::absolute(path).map_err(failed)?;
        let is_ours = |file: &fs::Metadata| {
            let owner = Uid::from_raw(file.uid());
            file.is_file() && file.nlink() == 1 && (owner.is_root() || owner == Uid::effective() || Some(owner) == user)
        };
        let found = fs::symlink_metadata(&path);
        if found.as_ref().is_ok_and(|found| !found.is_dir() && !is_ours(found)) {
            fs::remove_file(&path).map_err(failed)?;
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(0o666).custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits());
        let (file, is_new) = match options.clone().create_new(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => (options.open(&path).map_err(failed)?, false),
            made => (made.map_err(failed)?, true),
        };
        if !is_ours(&file.metadata().map_err(failed)?) {
            return Err(format!("{}: it is no file of ours", path.display()));
        }
        if let Some(umask) = umask {
            file.set_permissions(Permissions::from_mode(0o666 & !umask)).map_err(failed)?;
        }
        Ok(Self { path, file, is_new })
    }

    /// Replaces what is in it.
    pub(super) fn write(mut self, pid: Pid) -> Result<Written, String> {
        let failed = |error: io::Error| format!("{}: {error}", self.path.display());
        self.is_new = false;
        let mut file = self.file.try_clone().map_err(failed)?;
        // At a restart it has the number of the supervisor already. It is never empty for whoever reads it meanwhile.
        if !holds(&mut file, pid) {
            let line = format!("{pid}\n");
            let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
            let written = file.rewind().and_then(|()| file.write_all(line.as_bytes()));
            written.and_then(|()| file.set_len(length)).map_err(failed)?;
        }
        Ok(Written { path: self.path.clone(), file, pid })
    }
}

impl Drop for PidFile {
    /// A start that fails leaves no empty file behind, and the file of a daemon that runs alone.
    fn drop(&mut self) {
        if self.is_new {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        if !holds(&mut self.file, self.pid) {
            return;
        }
        let same = |found: &fs::Metadata| {
            self.file.metadata().is_ok_and(|ours| (ours.dev(), ours.ino()) == (found.dev(), found.ino()))
        };
        if fs::symlink_metadata(&self.path).is_ok_and(|found| same(&found)) && fs::remove_file(&self.path).is_err() {
            // In a folder of root alone the file stays, but tells nobody whom to kill.
            let _ = self.file.set_len(0);
        }
    }
}

/// Removes the file if it names `pid`: the end of a supervisor whose daemon could not do it.
pub(super) fn remove(path: &Path, pid: Pid) {
    let mut options = OpenOptions::new();
    let opened = options.read(true).custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits()).open(path);
    if opened.is_ok_and(|mut file| file.metadata().is_ok_and(|file| file.is_file()) && holds(&mut file, pid)) {
        let _ = fs::remove_file(path);
    }
}

fn holds(file: &mut File, pid: Pid) -> bool {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.take(MAX_PID).read_to_string(&mut text));
    read.is_ok() && text == format!("{pid}\n")
}
