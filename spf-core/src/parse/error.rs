//! What can be wrong with a record.

use thiserror::Error;

/// Longest piece of a term that an error quotes.
const MAX_QUOTED: usize = 64;

/// Why a text is no SPF record: which term, where, and what.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{kind} at byte {at}{}", self.quoted())]
#[non_exhaustive]
pub struct RecordError {
    /// The term, with bytes that do not print as `\xNN`; after 64 octets cut with "...". Empty when the fault is not in a term.
    pub term: String,
    /// Offset in the text of the record.
    pub at: usize,
    /// What is wrong there.
    pub kind: SyntaxError,
}

impl RecordError {
    pub(super) fn new(term: &[u8], at: usize, kind: SyntaxError) -> Self {
        let mut quoted = term.get(..MAX_QUOTED).unwrap_or(term).escape_ascii().to_string();
        if term.len() > MAX_QUOTED {
            quoted.push_str("...");
        }
        Self { term: quoted, at, kind }
    }

    fn quoted(&self) -> String {
        if self.term.is_empty() { String::new() } else { format!(", in \"{}\"", self.term) }
    }
}

/// What [`RecordError`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum SyntaxError {
    /// The text does not begin with `v=spf1` and a space or its end.
    #[error("record does not begin with v=spf1")]
    Version,
    /// Longer than [`RecordLimits::max_bytes`](crate::limits::RecordLimits::max_bytes).
    #[error("record is too long")]
    TooLong,
    /// More terms than [`RecordLimits::max_terms`](crate::limits::RecordLimits::max_terms); the place is that of the first one too many.
    #[error("too many terms in one record")]
    TooManyTerms,
    /// More macros than [`RecordLimits::max_percents`](crate::limits::RecordLimits::max_percents) allows.
    #[error("too many macros in one record")]
    TooManyMacros,
    /// A control character or a byte beyond ASCII; only spaces separate terms.
    #[error("character that is not printable ASCII")]
    BadByte,
    /// A term does not begin with a letter, behind its qualifier.
    #[error("term without a name")]
    Name,
    /// A mechanism that RFC 7208 does not define.
    #[error("unknown mechanism")]
    UnknownMechanism,
    /// `redirect:` or `exp:`.
    #[error("modifier written as a mechanism (use \"=\")")]
    ModifierAsMechanism,
    /// `-redirect=`: only mechanisms have qualifiers.
    #[error("modifier with a qualifier")]
    QualifiedModifier,
    /// The second `redirect=` of the record.
    #[error("second redirect=")]
    SecondRedirect,
    /// The second `exp=` of the record.
    #[error("second exp=")]
    SecondExplanation,
    /// `include`, `exists`, `redirect=` or `exp=` without a name, or nothing behind a ":".
    #[error("missing domain name")]
    MissingDomain,
    /// `all:`, `ptr/24` and the like.
    #[error("text that does not belong here")]
    Unexpected,
    /// A name without a dot before its last label.
    #[error("name of one label")]
    SingleLabel,
    /// The last label of a name cannot be a top-level domain: characters, or a hyphen at its end.
    #[error("name does not end in a top-level domain")]
    TopLabel,
    /// The last label of a name is a number.
    #[error("name ends in a number")]
    NumericTopLabel,
    /// An IPv4 or IPv6 address with `a:`, `mx:` and the like.
    #[error("address where a name belongs (use ip4: or ip6:)")]
    AddressAsName,
    /// A "%" without "{", "%", "_" or "-" behind it.
    #[error("\"%\" that begins no macro")]
    Percent,
    /// `%{x}`: no macro has this letter.
    #[error("unknown macro letter")]
    MacroLetter,
    /// `%{c}`, `%{r}` or `%{t}` outside of an explanation.
    #[error("macro letter that is allowed in explanations only")]
    ExplanationLetter,
    /// `%{d0}`.
    #[error("macro that keeps no part")]
    MacroDigits,
    /// Something else before the "}" of a macro, or no "}".
    #[error("malformed macro")]
    Macro,
    /// Nothing behind `ip4:` or `ip6:`.
    #[error("missing address")]
    MissingAddress,
    /// Not four numbers up to 255 without leading zeros.
    #[error("malformed IPv4 address")]
    Ip4,
    /// Not an IPv6 address.
    #[error("malformed IPv6 address")]
    Ip6,
    /// A prefix length that is no number, or has leading zeros.
    #[error("malformed prefix length")]
    Prefix,
    /// A prefix length above 32 for IPv4, above 128 for IPv6.
    #[error("prefix length too large")]
    PrefixTooLarge,
    /// Nothing that the grammar knows.
    #[error("unreadable text")]
    Unreadable,
}
