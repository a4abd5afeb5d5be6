//! Gathers short runs of octets, so that a digest is updated with several KiB at once.
//!
//! A digest pays for every call, and text with much white space to reduce comes from the canonicalizer in runs of a few dozen octets. Long runs
//! pass through untouched: copying them would cost more than the call.

use crate::canon::Canon;

/// Octets gathered at most of `relaxed`, which comes in short runs.
const CAPACITY: usize = 4096;

/// Octets gathered at most of `simple`: nothing but line ends comes in short runs.
const CAPACITY_SIMPLE: usize = 1024;

/// The buffer; allocated at the first short run, as long as it ever gets from then on. Longer runs are not copied.
#[derive(Debug)]
pub(super) struct Stage {
    gathered: Vec<u8>,
    capacity: usize,
}

impl Stage {
    pub(super) const fn new(canon: Canon) -> Self {
        let capacity = match canon {
            Canon::Simple => CAPACITY_SIMPLE,
            Canon::Relaxed => CAPACITY,
        };
        Self { gathered: Vec::new(), capacity }
    }

    /// Takes a run: gathers it or hands it on, in order.
    #[inline]
    pub(super) fn push(&mut self, octets: &[u8], sink: &mut impl FnMut(&[u8])) {
        if octets.len() >= self.capacity {
            self.flush(sink);
            sink(octets);
            return;
        }
        if self.gathered.len().saturating_add(octets.len()) > self.capacity {
            self.flush(sink);
        }
        if self.gathered.capacity() == 0 {
            self.gathered.reserve_exact(self.capacity);
        }
        self.gathered.extend_from_slice(octets);
    }

    /// What is gathered and was not handed on yet.
    pub(super) fn gathered(&self) -> &[u8] {
        &self.gathered
    }

    /// Hands on what is gathered.
    pub(super) fn flush(&mut self, sink: &mut impl FnMut(&[u8])) {
        if !self.gathered.is_empty() {
            sink(&self.gathered);
            self.gathered.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn short_runs_reach_the_digest_in_few_calls_and_long_ones_are_not_copied() {
        let run = [b'x'; 24];
        let long = [b'y'; CAPACITY];
        let mut stage = Stage::new(Canon::Relaxed);
        let (mut calls, mut octets, mut direct) = (0, 0, false);
        let mut sink = |given: &[u8]| {
            calls += 1;
            octets += given.len();
            direct |= given.as_ptr() == long.as_ptr();
        };
        for _ in 0..10_000 {
            stage.push(&run, &mut sink);
        }
        stage.push(&long, &mut sink);
        stage.flush(&mut sink);
        assert_eq!(octets, 10_000 * run.len() + long.len());
        assert_eq!(calls, (10_000 * run.len()).div_ceil(CAPACITY / run.len() * run.len()) + 1);
        assert!(direct);
        assert_eq!(stage.gathered.capacity(), CAPACITY);
    }

    proptest! {
        #[test]
        fn order_and_content_are_kept(lengths in proptest::collection::vec(prop_oneof![0..40_usize, 900..5000_usize], 0..60)) {
            let text: Vec<u8> = (0..=250).cycle().take(lengths.iter().sum()).collect();
            for canon in [Canon::Simple, Canon::Relaxed] {
                let (mut stage, mut rest, mut out) = (Stage::new(canon), &text[..], Vec::new());
                for length in &lengths {
                    let (run, after) = rest.split_at(*length);
                    stage.push(run, &mut |given| out.extend_from_slice(given));
                    rest = after;
                }
                stage.flush(&mut |given| out.extend_from_slice(given));
                prop_assert_eq!(&out, &text);
            }
        }
    }
}
