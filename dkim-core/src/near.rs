//! The search for an octet whose hits lie close together: line ends of a header or of a folded value.
//!
//! `memchr::memchr` asks for the widest vectors that the processor has and calls a function for them, which pays over long stretches; a line is found
//! in less time than that call takes. Here the search is part of the loop around it, with the vectors that every processor of the platform has. The
//! vector code is that of the crate `memchr`; nothing here is unsafe.

/// The place of the first `octet` in `text`.
#[inline]
pub(crate) fn find(octet: u8, text: &[u8]) -> Option<usize> {
    #[cfg(target_arch = "x86_64")]
    if let Some(search) = memchr::arch::x86_64::sse2::memchr::One::new(octet) {
        return search.find(text);
    }
    memchr::memchr(octet, text)
}

/// The places of `octet` in `text`, in order.
#[derive(Clone, Debug)]
pub(crate) struct Places<'a> {
    octet: u8,
    text: &'a [u8],
    /// Behind the last hit.
    from: usize,
}

impl<'a> Places<'a> {
    #[inline]
    pub(crate) const fn new(octet: u8, text: &'a [u8]) -> Self {
        Self { octet, text, from: 0 }
    }
}

impl Iterator for Places<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        let at = find(self.octet, self.text.get(self.from..)?)?.wrapping_add(self.from);
        self.from = at.wrapping_add(1);
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn places_are_those_of_a_plain_search(
            text in proptest::collection::vec(prop_oneof![1 => Just(b'\n'), 9 => any::<u8>()], 0..300),
            from in 0..40_usize,
        ) {
            // From any place, so that vectors are not aligned.
            let text = text.get(from..).unwrap_or_default();
            let expected: Vec<usize> = (0..text.len()).filter(|at| text[*at] == b'\n').collect();
            prop_assert_eq!(find(b'\n', text), expected.first().copied());
            prop_assert_eq!(Places::new(b'\n', text).collect::<Vec<_>>(), expected);
        }
    }
}
