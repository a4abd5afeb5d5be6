//! Eight octets at a time in an integer register ("SWAR"): for searches whose hits lie a few words apart.
//!
//! `memchr` is quicker over long stretches without a hit, but pays some thirty cycles for each one. For the places of one octet see [`crate::near`].
//!
//! *Invariants*: every test is exact for every octet, with no false hits; all of it is safe code.

/// A word with `octet` in each of its eight places.
pub(crate) const fn splat(octet: u8) -> u64 {
    u64::from_ne_bytes([octet; 8])
}

/// Bit 7 of each octet that is zero, and no other bit.
#[inline]
pub(crate) const fn zero_octets(word: u64) -> u64 {
    // The lower seven bits plus 0x7f reach bit 7 unless they are all zero, and never carry into the next octet.
    !((word & splat(0x7f)).wrapping_add(splat(0x7f)) | word) & splat(0x80)
}

/// Bit 7 of each octet up to 0x20, and no other bit.
#[inline]
pub(crate) const fn up_to_space(word: u64) -> u64 {
    // The lower seven bits plus 0x5f reach bit 7 from 0x21 on, and never carry into the next octet.
    !((word & splat(0x7f)).wrapping_add(splat(0x5f)) | word) & splat(0x80)
}

/// A text of at most eight octets in one word, in a way that is the same for every text of its length. Some octets are read twice, which is quicker
/// than one by one.
#[inline]
pub(crate) fn short_word(text: &[u8]) -> u64 {
    u64::from_le_bytes(match (text.first_chunk(), text.last_chunk()) {
        (Some([a, b, c, d]), Some([e, f, g, h])) => [*a, *b, *c, *d, *e, *f, *g, *h],
        _ => match text {
            [a, b, c] => [*a, *b, *c, 0, 0, 0, 0, 0],
            [a, b] => [*a, *b, 0, 0, 0, 0, 0, 0],
            [a] => [*a, 0, 0, 0, 0, 0, 0, 0],
            _ => [0; 8],
        },
    })
}

/// Whether two texts are the same but for the case of ASCII letters.
#[inline]
pub(crate) fn eq_ignore_case(one: &[u8], other: &[u8]) -> bool {
    let word = |octets: &[u8; 8]| u64::from_le_bytes(*octets);
    if one.len() != other.len() {
        return false;
    }
    match (one.last_chunk(), other.last_chunk()) {
        (Some(one_end), Some(other_end)) => {
            let mut words = one.as_chunks().0.iter().zip(other.as_chunks().0);
            is_same_word(word(one_end), word(other_end))
                && words.all(|(one, other)| is_same_word(word(one), word(other)))
        }
        _ => is_same_word(short_word(one), short_word(other)),
    }
}

/// Whether two words are the same but for the case of ASCII letters.
#[inline]
const fn is_same_word(one: u64, other: u64) -> bool {
    let differ = one ^ other;
    if differ == 0 {
        return true;
    }
    differ & !case_bits(one) == 0
}

/// Bit 5, which tells the cases of a letter apart, of each octet that is an ASCII letter, and no other bit.
#[inline]
const fn case_bits(word: u64) -> u64 {
    // Bit 7 of the sums is set from "a" on and from behind "z" on, without a carry.
    let lower = (word | splat(0x20)) & splat(0x7f);
    let letters = lower.wrapping_add(splat(0x1f)) & !lower.wrapping_add(splat(0x05)) & !word & splat(0x80);
    letters >> 2
}

/// A name in any case of its ASCII letters, as words. The same name in another case has an equal key; of names up to [`WHOLE`](Self::WHOLE) octets, no
/// other has.
#[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NameKey {
    length: usize,
    /// The first and the last eight octets in lower case; of a shorter name all of it, twice.
    first: u64,
    last: u64,
}

#[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
impl NameKey {
    /// Longest name of which a key tells all.
    pub(crate) const WHOLE: usize = 16;

    #[inline]
    pub(crate) fn of(name: &[u8]) -> Self {
        let lower = |word: u64| word | case_bits(word);
        let (first, last) = match (name.first_chunk(), name.last_chunk()) {
            (Some(first), Some(last)) => (lower(u64::from_le_bytes(*first)), lower(u64::from_le_bytes(*last))),
            _ => {
                let word = lower(short_word(name));
                (word, word)
            }
        };
        Self { length: name.len(), first, last }
    }

    /// One octet that differs for most other names.
    #[inline]
    pub(crate) const fn mark(&self) -> u8 {
        let product = (self.first ^ self.last.rotate_left(29)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let [.., high] = product.to_le_bytes();
        high
    }
}

/// Appends a text with its ASCII letters in lower case.
#[inline]
pub(crate) fn push_lowercase(out: &mut Vec<u8>, text: &[u8]) {
    let lower = |word: &[u8; 8]| {
        let word = u64::from_le_bytes(*word);
        (word | case_bits(word)).to_le_bytes()
    };
    let (words, tail) = text.as_chunks();
    for word in words {
        out.extend_from_slice(&lower(word));
    }
    match text.last_chunk() {
        _ if tail.is_empty() => {}
        // The last word overlaps what is there.
        Some(last) => {
            out.truncate(out.len().saturating_sub(8_usize.saturating_sub(tail.len())));
            out.extend_from_slice(&lower(last));
        }
        None => out.extend(tail.iter().map(u8::to_ascii_lowercase)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_octet_is_told_apart() {
        for octet in 0..=255 {
            for place in 0..8 {
                let mut octets = [0x21; 8];
                octets[place] = octet;
                let bit = 0x80 << (place * 8);
                let word = u64::from_le_bytes(octets);
                assert_eq!(zero_octets(word) == bit, octet == 0, "{octet:#x}");
                assert_eq!(up_to_space(word) == bit, octet <= 0x20, "{octet:#x}");
                assert!(zero_octets(word) & !bit == 0 && up_to_space(word) & !bit == 0);
            }
        }
    }

    #[test]
    fn case_counts_for_nothing_in_letters_only() {
        for (one, other) in (0..=255).flat_map(|one| (0..=255).map(move |other| (one, other))) {
            for length in 1..20 {
                let (mut left, mut right) = (vec![b'-'; length], vec![b'-'; length]);
                let place = usize::from(one) % length;
                (left[place], right[place]) = (one, other);
                assert_eq!(
                    eq_ignore_case(&left, &right),
                    one.eq_ignore_ascii_case(&other),
                    "{one:#x} {other:#x} {length}"
                );
                #[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
                assert!(
                    length > NameKey::WHOLE
                        || (NameKey::of(&left) == NameKey::of(&right)) == one.eq_ignore_ascii_case(&other),
                    "{one:#x} {other:#x} {length}"
                );
            }
        }
        assert!(eq_ignore_case(b"", b"") && !eq_ignore_case(b"", b"\0") && !eq_ignore_case(b"a", b"a\0"));
    }

    proptest! {
        #[test]
        fn texts_are_compared_as_the_library_does(one in "[aAbB@`{\\[é-]{0,30}", other in "[aAbB@`{\\[é-]{0,30}") {
            for other in [one.to_uppercase(), one.to_lowercase(), other] {
                let (one, other) = (one.as_bytes(), other.as_bytes());
                prop_assert_eq!(eq_ignore_case(one, other), one.eq_ignore_ascii_case(other));
                #[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
                prop_assert!(NameKey::of(one) == NameKey::of(other) || !one.eq_ignore_ascii_case(other));
            }
            let mut lower = Vec::new();
            push_lowercase(&mut lower, one.as_bytes());
            prop_assert_eq!(lower, one.to_ascii_lowercase().into_bytes());
        }
    }
}
