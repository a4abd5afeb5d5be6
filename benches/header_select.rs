//! Header fields: indexing, selection and canonical text, for a usual message and for one that was made to be slow.
#![expect(clippy::expect_used, reason = "the messages are constants of this program and within the limits")]

use std::hint::black_box;

use benches::header;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dkim_core::canon::Canon;
use dkim_core::canon::header::{FieldIndex, FieldSelector, write_selected};
use dkim_core::header::{HeaderBlock, HeaderLimits};

/// An `h=` list as signers write it: the usual fields, the important ones once more.
const NAMES: [&[u8]; 24] = [
    b"From",
    b"Sender",
    b"Reply-To",
    b"To",
    b"Cc",
    b"Subject",
    b"Date",
    b"Message-ID",
    b"In-Reply-To",
    b"References",
    b"MIME-Version",
    b"Content-Type",
    b"Content-Transfer-Encoding",
    b"List-Id",
    b"List-Unsubscribe",
    b"List-Unsubscribe-Post",
    b"List-Archive",
    b"From",
    b"Sender",
    b"To",
    b"Cc",
    b"Subject",
    b"Date",
    b"Message-ID",
];

fn block(fields: impl IntoIterator<Item = (String, String)>) -> HeaderBlock {
    let mut builder = HeaderBlock::builder(HeaderLimits::default());
    for (name, value) in fields {
        builder.push(name.as_bytes(), value.as_bytes()).expect("a field within the limits");
    }
    builder.finish()
}

fn usual() -> HeaderBlock {
    block(header().into_iter().map(|(name, value)| (name.to_owned(), value)))
}

fn header_select(criterion: &mut Criterion) {
    let usual = usual();
    // As many fields as the limits allow, all of one name, and a list that asks for that name again and again.
    let same = block((0..20_000).map(|number| ("X".to_owned(), format!(" {number}"))));
    // As many names as fields.
    let distinct = block((0..20_000).map(|number| (format!("X-{number}"), String::new())));

    let mut group = criterion.benchmark_group("header_select");
    for (name, headers) in [("usual", &usual), ("same_name", &same), ("distinct_names", &distinct)] {
        group.throughput(Throughput::Bytes(headers.as_bytes().len() as u64));
        group.bench_function(format!("index/{name}"), |bencher| bencher.iter(|| FieldIndex::new(black_box(headers))));
        let index = FieldIndex::new(headers);
        group.bench_function(format!("select/{name}"), |bencher| {
            bencher.iter(|| {
                let mut selector = FieldSelector::new(&index);
                NAMES.iter().chain([&&b"X"[..]; 232]).filter_map(|name| selector.select(black_box(name))).count()
            });
        });
    }
    let index = FieldIndex::new(&usual);
    for canon in [Canon::Simple, Canon::Relaxed] {
        let mut out = Vec::new();
        write_selected(canon, &mut FieldSelector::new(&index), NAMES, &mut out);
        group.throughput(Throughput::Bytes(out.len() as u64));
        group.bench_function(format!("canonical/{canon}"), |bencher| {
            bencher.iter(|| {
                out.clear();
                write_selected(canon, &mut FieldSelector::new(&index), black_box(NAMES), &mut out);
                black_box(out.len())
            });
        });
    }
    group.finish();
}

criterion_group!(benches, header_select);
criterion_main!(benches);
