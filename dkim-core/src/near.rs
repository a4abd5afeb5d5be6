//! The search for an octet whose hits lie close together: line ends of a header or of a folded value, colons of an `h=` list.
//!
//! `memchr::memchr` asks for the widest vectors that the processor has and calls a function for them, which pays over long stretches; a line is found
//! in less time than that call takes. Here the search is part of the loop around it, with the vectors that every processor of the platform has. The
//! vector code is that of the crates `memchr` and `wide`; nothing here is unsafe.

use wide::u8x16;

/// The place of the first `octet` in `text`.
#[inline]
pub(crate) fn find(octet: u8, text: &[u8]) -> Option<usize> {
    #[cfg(target_arch = "x86_64")]
    if let Some(search) = memchr::arch::x86_64::sse2::memchr::One::new(octet) {
        return search.find(text);
    }
    memchr::memchr(octet, text)
}

/// The places of `OCTET` in `text`, in order. All hits of [`BLOCK`] octets are found at once.
#[derive(Clone, Debug)]
pub(crate) struct Places<'a, const OCTET: u8> {
    /// What has not been looked at.
    rest: &'a [u8],
    /// Where the last block begins.
    base: usize,
    /// Where `rest` begins.
    next: usize,
    /// The hits of the last block that are left: bit n for octet n.
    hits: u32,
}

/// Octets that are looked at together.
const BLOCK: usize = 32;

impl<'a, const OCTET: u8> Places<'a, OCTET> {
    #[inline]
    pub(crate) const fn new(text: &'a [u8]) -> Self {
        Self { rest: text, base: 0, next: 0, hits: 0 }
    }
}

impl<const OCTET: u8> Iterator for Places<'_, OCTET> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.hits == 0 {
            self.base = self.next;
            if let Some((block, rest)) = self.rest.split_first_chunk() {
                self.hits = hits::<OCTET>(block);
                self.next = self.next.wrapping_add(BLOCK);
                self.rest = rest;
            } else {
                if self.rest.is_empty() {
                    return None;
                }
                // Filled up with something else.
                let mut block = [!OCTET; BLOCK];
                for (to, from) in block.iter_mut().zip(self.rest) {
                    *to = *from;
                }
                self.hits = hits::<OCTET>(&block);
                self.next = self.next.wrapping_add(self.rest.len());
                self.rest = &[];
            }
        }
        let at = self.base.wrapping_add(usize::try_from(self.hits.trailing_zeros()).unwrap_or(0));
        self.hits &= self.hits.wrapping_sub(1);
        Some(at)
    }
}

/// Bit n is set where octet n is this one.
#[inline]
fn hits<const OCTET: u8>(block: &[u8; BLOCK]) -> u32 {
    let of_half = |half: &[u8; 16]| u8x16::new(*half).simd_eq(const { u8x16::new([OCTET; 16]) }).to_bitmask();
    match (block.first_chunk(), block.last_chunk()) {
        (Some(low), Some(high)) => of_half(low) | (of_half(high) << 16),
        _ => 0,
    }
}

/// Which octets are no higher than `last`.
#[inline]
pub(crate) fn up_to(octets: u8x16, last: u8) -> u8x16 {
    octets.min(u8x16::splat(last)).simd_eq(octets)
}

/// How many octets above 0x20 a text begins with.
#[inline]
pub(crate) fn length_above_space(text: &[u8]) -> usize {
    let mut rest = text;
    while let Some((block, after)) = rest.split_first_chunk::<16>() {
        if let Some(first) = first_place(up_to(u8x16::new(*block), b' ')) {
            return text.len().wrapping_sub(rest.len()).wrapping_add(first);
        }
        rest = after;
    }
    let length = rest.iter().take_while(|octet| **octet > b' ').count();
    text.len().wrapping_sub(rest.len()).wrapping_add(length)
}

/// The first octet that is set.
#[inline]
pub(crate) fn first_place(octets: u8x16) -> Option<usize> {
    let bits = octets.to_bitmask();
    if bits == 0 { None } else { usize::try_from(bits.trailing_zeros()).ok() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_octet_is_told_apart() {
        for (octet, last) in (0..=u8::MAX).flat_map(|octet| [0x1f, b' '].map(|last| (octet, last))) {
            let mut octets = [0xff; 16];
            octets[usize::from(octet % 16)] = octet;
            let expected = (octet <= last).then_some(usize::from(octet % 16));
            assert_eq!(first_place(up_to(u8x16::new(octets), last)), expected, "{octet:#x}");
        }
    }

    proptest! {
        #[test]
        fn lengths_are_those_of_a_plain_search(text in proptest::collection::vec(prop_oneof![9 => 0x1e..=0x24_u8, 1 => any::<u8>()], 0..80)) {
            let above = text.iter().take_while(|octet| **octet > 0x20).count();
            prop_assert_eq!(length_above_space(&text), above);
        }

        #[test]
        fn places_are_those_of_a_plain_search(
            text in proptest::collection::vec(prop_oneof![1 => Just(b'\n'), 9 => any::<u8>()], 0..300),
            from in 0..40_usize,
        ) {
            // From any place, so that vectors are not aligned.
            let text = text.get(from..).unwrap_or_default();
            let expected: Vec<usize> = (0..text.len()).filter(|at| text[*at] == b'\n').collect();
            prop_assert_eq!(find(b'\n', text), expected.first().copied());
            prop_assert_eq!(Places::<b'\n'>::new(text).collect::<Vec<_>>(), expected);
        }
    }
}
