//! Canonicalization: the forms of a message that a signature covers (RFC 6376 §3.4).
//!
//! Two algorithms, each defined for the header and for the body: `simple` tolerates almost no change on the way, `relaxed` tolerates changed
//! white space and re-folded lines. [`header`] writes one field at a time and selects the fields of an `h=` list; [`body`] is a machine that
//! takes the body in chunks of any size and never holds more than four small fields of state.
//!
//! Nothing here repairs a message: a bare LF is not a line end and a bare CR is a byte like any other, because a verifier must hash what was
//! sent (§5.3 leaves the conversion of line ends to whoever hands the message over).

use core::fmt;

pub mod body;
pub mod header;
mod white_space;

/// A canonicalization algorithm, for the header or for the body (§3.4).
///
/// The default is `simple`, which is what an absent `c=` tag means (§3.5). Signers of this crate choose `relaxed` explicitly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Canon {
    /// `simple`: header fields as they are (§3.4.1), the body without its empty lines at the end (§3.4.3).
    #[default]
    Simple,
    /// `relaxed`: header fields unfolded and in lower case (§3.4.2), white space of the body reduced (§3.4.4).
    Relaxed,
}

impl Canon {
    /// The algorithm with this name, in any case: the literals of `c=` are ABNF strings (§3.5). `None` for every other text.
    ///
    /// ```
    /// use dkim_core::canon::Canon;
    ///
    /// assert_eq!(Canon::from_name(b"Relaxed"), Some(Canon::Relaxed));
    /// assert_eq!(Canon::from_name(b"nowsp"), None);
    /// ```
    #[must_use]
    pub const fn from_name(name: &[u8]) -> Option<Self> {
        if name.eq_ignore_ascii_case(b"simple") {
            Some(Self::Simple)
        } else if name.eq_ignore_ascii_case(b"relaxed") {
            Some(Self::Relaxed)
        } else {
            None
        }
    }

    /// The name as it is written in `c=`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Relaxed => "relaxed",
        }
    }
}

impl fmt::Display for Canon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
