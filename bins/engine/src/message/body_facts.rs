//! What is remarkable about a body: bytes that break signatures on the way, or that make two readers see two messages.
//!
//! `standards.md` X-6 (bare CR and LF, SMTP smuggling), X-10 (NUL) and the risks that an operator asks about after "bad
//! signature data at receivers, only for some mail" (M13): 8-bit text that a relay may re-encode, and lines that a relay must
//! fold. One pass, any chunking, three counters of state.

use memchr::memchr;

/// Longest line of RFC 5322 §2.1.1, in octets without CRLF.
const MAX_LINE: usize = 998;

/// Collected over all chunks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BodyFacts {
    /// Octets in all.
    pub octets: u64,
    /// A CR that no LF follows.
    pub bare_cr: bool,
    /// An LF that no CR precedes.
    pub bare_lf: bool,
    /// A NUL.
    pub nul: bool,
    /// An octet above 127.
    pub eight_bit: bool,
    /// A line longer than 998 octets.
    pub long_line: bool,
    /// Octets of the line that is not at its end, a CR included.
    column: usize,
    /// The last octet was a CR.
    after_cr: bool,
}

impl BodyFacts {
    /// Looks at the next piece of the body.
    pub fn update(&mut self, chunk: &[u8]) {
        self.octets = self.octets.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        self.eight_bit = self.eight_bit || !chunk.is_ascii();
        self.nul = self.nul || memchr(0, chunk).is_some();
        let mut rest = chunk;
        while let Some(position) = memchr(b'\n', rest) {
            let (line, after) = rest.split_at_checked(position).unwrap_or((rest, &[]));
            rest = after.get(1..).unwrap_or_default();
            self.piece_of_line(line);
            if self.after_cr {
                self.column = self.column.saturating_sub(1);
            } else {
                self.bare_lf = true;
            }
            self.after_cr = false;
            self.long_line = self.long_line || self.column > MAX_LINE;
            self.column = 0;
        }
        self.piece_of_line(rest);
    }

    /// Says that the body is over.
    pub fn finish(&mut self) {
        self.bare_cr = self.bare_cr || self.after_cr;
        self.after_cr = false;
        self.long_line = self.long_line || self.column > MAX_LINE;
    }

    /// Whether the body has line ends that are none (RFC 5321 §2.3.8).
    #[must_use]
    pub fn has_bare_line_ends(&self) -> bool {
        self.bare_cr || self.bare_lf
    }

    /// Octets without LF: only the last one may be the CR of a line end.
    fn piece_of_line(&mut self, piece: &[u8]) {
        let Some((last, front)) = piece.split_last() else { return };
        self.bare_cr = self.bare_cr || self.after_cr || memchr(b'\r', front).is_some();
        self.after_cr = *last == b'\r';
        self.column = self.column.saturating_add(piece.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(body: &[u8]) -> BodyFacts {
        let mut facts = BodyFacts::default();
        facts.update(body);
        facts.finish();
        facts
    }

    #[test]
    fn x6_bare_cr_and_lf_are_told_from_line_ends() {
        for (body, bare_cr, bare_lf) in [
            (&b""[..], false, false),
            (b"a\r\nb\r\n", false, false),
            (b"a\rb\r\n", true, false),
            (b"a\r\r\n", true, false),
            (b"a\r\n\r", true, false),
            (b"a\nb\r\n", false, true),
            (b"\n", false, true),
            (b"\r", true, false),
            (b"\n\r", true, true),
        ] {
            let facts = facts(body);
            assert_eq!((facts.bare_cr, facts.bare_lf), (bare_cr, bare_lf), "{body:?}");
        }
    }

    #[test]
    fn m13_long_lines_8_bit_and_nul() {
        let line = |length| [vec![b'x'; length], b"\r\n".to_vec()].concat();
        assert!(!facts(&line(998)).long_line);
        assert!(facts(&line(999)).long_line);
        assert!(!facts(&[b'x'; 998]).long_line);
        assert!(facts(&[b'x'; 999]).long_line);
        assert!(facts(b"\xc3\xbc\r\n").eight_bit && !facts(b"u\r\n").eight_bit);
        assert!(facts(b"a\0b").nul && !facts(b"ab").nul);
        assert_eq!(facts(b"12345").octets, 5);
    }

    proptest::proptest! {
        #[test]
        fn every_chunking_gives_the_same_facts(
            body in proptest::collection::vec(proptest::sample::select(b"ab\r\n\0\xff".to_vec()), 0..40),
            cuts in proptest::collection::vec(0_usize..8, 0..40))
        {
            let mut chunked = BodyFacts::default();
            let mut rest = &body[..];
            for cut in cuts {
                let (chunk, after) = rest.split_at(cut.min(rest.len()));
                chunked.update(chunk);
                rest = after;
            }
            chunked.update(rest);
            chunked.finish();
            let whole = facts(&body);
            proptest::prop_assert_eq!(whole, chunked);
            let text = &body;
            let padded = [b"x", &text[..], b"x"].concat();
            let bare_lf = padded.windows(2).any(|pair| pair[1] == b'\n' && pair[0] != b'\r');
            let bare_cr = padded.windows(2).any(|pair| pair[0] == b'\r' && pair[1] != b'\n');
            proptest::prop_assert_eq!((whole.bare_cr, whole.bare_lf), (bare_cr, bare_lf));
        }
    }
}
