//! The journal: whatever a disk gives back, the reader ends, accounts for each octet, and finds the frames that are whole.

use std::fs;

use engine::journal::{Read, Reader};
use engine::opendmarc::history::HistoryReader;

use crate::Target;

/// Targets of this module.
pub const TARGETS: &[Target] = &[("journal", journal), ("opendmarc_history", opendmarc_history)];

const NAMES: [&str; 2] = ["000000000001-000000.journal", "000000000002-000000.journal"];

/// A frame that is whole.
const FRAME: &[u8] = b"J1 00000021 3b13490b {\"lost\":{\"at\":1,\"records\":18446}}\n";

/// The journal reader.
///
/// The input is cut in two segments, between which a whole frame stands.
pub fn journal(input: &[u8]) {
    let Ok(folder) = tempfile::tempdir() else { return };
    let (first, second) = input.split_at(input.len() / 2);
    let written = fs::write(folder.path().join(NAMES[0]), first)
        .and_then(|()| fs::write(folder.path().join(NAMES[1]), [FRAME, second].concat()));
    if written.is_err() {
        return;
    }
    let mut reader = Reader::new(folder.path(), None);
    let (mut octets, mut has_frame, mut reads) = (0, false, 0_usize);
    loop {
        reads += 1;
        assert!(reads <= input.len() + FRAME.len() + 2, "the reader does not come to an end");
        let before = reader.position();
        match reader.read_next().expect("the files can be read") {
            Read::Entry(entry) => {
                // The first entry of a segment stands at its beginning.
                let offset = before.filter(|before| before.segment == entry.next.segment).map_or(0, |at| at.offset);
                assert!(entry.next.offset > offset);
                octets += entry.next.offset - offset;
                has_frame |= entry.next.segment.to_string() == NAMES[1] && offset == 0;
            }
            Read::Damage(damage) => octets += damage.octets,
            Read::End => break,
        }
    }
    let tail = second.iter().rev().take_while(|octet| **octet != b'\n').count();
    let tail = if second.contains(&b'\n') { tail } else { second.len() };
    let total = u64::try_from(input.len() + FRAME.len() - tail).unwrap_or(u64::MAX);
    // A last line longer than a line can be is passed over before its end is there.
    assert!(octets >= total, "{octets} of {total} octets accounted for");
    assert!(has_frame, "the whole frame was not found");
}

/// The reader of OpenDMARC's history files: it comes to an end, with at most one record for each line, and what it takes for good has what a report needs.
pub fn opendmarc_history(input: &[u8]) {
    let lines = input.split(|octet| *octet == b'\n').count();
    let mut records = 0_usize;
    for record in HistoryReader::new(input) {
        records += 1;
        if let Ok(record) = record {
            assert_eq!(record.header_from.len(), 1);
            let dmarc = record.dmarc.expect("a history file is about DMARC");
            assert!(matches!(dmarc.disposition.as_str(), "none" | "pass" | "quarantine" | "reject"));
        }
    }
    assert!(records <= lines);
}
