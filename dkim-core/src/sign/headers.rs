//! Which fields of a message are signed, and which messages are not.

use super::spec::ALWAYS_SIGNED;
use super::{BareLineEnds, SignError, SignatureSpec};
use crate::header::HeaderBlock;
use crate::signature::HeaderNames;

/// Refuses what must not be signed.
pub(super) fn check(headers: &HeaderBlock, spec: &SignatureSpec) -> Result<(), SignError> {
    // §5.4: "The From header field MUST be signed (that is, included in the "h=" tag of the resulting DKIM-Signature header field)."
    match headers.iter().filter(|field| field.is_named("From")).count() {
        0 => return Err(SignError::NoFrom),
        1 => {}
        count => return Err(SignError::SeveralFrom { count }),
    }
    match spec.bare_line_ends {
        BareLineEnds::Sign => Ok(()),
        BareLineEnds::Refuse => match headers.iter().position(|field| has_bare_line_end(field.value)) {
            Some(field) => Err(SignError::BareLineEnd { field }),
            None => Ok(()),
        },
    }
}

/// The list of `h=`: the names of `spec` in its order, each as often as the message has it, and once more if it is oversigned.
pub(super) fn names(headers: &HeaderBlock, spec: &SignatureSpec) -> Result<HeaderNames, SignError> {
    let mut wanted: Vec<Wanted<'_>> = Vec::with_capacity(spec.signed.len().saturating_add(ALWAYS_SIGNED.len()));
    let configured = spec.signed.iter().chain(&spec.oversigned).map(String::as_str);
    for name in configured.chain(ALWAYS_SIGNED.iter().copied()) {
        if !wanted.iter().any(|known| known.name.eq_ignore_ascii_case(name)) {
            let oversigned = spec.oversigned.iter().any(|other| other.eq_ignore_ascii_case(name));
            wanted.push(Wanted { name, count: usize::from(oversigned) });
        }
    }
    let mut total: usize = wanted.iter().map(|wanted| wanted.count).sum();
    for field in headers {
        let name = field.trimmed_name();
        if let Some(wanted) = wanted.iter_mut().find(|wanted| name.eq_ignore_ascii_case(wanted.name.as_bytes())) {
            wanted.count = wanted.count.saturating_add(1);
            total = total.saturating_add(1);
        }
    }
    let limit = spec.max_header_names;
    if total > limit {
        return Err(SignError::TooManyFields { limit });
    }
    let list = wanted.iter().flat_map(|wanted| std::iter::repeat_n(wanted.name, wanted.count)).collect::<Vec<_>>();
    // Every name was checked, and From is there: only a limit of no names at all can leave nothing.
    HeaderNames::parse(list.join(":").as_bytes()).ok_or(SignError::TooManyFields { limit })
}

/// A name and how often it is to be listed.
struct Wanted<'a> {
    name: &'a str,
    count: usize,
}

/// Whether a value holds a CR or LF that is not part of a CRLF.
fn has_bare_line_end(value: &[u8]) -> bool {
    let mut previous = 0;
    for byte in value {
        if (previous == b'\r') != (*byte == b'\n') {
            return true;
        }
        previous = *byte;
    }
    previous == b'\r'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x6_bare_line_ends_are_found() {
        for value in [&b"a\rb"[..], b"a\nb", b"\n", b"\r", b"a\r\r\n b", b"a\r\n\n b", b"a\r"] {
            assert!(has_bare_line_end(value), "{value:?}");
        }
        for value in [&b""[..], b"abc", b"a\r\n b", b"\r\n \r\n\tb"] {
            assert!(!has_bare_line_end(value), "{value:?}");
        }
    }
}
