//! What is odd about a record.

use std::fmt;
use std::ops::Range;

use crate::uri::UriError;

/// Something about a record that its owner should mend or know; the record counts all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warning {
    /// What it is.
    pub kind: WarningKind,
    /// Where it is, in bytes of the text; empty at the end of the text for what is missing.
    pub span: Range<usize>,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

/// What a [`Warning`] is about. `tag` is the name of a tag without "=".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WarningKind {
    /// White space before `v`.
    LeadingWhiteSpace,
    /// Nothing between two ";".
    EmptyTag,
    /// Text without "=".
    NoEquals,
    /// A name that is not made of letters.
    BadName,
    /// A tag that RFC 9989 does not know.
    UnknownTag,
    /// A tag that was there before; the first one counts.
    RepeatedTag {
        /// Its name.
        tag: &'static str,
    },
    /// A value that the tag does not allow; the default counts, or nothing.
    BadValue {
        /// The tag.
        tag: &'static str,
    },
    /// A tag of RFC 7489 that RFC 9989 dropped (§9.3).
    Historic {
        /// Its name.
        tag: &'static str,
    },
    /// A report URI that cannot be read; it is left out.
    BadUri {
        /// The tag.
        tag: &'static str,
        /// Why.
        error: UriError,
    },
    /// A report URI that is no `mailto:` URI; few can send to it.
    UnusualScheme {
        /// The tag.
        tag: &'static str,
    },
    /// A size behind a report URI ("!10m"), which RFC 9989 dropped.
    ObsoleteSize {
        /// The tag.
        tag: &'static str,
    },
    /// A report URI beyond [`MAX_REPORT_URIS`](super::MAX_REPORT_URIS); it and all that follow are left out.
    TooManyUris {
        /// The tag.
        tag: &'static str,
    },
    /// `fo` without any usable `ruf`.
    FailureOptionsWithoutRuf,
    /// `p` is not the second tag, where RFC 7489 wants it.
    PolicyNotSecond,
    /// No `p`.
    MissingPolicy,
    /// Anything after this was not recorded.
    TooManyWarnings,
}

impl fmt::Display for WarningKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeadingWhiteSpace => f.write_str("white space before v="),
            Self::EmptyTag => f.write_str("empty tag"),
            Self::NoEquals => f.write_str("text without \"=\" is no tag; it is ignored"),
            Self::BadName => f.write_str("name of a tag with other characters than letters; the tag is ignored"),
            Self::UnknownTag => f.write_str("unknown tag; it is ignored"),
            Self::RepeatedTag { tag } => write!(f, "tag {tag}= is there twice; the first one counts"),
            Self::BadValue { tag } => write!(f, "value that {tag}= does not allow; {}", consequence(tag)),
            Self::Historic { tag } => write!(f, "tag {tag}= is historic and ignored under RFC 9989"),
            Self::BadUri { tag, error } => write!(f, "{tag}=: {error}; it is left out"),
            Self::UnusualScheme { tag } => write!(f, "{tag}=: report URI that is no mailto: URI; few can use it"),
            Self::ObsoleteSize { tag } => write!(f, "{tag}=: size of reports is obsolete and ignored"),
            Self::TooManyUris { tag } => write!(f, "{tag}=: too many report URIs; the rest is left out"),
            Self::FailureOptionsWithoutRuf => f.write_str("fo= without a usable ruf=; it is ignored"),
            Self::PolicyNotSecond => {
                f.write_str("p= is not the second tag; receivers of RFC 7489 may ignore the record")
            }
            Self::MissingPolicy => {
                f.write_str("no p=; the record is p=none when it has a usable rua=, and else ignored")
            }
            Self::TooManyWarnings => f.write_str("more that is odd"),
        }
    }
}

/// What a bad value of this tag leads to.
fn consequence(tag: &str) -> &'static str {
    match tag {
        "p" | "sp" | "np" => "the record is p=none when it has a usable rua=, and else ignored",
        "rua" | "ruf" => "nothing is reported",
        "pct" | "rf" | "ri" => "it is ignored",
        "adkim" | "aspf" => "r counts",
        "psd" => "u counts",
        "t" => "n counts",
        "fo" => "0 counts",
        _ => "it is ignored",
    }
}
