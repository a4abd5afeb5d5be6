//! Fields chosen by patterns and listed as the message has them ([`Selection::InMessageOrder`](super::Selection)).

use super::spec::MAX_NAME;
use super::{SignError, SignatureSpec};
use crate::canon::header::{FieldIndex, FieldSelector, write_selected};
use crate::header::HeaderBlock;
use crate::signature::is_header_name;

/// Room for the canonical text of a usual signature field.
const USUAL_SIGNATURE: usize = 1024;

/// The names to list in `h=`, with colons between them, and the canonical text of the fields that they mean.
///
/// # Errors
/// [`SignError`]: no From field or several, or too many names.
pub(super) fn select(
    headers: &HeaderBlock,
    spec: &SignatureSpec,
    omitted: &[String],
) -> Result<(String, Vec<u8>), SignError> {
    let (mut list, mut count, mut from) = (String::new(), 0_usize, 0_usize);
    let mut push = |name: &str| {
        if count > 0 {
            list.push(':');
        }
        list.push_str(name);
        count = count.saturating_add(1);
        // The list stays as short as its limit, however many fields there are.
        let limit = spec.max_header_names;
        if count > limit { Err(SignError::TooManyFields { limit }) } else { Ok(()) }
    };
    let mut excess = Ok(());
    for field in headers {
        let name = field.trimmed_name();
        // §5.4: "The From header field MUST be signed".
        let is_from = name.eq_ignore_ascii_case(b"From");
        from = from.saturating_add(usize::from(is_from));
        let is_wanted = is_from || (is_any(&spec.signed, name) && !is_any(omitted, name));
        if excess.is_ok() && is_wanted && is_header_name(name) && name.len() <= MAX_NAME {
            // It is ASCII.
            excess = push(std::str::from_utf8(name).unwrap_or_default());
        }
    }
    // Which fields there are counts before how many.
    match from {
        0 => return Err(SignError::NoFrom),
        1 => {}
        count => return Err(SignError::SeveralFrom { count }),
    }
    excess?;
    spec.oversigned.iter().try_for_each(|name| push(name))?;

    // §5.4.2: the names stand in the order of the message, and what they mean is found as a verifier finds it: of several fields of one name the
    // lowest first.
    let index = FieldIndex::new(headers);
    let mut text = Vec::with_capacity(headers.as_bytes().len().saturating_add(USUAL_SIGNATURE));
    let names = list.split(':').map(str::as_bytes);
    write_selected(spec.header_canon, &mut FieldSelector::new(&index), names, &mut text);
    Ok((list, text))
}

/// Whether one of the patterns covers the name.
fn is_any(patterns: &[String], name: &[u8]) -> bool {
    patterns.iter().any(|pattern| covers(pattern.as_bytes(), name))
}

/// Whether `pattern`, in which a "*" stands for any octets, covers the whole of `name`, in any case.
///
/// Linear in the name for a pattern without a star, and the product of the lengths at most; patterns are configured.
fn covers(pattern: &[u8], name: &[u8]) -> bool {
    let Some(first) = memchr::memchr(b'*', pattern) else { return pattern.eq_ignore_ascii_case(name) };
    let (Some((head, middle)), Some(last)) = (pattern.split_at_checked(first), memchr::memrchr(b'*', pattern)) else {
        return false;
    };
    let tail = pattern.get(last.saturating_add(1)..).unwrap_or_default();
    let Some((start, rest)) = name.split_at_checked(head.len()) else { return false };
    let Some(between) = rest.len().checked_sub(tail.len()) else { return false };
    let Some((mut rest, end)) = rest.split_at_checked(between) else { return false };
    if !start.eq_ignore_ascii_case(head) || !end.eq_ignore_ascii_case(tail) {
        return false;
    }
    // What stands between two stars is taken at its first place: a later one leaves less for the rest.
    let middle = middle.get(..last.saturating_sub(first)).unwrap_or_default();
    for piece in middle.split(|octet| *octet == b'*').filter(|piece| !piece.is_empty()) {
        let place = rest.windows(piece.len()).position(|window| window.eq_ignore_ascii_case(piece));
        let Some(after) = place.and_then(|at| rest.get(at.saturating_add(piece.len())..)) else { return false };
        rest = after;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_cover_whole_names_in_any_case() {
        for (pattern, name) in [
            ("Subject", "sUBJECT"),
            ("*", "anything"),
            ("*", ""),
            ("X-*", "x-"),
            ("X-*", "X-Mailer"),
            ("*-Id", "Message-ID"),
            ("a*b*c", "aXbYc"),
            ("a*b*c", "abc"),
            ("a**c", "ac"),
            ("*b*b*", "bb"),
            ("*aba*", "ababa"),
        ] {
            assert!(covers(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("Subject", "Subject-X"),
            ("Subject", "Subjec"),
            ("X-*", "X"),
            ("X-*", "AX-B"),
            ("*-Id", "Message-Ids"),
            ("a*a", "a"),
            ("ab*ba", "aba"),
            ("a*b*c", "acb"),
            ("*b*b*", "b"),
            ("", "a"),
        ] {
            assert!(!covers(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn patterns_are_read_as_regular_expressions_are(pattern in "[ab*]{0,7}", name in "[ab]{0,9}") {
            /// By its definition.
            fn is_covered(pattern: &[u8], name: &[u8]) -> bool {
                match (pattern, name) {
                    ([], []) => true,
                    ([b'*', rest @ ..], _) => (0..=name.len()).any(|at| is_covered(rest, &name[at..])),
                    ([wanted, rest @ ..], [octet, after @ ..]) => wanted == octet && is_covered(rest, after),
                    _ => false,
                }
            }
            let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
            proptest::prop_assert_eq!(covers(pattern, name), is_covered(pattern, name));
        }
    }
}
