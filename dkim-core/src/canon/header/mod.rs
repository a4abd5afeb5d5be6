//! Header fields: their canonical form, and which of them an `h=` list means (RFC 6376 §3.4.1, §3.4.2, §3.7, §5.4.2).
//!
//! The data that a signature signs is a sequence of canonical fields, each with its final CRLF, in the order of `h=`, and then the signature field
//! itself with an emptied `b=` and *without* final CRLF (§3.7). Everything here appends to a `Vec<u8>` that the caller reuses:
//!
//! ```
//! use dkim_core::canon::Canon;
//! use dkim_core::canon::header::{FieldIndex, FieldSelector, write_selected, write_signature_field};
//! use dkim_core::header::{HeaderBlock, HeaderLimits};
//!
//! let message = b"From: Joe <joe@example.com>\r\nSubject:  Is\r\n\tit? \r\n\r\n";
//! let (headers, _) = HeaderBlock::parse(message, HeaderLimits::default())?;
//! let index = FieldIndex::new(&headers);
//! let mut selector = FieldSelector::new(&index);
//!
//! let mut signed = Vec::new();
//! write_selected(Canon::Relaxed, &mut selector, [&b"subject"[..], b"from", b"from"], &mut signed);
//! write_signature_field(Canon::Relaxed, b"DKIM-Signature", [b" v=1; h=subject:from:from; b=", b""], &mut signed);
//! assert_eq!(signed, b"subject:Is it?\r\nfrom:Joe <joe@example.com>\r\ndkim-signature:v=1; h=subject:from:from; b=");
//! # Ok::<(), dkim_core::header::HeaderError>(())
//! ```
//!
//! Invariants: time is linear in the octets of the fields that are written; the index is built once a message in one walk and serves every
//! signature. Nothing here parses the signature: the place of `b=` is told by whoever did.

use std::ops::Range;

use super::Canon;
use super::white_space::{is_reduced, is_wsp, reduce};
use crate::header::Field;
use crate::near::find;
use crate::swar::push_lowercase;

mod select;

pub use self::select::{FieldIndex, FieldSelector};

/// Appends one field in canonical form, with its final CRLF.
///
/// `simple` changes nothing (§3.4.1). `relaxed` (§3.4.2) writes the name in lower case (ASCII letters only, RFC 8616 §5), unfolds the value,
/// makes one SP of each run of white space and removes it around the colon and at the end. A CRLF inside the value that no white space follows
/// (which a [`HeaderBlock`](crate::header::HeaderBlock) never holds) is kept as two octets.
///
/// ```
/// use dkim_core::canon::{Canon, header::write_field};
/// use dkim_core::header::Field;
///
/// let field = Field::new(b"SUBJect ", b" AbC\r\n\t d ");
/// let mut out = Vec::new();
/// write_field(Canon::Relaxed, field, &mut out);
/// assert_eq!(out, b"subject:AbC d\r\n");
/// ```
pub fn write_field(canon: Canon, field: Field<'_>, out: &mut Vec<u8>) {
    write_unterminated(canon, field.name, &[field.value], out);
    // §3.4.2: "Implementations MUST NOT remove the CRLF at the end of the header field value."
    out.extend_from_slice(b"\r\n");
}

/// As [`write_field`] with [`Canon::Relaxed`], for a name that is known in this form, with its colon.
#[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
pub(crate) fn write_relaxed_field(name_and_colon: &str, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name_and_colon.as_bytes());
    write_relaxed_value(&[value], out);
    out.extend_from_slice(b"\r\n");
}

/// Appends the signature field in the form that its own hash covers: `b=` emptied, no final CRLF (§3.7).
///
/// The value comes in two parts, what stands before the value of `b=` and what stands behind it. [`without_b`] cuts a received field; a signer
/// that has not written a signature yet gives its whole value and an empty second part. Apart from that the field is canonicalized like any other
/// one, and whatever else it holds, unknown tags included, is covered as it stands.
///
/// ```
/// use dkim_core::canon::{Canon, header::{without_b, write_signature_field}};
///
/// let value = b" v=1; b=dzdV yOfA; s=brisbane";
/// let parts = without_b(value, &(8..17)).unwrap();
/// let mut out = Vec::new();
/// write_signature_field(Canon::Simple, b"DKIM-Signature", parts, &mut out);
/// assert_eq!(out, b"DKIM-Signature: v=1; b=; s=brisbane");
/// ```
pub fn write_signature_field(canon: Canon, name: &[u8], value: [&[u8]; 2], out: &mut Vec<u8>) {
    write_unterminated(canon, name, &value, out);
}

/// What stands before and behind the value of the `b=` tag; `None` if `span` does not lie in `value`.
///
/// `span` is the place of everything between the "=" of the tag and the next ";" or the end, white space included. §3.5: "the value of the "b=" tag
/// […] MUST be treated as though it were an empty string". Only the true `b=` is meant: a `bh=`, or a `b=` inside another value, is for the parser of
/// the tag list to tell apart.
///
/// ```
/// use dkim_core::canon::header::without_b;
///
/// assert_eq!(without_b(b"b= abc ;d=x", &(2..7)), Some([&b"b="[..], b";d=x"]));
/// assert_eq!(without_b(b"b=", &(2..3)), None);
/// ```
#[must_use]
pub fn without_b<'a>(value: &'a [u8], span: &Range<usize>) -> Option<[&'a [u8]; 2]> {
    if span.start > span.end {
        return None;
    }
    Some([value.get(..span.start)?, value.get(span.end..)?])
}

/// Appends the fields that a list of names selects, in the order of the list.
///
/// §5.4.2: a name that stands for the nth time selects the nth field of that name from the bottom; one for which no field is left "MUST be treated
/// as though it were an empty string", the final CRLF included, which is what lets a signer forbid that a field be added. Names match in any
/// case; `simple` writes the case of the message.
pub fn write_selected<'n>(
    canon: Canon,
    selector: &mut FieldSelector<'_, '_>,
    names: impl IntoIterator<Item = &'n [u8]>,
    out: &mut Vec<u8>,
) {
    for name in names {
        match canon {
            // The field as it stands, in one piece.
            Canon::Simple => out.extend_from_slice(selector.select_text(name).unwrap_or_default()),
            Canon::Relaxed => {
                if let Some(field) = selector.select(name) {
                    write_field(canon, field, out);
                }
            }
        }
    }
}

/// The field without its final CRLF; the parts of the value are taken as one text.
fn write_unterminated(canon: Canon, name: &[u8], value: &[&[u8]], out: &mut Vec<u8>) {
    match canon {
        Canon::Simple => {
            out.extend_from_slice(name);
            out.push(b':');
            for part in value {
                out.extend_from_slice(part);
            }
        }
        Canon::Relaxed => {
            // §3.4.2: "Convert all header field names (not the header field values) to lowercase", and "Delete any WSP characters remaining before
            // and after the colon".
            push_lowercase(out, trim_end(name));
            out.push(b':');
            write_relaxed_value(value, out);
        }
    }
}

/// The parts of a value in relaxed form, taken as one text.
#[inline]
fn write_relaxed_value(value: &[&[u8]], out: &mut Vec<u8>) {
    // Most values are one line with one SP at its beginning and single ones inside.
    if let [[b' ', text @ ..]] = value
        && is_reduced(text)
    {
        out.extend_from_slice(text);
        return;
    }
    let mut text = RelaxedValue { out, started: false, wsp: false };
    for part in value {
        text.write(part);
    }
}

/// Writes a value in relaxed form, part by part.
struct RelaxedValue<'o> {
    out: &'o mut Vec<u8>,
    /// Whether anything but white space was written.
    started: bool,
    /// Whether white space waits for something to follow.
    wsp: bool,
}

impl RelaxedValue<'_> {
    /// Takes text line by line. A fold is a CRLF before white space and vanishes, so the lines of one field meet in the white space around it.
    fn write(&mut self, text: &[u8]) {
        let mut rest = text;
        while let Some((line, after)) = split_crlf(rest) {
            self.write_line(line);
            // §3.4.2: "CRLF sequences followed by WSP […] MUST be interpreted without the CRLF"; another one is no fold.
            if !after.first().is_some_and(|octet| is_wsp(*octet)) {
                self.write_line(b"\r\n");
            }
            rest = after;
        }
        self.write_line(rest);
    }

    /// Takes text without a fold in it.
    fn write_line(&mut self, line: &[u8]) {
        let text = trim_end(line);
        let trailing = text.len() < line.len();
        let blanks = text.iter().take_while(|octet| is_wsp(**octet)).count();
        let text = text.get(blanks..).unwrap_or_default();
        if text.is_empty() {
            self.wsp |= trailing;
            return;
        }
        // White space before the first octet stands behind the colon, and goes.
        if self.started && (self.wsp || blanks > 0) {
            self.out.push(b' ');
        }
        if is_reduced(text) {
            self.out.extend_from_slice(text);
        } else {
            reduce(text, &mut |octets| self.out.extend_from_slice(octets));
        }
        self.started = true;
        self.wsp = trailing;
    }
}

/// The text before the first CRLF and the text behind it.
fn split_crlf(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut from = 0_usize;
    loop {
        let (line, rest) = text.split_at_checked(find(b'\r', text.get(from..)?)?.wrapping_add(from))?;
        if let Some(after) = rest.strip_prefix(b"\r\n") {
            return Some((line, after));
        }
        from = line.len().wrapping_add(1);
    }
}

/// The text without white space at its end.
fn trim_end(mut text: &[u8]) -> &[u8] {
    while let [head @ .., b' ' | b'\t'] = text {
        text = head;
    }
    text
}

#[cfg(test)]
mod tests;
