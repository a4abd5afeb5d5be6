//! What is wrong in a list or a table, as findings that name the line.
//!
//! A table of a hundred thousand lines may have the same slip in each: of every kind the first [`MAX_FINDINGS`] are told, and how many there are.

use std::path::Path;

use crate::config::diagnostics::{Code, Location};
use crate::config::{Diagnostic, Diagnostics};

/// A file that cannot be read.
pub const DATASET_READ: Code = Code::new("E-DATASET-READ");
/// A database that cannot be opened as it is written.
pub const DATASET_OPEN: Code = Code::new("E-DATASET-OPEN");
/// A pattern that cannot be used.
pub const DATASET_PATTERN: Code = Code::new("E-DATASET-PATTERN");
/// A pattern that hardly means what it looks like.
pub const DATASET_DOUBT: Code = Code::new("W-DATASET-DOUBT");
/// A line that is passed over, or that OpenDKIM reads in another way.
pub const DATASET_LINE: Code = Code::new("W-DATASET-LINE");
/// The same key twice: the second entry is never found.
pub const DATASET_TWICE: Code = Code::new("W-DATASET-TWICE");
/// An entry without a value where one is needed.
pub const DATASET_VALUE: Code = Code::new("W-DATASET-VALUE");
/// An entry of a list of hosts that matches no host.
pub const DATASET_HOST: Code = Code::new("W-DATASET-HOST");
/// An entry of a list of hosts that matches every host.
pub const DATASET_EVERYONE: Code = Code::new("W-DATASET-EVERYONE");
/// A SigningTable entry whose key is not there.
pub const TABLE_KEY: Code = Code::new("W-TABLE-KEY");
/// A KeyTable entry that cannot be used.
pub const TABLE_ENTRY: Code = Code::new("W-TABLE-ENTRY");

/// Findings of one kind told of one data set.
pub const MAX_FINDINGS: usize = 10;

/// Characters of an entry that a finding shows.
const MAX_SHOWN: usize = 80;

/// Findings about one data set.
pub(super) struct Report<'a> {
    at: Location,
    found: &'a mut Diagnostics,
    counts: Vec<(Code, usize)>,
}

impl<'a> Report<'a> {
    /// Of a file; `key` is the option that names it.
    pub(super) fn of_file(file: &Path, key: &str, found: &'a mut Diagnostics) -> Self {
        Self::at(&Location { key: key.to_owned(), ..Location::whole(file) }, found)
    }

    /// Of a list that stands in the configuration itself.
    pub(super) fn at(at: &Location, found: &'a mut Diagnostics) -> Self {
        Self { at: at.clone(), found, counts: Vec::new() }
    }

    /// Notes a finding; the texts are made only if it is told. Line 0: the place is that of the option, or the whole file.
    pub(super) fn note(&mut self, code: Code, line: u32, texts: impl FnOnce() -> (String, String)) {
        let count = match self.counts.iter_mut().find(|(known, _)| *known == code) {
            Some((_, count)) => count,
            None => {
                self.counts.push((code, 0));
                let Some((_, count)) = self.counts.last_mut() else { return };
                count
            }
        };
        *count = count.saturating_add(1);
        if *count <= MAX_FINDINGS {
            let (cause, fix) = texts();
            let line = if line == 0 { self.at.line } else { line };
            self.found.push(Diagnostic::at(&Location { line, ..self.at.clone() }, code, cause, fix));
        }
    }

    /// Tells how many were left out.
    pub(super) fn finish(self) {
        for (code, count) in self.counts {
            let more = count.saturating_sub(MAX_FINDINGS);
            if more > 0 {
                let cause = format!("the same is found in {more} more entries");
                self.found.push(Diagnostic::at(
                    &self.at,
                    code,
                    cause,
                    "mend the lines named above, then see what is left",
                ));
            }
        }
    }
}

/// A part of a file as a finding shows it: on one line, cut when it is long.
pub(super) fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(MAX_SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
        short.push_str("...");
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_kind_the_first_are_told_and_then_the_number() {
        let mut found = Diagnostics::default();
        let mut report = Report::of_file(Path::new("/t"), "KeyTable", &mut found);
        for line in 1..=25 {
            report.note(DATASET_LINE, line, || ("c".into(), "f".into()));
        }
        report.note(DATASET_VALUE, 7, || ("v".into(), "f".into()));
        report.finish();
        assert_eq!(found.len(), MAX_FINDINGS + 2);
        let last = found.iter().last().unwrap();
        assert!(last.cause.contains("15 more"), "{last}");
        assert_eq!(found.iter().nth(3).unwrap().line, Some(4));
    }

    #[test]
    fn a_long_or_hostile_entry_is_shown_on_one_line() {
        assert_eq!(shown("a\nb\u{1b}"), "a\\nb\\u{1b}");
        assert_eq!(shown(&"x".repeat(500)).len(), MAX_SHOWN + 3);
    }
}
