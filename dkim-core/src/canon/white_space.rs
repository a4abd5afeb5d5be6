//! Reduction of white space inside a stretch of text: the inner loop of both `relaxed` algorithms (RFC 6376 §3.4.2, §3.4.4).
//!
//! Most white space of real mail is already in canonical form: one SP between two words. [`reduce`] therefore looks for the places that are
//! *not*, and hands everything between them to the sink as slices of its input. Looking goes by blocks of [`BLOCK`] octets in a loop that
//! compilers turn into vector instructions, and in a block with a hit by 8 octets in an integer register (SWAR).

use wide::u8x16;

use crate::near::up_to;
use crate::swar::{splat, up_to_space, zero_octets};

/// WSP of RFC 5234: SP or HTAB.
pub(super) const fn is_wsp(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t')
}

/// Octets tested at once for having nothing to change.
const BLOCK: usize = 32;

/// Blocks with nothing to change after which it is tested whether there is any white space.
const SOLID: u32 = 8;

/// Writes `text` with each run of WSP as one SP, and with no WSP before a CRLF.
///
/// `text` neither begins nor ends with WSP: those runs may go on beyond it, so the caller keeps them. Slices given to `sink` are never empty
/// unless `text` is.
#[inline]
pub(super) fn reduce(text: &[u8], sink: &mut impl FnMut(&[u8])) {
    // Everything before `rest` is written; the first `kept` octets of `rest` are known to need no change.
    let mut rest = text;
    let mut kept = 0;
    while let Some(found) = find_reducible(rest, kept) {
        let (head, run) = rest.split_at(found);
        let (run, after) = run.split_at(wsp_length(run));
        match run {
            // §3.4.4: "Ignore all whitespace at the end of lines."
            _ if after.starts_with(b"\r\n") => {
                sink(head);
                (rest, kept) = (after, 0);
            }
            // A single SP that was only looked at because of the octet behind it.
            [b' '] => kept = found.saturating_add(1),
            // §3.4.4: "Reduce all sequences of WSP within a line to a single SP character": the last SP of the run is that one …
            [before @ .., b' '] => {
                sink(head);
                let (_, last) = rest.split_at(head.len().saturating_add(before.len()));
                (rest, kept) = (last, 1);
            }
            // … or its first, or a constant one.
            [b' ', ..] => {
                let (head, _) = rest.split_at(found.saturating_add(1));
                sink(head);
                (rest, kept) = (after, 0);
            }
            _ => {
                sink(head);
                sink(b" ");
                (rest, kept) = (after, 0);
            }
        }
    }
    sink(rest);
}

/// Whether `text` is one line that relaxed canonicalization leaves as it is. `false` is no promise of the contrary.
#[inline]
pub(super) fn is_reduced(text: &[u8]) -> bool {
    let ([first, successors @ ..], [.., last]) = (text, text) else { return false };
    if is_wsp(*first) || is_wsp(*last) || *last == b'\r' {
        return false;
    }
    // By blocks of one octet more than their pairs, the last two of which overlap.
    let mut rest = text;
    while let Some(block) = rest.first_chunk::<17>() {
        if has_change(block) {
            return false;
        }
        rest = rest.get(16..).unwrap_or_default();
    }
    match text.last_chunk::<17>() {
        Some(last) => !has_change(last),
        None => !text.iter().zip(successors).any(|(octet, successor)| changes(*octet, *successor)),
    }
}

/// Whether an octet before this one is not left as it is.
#[inline]
const fn changes(octet: u8, successor: u8) -> bool {
    (octet == b'\t') | (octet == b'\r') | ((octet == b' ') & (successor <= b' '))
}

/// Whether one of the octets of a block but the last is not.
#[inline]
fn has_change(block: &[u8; 17]) -> bool {
    let (Some(octets), Some(_)) = (block.first_chunk::<16>(), block.last_chunk::<16>()) else { return false };
    reducible(block) != 0 || u8x16::new(*octets).simd_eq(u8x16::splat(b'\r')).any()
}

/// Where the first octet at or after `from` stands that begins a run of WSP to look at: an HTAB, or an SP before an octet up to 0x20 (more WSP,
/// or CR; other control octets are caught as well, which costs a split and changes nothing).
#[inline]
fn find_reducible(text: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    let mut clean: u32 = 0;
    // Each step looks at octet `at + n` and at its successor; the last octet of `text` is no WSP and needs no successor.
    while let Some(block) = text.get(at..).and_then(|rest| rest.first_chunk::<{ BLOCK + 1 }>()) {
        let hits = reducible_in_block(block);
        if hits != 0 {
            return Some(at.saturating_add(place(hits)));
        }
        at = at.saturating_add(BLOCK);
        clean = clean.saturating_add(1);
        // A long stretch without change, and no white space at all in the last block: base64 or the like. What is left of it is searched with the widest
        // instructions that the processor has.
        if clean.is_multiple_of(SOLID) && !has_wsp(block) {
            let rest = text.get(at..).unwrap_or_default();
            at = at.saturating_add(memchr::memchr2(b' ', b'\t', rest).unwrap_or(rest.len()));
        }
    }
    while let Some(word) = text.get(at..).and_then(|rest| rest.first_chunk::<9>()) {
        let flags = word_reducible(word);
        if flags != 0 {
            // Each octet's flag is its highest bit, the first octet in the lowest place.
            return Some(at.saturating_add(usize::try_from(flags.trailing_zeros() / 8).unwrap_or(0)));
        }
        at = at.saturating_add(8);
    }
    let rest = text.get(at..).unwrap_or_default();
    rest.windows(2)
        .position(|pair| matches!(pair, [b'\t', _] | [b' ', ..=b' ']))
        .map(|offset| at.saturating_add(offset))
}

/// Whether white space is in the block.
#[inline]
fn has_wsp(block: &[u8; BLOCK + 1]) -> bool {
    block.iter().fold(false, |any, octet| any | is_wsp(*octet))
}

/// Bit n is set where a run begins at octet n.
#[inline]
fn reducible_in_block(block: &[u8; BLOCK + 1]) -> u32 {
    match (block.first_chunk(), block.last_chunk()) {
        (Some(low), Some(high)) => reducible(low) | (reducible(high) << 16),
        _ => 0,
    }
}

/// The same of sixteen octets, with the successor of the last.
#[inline]
fn reducible(octets: &[u8; 17]) -> u32 {
    let (Some(octets), Some(successors)) = (octets.first_chunk(), octets.last_chunk()) else { return 0 };
    let (octets, successors) = (u8x16::new(*octets), u8x16::new(*successors));
    let space = u8x16::splat(b' ');
    (octets.simd_eq(u8x16::splat(b'\t')) | (octets.simd_eq(space) & up_to(successors, b' '))).to_bitmask()
}

#[inline]
fn place(hits: u32) -> usize {
    usize::try_from(hits.trailing_zeros()).unwrap_or(0)
}

/// The length of the run of WSP that `text` begins with.
#[inline]
fn wsp_length(text: &[u8]) -> usize {
    let mut rest = text;
    // Most runs are short; an indentation is not, and goes by words.
    while let Some((word, after)) = rest.split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*word);
        let wsp = zero_octets(word ^ splat(b' ')) | zero_octets(word ^ splat(b'\t'));
        let other = wsp ^ splat(0x80);
        if other != 0 {
            let length = usize::try_from(other.trailing_zeros() / 8).unwrap_or(0);
            return text.len().saturating_sub(rest.len()).saturating_add(length);
        }
        rest = after;
    }
    let length = rest.iter().take_while(|octet| is_wsp(**octet)).count();
    text.len().saturating_sub(rest.len()).saturating_add(length)
}

/// The same test on eight octets and their successors: bit 7 of octet n is set where a run begins.
#[inline]
fn word_reducible(word: &[u8; 9]) -> u64 {
    let [octets @ .., _] = word;
    let [_, successors @ ..] = word;
    let octets = u64::from_le_bytes(*octets);
    let successors = u64::from_le_bytes(*successors);
    let tabs = zero_octets(octets ^ splat(b'\t'));
    let spaces = zero_octets(octets ^ splat(b' '));
    tabs | (spaces & up_to_space(successors))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reduced(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        reduce(text, &mut |slice| out.extend_from_slice(slice));
        out
    }

    #[test]
    fn words_with_one_space_between_stay_one_slice() {
        let text = b"one two three four five six seven eight nine ten\r\neleven twelve";
        let mut slices = Vec::new();
        reduce(text, &mut |slice| slices.push(slice.len()));
        assert_eq!(slices, [text.len()]);
    }

    #[test]
    fn runs_of_every_kind_become_one_space() {
        for run in ["\t", "  ", " \t", "\t ", "\t\t", " \t ", "\t \t", "          \t"] {
            assert_eq!(reduced(format!("a{run}b").as_bytes()), b"a b", "{run:?}");
            assert_eq!(reduced(format!("a{run}\r\nb").as_bytes()), b"a\r\nb", "{run:?}");
            assert_eq!(reduced(format!("a{run}\rb").as_bytes()), b"a \rb", "{run:?}");
            assert_eq!(reduced(format!("a{run}\nb").as_bytes()), b"a \nb", "{run:?}");
        }
    }

    proptest! {
        /// All three ways to look find the same place, wherever it lies in block and word.
        #[test]
        fn block_word_and_octet_tests_agree(text in proptest::collection::vec(prop_oneof![4 => Just(b'a'), 2 => Just(b' '), 1 => any::<u8>()], 0..100)) {
            let expected = text.windows(2).position(|pair| pair[0] == b'\t' || (pair[0] == b' ' && pair[1] <= b' '));
            prop_assert_eq!(find_reducible(&text, 0), expected);
            if let Some(block) = text.first_chunk::<{ BLOCK + 1 }>() {
                let hits = reducible_in_block(block);
                prop_assert_eq!((hits != 0).then(|| place(hits)), expected.filter(|at| *at < BLOCK));
            }
        }
    }
}
