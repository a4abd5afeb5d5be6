//! Body hashes: canonicalization and SHA-256 in one pass, beside SHA-256 of the raw body, which is the floor.

use std::hint::black_box;

use benches::{Shape, body};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dkim_core::body_hash::{BodyHashPlan, BodyHashes};
use dkim_core::canon::Canon;
use dkim_core::crypto::{Backend, Digest, HashAlgorithm};

const SIZE: usize = 1 << 20;

/// Octets of a chunk: what a milter is given at most.
const CHUNK: usize = 65_535;

/// One pass for these requests.
fn pass(requests: &[(Canon, Option<u64>)], body: &[u8]) -> BodyHashes {
    let mut plan = BodyHashPlan::new(Backend::default());
    for (canon, limit) in requests {
        plan.request(*canon, HashAlgorithm::Sha256, *limit);
    }
    let mut hasher = plan.start();
    for chunk in body.chunks(CHUNK) {
        hasher.update(black_box(chunk));
    }
    hasher.finish()
}

fn body_hash(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("body_hash");
    group.throughput(Throughput::Bytes(SIZE as u64));
    for shape in Shape::ALL {
        let body = body(shape, SIZE);
        group.bench_function(format!("floor/{}", shape.name()), |bencher| {
            bencher.iter(|| {
                let mut digest = Digest::new(Backend::default(), HashAlgorithm::Sha256);
                digest.update(black_box(&body));
                digest.finish()
            });
        });
        for (name, requests) in [
            ("simple", &[(Canon::Simple, None)][..]),
            ("relaxed", &[(Canon::Relaxed, None)]),
            ("both", &[(Canon::Simple, None), (Canon::Relaxed, None)]),
            (
                "relaxed_and_three_limits",
                &[
                    (Canon::Relaxed, None),
                    (Canon::Relaxed, Some(100)),
                    (Canon::Relaxed, Some(10_000)),
                    (Canon::Relaxed, Some(1_000_000)),
                ],
            ),
        ] {
            group.bench_function(format!("{name}/{}", shape.name()), |bencher| {
                bencher.iter(|| pass(requests, &body));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, body_hash);
criterion_main!(benches);
