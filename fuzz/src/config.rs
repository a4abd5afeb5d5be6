//! Targets of the readers of `engine`: configuration files, zone file, socket address.

use std::io;
use std::path::Path;

use engine::config::old_file::{MAX_LINE_FINDINGS, Schema};
use engine::config::opendkim::OPENDKIM;
use engine::config::opendmarc::OPENDMARC;
use engine::config::{self, old_files};
use engine::dns::Zone;
use engine::socket_address::SocketAddress;
use spf_core::dns::{Answer, RecordKind};

use crate::Target;

/// The targets of this module.
pub const TARGETS: &[Target] = &[
    ("native_config", native_config),
    ("opendkim_conf", opendkim_conf),
    ("zone_file", zone_file),
    ("socket_address", socket_address),
];

/// A configuration file: it is used or refused, and findings tell which.
pub fn native_config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match config::parse(text, Path::new("/etc/postseal.toml")) {
        Ok((config, found)) => {
            assert!(!found.has_errors());
            assert!(!config.listeners.is_empty());
            for rule in config.domains.rules() {
                assert!(!rule.keys.is_empty());
                assert!(rule.keys.iter().all(|key| rule.signature_spec(&key.selector).selector == key.selector));
                assert_eq!(config.domains.rule_for(rule.pattern.domain()).is_some(), matches_itself(&config, rule));
            }
        }
        Err(found) => {
            assert!(found.has_errors());
            let lines = text.bytes().filter(|octet| *octet == b'\n').count() + 1;
            for finding in &found {
                assert!(finding.line.is_none_or(|line| (1..=lines).contains(&(line as usize))));
                assert!(!finding.cause.chars().any(char::is_control), "{:?}", finding.cause);
                assert!(!finding.fix.is_empty());
            }
        }
    }
}

/// Whether some rule covers the domain that `rule` names: its own, unless it is a wildcard.
fn matches_itself(config: &config::Config, rule: &config::SigningDomain) -> bool {
    config.domains.rules().iter().any(|other| other.pattern.matches(rule.pattern.domain()))
}

/// The files of OpenDKIM and OpenDMARC: the input is either, and both. What is included is the input again. Findings tell whether a file is
/// used, their lines exist, and every line that was read is an option of the program.
pub fn opendkim_conf(data: &[u8]) {
    let mut reads = 0_usize;
    let mut files = |_: &Path| -> io::Result<Vec<u8>> {
        reads = reads.saturating_add(1);
        Ok(data.to_vec())
    };
    let dkim = Some((Path::new("/etc/opendkim.conf"), data));
    let dmarc = Some((Path::new("/etc/opendmarc.conf"), data));
    let lines = data.iter().filter(|octet| **octet == b'\n').count() + 1;
    for (dkim, dmarc) in [(dkim, None), (None, dmarc), (dkim, dmarc)] {
        let found = match old_files::parse(dkim, dmarc, &mut files) {
            Ok((read, found)) => {
                assert!(!found.has_errors());
                assert_eq!((read.opendkim.is_some(), read.opendmarc.is_some()), (dkim.is_some(), dmarc.is_some()));
                let dkim_lines = read.opendkim.iter().flat_map(|dkim| &dkim.lines).map(|line| (&OPENDKIM, line));
                let dmarc_lines = read.opendmarc.iter().flat_map(|dmarc| &dmarc.lines).map(|line| (&OPENDMARC, line));
                for (schema, line) in dkim_lines.chain(dmarc_lines) {
                    let schema: &'static Schema = schema;
                    assert_eq!(schema.find(&line.at.key), Some(line.option));
                }
                let _both = (read.process(), read.authserv_id());
                found
            }
            Err(found) => {
                assert!(found.has_errors());
                found
            }
        };
        for finding in &found {
            assert!(finding.line.is_none_or(|line| (1..=lines).contains(&(line as usize))));
            assert!(!finding.cause.chars().any(char::is_control), "{:?}", finding.cause);
            assert!(!finding.fix.is_empty());
        }
        let of_lines = found.iter().filter(|finding| finding.key.is_none()).count();
        assert!(of_lines <= 2 * MAX_LINE_FINDINGS + 8, "{of_lines} findings without an option");
    }
    // Included files are bounded, and each list of header fields may name one more.
    assert!(reads <= 3 * config::old_file::MAX_INCLUDES + 30, "{reads} files");
}

/// A zone file: every name that is a part of it is answered, and every error has a line.
pub fn zone_file(data: &[u8]) {
    match Zone::parse(data, Path::new("zone.txt")) {
        Ok(zone) => {
            for word in String::from_utf8_lossy(data).split_ascii_whitespace() {
                assert!(zone.has(word) || zone.txt(word) == dkim_core::dns::TxtAnswer::NxDomain);
                for kind in [RecordKind::Txt, RecordKind::A, RecordKind::Aaaa, RecordKind::Mx, RecordKind::Ptr] {
                    let answer = zone.answer(word, kind);
                    assert!(zone.has(word) || answer == Answer::NxDomain);
                    assert!(matches!(answer, Answer::NxDomain | Answer::NoData) || !answer.is_void());
                }
            }
        }
        Err(found) => assert!(!found.is_empty() && found.iter().all(|finding| finding.line.is_some())),
    }
}

/// A socket address: what is printed for either MTA reads back.
pub fn socket_address(data: &[u8]) {
    let Ok(address) = String::from_utf8_lossy(data).parse::<SocketAddress>() else { return };
    assert_eq!(address.to_string().parse::<SocketAddress>().as_ref(), Ok(&address));
    assert_eq!(address.to_sendmail().parse::<SocketAddress>().as_ref(), Ok(&address));
    assert!(address.to_postfix().parse::<SocketAddress>().is_ok());
}
