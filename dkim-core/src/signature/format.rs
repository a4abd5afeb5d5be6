//! Writing a DKIM-Signature value.
//!
//! *Standard*: RFC 6376 §3.5; RFC 5322 §2.1.1 (line lengths).
//!
//! A value is a text of several lines: it begins with one SP behind the colon of the field, tags follow each other with "; ", and lines are folded
//! so that they have at most 76 columns (the first one counts the name of the field). Folds stand between tags, behind the colons of `h=`, and in
//! base64, where white space means nothing; any other tag is never broken, so a long domain makes a long line. The
//! first tag follows the colon. Continuation lines begin with one SP.
//!
//! *What it does not do*: it checks nothing. Names, domains and numbers come from types that cannot hold a ";" or a line end.

use base64::Engine as _;

use crate::base64_engine::standard;
#[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
use crate::near::find;

/// Columns of a line, its line end not counted.
const MAX_COLUMNS: usize = 76;

/// Fewest columns of base64 that are worth beginning on a started line.
const MIN_BASE64: usize = 16;

/// Room for the value of a usual DKIM-Signature field, so that most are written without moving them.
const USUAL_LENGTH: usize = 1024;

/// Octets that are encoded at once: whole groups of three, and a signature of Ed25519 or most of one of RSA.
const ENCODED_AT_ONCE: usize = 192;

/// Writes a tag list as the value of a field.
///
/// ```
/// use dkim_core::signature::format::TagListWriter;
///
/// let mut value = TagListWriter::new("DKIM-Signature");
/// value.tag("v", "1");
/// value.list("h", ["from", "to"]);
/// value.base64("bh", &[0; 3]);
/// assert_eq!(value.finish(), " v=1; h=from:to; bh=AAAA");
/// ```
#[derive(Clone, Debug)]
pub struct TagListWriter {
    text: String,
    column: usize,
    is_empty: bool,
}

impl TagListWriter {
    /// Begins the value of the field `name`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        // The name and its colon stand on the first line.
        Self { text: String::with_capacity(USUAL_LENGTH), column: name.len().saturating_add(1), is_empty: true }
    }

    /// Appends a tag that must not be broken.
    pub fn tag(&mut self, name: &str, value: &str) {
        self.separate(name.len().saturating_add(value.len()).saturating_add(1));
        self.push(name);
        self.push("=");
        self.push(value);
    }

    /// Appends a tag whose value is a number.
    pub fn number(&mut self, name: &str, value: u64) {
        use std::fmt::Write as _;
        let digits = value.checked_ilog10().unwrap_or(0).saturating_add(1);
        let digits = usize::try_from(digits).unwrap_or(usize::MAX);
        self.separate(name.len().saturating_add(digits).saturating_add(1));
        self.push(name);
        self.push("=");
        // Writing to a String cannot fail.
        let _: std::fmt::Result = write!(self.text, "{value}");
        self.column = self.column.saturating_add(digits);
    }

    /// Appends a tag whose value is a list with colons; folds may stand behind them.
    pub fn list<'a>(&mut self, name: &str, items: impl IntoIterator<Item = &'a str>) {
        let mut items = items.into_iter();
        let first = items.next().unwrap_or_default();
        // Room for the colon or the semicolon that follows.
        self.separate(name.len().saturating_add(first.len()).saturating_add(2));
        self.push(name);
        self.push("=");
        self.push(first);
        items.for_each(|item| {
            self.push(":");
            if self.column.saturating_add(item.len()).saturating_add(1) > MAX_COLUMNS {
                self.fold();
            }
            self.push(item);
        });
    }

    /// Appends a tag of octets in base64; folds may stand anywhere in it.
    pub fn base64(&mut self, name: &str, octets: impl AsRef<[u8]>) {
        let octets = octets.as_ref();
        self.open(name, octets.len().div_ceil(3).saturating_mul(4));
        self.push_base64(octets);
    }

    /// Appends a tag whose value comes later, with [`finish_with`](Self::finish_with).
    ///
    /// Without that value the text is what a signature signs: "the value of the "b=" tag … deleted" (RFC 6376 §3.7).
    pub fn open_base64(&mut self, name: &str) {
        self.open(name, usize::MAX);
    }

    /// The text so far.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Appends the text so far as `relaxed` has it (RFC 6376 §3.4.2), for tags whose names and values hold no white space: then there is none but the
    /// one SP at the beginning, those between tags, and those behind the line breaks of folds.
    #[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
    pub(crate) fn push_relaxed(&self, out: &mut Vec<u8>) {
        let mut rest = self.text.as_bytes();
        if let [b' ', text @ ..] = rest {
            rest = text;
        }
        while let Some((line, after)) = find(b'\r', rest).and_then(|at| rest.split_at_checked(at)) {
            out.extend_from_slice(line);
            rest = after.get("\r\n".len()..).unwrap_or_default();
        }
        out.extend_from_slice(rest);
    }

    /// The finished value.
    #[must_use]
    pub fn finish(self) -> String {
        self.text
    }

    /// The finished value, with `octets` in base64 as the value of the last tag.
    #[must_use]
    pub fn finish_with(mut self, octets: &[u8]) -> String {
        self.push_base64(octets);
        self.text
    }

    /// Writes `name=` of a base64 value, on a new line if the whole value does not fit and little room is left.
    fn open(&mut self, name: &str, length: usize) {
        let wanted = length.saturating_add(1).min(MIN_BASE64);
        self.separate(name.len().saturating_add(wanted).saturating_add(1));
        self.push(name);
        self.push("=");
    }

    /// Writes base64 line by line; one column is left free for the semicolon that may follow.
    fn push_base64(&mut self, octets: &[u8]) {
        let mut buffer = [0; ENCODED_AT_ONCE / 3 * 4];
        for part in octets.chunks(ENCODED_AT_ONCE) {
            let length = standard().encode_slice(part, &mut buffer).unwrap_or_default();
            // The alphabet is ASCII.
            let mut rest = buffer.get(..length).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default();
            while !rest.is_empty() {
                let room = MAX_COLUMNS.saturating_sub(self.column).saturating_sub(1);
                match rest.split_at_checked(room.min(rest.len())) {
                    Some((line, after)) if !line.is_empty() => {
                        self.push(line);
                        rest = after;
                    }
                    _ => self.fold(),
                }
            }
        }
    }

    /// Ends the tag before and makes room for one whose unbreakable beginning has `columns`.
    fn separate(&mut self, columns: usize) {
        if !self.is_empty {
            self.push(";");
        }
        // One SP before it, and one column for the semicolon behind it.
        let fits = self.column.saturating_add(columns).saturating_add(2) <= MAX_COLUMNS;
        if self.is_empty || fits {
            self.push(" ");
        } else {
            self.fold();
        }
        self.is_empty = false;
    }

    fn fold(&mut self) {
        self.text.push_str("\r\n ");
        self.column = 1;
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.column = self.column.saturating_add(text.len());
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;
    #[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
    use crate::canon::{Canon, header::write_signature_field};
    use crate::tag_list::{TagLimits, TagList};

    fn lines_of(value: &str) -> Vec<String> {
        format!("DKIM-Signature:{value}").split("\r\n").map(str::to_owned).collect()
    }

    #[test]
    fn d29_lines_have_at_most_76_columns() {
        let mut value = TagListWriter::new("DKIM-Signature");
        value.tag("v", "1");
        value.tag("a", "rsa-sha256");
        value.tag("c", "relaxed/relaxed");
        value.tag("d", "a-rather-long-name.example.com");
        value.list("h", std::iter::repeat_n("list-unsubscribe-post", 12));
        value.base64("bh", [7; 32]);
        value.open_base64("b");
        let value = value.finish_with(&[9; 256]);
        let lines = lines_of(&value);
        assert!(lines.iter().all(|line| line.len() <= 76), "{lines:#?}");
        assert!(lines.iter().skip(1).all(|line| line.starts_with(' ') && line.trim().len() + 1 == line.len()));
    }

    #[test]
    fn d29_tokens_are_never_broken() {
        let long = "x".repeat(120);
        let mut value = TagListWriter::new("DKIM-Signature");
        value.tag("v", "1");
        value.tag("d", &long);
        value.list("h", ["from", &long, "to"]);
        assert_eq!(value.finish(), format!(" v=1;\r\n d={long};\r\n h=from:\r\n {long}:\r\n to"));
    }

    #[test]
    fn the_open_value_is_a_prefix_of_the_finished_one() {
        let mut value = TagListWriter::new("DKIM-Signature");
        value.tag("v", "1");
        value.open_base64("b");
        let before = value.as_str().to_owned();
        let after = value.finish_with(&[1; 64]);
        assert!(before.ends_with("b=") && after.starts_with(&before));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            tags in proptest::collection::btree_map("[a-z]{1,3}", "[a-z/@.]{1,70}", 0..8),
            names in proptest::collection::vec("[A-Za-z-]{1,40}", 1..40),
            octets in proptest::collection::vec(any::<u8>(), 0..600),
        ) {
            let mut value = TagListWriter::new("DKIM-Signature");
            // The first tag follows the colon, however long it is.
            value.tag("V", "1");
            for (name, text) in &tags {
                value.tag(name, text);
            }
            value.list("H", names.iter().map(String::as_str));
            value.base64("BH", &octets);
            value.open_base64("B");
            #[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
            {
                let (mut relaxed, mut expected) = (Vec::new(), Vec::new());
                value.push_relaxed(&mut relaxed);
                write_signature_field(Canon::Relaxed, b"", [value.as_str().as_bytes(), b""], &mut expected);
                prop_assert_eq!([b":", &*relaxed].concat(), expected);
            }
            let text = value.finish_with(&octets);
            prop_assert!(lines_of(&text).iter().all(|line| line.len() <= 76));
            let read = TagList::parse(text.as_bytes(), TagLimits::default()).unwrap();
            for (name, text) in &tags {
                prop_assert_eq!(read.get(name).unwrap().value, text.as_bytes());
            }
            prop_assert_eq!(read.get("H").unwrap().without_fws().into_owned(), names.join(":").into_bytes());
            for name in ["BH", "B"] {
                let text = read.get(name).unwrap().without_fws();
                prop_assert_eq!(STANDARD.decode(text).unwrap(), octets.clone());
            }
        }
    }
}
