//! Hostile inputs: what they take grows as they do.
//!
//! No clock is asked. Memory is counted at one size and at sixteen times that size; and each input also comes so large that an algorithm with a step
//! for each pair of its parts (fields, names, tags, folds, blanks) would need some 10¹⁰ steps, and this suite minutes to hours in place of seconds.

use std::sync::Arc;

use dkim_core::body_hash::BodyHashPlan;
use dkim_core::canon::Canon;
use dkim_core::crypto::{Backend, HashAlgorithm};
use dkim_core::header::{HeaderBlock, HeaderLimits};
use dkim_core::key_record::KeyRecord;
use dkim_core::sign::Signing;
use dkim_core::signature::{Signature, SignatureLimits};
use dkim_core::tag_list::{TagLimits, TagList};
use dkim_core::verify::{KeyAnswer, Verification, VerifyPolicy};

use crate::counting::{Heap, counted};
use crate::mail::{self, NOW};

const FACTOR: usize = 16;

/// Runs `work` at three sizes and compares what it asked of the heap.
fn grows_linearly(name: &str, small: usize, huge: usize, work: impl Fn(usize) -> Heap) {
    // The first use of a backend sets it up.
    work(1);
    let (one, many) = (work(small), work(small * FACTOR));
    let factor = FACTOR as u64;
    // Lists grow by doubling, so a size just behind a power of two asks for up to twice as much; and small ones have room to spare.
    assert!(many.octets <= 2 * factor * one.octets + 65_536, "{name}: {one:?}, then {many:?}");
    assert!(many.calls <= factor * one.calls + 64, "{name}: {one:?}, then {many:?}");
    work(huge);
}

fn limits() -> HeaderLimits {
    let mut limits = HeaderLimits::default();
    limits.max_bytes = usize::MAX;
    limits.max_fields = usize::MAX;
    limits
}

fn unlimited(max_signatures: usize) -> VerifyPolicy {
    let mut policy = VerifyPolicy::default();
    policy.max_signatures = max_signatures;
    policy.max_header_names = usize::MAX;
    policy.max_signature_bytes = usize::MAX;
    policy.max_tags = usize::MAX;
    policy
}

fn unlimited_tags() -> TagLimits {
    let mut limits = TagLimits::default();
    limits.max_tags = usize::MAX;
    limits.max_bytes = usize::MAX;
    limits
}

/// A signature that reaches the check of its body hash.
fn signature(tags: &str) -> String {
    format!(
        "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.com; s=sel; \
         bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=QUJD; {tags}\r\n"
    )
}

/// Verifies a message without body whose key is known; the heap of all of it, and the number of reports.
fn verified(header: &str, policy: &VerifyPolicy) -> (usize, Heap) {
    let backend = Backend::default();
    let answer = mail::answer(backend, &*mail::key(backend, "ed25519.seed.b64"));
    counted(|| {
        let (headers, _) = HeaderBlock::parse(header.as_bytes(), limits()).unwrap();
        let mut plan = BodyHashPlan::new(backend);
        let mut verification = Verification::start(Arc::new(headers), NOW, policy, &mut plan);
        let ids: Vec<_> = verification.key_queries().map(|query| query.id).collect();
        ids.into_iter().for_each(|id| verification.provide_key(id, KeyAnswer::clone(&answer)));
        verification.finish(&plan.start().finish()).len()
    })
}

#[test]
fn signature_fields() {
    // Under the default limit, and when all of them are looked at.
    for (max_signatures, huge) in [(10, 100_000), (usize::MAX, 10_000)] {
        grows_linearly("signatures", 100, huge, |count| {
            let header = signature("h=from").repeat(count) + "From: a@example.com\r\n\r\n";
            let (reports, heap) = verified(&header, &unlimited(max_signatures));
            assert_eq!(reports, count);
            heap
        });
    }
}

#[test]
fn names_of_one_signature() {
    for name in ["x", "from"] {
        grows_linearly("names in h=", 1000, 100_000, |count| {
            let names = format!("from{}", format!(":{name}").repeat(count));
            let fields = format!("{name}: y\r\n").repeat(count);
            let header = format!("{}{fields}From: a@example.com\r\n\r\n", signature(&format!("h={names}")));
            verified(&header, &unlimited(10)).1
        });
    }
    grows_linearly("different names in h=", 1000, 100_000, |count| {
        let names: String = (0..count).map(|number| format!(":x{number}")).collect();
        let fields: String = (0..count).map(|number| format!("x{number}: y\r\n")).collect();
        let header = format!("{}{fields}From: a@example.com\r\n\r\n", signature(&format!("h=from{names}")));
        verified(&header, &unlimited(10)).1
    });
}

#[test]
fn one_long_field() {
    for part in [" ", "\r\n ", " \t \r\n\t", "a ", "a  ", "x"] {
        grows_linearly("one field", 1000, 1 << 20, |count| {
            let filling = part.repeat(count);
            let header =
                format!("{}From: a@example.com{filling}b\r\n\r\n", signature(&format!("n=a{filling}b; h=from")));
            verified(&header, &unlimited(10)).1
        });
    }
}

#[test]
fn a_message_to_sign_with_many_fields() {
    let backend = Backend::default();
    let (key, mut spec) = (mail::key(backend, "ed25519.seed.b64"), mail::spec(Canon::Relaxed, "s").spec().clone());
    spec.max_header_names = usize::MAX;
    for name in ["To", "X-Other"] {
        grows_linearly("fields to sign", 1000, 100_000, |count| {
            let header = format!("{name}: a@example.com\r\n").repeat(count) + "From: a@example.com\r\n\r\n";
            counted(|| {
                let (headers, _) = HeaderBlock::parse(header.as_bytes(), limits()).unwrap();
                let mut plan = BodyHashPlan::new(backend);
                let signing = Signing::start(&headers, spec.clone(), Arc::clone(&key), NOW, &mut plan).unwrap();
                signing.finish(&plan.start().finish()).unwrap()
            })
            .1
        });
    }
}

#[test]
fn tag_lists() {
    let parsed = |text: &str| counted(|| TagList::parse(text.as_bytes(), unlimited_tags()).is_ok()).1;
    grows_linearly("semicolons", 1000, 1 << 20, |count| parsed(&";".repeat(count)));
    grows_linearly("semicolons behind a tag", 1000, 1 << 20, |count| parsed(&format!("a=b{}", ";".repeat(count))));
    grows_linearly("blanks", 1000, 1 << 20, |count| parsed(&" \t".repeat(count)));
    grows_linearly("folds", 1000, 1 << 20, |count| parsed(&format!("a={}b", "\r\n ".repeat(count))));
    grows_linearly("tags", 1000, 200_000, |count| {
        let tags: Vec<String> = (0..count).map(|number| format!("n{number}=x")).collect();
        parsed(&tags.join(";"))
    });
}

#[test]
fn values_of_a_signature() {
    let mut limits = SignatureLimits::default();
    limits.tags = unlimited_tags();
    limits.max_header_names = usize::MAX;
    let parsed = |tags: &str| {
        let field = signature(tags);
        let (_, value) = field.trim_end().split_once(':').unwrap();
        counted(|| Signature::parse(value.as_bytes(), &limits).is_ok()).1
    };
    for (name, tag) in [("i", "i=a=40"), ("q", "q=x:"), ("c", "c=x/"), ("z", "z=From:a|"), ("x", "x=1")] {
        grows_linearly(name, 1000, 1 << 20, |count| {
            let (start, part) = tag.split_at(2);
            parsed(&format!("{start}{}@example.com; h=from", part.repeat(count)))
        });
    }
    grows_linearly("b", 1000, 1 << 20, |count| {
        let value = format!("v=1; a=ed25519-sha256; d=a.b; s=s; h=from; bh={0}; b={0}", "A\r\n\t".repeat(count * 4));
        counted(|| Signature::parse(value.as_bytes(), &limits).is_ok()).1
    });
}

#[test]
fn key_records() {
    for part in ["A", " ", ";", "k=rsa;", "\r\n "] {
        grows_linearly("key record", 1000, 1 << 18, |count| {
            let text = format!("v=DKIM1; p={}", part.repeat(count));
            counted(|| KeyRecord::parse(text.as_bytes()).is_ok()).1
        });
    }
}

#[test]
fn bodies() {
    let blanks = " \t".repeat(37);
    for part in [&format!("{blanks}\r\n"), " ", "\r\n", "\r", "a ", " \r", "a\t\r\n"] {
        for canon in [Canon::Simple, Canon::Relaxed] {
            grows_linearly("body", 1000, (4 << 20) / part.len(), |count| {
                let body = part.repeat(count);
                let hash = |chunk: usize| {
                    let mut plan = BodyHashPlan::new(Backend::default());
                    plan.request(canon, HashAlgorithm::Sha256, None);
                    counted(|| mail::hash(plan, body.as_bytes().chunks(chunk))).1
                };
                hash(7);
                hash(body.len().max(1))
            });
        }
    }
}
