//! Lines: a name, white space, and the rest of the line as its value.
//!
//! A line ends at the first `#` or carriage return, wherever that stands: also inside a value, and there is no quoting. Names are compared
//! without regard to case. The lines of an included file stand in place of the `Include` line, so they override what stands above it and are
//! overridden by what stands below.

use std::path::Path;
use std::sync::Arc;

use super::super::diagnostics::{
    CONFIG_MISSING, CONFIG_RANGE, CONFIG_SYNTAX, CONFIG_TYPE, CONFIG_UNKNOWN_KEY, Code, Diagnostic, Diagnostics,
    Location,
};
use super::super::suggest::did_you_mean;
use super::names::{Fate, Kind, OldOption, Schema};
use super::read::unreadable;
use super::values::{boolean, integer, shown};
use super::{FileReader, Text};

/// Files within each other, the first one not counted.
pub const MAX_INCLUDE_DEPTH: usize = 5;

/// Included files of one configuration: five levels of files that include each other would be read for ever.
pub const MAX_INCLUDES: usize = 100;

/// Findings about lines of one configuration; the last one says that there are more.
pub const MAX_LINE_FINDINGS: usize = 100;

/// Findings behind which no name is compared with those that exist.
const MAX_SUGGESTIONS: usize = 20;

/// A value in its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Of a [`Kind::Boolean`].
    Flag(bool),
    /// Of a [`Kind::Integer`].
    Number(i32),
    /// Of the other kinds; never empty, but for options that were removed.
    Text(String),
}

/// One line that sets an option. It may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Line {
    /// The option as it is written: not yet what it is an alias of.
    pub option: &'static OldOption,
    /// The value.
    pub value: Value,
    /// File and line; the key is the option's name.
    pub at: Location,
}

/// Without the value, which may be a password.
impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.at.file.display(), self.at.line, self.option.name)
    }
}

/// What findings name in place of a file for options of the command line.
const COMMAND_LINE: &str = "(command line)";

/// Reads a text and what it includes, and then the lines of the command line, which therefore override it.
pub(super) fn read(schema: &'static Schema, text: Text<'_>, files: FileReader<'_>) -> (Vec<Line>, Diagnostics) {
    let Text { octets, file, command_line } = text;
    let mut reader =
        Reader { schema, files, lines: Vec::new(), found: Diagnostics::default(), includes: 0, left_out: 0 };
    reader.document(octets, file, 0);
    reader.document(command_line.as_bytes(), Path::new(COMMAND_LINE), 0);
    if reader.left_out > 0 {
        let cause = format!("{} more findings about lines are left out", reader.left_out);
        let at = Location::whole(file);
        reader.found.push(Diagnostic::at(&at, CONFIG_SYNTAX, cause, "mend the others first, or give the right file"));
    }
    (reader.lines, reader.found)
}

struct Reader<'r> {
    schema: &'static Schema,
    files: FileReader<'r>,
    lines: Vec<Line>,
    found: Diagnostics,
    includes: usize,
    left_out: usize,
}

impl Reader<'_> {
    fn document(&mut self, text: &[u8], file: &Path, depth: usize) {
        let file: Arc<Path> = Arc::from(file);
        for (index, line) in text.split(|octet| *octet == b'\n').enumerate() {
            let number = u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1);
            let at = Location { file: Arc::clone(&file), line: number, key: String::new() };
            self.line(line, at, depth);
        }
    }

    fn line(&mut self, line: &[u8], at: Location, depth: usize) {
        if at.line == 1 && line.starts_with(b"\xef\xbb\xbf") {
            self.problem(&at, CONFIG_SYNTAX, "the file begins with a byte order mark", "save the file without one");
            return;
        }
        let line = line.split(|octet| matches!(octet, b'#' | b'\r')).next().unwrap_or_default();
        let line = trim(line);
        if line.is_empty() {
            return;
        }
        if line.contains(&0) {
            self.problem(&at, CONFIG_SYNTAX, "the line holds a NUL", "save the file as text: ASCII or UTF-8");
            return;
        }
        let Ok(line) = std::str::from_utf8(line) else {
            self.problem(
                &at,
                CONFIG_SYNTAX,
                "the line is not UTF-8",
                "save the file as UTF-8; comments may be anything",
            );
            return;
        };
        let (name, value) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        let value = value.trim_matches([' ', '\t']);
        let Some(option) = self.schema.find(name) else {
            self.unknown(name, &at);
            return;
        };
        let at = Location { key: option.name.to_owned(), ..at };
        match (option.kind, option.fate) {
            // It has no effect whatever it says.
            (_, Fate::Removed { .. }) => self.set(option, Value::Text(value.to_owned()), at),
            _ if value.is_empty() => {
                let fix = format!("write a value behind `{}`, or remove the line for the default", option.name);
                self.problem(&at, CONFIG_MISSING, "required value missing", &fix);
            }
            (Kind::Include, _) => {
                self.set(option, Value::Text(value.to_owned()), at.clone());
                self.include(Path::new(value), &at, depth);
            }
            (Kind::Text, _) => self.set(option, Value::Text(value.to_owned()), at),
            (Kind::Boolean, _) => self.boolean(option, value, at),
            (Kind::Integer, _) => self.integer(option, value, at),
        }
    }

    fn set(&mut self, option: &'static OldOption, value: Value, at: Location) {
        self.lines.push(Line { option, value, at });
    }

    fn boolean(&mut self, option: &'static OldOption, value: &str, at: Location) {
        match boolean(value) {
            Some(flag) => self.set(option, Value::Flag(flag), at),
            None => {
                let cause = format!("illegal value: `{}` begins with none of `t y 1 f n 0`", shown(value));
                self.problem(&at, CONFIG_TYPE, &cause, "write `yes` or `no`");
            }
        }
    }

    fn integer(&mut self, option: &'static OldOption, value: &str, at: Location) {
        match integer(value).map(i32::try_from) {
            Some(Ok(number)) => self.set(option, Value::Number(number), at),
            Some(Err(_)) => {
                let cause = format!("{} does not fit into 32 bits", shown(value));
                self.problem(&at, CONFIG_RANGE, &cause, "write a smaller number");
            }
            None => {
                let cause = format!("illegal value: `{}` is not a whole number", shown(value));
                let fix = "write digits alone: decimal, octal with a leading `0`, hexadecimal with a leading `0x`";
                self.problem(&at, CONFIG_TYPE, &cause, fix);
            }
        }
    }

    fn include(&mut self, file: &Path, at: &Location, depth: usize) {
        // A file that includes itself goes over the limits again and again; once is enough to know.
        if self.includes > MAX_INCLUDES {
            return;
        }
        let depth = depth.saturating_add(1);
        self.includes = self.includes.saturating_add(1);
        let cause = if depth > MAX_INCLUDE_DEPTH {
            format!("nesting too deep: files may include each other {MAX_INCLUDE_DEPTH} times")
        } else if self.includes > MAX_INCLUDES {
            format!("more than {MAX_INCLUDES} files are included")
        } else {
            match (self.files)(file) {
                Ok(text) => self.document(&text, file, depth),
                Err(error) => self.push(unreadable(at, file, &error)),
            }
            return;
        };
        self.includes = MAX_INCLUDES.saturating_add(1);
        self.problem(at, CONFIG_SYNTAX, &cause, "put the lines into fewer files; a file must not include itself");
    }

    fn unknown(&mut self, name: &str, at: &Location) {
        // The distance to every name is taken; a file full of unknown ones is another kind of file.
        let meant = if self.found.len() < MAX_SUGGESTIONS {
            did_you_mean(name, self.schema.options().map(|option| option.name))
        } else {
            String::new()
        };
        let cause = format!("unrecognized parameter `{}`{meant}", shown(name));
        let fix = format!("remove the line, or write the name of an option of {}", self.schema.program);
        self.problem(at, CONFIG_UNKNOWN_KEY, &cause, &fix);
    }

    fn problem(&mut self, at: &Location, code: Code, cause: &str, fix: &str) {
        self.push(Diagnostic::at(at, code, cause, fix));
    }

    fn push(&mut self, finding: Diagnostic) {
        if self.found.len() < MAX_LINE_FINDINGS {
            self.found.push(finding);
        } else {
            self.left_out = self.left_out.saturating_add(1);
        }
    }
}

/// Without spaces and tabs at both ends.
fn trim(line: &[u8]) -> &[u8] {
    let is_text = |octet: &u8| !matches!(octet, b' ' | b'\t');
    let start = line.iter().position(is_text).unwrap_or(line.len());
    let end = line.iter().rposition(is_text).map_or(start, |last| last.saturating_add(1));
    line.get(start..end).unwrap_or_default()
}
