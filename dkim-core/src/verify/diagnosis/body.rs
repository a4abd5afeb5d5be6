//! What was done to the body.

use super::{BodyDiagnosis, DiagnosisLimits, other};
use crate::body_hash::{BodyCoverage, BodyHash, BodyHashPlan};
use crate::canon::body::BodyCanonicalizer;
use crate::crypto::{Backend, Digest};
use crate::signature::Signature;

pub(super) fn diagnose(
    signature: &Signature,
    body: &[u8],
    backend: Backend,
    limits: &DiagnosisLimits,
) -> BodyDiagnosis {
    let (canon, hash, length) = (signature.body_canon, signature.algorithm.hash(), signature.body_length);
    let mut plan = BodyHashPlan::new(backend);
    let as_signed = plan.request(canon, hash, length);
    let whole = plan.request(canon, hash, None);
    let otherwise = plan.request(other(canon), hash, length);
    let mut hasher = plan.start();
    hasher.update(body);
    let hashes = hasher.finish();
    let matches = |id| hashes.get(id).is_some_and(|body| *body.digest() == signature.body_hash);
    let present = hashes.get(whole).map_or(0, BodyHash::hashed_octets);
    match hashes.get(as_signed).map(BodyHash::coverage) {
        // Its digest is one of fewer octets than were signed.
        Some(BodyCoverage::BeyondEnd) if !matches(whole) => {
            return BodyDiagnosis::CutOff { signed: length.unwrap_or(present), present };
        }
        Some(BodyCoverage::Whole | BodyCoverage::Prefix) if matches(as_signed) => {
            return BodyDiagnosis::Intact { unsigned: length.map_or(0, |length| present.saturating_sub(length)) };
        }
        _ => {}
    }
    if matches(otherwise) {
        return BodyDiagnosis::OtherCanonicalization(other(canon));
    }
    if length.is_some() && matches(whole) {
        return BodyDiagnosis::WithoutLength;
    }
    if would_match_with_crlf(signature, body, backend) {
        return BodyDiagnosis::BareLineFeeds;
    }
    // With `l=` fewer octets than that cannot be what was signed.
    let appended = if length.is_none() { appended(signature, body, backend, limits.max_cuts) } else { None };
    appended.unwrap_or(BodyDiagnosis::Changed)
}

/// Whether the body would match if each LF that stands alone were CRLF. One pass, nothing is copied.
fn would_match_with_crlf(signature: &Signature, body: &[u8], backend: Backend) -> bool {
    let is_bare = |at: &usize| at.checked_sub(1).and_then(|before| body.get(before)) != Some(&b'\r');
    let mut bare = memchr::memchr_iter(b'\n', body).filter(is_bare).peekable();
    if bare.peek().is_none() {
        return false;
    }
    let mut plan = BodyHashPlan::new(backend);
    let id = plan.request(signature.body_canon, signature.algorithm.hash(), signature.body_length);
    let mut hasher = plan.start();
    let mut start = 0;
    for at in bare {
        hasher.update(body.get(start..at).unwrap_or_default());
        hasher.update(b"\r\n");
        start = at.saturating_add(1);
    }
    hasher.update(body.get(start..).unwrap_or_default());
    hasher
        .finish()
        .get(id)
        .is_some_and(|body| *body.digest() == signature.body_hash && body.coverage() != BodyCoverage::BeyondEnd)
}

/// Cuts the body at its last line ends, and before the first line if they are all of them. One pass: at each place the state of the digest is copied
/// and brought to its end, which costs the same wherever that is.
fn appended(signature: &Signature, body: &[u8], backend: Backend, max_cuts: usize) -> Option<BodyDiagnosis> {
    let first = match memchr::memrchr_iter(b'\n', body).nth(max_cuts) {
        Some(at) => at.saturating_add(1),
        None => 0,
    };
    let mut prefix = Prefix {
        machine: BodyCanonicalizer::new(signature.body_canon),
        digest: Digest::new(backend, signature.algorithm.hash()),
        octets: 0,
    };
    let (before, tail) = body.split_at_checked(first)?;
    prefix.update(before);
    let mut at = first;
    let mut lines = tail.split_inclusive(|octet| *octet == b'\n');
    loop {
        let (digest, signed) = prefix.clone().finish();
        if digest == signature.body_hash && at < body.len() {
            let rest = body.get(at..).unwrap_or_default();
            let lines = memchr::memchr_iter(b'\n', rest).count().saturating_add(usize::from(!rest.ends_with(b"\n")));
            return Some(BodyDiagnosis::Appended { octets: rest.len(), lines, signed });
        }
        let line = lines.next()?;
        prefix.update(line);
        at = at.saturating_add(line.len());
    }
}

/// The beginning of a body, in canonical form and hashed.
#[derive(Clone)]
struct Prefix {
    machine: BodyCanonicalizer,
    digest: Digest,
    octets: u64,
}

impl Prefix {
    fn update(&mut self, octets: &[u8]) {
        let Self { machine, digest, octets: count } = self;
        machine.update(octets, |canonical| {
            *count = count.saturating_add(canonical.len() as u64);
            digest.update(canonical);
        });
    }

    /// The hash as if the body ended here, and of how many octets it is.
    fn finish(self) -> (crate::crypto::HashValue, u64) {
        let Self { machine, mut digest, octets: mut count } = self;
        machine.finish(|canonical| {
            count = count.saturating_add(canonical.len() as u64);
            digest.update(canonical);
        });
        (digest.finish(), count)
    }
}
