//! Aggregate reports: 100,000 rows written and compressed, and read again.
//!
//! `-- memory` writes one report and prints the most memory that the process ever had.

#![expect(clippy::expect_used, reason = "nothing to measure is a failure")]

use std::io::{self, Write};
use std::net::Ipv4Addr;

use criterion::{Criterion, Throughput};
use dmarc_core::record::{AlignmentMode, Policy};
use dmarc_core::report::read::{ReadLimits, read_container, read_report};
use dmarc_core::report::{
    ActionDisposition, DkimResult, Format, Metadata, PolicyPublished, ReportWriter, Row, SpfResult, SpfScope, Standing,
};
use flate2::Compression;
use flate2::write::GzEncoder;

const ROWS: u32 = 100_000;

fn write<W: Write>(out: W, rows: u32) -> io::Result<W> {
    let metadata = Metadata {
        org_name: "Example",
        email: "dmarc@mx.example",
        extra_contact_info: None,
        report_id: "20261124.abcdefghijklm@mx.example",
        begin: 1_795_478_400,
        end: 1_795_564_799,
        error: None,
        generator: Some("Postseal"),
    };
    let policy = PolicyPublished {
        domain: "bank.example",
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
    for number in 0..rows {
        let selector = if number.is_multiple_of(3) { "s2026a" } else { "s2026b" };
        let dkim = [DkimResult {
            domain: "bank.example",
            selector,
            result: "pass",
            human_result: None,
            standing: Standing::Strict,
        }];
        report.row(&Row {
            source_ip: Ipv4Addr::from(number.wrapping_mul(2_654_435_761)).into(),
            count: u64::from(number.wrapping_mul(7).checked_rem(50).unwrap_or_default()).saturating_add(1),
            disposition: ActionDisposition::Pass,
            dkim_aligned: true,
            spf_aligned: false,
            reasons: &[],
            header_from: "news.bank.example",
            envelope_from: Some("bounces.bank.example"),
            envelope_to: None,
            dkim: &dkim,
            spf: Some(SpfResult {
                domain: "bounces.bank.example",
                scope: SpfScope::MailFrom,
                result: "softfail",
                human_result: None,
            }),
        })?;
    }
    report.finish()
}

fn written(rows: u32) -> Vec<u8> {
    let gzip = write(GzEncoder::new(Vec::new(), Compression::new(6)), rows).expect("memory takes everything");
    gzip.finish().expect("memory takes everything")
}

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("report");
    group.sample_size(10);
    group.throughput(Throughput::Elements(ROWS.into()));
    group.bench_function("write", |bencher| bencher.iter(|| write(io::sink(), ROWS).expect("written")));
    group.bench_function("write gzip", |bencher| bencher.iter(|| written(ROWS)));
    let (xml, gzip) = (write(Vec::new(), ROWS).expect("written"), written(ROWS));
    let limits = ReadLimits::default();
    group.bench_function("read", |bencher| {
        bencher.iter(|| {
            let mut messages = 0_u64;
            read_report(&xml[..], &limits, |record| messages = messages.wrapping_add(record.count)).expect("read");
            messages
        });
    });
    group.bench_function("read gzip", |bencher| {
        bencher.iter(|| {
            let mut messages = 0_u64;
            read_container(&gzip[..], &limits, |record| messages = messages.wrapping_add(record.count)).expect("read");
            messages
        });
    });
    group.finish();
}

fn main() {
    if std::env::args().any(|argument| argument == "memory") {
        let octets = written(ROWS).len();
        let status = std::fs::read_to_string("/proc/self/status").expect("the status of this process");
        let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM: ?");
        println!("{ROWS} rows, {octets} octets compressed, {peak}");
        return;
    }
    let mut criterion = Criterion::default().configure_from_args();
    benches(&mut criterion);
    criterion.final_summary();
}
