//! Opening what somebody named, where only a file makes sense: no pipe, device, socket or folder.
//!
//! A named pipe without a writer would hold up whoever opens it, a start or a reload among them, without a word; a device may have no end.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::fcntl::OFlag;

/// Opens a regular file for reading. Symbolic links are followed: it is what they lead to that counts.
///
/// # Errors
///
/// What the system says, and that it is no regular file. Nothing is waited for.
pub fn open(file: &Path) -> io::Result<File> {
    // Without O_NONBLOCK, opening a named pipe would wait for a writer for ever; a terminal must not become ours.
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let opened = OpenOptions::new().read(true).custom_flags(flags.bits()).open(file)?;
    if opened.metadata()?.is_file() {
        return Ok(opened);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn files_and_links_to_them_are_opened_and_nothing_else_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("file"), "text").unwrap();
        symlink("file", path("link")).unwrap();
        let mut text = String::new();
        open(&path("link")).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "text");
        nix::unistd::mkfifo(&path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        symlink("pipe", path("to-pipe")).unwrap();
        for name in ["pipe", "to-pipe", "."] {
            assert_eq!(open(&path(name)).unwrap_err().to_string(), "it is not a regular file", "{name}");
        }
        assert!(open(Path::new("/dev/zero")).is_err());
        assert_eq!(open(&path("absent")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
