//! How the text of a signature field is laid out.
//!
//! *Standard*: RFC 6376 §3.5 lets a signer write the tags in any order and fold between them; the signature covers every octet of what was chosen.
//!
//! [`Layout::Native`] is written by [`TagListWriter`](crate::signature::format::TagListWriter). [`OpenDkimWriter`] writes as OpenDKIM 2.11 does, octet
//! for octet: tags are separated by "; " or folded with CRLF HTAB, a long `h=` behind its colons and a long `b=` anywhere with CRLF HTAB SP.

use base64::Engine as _;

use crate::base64_engine::standard;
use crate::crypto::HashValue;
use crate::signature::FIELD_NAME;

/// The margin that lines are folded at. The SP before a tag is not counted when it is looked whether the tag fits, so a line may have one more.
const MARGIN: usize = 75;

/// An HTAB at the beginning of a line counts as this many columns.
const TAB_COLUMNS: usize = 8;

/// Room for the value of a usual field.
const USUAL_LENGTH: usize = 1024;

/// The order of the tags, and where lines are folded.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Layout {
    /// `v a c d s i t x r h bh l b`, lines of at most 76 columns.
    #[default]
    Native,
    /// `v a c d s t x i r bh l h b`, folded as OpenDKIM folds: beside it, with the same key at the same time, `b=` of RSA is the same where the
    /// fields that are signed are.
    OpenDkim,
}

/// Writes a field value tag by tag as OpenDKIM does.
#[derive(Clone, Debug)]
pub(super) struct OpenDkimWriter {
    text: String,
    column: usize,
    is_empty: bool,
}

impl OpenDkimWriter {
    pub(super) fn new() -> Self {
        let mut text = String::with_capacity(USUAL_LENGTH);
        // What stands before the first tag on its line: the name, the colon and one SP.
        text.push(' ');
        Self { text, column: FIELD_NAME.len().saturating_add(2), is_empty: true }
    }

    /// Appends a tag that is never broken.
    pub(super) fn tag(&mut self, name: &str, value: &str) {
        self.begin(tag_columns(name, value.len()));
        self.push_tag(name, value);
    }

    /// Appends `bh=`, which is never long enough to be broken.
    pub(super) fn hash(&mut self, name: &str, value: &HashValue) {
        self.tag(name, &standard().encode(value));
    }

    /// Appends `h=`; broken behind colons where it does not fit what is left of its line.
    pub(super) fn list<'a>(&mut self, name: &str, items: impl Iterator<Item = &'a str> + Clone) {
        let length = items.clone().map(|item| item.len().saturating_add(1)).sum::<usize>().saturating_sub(1);
        let is_folded = self.begin(tag_columns(name, length));
        self.push(name);
        self.push("=");
        let mut items = items.peekable();
        let mut is_first = true;
        while let Some(item) = items.next() {
            // The semicolon counts as part of the last name.
            let columns = item.len().saturating_add(usize::from(items.peek().is_none()));
            if !is_first {
                // Whether the name fits is looked at before the colon is written, and the colon counts.
                let fits = self.column.saturating_add(columns).saturating_add(1) <= MARGIN;
                self.push(":");
                if is_folded && !fits {
                    self.fold_within();
                }
            }
            self.push(item);
            is_first = false;
        }
        self.push(";");
    }

    /// Appends `b=` without its value, on a line of its own.
    ///
    /// OpenDKIM looks whether the value will fit, which that of an RSA key never does. That of Ed25519 does not either, but it finds out only when it
    /// has signed the text without the fold, so what it signs with c=simple does not verify. Here the fold is always there.
    pub(super) fn open_signature(&mut self) {
        self.fold();
        self.push("b=");
    }

    /// The text so far.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// The finished value, with `octets` in base64 as the value of `b=`.
    pub(super) fn finish_with(mut self, octets: &[u8]) -> String {
        let encoded = standard().encode(octets);
        let mut rest = encoded.as_str();
        while !rest.is_empty() {
            let room = MARGIN.saturating_sub(self.column).min(rest.len());
            match rest.split_at_checked(room) {
                Some((line, after)) if !line.is_empty() => {
                    self.push(line);
                    rest = after;
                }
                _ => self.fold_within(),
            }
        }
        self.text
    }

    /// Makes room for a tag of this many columns, its semicolon counted; whether by a fold.
    fn begin(&mut self, columns: usize) -> bool {
        if std::mem::take(&mut self.is_empty) {
            return false;
        }
        if self.column.saturating_add(columns) > MARGIN {
            self.fold();
            return true;
        }
        self.push(" ");
        false
    }

    fn push_tag(&mut self, name: &str, value: &str) {
        for part in [name, "=", value, ";"] {
            self.push(part);
        }
    }

    fn fold(&mut self) {
        self.text.push_str("\r\n\t");
        self.column = TAB_COLUMNS;
    }

    /// A fold within the value of a tag.
    fn fold_within(&mut self) {
        self.fold();
        self.push(" ");
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.column = self.column.saturating_add(text.len());
    }
}

/// Columns of a tag with its equals sign and semicolon.
const fn tag_columns(name: &str, length: usize) -> usize {
    name.len().saturating_add(length).saturating_add("=;".len())
}
