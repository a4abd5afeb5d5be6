//! Authentication-Results: the value of the field as data, parsed and built.
//!
//! RFC 8601, and RFC 6532 for values in UTF-8. The data is generic, `method=result ptype.property=value`: no method is known here, each protocol
//! brings its own words. [`AuthResults::parse`] reads a value, [`AuthResults::to_field_value`] writes one, [`claims_authserv_id`] decides whether
//! a field that came in has to go because it claims to be ours.
//!
//! Invariants:
//! - What is written is read back with the same content: `parse(format(x))` is `x`, less control characters (dropped), with text that the chosen
//!   [`Charset`] cannot hold in xtext, and with over-long text cut visibly (see [`MAX_TEXT`]).
//! - No value, reason or comment, whatever bytes it was made from, can become another result, another property or another header line: all that is
//!   no plain token and no plain address is quoted, and words of the syntax are refused unless they are keywords.
//! - Lines are folded at 78 columns where there is a place to fold, are never longer than 998 octets, and continuation lines begin with white space
//!   and hold more than that.
//! - Reading is linear and bounded ([`ReadLimits`]); comments nest without recursion.
//!
//! What it does not do: judge results, or trust any. A field in a message says what somebody wrote there.
//!
//! ```
//! use dkim_core::auth_results::{AuthResults, FormatOptions, ReadLimits, ResInfo};
//!
//! let mut results = AuthResults::new("mx.example.org");
//! results.results.push(ResInfo::new("dkim", "pass").with_prop("header", "d", "example.com"));
//! results.results.push(ResInfo::new("spf", "none").with_prop("smtp", "mailfrom", "x; dkim=pass header.d=bank.example"));
//! let value = results.to_field_value(&FormatOptions::default())?;
//! assert_eq!(
//!     value,
//!     " mx.example.org;\r\n\tdkim=pass header.d=example.com;\r\n\tspf=none smtp.mailfrom=\"x; dkim=pass header.d=bank.example\""
//! );
//! assert_eq!(AuthResults::parse(value.as_bytes(), ReadLimits::default()).as_ref(), Ok(&results));
//! # Ok::<(), dkim_core::auth_results::FormatError>(())
//! ```

mod claim;
mod format;
mod parse;

pub use claim::claims_authserv_id;
pub use format::{Charset, FormatError, FormatOptions, MAX_KEYWORD, MAX_TEXT};
pub use parse::{ParseError, ParseErrorKind, ReadLimits};

/// The content of one Authentication-Results field.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuthResults {
    /// Who checked (§2.5), unquoted and in the case it was written in.
    pub authserv_id: String,
    /// The version of the syntax, if it is stated; absent means 1.
    pub version: Option<u32>,
    /// Comments before the first result, unquoted.
    pub comments: Vec<String>,
    /// The results; empty is the form "none": nothing was checked.
    pub results: Vec<ResInfo>,
}

impl AuthResults {
    /// A field of this authserv-id without results.
    #[must_use]
    pub fn new(authserv_id: impl Into<String>) -> Self {
        Self { authserv_id: authserv_id.into(), version: None, comments: Vec::new(), results: Vec::new() }
    }
}

/// One result: `method[/version]=result [reason=…] [ptype.property=value …]`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResInfo {
    /// What was checked, for example `dkim`. Lower case when parsed.
    pub method: String,
    /// The version of the method, if it is stated; absent means 1.
    pub version: Option<u32>,
    /// The result, for example `pass`. Lower case when parsed; consumers ignore words they do not know (§4.1).
    pub result: String,
    /// Why, for people.
    pub reason: Option<String>,
    /// Comments, for people, unquoted; wherever they stand in a parsed result, they are written behind the result word.
    pub comments: Vec<String>,
    /// What was checked of the message.
    pub props: Vec<Prop>,
}

impl ResInfo {
    /// A result without reason, comments and properties. `method` and `result` must be keywords when the field is written.
    #[must_use]
    pub fn new(method: impl Into<String>, result: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            version: None,
            result: result.into(),
            reason: None,
            comments: Vec::new(),
            props: Vec::new(),
        }
    }

    /// Adds a property. The value may be any bytes, also hostile ones; what is not UTF-8 becomes xtext (RFC 3461 §4) at once.
    #[must_use]
    pub fn with_prop(mut self, ptype: impl Into<String>, property: impl Into<String>, value: impl AsRef<[u8]>) -> Self {
        let value = format::text_of(value.as_ref());
        self.props.push(Prop { ptype: ptype.into(), property: property.into(), value });
        self
    }

    /// Sets the reason, from any bytes.
    #[must_use]
    pub fn with_reason(mut self, reason: impl AsRef<[u8]>) -> Self {
        self.reason = Some(format::text_of(reason.as_ref()));
        self
    }

    /// Adds a comment, from any bytes.
    #[must_use]
    pub fn with_comment(mut self, comment: impl AsRef<[u8]>) -> Self {
        self.comments.push(format::text_of(comment.as_ref()));
        self
    }

    /// The value of the first property of this name; names match in any case.
    #[must_use]
    pub fn prop(&self, ptype: &str, property: &str) -> Option<&str> {
        let named =
            |prop: &&Prop| prop.ptype.eq_ignore_ascii_case(ptype) && prop.property.eq_ignore_ascii_case(property);
        self.props.iter().find(named).map(|prop| prop.value.as_str())
    }
}

/// One property: `ptype.property=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Prop {
    /// Where the value comes from: `smtp`, `header`, `body`, `policy` or another word. Lower case when parsed.
    pub ptype: String,
    /// Which value, for example `mailfrom` or `d`. Lower case when parsed.
    pub property: String,
    /// The value, unquoted. Of an address with a quoted local part the quotes belong to the value.
    pub value: String,
}

/// RFC 2045 §5.1: a token holds no space, no control and none of these.
const fn is_tspecial(byte: u8) -> bool {
    matches!(
        byte,
        b'(' | b')' | b'<' | b'>' | b'@' | b',' | b';' | b':' | b'\\' | b'"' | b'/' | b'[' | b']' | b'?' | b'='
    )
}

/// RFC 5321 `Keyword = Ldh-str`: letters, digits and hyphens, no hyphen at the end.
fn is_keyword(text: &str) -> bool {
    !text.is_empty() && !text.ends_with('-') && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests;
