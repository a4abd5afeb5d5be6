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
//! | `class.rs` | classes of characters |
//! | `network.rs` | addresses and prefix lengths |
//! | `error.rs` | what can be wrong |
//!
//! Linear time, no recursion; memory is that of the text and of as many terms and macros as [`RecordLimits`] allow.

mod class;
mod domain_spec;
mod error;
mod mechanism;
mod modifier;
mod network;
#[cfg(test)]
mod tests;

use std::iter;

use nom::IResult;
use nom::error::ParseError;

use self::class::class;
pub(crate) use self::domain_spec::{Allowed, macro_string};
pub use self::error::{RecordError, SyntaxError};
use self::network::ip4_network_to_space;
use crate::limits::RecordLimits;
use crate::record::{Directive, Mechanism, Qualifier, Record, Span, Term, TermKind, VERSION, has_version};

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
pub(crate) struct Whole<'a> {
    bytes: &'a [u8],
    /// What is before the first byte that is not UTF-8; usually all of it.
    valid: &'a str,
}

impl<'a> Whole<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        let valid = std::str::from_utf8(bytes).unwrap_or_else(|error| {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            std::str::from_utf8(before).unwrap_or_default()
        });
        Self { bytes, valid }
    }

    /// The offset of a part.
    fn at(&self, part: &[u8]) -> usize {
        part.as_ptr().addr().wrapping_sub(self.bytes.as_ptr().addr()).min(self.bytes.len())
    }

    /// A part as text. For a part of ASCII it is there: whoever comes to it found no fault in what is before it.
    fn text(&self, part: &[u8]) -> Option<&'a str> {
        let at = self.at(part);
        self.valid.get(at..at.saturating_add(part.len()))
    }

    /// The place of a part.
    fn span(&self, part: &[u8]) -> Span {
        let start = self.at(part);
        // Texts longer than 4 GiB are refused before they get here.
        let index = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Span { start: index(start), end: index(start.wrapping_add(part.len())) }
    }
}

/// Parses a whole record.
pub(crate) fn record(record_text: &[u8], limits: RecordLimits) -> Result<Record, RecordError> {
    if record_text.len() > limits.max_bytes || u32::try_from(record_text.len()).is_err() {
        return Err(RecordError::new(&[], limits.max_bytes, SyntaxError::TooLong));
    }
    if !has_version(record_text) {
        return Err(RecordError::new(&[], 0, SyntaxError::Version));
    }
    // A text of no more octets has no more of them: few records are counted.
    if record_text.len() > limits.max_percents
        && record_text.iter().filter(|&&byte| byte == b'%').count() > limits.max_percents
    {
        return Err(RecordError::new(&[], 0, SyntaxError::TooManyMacros));
    }
    let whole = Whole::new(record_text);
    let mut record =
        Record { text: Box::default(), terms: Vec::with_capacity(FEW_TERMS), redirect: None, explanation: None };
    let mut rest = record_text.get(VERSION.len()..).unwrap_or_default();
    loop {
        // §4.6.1: terms are separated by 1*SP, and §4.5 lets the record end with *SP. A tab separates nothing.
        let spaces = rest.iter().take_while(|&&byte| byte == b' ').count();
        rest = rest.get(spaces..).unwrap_or_default();
        if rest.is_empty() {
            break;
        }
        // Most terms of most records are these. The way of all others comes to the same, with more than twice the steps.
        if record.terms.len() < limits.max_terms
            && let Some(argument) = rest.strip_prefix(b"ip4:")
            && let Some((network, bits, behind)) = ip4_network_to_space(argument)
        {
            let text = rest.get(..rest.len().wrapping_sub(behind.len())).unwrap_or_default();
            let kind =
                TermKind::Directive(Directive { qualifier: Qualifier::Pass, mechanism: Mechanism::Ip4(network, bits) });
            record.terms.extend(iter::once_with(|| Term { span: whole.span(text), kind }));
            rest = behind;
            continue;
        }
        let (text, behind) = rest.split_at(first_space(rest));
        if record.terms.len() >= limits.max_terms {
            return Err(RecordError::new(text, whole.at(text), SyntaxError::TooManyTerms));
        }
        // The term is made in its place: see `term`. Room is made first: `push` would make what it puts there elsewhere and copy it.
        record.terms.extend(iter::once_with(|| Term { span: whole.span(text), kind: NOTHING }));
        if let Some(place) = record.terms.last_mut() {
            let parsed = term(text, &whole, &mut place.kind);
            parsed.map_err(|fault| RecordError::new(text, whole.at(fault.rest), fault.kind))?;
        }
        modifier::note(&mut record).map_err(|kind| RecordError::new(text, whole.at(text), kind))?;
        rest = behind;
    }
    // Every byte went through a grammar that takes printable ASCII only.
    if whole.valid.len() < record_text.len() {
        return Err(RecordError::new(&[], whole.valid.len(), SyntaxError::BadByte));
    }
    record.text = whole.valid.into();
    Ok(record)
}

/// Room for the terms of nearly every record that is there.
const FEW_TERMS: usize = 16;

/// What is in the place of a term that was not read yet.
const NOTHING: TermKind = TermKind::Directive(Directive { qualifier: Qualifier::Pass, mechanism: Mechanism::All });

/// Where the first space is; the length of a text without one. It looks at eight bytes at once.
fn first_space(text: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGH_BITS: u64 = u64::from_ne_bytes([0x80; 8]);
    let (words, tail) = text.as_chunks::<8>();
    let mut at = 0_usize;
    for word in words {
        // Zero where a space is. Then the lowest high bit that is set is that of the first zero byte.
        let zeros = u64::from_le_bytes(*word) ^ u64::from_ne_bytes([b' '; 8]);
        let marks = zeros.wrapping_sub(ONES) & !zeros & HIGH_BITS;
        if marks != 0 {
            return at.wrapping_add((marks.trailing_zeros() / 8) as usize);
        }
        at = at.wrapping_add(8);
    }
    at.wrapping_add(tail.iter().position(|&byte| byte == b' ').unwrap_or(tail.len()))
}

/// One term: `term = directive / modifier`. It is put at `place`.
///
/// A call of its own: within its caller the term would be made elsewhere and copied to its place, which took as long as reading it.
#[inline(never)]
fn term<'a>(text: &'a [u8], whole: &Whole<'_>, place: &mut TermKind) -> Result<(), Fault<'a>> {
    if mechanism::usual(text, whole, place)? {
        return Ok(());
    }
    // qualifier = "+" / "-" / "?" / "~"
    let (qualifier, rest) = match text.split_first() {
        Some((b'+', rest)) => (Some(Qualifier::Pass), rest),
        Some((b'-', rest)) => (Some(Qualifier::Fail), rest),
        Some((b'?', rest)) => (Some(Qualifier::Neutral), rest),
        Some((b'~', rest)) => (Some(Qualifier::SoftFail), rest),
        _ => (None, text),
    };
    let (name, behind) = name(rest)?;
    // §4.6.1: "Modifiers are distinguished from directives by ... the "=" character immediately after the name, before any ":" or "/"".
    if let Some(value) = behind.strip_prefix(b"=") {
        if qualifier.is_some() {
            return Err(Fault::new(text, SyntaxError::QualifiedModifier));
        }
        *place = TermKind::Modifier(modifier::modifier(name, value, whole)?);
    } else if let TermKind::Directive(directive) = place {
        directive.qualifier = qualifier.unwrap_or(Qualifier::Pass);
        mechanism::mechanism(name, rest, behind, whole, &mut directive.mechanism)?;
    }
    Ok(())
}

/// `name = ALPHA *( ALPHA / DIGIT / "-" / "_" / "." )`, and what is behind it.
fn name(text: &[u8]) -> Result<(&[u8], &[u8]), Fault<'_>> {
    match text.first() {
        Some(first) if first.is_ascii_alphabetic() => {
            let is_name_byte = |byte: u8| class(byte) != class::OTHER;
            Ok(text.split_at(text.iter().position(|&byte| !is_name_byte(byte)).unwrap_or(text.len())))
        }
        Some(first) if !first.is_ascii_graphic() => Err(Fault::new(text, SyntaxError::BadByte)),
        _ => Err(Fault::new(text, SyntaxError::Name)),
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
