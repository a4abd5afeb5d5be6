//! `domain-spec`: a name, or a macro string that becomes one (RFC 7208 §7.1).

use super::Span;
use crate::name::{Name, NameError};

/// The argument of most terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainSpec {
    pub(crate) span: Span,
    pub(crate) target: Target,
}

/// What is known about a target when its record has been parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// There are no macros in it.
    Name(Name),
    /// There are no macros in it, and it cannot be asked about.
    NotAName(NameError),
    /// There are macros in it.
    Macros(Box<[Piece]>),
}

impl DomainSpec {
    /// Where it stands in the text of its record.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span
    }

    /// The name, when there are no macros in it and it can be asked about.
    #[must_use]
    pub fn name(&self) -> Option<&Name> {
        match &self.target {
            Target::Name(name) => Some(name),
            Target::NotAName(_) | Target::Macros(_) => None,
        }
    }

    /// The pieces, when there are macros in it.
    #[must_use]
    pub fn pieces(&self) -> Option<&[Piece]> {
        match &self.target {
            Target::Macros(pieces) => Some(pieces),
            Target::Name(_) | Target::NotAName(_) => None,
        }
    }
}

/// A piece of a macro string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the grammar has these")]
pub enum Piece {
    /// Text that stands for itself.
    Literal(Span),
    /// `%{…}`.
    Expand(MacroExpand),
    /// `%%`: a "%".
    Percent,
    /// `%_`: a space.
    Space,
    /// `%-`: a space as URLs spell it, "%20".
    UrlSpace,
}

/// `%{d2r.-}`: a value and how it is transformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MacroExpand {
    /// Which value.
    pub letter: MacroLetter,
    /// The letter is in upper case: the result is escaped as in URLs.
    pub is_escaped: bool,
    /// How many parts are kept, from the right; `None` for all of them.
    pub keep: Option<u8>,
    /// The parts are reversed.
    pub is_reversed: bool,
    /// What separates parts.
    pub delimiters: Delimiters,
}

/// The values that macros stand for (RFC 7208 §7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "RFC 7208 §7.2 defines these; others are syntax errors")]
pub enum MacroLetter {
    /// `s`: the sender.
    Sender,
    /// `l`: local part of the sender.
    LocalPart,
    /// `o`: domain of the sender.
    SenderDomain,
    /// `d`: the domain whose record this is.
    Domain,
    /// `i`: the client's address; IPv6 in nibbles with dots between.
    Address,
    /// `p`: the validated name of the client.
    ValidatedName,
    /// `v`: "in-addr" or "ip6".
    Family,
    /// `h`: HELO.
    Helo,
    /// `c`: the client's address as it is written; only in explanations.
    ReadableAddress,
    /// `r`: the host that checks; only in explanations.
    Receiver,
    /// `t`: now, in seconds since 1970; only in explanations.
    Timestamp,
}

/// The set of characters that separate parts: any of `.-+,/_=`; the dot when none is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Delimiters(u8);

impl Delimiters {
    const ALL: [u8; 7] = *b".-+,/_=";

    /// With one more character; `None` when that is no delimiter.
    pub(crate) fn with(self, byte: u8) -> Option<Self> {
        let bit = Self::ALL.iter().position(|&delimiter| delimiter == byte)?;
        Some(Self(self.0 | 1_u8.checked_shl(u32::try_from(bit).ok()?)?))
    }

    /// Whether this is the default, the dot alone.
    #[must_use]
    pub fn is_dot(self) -> bool {
        matches!(self.0, 0 | 1)
    }

    /// Whether the byte separates parts.
    #[must_use]
    pub fn contains(self, byte: u8) -> bool {
        if self.is_dot() {
            return byte == b'.';
        }
        Self::default().with(byte).is_some_and(|one| self.0 & one.0 != 0)
    }
}
