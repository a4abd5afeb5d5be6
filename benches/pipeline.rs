//! A whole message, as a library user would sign or verify it, on the backend of the programs: 1, 4 and 10 signatures.
//!
//! How the time of one signature relates to the floor is printed by `ratios`.

use benches::message::{Key, SIZES, message, message_body, sign, specs, verify};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dkim_core::canon::Canon;
use dkim_core::crypto::Backend;

const BACKEND: Backend = Backend::AwsLc;
const SIGNATURES: [usize; 3] = [1, 4, 10];

fn one(criterion: &mut Criterion) {
    for (name, size) in SIZES {
        let mut group = criterion.benchmark_group(format!("message/{name}"));
        let body = message_body(size);
        group.throughput(Throughput::Bytes(size as u64));
        for key in Key::both(BACKEND) {
            for canon in [Canon::Simple, Canon::Relaxed] {
                let specs = specs(std::slice::from_ref(&key), canon);
                let unsigned = message(&[], &body);
                let signed = message(&sign(BACKEND, &specs, &unsigned), &body);
                let answers = [key.answer()];
                assert_eq!(verify(BACKEND, &answers, &signed), 1);
                group.bench_function(format!("sign/{}/{canon}", key.name), |bencher| {
                    bencher.iter(|| sign(BACKEND, &specs, &unsigned));
                });
                group.bench_function(format!("verify/{}/{canon}", key.name), |bencher| {
                    bencher.iter(|| verify(BACKEND, &answers, &signed));
                });
            }
        }
        group.finish();
    }
}

/// Several signatures of one message: both keys by turns, each under its own name.
fn several(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("signatures/20k");
    let body = message_body(20 << 10);
    let unsigned = message(&[], &body);
    for count in SIGNATURES {
        let keys: Vec<Key> = Key::both(BACKEND).into_iter().cycle().take(count).collect();
        let specs = specs(&keys, Canon::Relaxed);
        group.bench_function(BenchmarkId::new("sign", count), |bencher| {
            bencher.iter(|| sign(BACKEND, &specs, &unsigned));
        });
        let signed = message(&sign(BACKEND, &specs, &unsigned), &body);
        let answers: Vec<_> = keys.iter().map(Key::answer).collect();
        assert_eq!(verify(BACKEND, &answers, &signed), count);
        group.bench_function(BenchmarkId::new("verify", count), |bencher| {
            bencher.iter(|| verify(BACKEND, &answers, &signed));
        });
    }
    group.finish();
}

criterion_group!(benches, one, several);
criterion_main!(benches);
