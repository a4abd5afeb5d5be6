//! The entries of a list or file: one text, and where in it keys and values stand.
//!
//! A hundred thousand entries cost the text and 20 octets each, and no allocation of their own. Lines are those of OpenDKIM: cut at the first `#`
//! anywhere, white space as C's `isspace` has it; but a line may have any length, where OpenDKIM breaks it after 1,023 octets and takes the rest for
//! another entry.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use memchr::{memchr, memchr_iter};

use super::findings::{DATASET_LINE, DATASET_READ, Report, shown};

/// Octets of the largest file read.
pub const MAX_TABLE_FILE: u64 = 256 << 20;

/// Octets of a line that OpenDKIM reads in one piece.
const OPENDKIM_LINE: usize = 1023;

/// A part of the text.
#[derive(Clone, Copy)]
struct Span {
    start: u32,
    end: u32,
}

/// The value of an entry that has none.
const NONE: Span = Span { start: u32::MAX, end: u32::MAX };

struct Row {
    key: Span,
    value: Span,
    line: u32,
}

/// Takes an entry: its line, its key, its value; both are parts of the text.
type Add<'a> = dyn FnMut(u32, &str, Option<&str>) + 'a;

/// Entries in their order. The text may hold private keys: `Debug` shows the number of entries alone.
#[derive(Default)]
pub(super) struct Rows {
    text: Box<str>,
    rows: Vec<Row>,
}

impl Rows {
    /// Entries of a `csl:` list: separated by commas, white space around them dropped, key and value separated by the first `=`.
    pub(super) fn of_list(text: &str) -> Self {
        Self::collect(text.to_owned(), |text, add| {
            for item in text.split(',') {
                let (key, value) = match item.split_once('=') {
                    Some((key, value)) => (key, Some(value)),
                    None => (item, None),
                };
                if !trim(item).is_empty() {
                    add(0, trim(key), value.map(trim));
                }
            }
        })
    }

    /// Entries of a `file:`: the first word of a line is the key, the rest the value.
    pub(super) fn of_file(text: String, report: &mut Report<'_>) -> Self {
        Self::of_lines(text, report, |line, number, _, add| {
            let line = trim(line);
            if line.is_empty() {
                return;
            }
            match line.find(is_space) {
                Some(end) => {
                    let (key, rest) = line.split_at_checked(end).unwrap_or((line, ""));
                    add(number, key, Some(trim(rest)));
                }
                None => add(number, line, None),
            }
        })
    }

    /// Entries of a `refile:`: the pattern ends at the first white space, the rest is the value.
    pub(super) fn of_patterns(text: String, report: &mut Report<'_>) -> Self {
        Self::of_lines(text, report, |line, number, report, add| {
            let end = line.find(is_space).unwrap_or(line.len());
            let (key, rest) = line.split_at_checked(end).unwrap_or((line, ""));
            let rest = trim(rest);
            if !key.is_empty() {
                add(number, key, (!rest.is_empty()).then_some(rest));
            } else if !rest.is_empty() {
                report.note(DATASET_LINE, number, || {
                    let cause = format!(
                        "the line begins with white space and is passed over, as OpenDKIM does: `{}`",
                        shown(rest)
                    );
                    (cause, "remove the white space in front, or the line".to_owned())
                });
            }
        })
    }

    /// Hands every line to `read`, without its end and comment, with its number.
    fn of_lines(
        text: String,
        report: &mut Report<'_>,
        read: impl Fn(&str, u32, &mut Report<'_>, &mut Add<'_>),
    ) -> Self {
        Self::collect(text, |text, add| {
            let mut number: u32 = 0;
            let mut start: usize = 0;
            let ends = memchr_iter(b'\n', text.as_bytes()).chain(std::iter::once(text.len()));
            for end in ends {
                number = number.saturating_add(1);
                let line = text.get(start..end).unwrap_or_default();
                start = end.saturating_add(1);
                if line.len() > OPENDKIM_LINE {
                    report.note(DATASET_LINE, number, || {
                        let cause = format!(
                            "the line has {} octets; it is one entry here, while OpenDKIM breaks it into several after {OPENDKIM_LINE}",
                            line.len()
                        );
                        (cause, "nothing has to be done, unless OpenDKIM reads the file too".to_owned())
                    });
                }
                let line = line.get(..memchr(b'#', line.as_bytes()).unwrap_or(line.len())).unwrap_or_default();
                read(line, number, report, add);
            }
        })
    }

    /// Collects what `read` adds.
    fn collect(text: String, read: impl FnOnce(&str, &mut Add<'_>)) -> Self {
        let mut rows = Vec::new();
        let base = text.as_ptr().addr();
        let span = |part: &str| {
            let start = part.as_ptr().addr().saturating_sub(base);
            let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
            Span { start: place(start), end: place(start.saturating_add(part.len())) }
        };
        read(&text, &mut |line, key, value| {
            rows.push(Row { key: span(key), value: value.map_or(NONE, span), line });
        });
        rows.shrink_to_fit();
        Self { text: text.into_boxed_str(), rows }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// All of them, in their order.
    pub(super) fn indices(&self) -> std::ops::Range<u32> {
        0..u32::try_from(self.rows.len()).unwrap_or(u32::MAX)
    }

    /// The key of an entry; empty for one that is not there.
    pub(super) fn key(&self, row: u32) -> &str {
        self.row(row).map_or("", |row| self.part(row.key))
    }

    /// The value of an entry, if it has one.
    pub(super) fn value(&self, row: u32) -> Option<&str> {
        let value = self.row(row)?.value;
        (value.start != NONE.start).then(|| self.part(value))
    }

    /// The line it stands on; 0 in a list.
    pub(super) fn line(&self, row: u32) -> u32 {
        self.row(row).map_or(0, |row| row.line)
    }

    fn row(&self, row: u32) -> Option<&Row> {
        self.rows.get(usize::try_from(row).ok()?)
    }

    fn part(&self, span: Span) -> &str {
        let place = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
        self.text.get(place(span.start)..place(span.end)).unwrap_or_default()
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("entries", &self.rows.len()).finish_non_exhaustive()
    }
}

/// White space as C's `isspace` has it.
pub(super) fn is_space(letter: char) -> bool {
    matches!(letter, ' ' | '\t'..='\r')
}

pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// The text of a file of at most [`MAX_TABLE_FILE`] octets; what is wrong goes to `report`.
///
/// Octets that are no UTF-8 are replaced, so that such an entry matches nothing; with a finding.
pub(super) fn read(file: &Path, report: &mut Report<'_>) -> Option<String> {
    match read_octets(file) {
        Ok(octets) => Some(String::from_utf8(octets).unwrap_or_else(|error| {
            let before = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
            let line = u32::try_from(memchr_iter(b'\n', before).count().saturating_add(1)).unwrap_or(u32::MAX);
            report.note(DATASET_LINE, line, || {
                let cause = "the line is not UTF-8; what is not is replaced, and matches nothing".to_owned();
                (cause, "save the file as UTF-8, and write domains in A-labels (`xn--...`)".to_owned())
            });
            String::from_utf8_lossy(error.as_bytes()).into_owned()
        })),
        Err(error) => {
            report.note(DATASET_READ, 0, || {
                let fix = match error.kind() {
                    io::ErrorKind::NotFound => "correct the path, or make the file",
                    io::ErrorKind::PermissionDenied => {
                        "let the user of this process read the file and enter its folders"
                    }
                    io::ErrorKind::FileTooLarge => "give the path of the table; this one cannot be it",
                    _ => "give the path of a file",
                };
                (format!("cannot read the file: {error}"), fix.to_owned())
            });
            None
        }
    }
}

fn read_octets(file: &Path) -> io::Result<Vec<u8>> {
    // Without O_NONBLOCK, opening a named pipe would wait for a writer for ever.
    let file = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(file)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    if found.len() > MAX_TABLE_FILE {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut octets = Vec::with_capacity(usize::try_from(found.len()).unwrap_or_default().saturating_add(1));
    file.take(MAX_TABLE_FILE.saturating_add(1)).read_to_end(&mut octets)?;
    if u64::try_from(octets.len()).is_ok_and(|length| length <= MAX_TABLE_FILE) {
        Ok(octets)
    } else {
        Err(io::ErrorKind::FileTooLarge.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Diagnostics;

    fn all(rows: &Rows) -> Vec<(u32, String, Option<String>)> {
        rows.indices()
            .map(|row| (rows.line(row), rows.key(row).to_owned(), rows.value(row).map(str::to_owned)))
            .collect()
    }

    fn entry(line: u32, key: &str, value: Option<&str>) -> (u32, String, Option<String>) {
        (line, key.to_owned(), value.map(str::to_owned))
    }

    fn with_report(read: impl FnOnce(&mut Report<'_>) -> Rows) -> (Rows, Diagnostics) {
        let mut found = Diagnostics::default();
        let mut report = Report::of_file(Path::new("t"), "X", &mut found);
        let rows = read(&mut report);
        report.finish();
        (rows, found)
    }

    #[test]
    fn s2_1_a_list_has_items_values_and_negations() {
        let rows = Rows::of_list(" a , b = v , !c ,, d=,=e,f=g=h");
        assert_eq!(
            all(&rows),
            [
                entry(0, "a", None),
                entry(0, "b", Some("v")),
                entry(0, "!c", None),
                entry(0, "d", Some("")),
                entry(0, "", Some("e")),
                entry(0, "f", Some("g=h")),
            ]
        );
    }

    #[test]
    fn s2_1_a_file_has_a_key_and_a_value_a_line() {
        let text = "# head\nk1 v1:a:b\n\n  k2\t v 2  # tail\r\nk3\nk4#x y\n#\nlast v\r";
        let (rows, found) = with_report(|report| Rows::of_file(text.to_owned(), report));
        assert_eq!(
            all(&rows),
            [
                entry(2, "k1", Some("v1:a:b")),
                entry(4, "k2", Some("v 2")),
                entry(5, "k3", None),
                entry(6, "k4", None),
                entry(8, "last", Some("v")),
            ]
        );
        assert!(found.is_empty());
    }

    #[test]
    fn s2_1_a_line_above_1023_octets_is_one_entry_and_noted() {
        let text = format!("k {}\nj v\n", "x".repeat(3000));
        let (rows, found) = with_report(|report| Rows::of_file(text, report));
        assert_eq!((rows.len(), rows.value(0).unwrap().len()), (2, 3000));
        let finding = found.iter().next().unwrap();
        assert_eq!((finding.code, finding.line), (DATASET_LINE, Some(1)));
        let (_, found) = with_report(|report| Rows::of_file(format!("k {}\n", "x".repeat(1021)), report));
        assert!(found.is_empty());
    }

    #[test]
    fn s2_3_a_pattern_line_that_begins_with_white_space_is_passed_over() {
        let text = "*@a.example k1 x\n *@b.example k2\n   # comment\n*@c.example\n*@d.example\t \r\n";
        let (rows, found) = with_report(|report| Rows::of_patterns(text.to_owned(), report));
        assert_eq!(
            all(&rows),
            [entry(1, "*@a.example", Some("k1 x")), entry(4, "*@c.example", None), entry(5, "*@d.example", None)]
        );
        assert_eq!(
            found.iter().map(|finding| (finding.code, finding.line)).collect::<Vec<_>>(),
            [(DATASET_LINE, Some(2))]
        );
    }

    #[test]
    fn a_file_that_is_none_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let mut found = Diagnostics::default();
        let mut report = Report::of_file(folder.path(), "X", &mut found);
        assert!(read(folder.path(), &mut report).is_none());
        assert!(read(&folder.path().join("no"), &mut report).is_none());
        assert!(found.iter().all(|finding| finding.code == DATASET_READ));
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn octets_that_are_no_utf8_are_replaced_and_noted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("t");
        std::fs::write(&file, b"a b\nk\xe9y v\n").unwrap();
        let mut found = Diagnostics::default();
        let mut report = Report::of_file(&file, "X", &mut found);
        assert_eq!(read(&file, &mut report).unwrap(), "a b\nk\u{fffd}y v\n");
        assert_eq!(found.iter().next().unwrap().line, Some(2));
    }

    #[test]
    fn the_text_is_not_in_debug_output() {
        assert!(!format!("{:?}", Rows::of_list("secret")).contains("secret"));
    }
}
