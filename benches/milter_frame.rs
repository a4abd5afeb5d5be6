//! Cutting a milter stream into frames: a message of body chunks, and a stream of small commands, read in pieces of several sizes.
#![expect(clippy::expect_used, reason = "the streams are made by this program and well-formed")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use milter_proto::{Frame, FrameDecoder};

/// What a read from a socket gives: a page, a usual buffer, a large one.
const READS: [(&str, usize); 3] = [("4k", 4096), ("64k", 65_536), ("256k", 262_144)];

/// Reads the stream in pieces of `length`, and counts octets of payload.
fn decode(stream: &[u8], length: usize) -> usize {
    let mut decoder = FrameDecoder::default();
    let mut octets = 0_usize;
    for read in stream.chunks(length) {
        decoder.push(black_box(read));
        while let Some(frame) = decoder.next_frame().expect("a well-formed stream") {
            octets = octets.saturating_add(black_box(frame).payload.len());
        }
    }
    octets
}

fn stream(frames: impl IntoIterator<Item = (u8, Vec<u8>)>) -> Vec<u8> {
    let mut out = Vec::new();
    for (code, payload) in frames {
        Frame { code, payload: &payload }.encode(&mut out).expect("a payload below 4 GiB");
    }
    out
}

fn milter_frame(criterion: &mut Criterion) {
    let bodies = stream((0..16).map(|_| (b'B', vec![b'x'; 65_535])));
    let headers = stream((0..10_000).map(|number| (b'L', format!("X-Field\0 value number {number}\0").into_bytes())));
    let mut group = criterion.benchmark_group("milter_frame");
    for (kind, stream) in [("body", bodies), ("header", headers)] {
        group.throughput(Throughput::Bytes(stream.len() as u64));
        for (name, length) in READS {
            group.bench_function(format!("{kind}/{name}"), |bencher| bencher.iter(|| decode(&stream, length)));
        }
    }
    group.finish();
}

criterion_group!(benches, milter_frame);
criterion_main!(benches);
