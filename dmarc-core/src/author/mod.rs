//! The author domains: from the From field of a message to the domains that DMARC is about.
//!
//! RFC 9989 §5.3.1 and §11.5 take the domain of the address in the From field. What a field holds is written by whoever wants to deceive, so this is
//! RFC 5322 §3.4 to the letter, with the obsolete forms of §4.4, groups (RFC 6854) and UTF-8 (RFC 6532), and one rule on top: **where two reasonable
//! readers could see two different domains there is an error and no domain.** The message is then one without a known author, never one of a guessed
//! author.
//!
//! | in the field | here |
//! |---|---|
//! | comments, quoted strings with commas, `@` and angle brackets, groups, empty list elements, folds of any kind | read as RFC 5322 says |
//! | `=?utf-8?Q?a=40b?= <c@example.com>` | nothing is decoded: an encoded "@" is none (RFC 2047 §6.2 decodes after parsing) |
//! | an encoded-word in an address, or one with a quote in it | error |
//! | `<@one.example:a@two.example>` | the route is ignored, as RFC 5322 §4.4 says; [`AuthorDomains::routes`] counts it |
//! | `a@[192.0.2.1]` | an address without a domain: [`AuthorDomains::literals`] |
//! | `a@bücher.example` | `xn--bcher-kva.example` |
//! | `a@example.com.` | `example.com` |
//! | `a@one.example (x) .two.example` | error: RFC 5322 §4.4 joins the parts, many readers do not |
//! | text behind an address, `a@one.example <b@two.example>` | error |
//! | NUL, control characters, a line break that is no fold | error |
//! | several From fields, even equal ones | error |
//!
//! Linear time, no recursion, no allocation but for the domains. What it does not do: look at Sender, Reply-To, Resent-From or display names, decode
//! anything, repair anything, tell whether a domain exists.

mod doubt;
mod error;
mod grammar;
mod limits;
#[cfg(test)]
mod tests;
mod token;

use crate::domain::DomainName;
use dkim_core::header::HeaderBlock;

pub use self::error::{AuthorError, AuthorErrorKind};
pub use self::limits::AuthorLimits;

/// The domains of all addresses in a From field, each once, in the order of the field. See the [module page](self).
///
/// At least one address is there: a field without any is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorDomains {
    domains: Vec<AuthorDomain>,
    literals: usize,
    routes: usize,
}

/// One domain of a From field.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuthorDomain {
    /// The domain.
    pub domain: DomainName,
    /// How many addresses have it.
    pub addresses: usize,
}

/// What the addresses of a From field come to for DMARC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth case, and whoever decides has to treat all three")]
pub enum Author<'a> {
    /// Every address has this domain (RFC 9989 §5.3.1): the Author Domain.
    One(&'a DomainName),
    /// The addresses have different domains, or only some of them have one. Which one a reader is shown is unknown; RFC 9989 §11.5 lets a receiver
    /// evaluate each of [`AuthorDomains::domains`] and use the strictest policy that fails.
    Several,
    /// No address has a domain: all of them are literals (`a@[192.0.2.1]`). There is nothing to ask the DNS for.
    Literal,
}

impl AuthorDomains {
    /// The author domains of a message, from its header section.
    ///
    /// ```
    /// use dkim_core::header::{HeaderBlock, HeaderLimits};
    /// use dmarc_core::author::{Author, AuthorDomains, AuthorErrorKind, AuthorLimits};
    ///
    /// let message = b"Sender: x@other.example\r\nFrom: \"Doe, J.\" (home) <jd@Example.COM>\r\n\r\n";
    /// let (header, _) = HeaderBlock::parse(message, HeaderLimits::default())?;
    /// let authors = AuthorDomains::from_header(&header, &AuthorLimits::default())?;
    /// let Author::One(domain) = authors.author() else { panic!("one address, one domain") };
    /// assert_eq!(domain.as_str(), "example.com");
    ///
    /// let message = b"From: a@example.com\r\nFROM : a@example.com\r\n\r\n";
    /// let (header, _) = HeaderBlock::parse(message, HeaderLimits::default())?;
    /// let error = AuthorDomains::from_header(&header, &AuthorLimits::default()).unwrap_err();
    /// assert_eq!(error.kind, AuthorErrorKind::SeveralFields);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`AuthorErrorKind::NoField`], [`AuthorErrorKind::SeveralFields`], and those of [`parse`](Self::parse).
    pub fn from_header(header: &HeaderBlock, limits: &AuthorLimits) -> Result<Self, AuthorError> {
        Self::from_fields(header.iter().filter(|field| field.is_named("From")).map(|field| field.value), limits)
    }

    /// As [`from_header`](Self::from_header), from the values of all From fields of a message.
    ///
    /// # Errors
    ///
    /// As [`from_header`](Self::from_header).
    pub fn from_fields<'a>(
        values: impl IntoIterator<Item = &'a [u8]>,
        limits: &AuthorLimits,
    ) -> Result<Self, AuthorError> {
        let mut values = values.into_iter();
        match (values.next(), values.next()) {
            (None, _) => Err(AuthorError::new(AuthorErrorKind::NoField, 0)),
            (Some(value), None) => Self::parse(value, limits),
            (Some(_), Some(_)) => Err(AuthorError::new(AuthorErrorKind::SeveralFields, 0)),
        }
    }

    /// The author domains of one From value: what follows the colon, folds included, without the line break that ends the field.
    ///
    /// ```
    /// use dmarc_core::author::{Author, AuthorDomains, AuthorErrorKind, AuthorLimits};
    ///
    /// let parse = |value: &[u8]| AuthorDomains::parse(value, &AuthorLimits::default());
    /// let authors = parse(b" Team: a@one.example, b@two.example, c@ONE.example;")?;
    /// let found: Vec<_> = authors.domains().iter().map(|found| (found.domain.as_str(), found.addresses)).collect();
    /// assert_eq!(found, [("one.example", 2), ("two.example", 1)]);
    /// assert_eq!(authors.author(), Author::Several);
    ///
    /// let error = parse(b" <a@one.example> <b@two.example>").unwrap_err();
    /// assert_eq!((error.kind, error.at), (AuthorErrorKind::TextAfterAddress, 17));
    /// assert_eq!(error.to_string(), "text behind an address at octet 17 of the From field");
    /// # Ok::<(), dmarc_core::author::AuthorError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`AuthorError`] for a value that is no `address-list`, that holds no address, that could be read in two ways, or that goes beyond a limit.
    pub fn parse(value: &[u8], limits: &AuthorLimits) -> Result<Self, AuthorError> {
        if value.len() > limits.max_bytes {
            return Err(AuthorError::new(AuthorErrorKind::TooLong, 0));
        }
        doubt::check(value)?;
        let found = grammar::address_list(value, limits)?;
        if found.addresses() == 0 {
            return Err(AuthorError::new(AuthorErrorKind::NoAddress, 0));
        }
        Ok(found)
    }

    /// The domains, each once, in the order in which they come first in the field.
    #[must_use]
    pub fn domains(&self) -> &[AuthorDomain] {
        &self.domains
    }

    /// How many addresses have an address literal (`[192.0.2.1]`) for a domain.
    #[must_use]
    pub const fn literals(&self) -> usize {
        self.literals
    }

    /// How many addresses have a source route (`<@one.example:a@two.example>`), which is ignored. No honest mail has had one for decades; a caller
    /// may refuse them.
    #[must_use]
    pub const fn routes(&self) -> usize {
        self.routes
    }

    /// How many addresses the field has, literals included.
    #[must_use]
    pub fn addresses(&self) -> usize {
        self.domains.iter().fold(self.literals, |sum, found| sum.saturating_add(found.addresses))
    }

    /// Whether there is exactly one Author Domain.
    #[must_use]
    pub fn author(&self) -> Author<'_> {
        match (&*self.domains, self.literals) {
            ([one], 0) => Author::One(&one.domain),
            ([], _) => Author::Literal,
            _ => Author::Several,
        }
    }

    const fn none() -> Self {
        Self { domains: Vec::new(), literals: 0, routes: 0 }
    }

    /// One more address; `None` for a literal.
    fn add(&mut self, domain: Option<DomainName>, limits: &AuthorLimits) -> Result<(), AuthorErrorKind> {
        if self.addresses() >= limits.max_addresses {
            return Err(AuthorErrorKind::TooManyAddresses);
        }
        let Some(domain) = domain else {
            self.literals = self.literals.saturating_add(1);
            return Ok(());
        };
        if let Some(same) = self.domains.iter_mut().find(|found| found.domain == domain) {
            same.addresses = same.addresses.saturating_add(1);
        } else if self.domains.len() >= limits.max_domains {
            return Err(AuthorErrorKind::TooManyDomains);
        } else {
            self.domains.push(AuthorDomain { domain, addresses: 1 });
        }
        Ok(())
    }
}
