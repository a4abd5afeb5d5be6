//! The lexical tokens of RFC 5322 §3.2 and §4.1, with RFC 6532 §3.2.
//!
//! They read a value that has passed [`doubt`](super::doubt): no control characters, and every CR and LF is part of a fold. So white space is what
//! RFC 5322 calls FWS, obsolete forms included, when it is one of four octets.

use nom::branch::alt;
use nom::bytes::complete::{take, take_while, take_while1};
use nom::character::complete::char;
use nom::error::{ErrorKind, ParseError};
use nom::multi::fold_many0;
use nom::sequence::{delimited, preceded};
use nom::{IResult, Parser};

use super::AuthorErrorKind as Kind;

/// What a token gives.
type Token<'a, T> = IResult<&'a [u8], T, Fault<'a>>;

/// What is wrong, and the text from there on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault<'a> {
    pub(super) rest: &'a [u8],
    pub(super) kind: Kind,
}

impl<'a> Fault<'a> {
    pub(super) const fn new(rest: &'a [u8], kind: Kind) -> Self {
        Self { rest, kind }
    }
}

impl<'a> ParseError<&'a [u8]> for Fault<'a> {
    /// A combinator did not find what it is for; who called it tries something else or names the fault.
    fn from_error_kind(rest: &'a [u8], _: ErrorKind) -> Self {
        Self::new(rest, Kind::Unexpected)
    }

    fn append(_: &'a [u8], _: ErrorKind, other: Self) -> Self {
        other
    }
}

/// Takes the error of nom apart; a token that fails is named by `kind` and lies where it began.
fn named<'a, T>(token: Token<'a, T>, input: &'a [u8], kind: Kind) -> Result<(&'a [u8], T), Fault<'a>> {
    token.map_err(|_| Fault::new(input, kind))
}

/// `[CFWS]`; gives what is behind it. Comments nest (§3.2.2): the depth is a number, so that no text can use up a stack.
pub(super) fn skip_cfws(input: &[u8], max_depth: usize) -> Result<&[u8], Fault<'_>> {
    let mut rest = input;
    loop {
        let white: Token<'_, _> = take_while(is_white)(rest);
        (rest, _) = named(white, rest, Kind::Unexpected)?;
        if rest.first() != Some(&b'(') {
            return Ok(rest);
        }
        rest = skip_comment(rest, max_depth)?;
    }
}

/// `comment = "(" *([FWS] ccontent) [FWS] ")"`
fn skip_comment(input: &[u8], max_depth: usize) -> Result<&[u8], Fault<'_>> {
    let mut rest = input;
    let mut depth: usize = 0;
    loop {
        let text: Token<'_, _> = take_while(|octet| !matches!(octet, b'(' | b')' | b'\\'))(rest);
        (rest, _) = named(text, rest, Kind::UnclosedComment)?;
        match rest {
            [b'(', ..] if depth >= max_depth => return Err(Fault::new(rest, Kind::CommentTooDeep)),
            [b'(', inner @ ..] => (rest, depth) = (inner, depth.saturating_add(1)),
            [b')', behind @ ..] if depth <= 1 => return Ok(behind),
            [b')', behind @ ..] => (rest, depth) = (behind, depth.saturating_sub(1)),
            [b'\\', _, behind @ ..] => rest = behind,
            _ => return Err(Fault::new(input, Kind::UnclosedComment)),
        }
    }
}

/// `word = atom / quoted-string`, without the CFWS around it. `None` when none begins here.
pub(super) fn word(input: &[u8]) -> Result<Option<&[u8]>, Fault<'_>> {
    match input.first() {
        Some(b'"') => named(quoted_string(input), input, Kind::UnclosedQuote).map(|(rest, ())| Some(rest)),
        Some(&octet) if is_atext(octet) => named(atom(input), input, Kind::Unexpected).map(|(rest, _)| Some(rest)),
        _ => Ok(None),
    }
}

fn atom(input: &[u8]) -> Token<'_, &[u8]> {
    take_while1(is_atext)(input)
}

/// `quoted-string = DQUOTE *([FWS] qcontent) [FWS] DQUOTE`; a backslash takes whatever comes behind it.
fn quoted_string(input: &[u8]) -> Token<'_, ()> {
    let quoted_pair = preceded(char('\\'), take(1_usize));
    let qcontent = alt((take_while1(|octet| !matches!(octet, b'"' | b'\\')), quoted_pair));
    delimited(char('"'), fold_many0(qcontent, || (), |(), _| ()), char('"')).parse(input)
}

/// `domain-literal = "[" *([FWS] dtext) [FWS] "]"`. Of dtext, the specials that delimit elsewhere are refused, and so are the quoted pairs of
/// `obs-dtext`: a backslash before the bracket ends it for one reader and not for another. No literal of RFC 5321 §4.1.3 has them.
pub(super) fn domain_literal(input: &[u8]) -> Result<&[u8], Fault<'_>> {
    let dtext =
        take_while(|octet: u8| is_white(octet) || (octet.is_ascii_graphic() && !b"\"(),;<>@[\\]".contains(&octet)));
    let literal: Token<'_, _> = delimited(char('['), dtext, char(']')).parse(input);
    named(literal, input, Kind::Literal).map(|(rest, _)| rest)
}

/// The text of a `dot-atom` or of something that is none, and what is behind it. Whether it is a domain is for
/// [`DomainName`](dkim_core::domain::DomainName) to say.
pub(super) fn domain_text(input: &[u8]) -> Result<(&[u8], &[u8]), Fault<'_>> {
    named(take_while1(|octet| octet == b'.' || is_atext(octet))(input), input, Kind::Domain)
}

/// §3.2.3 atext and RFC 6532 §3.2 UTF8-non-ascii. Of the latter any octet: what is not UTF-8 is refused where it matters.
pub(super) fn is_atext(octet: u8) -> bool {
    matches!(octet, b'A'..=b'Z' | b'0'..=b'9' | b'^'..=b'~' | 0x80.. | b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'/' | b'=' | b'?')
}

fn is_white(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r' | b'\n')
}
