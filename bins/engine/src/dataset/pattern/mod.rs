//! The patterns of a `refile:`, found without trying one after the other.
//!
//! OpenDKIM tries every pattern in the order of the file. Nearly all patterns are globs, and are found here by a part of theirs that is in the text as it
//! stands: the whole (`user@example.com`), the end (`*@example.com`, `*@*.example.com`), or the beginning (`user@*`). A hash of the text finds the few
//! that can match; each is then compared in full. What is left, true expressions and `*x*`, is one [`RegexSet`]. Rows carry their place in the file, and the
//! lowest counts, so the answer is that of the scan.
//!
//! *Limits*: texts of more than [`MAX_KEY`] octets match nothing; [`MAX_REGEXES`] patterns that need an expression, [`MAX_REGEX_SIZE`] octets when compiled.

mod affix;
mod bre;
mod ere;
mod glob;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use regex::bytes::{RegexSet, RegexSetBuilder};

use self::affix::{AffixIndex, Chains, Side};
pub use self::ere::{MAX_REGEX, PatternError};
use super::findings::{DATASET_DOUBT, DATASET_PATTERN, Report, shown};
use super::fold_hash::{ExactIndex, Folding};
use super::rows::Rows;

/// Octets of the longest key that is looked up; longer ones match nothing. An address has at most 320 octets.
pub const MAX_KEY: usize = 1024;

/// Patterns of one table that need an expression.
pub const MAX_REGEXES: usize = 1000;

/// Octets that the expressions of one table have together when they are compiled.
pub const MAX_REGEX_SIZE: usize = 16 << 20;

/// Translates a basic expression for the crates of `regex`: by octets, with regard to case, and with `.` matching every octet.
///
/// *Limits*: [`MAX_REGEX`] octets.
pub(crate) fn translate_basic(basic: &[u8]) -> Result<String, PatternError> {
    if basic.len() > MAX_REGEX {
        return Err(PatternError::TooLong);
    }
    ere::translate_extended(&bre::extended(basic)?, false)
}

/// How a pattern is found.
enum Shape {
    /// No `*`.
    Exact,
    /// Nothing but `*`.
    Any,
    /// By what it ends in.
    End,
    /// By what it begins with.
    Start,
    /// By trying.
    Regex,
    /// Never: it is longer than any key.
    Never,
}

fn shape(pattern: &str) -> Shape {
    let octets = pattern.as_bytes();
    if octets.iter().copied().any(ere::is_special) {
        return Shape::Regex;
    }
    let stars = octets.iter().filter(|octet| **octet == b'*').count();
    let (head, tail) = (glob::head(octets).len(), glob::tail(octets).len());
    match octets.len().saturating_sub(stars) {
        literal if literal > MAX_KEY => Shape::Never,
        0 if stars > 0 => Shape::Any,
        _ if stars == 0 => Shape::Exact,
        _ if tail == 0 && head == 0 => Shape::Regex,
        _ if head > tail => Shape::Start,
        _ => Shape::End,
    }
}

/// An index of the patterns of a table; the patterns themselves stay in its [`Rows`].
#[derive(Debug)]
pub(super) struct PatternIndex {
    folding: Folding,
    exact: ExactIndex,
    any: Vec<u32>,
    ends: AffixIndex,
    starts: AffixIndex,
    chains: Chains,
    /// Rows with a pattern that was there before and has no `*`: found through the first row with it.
    again: Vec<(u32, u32)>,
    set: RegexSet,
    set_rows: Vec<u32>,
}

/// What a search is after.
enum Wanted {
    First(Option<u32>),
    All(Vec<u32>),
}

impl Wanted {
    /// Whether `row` would change anything.
    fn wants(&self, row: u32) -> bool {
        !matches!(self, Self::First(Some(best)) if *best <= row)
    }

    fn take(&mut self, row: u32) {
        if !self.wants(row) {
            return;
        }
        match self {
            Self::First(best) => *best = Some(row),
            Self::All(rows) => rows.push(row),
        }
    }
}

impl PatternIndex {
    /// An index of all `rows`. What cannot be used is reported and left out, with an error; what hardly means what it looks like, with a warning.
    pub(super) fn new(rows: &Rows, ignores_case: bool, report: &mut Report<'_>) -> Self {
        let folding = Folding::new(ignores_case);
        let (mut exact, mut any, mut set_rows, mut expressions) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut ends = AffixIndex::new(Side::End, folding);
        let mut starts = AffixIndex::new(Side::Start, folding);
        let mut chains = Chains::new(rows.len());
        for row in rows.indices() {
            let pattern = rows.key(row);
            match shape(pattern) {
                Shape::Exact => exact.push(row),
                Shape::Any => any.push(row),
                Shape::End => ends.add(row, |row| glob::tail(rows.key(row).as_bytes()), &mut chains),
                Shape::Start => starts.add(row, |row| glob::head(rows.key(row).as_bytes()), &mut chains),
                Shape::Never => report.note(DATASET_DOUBT, rows.line(row), || {
                    let cause =
                        format!("the pattern is longer than any address and matches nothing: `{}`", shown(pattern));
                    (cause, "correct the pattern, or remove the line".to_owned())
                }),
                Shape::Regex if set_rows.len() >= MAX_REGEXES => report.note(DATASET_PATTERN, rows.line(row), || {
                    let cause =
                        format!("more than {MAX_REGEXES} patterns need a regular expression: `{}`", shown(pattern));
                    (cause, "write patterns with `*` alone, or name the addresses".to_owned())
                }),
                Shape::Regex => match ere::translate(pattern, ignores_case) {
                    Ok(expression) => {
                        doubt(pattern, rows.line(row), report);
                        expressions.push(expression);
                        set_rows.push(row);
                    }
                    Err(error) => refuse(pattern, rows.line(row), &error, report),
                },
            }
        }
        let mut again = Vec::new();
        let exact =
            ExactIndex::new(folding, exact.into_iter(), |row| rows.key(row), |row, first| again.push((first, row)));
        again.sort_unstable();
        let set = compiled(&expressions, rows, &mut set_rows, report);
        Self { folding, exact, any, ends, starts, chains, again, set, set_rows }
    }

    /// The first row, in the order of the file, whose pattern `text` matches.
    pub(super) fn first(&self, rows: &Rows, text: &str) -> Option<u32> {
        let mut wanted = Wanted::First(None);
        self.search(rows, text, &mut wanted);
        if let Wanted::First(row) = wanted { row } else { None }
    }

    /// All rows whose pattern `text` matches, in the order of the file.
    pub(super) fn all(&self, rows: &Rows, text: &str) -> Vec<u32> {
        let mut wanted = Wanted::All(Vec::new());
        self.search(rows, text, &mut wanted);
        let Wanted::All(mut rows) = wanted else { return Vec::new() };
        rows.sort_unstable();
        rows
    }

    fn search(&self, rows: &Rows, text: &str, wanted: &mut Wanted) {
        if text.len() > MAX_KEY {
            return;
        }
        if let Some(row) = self.exact.find(text, |row| rows.key(row)) {
            wanted.take(row);
            let from = self.again.partition_point(|(first, _)| *first < row);
            let same = self.again.iter().skip(from).take_while(|(first, _)| *first == row);
            same.for_each(|(_, again)| wanted.take(*again));
        }
        for row in &self.any {
            if !wanted.wants(*row) {
                break;
            }
            wanted.take(*row);
        }
        let octets = text.as_bytes();
        let mut take = |row: u32| {
            let goes_on = wanted.wants(row);
            if goes_on && glob::matches(rows.key(row).as_bytes(), octets, self.folding) {
                wanted.take(row);
            }
            goes_on
        };
        self.ends.each(octets, |row| glob::tail(rows.key(row).as_bytes()), &self.chains, &mut take);
        self.starts.each(octets, |row| glob::head(rows.key(row).as_bytes()), &self.chains, &mut take);
        if self.set_rows.first().is_some_and(|row| wanted.wants(*row)) {
            let capitals =
                if self.folding.ignores_case { Cow::Owned(octets.to_ascii_uppercase()) } else { Cow::Borrowed(octets) };
            for index in &self.set.matches(&capitals) {
                if let Some(row) = self.set_rows.get(index) {
                    wanted.take(*row);
                }
            }
        }
    }

    /// Rows that match everything.
    pub(super) fn any(&self) -> &[u32] {
        &self.any
    }
}

fn refuse(pattern: &str, line: u32, error: &PatternError, report: &mut Report<'_>) {
    report.note(DATASET_PATTERN, line, || {
        let cause = format!("the pattern cannot be used: {error}: `{}`", shown(pattern));
        (cause, "correct the pattern: `*` stands for any characters, and `? [ ] ( ) { } | ^ $` have their meaning in regular expressions".to_owned())
    });
}

/// Patterns that are valid and hardly meant.
fn doubt(pattern: &str, line: u32, report: &mut Report<'_>) {
    let mut note = |cause: &str, fix: &str| {
        report.note(DATASET_DOUBT, line, || (format!("{cause}: `{}`", shown(pattern)), fix.to_owned()));
    };
    if pattern.contains('?') {
        note(
            "`?` makes the character before it optional and does not stand for one character, as in OpenDKIM",
            "write `*`, or name the addresses",
        );
    }
    if pattern.contains('|') && !pattern.contains('(') {
        note(
            "`|` without parentheses leaves the first part open at its end and the last one at its beginning, as in OpenDKIM",
            "write one line for each, or put the whole in `(...)`",
        );
    }
    if pattern.contains(r"\.") {
        note(
            "a dot stands for itself; `\\.` is a backslash and any one character, as in OpenDKIM",
            "write the dot without the backslash",
        );
    }
}

fn build(expressions: &[String]) -> Result<RegexSet, regex::Error> {
    RegexSetBuilder::new(expressions).unicode(false).dot_matches_new_line(true).size_limit(MAX_REGEX_SIZE).build()
}

/// The expressions as one set; those that are too large are reported, and so is everything when it is too large together.
fn compiled(expressions: &[String], rows: &Rows, set_rows: &mut Vec<u32>, report: &mut Report<'_>) -> RegexSet {
    match build(expressions) {
        Ok(set) => set,
        Err(error) => {
            let mut is_told = false;
            for (expression, row) in expressions.iter().zip(&*set_rows) {
                if let Err(error) = build(std::slice::from_ref(expression)) {
                    is_told = true;
                    refuse(rows.key(*row), rows.line(*row), &PatternError::TooLarge(reason(&error)), report);
                }
            }
            if !is_told {
                report.note(DATASET_PATTERN, 0, || {
                    let cause = format!(
                        "the patterns that need a regular expression are too large together: {}",
                        reason(&error)
                    );
                    (cause, "write patterns with `*` alone, or name the addresses".to_owned())
                });
            }
            set_rows.clear();
            RegexSet::empty()
        }
    }
}

/// The words of the crate, which may have several lines.
fn reason(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(limit) => format!("more than {limit} octets when compiled"),
        other => shown(other.to_string().lines().last().unwrap_or_default()),
    }
}
