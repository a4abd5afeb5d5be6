//! Which fields of a message are signed, and which messages are not.

use super::spec::Prepared;
use super::{BareLineEnds, SignError};
use crate::canon::header::{FieldIndex, write_field};
use crate::header::HeaderBlock;
use crate::signature::HeaderNames;

/// Room for the `h=` list of a usual message.
const USUAL_LIST: usize = 512;

/// Refuses what must not be signed.
pub(super) fn check(index: &FieldIndex<'_>, bare_line_ends: BareLineEnds) -> Result<(), SignError> {
    // §5.4: "The From header field MUST be signed (that is, included in the "h=" tag of the resulting DKIM-Signature header field)."
    match index.named(b"From").count() {
        0 => return Err(SignError::NoFrom),
        1 => {}
        count => return Err(SignError::SeveralFrom { count }),
    }
    match bare_line_ends {
        BareLineEnds::Sign => Ok(()),
        BareLineEnds::Refuse => match field_with_bare_line_end(index.headers()) {
            Some(field) => Err(SignError::BareLineEnd { field }),
            None => Ok(()),
        },
    }
}

/// The list of `h=`, each name as often as the message has it and once more if it is oversigned, and the canonical text of its fields.
///
/// §5.4.2: the fields of one name stand together and are taken "in the order of the physically last instance of the header field in the header block,
/// then the penultimate, and so on"; a name for which none is left adds nothing.
pub(super) fn select(index: &FieldIndex<'_>, prepared: &Prepared) -> Result<(HeaderNames, Vec<u8>), SignError> {
    let limit = prepared.spec.max_header_names;
    let mut names = String::with_capacity(USUAL_LIST);
    // Beside what is signed of the header, the signature field itself.
    let mut text = Vec::with_capacity(index.headers().as_bytes().len().saturating_add(USUAL_LIST));
    let mut count: usize = 0;
    let mut list = |name: &str| {
        count = count.saturating_add(1);
        if count > limit {
            return Err(SignError::TooManyFields { limit });
        }
        if !names.is_empty() {
            names.push(':');
        }
        names.push_str(name);
        Ok(())
    };
    for wanted in &prepared.names {
        for (_, field) in index.named(wanted.name.as_bytes()) {
            list(&wanted.name)?;
            write_field(prepared.spec.header_canon, field, &mut text);
        }
        if wanted.is_oversigned {
            list(&wanted.name)?;
        }
    }
    Ok((HeaderNames::of_checked(names), text))
}

/// The first field that holds a CR or LF which is not part of a CRLF.
fn field_with_bare_line_end(headers: &HeaderBlock) -> Option<usize> {
    // In the text of the block every field ends with a CRLF: counted over all of it, each LF has its CR and there are no others, or one is bare.
    if has_bare_line_end(headers.as_bytes()) {
        headers.iter().position(|field| has_bare_line_end(field.value))
    } else {
        None
    }
}

fn has_bare_line_end(text: &[u8]) -> bool {
    let mut line_ends: usize = 0;
    for at in memchr::memchr_iter(b'\n', text) {
        if !text.get(..at).is_some_and(|before| before.ends_with(b"\r")) {
            return true;
        }
        line_ends = line_ends.saturating_add(1);
    }
    memchr::memchr_iter(b'\r', text).count() != line_ends
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
            assert_eq!(field_with_bare_line_end(&builder.finish()), Some(1), "{value:?}");
        }
        for value in [&b""[..], b"abc", b"a\r\n b", b"\r\n \r\n\tb"] {
            assert!(!has_bare_line_end(value), "{value:?}");
        }
    }
}
