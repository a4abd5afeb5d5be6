//! What the DNS last said of a key: noted by whoever checks, read by whoever signs or counts.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use super::published::State;

/// The standing of one key; shared, and changed without locks.
///
/// A mismatch holds until the DNS has the record: an answer that does not come in between changes nothing about it, so a key that does not sign
/// does not begin to sign because a name server is down.
#[derive(Debug, Default)]
pub struct Standing {
    latest: AtomicU8,
    is_mismatched: AtomicBool,
}

const UNCHECKED: u8 = 0;
const MATCHES: u8 = 1;
const MISMATCH: u8 = 2;
const UNKNOWN: u8 = 3;

impl Standing {
    /// What came of the last check; `None` before the first.
    #[must_use]
    pub fn latest(&self) -> Option<State> {
        match self.latest.load(Ordering::Relaxed) {
            MATCHES => Some(State::Matches),
            MISMATCH => Some(State::Mismatch),
            UNKNOWN => Some(State::Unknown),
            _ => None,
        }
    }

    /// Whether the last answer that came was another record, or none.
    #[must_use]
    pub fn is_mismatched(&self) -> bool {
        self.is_mismatched.load(Ordering::Relaxed)
    }

    /// Notes what came of a check.
    pub fn note(&self, state: State) {
        let (latest, is_mismatched) = match state {
            State::Matches => (MATCHES, Some(false)),
            State::Mismatch => (MISMATCH, Some(true)),
            State::Unknown => (UNKNOWN, None),
        };
        self.latest.store(latest, Ordering::Relaxed);
        if let Some(is_mismatched) = is_mismatched {
            self.is_mismatched.store(is_mismatched, Ordering::Relaxed);
        }
    }

    /// Forgets: nobody checks any more.
    pub fn forget(&self) {
        self.latest.store(UNCHECKED, Ordering::Relaxed);
        self.is_mismatched.store(false, Ordering::Relaxed);
    }

    /// Takes over what is known of the same key.
    pub fn take_over(&self, known: &Self) {
        self.latest.store(known.latest.load(Ordering::Relaxed), Ordering::Relaxed);
        self.is_mismatched.store(known.is_mismatched(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mismatch_ends_with_a_match_and_not_with_silence() {
        let standing = Standing::default();
        assert_eq!((standing.latest(), standing.is_mismatched()), (None, false));
        for (state, is_mismatched) in [
            (State::Unknown, false),
            (State::Matches, false),
            (State::Unknown, false),
            (State::Mismatch, true),
            (State::Unknown, true),
            (State::Matches, false),
            (State::Mismatch, true),
        ] {
            standing.note(state);
            assert_eq!((standing.latest(), standing.is_mismatched()), (Some(state), is_mismatched));
        }
        let other = Standing::default();
        other.take_over(&standing);
        assert_eq!((other.latest(), other.is_mismatched()), (Some(State::Mismatch), true));
        other.forget();
        assert_eq!((other.latest(), other.is_mismatched()), (None, false));
    }
}
