//! Why a message has no author that can be named.

use std::fmt;

use thiserror::Error;

/// Why the From fields of a message give no author domains: what, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[error("{kind}{}", Place(self))]
#[non_exhaustive]
pub struct AuthorError {
    /// What is wrong.
    pub kind: AuthorErrorKind,
    /// Offset into the value of the From field (what follows the colon), never beyond its end. 0 for the kinds that are not about a place.
    pub at: usize,
}

impl AuthorError {
    pub(super) const fn new(kind: AuthorErrorKind, at: usize) -> Self {
        Self { kind, at }
    }
}

/// " at octet N", for the kinds that have a place.
struct Place<'a>(&'a AuthorError);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.kind.has_place() { write!(f, " at octet {} of the From field", self.0.at) } else { Ok(()) }
    }
}

/// What [`AuthorError`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum AuthorErrorKind {
    /// The header section has no From field (RFC 5322 §3.6 wants exactly one).
    #[error("no From field")]
    NoField,
    /// The header section has several From fields. Which one a reader is shown is anybody's guess, also when they are equal.
    #[error("several From fields")]
    SeveralFields,
    /// The field holds no address: it is empty, or holds nothing but empty groups (`undisclosed-recipients:;`).
    #[error("From field holds no address")]
    NoAddress,
    /// The value is longer than [`AuthorLimits::max_bytes`](super::AuthorLimits::max_bytes).
    #[error("From field is too long")]
    TooLong,
    /// More addresses than [`AuthorLimits::max_addresses`](super::AuthorLimits::max_addresses).
    #[error("too many addresses")]
    TooManyAddresses,
    /// More domains than [`AuthorLimits::max_domains`](super::AuthorLimits::max_domains).
    #[error("too many domains")]
    TooManyDomains,
    /// More comments inside each other than [`AuthorLimits::max_comment_depth`](super::AuthorLimits::max_comment_depth).
    #[error("comments are nested too deep")]
    CommentTooDeep,
    /// NUL or another control character but tab and the line breaks of folds, DEL included. RFC 5322 §4.1 knows them as obsolete; readers cut
    /// text there, drop them, or take ESC for a change of the character set (ISO-2022-JP), in which a quote is no quote any more.
    #[error("control character")]
    Control,
    /// A CR or LF that no space or tab follows, or one behind a backslash. A reader for whom it ends the line sees another header section.
    #[error("line break that is no fold")]
    LineBreak,
    /// Octets beyond ASCII that are not UTF-8, in an address; or anywhere before one of `@ [ \ ]`, which is the second half of a character in
    /// Shift JIS, Big5 and GBK.
    #[error("octets that are not UTF-8")]
    NotUtf8,
    /// An encoded-word (RFC 2047) in an address, where §5 of it forbids them, or one with a quote, a backslash or half a pair of parentheses in
    /// it: who looks for encoded-words first finds other addresses than who looks for quotes first.
    #[error("encoded-word that can be read in two ways")]
    EncodedWord,
    /// A quoted-string does not end.
    #[error("quoted string does not end")]
    UnclosedQuote,
    /// A comment does not end.
    #[error("comment does not end")]
    UnclosedComment,
    /// A domain-literal does not end, or holds an octet that has no place in one.
    #[error("malformed address literal")]
    Literal,
    /// A group does not end.
    #[error("group does not end")]
    UnclosedGroup,
    /// A group inside a group.
    #[error("group inside a group")]
    NestedGroup,
    /// Words that no address follows: `Doe, John <john@example.com>` without quotes.
    #[error("words without an address")]
    NotAnAddress,
    /// What is before the "@" is no local part: empty, with a dot too many, or several words.
    #[error("malformed local part")]
    LocalPart,
    /// There is no domain behind the "@", or it is no domain name under the rules of [`dkim_core::domain`].
    #[error("malformed domain")]
    Domain,
    /// White space or a comment inside a domain. RFC 5322 §4.4 has it as obsolete (`example . com`); many readers stop there and show what is
    /// before it.
    #[error("white space or comment inside a domain")]
    SpaceInDomain,
    /// Something behind an address that is neither a comma nor the end: `<a@one.example> <b@two.example>`.
    #[error("text behind an address")]
    TextAfterAddress,
    /// A malformed source route, or an angle address that does not end.
    #[error("malformed angle address")]
    AngleAddress,
    /// An octet that has no place where it stands.
    #[error("unexpected character")]
    Unexpected,
}

impl AuthorErrorKind {
    /// The word for logs: lower case, with hyphens, stable.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoField => "no-field",
            Self::SeveralFields => "several-fields",
            Self::NoAddress => "no-address",
            Self::TooLong => "too-long",
            Self::TooManyAddresses => "too-many-addresses",
            Self::TooManyDomains => "too-many-domains",
            Self::CommentTooDeep => "comment-too-deep",
            Self::Control => "control-character",
            Self::LineBreak => "line-break",
            Self::NotUtf8 => "not-utf-8",
            Self::EncodedWord => "encoded-word",
            Self::UnclosedQuote => "unclosed-quote",
            Self::UnclosedComment => "unclosed-comment",
            Self::Literal => "literal",
            Self::UnclosedGroup => "unclosed-group",
            Self::NestedGroup => "nested-group",
            Self::NotAnAddress => "not-an-address",
            Self::LocalPart => "local-part",
            Self::Domain => "domain",
            Self::SpaceInDomain => "space-in-domain",
            Self::TextAfterAddress => "text-after-address",
            Self::AngleAddress => "angle-address",
            Self::Unexpected => "unexpected",
        }
    }

    /// Whether the kind is about a place in a value; the others are about the header section or the field as a whole.
    #[must_use]
    pub const fn has_place(self) -> bool {
        !matches!(self, Self::NoField | Self::SeveralFields | Self::NoAddress | Self::TooLong)
    }
}
