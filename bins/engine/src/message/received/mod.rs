//! The client that a Received field names, for mail that a relay of ours passed on: there SPF is about the client of the relay.
//!
//! *Standard*: RFC 5321 §4.4 (`"FROM" FWS Extended-Domain`), in the forms that MTAs write. The address is the one that the MTA saw, and never one
//! out of HELO, which the client chooses:
//!
//! | written by | form | the address |
//! |---|---|---|
//! | Postfix, OpenSMTPD | `from HELO (NAME [ADDRESS])` | the last word of the comment |
//! | Sendmail, Google | `from HELO (NAME [ADDRESS] (may be forged))`, `from HELO ([ADDRESS])` | the same; a comment in it does not count |
//! | Exim, name known | `from NAME ([ADDRESS] helo=HELO)` | the first word of the comment |
//! | Exim, name not known | `from [ADDRESS] (helo=HELO)`, and `from [ADDRESS]` where `(Exim …)` follows | the word before the comment |
//! | Exchange | `from HELO (ADDRESS)` | the comment |
//!
//! An address is an IPv4 or IPv6 address; in brackets with or without the prefix `IPv6:`, and in those of Exim with a port behind them.
//!
//! Invariants: what could be read in two ways, or is in another form, is an error and no address; so is a field that an odd HELO has cut in two:
//! a second `by` or `from`, another address, up to the end of the date; something else than one space or a fold behind HELO. One pass from left to
//! right, no recursion. These MTAs write no parentheses, quotes and spaces out of HELO (Exim does for `helo_accept_junk_hosts`, behind the
//! address). Haraka writes HELO as it comes, and is not among them: a relay that does so must not be trusted with this.

use std::net::{IpAddr, Ipv6Addr};

use thiserror::Error;

mod rest;
mod words;

use self::rest::Rest;
use self::words::{Piece, Pieces};

/// Longest value that is looked at, in octets. MTAs take command lines of some 2,048, so a client cannot make its own field longer than this.
pub const MAX_RECEIVED: usize = 16 * 1024;

/// Most fields of relays that are passed.
pub const MAX_HOPS: usize = 32;

/// Words of a comment that can be of use; there are four in the longest form.
const MAX_WORDS: usize = 8;

/// What a Received field says about the client.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceivedFrom {
    /// The address that the MTA saw; an IPv4-mapped one as the IPv4 address in it.
    pub client: IpAddr,
    /// The name in HELO or EHLO, as it stands there: the client's word. `None` where it gave none.
    pub helo: Option<Vec<u8>>,
    /// The word behind `with`: `ESMTPS`, for example.
    pub protocol: Option<String>,
}

impl ReceivedFrom {
    /// Whether the MTA says that the client authenticated: RFC 3848 and RFC 6531 §4.3, `ESMTPA` and its like.
    #[must_use]
    pub fn is_authenticated(&self) -> bool {
        const WORDS: [&str; 8] =
            ["ESMTPA", "ESMTPSA", "LMTPA", "LMTPSA", "UTF8SMTPA", "UTF8SMTPSA", "UTF8LMTPA", "UTF8LMTPSA"];
        self.protocol.as_ref().is_some_and(|protocol| WORDS.iter().any(|word| word.eq_ignore_ascii_case(protocol)))
    }
}

/// Why a Received field names no client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReceivedError {
    /// More than [`MAX_RECEIVED`] octets.
    #[error("Received field is longer than {MAX_RECEIVED} octets")]
    TooLong,
    /// A control character, a comment without end, comments within comments without number.
    #[error("Received field is malformed")]
    Malformed,
    /// There is no `from`: the message was handed in on the host itself.
    #[error("Received field names no client")]
    NoFrom,
    /// There is a name and no address that the MTA saw, or it is in a form that is not read.
    #[error("Received field has no address in a known place")]
    NoAddress,
    /// Two addresses could be the one, or two fields are in one.
    #[error("Received field can be read in two ways")]
    Ambiguous,
}

/// Why nobody knows who sent a message to the first of our relays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RelayError {
    /// The fields end at a trusted client.
    #[error("no Received field names a client outside")]
    NoOutsider,
    /// More than [`MAX_HOPS`] fields name trusted clients.
    #[error("more than {MAX_HOPS} Received fields of relays")]
    TooManyHops,
    /// The client in a field is on the relay itself, and not trusted.
    #[error("Received field {number}: the client is on the relay itself")]
    Loopback {
        /// Which one, from the top and from 1.
        number: usize,
    },
    /// A field names no client.
    #[error("Received field {number}: {cause}")]
    Unreadable {
        /// Which one, from the top and from 1.
        number: usize,
        /// What is wrong with it.
        cause: ReceivedError,
    },
}

impl RelayError {
    /// The word for logs: lower case, with hyphens, stable.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NoOutsider => "received-no-outsider",
            Self::TooManyHops => "received-too-many-hops",
            Self::Loopback { .. } => "received-loopback",
            Self::Unreadable { .. } => "received-unreadable",
        }
    }
}

/// The client outside that gave a message to the first of our relays.
///
/// *Inputs*: the values of the Received fields from the top, as the message came from a relay that is trusted: the topmost was written by it.
/// As long as the client in a field is trusted too, it has written the next one. A client on the loopback interface may be a content filter, or
/// a webmail that passes on what its users wrote: `is_trusted` tells.
///
/// # Errors
///
/// [`RelayError`], at the first field that does not tell: what stands below it can be anybody's.
///
/// ```
/// # use engine::message::received::sender_of;
/// let fields: [&[u8]; 2] = [
///     b"from mx2.example.com (mx2.example.com [192.0.2.2]) by gate.example.com (Postfix) with ESMTPS id 1; ...",
///     b"from mail.example.org ([198.51.100.7] helo=mail) by mx2.example.com with esmtps (Exim 4.96) id 2; ...",
/// ];
/// let ours = |address: std::net::IpAddr| address.to_string().starts_with("192.0.2.");
/// assert_eq!(sender_of(fields, ours).unwrap().client.to_string(), "198.51.100.7");
/// ```
pub fn sender_of<'a>(
    fields: impl IntoIterator<Item = &'a [u8]>,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Result<ReceivedFrom, RelayError> {
    for (number, value) in (1..).zip(fields) {
        if number > MAX_HOPS {
            return Err(RelayError::TooManyHops);
        }
        let from = client_of(value).map_err(|cause| RelayError::Unreadable { number, cause })?;
        match is_trusted(from.client) {
            true => {}
            false if from.client.is_loopback() => return Err(RelayError::Loopback { number }),
            false => return Ok(from),
        }
    }
    Err(RelayError::NoOutsider)
}

/// The client that a Received *value* names (what follows the colon; folds may be there, CRLF or LF).
///
/// *Limits*: [`MAX_RECEIVED`]; time is linear in the value.
///
/// # Errors
///
/// [`ReceivedError`], for everything that is not one of the forms above.
pub fn client_of(value: &[u8]) -> Result<ReceivedFrom, ReceivedError> {
    if value.len() > MAX_RECEIVED {
        return Err(ReceivedError::TooLong);
    }
    let mut pieces = Pieces::of_value(value);
    match pieces.next()? {
        Some(Piece::Word(word)) if is(word, b"from") => {}
        // `by HOST (Postfix, from userid 0)`, and Sendmail's `(from root@localhost) by HOST`.
        _ => return Err(ReceivedError::NoFrom),
    }
    let Some(Piece::Word(name)) = pieces.next()? else { return Err(ReceivedError::NoAddress) };
    let mut behind = pieces.clone();
    let is_one_space = is_space_or_fold(behind.space());
    let (comment, rest) = match behind.next()? {
        None | Some(Piece::Semicolon) => return Err(ReceivedError::NoAddress),
        // HELO is the client's: what it writes there is not to look like the rest of the field.
        Some(_) if !is_one_space || name.iter().any(|octet| b"\"\\".contains(octet)) => {
            return Err(ReceivedError::Ambiguous);
        }
        Some(Piece::Comment(comment)) => (Some(comment), behind),
        Some(Piece::Word(_)) => (None, pieces),
    };
    if comment.is_some() && rest.clone().space().is_empty() && !rest.rest().is_empty() {
        return Err(ReceivedError::Ambiguous);
    }
    let has_second_comment = matches!(rest.clone().next(), Ok(Some(Piece::Comment(_))));
    let rest = Rest::read(rest)?;
    let (client, helo) = match comment {
        Some(comment) => tcp_info(name, &Words::of(comment)?, has_second_comment)?,
        // Anybody else who writes a literal alone means HELO by it.
        None if rest.is_exim => (literal(name).ok_or(ReceivedError::NoAddress)?, None),
        None => return Err(ReceivedError::NoAddress),
    };
    Ok(ReceivedFrom { client, helo: helo.map(<[u8]>::to_vec), protocol: rest.protocol })
}

/// The address out of the word behind `from` and the comment behind that, and HELO.
fn tcp_info<'a>(
    name: &'a [u8],
    words: &Words<'a>,
    has_second_comment: bool,
) -> Result<(IpAddr, Option<&'a [u8]>), ReceivedError> {
    let helo_of =
        |rest: &[Word<'a>]| rest.iter().find_map(|word| if let Word::Helo(helo) = word { Some(*helo) } else { None });
    let has_address = |rest: &[Word<'_>]| rest.iter().any(|word| matches!(word, Word::Literal(_)));
    match words.as_slice() {
        [Word::Literal(address)] => Ok((*address, Some(name))),
        // qmail writes `from NAME (HELO [1.2.3.4]) (ADDRESS)`, CommuniGate `from [ADDRESS] (HELO [1.2.3.4])`: this is HELO.
        [Word::Other(word), Word::Literal(_)]
            if (has_second_comment || literal(name).is_some()) && (is(word, b"helo") || is(word, b"ehlo")) =>
        {
            Err(ReceivedError::NoAddress)
        }
        // RFC 5321 §4.4: "TCP-info = address-literal / ( Domain FWS address-literal )".
        [Word::Other(_), Word::Literal(address)] => Ok((*address, Some(name))),
        [Word::Bare(address)] => Ok((*address, Some(name))),
        // Exim leaves out a HELO that is the name of the host.
        [Word::Literal(address), rest @ ..] if rest.first().is_some_and(Word::is_item) => match has_address(rest) {
            true => Err(ReceivedError::Ambiguous),
            false => Ok((*address, Some(helo_of(rest).unwrap_or(name)))),
        },
        items if items.first().is_some_and(Word::is_item) => match has_address(items) {
            true => Err(ReceivedError::Ambiguous),
            false => Ok((literal(name).ok_or(ReceivedError::NoAddress)?, helo_of(items))),
        },
        _ => Err(ReceivedError::NoAddress),
    }
}

/// A word in the comment.
#[derive(Debug, Clone, Copy)]
enum Word<'a> {
    /// `[ADDRESS]`
    Literal(IpAddr),
    /// `ADDRESS`
    Bare(IpAddr),
    /// `helo=HELO`
    Helo(&'a [u8]),
    /// `port=NUMBER`, `ident=NAME`
    Item,
    Other(&'a [u8]),
}

impl Word<'_> {
    /// Whether it is one that Exim writes.
    fn is_item(&self) -> bool {
        matches!(self, Self::Helo(_) | Self::Item)
    }
}

/// The words of the comment; comments in it left out.
struct Words<'a> {
    all: [Word<'a>; MAX_WORDS],
    count: usize,
}

impl<'a> Words<'a> {
    fn of(comment: &'a [u8]) -> Result<Self, ReceivedError> {
        let mut words = Self { all: [Word::Item; MAX_WORDS], count: 0 };
        let mut pieces = Pieces::of_comment(comment);
        while let Some(piece) = pieces.next()? {
            let Piece::Word(text) = piece else { continue };
            *words.all.get_mut(words.count).ok_or(ReceivedError::NoAddress)? = Word::of(text);
            words.count = words.count.saturating_add(1);
        }
        Ok(words)
    }

    fn as_slice(&self) -> &[Word<'a>] {
        self.all.get(..self.count).unwrap_or_default()
    }
}

impl<'a> Word<'a> {
    fn of(text: &'a [u8]) -> Self {
        if let Some(helo) = text.strip_prefix(b"helo=") {
            Self::Helo(helo)
        } else if text.starts_with(b"port=") || text.starts_with(b"ident=") {
            Self::Item
        } else if let Some(address) = literal(text) {
            Self::Literal(address)
        } else if let Some(address) = parse(text) {
            Self::Bare(address)
        } else {
            Self::Other(text)
        }
    }
}

/// RFC 5322 §3.2.2: one SP, or a fold with what is before the text of the next line. Nobody can send a line end in HELO.
fn is_space_or_fold(space: &[u8]) -> bool {
    match space.strip_prefix(b"\r\n").or_else(|| space.strip_prefix(b"\n")) {
        Some(indent) => !indent.is_empty() && indent.iter().all(|octet| b" \t".contains(octet)),
        None => space == b" ",
    }
}

/// `[192.0.2.1]`, `[IPv6:2001:db8::1]`, `[2001:db8::1]`, each also with `:PORT` behind it.
fn literal(word: &[u8]) -> Option<IpAddr> {
    const TAG: usize = b"IPv6:".len();
    let end = word.iter().position(|octet| *octet == b']')?;
    let (inside, behind) = (word.get(1..end)?, word.get(end.checked_add(1)?..)?);
    let is_port = match behind.split_first() {
        None => true,
        Some((b':', port)) => (1..=5).contains(&port.len()) && port.iter().all(u8::is_ascii_digit),
        Some(_) => false,
    };
    if !word.starts_with(b"[") || !is_port {
        return None;
    }
    match inside.split_at_checked(TAG) {
        Some((tag, address)) if is(tag, b"IPv6:") => {
            let address: Ipv6Addr = std::str::from_utf8(address).ok()?.parse().ok()?;
            Some(IpAddr::V6(address).to_canonical())
        }
        _ => parse(inside),
    }
}

fn parse(text: &[u8]) -> Option<IpAddr> {
    let address: IpAddr = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(address.to_canonical())
}

fn is(word: &[u8], expected: &[u8]) -> bool {
    word.eq_ignore_ascii_case(expected)
}

#[cfg(test)]
mod tests;
