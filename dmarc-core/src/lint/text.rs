//! A text that was mended and still knows where each octet comes from.

use std::ops::Range;

/// Octets, each with its place in the text that was published.
#[derive(Debug, Default)]
pub(super) struct Text {
    octets: Vec<u8>,
    origins: Vec<usize>,
}

impl Text {
    #[cfg(test)]
    pub(super) fn of(octets: &[u8]) -> Self {
        Self { octets: octets.to_vec(), origins: (0..octets.len()).collect() }
    }

    pub(super) fn octets(&self) -> &[u8] {
        &self.octets
    }

    pub(super) fn push(&mut self, octet: u8, origin: usize) {
        self.octets.push(octet);
        self.origins.push(origin);
    }

    /// Something that was not in the published text, at one place of it.
    pub(super) fn push_new(&mut self, octets: &[u8], origin: usize) {
        octets.iter().for_each(|octet| self.push(*octet, origin));
    }

    /// A part of another text.
    pub(super) fn push_part(&mut self, other: &Self, part: Range<usize>) {
        let octets = other.octets.get(part.clone()).unwrap_or_default();
        let origins = other.origins.get(part).unwrap_or_default();
        self.octets.extend_from_slice(octets);
        self.origins.extend_from_slice(origins);
    }

    /// The place of an octet in the published text.
    pub(super) fn origin(&self, at: usize) -> usize {
        let behind = || self.origins.iter().max().map_or(0, |last| last.saturating_add(1));
        self.origins.get(at).copied().unwrap_or_else(behind)
    }

    /// Where a part was in the published text.
    pub(super) fn span(&self, part: &Range<usize>) -> Range<usize> {
        let start = self.origin(part.start);
        let last = part.end.checked_sub(1).filter(|last| *last >= part.start).map(|last| self.origin(last));
        start..last.map_or(start, |last| last.saturating_add(1)).max(start)
    }

    /// The parts between separators.
    pub(super) fn parts(&self, separator: u8) -> impl Iterator<Item = Range<usize>> {
        let mut at = 0_usize;
        self.octets.split(move |octet| *octet == separator).map(move |part| {
            let start = at;
            at = at.saturating_add(part.len()).saturating_add(1);
            start..start.saturating_add(part.len())
        })
    }

    pub(super) fn part(&self, part: Range<usize>) -> &[u8] {
        self.octets.get(part).unwrap_or_default()
    }
}

/// What stands before and behind the first "=" or, for `sign`, another octet; both without white space around them.
pub(super) fn split_at(piece: &[u8], sign: u8) -> Option<(&[u8], &[u8])> {
    let at = piece.iter().position(|octet| *octet == sign)?;
    let (name, value) = piece.split_at_checked(at)?;
    Some((name.trim_ascii(), value.get(1..)?.trim_ascii()))
}
