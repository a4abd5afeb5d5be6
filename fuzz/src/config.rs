//! Targets of the readers of `engine`: configuration file, zone file, socket address.

use std::path::Path;

use engine::config;
use engine::dns::Zone;
use engine::socket_address::SocketAddress;
use spf_core::dns::{Answer, RecordKind};

use crate::Target;

/// The targets of this module.
pub const TARGETS: &[Target] =
    &[("native_config", native_config), ("zone_file", zone_file), ("socket_address", socket_address)];

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
