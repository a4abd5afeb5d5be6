//! `address-list` (RFC 5322 §3.4) with the obsolete forms of §4.4 and groups in From (RFC 6854 §2.1).
//!
//! One pass from left to right: words are read until the octet behind them says whether they were a display name, a local part, or the name of a group.
//! A group is a state and not a recursion, because it holds mailboxes only.

use crate::domain::DomainName;

use super::token::{Fault, domain_literal, domain_text, is_atext, skip_cfws, word};
use super::{AuthorDomains, AuthorError, AuthorErrorKind as Kind, AuthorLimits, doubt};

/// The domains of a value that is not too long and has passed [`doubt`].
pub(super) fn address_list(value: &[u8], limits: &AuthorLimits) -> Result<AuthorDomains, AuthorError> {
    let mut parser = Parser { rest: value, limits, found: AuthorDomains::none() };
    match parser.address_list() {
        Ok(()) => Ok(parser.found),
        Err(fault) => Err(AuthorError::new(fault.kind, value.len().saturating_sub(fault.rest.len()))),
    }
}

/// A run of words and dots, and what it can be.
#[derive(Clone, Copy)]
struct Words<'a> {
    /// From the first word on to the end of the value.
    start: &'a [u8],
    shape: Shape,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// No word at all.
    Empty,
    /// `word *("." word)`: a local part, or a phrase as well.
    LocalPart,
    /// The same with a dot behind it: not yet a local part.
    AfterDot,
    /// Two words side by side, or a dot where none may be: only a phrase. §4.1 has `obs-phrase = word *(word / "." / CFWS)`; a dot that comes first
    /// (".org team") is let pass, because nothing depends on it.
    Phrase,
}

impl Shape {
    fn with_word(self) -> Self {
        match self {
            Self::Empty | Self::AfterDot => Self::LocalPart,
            Self::LocalPart | Self::Phrase => Self::Phrase,
        }
    }

    fn with_dot(self) -> Self {
        match self {
            Self::LocalPart => Self::AfterDot,
            Self::Empty | Self::AfterDot | Self::Phrase => Self::Phrase,
        }
    }
}

struct Parser<'a, 'l> {
    rest: &'a [u8],
    limits: &'l AuthorLimits,
    found: AuthorDomains,
}

impl<'a> Parser<'a, '_> {
    /// `address-list = (address *("," address)) / obs-addr-list`, `address = mailbox / group`
    fn address_list(&mut self) -> Result<(), Fault<'a>> {
        // Where the name of the group begins that is open.
        let mut group = None;
        loop {
            let words = self.words()?;
            let is_address = match self.rest.first() {
                // group = display-name ":" [group-list] ";" [CFWS]
                Some(b':') if words.shape != Shape::Empty => {
                    if group.is_some() {
                        return self.fault(Kind::NestedGroup);
                    }
                    group = Some(words.start);
                    self.bump();
                    continue;
                }
                Some(b'@') => self.addr_spec(words).map(|()| true)?,
                Some(b'<') => self.angle_addr().map(|()| true)?,
                Some(b',' | b';') | None if words.shape != Shape::Empty => {
                    return Err(Fault::new(words.start, Kind::NotAnAddress));
                }
                // §4.4: the elements of obs-mbox-list, obs-addr-list and obs-group-list can be empty.
                Some(b',' | b';') | None => false,
                Some(_) => return self.fault(Kind::Unexpected),
            };
            let unexpected = if is_address { Kind::TextAfterAddress } else { Kind::Unexpected };
            match (self.rest.first(), group) {
                (Some(b','), _) => self.bump(),
                (Some(b';'), Some(_)) => {
                    group = None;
                    self.bump();
                    self.skip_cfws()?;
                    match self.rest.first() {
                        Some(b',') => self.bump(),
                        None => return Ok(()),
                        Some(_) => return self.fault(Kind::TextAfterAddress),
                    }
                }
                (None, None) => return Ok(()),
                (None, Some(open)) => return Err(Fault::new(open, Kind::UnclosedGroup)),
                (Some(_), _) => return self.fault(unexpected),
            }
        }
    }

    /// `angle-addr = [CFWS] "<" addr-spec ">" [CFWS] / obs-angle-addr`; what is here begins with the "<".
    fn angle_addr(&mut self) -> Result<(), Fault<'a>> {
        self.bump();
        self.skip_cfws()?;
        if self.rest.first() == Some(&b'@') {
            self.route()?;
        }
        let words = self.words()?;
        match self.rest.first() {
            Some(b'@') => self.addr_spec(words)?,
            _ => return self.fault(Kind::AngleAddress),
        }
        if self.rest.first() != Some(&b'>') {
            return self.fault(Kind::AngleAddress);
        }
        self.bump();
        self.skip_cfws()
    }

    /// `obs-route = obs-domain-list ":"`, of which `"@" domain *("," "@" domain)` is taken.
    ///
    /// §4.4: "When interpreting addresses, the route portion SHOULD be ignored." It is held to its grammar and counted. The empty elements that
    /// obs-domain-list allows are refused: the Python package email takes `<,@one.example:a@two.example>` for two addresses.
    fn route(&mut self) -> Result<(), Fault<'a>> {
        loop {
            if self.rest.first() != Some(&b'@') {
                return self.fault(Kind::AngleAddress);
            }
            self.bump();
            self.domain()?;
            match self.rest.first() {
                Some(b',') => self.bump(),
                Some(b':') => break,
                _ => return self.fault(Kind::AngleAddress),
            }
            self.skip_cfws()?;
        }
        self.bump();
        self.found.routes = self.found.routes.saturating_add(1);
        Ok(())
    }

    /// `addr-spec = local-part "@" domain`; the words of the local part are read, what is here begins with the "@".
    fn addr_spec(&mut self, words: Words<'a>) -> Result<(), Fault<'a>> {
        // obs-local-part = word *("." word)
        if words.shape != Shape::LocalPart {
            return Err(Fault::new(words.start, Kind::LocalPart));
        }
        let local_part = words.start.get(..words.start.len().saturating_sub(self.rest.len())).unwrap_or_default();
        // RFC 2047 §5: "An 'encoded-word' MUST NOT appear in any portion of an 'addr-spec'." Who decodes it may find another "@".
        if doubt::has_encoded_word(local_part) {
            return Err(Fault::new(words.start, Kind::EncodedWord));
        }
        // RFC 6532 §3.2 adds UTF-8 to atext and qtext, and nothing else.
        if std::str::from_utf8(local_part).is_err() {
            return Err(Fault::new(words.start, Kind::NotUtf8));
        }
        let address = words.start;
        self.bump();
        let domain = self.domain()?;
        self.found.add(domain, self.limits).map_err(|kind| Fault::new(address, kind))
    }

    /// `domain = dot-atom / domain-literal / obs-domain` with the CFWS around it; `None` for a literal.
    fn domain(&mut self) -> Result<Option<DomainName>, Fault<'a>> {
        self.skip_cfws()?;
        let start = self.rest;
        if start.first() == Some(&b'[') {
            self.rest = domain_literal(start)?;
            self.skip_cfws()?;
            return Ok(None);
        }
        let (behind, text) = domain_text(start)?;
        self.rest = behind;
        self.skip_cfws()?;
        // obs-domain = atom *("." atom), with CFWS around each atom: for who stops at it the domain ends there.
        let goes_on = match self.rest.first() {
            Some(b'.') => true,
            Some(&octet) => text.ends_with(b".") && is_atext(octet),
            None => false,
        };
        if goes_on && behind.len() != self.rest.len() {
            return Err(Fault::new(behind, Kind::SpaceInDomain));
        }
        // "example.com." is example.com written to its end: no reader sees another domain.
        let name = text.strip_suffix(b".").unwrap_or(text);
        DomainName::parse_bytes(name).map(Some).map_err(|_invalid| Fault::new(start, Kind::Domain))
    }

    /// `*(word / "." / CFWS)`
    fn words(&mut self) -> Result<Words<'a>, Fault<'a>> {
        self.skip_cfws()?;
        let mut words = Words { start: self.rest, shape: Shape::Empty };
        loop {
            if let Some(behind) = word(self.rest)? {
                self.rest = behind;
                words.shape = words.shape.with_word();
            } else if self.rest.first() == Some(&b'.') {
                self.bump();
                words.shape = words.shape.with_dot();
            } else {
                return Ok(words);
            }
            self.skip_cfws()?;
        }
    }

    fn skip_cfws(&mut self) -> Result<(), Fault<'a>> {
        self.rest = skip_cfws(self.rest, self.limits.max_comment_depth)?;
        Ok(())
    }

    fn bump(&mut self) {
        self.rest = self.rest.get(1..).unwrap_or_default();
    }

    /// A fault at the octet that is next.
    fn fault<T>(&self, kind: Kind) -> Result<T, Fault<'a>> {
        Err(Fault::new(self.rest, kind))
    }
}
