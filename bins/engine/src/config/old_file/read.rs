//! Reading a file: regular files of bounded size only.

use std::io::{self, Read};
use std::path::Path;

use super::super::diagnostics::{CONFIG_READ, Diagnostic, Diagnostics, Location};
use super::FileReader;
use super::values::shown;
use crate::regular_file;

/// Octets above which a file is not taken for one of these: lines may be of any length within it.
pub const MAX_OLD_FILE: u64 = 4 << 20;

/// The octets of a regular file of at most [`MAX_OLD_FILE`].
pub(in crate::config) fn read_file(file: &Path) -> io::Result<Vec<u8>> {
    let opened = regular_file::open(file)?;
    let mut text = Vec::new();
    // One octet more than allowed tells a file that ends at the limit from a longer one.
    let octets = opened.take(MAX_OLD_FILE.saturating_add(1)).read_to_end(&mut text)?;
    if u64::try_from(octets).is_ok_and(|octets| octets <= MAX_OLD_FILE) {
        Ok(text)
    } else {
        Err(io::ErrorKind::FileTooLarge.into())
    }
}

/// The finding for a file that cannot be read, at the place that names it.
pub(super) fn unreadable(at: &Location, file: &Path, error: &io::Error) -> Diagnostic {
    let fix = match error.kind() {
        io::ErrorKind::NotFound => "give the path of an existing file; a relative one starts at the working directory",
        io::ErrorKind::PermissionDenied => "let the user of this process read the file and enter its folders",
        io::ErrorKind::FileTooLarge => "give the path of the right file; this one is too large to be it",
        _ => "check the path and the file system",
    };
    let shown = shown(&file.display().to_string());
    Diagnostic::at(at, CONFIG_READ, format!("cannot read `{shown}`: {error}"), fix)
}

/// The octets of the file that a program is given.
pub(in crate::config) fn read_first(file: &Path) -> Result<Vec<u8>, Diagnostics> {
    read_file(file).map_err(|error| one(unreadable(&Location::whole(file), file, &error)))
}

fn one(finding: Diagnostic) -> Diagnostics {
    let mut found = Diagnostics::default();
    found.push(finding);
    found
}

/// The first word of each line of a file that an option names; a `#` begins a comment.
pub(in crate::config) fn read_list_file(
    file: &Path,
    at: &Location,
    files: FileReader<'_>,
) -> Result<Vec<String>, Diagnostics> {
    let text = files(file).and_then(|text| String::from_utf8(text).map_err(io::Error::other));
    let text = text.map_err(|error| one(unreadable(at, file, &error)))?;
    let word = |line: &str| {
        let line = line.split('#').next().unwrap_or_default();
        line.split_ascii_whitespace().next().map(str::to_owned)
    };
    Ok(text.lines().filter_map(word).collect())
}
