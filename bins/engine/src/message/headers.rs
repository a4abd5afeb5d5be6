//! The header section as it arrives, field by field.
//!
//! Limits belong to [`HeaderBlock`]; a field over a limit, or one that is no field, does not stop the message. What was seen
//! decides later what can still be said about it: a message whose header section is not complete here can be neither verified
//! nor signed, because both would cover something else than what is delivered.

use dkim_core::header::{Field, HeaderBlock, HeaderBlockBuilder, HeaderError, HeaderLimits};

/// The field name of RFC 6376 §3.5.
pub(super) const DKIM_SIGNATURE: &str = "DKIM-Signature";

/// Why a header section is not complete here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderTrouble {
    /// It is larger than the limit in octets.
    TooManyOctets,
    /// It has more fields than the limit.
    TooManyFields,
    /// A field whose name or value no message can have.
    Malformed,
}

impl HeaderTrouble {
    /// The word for logs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::TooManyOctets => "header-too-large",
            Self::TooManyFields => "too-many-header-fields",
            Self::Malformed => "header-malformed",
        }
    }

    /// For people, in an Authentication-Results comment.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::TooManyOctets => "header section is larger than the local limit",
            Self::TooManyFields => "header section has more fields than the local limit",
            Self::Malformed => "header section holds a malformed field",
        }
    }

    /// Whether it is one of our limits, as opposed to a fault of the message.
    #[must_use]
    pub fn is_limit(self) -> bool {
        self != Self::Malformed
    }
}

/// Collects fields until the end of the header section.
#[derive(Debug)]
pub(super) struct Headers {
    builder: HeaderBlockBuilder,
    trouble: Option<HeaderTrouble>,
    fields: u64,
    signatures: u64,
    bare_cr: bool,
}

impl Headers {
    /// An empty section.
    #[must_use]
    pub(super) fn new(limits: HeaderLimits) -> Self {
        Self { builder: HeaderBlock::builder(limits), trouble: None, fields: 0, signatures: 0, bare_cr: false }
    }

    /// Adds a field with its raw value (CRLF folds, leading space).
    pub(super) fn push(&mut self, field: Field<'_>) {
        self.fields = self.fields.saturating_add(1);
        if field.is_named(DKIM_SIGNATURE) {
            self.signatures = self.signatures.saturating_add(1);
        }
        self.bare_cr = self.bare_cr || has_bare_cr(field.value);
        if self.trouble.is_some() {
            // Nothing will be done with the section; do not keep more of it.
            return;
        }
        self.trouble = match self.builder.push(field.name, field.value) {
            Ok(()) => return,
            Err(HeaderError::TooManyBytes { .. }) => Some(HeaderTrouble::TooManyOctets),
            Err(HeaderError::TooManyFields { .. }) => Some(HeaderTrouble::TooManyFields),
            Err(_) => Some(HeaderTrouble::Malformed),
        };
    }

    /// Fields that came, kept or not.
    #[must_use]
    pub(super) fn fields(&self) -> u64 {
        self.fields
    }

    /// DKIM-Signature fields that came, kept or not.
    #[must_use]
    pub(super) fn signatures(&self) -> u64 {
        self.signatures
    }

    /// Whether a value holds a CR that is no line end (`standards.md` X-6).
    #[must_use]
    pub(super) fn has_bare_cr(&self) -> bool {
        self.bare_cr
    }

    /// Why the section is not complete, if it is not.
    #[must_use]
    pub(super) fn trouble(&self) -> Option<HeaderTrouble> {
        self.trouble
    }

    /// The section; what had to be left out is left out.
    #[must_use]
    pub(super) fn finish(self) -> HeaderBlock {
        self.builder.finish()
    }
}

fn has_bare_cr(value: &[u8]) -> bool {
    memchr::memchr_iter(b'\r', value).any(|at| value.get(at.saturating_add(1)) != Some(&b'\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(fields: &[(&[u8], &[u8])], max_bytes: usize, max_fields: usize) -> Headers {
        let mut limits = HeaderLimits::default();
        limits.max_bytes = max_bytes;
        limits.max_fields = max_fields;
        let mut headers = Headers::new(limits);
        for (name, value) in fields {
            headers.push(Field::new(name, value));
        }
        headers
    }

    #[test]
    fn a_section_within_limits_is_kept_whole() {
        let headers =
            collect(&[(b"From", b" a@b.example"), (b"dkim-signature", b" v=1"), (b"X\xfc", b" 8-bit name")], 1000, 10);
        assert_eq!((headers.fields(), headers.signatures(), headers.trouble()), (3, 1, None));
        assert_eq!(headers.finish().as_bytes(), b"From: a@b.example\r\ndkim-signature: v=1\r\nX\xfc: 8-bit name\r\n");
    }

    #[test]
    fn limits_and_malformed_fields_are_told_apart_and_counting_goes_on() {
        let field: (&[u8], &[u8]) = (b"DKIM-Signature", b" x");
        for (fields, max_bytes, max_fields, trouble) in [
            ([field; 3], 25, 10, HeaderTrouble::TooManyOctets),
            ([field; 3], 1000, 2, HeaderTrouble::TooManyFields),
            ([(&b"bad name"[..], field.1), field, field], 1000, 10, HeaderTrouble::Malformed),
            ([(field.0, &b" a\r\nb"[..]), field, field], 1000, 10, HeaderTrouble::Malformed),
        ] {
            let headers = collect(&fields, max_bytes, max_fields);
            assert_eq!((headers.fields(), headers.trouble()), (3, Some(trouble)));
            assert!(headers.signatures() >= 2);
            assert_eq!(trouble.is_limit(), trouble != HeaderTrouble::Malformed);
        }
    }

    #[test]
    fn x6_bare_cr_is_seen() {
        assert!(!collect(&[(b"A", b" a\r\n b")], 100, 9).has_bare_cr());
        assert!(collect(&[(b"A", b" a\rb")], 100, 9).has_bare_cr());
        assert!(collect(&[(b"A", b" a\r")], 100, 9).has_bare_cr());
    }
}
