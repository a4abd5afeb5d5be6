//! From the text of a record to its terms (RFC 7208 §4.6, §12).
//!
//! `record = version terms *SP`, `terms = *( 1*SP ( directive / modifier ) )`. The text is cut at its spaces, and each term is parsed alone by
//! the grammars of this folder, so an error always belongs to one term:
//!
//! | file | grammar |
//! |---|---|
//! | `mod.rs` | record, terms, names of terms |
//! | `mechanism.rs` | mechanisms and their arguments |
//! | `modifier.rs` | modifiers, and that two of them come once |
//! | `domain_spec.rs` | macro strings and how a `domain-spec` ends |
//! | `network.rs` | addresses and prefix lengths |
//! | `error.rs` | what can be wrong |
//!
//! Linear time, no recursion; memory is a few times that of the text.

mod domain_spec;
mod error;
mod mechanism;
mod modifier;
mod network;
#[cfg(test)]
mod tests;

use nom::bytes::complete::take_while;
use nom::character::complete::satisfy;
use nom::combinator::{opt, recognize};
use nom::error::ParseError;
use nom::sequence::pair;
use nom::{IResult, Parser};

pub(crate) use self::domain_spec::{Allowed, macro_string};
pub use self::error::{RecordError, SyntaxError};
use crate::limits::RecordLimits;
use crate::record::{Directive, Qualifier, Record, Span, Term, TermKind, VERSION, has_version};

/// What a grammar of this folder gives.
type Parsed<'a, T> = IResult<&'a [u8], T, Fault<'a>>;

/// A fault and the text from there on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault<'a> {
    rest: &'a [u8],
    kind: SyntaxError,
}

impl<'a> Fault<'a> {
    fn new(rest: &'a [u8], kind: SyntaxError) -> Self {
        Self { rest, kind }
    }
}

impl<'a> ParseError<&'a [u8]> for Fault<'a> {
    /// A combinator did not find what it is for. Every grammar here either tries something else then, or names the fault itself.
    fn from_error_kind(rest: &'a [u8], _: nom::error::ErrorKind) -> Self {
        Self::new(rest, SyntaxError::Unreadable)
    }

    fn append(_: &'a [u8], _: nom::error::ErrorKind, other: Self) -> Self {
        other
    }
}

/// A definite fault: no other grammar is tried.
fn fault<'a, T>(rest: &'a [u8], kind: SyntaxError) -> Parsed<'a, T> {
    Err(nom::Err::Failure(Fault::new(rest, kind)))
}

/// A whole text, to say where parts of it lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whole<'a>(pub(crate) &'a [u8]);

impl Whole<'_> {
    /// The offset of a part.
    fn at(self, part: &[u8]) -> usize {
        part.as_ptr().addr().saturating_sub(self.0.as_ptr().addr()).min(self.0.len())
    }

    /// The place of a part.
    fn span(self, part: &[u8]) -> Span {
        let start = self.at(part);
        // Texts longer than 4 GiB are refused before they get here.
        let index = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Span { start: index(start), end: index(start.saturating_add(part.len())) }
    }
}

/// Parses a whole record.
pub(crate) fn record(text: &[u8], limits: RecordLimits) -> Result<Record, RecordError> {
    let whole = Whole(text);
    if text.len() > limits.max_bytes || u32::try_from(text.len()).is_err() {
        return Err(RecordError::new(&[], limits.max_bytes, SyntaxError::TooLong));
    }
    if !has_version(text) {
        return Err(RecordError::new(&[], 0, SyntaxError::Version));
    }
    let mut record =
        Record { text: Box::default(), terms: Vec::with_capacity(FEW_TERMS), redirect: None, explanation: None };
    let mut rest = text.get(VERSION.len()..).unwrap_or_default();
    loop {
        // §4.6.1: terms are separated by 1*SP, and §4.5 lets the record end with *SP. A tab separates nothing.
        let spaces = rest.iter().take_while(|&&byte| byte == b' ').count();
        rest = rest.get(spaces..).unwrap_or_default();
        if rest.is_empty() {
            break;
        }
        let (term_text, behind) = rest.split_at(rest.iter().position(|&byte| byte == b' ').unwrap_or(rest.len()));
        let kind = term(term_text, whole)
            .and_then(|kind| modifier::note(&mut record, &kind, term_text).map(|()| kind))
            .map_err(|fault| RecordError::new(term_text, whole.at(fault.rest), fault.kind))?;
        record.terms.push(Term { span: whole.span(term_text), kind });
        rest = behind;
    }
    // Every byte went through a grammar that takes printable ASCII only.
    record.text = std::str::from_utf8(text)
        .map_err(|error| RecordError::new(&[], error.valid_up_to(), SyntaxError::BadByte))?
        .into();
    Ok(record)
}

/// Room for the terms of nearly every record that is there.
const FEW_TERMS: usize = 16;

/// One term: `term = directive / modifier`.
fn term<'a>(text: &'a [u8], whole: Whole<'_>) -> Result<TermKind, Fault<'a>> {
    let (rest, qualifier) = finish(opt(qualifier).parse(text))?;
    let (behind, name) = finish(name(rest))?;
    // §4.6.1: "Modifiers are distinguished from directives by ... the "=" character immediately after the name, before any ":" or "/"".
    if let Some(value) = behind.strip_prefix(b"=") {
        if qualifier.is_some() {
            return Err(Fault::new(text, SyntaxError::QualifiedModifier));
        }
        return modifier::modifier(name, value, whole).map(TermKind::Modifier);
    }
    let mechanism = mechanism::mechanism(name, rest, behind, whole)?;
    Ok(TermKind::Directive(Directive { qualifier: qualifier.unwrap_or(Qualifier::Pass), mechanism }))
}

/// `qualifier = "+" / "-" / "?" / "~"`
fn qualifier(input: &[u8]) -> Parsed<'_, Qualifier> {
    let Some((first, rest)) = input.split_first() else {
        return Err(nom::Err::Error(Fault::new(input, SyntaxError::Name)));
    };
    let qualifier = match first {
        b'+' => Qualifier::Pass,
        b'-' => Qualifier::Fail,
        b'?' => Qualifier::Neutral,
        b'~' => Qualifier::SoftFail,
        _ => return Err(nom::Err::Error(Fault::new(input, SyntaxError::Name))),
    };
    Ok((rest, qualifier))
}

/// `name = ALPHA *( ALPHA / DIGIT / "-" / "_" / "." )`
fn name(input: &[u8]) -> Parsed<'_, &[u8]> {
    let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let alpha = satisfy(|letter| letter.is_ascii_alphabetic());
    match recognize(pair(alpha, take_while(is_name_byte))).parse(input) {
        Ok(parsed) => Ok(parsed),
        Err(nom::Err::Error(Fault { .. })) => {
            let kind = if input.first().is_some_and(|byte| !byte.is_ascii_graphic()) {
                SyntaxError::BadByte
            } else {
                SyntaxError::Name
            };
            fault(input, kind)
        }
        Err(other) => Err(other),
    }
}

/// What a grammar found, with the fault that nom wraps taken out.
fn finish<'a, T>(parsed: Parsed<'a, T>) -> Result<(&'a [u8], T), Fault<'a>> {
    parsed.map_err(|error| match error {
        nom::Err::Error(fault) | nom::Err::Failure(fault) => fault,
        // Only streaming grammars ask for more.
        nom::Err::Incomplete(_) => Fault::new(&[], SyntaxError::Unreadable),
    })
}
