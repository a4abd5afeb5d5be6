//! The author domain: the one domain of a message's From field.
//!
//! RFC 5322 §3.4 (address lists) with the obsolete forms of §4.4, RFC 6854 (groups in From) and RFC 6532 (UTF-8). The signer
//! asks for exactly one domain, so this parser is a strict one: text that two readers could take for two different
//! addresses has no author domain, and the message is left unsigned with the cause in the log.
//!
//! Invariants: one pass from left to right, no recursion (comments are counted, not descended into), no allocation but for
//! the domain at hand, and nothing is decoded: an encoded-word is an atom (RFC 2047 §5: "an 'encoded-word' MUST NOT appear in
//! any portion of an 'addr-spec'").

use dkim_core::domain::DomainName;
use thiserror::Error;

/// Longest From value that is looked at, in octets.
pub const MAX_FROM_BYTES: usize = 64 * 1024;

/// Longest domain text that is handed to [`DomainName`], in octets: U-labels are longer than their A-labels.
const MAX_DOMAIN_BYTES: usize = 1024;

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
    /// The value is longer than [`MAX_FROM_BYTES`].
    #[error("From field is longer than {MAX_FROM_BYTES} octets")]
    TooLong,
    /// The value is not an address list; `at` is the octet where that shows.
    #[error("From field is malformed at octet {at}")]
    Malformed {
        /// Offset into the value.
        at: usize,
    },
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
            Self::Malformed { .. } => "from-malformed",
            Self::NoAddress => "from-no-address",
            Self::AddressLiteral => "from-address-literal",
            Self::InvalidDomain => "from-invalid-domain",
            Self::SeveralDomains => "from-several-domains",
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
    if value.len() > MAX_FROM_BYTES {
        return Err(AuthorError::TooLong);
    }
    Parser { lexer: Lexer { text: value, at: 0 }, author: None }.address_list()
}

/// What the words read so far can be: a display name, a local part, or both.
#[derive(Clone, Copy, Default)]
struct Words {
    any: bool,
    after_dot: bool,
    /// Two words side by side, or a dot where none may be.
    phrase_only: bool,
}

impl Words {
    fn word(&mut self) {
        self.phrase_only |= self.any && !self.after_dot;
        self.any = true;
        self.after_dot = false;
    }

    fn dot(&mut self) {
        self.phrase_only |= !self.any || self.after_dot;
        self.any = true;
        self.after_dot = true;
    }

    /// obs-local-part = word *("." word)
    fn is_local_part(self) -> bool {
        self.any && !self.after_dot && !self.phrase_only
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    author: Option<DomainName>,
}

impl Parser<'_> {
    /// address-list, with the empty elements of obs-addr-list and one level of groups.
    fn address_list(mut self) -> Result<DomainName, AuthorError> {
        let mut words = Words::default();
        let mut in_group = false;
        loop {
            let mut token = self.lexer.next()?;
            match token {
                Token::Atom(_) | Token::Quoted => {
                    words.word();
                    continue;
                }
                Token::Special(b'.') => {
                    words.dot();
                    continue;
                }
                // group = display-name ":" [group-list] ";"
                Token::Special(b':') if words.any && !in_group => {
                    in_group = true;
                    words = Words::default();
                    continue;
                }
                Token::Special(b'@') if words.is_local_part() => {
                    token = self.domain()?;
                    words = Words::default();
                }
                Token::Special(b'<') => {
                    self.angle_address()?;
                    token = self.lexer.next()?;
                    words = Words::default();
                }
                // Words that came to nothing are caught below.
                Token::Special(b',' | b';') | Token::End => {}
                Token::Special(_) | Token::Literal => return Err(self.lexer.malformed()),
            }
            // Here `token` must be what may follow an address: text behind an angle address is malformed.
            if words.any {
                return Err(self.lexer.malformed());
            }
            match token {
                Token::Special(b',') => {}
                Token::Special(b';') if in_group => in_group = false,
                Token::End if !in_group => return self.author.ok_or(AuthorError::NoAddress),
                _ => return Err(self.lexer.malformed()),
            }
        }
    }

    /// angle-addr without its "<": an optional obs-route, then addr-spec ">".
    fn angle_address(&mut self) -> Result<(), AuthorError> {
        let mut words = Words::default();
        let mut in_route = false;
        loop {
            match self.lexer.next()? {
                Token::Atom(_) | Token::Quoted => words.word(),
                Token::Special(b'.') => words.dot(),
                Token::Special(b'@') if words.is_local_part() && !in_route => {
                    return match self.domain()? {
                        Token::Special(b'>') => Ok(()),
                        _ => Err(self.lexer.malformed()),
                    };
                }
                // obs-route = "@" domain *("," ["@" domain]) ":"; it is read over: the domain is that of the addr-spec.
                Token::Special(b'@') if !words.any => in_route = true,
                Token::Special(b',') if in_route => words = Words::default(),
                Token::Special(b':') if in_route && words.is_local_part() => {
                    in_route = false;
                    words = Words::default();
                }
                _ => return Err(self.lexer.malformed()),
            }
        }
    }

    /// The domain behind "@"; gives back the token that ended it.
    fn domain(&mut self) -> Result<Token<'static>, AuthorError> {
        let mut text = Vec::new();
        let mut after_dot = true;
        let end = loop {
            match self.lexer.next()? {
                Token::Atom(atom) if after_dot => {
                    if text.len().saturating_add(atom.len()) > MAX_DOMAIN_BYTES {
                        return Err(AuthorError::InvalidDomain);
                    }
                    text.extend_from_slice(atom);
                    after_dot = false;
                }
                Token::Special(b'.') if !after_dot => {
                    text.push(b'.');
                    after_dot = true;
                }
                Token::Literal if text.is_empty() => return Err(AuthorError::AddressLiteral),
                Token::Special(octet) if !after_dot => break Token::Special(octet),
                Token::End if !after_dot => break Token::End,
                _ => return Err(self.lexer.malformed()),
            }
        };
        let domain = DomainName::parse_bytes(&text).map_err(|_invalid| AuthorError::InvalidDomain)?;
        match &self.author {
            Some(author) if *author != domain => return Err(AuthorError::SeveralDomains),
            Some(_) => {}
            None => self.author = Some(domain),
        }
        Ok(end)
    }
}

#[derive(Clone, Copy)]
enum Token<'a> {
    /// A run of atext, RFC 6532 UTF8-non-ascii included.
    Atom(&'a [u8]),
    Quoted,
    Literal,
    Special(u8),
    End,
}

/// Cuts the value into tokens; comments and white space are read over.
struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Lexer<'a> {
    fn next(&mut self) -> Result<Token<'a>, AuthorError> {
        self.skip_cfws()?;
        let start = self.at;
        match self.bump() {
            None => Ok(Token::End),
            Some(b'"') => self.until(b'"', b'"').map(|()| Token::Quoted),
            Some(b'[') => self.until(b']', b'[').map(|()| Token::Literal),
            Some(octet @ (b'<' | b'>' | b'@' | b',' | b';' | b':' | b'.')) => Ok(Token::Special(octet)),
            Some(octet) if is_atext(octet) => {
                while self.peek().is_some_and(is_atext) {
                    self.bump();
                }
                Ok(Token::Atom(self.text.get(start..self.at).unwrap_or_default()))
            }
            Some(_) => Err(AuthorError::Malformed { at: start }),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn bump(&mut self) -> Option<u8> {
        let octet = self.peek()?;
        self.at = self.at.saturating_add(1);
        Some(octet)
    }

    /// CFWS. Comments nest; the depth is a number, so 50,000 open parentheses cost 50,000 steps and no stack.
    fn skip_cfws(&mut self) -> Result<(), AuthorError> {
        let mut depth: usize = 0;
        while let Some(octet) = self.peek() {
            match octet {
                b'(' => depth = depth.saturating_add(1),
                b')' if depth > 0 => depth = depth.saturating_sub(1),
                b'\\' if depth > 0 => {
                    self.bump();
                }
                0 => return Err(self.malformed()),
                b' ' | b'\t' | b'\r' | b'\n' => {}
                _ if depth > 0 => {}
                _ => return Ok(()),
            }
            self.bump();
        }
        if depth > 0 { Err(self.malformed()) } else { Ok(()) }
    }

    /// The inside of a quoted-string or domain-literal up to and with `close`.
    fn until(&mut self, close: u8, forbidden: u8) -> Result<(), AuthorError> {
        loop {
            match self.bump() {
                Some(octet) if octet == close => return Ok(()),
                Some(b'\\') => {
                    self.bump();
                }
                None | Some(0) => return Err(self.malformed()),
                Some(octet) if octet == forbidden => return Err(self.malformed()),
                Some(_) => {}
            }
        }
    }

    fn malformed(&self) -> AuthorError {
        AuthorError::Malformed { at: self.at }
    }
}

/// RFC 5322 §3.2.3 atext and RFC 6532 §3.2 UTF8-non-ascii.
fn is_atext(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || octet >= 0x80 || b"!#$%&'*+-/=?^_`{|}~".contains(&octet)
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
            " (c)a(c)@(c)d(c).(c)example(c)",
            " \"quoted local\"@d.example",
            " a.b.c@d.example",
            " a . \"b\" @ d . example",
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
            "a@.one.example",
            "a@one.example.",
            "a@one..example",
            "a@",
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
        ] {
            assert_eq!(domain(value), Err(code), "{value:?}");
        }
    }

    #[test]
    fn fifty_thousand_parentheses_are_an_error_and_not_a_crash() {
        assert_eq!(domain(&"(".repeat(50_000)), Err("from-malformed"));
        let nested = format!("{}{} a@d.example", "(".repeat(30_000), ")".repeat(30_000));
        assert_eq!(domain(&nested).as_deref(), Ok("d.example"));
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
