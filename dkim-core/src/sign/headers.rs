//! Which fields of a message are signed, and which messages are not.

use wide::u8x16;

use super::SignError;
use super::spec::Prepared;
use crate::canon::Canon;
use crate::canon::header::write_relaxed_field;
use crate::header::HeaderBlock;

/// Room for the canonical text of a usual signature field.
const USUAL_SIGNATURE: usize = 512;

/// Fields whose chains lie on the stack.
const FEW: usize = 64;

/// Refuses what must not be signed.
///
/// # Errors
/// [`SignError::BareLineEnd`] with the first field that holds a CR or LF which is not part of a CRLF.
pub(super) fn check_line_ends(headers: &HeaderBlock) -> Result<(), SignError> {
    // In the text of the block every field ends with a CRLF: over all of it each LF has its CR and each CR its LF, or a field has a bare one.
    if !has_bare_line_end(headers.as_bytes()) {
        return Ok(());
    }
    match headers.iter().position(|field| has_bare_line_end(field.value)) {
        Some(field) => Err(SignError::BareLineEnd { field }),
        None => Ok(()),
    }
}

/// The fields of one name that is to be signed. Fields are numbered from 1, so that 0 is none.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Named {
    /// How many the message has.
    pub(super) count: usize,
    /// The number of the lowest of them.
    lowest: u32,
}

/// How many fields the message has of each name that `prepared` wants, and their canonical text in the order of `h=`.
///
/// §5.4.2: the fields of one name stand together and are taken "in the order of the physically last instance of the header field in the header block,
/// then the penultimate, and so on"; a name for which none is left adds nothing.
pub(super) fn select(headers: &HeaderBlock, prepared: &Prepared) -> Result<(Vec<Named>, Vec<u8>), SignError> {
    let (mut few, mut many);
    // For each field the number of the next one above it with the same name.
    let above = if headers.len() <= FEW {
        few = [0; FEW];
        &mut few[..]
    } else {
        many = vec![0; headers.len()];
        &mut many[..]
    };
    let named = chain(headers, prepared, above);
    check_counts(prepared, &named)?;
    // Beside what is signed of the header, the signature field itself.
    let mut text = Vec::with_capacity(headers.as_bytes().len().saturating_add(USUAL_SIGNATURE));
    for (wanted, named) in prepared.names.iter().zip(&named) {
        let mut number = named.lowest;
        while let Some(at) = place(number) {
            match prepared.spec.header_canon {
                // The field as it stands, in one piece.
                Canon::Simple => text.extend_from_slice(headers.text_of(at).unwrap_or_default()),
                Canon::Relaxed => {
                    if let Some(field) = headers.get(at) {
                        write_relaxed_field(&wanted.relaxed_name, field.value, &mut text);
                    }
                }
            }
            number = above.get(at).copied().unwrap_or_default();
        }
    }
    Ok((named, text))
}

/// The place in the header of the field with this number.
fn place(number: u32) -> Option<usize> {
    number.checked_sub(1).and_then(|at| usize::try_from(at).ok())
}

/// Chains the fields of each name: fills in for each field the next one above it, and returns the lowest of each name.
#[inline(never)]
fn chain(headers: &HeaderBlock, prepared: &Prepared, above: &mut [u32]) -> Vec<Named> {
    let mut all = vec![Named::default(); prepared.names.len()];
    // A header of less than 4 GiB has fewer fields than that.
    for ((number, field), above) in (1..).zip(headers).zip(above) {
        if let Some(named) = prepared.place_of(field.trimmed_name()).and_then(|place| all.get_mut(place)) {
            *above = std::mem::replace(&mut named.lowest, number);
            named.count = named.count.saturating_add(1);
        }
    }
    all
}

fn check_counts(prepared: &Prepared, named: &[Named]) -> Result<(), SignError> {
    // §5.4: "The From header field MUST be signed (that is, included in the "h=" tag of the resulting DKIM-Signature header field)."
    match prepared.place_of(b"From").and_then(|place| named.get(place)).map_or(0, |named| named.count) {
        0 => return Err(SignError::NoFrom),
        1 => {}
        count => return Err(SignError::SeveralFrom { count }),
    }
    let listed = prepared.names.iter().zip(named).map(|(wanted, named)| wanted.times(named.count));
    let limit = prepared.spec.max_header_names;
    if listed.sum::<usize>() > limit { Err(SignError::TooManyFields { limit }) } else { Ok(()) }
}

fn has_bare_line_end(text: &[u8]) -> bool {
    let ([first, ..], [.., last]) = (text, text) else { return false };
    if *first == b'\n' || *last == b'\r' {
        return true;
    }
    // By blocks of one octet more than their pairs, the last two of which overlap.
    let mut rest = text;
    while let Some(block) = rest.first_chunk::<17>() {
        if block_has_bare_line_end(block) {
            return true;
        }
        rest = rest.get(16..).unwrap_or_default();
    }
    match text.last_chunk::<17>() {
        Some(block) => block_has_bare_line_end(block),
        None => text.windows(2).any(|pair| matches!(pair, [octet, next] if (*octet == b'\r') != (*next == b'\n'))),
    }
}

/// Whether one of sixteen octets is a CR that no LF follows, or is followed by an LF and is no CR.
#[inline]
fn block_has_bare_line_end(block: &[u8; 17]) -> bool {
    let (Some(octets), Some(successors)) = (block.first_chunk(), block.last_chunk()) else { return false };
    let cr = u8x16::new(*octets).simd_eq(u8x16::splat(b'\r'));
    let lf = u8x16::new(*successors).simd_eq(u8x16::splat(b'\n'));
    (cr ^ lf).to_bitmask() != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::HeaderLimits;

    #[test]
    fn x6_bare_line_ends_are_found() {
        for value in [&b"a\rb"[..], b"a\nb", b"\n", b"\r", b"a\r\r\n b", b"a\r\n\n b", b"a\r"] {
            assert!(has_bare_line_end(value), "{value:?}");
        }
        for value in [&b"a\rb"[..], b"a\nb", b"\n", b"\r", b"a\r\r\n b", b"a\r"] {
            let mut builder = HeaderBlock::builder(HeaderLimits::default());
            builder.push(b"From", b" a@example.com").unwrap();
            builder.push(b"X", value).unwrap();
            assert_eq!(check_line_ends(&builder.finish()), Err(SignError::BareLineEnd { field: 1 }), "{value:?}");
        }
        for value in [&b""[..], b"abc", b"a\r\n b", b"\r\n \r\n\tb"] {
            assert!(!has_bare_line_end(value), "{value:?}");
        }
    }
}
