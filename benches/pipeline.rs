//! A whole message, as a library user would sign or verify it: keys parsed and key records at hand, the body in milter chunks.
//!
//! `floor` is what no implementation can go below with the same backend: SHA-256 of the raw body and of 1,500 octets of header, and the public-key
//! operation. Text and HTML take turns in the bodies; the large one is a base64 attachment.
#![expect(
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    reason = "keys and messages are constants of this program"
)]

use std::hint::black_box;
use std::sync::Arc;

use benches::{Shape, body, header};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dkim_core::UnixTime;
use dkim_core::body_hash::{BodyHashPlan, BodyHashes};
use dkim_core::canon::Canon;
use dkim_core::crypto::{Backend, Digest, HashAlgorithm, PrivateKey, SigningKey, VerifyingKey};
use dkim_core::dns::TxtAnswer;
use dkim_core::domain::{DomainName, Selector};
use dkim_core::header::{HeaderBlock, HeaderLimits};
use dkim_core::key_record::KeyRecord;
use dkim_core::sign::{SignatureSpec, Signing};
use dkim_core::verify::{KeyAnswer, Verification, VerifyPolicy};

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);
const SIZES: [(&str, usize); 4] = [("2k", 2 << 10), ("20k", 20 << 10), ("200k", 200 << 10), ("5m", 5 << 20)];
const SIGNATURES: [usize; 3] = [1, 4, 10];
const CHUNK: usize = 65_535;

/// The keys, each with its name. They are published; nobody is protected by them.
fn keys() -> [(&'static str, Arc<dyn SigningKey>); 2] {
    let load = |file: &[u8]| {
        let key = PrivateKey::from_text(file).expect("a private key");
        Backend::default().signing_key(&key).expect("a key the backend takes")
    };
    [
        ("rsa2048", load(include_bytes!("../dkim-core/tests/vectors/keys/rsa-2048.pkcs8.pem"))),
        ("ed25519", load(include_bytes!("../dkim-core/tests/vectors/keys/ed25519.seed.b64"))),
    ]
}

/// Text, then HTML, then, in a message of more than 1 MiB, an attachment.
fn message_body(octets: usize) -> Vec<u8> {
    let readable = octets.min(100 << 10);
    let mut out = body(Shape::Text, readable / 2);
    out.extend(body(Shape::Html, readable - readable / 2));
    if octets > 1 << 20 {
        out.extend(body(Shape::Base64, octets - readable));
    } else {
        out.extend(body(Shape::Html, octets - readable));
    }
    out
}

fn block(signatures: &[String]) -> Arc<HeaderBlock> {
    let mut builder = HeaderBlock::builder(HeaderLimits::default());
    for value in signatures {
        builder.push(b"DKIM-Signature", value.as_bytes()).expect("a signature within the limits");
    }
    for (name, value) in header() {
        builder.push(name.as_bytes(), value.as_bytes()).expect("a field within the limits");
    }
    Arc::new(builder.finish())
}

fn hash(plan: BodyHashPlan, body: &[u8]) -> BodyHashes {
    let mut hasher = plan.start();
    for chunk in body.chunks(CHUNK) {
        hasher.update(black_box(chunk));
    }
    hasher.finish()
}

fn spec(canon: Canon, selector: &str) -> SignatureSpec {
    let domain = DomainName::parse("example.com").expect("a domain");
    let mut spec = SignatureSpec::new(domain, Selector::parse(selector).expect("a selector"));
    spec.header_canon = canon;
    spec.body_canon = canon;
    spec
}

/// One signature a key, in one pass over the body.
fn sign(headers: &Arc<HeaderBlock>, canon: Canon, keys: &[Arc<dyn SigningKey>], body: &[u8]) -> Vec<String> {
    let mut plan = BodyHashPlan::new(Backend::default());
    let machines: Vec<Signing> = keys
        .iter()
        .enumerate()
        .map(|(at, key)| {
            let spec = spec(canon, &format!("s{at}"));
            Signing::start(Arc::clone(headers), spec, Arc::clone(key), NOW, &mut plan).expect("a message to sign")
        })
        .collect();
    let bodies = hash(plan, body);
    machines.into_iter().map(|machine| machine.finish(&bodies).expect("a signature").value).collect()
}

fn verify(headers: &Arc<HeaderBlock>, answers: &[KeyAnswer], body: &[u8]) -> usize {
    let mut plan = BodyHashPlan::new(Backend::default());
    let policy = VerifyPolicy::default();
    let mut verification = Verification::start(Arc::clone(headers), NOW, &policy, &mut plan);
    let ids: Vec<_> = verification.key_queries().map(|query| query.id).collect();
    for (id, answer) in ids.into_iter().zip(answers) {
        verification.provide_key(id, answer.clone());
    }
    let reports = verification.finish(&hash(plan, body));
    reports.iter().filter(|report| report.outcome.result() == "pass").count()
}

fn answer(key: &dyn SigningKey) -> KeyAnswer {
    KeyAnswer::parse(&TxtAnswer::Records(vec![KeyRecord::text_for(key).into_bytes()]), Backend::default())
}

fn digest(body: &[u8]) -> [u8; 32] {
    let mut digest = Digest::new(Backend::default(), HashAlgorithm::Sha256);
    digest.update(black_box(body));
    digest.finish()
}

fn signing(criterion: &mut Criterion) {
    let headers = block(&[]);
    let sample = vec![b'h'; 1500];
    for (name, size) in SIZES {
        let mut group = criterion.benchmark_group(format!("sign/{name}"));
        let body = message_body(size);
        group.throughput(Throughput::Bytes(size as u64));
        for (key_name, key) in keys() {
            group.bench_function(format!("{key_name}/floor"), |bencher| {
                bencher.iter(|| {
                    black_box(digest(&body));
                    // Signing hashes the header itself.
                    key.sign(black_box(&sample)).expect("a signature")
                });
            });
            for canon in [Canon::Simple, Canon::Relaxed] {
                let keys = [Arc::clone(&key)];
                group.bench_function(format!("{key_name}/{canon}"), |bencher| {
                    bencher.iter(|| sign(&headers, canon, &keys, &body));
                });
            }
        }
        let both = keys().map(|(_, key)| key);
        group.bench_function("both/relaxed", |bencher| bencher.iter(|| sign(&headers, Canon::Relaxed, &both, &body)));
        group.finish();
    }
}

fn verifying(criterion: &mut Criterion) {
    let sample = vec![b'h'; 1500];
    for (name, size) in SIZES {
        let mut group = criterion.benchmark_group(format!("verify/{name}"));
        let body = message_body(size);
        group.throughput(Throughput::Bytes(size as u64));
        for (key_name, key) in keys() {
            let record = KeyRecord::parse(KeyRecord::text_for(&*key).as_bytes()).expect("a key record");
            let public = VerifyingKey::new(Backend::default(), &record.key.expect("a key that is not revoked"));
            let signature = key.sign(&sample).expect("a signature");
            group.bench_function(format!("{key_name}/floor"), |bencher| {
                bencher.iter(|| {
                    black_box(digest(&body));
                    // Verifying hashes the header itself.
                    public.verify(black_box(&sample), &signature)
                });
            });
            for canon in [Canon::Simple, Canon::Relaxed] {
                let values = sign(&block(&[]), canon, &[Arc::clone(&key)], &body);
                let headers = block(&values);
                let answers = [answer(&*key)];
                assert_eq!(verify(&headers, &answers, &body), 1);
                group.bench_function(format!("{key_name}/{canon}"), |bencher| {
                    bencher.iter(|| verify(&headers, &answers, &body));
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
    for count in SIGNATURES {
        let keys: Vec<Arc<dyn SigningKey>> = keys().into_iter().map(|(_, key)| key).cycle().take(count).collect();
        let unsigned = block(&[]);
        group.bench_function(BenchmarkId::new("sign", count), |bencher| {
            bencher.iter(|| sign(&unsigned, Canon::Relaxed, &keys, &body));
        });
        let headers = block(&sign(&unsigned, Canon::Relaxed, &keys, &body));
        let answers: Vec<KeyAnswer> = keys.iter().map(|key| answer(&**key)).collect();
        assert_eq!(verify(&headers, &answers, &body), count);
        group.bench_function(BenchmarkId::new("verify", count), |bencher| {
            bencher.iter(|| verify(&headers, &answers, &body));
        });
    }
    group.finish();
}

criterion_group!(benches, signing, verifying, several);
criterion_main!(benches);
