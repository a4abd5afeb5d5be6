//! Modifiers: `redirect=`, `exp=`, and those nobody has defined yet (RFC 7208 §6).

use super::{DomainSpec, Span};

/// A modifier and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "RFC 7208 §6 defines two and has all others ignored")]
pub enum Modifier {
    /// §6.1: the record of another domain decides when no mechanism matched.
    Redirect(DomainSpec),
    /// §6.2: where the explanation of a `fail` is.
    Explanation(DomainSpec),
    /// §6: "Unrecognized modifiers MUST be ignored". Its value is a well-formed macro string.
    Unknown {
        /// The name before the "=".
        name: Span,
        /// The text behind it.
        value: Span,
    },
}
