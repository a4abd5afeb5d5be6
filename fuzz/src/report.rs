//! Targets of the reader of aggregate reports: XML and what is like it, and what reports are packed in.

use dmarc_core::report::read::{ReadError, ReadLimits, Record, Report, read_container, read_report};

use crate::Target;

/// The targets of this module.
pub const TARGETS: &[Target] = &[("report_xml", report_xml), ("report_container", report_container)];

/// Small limits, so that short inputs reach them.
fn limits() -> ReadLimits {
    ReadLimits { expanded: 4 << 20, text: 256, records: 64, results: 8, reasons: 4, ..ReadLimits::default() }
}

/// A report that is not packed: sums are those of what was handed out, texts are within their limit, and how the octets arrive makes no difference.
pub fn report_xml(data: &[u8]) {
    let limits = limits();
    let mut records = Vec::new();
    let report = read_report(data, &limits, |record| records.push(record.clone()));
    check(report.as_ref().ok().into_iter().collect::<Vec<_>>().as_slice(), &records, &limits);
    let mut again = Vec::new();
    let in_pieces = std::io::BufReader::with_capacity(3, data);
    let piecemeal = read_report(in_pieces, &limits, |record| again.push(record.clone()));
    assert_eq!(records, again);
    assert_eq!(report.ok(), piecemeal.ok());
}

/// The same in whatever it is packed.
pub fn report_container(data: &[u8]) {
    let limits = limits();
    let mut records = Vec::new();
    match read_container(data, &limits, |record| records.push(record.clone())) {
        Ok(reports) => {
            assert!(!reports.is_empty() && reports.len() <= limits.members);
            check(&reports.iter().collect::<Vec<_>>(), &records, &limits);
        }
        Err(ReadError::Io(error)) => assert!(!error.to_string().is_empty()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn check(reports: &[&Report], records: &[Record], limits: &ReadLimits) {
    for record in records {
        assert!(record.dkim.len() <= limits.results && record.spf.len() <= limits.results);
        assert!(record.reasons.len() <= limits.reasons);
        // An octet of Windows-1252 has up to three in UTF-8, and lower case may be longer.
        assert!(record.header_from.len() <= limits.text * 4);
        let texts = [&record.header_from, &record.source_text, &record.disposition];
        assert!(texts.iter().all(|text| !text.contains(char::is_control)));
    }
    for report in reports {
        assert!(report.records > 0 && report.records <= limits.records);
    }
    if let [report] = reports {
        // Those of another file of an archive, which turned out to be none, were handed out too.
        assert!(report.records <= records.len() as u64);
    }
}
