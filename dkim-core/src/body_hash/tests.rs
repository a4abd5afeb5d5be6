use super::*;

/// SHA-256 of the empty simple body, CRLF (D-17).
const EMPTY_SIMPLE: &str = "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=";
/// SHA-256 of no octets (D-18).
const EMPTY_RELAXED: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

fn plan() -> BodyHashPlan {
    BodyHashPlan::new(Backend::default())
}

fn base64(hash: &BodyHash) -> String {
    use ::base64::Engine as _;
    ::base64::engine::general_purpose::STANDARD.encode(hash.digest())
}

/// The answer to a single request over a body in chunks.
fn hashed(canon: Canon, limit: Option<u64>, chunks: &[&[u8]]) -> BodyHash {
    let mut plan = plan();
    let id = plan.request(canon, HashAlgorithm::Sha256, limit);
    let mut hasher = plan.start();
    for chunk in chunks {
        hasher.update(chunk);
    }
    hasher.finish().get(id).cloned().unwrap()
}

#[test]
fn d17_empty_simple_body_has_the_hash_of_crlf() {
    for chunks in [&[][..], &[&b"\r\n"[..]], &[&b"\r"[..], b"\n\r\n"]] {
        assert_eq!(base64(&hashed(Canon::Simple, None, chunks)), EMPTY_SIMPLE);
    }
}

#[test]
fn d18_empty_relaxed_body_has_the_hash_of_nothing() {
    for chunks in [&[][..], &[&b"\r\n"[..]], &[&b" \t"[..], b"\r\n\r", b"\n  "]] {
        assert_eq!(base64(&hashed(Canon::Relaxed, None, chunks)), EMPTY_RELAXED);
    }
}

#[test]
fn the_same_request_has_the_same_id_and_one_digest() {
    let mut plan = plan();
    let first = plan.request(Canon::Relaxed, HashAlgorithm::Sha256, None);
    let limited = plan.request(Canon::Relaxed, HashAlgorithm::Sha256, Some(10));
    let simple = plan.request(Canon::Simple, HashAlgorithm::Sha256, None);
    for _ in 0..1000 {
        assert_eq!(plan.request(Canon::Relaxed, HashAlgorithm::Sha256, None), first);
        assert_eq!(plan.request(Canon::Relaxed, HashAlgorithm::Sha256, Some(10)), limited);
        assert_eq!(plan.request(Canon::Simple, HashAlgorithm::Sha256, None), simple);
    }
    assert_eq!(plan.len(), 3);
    assert_eq!(plan.start().slots.len(), 3);
}

#[test]
fn only_the_canonicalizers_that_are_needed_run() {
    let mut plan = plan();
    assert!(plan.is_empty());
    plan.request(Canon::Relaxed, HashAlgorithm::Sha256, None);
    let hasher = plan.start();
    assert!(matches!(&hasher.lanes, [None, Some(_)]));
}

#[test]
fn s3_5_limit_counts_canonical_octets() {
    let body: &[&[u8]] = &[b"a  \t b \r\n\r", b"\nc\r\n\r\n"];
    // Canonical: "a b" CRLF CRLF "c" CRLF, ten octets.
    let whole = hashed(Canon::Relaxed, None, body);
    assert_eq!((whole.hashed_octets(), whole.coverage()), (10, BodyCoverage::Whole));
    for limit in 0..10 {
        let part = hashed(Canon::Relaxed, Some(limit), body);
        assert_eq!((part.hashed_octets(), part.coverage()), (limit, BodyCoverage::Prefix), "l={limit}");
        assert!(!part.covers_body());
    }
    let exact = hashed(Canon::Relaxed, Some(10), body);
    assert_eq!(exact, whole);
    assert!(exact.covers_body());
    let beyond = hashed(Canon::Relaxed, Some(11), body);
    assert_eq!((beyond.digest(), beyond.coverage()), (whole.digest(), BodyCoverage::BeyondEnd));
}

#[test]
fn s3_5_limited_hash_is_the_hash_of_the_first_octets() {
    let body = b"Two  words\r\nand more\r\n";
    let expected = hashed(Canon::Simple, None, &[b"x"]);
    assert_eq!(expected.hashed_octets(), 3);
    for limit in [0, 1, 5, 12, 22] {
        let mut digest = Digest::new(Backend::default(), HashAlgorithm::Sha256);
        digest.update(&body[..limit]);
        assert_eq!(*hashed(Canon::Simple, Some(limit as u64), &[body]).digest(), digest.finish(), "l={limit}");
    }
}

#[test]
fn d12_zero_limit_covers_an_empty_relaxed_body_only() {
    assert_eq!(hashed(Canon::Relaxed, Some(0), &[b"\r\n"]).coverage(), BodyCoverage::Whole);
    assert_eq!(hashed(Canon::Relaxed, Some(0), &[b"x"]).coverage(), BodyCoverage::Prefix);
    // The empty simple body is CRLF, two octets.
    assert_eq!(hashed(Canon::Simple, Some(0), &[]).coverage(), BodyCoverage::Prefix);
    assert_eq!(hashed(Canon::Simple, Some(2), &[]).coverage(), BodyCoverage::Whole);
    assert_eq!(hashed(Canon::Simple, Some(3), &[]).coverage(), BodyCoverage::BeyondEnd);
}

#[test]
fn wants_more_until_every_limit_is_passed() {
    let mut plan = plan();
    let short = plan.request(Canon::Simple, HashAlgorithm::Sha256, Some(2));
    let long = plan.request(Canon::Relaxed, HashAlgorithm::Sha256, Some(4));
    let mut hasher = plan.start();
    hasher.update(b"ab");
    assert!(hasher.wants_more());
    hasher.update(b"cd");
    assert!(hasher.wants_more(), "exactly at the limit: it may be the whole body");
    hasher.update(b"e");
    assert!(!hasher.wants_more());

    // What arrives all the same changes nothing.
    hasher.update(&b"f g ".repeat(10_000));
    let bodies = hasher.finish();
    let get = |id| bodies.get(id).map(|hash| (hash.hashed_octets(), hash.coverage()));
    assert_eq!(get(short), Some((2, BodyCoverage::Prefix)));
    assert_eq!(get(long), Some((4, BodyCoverage::Prefix)));
}

#[test]
fn no_requests_want_nothing_and_an_unlimited_one_wants_all() {
    assert!(!plan().start().wants_more());
    let mut plan = plan();
    plan.request(Canon::Simple, HashAlgorithm::Sha256, Some(1));
    plan.request(Canon::Simple, HashAlgorithm::Sha256, None);
    let mut hasher = plan.start();
    hasher.update(&[b'x'; 100_000]);
    assert!(hasher.wants_more());
}

#[test]
fn ids_of_a_larger_plan_have_no_answer() {
    let mut larger = plan();
    larger.request(Canon::Simple, HashAlgorithm::Sha256, None);
    let foreign = larger.request(Canon::Relaxed, HashAlgorithm::Sha256, None);
    let mut smaller = plan();
    smaller.request(Canon::Simple, HashAlgorithm::Sha256, None);
    assert_eq!(smaller.start().finish().get(foreign), None);
}

#[test]
fn one_pass_gives_every_request_what_it_would_get_alone() {
    let body = b"  Some \t text\r\n with runs  \r\n\r\nand an end \r\n\r\n".repeat(200);
    let wanted: Vec<(Canon, Option<u64>)> = [Canon::Simple, Canon::Relaxed]
        .into_iter()
        .flat_map(|canon| [None, Some(0), Some(77), Some(5000), Some(1 << 40)].map(|limit| (canon, limit)))
        .collect();
    let mut plan = plan();
    let ids: Vec<BodyHashId> =
        wanted.iter().map(|(canon, limit)| plan.request(*canon, HashAlgorithm::Sha256, *limit)).collect();
    let mut hasher = plan.start();
    for chunk in body.chunks(61) {
        hasher.update(chunk);
    }
    let bodies = hasher.finish();
    for (id, (canon, limit)) in ids.into_iter().zip(wanted) {
        assert_eq!(bodies.get(id), Some(&hashed(canon, limit, &[&body])), "{canon} {limit:?}");
    }
}
