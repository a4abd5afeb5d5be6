//! A data set that is open: entries in memory, by key or by pattern, or a database behind a cache.

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::external::External;
use super::findings::{DATASET_OPEN, DATASET_TWICE, Report, shown};
use super::fold_hash::{ExactIndex, Folding};
use super::lookup::{LookupError, OpenOptions, Opener};
use super::pattern::{MAX_KEY, PatternIndex};
use super::rows::{self, Rows, trim};
use super::spec::Spec;
use crate::config::diagnostics::Location;
use crate::config::{Diagnostic, Diagnostics, Sourced};

/// How the entries of a data set are read and compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Whether keys are compared without regard to the case of ASCII letters.
    pub ignores_case: bool,
    /// Whether the same key twice is a slip, to be warned of.
    pub warns_of_twice: bool,
}

impl Reading {
    /// Most options: keys without regard to case.
    pub const USUAL: Self = Self { ignores_case: true, warns_of_twice: true };
    /// `MTA` and the names of `KeyTable`: keys as they are written.
    pub const EXACT: Self = Self { ignores_case: false, warns_of_twice: true };
    /// `MacroList`: keys as they are written, and a name may stand there once for each value.
    pub const MACROS: Self = Self { ignores_case: false, warns_of_twice: false };
}

/// An open data set.
pub struct Dataset {
    name: String,
    file: Option<PathBuf>,
    source: Source,
}

enum Source {
    Keys(Rows, ExactIndex),
    Patterns(Rows, Box<PatternIndex>),
    External(Box<External>),
}

/// An entry that is in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The key, or the pattern.
    pub key: &'a str,
    /// The value, if there is one.
    pub value: Option<&'a str>,
    /// The line of the file; 0 in a list.
    pub line: u32,
}

/// The value that was found under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// One text; empty where the entry has none.
    Text(&'a str),
    /// As a database has them in columns.
    Columns(Arc<[String]>),
}

impl Value<'_> {
    /// The value in `count` fields, split at `:`; the last one has the rest, colons included. Columns of a database are fields already, unless there is
    /// only one.
    #[must_use]
    pub fn fields(&self, count: usize) -> Vec<&str> {
        match self {
            Self::Text(text) => text.splitn(count, ':').map(trim).collect(),
            Self::Columns(columns) => match &**columns {
                [single] => single.splitn(count, ':').map(trim).collect(),
                columns => columns.iter().take(count).map(|column| trim(column)).collect(),
            },
        }
    }

    /// The value in two fields, split at the first `:`; the second may be empty.
    pub(super) fn pair(&self) -> (&str, &str) {
        let split = |text| {
            let (first, second) = str::split_once(text, ':').unwrap_or((text, ""));
            (trim(first), trim(second))
        };
        match self {
            Self::Text(text) => split(text),
            Self::Columns(columns) => match &**columns {
                [] => ("", ""),
                [single] => split(single),
                [first, second, ..] => (trim(first), trim(second)),
            },
        }
    }

    /// The value as one text: of a database, the first column.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Columns(columns) => columns.first().map_or("", |column| trim(column)),
        }
    }
}

impl Dataset {
    /// Opens what the option names.
    ///
    /// *Inputs*: the option with its place, and how its entries are compared; `opener` and `options` are for databases, which are not asked yet.
    /// *Limits*: files of [`MAX_TABLE_FILE`](super::MAX_TABLE_FILE) octets; those of patterns.
    ///
    /// `None` where it cannot be opened: then, and where a pattern cannot be used, `found` has an error.
    pub fn open(
        option: &Sourced<String>,
        reading: Reading,
        opener: &dyn Opener,
        options: &OpenOptions,
        found: &mut Diagnostics,
    ) -> Option<Self> {
        let spec = Spec::read(option, found)?;
        Self::open_spec(&spec, &option.at, reading, opener, options, found)
    }

    /// As [`open`](Self::open), for an option that was read already and stands at `at`.
    pub fn open_spec(
        spec: &Spec,
        at: &Location,
        reading: Reading,
        opener: &dyn Opener,
        options: &OpenOptions,
        found: &mut Diagnostics,
    ) -> Option<Self> {
        match spec {
            Spec::Csl(list) => {
                let mut report = Report::at(at, found);
                let set = Self::of_rows(None, Rows::of_list(list), reading, &mut report);
                report.finish();
                Some(set)
            }
            Spec::File(file) | Spec::Refile(file) => {
                let mut report = Report::of_file(file, &at.key, found);
                let set = rows::read(file, &mut report).map(|text| {
                    if matches!(spec, Spec::Refile(_)) {
                        Self::of_patterns(file, text, reading, &mut report)
                    } else {
                        Self::of_file(file, text, reading, &mut report)
                    }
                });
                report.finish();
                set
            }
            Spec::External(external) => match opener.open(external, options) {
                Ok(lookup) => {
                    let source = Source::External(Box::new(External::new(external.clone(), lookup, options.timeout)));
                    Some(Self { name: external.to_string(), file: None, source })
                }
                Err(error) => {
                    found.push(Diagnostic::at(at, DATASET_OPEN, error.cause, error.fix));
                    None
                }
            },
        }
    }

    /// A list that stands in the program: the default of an option.
    #[must_use]
    pub fn of_list(list: &str, reading: Reading) -> Self {
        let at = Location { file: Arc::from(Path::new("")), line: 0, key: String::new() };
        Self::of_rows(None, Rows::of_list(list), reading, &mut Report::at(&at, &mut Diagnostics::default()))
    }

    /// The entries of a `file:` from its text.
    #[must_use]
    pub fn parse_file(file: &Path, text: String, reading: Reading, found: &mut Diagnostics) -> Self {
        let mut report = Report::of_file(file, "", found);
        let set = Self::of_file(file, text, reading, &mut report);
        report.finish();
        set
    }

    /// The entries of a `refile:` from its text.
    #[must_use]
    pub fn parse_refile(file: &Path, text: String, reading: Reading, found: &mut Diagnostics) -> Self {
        let mut report = Report::of_file(file, "", found);
        let set = Self::of_patterns(file, text, reading, &mut report);
        report.finish();
        set
    }

    fn of_file(file: &Path, text: String, reading: Reading, report: &mut Report<'_>) -> Self {
        Self::of_rows(Some(file), Rows::of_file(text, report), reading, report)
    }

    fn of_patterns(file: &Path, text: String, reading: Reading, report: &mut Report<'_>) -> Self {
        let rows = Rows::of_patterns(text, report);
        let index = PatternIndex::new(&rows, reading.ignores_case, report);
        let name = format!("refile:{}", file.display());
        Self { name, file: Some(file.to_owned()), source: Source::Patterns(rows, Box::new(index)) }
    }

    fn of_rows(file: Option<&Path>, rows: Rows, reading: Reading, report: &mut Report<'_>) -> Self {
        let folding = Folding::new(reading.ignores_case);
        let twice = |row: u32, first: u32| {
            if reading.warns_of_twice {
                report.note(DATASET_TWICE, rows.line(row), || {
                    let before = match rows.line(first) {
                        0 => "before".to_owned(),
                        line => format!("on line {line}"),
                    };
                    let cause = format!("`{}` stands there {before}, and the first one counts", shown(rows.key(row)));
                    (cause, "remove one of them".to_owned())
                });
            }
        };
        let index = ExactIndex::new(folding, rows.indices(), |row| rows.key(row), twice);
        let name = file.map_or_else(|| "csl".to_owned(), |file| format!("file:{}", file.display()));
        Self { name, file: file.map(Path::to_owned), source: Source::Keys(rows, index) }
    }

    /// Whether its entries are in memory, so that nobody ever waits for an answer.
    #[must_use]
    pub fn is_memory(&self) -> bool {
        !matches!(self.source, Source::External(_))
    }

    /// Whether its entries are patterns.
    #[must_use]
    pub fn has_patterns(&self) -> bool {
        matches!(self.source, Source::Patterns(..))
    }

    /// How many entries are in memory.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows().map_or(0, Rows::len)
    }

    /// Whether it is known to have no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows().is_some_and(|rows| rows.len() == 0)
    }

    fn rows(&self) -> Option<&Rows> {
        match &self.source {
            Source::Keys(rows, _) | Source::Patterns(rows, _) => Some(rows),
            Source::External(_) => None,
        }
    }

    /// All entries in memory, in the order of the file.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.rows().into_iter().flat_map(|rows| rows.indices().map(|row| entry(rows, row)))
    }

    /// The first entry in memory with this key, or whose pattern matches it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Entry<'_>> {
        let (rows, row) = match &self.source {
            Source::Keys(rows, index) => (rows, index.find(key, |row| rows.key(row))?),
            Source::Patterns(rows, index) => (rows, index.first(rows, key)?),
            Source::External(_) => return None,
        };
        Some(entry(rows, row))
    }

    /// All entries whose pattern matches `key`, in the order of the file; without patterns, at most one.
    #[must_use]
    pub fn get_all(&self, key: &str) -> Vec<Entry<'_>> {
        match &self.source {
            Source::Patterns(rows, index) => index.all(rows, key).into_iter().map(|row| entry(rows, row)).collect(),
            _ => self.get(key).into_iter().collect(),
        }
    }

    /// The value under `key`, wherever it is. Ready at once unless the entries are outside of this process.
    ///
    /// # Errors
    ///
    /// [`LookupError`], from a database.
    pub async fn look_up(&self, key: &str) -> Result<Option<Value<'_>>, LookupError> {
        match &self.source {
            Source::External(_) if key.len() > MAX_KEY => Ok(None),
            Source::External(external) => Ok(external.look_up(key).await?.map(Value::Columns)),
            _ => Ok(self.get(key).map(|entry| Value::Text(entry.value.unwrap_or_default()))),
        }
    }

    /// Whether there is an entry under `key`, wherever it is.
    ///
    /// # Errors
    ///
    /// [`LookupError`], from a database.
    pub async fn contains(&self, key: &str) -> Result<bool, LookupError> {
        Ok(self.look_up(key).await?.is_some())
    }

    /// Takes findings about its entries: in its file, or at the option where there is none.
    pub(super) fn report<'a>(&self, at: &Location, found: &'a mut Diagnostics) -> Report<'a> {
        match &self.file {
            Some(file) => Report::of_file(file, &at.key, found),
            None => Report::at(at, found),
        }
    }

    /// The patterns that match everything.
    pub(super) fn matching_all(&self) -> Vec<Entry<'_>> {
        match &self.source {
            Source::Patterns(rows, index) => index.any().iter().map(|row| entry(rows, *row)).collect(),
            _ => Vec::new(),
        }
    }
}

fn entry(rows: &Rows, row: u32) -> Entry<'_> {
    Entry { key: rows.key(row), value: rows.value(row), line: rows.line(row) }
}

/// What it was opened from, without what may be secret.
impl fmt::Display for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dataset").field("name", &self.name).field("entries", &self.len()).finish_non_exhaustive()
    }
}

/// What a future that has nothing to wait for comes to; `None` if it waits all the same.
pub(super) fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
