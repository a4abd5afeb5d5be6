//! Time of whole messages as a multiple of the floor, ours and (feature `peers`) mail-auth's.
//!
//! All candidates of a row run in turns of a few milliseconds, so that whatever else the machine does meets all of them. A candidate's time is that
//! of its fastest turn: other programs make some turns slow, nothing makes one fast. The median of the turns is printed beside it.
//!
//! ```text
//! cargo bench -p benches --bench ratios -- [--json] [--seconds SECONDS A ROW] [WORD ...]
//! ```
//! Rows whose name holds every word are run: `aws-lc relaxed 20k`.
#![expect(clippy::expect_used, clippy::print_stdout, reason = "a program that prints what it measured")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use benches::backend::Floor;
use benches::message::{CHUNK, Key, SIZES, message, message_body, sign, specs, verify};
use benches::{Shape, body};
use dkim_core::canon::Canon;
use dkim_core::canon::body::BodyCanonicalizer;
use dkim_core::crypto::{Backend, HashAlgorithm};

/// Shortest turn: long enough to make the clock's own cost nothing.
const TURN: Duration = Duration::from_micros(1500);

fn main() {
    let options = Options::read();
    canonicalizing(&options);
    for (backend_name, backend) in [("aws-lc", Backend::AwsLc), ("ring", Backend::Ring)] {
        let keys = Key::both(backend);
        for canon in [Canon::Relaxed, Canon::Simple] {
            for key in &keys {
                for (size, octets) in SIZES {
                    let row = |operation| format!("{backend_name} {operation} {} {canon} {size}", key.name);
                    if !options.wants(&row("sign")) && !options.wants(&row("verify")) {
                        continue;
                    }
                    let body = message_body(octets);
                    signing(&options, &row("sign"), backend, key, canon, &body);
                    verifying(&options, &row("verify"), backend, key, canon, &body);
                }
            }
            for (size, octets) in SIZES {
                let name = format!("{backend_name} sign both {canon} {size}");
                if options.wants(&name) {
                    double(&options, &name, backend, &keys, canon, &message_body(octets));
                }
            }
        }
    }
}

/// Body canonicalization alone, in chunks of a milter, beside the hash of the same body.
fn canonicalizing(options: &Options) {
    for canon in [Canon::Relaxed, Canon::Simple] {
        for shape in Shape::ALL {
            let name = format!("canonicalization {canon} {}", shape.name());
            if !options.wants(&name) {
                continue;
            }
            let body = body(shape, 1 << 20);
            let mut hash = || {
                black_box(Backend::AwsLc.hash(HashAlgorithm::Sha256, black_box(&body)));
            };
            let mut ours = || {
                let mut machine = BodyCanonicalizer::new(canon);
                for chunk in body.chunks(CHUNK) {
                    machine.update(black_box(chunk), |octets| {
                        black_box(octets);
                    });
                }
                machine.finish(|octets| {
                    black_box(octets);
                });
            };
            options.report_rate(&name, body.len(), &mut [("sha256", &mut hash), ("ours", &mut ours)]);
        }
    }
}

fn signing(options: &Options, name: &str, backend: Backend, key: &Key, canon: Canon, body: &[u8]) {
    if !options.wants(name) {
        return;
    }
    let (floor, specs) = (Floor::new(backend, key), specs(std::slice::from_ref(key), canon));
    let unsigned = message(&[], body);
    let mut ours = || drop(black_box(sign(backend, &specs, &unsigned)));
    let mut bare = || floor.sign(body);
    #[cfg(feature = "peers")]
    if backend == Backend::AwsLc {
        let peer = benches::peer::Signer::new(key, canon);
        let mut peer = || drop(black_box(peer.sign(&unsigned)));
        options.report(name, &mut [("floor", &mut bare), ("ours", &mut ours), ("mail-auth", &mut peer)]);
        return;
    }
    options.report(name, &mut [("floor", &mut bare), ("ours", &mut ours)]);
}

fn verifying(options: &Options, name: &str, backend: Backend, key: &Key, canon: Canon, body: &[u8]) {
    if !options.wants(name) {
        return;
    }
    let keys = std::slice::from_ref(key);
    let (floor, answers) = (Floor::new(backend, key), [key.answer()]);
    let signed = message(&sign(backend, &specs(keys, canon), &message(&[], body)), body);
    let mut ours = || assert_eq!(verify(backend, &answers, black_box(&signed)), 1);
    let mut bare = || floor.verify(body);
    #[cfg(feature = "peers")]
    if backend == Backend::AwsLc {
        let peer = benches::peer::Verifier::new(keys);
        let mut peer = || assert_eq!(peer.verify(black_box(&signed)), 1);
        options.report(name, &mut [("floor", &mut bare), ("ours", &mut ours), ("mail-auth", &mut peer)]);
        return;
    }
    options.report(name, &mut [("floor", &mut bare), ("ours", &mut ours)]);
}

/// Two signatures of one message. The floor hashes the body once.
fn double(options: &Options, name: &str, backend: Backend, keys: &[Key; 2], canon: Canon, body: &[u8]) {
    let [rsa, ed25519] = keys.each_ref().map(|key| Floor::new(backend, key));
    let specs_of_both = specs(keys, canon);
    let unsigned = message(&[], body);
    let mut ours = || drop(black_box(sign(backend, &specs_of_both, &unsigned)));
    let mut bare = || {
        rsa.sign(body);
        ed25519.sign(b"");
    };
    #[cfg(feature = "peers")]
    if backend == Backend::AwsLc {
        let peers = keys.each_ref().map(|key| benches::peer::Signer::new(key, canon));
        let mut peer = || peers.iter().for_each(|peer| drop(black_box(peer.sign(&unsigned))));
        options.report(name, &mut [("floor", &mut bare), ("ours", &mut ours), ("mail-auth", &mut peer)]);
        return;
    }
    options.report(name, &mut [("floor", &mut bare), ("ours", &mut ours)]);
}

/// What the command line asks for.
struct Options {
    json: bool,
    time: Duration,
    words: Vec<String>,
}

impl Options {
    fn read() -> Self {
        let mut options = Self { json: false, time: Duration::from_millis(400), words: Vec::new() };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                // What cargo adds.
                "--bench" => {}
                "--json" => options.json = true,
                "--seconds" => {
                    let seconds = arguments.next().and_then(|text| text.parse().ok()).expect("--seconds NUMBER");
                    options.time = Duration::from_secs_f64(seconds);
                }
                _ => options.words.push(argument),
            }
        }
        options
    }

    fn wants(&self, name: &str) -> bool {
        self.words.iter().all(|word| name.split(' ').any(|part| part == word))
    }

    /// Measures the candidates of a row, the first of which is the floor, and prints them.
    fn report(&self, name: &str, candidates: &mut [Candidate<'_>]) {
        let times = measure(self.time, candidates);
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        let floor = times.first().expect("a floor");
        for ((candidate, _), time) in candidates.iter().zip(&times) {
            let ratio = micros(time.fastest) / micros(floor.fastest);
            let (fastest, median) = (micros(time.fastest), micros(time.median));
            if self.json {
                let row = serde_json::json!({
                    "row": name, "candidate": candidate, "fastest_us": fastest, "median_us": median,
                    "ratio": ratio, "ratio_of_medians": median / micros(floor.median),
                });
                println!("{row}");
            } else {
                println!("{name:36} {candidate:10} {fastest:>10.2} µs (median {median:>10.2})  × floor {ratio:.3}");
            }
        }
    }
}

impl Options {
    /// Octets a second of the candidates of a row.
    fn report_rate(&self, name: &str, octets: usize, candidates: &mut [Candidate<'_>]) {
        let times = measure(self.time, candidates);
        for ((candidate, _), time) in candidates.iter().zip(&times) {
            let rate = octets as f64 / time.fastest.as_secs_f64() / 1e9;
            if self.json {
                println!("{}", serde_json::json!({ "row": name, "candidate": candidate, "gb_per_second": rate }));
            } else {
                println!("{name:36} {candidate:10} {rate:>10.2} GB/s");
            }
        }
    }
}

type Candidate<'a> = (&'static str, &'a mut dyn FnMut());

/// Time of one call.
#[derive(Clone, Copy)]
struct Times {
    fastest: Duration,
    median: Duration,
}

/// Runs the candidates in turns for `time` in all.
fn measure(time: Duration, candidates: &mut [Candidate<'_>]) -> Vec<Times> {
    let calls: Vec<u32> = candidates.iter_mut().map(|(_, call)| calls_of_a_turn(call)).collect();
    let mut turns = vec![Vec::new(); candidates.len()];
    let start = Instant::now();
    while start.elapsed() < time || turns.first().is_some_and(|turns| turns.len() < 15) {
        for (((_, call), count), turns) in candidates.iter_mut().zip(&calls).zip(&mut turns) {
            turns.push(turn(call, *count));
        }
    }
    let times = turns.into_iter().map(|mut turns| {
        turns.sort_unstable();
        let at = |place: usize| turns.get(place).copied().unwrap_or_default();
        Times { fastest: at(0), median: at(turns.len() / 2) }
    });
    times.collect()
}

/// The time of one call, over `count` of them.
fn turn(call: &mut dyn FnMut(), count: u32) -> Duration {
    let start = Instant::now();
    for _ in 0..count {
        call();
    }
    start.elapsed().checked_div(count).unwrap_or_default()
}

fn calls_of_a_turn(call: &mut dyn FnMut()) -> u32 {
    let mut count = 1;
    loop {
        let start = Instant::now();
        turn(call, count);
        if start.elapsed() >= TURN {
            return count;
        }
        count = count.saturating_mul(2);
    }
}
