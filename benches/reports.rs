//! Aggregate reports: one of 100,000 rows written and compressed, and read again.
#![expect(clippy::expect_used, reason = "the report is written here")]

use std::hint::black_box;
use std::io::{self, Write};
use std::net::Ipv4Addr;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dmarc_core::record::{AlignmentMode, Policy};
use dmarc_core::report::read::{ReadLimits, read_container};
use dmarc_core::report::{
    ActionDisposition, DkimResult, Format, Metadata, PolicyPublished, ReportWriter, Row, SpfResult, SpfScope, Standing,
};
use flate2::Compression;
use flate2::write::GzEncoder;

const ROWS: u32 = 100_000;

/// A report as large receivers send them: other clients in each row, two signatures, few domains.
fn write(out: impl Write) -> io::Result<()> {
    let metadata = Metadata {
        org_name: "Example Net",
        email: "dmarc@example.net",
        extra_contact_info: None,
        report_id: "20261124.abcdefghijklm@example.net",
        begin: 1_795_478_400,
        end: 1_795_564_799,
        error: None,
        generator: Some("Postseal"),
    };
    let policy = PolicyPublished {
        domain: "example.com",
        discovery_method: None,
        p: Policy::Reject,
        sp: None,
        np: None,
        adkim: AlignmentMode::Relaxed,
        aspf: AlignmentMode::Relaxed,
        fo: None,
        testing: false,
        pct: None,
    };
    let mut report = ReportWriter::new(out, Format::Rfc9990, &metadata, &policy)?;
    for number in 0..ROWS {
        // Addresses without an order that compression could use.
        let address = Ipv4Addr::from_bits(number.wrapping_mul(0x9e37_79b1));
        let is_pass = number % 5 != 0;
        let result = if is_pass { "pass" } else { "fail" };
        let signature =
            |domain, selector, standing| DkimResult { domain, selector, result, human_result: None, standing };
        report.row(&Row {
            source_ip: address.into(),
            count: (number % 977).into(),
            disposition: if is_pass { ActionDisposition::Pass } else { ActionDisposition::Reject },
            dkim_aligned: is_pass,
            spf_aligned: number % 3 == 0,
            reasons: &[],
            header_from: if number % 7 == 0 { "news.example.com" } else { "example.com" },
            envelope_from: Some("bounces.example.com"),
            envelope_to: None,
            dkim: &[
                signature("example.com", "s2026", Standing::Strict),
                signature("esp.example", "k1", Standing::Other),
            ],
            spf: Some(SpfResult {
                domain: "bounces.example.com",
                scope: SpfScope::MailFrom,
                result,
                human_result: None,
            }),
        })?;
    }
    report.finish().map(|_| ())
}

fn compressed(level: u32) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
    write(&mut encoder).expect("a report");
    encoder.finish().expect("a report")
}

fn reports(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("reports/100,000-rows");
    group.throughput(Throughput::Elements(ROWS.into())).sample_size(10);
    group.bench_function("write", |bencher| bencher.iter(|| write(black_box(io::sink())).expect("a report")));
    for level in [1, 4, 6] {
        group.bench_function(format!("write-and-compress-{level}"), |bencher| {
            bencher.iter(|| {
                let mut encoder = GzEncoder::new(io::sink(), Compression::new(level));
                write(&mut encoder).expect("a report");
                encoder.finish().expect("a report");
            });
        });
    }
    let mut plain = Vec::new();
    write(&mut plain).expect("a report");
    let packed = compressed(6);
    for (name, octets) in [("read", &plain), ("read-from-gzip", &packed)] {
        // The first is larger than a file may be that comes in.
        let limits = ReadLimits { compressed: 256 << 20, ..ReadLimits::default() };
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut messages = 0_u64;
                read_container(black_box(octets.as_slice()), &limits, |record| {
                    messages = messages.saturating_add(record.count);
                })
                .expect("the report");
                messages
            });
        });
    }
    group.finish();
}

criterion_group!(benches, reports);
criterion_main!(benches);
