//! `modifier = redirect / explanation / unknown-modifier` (RFC 7208 §6, §12).

use super::domain_spec::{Allowed, domain_spec, macro_string};
use super::{Fault, SyntaxError, Whole};
use crate::record::{Modifier, Record, Term, TermKind};

/// The modifier of this name; `value` is what is behind the "=".
pub(super) fn modifier<'a>(name: &[u8], value: &'a [u8], whole: &Whole<'_>) -> Result<Modifier, Fault<'a>> {
    // Erratum-backed reading of the test suite: a known name with a malformed value is a syntax error, and no unknown modifier.
    if name.eq_ignore_ascii_case(b"redirect") {
        return domain_spec(value, whole).map(Modifier::Redirect);
    }
    if name.eq_ignore_ascii_case(b"exp") {
        return domain_spec(value, whole).map(Modifier::Explanation);
    }
    // §6: "unknown-modifier = name "=" macro-string": ignored, but well-formed.
    macro_string(value, whole, Allowed::InRecord, &mut |_| ())?;
    Ok(Modifier::Unknown { name: whole.span(name), value: whole.span(value) })
}

/// Notes where the two modifiers are that come once, when the last term is one of them.
pub(super) fn note(record: &mut Record) -> Result<(), SyntaxError> {
    let Some((Term { kind: TermKind::Modifier(modifier), .. }, before)) = record.terms.split_last() else {
        return Ok(());
    };
    let (place, second) = match modifier {
        Modifier::Redirect(_) => (&mut record.redirect, SyntaxError::SecondRedirect),
        Modifier::Explanation(_) => (&mut record.explanation, SyntaxError::SecondExplanation),
        Modifier::Unknown { .. } => return Ok(()),
    };
    // §6: "The modifiers "redirect" and "exp" ... MUST NOT appear in a record more than once each. If they do, then check_host() exits with
    // a result of "permerror"."
    if place.is_some() {
        return Err(second);
    }
    *place = Some(before.len());
    Ok(())
}
