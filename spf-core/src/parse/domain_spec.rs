//! `domain-spec = macro-string domain-end` (RFC 7208 §7.1).

use std::net::{IpAddr, Ipv4Addr};

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while1};
use nom::character::complete::one_of;
use nom::combinator::{opt, value};
use nom::{Input as _, Parser};

use super::class::{self, class};
use super::{Fault, Parsed, SyntaxError, Whole, fault, finish};
use crate::record::{Delimiters, DomainSpec, MacroExpand, MacroLetter, Piece, Span, Target};

/// Where a macro string stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// In a record: no spaces, and not the letters c, r and t.
    InRecord,
    /// In the text of an explanation: `explain-string = *( macro-string / SP )`.
    InExplanation,
}

/// A text as a `domain-spec`, all of it.
pub(super) fn domain_spec<'a>(text: &'a [u8], whole: &Whole<'_>) -> Result<DomainSpec, Fault<'a>> {
    if text.is_empty() {
        return Err(Fault::new(text, SyntaxError::MissingDomain));
    }
    let span = whole.span(text);
    // Without an early end, so that it is done for many bytes at once.
    if text.iter().fold(true, |all, &byte| all & is_macro_literal(byte)) {
        domain_end(text, text)?;
        let text = whole.text(text).ok_or_else(|| Fault::new(text, SyntaxError::BadByte))?;
        let target = crate::macros::cut_to_name(text).map_or_else(Target::NotAName, Target::Name);
        return Ok(DomainSpec { span, target });
    }
    let mut pieces = Vec::new();
    macro_string(text, whole, Allowed::InRecord, &mut |piece| pieces.push(piece))?;
    // domain-end = ( "." toplabel [ "." ] ) / macro-expand
    if let Some(Piece::Literal(last)) = pieces.last() {
        domain_end(tail(text, *last), text)?;
    }
    Ok(DomainSpec { span, target: Target::Macros(pieces.into()) })
}

/// The last piece of a text, which ends where the text does.
fn tail(text: &[u8], last: Span) -> &[u8] {
    let length = last.range().len();
    text.get(text.len().saturating_sub(length)..).unwrap_or_default()
}

/// `macro-string = *( macro-expand / macro-literal )`, to the end of the text.
pub(crate) fn macro_string<'a>(
    text: &'a [u8],
    whole: &Whole<'_>,
    allowed: Allowed,
    sink: &mut dyn FnMut(Piece),
) -> Result<(), Fault<'a>> {
    let is_literal = |byte: u8| is_macro_literal(byte) || (byte == b' ' && allowed == Allowed::InExplanation);
    let mut rest = text;
    while let Some(&first) = rest.first() {
        let before = rest;
        let piece;
        if first == b'%' {
            (rest, piece) = finish(macro_expand(rest, allowed))?;
        } else {
            let parsed: Parsed<'a, &[u8]> = take_while1(is_literal).parse(rest);
            let literal;
            (rest, literal) = parsed.map_err(|_| Fault::new(before, SyntaxError::BadByte))?;
            piece = Piece::Literal(whole.span(literal));
        }
        sink(piece);
    }
    Ok(())
}

/// `macro-literal = %x21-24 / %x26-7E`: visible ASCII but "%".
fn is_macro_literal(byte: u8) -> bool {
    matches!(byte, b'!'..=b'$' | b'&'..=b'~')
}

/// `macro-expand = ( "%{" macro-letter transformers *delimiter "}" ) / "%%" / "%_" / "%-"`
fn macro_expand(input: &[u8], allowed: Allowed) -> Parsed<'_, Piece> {
    let (rest, open) = alt((
        value(Some(Piece::Percent), tag(&b"%%"[..])),
        value(Some(Piece::Space), tag(&b"%_"[..])),
        value(Some(Piece::UrlSpace), tag(&b"%-"[..])),
        value(None, tag(&b"%{"[..])),
    ))
    .parse(input)
    .map_err(|_: nom::Err<Fault<'_>>| nom::Err::Failure(Fault::new(input, SyntaxError::Percent)))?;
    match open {
        Some(piece) => Ok((rest, piece)),
        None => braced(rest, allowed).map(|(rest, expand)| (rest, Piece::Expand(expand))),
    }
}

/// What is behind "%{", with the "}".
fn braced(input: &[u8], allowed: Allowed) -> Parsed<'_, MacroExpand> {
    let Some((&first, rest)) = input.split_first() else { return fault(input, SyntaxError::Macro) };
    let Some(letter) = letter(first) else { return fault(input, SyntaxError::MacroLetter) };
    // §7.2: "The following macro letters are allowed only in "exp" text: c, r, t".
    let is_for_explanations =
        matches!(letter, MacroLetter::ReadableAddress | MacroLetter::Receiver | MacroLetter::Timestamp);
    if is_for_explanations && allowed != Allowed::InExplanation {
        return fault(input, SyntaxError::ExplanationLetter);
    }
    // transformers = *DIGIT [ "r" ]
    let (behind_digits, digits) = take_while(|byte: u8| byte.is_ascii_digit()).parse(rest)?;
    let keep = keep(digits).map_err(|kind| nom::Err::Failure(Fault::new(rest, kind)))?;
    let (behind_reverse, reverse) = opt(one_of(&b"rR"[..])).parse(behind_digits)?;
    let (behind, delimiters) = delimiters(behind_reverse)?;
    let Some(rest) = behind.strip_prefix(b"}") else { return fault(behind, SyntaxError::Macro) };
    let is_escaped = first.is_ascii_uppercase();
    Ok((rest, MacroExpand { letter, is_escaped, keep, is_reversed: reverse.is_some(), delimiters }))
}

/// `macro-letter`, in either case.
fn letter(byte: u8) -> Option<MacroLetter> {
    Some(match byte.to_ascii_lowercase() {
        b's' => MacroLetter::Sender,
        b'l' => MacroLetter::LocalPart,
        b'o' => MacroLetter::SenderDomain,
        b'd' => MacroLetter::Domain,
        b'i' => MacroLetter::Address,
        b'p' => MacroLetter::ValidatedName,
        b'v' => MacroLetter::Family,
        b'h' => MacroLetter::Helo,
        b'c' => MacroLetter::ReadableAddress,
        b'r' => MacroLetter::Receiver,
        b't' => MacroLetter::Timestamp,
        _ => return None,
    })
}

/// How many parts are kept. §7.3: "If a DIGIT is specified, the value MUST be nonzero", and values up to 127 "MUST be supported". A name has at
/// most 127 labels, but a local part may have more parts; above 255 all of what can be there is kept.
fn keep(digits: &[u8]) -> Result<Option<u8>, SyntaxError> {
    if digits.is_empty() {
        return Ok(None);
    }
    let number =
        digits.iter().fold(0_u8, |number, &digit| number.saturating_mul(10).saturating_add(digit.saturating_sub(b'0')));
    if number == 0 { Err(SyntaxError::MacroDigits) } else { Ok(Some(number)) }
}

/// `*delimiter`
fn delimiters(input: &[u8]) -> Parsed<'_, Delimiters> {
    let mut delimiters = Delimiters::default();
    let mut rest = input;
    while let Some(with) = rest.first().and_then(|&byte| delimiters.with(byte)) {
        delimiters = with;
        rest = rest.take_from(1);
    }
    Ok((rest, delimiters))
}

/// `"." toplabel [ "." ]` at the end of `literal`. An error is placed at the label, or at the whole name.
fn domain_end<'a>(literal: &'a [u8], whole: &'a [u8]) -> Result<(), Fault<'a>> {
    let name = literal.strip_suffix(b".").unwrap_or(literal);
    if is_address(whole) {
        return Err(Fault::new(whole, SyntaxError::AddressAsName));
    }
    // toplabel = ( *alphanum ALPHA *alphanum ) / ( 1*alphanum "-" *( alphanum / "-" ) alphanum )
    let mut seen = 0;
    let behind_dot = |&byte: &u8| {
        seen |= class(byte);
        byte == b'.'
    };
    let Some(length) = name.iter().rev().position(behind_dot) else {
        return Err(Fault::new(whole, SyntaxError::SingleLabel));
    };
    seen &= !class::DOT;
    let (_, top) = name.split_at(name.len().saturating_sub(length));
    let label = || literal.get(name.len().saturating_sub(length)..).unwrap_or_default();
    let is_outer = |byte: Option<&u8>| byte.is_some_and(|&byte| class(byte) & (class::ALPHA | class::DIGIT) != 0);
    if seen & !(class::ALPHA | class::DIGIT | class::HYPHEN) != 0 || !is_outer(top.first()) || !is_outer(top.last()) {
        return Err(Fault::new(label(), SyntaxError::TopLabel));
    }
    if seen == class::DIGIT {
        return Err(Fault::new(label(), SyntaxError::NumericTopLabel));
    }
    Ok(())
}

/// Whether a whole name is an address; the usual mistake behind `a:`.
fn is_address(text: &[u8]) -> bool {
    // Only these bytes, so that usual names are not looked at twice.
    if !matches!(text.first(), Some(b'0'..=b'9' | b'[' | b':' | b'a'..=b'f' | b'A'..=b'F')) {
        return false;
    }
    let text = std::str::from_utf8(text).unwrap_or_default();
    if text.contains(':') {
        return text.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    }
    text.parse::<Ipv4Addr>().is_ok()
}
