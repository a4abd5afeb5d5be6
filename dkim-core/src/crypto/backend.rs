//! The choice between backends, and what every backend offers.

use super::HashAlgorithm;
#[cfg(feature = "ring")]
use super::ring;

/// The crate that does the arithmetic; one variant for each enabled feature.
///
/// Results never depend on the choice, only speed does.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Backend {
    /// The `ring` crate (feature `ring`).
    #[cfg(feature = "ring")]
    #[default]
    Ring,
}

/// A running hash.
///
/// ```
/// use dkim_core::crypto::{Backend, Digest, HashAlgorithm};
///
/// let mut digest = Digest::new(Backend::default(), HashAlgorithm::Sha256);
/// digest.update(b"\r\n");
/// assert_eq!(digest.finish()[..4], [0x71, 0xc0, 0x95, 0x0b]); // the hash of an empty body, RFC 6376 §3.4.3
/// ```
#[derive(Debug)]
pub struct Digest(State);

#[derive(Debug)]
enum State {
    #[cfg(feature = "ring")]
    Ring(ring::Digest),
}

impl Digest {
    /// Starts a hash with `algorithm`, computed by `backend`.
    #[must_use]
    pub fn new(backend: Backend, algorithm: HashAlgorithm) -> Self {
        match backend {
            #[cfg(feature = "ring")]
            Backend::Ring => Self(State::Ring(ring::Digest::new(algorithm))),
        }
    }

    /// Adds octets.
    pub fn update(&mut self, octets: &[u8]) {
        match &mut self.0 {
            #[cfg(feature = "ring")]
            State::Ring(digest) => digest.update(octets),
        }
    }

    /// The hash of all octets added.
    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        match self.0 {
            #[cfg(feature = "ring")]
            State::Ring(digest) => digest.finish(),
        }
    }
}
