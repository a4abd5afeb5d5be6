//! Body canonicalization alone: four shapes of body, both algorithms, three sizes of chunk. The sink keeps nothing.

use std::hint::black_box;

use benches::{Shape, body};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dkim_core::canon::Canon;
use dkim_core::canon::body::BodyCanonicalizer;

/// Octets of each body.
const SIZE: usize = 1 << 20;

/// The largest chunk of a milter, the size between, and a small one; "whole" is a file in memory.
const CHUNKS: [(&str, usize); 3] = [("whole", SIZE), ("64k", 65_535), ("1k", 1024)];

fn canonicalization(criterion: &mut Criterion) {
    for canon in [Canon::Simple, Canon::Relaxed] {
        let mut group = criterion.benchmark_group(format!("canonicalization/{canon}"));
        group.throughput(Throughput::Bytes(SIZE as u64));
        for shape in Shape::ALL {
            let body = body(shape, SIZE);
            for (name, length) in CHUNKS {
                group.bench_function(format!("{}/{name}", shape.name()), |bencher| {
                    bencher.iter(|| {
                        let mut machine = BodyCanonicalizer::new(canon);
                        for chunk in body.chunks(length) {
                            machine.update(black_box(chunk), |octets| {
                                black_box(octets);
                            });
                        }
                        machine.finish(|octets| {
                            black_box(octets);
                        });
                    });
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, canonicalization);
criterion_main!(benches);
