//! Targets of what `engine` reads about its own keys: what the DNS has under their names.

use std::sync::OnceLock;

use dkim_core::crypto::PrivateKey;
use dkim_core::domain::{DomainName, Selector};
use dkim_core::key_record::KeyRecord;
use engine::dns::{Detail, Inspection};
use engine::keys::published::{OwnKey, Severity, State, compare};
use engine::keys::signing_key;

use crate::Target;

/// The targets of this module.
pub const TARGETS: &[Target] = &[("published_key", published_key)];

/// Between two records of the input.
const RECORD: u8 = 0x1e;
/// Between two strings of a record.
const STRING: u8 = 0x1f;

/// An RSA and an Ed25519 key.
fn own_keys() -> &'static [OwnKey; 2] {
    static KEYS: OnceLock<[OwnKey; 2]> = OnceLock::new();
    KEYS.get_or_init(|| {
        let own = |selector: &str, file: &[u8]| {
            let key = PrivateKey::from_text(file).and_then(|key| signing_key(&key, engine::BACKEND)).unwrap();
            let (selector, domain) = (Selector::parse(selector).unwrap(), DomainName::parse("example.com").unwrap());
            OwnKey::new(&selector, &domain, &*key, None)
        };
        [
            own("rsa", include_bytes!("../../bins/engine/tests/keys/rsa.pem")),
            own("ed", include_bytes!("../../bins/engine/tests/keys/ed.pem")),
        ]
    })
}

/// TXT records, compared with keys of ours: a key matches exactly when a verifier would verify with the record, and whatever the DNS said, what is told
/// about it stays on its line.
pub fn published_key(data: &[u8]) {
    let records: Vec<Vec<Vec<u8>>> = data
        .split(|octet| *octet == RECORD)
        .map(|record| record.split(|octet| *octet == STRING).map(<[u8]>::to_vec).collect())
        .collect();
    let found = Inspection::of(Detail::Records(records.clone()));
    for own in own_keys() {
        let report = compare(own, own_keys(), &found, &[]);
        let ours = KeyRecord::parse(own.record.text.as_bytes()).unwrap().key;
        let verifies = |strings: &Vec<Vec<u8>>| {
            KeyRecord::parse(&strings.concat())
                .is_ok_and(|record| record.allows_sha256 && record.is_for_email && record.key == ours)
        };
        match records.as_slice() {
            [record] => assert_eq!(report.state == State::Matches, verifies(record), "{:?}", report.findings),
            several => assert!(report.state != State::Matches || several.iter().any(verifies), "{:?}", report.findings),
        }
        assert_ne!(report.state, State::Unknown, "the DNS has answered");
        assert_eq!(
            report.state == State::Mismatch,
            report.findings.iter().any(|problem| problem.severity() == Severity::Failure)
        );
        for problem in &report.findings {
            for words in [problem.what(own), problem.fix(own)] {
                assert!(!words.is_empty() && !words.contains(char::is_control), "{words:?}");
            }
        }
    }
}
