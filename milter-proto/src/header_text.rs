//! Header field values on the wire, and as they stand in the message.
//!
//! In the message a value is everything after the colon up to the last CRLF, folds and leading space included: the text that DKIM signs. On the
//! wire lines are joined by a bare LF, and unless [`Steps::LEADING_SPACE`](crate::flags::Steps::LEADING_SPACE) was negotiated, the MTA takes one
//! space after the colon away on the way in and puts one there on the way out.
//!
//! | message | `Verbatim` | `OneStripped` |
//! |---|---|---|
//! | `X: a` | `" a"` | `"a"` |
//! | `X:a` | `"a"` | `"a"` (the difference is lost) |
//! | `X:⇥tab` | `"\ttab"` | `"\ttab"` |
//! | `X: a CRLF ⇥b` | `" a\n\tb"` | `"a\n\tb"` |
//!
//! A new field is produced once, as raw CRLF text with its leading space; the signature hashes that text and [`to_wire`] only respells it.
//!
//! *Not done here*: white space between name and colon, which an MTA drops before a filter sees the field.

/// How header values are spelled on this connection; fixed by the option negotiation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "one bit of the negotiation: it is set or it is not")]
pub enum LeadingSpace {
    /// The space after the colon is part of the value, both ways: exact.
    Verbatim,
    /// The MTA takes one space away on the way in and adds one on the way out.
    OneStripped,
}

/// A value that must not be sent to the MTA: the header section of the message would not be what was meant. Offsets are into the raw value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnsafeFold {
    /// A line break that no SP or TAB follows. Postfix would put a TAB there and break the signature; another MTA might begin a new field.
    #[error("line break at offset {at} is not followed by white space")]
    NotFolded {
        /// Offset of the line break.
        at: usize,
    },
    /// A CR outside CRLF. Sent on, Postfix would write it twice.
    #[error("bare CR at offset {at}")]
    BareCr {
        /// Offset of the CR.
        at: usize,
    },
    /// A NUL: on the wire the value would end there.
    #[error("NUL at offset {at}")]
    Nul {
        /// Offset of the NUL.
        at: usize,
    },
}

/// Appends to `out` the raw text of a value that came from the MTA: LF becomes CRLF, and what `mode` says was taken away is put back.
///
/// An existing CRLF is not doubled and a lone CR stays as it is; octets above 127 pass unchanged. `OneStripped` is a guess, since `X:foo` and
/// `X: foo` look the same after stripping: one space is put back unless the value begins with TAB or a line break, because the second spelling
/// is what nearly everyone writes. Relaxed canonicalization does not see the difference, `simple` does.
///
/// ```
/// use milter_proto::{LeadingSpace, header_text::from_wire};
///
/// let mut raw = Vec::new();
/// from_wire(b"a\n\tb", LeadingSpace::OneStripped, &mut raw);
/// assert_eq!(raw, b" a\r\n\tb");
/// ```
pub fn from_wire(value: &[u8], mode: LeadingSpace, out: &mut Vec<u8>) {
    let begins_with_tab_or_fold = matches!(value, [b'\t' | b'\n', ..] | [b'\r', b'\n', ..]);
    if mode == LeadingSpace::OneStripped && !begins_with_tab_or_fold {
        out.push(b' ');
    }
    for line in value.split_inclusive(|&octet| octet == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(text) => {
                out.extend_from_slice(text.strip_suffix(b"\r").unwrap_or(text));
                out.extend_from_slice(b"\r\n");
            }
            None => out.extend_from_slice(line),
        }
    }
}

/// Appends to `out` the wire spelling of a raw value.
///
/// CRLF (or LF) becomes LF, and with `OneStripped` the one space that the MTA will add is left out. A raw value without leading space is sent as
/// it is; under `OneStripped` the MTA then writes a space in front of it.
///
/// # Errors
/// [`UnsafeFold`] if a line break is not followed by SP or TAB, or for a CR outside CRLF, or a NUL; `out` is then as it was.
pub fn to_wire(raw: &[u8], mode: LeadingSpace, out: &mut Vec<u8>) -> Result<(), UnsafeFold> {
    check(raw)?;
    let value = match mode {
        LeadingSpace::Verbatim => raw,
        LeadingSpace::OneStripped => raw.strip_prefix(b" ").unwrap_or(raw),
    };
    // After `check` every CR stands before an LF.
    out.extend(value.iter().copied().filter(|&octet| octet != b'\r'));
    Ok(())
}

/// Whether `to_wire` takes this value.
pub(crate) fn check(raw: &[u8]) -> Result<(), UnsafeFold> {
    let mut octets = raw.iter().copied().enumerate().peekable();
    while let Some((at, octet)) = octets.next() {
        let next = octets.peek().map(|&(_, next)| next);
        match octet {
            0 => return Err(UnsafeFold::Nul { at }),
            b'\r' if next != Some(b'\n') => return Err(UnsafeFold::BareCr { at }),
            // §3, to_wire: "every continuation starts SP/TAB"; an end of line at the end of the value is a continuation without one.
            b'\n' if !matches!(next, Some(b' ' | b'\t')) => return Err(UnsafeFold::NotFolded { at }),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn raw(value: &[u8], mode: LeadingSpace) -> Vec<u8> {
        let mut out = Vec::new();
        from_wire(value, mode, &mut out);
        out
    }

    fn wire(value: &[u8], mode: LeadingSpace) -> Result<Vec<u8>, UnsafeFold> {
        let mut out = Vec::new();
        to_wire(value, mode, &mut out).map(|()| out)
    }

    #[test]
    fn s8_1_folds_come_with_lf_and_leave_as_crlf() {
        assert_eq!(raw(b" a\n\tb\n  c", LeadingSpace::Verbatim), b" a\r\n\tb\r\n  c");
    }

    #[test]
    fn s8_1_a_crlf_is_not_doubled_and_a_lone_cr_stays() {
        assert_eq!(raw(b" a\r\n b\r c\r", LeadingSpace::Verbatim), b" a\r\n b\r c\r");
        assert_eq!(raw(b"\r\n x", LeadingSpace::OneStripped), b"\r\n x");
    }

    #[test]
    fn s8_2_one_space_is_put_back_unless_tab_or_fold_begins() {
        for (sent, expected) in [
            (&b"two"[..], &b" two"[..]),
            (b" two", b"  two"),
            (b"\ttab", b"\ttab"),
            (b"\n\tfold", b"\r\n\tfold"),
            (b"", b" "),
            (b"none", b" none"),
        ] {
            assert_eq!(raw(sent, LeadingSpace::OneStripped), expected);
            assert_eq!(
                raw(sent, LeadingSpace::Verbatim),
                expected[usize::from(expected[0] == b' ' && !sent.starts_with(expected))..]
            );
        }
    }

    #[test]
    fn s8_2_verbatim_is_verbatim() {
        for value in [&b" a"[..], b"\ttab", b"none", b"", b"  two"] {
            assert_eq!(raw(value, LeadingSpace::Verbatim), value);
            assert_eq!(wire(value, LeadingSpace::Verbatim).unwrap(), value);
        }
    }

    #[test]
    fn s8_1_no_cr_goes_to_the_mta() {
        assert_eq!(wire(b" v=1;\r\n\ta=b", LeadingSpace::Verbatim).unwrap(), b" v=1;\n\ta=b");
        assert_eq!(wire(b" v=1;\r\n\ta=b", LeadingSpace::OneStripped).unwrap(), b"v=1;\n\ta=b");
        assert_eq!(wire(b" a\rb", LeadingSpace::Verbatim), Err(UnsafeFold::BareCr { at: 2 }));
        assert_eq!(wire(b" a\r\r\n b", LeadingSpace::Verbatim), Err(UnsafeFold::BareCr { at: 2 }));
    }

    #[test]
    fn a_line_break_that_could_begin_a_new_field_is_refused() {
        for (value, at) in [(&b" a\r\nBcc: x"[..], 3), (b" a\nb", 2), (b" a\r\n", 3), (b" a\n\n b", 2), (b"\n", 0)] {
            assert_eq!(wire(value, LeadingSpace::Verbatim), Err(UnsafeFold::NotFolded { at }), "{value:?}");
        }
        assert_eq!(wire(b"a\0b", LeadingSpace::OneStripped), Err(UnsafeFold::Nul { at: 1 }));
    }

    #[test]
    fn a_refused_value_leaves_the_buffer_as_it_was() {
        let mut out = b"before".to_vec();
        assert!(to_wire(b" good\r\n\tgood\r\nbad", LeadingSpace::Verbatim, &mut out).is_err());
        assert_eq!(out, b"before");
    }

    #[test]
    fn eight_bit_octets_pass_both_ways() {
        let value: Vec<u8> = [b' '].into_iter().chain(1..=255).filter(|octet| !b"\r\n".contains(octet)).collect();
        assert_eq!(raw(&value, LeadingSpace::Verbatim), value);
        assert_eq!(wire(&value, LeadingSpace::Verbatim).unwrap(), value);
    }

    /// Values with a good chance of line breaks and white space.
    fn octets() -> impl Strategy<Value = Vec<u8>> {
        let octet = prop_oneof![Just(b'\n'), Just(b'\r'), Just(b' '), Just(b'\t'), Just(b'x'), any::<u8>()];
        proptest::collection::vec(octet, 0..40)
    }

    proptest! {
        #[test]
        fn what_the_mta_sent_goes_back_as_it_came(value in octets(), stripped: bool) {
            let mode = if stripped { LeadingSpace::OneStripped } else { LeadingSpace::Verbatim };
            let text = raw(&value, mode);
            if let Ok(back) = wire(&text, mode) {
                let lf_only: Vec<u8> = value.iter().copied().filter(|&octet| octet != b'\r').collect();
                prop_assert_eq!(back, lf_only);
            }
        }

        #[test]
        fn a_raw_value_with_leading_space_is_respelled_exactly(tail in octets(), stripped: bool) {
            let mode = if stripped { LeadingSpace::OneStripped } else { LeadingSpace::Verbatim };
            let mut text = b" ".to_vec();
            from_wire(&tail, LeadingSpace::Verbatim, &mut text);
            match wire(&text, mode) {
                Ok(sent) => {
                    prop_assert!(!sent.contains(&b'\r') && !sent.contains(&0));
                    for (at, _) in sent.iter().enumerate().filter(|(_, octet)| **octet == b'\n') {
                        prop_assert!(matches!(sent[at..].get(1), Some(b' ' | b'\t')));
                    }
                    // `from_wire` guesses the space where a TAB or a fold follows it; everything else is exact.
                    if mode == LeadingSpace::Verbatim || !matches!(sent.first(), Some(b'\t' | b'\n')) {
                        prop_assert_eq!(raw(&sent, mode), text);
                    }
                }
                Err(UnsafeFold::NotFolded { at } | UnsafeFold::BareCr { at } | UnsafeFold::Nul { at }) => {
                    prop_assert!(at < text.len());
                }
            }
        }
    }
}
