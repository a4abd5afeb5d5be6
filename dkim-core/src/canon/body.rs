//! The body, canonicalized while it streams by (RFC 6376 §3.4.3, §3.4.4).
//!
//! [`BodyCanonicalizer`] takes the body in chunks cut anywhere and hands the canonical octets to a sink, as slices of the chunk wherever the text
//! needs no change. What cannot be decided yet is kept as state, not as octets:
//!
//! | state | what waits in it |
//! |---|---|
//! | `crlfs` | line ends that vanish if nothing follows but more of them; written later from a constant block |
//! | `wsp` | a run of white space that becomes one SP, or nothing at the end of a line (`relaxed` only) |
//! | `cr` | a CR at the end of a chunk: with an LF after it a line end, else a byte |
//! | `started` | whether anything but line ends was seen, so that an empty body can stay empty (`relaxed`) |
//!
//! ```text
//!             content: write crlfs × CRLF, then SP if wsp, then the content
//!                 ┌────────────────────────────────────────────┐
//!                 ▼                                            │
//!   ┌─────────────────┐  WSP: wsp   ┌─────────────────┐        │
//!   │ nothing pending │ ───────────►│ wsp, crlfs or   │────────┘
//!   └─────────────────┘  CRLF: +1   │ cr pending      │──► CRLF: crlfs + 1, wsp dropped
//!                        CR: cr     └─────────────────┘──► finish: CR if pending; then CRLF
//! ```
//!
//! Invariants: the result does not depend on how the body is cut; time is linear in its octets; memory does not depend on it at all. A bare LF
//! is not a line end, and a bare CR is an octet like any other. The dot of SMTP and the header section are not this module's affair.

use super::Canon;
use super::white_space::{is_wsp, reduce};

/// Line ends to write from: 32 of them.
const CRLF_BLOCK: [u8; 64] = {
    let mut block = [b'\r'; 64];
    let (mut pairs, _) = block.as_chunks_mut::<2>();
    while let [pair, rest @ ..] = pairs {
        *pair = *b"\r\n";
        pairs = rest;
    }
    block
};

/// Canonicalizes one body, chunk by chunk.
///
/// *Inputs*: the octets after the empty line that ends the header, in order, cut in any way (empty chunks are fine).
/// *Limits*: none are needed; state is a few octets whatever comes.
/// *Results*: the sink is called with pieces of the canonical body. Pieces are not empty and may be as short as one octet, so a
/// sink with a cost per call should gather them, as [`body_hash`](crate::body_hash) does.
///
/// ```
/// use dkim_core::canon::{Canon, body::BodyCanonicalizer};
///
/// let mut canonical = Vec::new();
/// let mut body = BodyCanonicalizer::new(Canon::Relaxed);
/// for chunk in [&b"Is  it \t"[..], b"\r", b"\nthere?\r\n\r\n", b" \r\n"] {
///     body.update(chunk, |octets| canonical.extend_from_slice(octets));
/// }
/// body.finish(|octets| canonical.extend_from_slice(octets));
/// assert_eq!(canonical, b"Is it\r\nthere?\r\n");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyCanonicalizer {
    canon: Canon,
    crlfs: u64,
    wsp: bool,
    cr: bool,
    started: bool,
}

impl BodyCanonicalizer {
    /// A canonicalizer that has seen nothing yet.
    #[must_use]
    pub const fn new(canon: Canon) -> Self {
        Self { canon, crlfs: 0, wsp: false, cr: false, started: false }
    }

    /// The algorithm it was made for.
    #[must_use]
    pub const fn canon(&self) -> Canon {
        self.canon
    }

    /// Takes the next octets of the body and writes what is decided.
    #[inline]
    pub fn update(&mut self, chunk: &[u8], mut sink: impl FnMut(&[u8])) {
        let Some(chunk) = self.resolve_cr(chunk, &mut sink) else { return };
        let (content, tail) = split_tail(self.canon, chunk);
        if content.is_empty() {
            // White space before a line end counts for nothing, white space after it waits.
            self.wsp = tail.wsp || (self.wsp && tail.crlfs == 0);
            self.crlfs = self.crlfs.saturating_add(tail.crlfs);
        } else {
            match self.canon {
                // §3.4.3: "The 'simple' body canonicalization algorithm ignores all empty lines at the end of the message body", and nothing else.
                Canon::Simple => {
                    self.write_pending(&mut sink);
                    sink(content);
                }
                Canon::Relaxed => self.write_relaxed(content, &mut sink),
            }
            self.wsp = tail.wsp;
            self.crlfs = tail.crlfs;
        }
        self.cr = tail.cr;
    }

    /// Ends the body and writes what is left of it.
    ///
    /// White space that stands at the very end without a CRLF is at the end of a line too and is dropped by `relaxed`; a body of nothing but
    /// white space and line ends is empty there.
    pub fn finish(mut self, mut sink: impl FnMut(&[u8])) {
        if self.cr {
            self.write_pending(&mut sink);
            sink(b"\r");
        }
        let last_line_end = match self.canon {
            // §3.4.3: "If there is no body or no trailing CRLF on the message body, a CRLF is added."
            Canon::Simple => true,
            // §3.4.4: "If the body is non-empty but does not end with a CRLF, a CRLF is added."
            Canon::Relaxed => self.started,
        };
        if last_line_end {
            sink(b"\r\n");
        }
    }

    /// Decides what a CR at the end of the chunk before was, and returns the octets that are left; `None` if that cannot be told yet.
    #[inline]
    fn resolve_cr<'a>(&mut self, chunk: &'a [u8], sink: &mut impl FnMut(&[u8])) -> Option<&'a [u8]> {
        let first = chunk.first()?;
        if !self.cr {
            return Some(chunk);
        }
        self.cr = false;
        if *first == b'\n' {
            self.crlfs = self.crlfs.saturating_add(1);
            self.wsp = false;
            return chunk.get(1..);
        }
        self.write_pending(sink);
        sink(b"\r");
        Some(chunk)
    }

    /// Writes content whose last octet is not white space: what was pending before it, then the text with its white space reduced.
    #[inline]
    fn write_relaxed(&mut self, content: &[u8], sink: &mut impl FnMut(&[u8])) {
        let blanks = content.iter().take_while(|octet| is_wsp(**octet)).count();
        let text = content.get(blanks..).unwrap_or_default();
        // §3.4.4: "Ignore all whitespace at the end of lines", also where the line end came with a later chunk.
        self.wsp = (self.wsp || blanks > 0) && !text.starts_with(b"\r\n");
        self.write_pending(sink);
        reduce(text, sink);
    }

    /// Writes the line ends and the white space that waited for something to follow.
    #[inline]
    fn write_pending(&mut self, sink: &mut impl FnMut(&[u8])) {
        self.started = true;
        if self.crlfs > 0 {
            let mut octets = self.crlfs.saturating_mul(2);
            while octets > 0 {
                let count = usize::try_from(octets).map_or(CRLF_BLOCK.len(), |octets| octets.min(CRLF_BLOCK.len()));
                sink(CRLF_BLOCK.get(..count).unwrap_or_default());
                octets = octets.saturating_sub(CRLF_BLOCK.len() as u64);
            }
            self.crlfs = 0;
        }
        if self.wsp {
            sink(b" ");
            self.wsp = false;
        }
    }
}

/// The end of a chunk that must wait for the next one.
#[derive(Default)]
struct Tail {
    /// Line ends in it.
    crlfs: u64,
    /// Whether white space stands after the last of them.
    wsp: bool,
    /// Whether it ends with a CR that may be half of a line end.
    cr: bool,
}

/// Splits a chunk into what is certainly content, up to the last octet that is neither line end nor (for `relaxed`) white space, and the rest.
#[inline]
fn split_tail(canon: Canon, chunk: &[u8]) -> (&[u8], Tail) {
    let mut tail = Tail::default();
    let mut content = chunk;
    if let [head @ .., b'\r'] = content {
        tail.cr = true;
        content = head;
    }
    loop {
        content = match content {
            [head @ .., b'\r', b'\n'] => {
                tail.crlfs = tail.crlfs.saturating_add(1);
                head
            }
            [head @ .., b' ' | b'\t'] if canon == Canon::Relaxed => {
                tail.wsp |= tail.crlfs == 0;
                head
            }
            _ => return (content, tail),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(canon: Canon, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut machine = BodyCanonicalizer::new(canon);
        machine.update(body, |octets| out.extend_from_slice(octets));
        machine.finish(|octets| out.extend_from_slice(octets));
        out
    }

    #[test]
    fn s3_4_5_example_of_the_rfc() {
        let body = b" C \r\nD \t E\r\n\r\n\r\n";
        assert_eq!(whole(Canon::Relaxed, body), b" C\r\nD E\r\n");
        assert_eq!(whole(Canon::Simple, body), b" C \r\nD \t E\r\n");
    }

    #[test]
    fn d17_d18_empty_body_becomes_crlf_in_simple_and_stays_empty_in_relaxed() {
        for body in [&b""[..], b"\r\n", b"\r\n\r\n"] {
            assert_eq!(whole(Canon::Simple, body), b"\r\n", "{body:?}");
            assert_eq!(whole(Canon::Relaxed, body), b"", "{body:?}");
        }
    }

    #[test]
    fn s3_4_4_drops_white_space_only_lines_at_end() {
        for body in [&b"a\r\n \r\n"[..], b"a\r\n\t \r\n\r\n  ", b"a \t\r\n", b"a", b"a  "] {
            assert_eq!(whole(Canon::Relaxed, body), b"a\r\n", "{body:?}");
        }
    }

    #[test]
    fn x8_bare_lf_and_bare_cr_are_octets() {
        assert_eq!(whole(Canon::Simple, b"a\n\n"), b"a\n\n\r\n");
        assert_eq!(whole(Canon::Relaxed, b"a \n\n"), b"a \n\n\r\n");
        assert_eq!(whole(Canon::Simple, b"a\r\r\n\r\n"), b"a\r\r\n");
        assert_eq!(whole(Canon::Relaxed, b"a \r"), b"a \r\r\n");
        assert_eq!(whole(Canon::Relaxed, b"\r"), b"\r\r\n");
    }

    #[test]
    fn text_without_anything_to_change_reaches_the_sink_as_one_slice_of_the_chunk() {
        let body = b"one two\r\n\r\nthree\r\nfour\r\n";
        for canon in [Canon::Simple, Canon::Relaxed] {
            let mut slices = Vec::new();
            let mut machine = BodyCanonicalizer::new(canon);
            machine.update(body, |octets| slices.push((octets.as_ptr(), octets.len())));
            assert_eq!(slices, [(body.as_ptr(), body.len() - 2)], "{canon}");
        }
    }

    #[test]
    fn fifty_million_line_ends_cost_no_memory_and_come_out_in_blocks() {
        let chunk = b"\r\n".repeat(32_768);
        let mut machine = BodyCanonicalizer::new(Canon::Relaxed);
        for _ in 0..800 {
            machine.update(&chunk, |_| panic!("nothing is decided yet"));
        }
        assert_eq!(machine.crlfs, 800 * 32_768);
        let (mut calls, mut total) = (0_u64, 0_u64);
        machine.update(b"x", |octets| {
            calls += 1;
            total += octets.len() as u64;
        });
        assert_eq!(total, 800 * 65_536 + 1);
        assert_eq!(calls, 800 * 1024 + 1);
    }
}
