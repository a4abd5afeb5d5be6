//! The author domain: the one domain of a message's From field.
//!
//! The signer asks for exactly one domain (RFC 6376 §5.4, D-29). The From field is read by [`dmarc_core::author`], as DMARC reads it: text that two
//! readers could take for two different addresses has no author domain, and the message is left unsigned with the cause in the log.

use dkim_core::domain::DomainName;
use dmarc_core::author::{self, Author, AuthorDomains, AuthorErrorKind, AuthorLimits};
use thiserror::Error;

/// Why a message has no author domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AuthorError {
    /// The header section has no From field.
    #[error("no From field")]
    Missing,
    /// The header section has several From fields.
    #[error("several From fields")]
    SeveralFields,
    /// The value is longer than [`AuthorLimits::max_bytes`].
    #[error("From field is too long")]
    TooLong,
    /// The value is not an address list, or one that could be read in two ways, or beyond another limit.
    #[error("{0}")]
    Malformed(author::AuthorError),
    /// The list holds no address (an empty group, for example).
    #[error("From field holds no address")]
    NoAddress,
    /// An address has a literal such as `[192.0.2.1]` for a domain.
    #[error("From field holds an address literal")]
    AddressLiteral,
    /// The text after `@` is not a domain name.
    #[error("From field holds an invalid domain")]
    InvalidDomain,
    /// Addresses of different domains.
    #[error("From field holds addresses of several domains")]
    SeveralDomains,
}

impl AuthorError {
    /// The word for logs: lower case, with hyphens, stable.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Missing => "from-missing",
            Self::SeveralFields => "from-several-fields",
            Self::TooLong => "from-too-long",
            Self::Malformed(_) => "from-malformed",
            Self::NoAddress => "from-no-address",
            Self::AddressLiteral => "from-address-literal",
            Self::InvalidDomain => "from-invalid-domain",
            Self::SeveralDomains => "from-several-domains",
        }
    }
}

impl From<author::AuthorError> for AuthorError {
    fn from(error: author::AuthorError) -> Self {
        match error.kind {
            AuthorErrorKind::NoField => Self::Missing,
            AuthorErrorKind::SeveralFields => Self::SeveralFields,
            AuthorErrorKind::TooLong => Self::TooLong,
            AuthorErrorKind::NoAddress => Self::NoAddress,
            AuthorErrorKind::Domain => Self::InvalidDomain,
            AuthorErrorKind::TooManyDomains => Self::SeveralDomains,
            _ => Self::Malformed(error),
        }
    }
}

/// The author domain of a From *value* (what follows the colon; folds may be there, CRLF or LF).
///
/// Several addresses are fine as long as their domains are equal (`standards.md` M-6 says the same for DMARC).
///
/// # Errors
///
/// [`AuthorError`], for everything that is not exactly one domain.
///
/// ```
/// # use engine::message::author::{author_domain, AuthorError};
/// assert_eq!(author_domain(b" \"Doe, J.\" (home) <jd@Example.COM>").unwrap().as_str(), "example.com");
/// assert_eq!(author_domain(b" a@one.example, b@two.example"), Err(AuthorError::SeveralDomains));
/// ```
pub fn author_domain(value: &[u8]) -> Result<DomainName, AuthorError> {
    let authors = AuthorDomains::parse(value, &AuthorLimits::default())?;
    match authors.author() {
        Author::One(domain) => Ok(domain.clone()),
        Author::Several if authors.literals() > 0 => Err(AuthorError::AddressLiteral),
        Author::Several => Err(AuthorError::SeveralDomains),
        Author::Literal => Err(AuthorError::AddressLiteral),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(value: &str) -> Result<String, &'static str> {
        author_domain(value.as_bytes()).map(|domain| domain.as_str().to_owned()).map_err(AuthorError::code)
    }

    #[test]
    fn s3_4_reads_every_form_of_a_mailbox() {
        for value in [
            "a@d.example",
            " a@d.example\t",
            " <a@d.example>",
            " Name <a@d.example>",
            " John Q. Public <a@d.example>",
            " \"Doe, \\\"J\\\" <x@evil.example>\" <a@d.example>",
            " =?utf-8?Q?a=40b?= <a@d.example>",
            " a@d.example (a comment (nested) \\) x@evil.example)",
            " (c)a(c)@(c)d.example(c)",
            " \"quoted local\"@d.example",
            " a.b.c@d.example",
            " a . \"b\" @ d.example",
            " a@d.example.",
            "\r\n\ta@d.example",
            " Name\r\n <a@d.example>",
            " <@one.example,@two.example:a@d.example>",
            " a@d.example,, b@D.EXAMPLE ,",
            " Group: a@d.example, Name <b@d.example>;",
            " Group:a@d.example;, c@d.example",
            " J\u{f6}rg <j\u{f6}rg@d.example>",
        ] {
            assert_eq!(domain(value).as_deref(), Ok("d.example"), "{value}");
        }
    }

    #[test]
    fn rfc6532_a_u_label_domain_becomes_an_a_label() {
        assert_eq!(domain(" <a@b\u{fc}cher.example>").as_deref(), Ok("xn--bcher-kva.example"));
    }

    #[test]
    fn s9_4_what_can_be_read_in_two_ways_has_no_author() {
        for value in [
            "<attacker@one.example>:<spoofed@two.example>",
            "a@one.example <b@two.example>",
            "<a@one.example> trailing",
            "<a@one.example> (comment) <b@one.example>",
            "Name a@one.example",
            "a@one.example b@one.example",
            "a@b@one.example",
            "a..b@one.example",
            ".a@one.example",
            "a.@one.example",
            "a@one.example .two.example",
            "a@one.example(c).two.example",
            "=?utf-8?q?a=40two.example?=@one.example",
            "\"\u{1b}\" <a@one.example>",
            "a@one.example\nFrom: b@two.example",
            "@one.example",
            "name",
            "<a@one.example",
            "a@one.example>",
            "<<a@one.example>>",
            "<>",
            "\"open <a@one.example>",
            "(open a@one.example",
            "closed) a@one.example",
            "G: a@one.example",
            "G: H: a@one.example;;",
            "a@one.example;",
            ": a@one.example;",
            "a@one.\"example\"",
            "a\u{0}@one.example",
            "a@one\u{0}.example",
            "(\u{0})a@one.example",
            "a\\@one.example",
            "a@one.example\u{1}",
        ] {
            assert_eq!(domain(value), Err("from-malformed"), "{value:?}");
        }
    }

    #[test]
    fn other_causes_have_their_own_names() {
        for (value, code) in [
            ("", "from-no-address"),
            (" , ,", "from-no-address"),
            ("undisclosed-recipients:;", "from-no-address"),
            ("a@one.example, b@two.example", "from-several-domains"),
            ("a@one.example, b@sub.one.example", "from-several-domains"),
            ("a@[192.0.2.1]", "from-address-literal"),
            ("a@exa$mple.test", "from-invalid-domain"),
            ("a@.one.example", "from-invalid-domain"),
            ("a@one..example", "from-invalid-domain"),
            ("a@", "from-invalid-domain"),
        ] {
            assert_eq!(domain(value), Err(code), "{value:?}");
        }
    }

    #[test]
    fn fifty_thousand_parentheses_are_an_error_and_not_a_crash() {
        assert_eq!(domain(&"(".repeat(50_000)), Err("from-malformed"));
        let nested = |depth| format!("{}{} a@d.example", "(".repeat(depth), ")".repeat(depth));
        assert_eq!(domain(&nested(100)).as_deref(), Ok("d.example"));
        assert_eq!(domain(&nested(30_000)), Err("from-malformed"));
        assert_eq!(domain(&"(".repeat(70_000)), Err("from-too-long"));
        assert_eq!(domain(&format!("a@{}", "x".repeat(5000))), Err("from-invalid-domain"));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_give_a_result(value in proptest::collection::vec(proptest::sample::select(
            b"ab.@<>(),;:\\\"[] \r\n\t\0\xc3\xbc".to_vec()), 0..64))
        {
            let _ = author_domain(&value);
        }
    }
}
