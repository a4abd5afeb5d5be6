//! What the configuration files of OpenDKIM and OpenDMARC have in common: lines, types of values, and what becomes of each option.
//!
//! ```text
//!  file ──lines──► Line (option, value, place) ──Settings──► typed values, findings of values and of fates
//!          └── Include: the same, at its place
//! ```
//!
//! [`Schema`] is the table of all names that one of the programs ever had; each [`OldOption`] has a type and a [`Fate`]. An option that is not
//! carried as it was yields a finding with the words of its fate, so nothing is ignored in silence. What is wrong in the eyes of the old
//! programs is an error here too, in one list and not one at a time; what they take and should not have is a warning.
//!
//! Relative paths start at the working directory, as theirs do, and not at the folder of the file.

use std::io;
use std::path::Path;

mod lines;
mod names;
mod process;
mod read;
mod settings;
mod values;

pub use lines::{Line, MAX_INCLUDE_DEPTH, MAX_INCLUDES, MAX_LINE_FINDINGS, Value};
pub use names::{Fate, Kind, OldOption, Schema};
pub(super) use process::PROCESS;
pub use process::{Process, RestartRate, UserId};
pub use read::MAX_OLD_FILE;
pub(super) use read::{read_file, read_first, read_list_file};
pub(super) use settings::Settings;
pub use values::{AuthservName, HeaderSet};
pub(super) use values::{facility, words, words_about};

use super::diagnostics::{Code, Diagnostics};

/// An option that is carried with a difference.
pub const OLD_DIFFERS: Code = Code::new("W-OLD-DIFFERS");
/// An option that is known and has no effect here.
pub const OLD_NOT_CARRIED: Code = Code::new("W-OLD-NOT-CARRIED");
/// An option that the old program itself has given up.
pub const OLD_REMOVED: Code = Code::new("W-OLD-REMOVED");
/// An option that a later line sets otherwise.
pub const OLD_REPEATED: Code = Code::new("W-OLD-REPEATED");
/// A value that the old program takes and that does not do what it says.
pub const OLD_VALUE: Code = Code::new("W-OLD-VALUE");
/// A setting that lets forged mail through.
pub const OLD_HOLE: Code = Code::new("W-OLD-HOLE");
/// Two files that say different things about the one process.
pub const OLD_MERGED: Code = Code::new("W-OLD-MERGED");

/// Gives the octets of a file: the file system, or what a test has in memory.
pub type FileReader<'r> = &'r mut dyn FnMut(&Path) -> io::Result<Vec<u8>>;

/// The octets of a file with its path, and lines of a command line that stand behind all of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<'t> {
    pub(super) octets: &'t [u8],
    pub(super) file: &'t Path,
    pub(super) command_line: &'t str,
}

/// Reads the lines of a file, of the files that it includes, and of the command line; what cannot be read is reported.
pub(super) fn read_lines(schema: &'static Schema, text: Text<'_>, files: FileReader<'_>) -> (Vec<Line>, Diagnostics) {
    lines::read(schema, text, files)
}
