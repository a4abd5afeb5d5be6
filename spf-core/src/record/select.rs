//! Which of the TXT records of a domain is its SPF record (RFC 7208 §4.5).

use std::sync::Arc;

use super::{Record, RecordError};
use crate::limits::RecordLimits;

/// What the TXT records of a name are for SPF. A clone costs at most a reference count.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "RFC 7208 §4.5 and §4.6 know these cases")]
pub enum Selection {
    /// One SPF record, well-formed.
    Record(Arc<Record>),
    /// One SPF record with a syntax error.
    Invalid(Arc<RecordError>),
    /// No SPF record.
    Nothing,
    /// More than one.
    Several,
}

impl Selection {
    /// Chooses among the TXT records of a name, each with its character-strings joined, and parses the chosen one.
    pub fn from_texts<T: AsRef<[u8]>>(texts: impl IntoIterator<Item = T>, limits: RecordLimits) -> Self {
        // §4.5: "Records that do not begin with a version section of exactly "v=spf1" are discarded."
        let mut texts = texts.into_iter().filter(|text| has_version(text.as_ref()));
        let Some(text) = texts.next() else { return Self::Nothing };
        // §4.5: "If the resultant record set includes more than one record, check_host() produces the "permerror" result."
        if texts.next().is_some() {
            return Self::Several;
        }
        match Record::parse(text, limits) {
            Ok(record) => Self::Record(Arc::new(record)),
            Err(error) => Self::Invalid(Arc::new(error)),
        }
    }
}

/// Whether a text begins with the version section `v=spf1`, in any case.
#[must_use]
pub fn has_version(text: &[u8]) -> bool {
    // §4.5: "Note that the version section is terminated by either an SP character or the end of the record."
    text.split_at_checked(VERSION.len()).is_some_and(|(version, rest)| {
        version.eq_ignore_ascii_case(VERSION) && matches!(rest.first(), None | Some(b' '))
    })
}

/// The version section.
pub(crate) const VERSION: &[u8] = b"v=spf1";

#[cfg(test)]
mod tests {
    use super::*;

    fn select(texts: &[&str]) -> Selection {
        Selection::from_texts(texts, RecordLimits::default())
    }

    #[test]
    fn s5_the_version_ends_with_a_space_or_the_record() {
        for (text, expected) in [
            ("v=spf1", true),
            ("V=SPF1", true),
            ("v=spf1 -all", true),
            ("v=spf1  a", true),
            ("v=spf10", false),
            ("v=spf1\ta", false),
            ("v=spf1-all", false),
            (" v=spf1", false),
            ("v=spf", false),
            ("", false),
            ("spf2.0/mfrom a", false),
        ] {
            assert_eq!(has_version(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn s5_one_record_is_chosen_whatever_else_is_there() {
        assert!(
            matches!(select(&["\u{96}", "v=spf1 -all", "v=spf10"]), Selection::Record(record) if record.terms().len() == 1)
        );
        assert!(matches!(select(&["v=spf1", "V=sPf1 +all"]), Selection::Several));
        // Two records are too many before anybody looks at their syntax.
        assert!(matches!(select(&["v=spf1 -all", "v=spf1 moo"]), Selection::Several));
        assert!(matches!(select(&["v=spf1 moo"]), Selection::Invalid(_)));
        assert!(matches!(select(&["v=spf2.0", ""]), Selection::Nothing));
        assert!(matches!(select(&[]), Selection::Nothing));
    }
}
