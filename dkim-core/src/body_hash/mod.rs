//! Body hashes: one pass over the body, whatever the number of signatures (RFC 6376 §3.7, step 1).
//!
//! Everything that needs a body hash asks a [`BodyHashPlan`] for it before the body arrives; the [`BodyHasher`] then runs at most two
//! canonicalizers and one digest for each distinct (canonicalization, hash, limit); [`BodyHashes`] answers by the id that the request was given.
//!
//! ```text
//!            ┌─ BodyCanonicalizer simple ─── Stage ─┬─ digest
//!   chunk ──►│                                      └─ l=100 ► digest
//!            └─ BodyCanonicalizer relaxed ── Stage ─── digest
//! ```
//!
//! The limit (`l=`) counts canonical octets, so it stands in front of one digest and not in front of the canonicalizer. Whether a limit left part of
//! the body unsigned, or lies beyond its end, is part of the answer: [`BodyCoverage`].
//!
//! Invariants: the answers do not depend on how the body is cut; memory does not depend on its length. The module does not know signatures and
//! compares nothing; the number of distinct requests is bounded by whoever makes them (verification by `max_signatures`).

use crate::canon::Canon;
use crate::canon::body::BodyCanonicalizer;
use crate::crypto::{Backend, Digest, HashAlgorithm, HashValue};
use crate::few::Few;

use self::stage::Stage;

mod stage;

/// The body hashes that a message needs.
///
/// ```
/// use dkim_core::body_hash::BodyHashPlan;
/// use dkim_core::canon::Canon;
/// use dkim_core::crypto::{Backend, HashAlgorithm};
///
/// let mut plan = BodyHashPlan::new(Backend::default());
/// let whole = plan.request(Canon::Relaxed, HashAlgorithm::Sha256, None);
/// let first = plan.request(Canon::Simple, HashAlgorithm::Sha256, Some(5));
///
/// let mut hasher = plan.start();
/// for chunk in [&b"Hello, wo"[..], b"rld \r", b"\n"] {
///     hasher.update(chunk);
/// }
/// let bodies = hasher.finish();
///
/// assert!(bodies.get(whole).is_some_and(|body| body.covers_body() && body.hashed_octets() == 14));
/// assert!(bodies.get(first).is_some_and(|body| !body.covers_body() && body.hashed_octets() == 5));
/// ```
#[derive(Clone, Debug)]
pub struct BodyHashPlan {
    backend: Backend,
    requests: Few<Request>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Request {
    canon: Canon,
    hash: HashAlgorithm,
    limit: Option<u64>,
    /// Up to how many canonical octets the length of the body is to be known; at least the limit.
    reach: u64,
}

/// Names one requested hash; good for the [`BodyHashes`] that come of the same plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BodyHashId(usize);

impl BodyHashPlan {
    /// A plan without requests, whose digests `backend` will compute.
    #[must_use]
    pub const fn new(backend: Backend) -> Self {
        Self { backend, requests: Few::new() }
    }

    /// Asks for the hash of the body in the form `canon`, or of its first `limit` canonical octets (the `l=` tag, §3.5).
    ///
    /// The same request returns the same id and costs nothing more. Different limits are different requests.
    pub fn request(&mut self, canon: Canon, hash: HashAlgorithm, limit: Option<u64>) -> BodyHashId {
        self.request_reaching(canon, hash, limit, 0)
    }

    /// As [`request`](Self::request); and whoever has a limit learns the length of the canonical body if it has at most `reach` octets
    /// ([`BodyHash::seen_octets`]).
    pub fn request_reaching(
        &mut self,
        canon: Canon,
        hash: HashAlgorithm,
        limit: Option<u64>,
        reach: u64,
    ) -> BodyHashId {
        let is_same = |other: &Request| (other.canon, other.hash, other.limit) == (canon, hash, limit);
        let known = self.requests.iter().position(is_same);
        if let Some(known) = known {
            if let Some(request) = self.requests.iter_mut().nth(known) {
                request.reach = request.reach.max(reach);
            }
            return BodyHashId(known);
        }
        self.requests.push(Request { canon, hash, limit, reach });
        BodyHashId(self.requests.len().saturating_sub(1))
    }

    /// The number of distinct requests, which is the number of digests that will run.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether nothing was requested, so that the body need not be read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Begins the pass over the body.
    #[must_use]
    pub fn start(self) -> BodyHasher {
        let lane = |canon| self.requests.iter().any(|request| request.canon == canon).then(|| Lane::new(canon));
        let lanes = [lane(Canon::Simple), lane(Canon::Relaxed)];
        let backend = self.backend;
        BodyHasher { lanes, slots: self.requests.map(|request| Slot { request, backend, digest: None, hashed: 0 }) }
    }
}

/// The pass over the body.
///
/// *Inputs*: the octets after the empty line that ends the header, in order, cut in any way.
/// *Limits*: holds one buffer of at most 4 KiB for each of at most two canonicalizations, and one digest for each distinct request.
#[derive(Debug)]
pub struct BodyHasher {
    lanes: [Option<Lane>; 2],
    slots: Few<Slot>,
}

/// One canonicalization and what its digests have in common.
#[derive(Debug)]
struct Lane {
    machine: BodyCanonicalizer,
    stage: Stage,
    /// Canonical octets seen so far, also those that still stand in `stage`.
    total: u64,
}

/// One digest.
#[derive(Debug)]
struct Slot {
    request: Request,
    backend: Backend,
    /// Begun when the stage is full for the first time: a body that fits it is hashed at once.
    digest: Option<Digest>,
    hashed: u64,
}

impl BodyHasher {
    /// Takes the next octets of the body.
    pub fn update(&mut self, chunk: &[u8]) {
        let slots = &mut self.slots;
        for lane in self.lanes.iter_mut().flatten() {
            if lane.wants_more(slots) {
                lane.update(chunk, slots);
            }
        }
    }

    /// Whether more of the body can change any answer. Once `false` the rest need not be read; giving it to [`update`](Self::update) all the same
    /// changes nothing.
    ///
    /// It turns `false` only if every request has a limit and each body is known to go on behind it, or if there are no requests.
    #[must_use]
    pub fn wants_more(&self) -> bool {
        self.lanes.iter().flatten().any(|lane| lane.wants_more(&self.slots))
    }

    /// Ends the body.
    #[must_use]
    pub fn finish(self) -> BodyHashes {
        let Self { mut lanes, mut slots } = self;
        for lane in lanes.iter_mut().flatten() {
            lane.finish(&mut slots);
        }
        let [simple, relaxed] = &lanes;
        let hashes = slots.map(|slot| {
            let lane = match slot.request.canon {
                Canon::Simple => simple,
                Canon::Relaxed => relaxed,
            };
            let (total, rest) = lane.as_ref().map_or((0, &[][..]), |lane| (lane.total, lane.stage.gathered()));
            slot.finish(total, rest)
        });
        BodyHashes { hashes }
    }
}

impl Lane {
    const fn new(canon: Canon) -> Self {
        Self { machine: BodyCanonicalizer::new(canon), stage: Stage::new(canon), total: 0 }
    }

    fn wants_more(&self, slots: &Few<Slot>) -> bool {
        // At the limit itself more is wanted: one octet behind it tells that the body is not covered.
        let canon = self.machine.canon();
        let wants = |request: &Request| request.limit.is_none_or(|limit| self.total <= limit.max(request.reach));
        slots.iter().any(|slot| slot.request.canon == canon && wants(&slot.request))
    }

    fn update(&mut self, chunk: &[u8], slots: &mut Few<Slot>) {
        let Self { machine, stage, total } = self;
        let canon = machine.canon();
        machine.update(chunk, |octets| {
            *total = total.saturating_add(octets.len() as u64);
            stage.push(octets, &mut |staged| hash(canon, staged, slots));
        });
    }

    /// Writes what was held back. The last octets of the body stay on the stage.
    fn finish(&mut self, slots: &mut Few<Slot>) {
        let Self { machine, stage, total } = self;
        let canon = machine.canon();
        machine.clone().finish(|octets| {
            *total = total.saturating_add(octets.len() as u64);
            stage.push(octets, &mut |staged| hash(canon, staged, slots));
        });
    }
}

/// Gives canonical octets to every digest over that canonicalization.
fn hash(canon: Canon, octets: &[u8], slots: &mut Few<Slot>) {
    for slot in slots.iter_mut().filter(|slot| slot.request.canon == canon) {
        slot.update(octets);
    }
}

impl Slot {
    fn update(&mut self, octets: &[u8]) {
        let octets = self.cut(octets);
        if !octets.is_empty() {
            self.hashed = self.hashed.saturating_add(octets.len() as u64);
            self.digest.get_or_insert_with(|| Digest::new(self.backend, self.request.hash)).update(octets);
        }
    }

    /// What of the next octets is within the limit.
    fn cut<'o>(&self, octets: &'o [u8]) -> &'o [u8] {
        // §3.7: "Canonicalize the message body, and truncate it to the length specified in the "l=" tag."
        match self.request.limit {
            None => octets,
            Some(limit) => {
                let left = limit.saturating_sub(self.hashed);
                let count = usize::try_from(left).map_or(octets.len(), |left| left.min(octets.len()));
                octets.get(..count).unwrap_or_default()
            }
        }
    }

    /// The answer for a body of `total` canonical octets, the last of which are `rest`.
    fn finish(self, total: u64, rest: &[u8]) -> BodyHash {
        let rest = self.cut(rest);
        let hashed = self.hashed.saturating_add(rest.len() as u64);
        let digest = match self.digest {
            None => self.backend.hash(self.request.hash, rest),
            Some(mut digest) => {
                digest.update(rest);
                digest.finish()
            }
        };
        let coverage = match self.request.limit {
            Some(limit) if limit > total => BodyCoverage::BeyondEnd,
            Some(limit) if limit < total => BodyCoverage::Prefix,
            _ => BodyCoverage::Whole,
        };
        BodyHash { digest, hashed, seen: total, coverage }
    }
}

/// The answers of one pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BodyHashes {
    hashes: Few<BodyHash>,
}

impl BodyHashes {
    /// The hash that was requested under this id; `None` for an id of another plan that had more requests.
    #[must_use]
    pub fn get(&self, id: BodyHashId) -> Option<&BodyHash> {
        self.hashes.get(id.0)
    }
}

/// One body hash and how much of the body it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyHash {
    digest: HashValue,
    hashed: u64,
    seen: u64,
    coverage: BodyCoverage,
}

impl BodyHash {
    /// The hash: what `bh=` holds in base64.
    #[must_use]
    pub const fn digest(&self) -> &HashValue {
        &self.digest
    }

    /// The number of canonical octets that were hashed: the length of the canonical body, unless a limit cut it.
    #[must_use]
    pub const fn hashed_octets(&self) -> u64 {
        self.hashed
    }

    /// The number of canonical octets that were seen: the length of the canonical body, unless it is beyond limit and reach of every request, where
    /// nobody looks any more.
    #[must_use]
    pub const fn seen_octets(&self) -> u64 {
        self.seen
    }

    /// How the limit relates to the canonical body.
    #[must_use]
    pub const fn coverage(&self) -> BodyCoverage {
        self.coverage
    }

    /// Whether all of the canonical body was hashed and the limit, if there was one, is its exact length.
    #[must_use]
    pub const fn covers_body(&self) -> bool {
        matches!(self.coverage, BodyCoverage::Whole)
    }
}

/// How a limit (`l=`) relates to the length of the canonical body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BodyCoverage {
    /// The whole body was hashed: no limit, or one that is its exact length.
    Whole,
    /// The body goes on behind the limit, and nothing vouches for the rest (§8.2).
    Prefix,
    /// The limit lies beyond the end. §3.5: "This value MUST NOT be larger than the actual number of octets in the canonicalized message body."
    BeyondEnd,
}

#[cfg(test)]
mod tests;
