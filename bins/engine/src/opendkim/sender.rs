//! The sender: the address by which keys are chosen (`SenderHeaders`).
//!
//! The domain is read as everywhere in this program, so that what is signed for is what DMARC looks at; a field that could be read in two ways has none. The
//! local part is for the tables alone.

use dkim_core::domain::DomainName;
use dkim_core::header::HeaderBlock;
use thiserror::Error;

use crate::dataset::Sender;
use crate::message::author::{AuthorError, author_domain};

/// The address of a sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// What stands before the `@`, without quotes, in its own case.
    pub local: String,
    /// The domain.
    pub domain: DomainName,
}

impl Address {
    /// As the tables take it.
    #[must_use]
    pub fn as_sender(&self) -> Sender<'_> {
        Sender { local: &self.local, domain: &self.domain }
    }
}

/// Why a message has no sender: OpenDKIM's words for its log.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SenderError {
    /// None of the fields is there.
    #[error("can't determine message sender; accepting")]
    Missing,
    /// The field holds no address of one domain.
    #[error("can't parse {field}: header value '{value}'")]
    Unreadable {
        /// The field.
        field: String,
        /// Its value, on one line.
        value: String,
        /// What is wrong with it.
        cause: AuthorError,
    },
}

/// Octets of a value that are logged.
const MAX_SHOWN: usize = 100;

/// The sender of a message: that of the first field of `names` that is there, and of several of one name the topmost.
///
/// # Errors
///
/// [`SenderError`].
pub(super) fn sender(headers: &HeaderBlock, names: &[String]) -> Result<Address, SenderError> {
    let first = |name| headers.iter().find(|field| field.is_named(name));
    let (name, field) = names.iter().find_map(|name| Some((name, first(name)?))).ok_or(SenderError::Missing)?;
    let domain = author_domain(field.value).map_err(|cause| {
        let value = field.value.get(..MAX_SHOWN).unwrap_or(field.value).trim_ascii();
        SenderError::Unreadable { field: name.clone(), value: value.escape_ascii().to_string(), cause }
    })?;
    Ok(Address { local: local_part(field.value), domain })
}

/// The local part of the first address of a value that has been read as addresses, quotes and comments removed. Empty where it is no UTF-8.
fn local_part(value: &[u8]) -> String {
    let mut address: Vec<u8> = Vec::new();
    let (mut is_quoted, mut comments, mut is_escaped, mut is_route) = (false, 0_usize, false, false);
    for &octet in value {
        match octet {
            _ if is_escaped => {
                is_escaped = false;
                if comments == 0 {
                    address.push(octet);
                }
            }
            b'\\' if is_quoted || comments > 0 => is_escaped = true,
            b'"' if comments == 0 => is_quoted = !is_quoted,
            b'(' if !is_quoted => comments = comments.saturating_add(1),
            b')' if !is_quoted => comments = comments.saturating_sub(1),
            _ if comments > 0 => {}
            // A display name, the name of a group or a route was before it.
            b'<' | b':' if !is_quoted => {
                address.clear();
                is_route = false;
            }
            _ if is_route => {}
            b'@' if !is_quoted && address.is_empty() => is_route = true,
            b'@' if !is_quoted => break,
            b' ' | b'\t' | b'\r' | b'\n' if !is_quoted => {}
            _ => address.push(octet),
        }
    }
    String::from_utf8(address).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use dkim_core::header::HeaderLimits;

    use super::*;

    fn found(text: &str, names: &[&str]) -> Result<String, SenderError> {
        let (headers, _) = HeaderBlock::parse(text.as_bytes(), HeaderLimits::default()).unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        sender(&headers, &names).map(|address| format!("{}@{}", address.local, address.domain))
    }

    #[test]
    fn s1_3_the_first_field_that_is_there_names_the_sender() {
        let text = "From: a@one.example\r\nsender: B@Two.example\r\nFrom: c@three.example\r\n\r\n";
        for (names, expected) in [
            (&["From"][..], "a@one.example"),
            (&["Sender", "From"], "B@two.example"),
            (&["X-None", "From"], "a@one.example"),
        ] {
            assert_eq!(found(text, names).unwrap(), expected);
        }
        let error = found(text, &["X-None"]).unwrap_err();
        assert_eq!(error.to_string(), "can't determine message sender; accepting");
        let error = found("From: nobody at all\r\n\r\n", &["From"]).unwrap_err();
        assert_eq!(error.to_string(), "can't parse From: header value 'nobody at all'");
    }

    #[test]
    fn s1_3_local_parts_are_those_of_the_address() {
        for (value, local) in [
            ("joe@d.example", "joe"),
            ("Joe <Joe.Doe@d.example>", "Joe.Doe"),
            ("\"Doe, J <x@y>\" (at (home) @) <joe@d.example> (c)", "joe"),
            ("\"joe doe\"@d.example", "joe doe"),
            ("\"a\\\"b\"@d.example", "a\"b"),
            ("<@one.example,@two.example:joe@d.example>", "joe"),
            ("team: joe@d.example, ann@d.example;", "joe"),
            ("(c)joe(c)@(c)d.example", "joe"),
            ("joe . doe @ d.example", "joe.doe"),
            ("Joe\r\n <joe+tag@d.example>", "joe+tag"),
        ] {
            assert_eq!(
                found(&format!("From: {value}\r\n\r\n"), &["From"]).unwrap(),
                format!("{local}@d.example"),
                "{value}"
            );
        }
    }
}
