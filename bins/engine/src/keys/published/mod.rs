//! A key of ours beside what the DNS has under its name: does it match, what is wrong, and how is it mended (M14, M44).
//!
//! *Standard*: RFC 6376 §3.6.1 (the record), §3.6.2 (its name and its character-strings), RFC 8463 §4. *Inputs*: the public key and what
//! [`crate::dns::Inspection`] found; no IO. The public keys are compared octet by octet after base64, so tags that change nothing and white
//! space where the standard allows it are no finding.
//!
//! A text that was damaged on its way through a panel is mended step by step (quotes, backslashes, line breaks), so that every damage is told apart
//! and what is below it is found in the same run.
//!
//! *Invariants*: linear time in what the DNS said; an answer that did not come is [`State::Unknown`] and never a mismatch.

use dkim_core::crypto::{KeyType, PublicKey, RsaPublicKey, SigningKey};
use dkim_core::domain::{DomainName, Selector};
use dkim_core::signature::Identity;
use serde::Serialize;

use super::publish::{DnsRecord, Form, write};
use crate::dns::{Detail, Inspection};

mod ask;
mod examine;
mod problem;

pub use self::ask::check;
pub use self::problem::{Problem, Severity};

/// Zones above a domain in which a panel may have put a name that was already full.
const MAX_ZONES: usize = 3;

/// A key of ours, as the DNS should have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnKey {
    /// Its selector.
    pub selector: Selector,
    /// The signing domain.
    pub domain: DomainName,
    /// The record to publish.
    pub record: DnsRecord,
    /// Whether its signatures name an identity (`i=`) below the signing domain, which `t=s` forbids.
    pub signs_below_domain: bool,
    key_type: KeyType,
    /// The octets of `p=` before base64.
    octets: Vec<u8>,
}

/// What the DNS says about a key, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Receivers can verify with it.
    Matches,
    /// They cannot.
    Mismatch,
    /// The DNS did not answer.
    Unknown,
}

impl State {
    /// The word for logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Matches => "matches",
            Self::Mismatch => "mismatch",
            Self::Unknown => "unknown",
        }
    }
}

/// Everything there is to say about one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyReport {
    /// The word.
    pub state: State,
    /// What was found, the most important first.
    pub findings: Vec<Problem>,
}

impl OwnKey {
    /// The key of a selector. `identity` is what its signatures have in `i=`.
    #[must_use]
    pub fn new(selector: &Selector, domain: &DomainName, key: &dyn SigningKey, identity: Option<&Identity>) -> Self {
        Self {
            selector: selector.clone(),
            domain: domain.clone(),
            record: DnsRecord::of_key(selector, domain, key),
            signs_below_domain: identity.is_some_and(|identity| identity.domain() != domain),
            key_type: key.algorithm().key_type(),
            octets: key.public_key(),
        }
    }

    /// The record as a line for a zone file, its text in strings of at most 255 octets.
    #[must_use]
    pub fn zone_line(&self) -> String {
        write(std::slice::from_ref(&self.record), Form::Bind)
    }

    /// RSA or Ed25519.
    #[must_use]
    pub fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// Names under which the record is found when somebody slipped; worth a question when nothing is under the right one.
    #[must_use]
    pub fn other_names(&self) -> Vec<String> {
        let (selector, domain, name) = (&self.selector, &self.domain, &self.record.name);
        let mut names = vec![
            format!("{selector}._domainkeys.{domain}"),
            format!("{selector}.domainkey.{domain}"),
            format!("{selector}.{domain}"),
        ];
        // Panels add the name of the zone, which is the domain or one above it.
        let mut zone = domain.as_str();
        for _ in 0..MAX_ZONES {
            if !zone.contains('.') {
                break;
            }
            names.push(format!("{name}.{zone}"));
            zone = zone.split_once('.').map_or("", |(_, above)| above);
        }
        names.retain(|name| name.len() <= MAX_NAME);
        names
    }

    /// The value of `p=` as we would write it.
    fn base64(&self) -> &str {
        self.record.text.rsplit_once("p=").map_or("", |(_, value)| value)
    }

    fn is(&self, published: &PublicKey) -> bool {
        let octets = published.to_octets();
        // A key of another implementation may hand out its `p=` in the other form of RSA keys.
        octets == self.octets || RsaPublicKey::from_der(&self.octets).is_ok_and(|own| own.to_spki_der() == octets)
    }
}

/// Octets of the longest name in text (RFC 1035 §2.3.4).
const MAX_NAME: usize = 253;

/// Compares a key with what the DNS says.
///
/// *Inputs*: the key; the other keys of ours, to tell a mix-up; what is under its name; what is under each of [`OwnKey::other_names`], when that
/// was asked for.
#[must_use]
pub fn compare(own: &OwnKey, others: &[OwnKey], found: &Inspection, elsewhere: &[(String, Inspection)]) -> KeyReport {
    let mut findings = Vec::new();
    match &found.answer {
        Detail::Failed(trouble) => findings.push(Problem::Unanswered(trouble.clone())),
        Detail::NxDomain | Detail::NoData => findings.push(nothing(own, found, elsewhere)),
        Detail::Records(records) => examine::records(own, others, records, &mut findings),
    }
    if let (Some(target), Detail::Records(_)) = (found.aliases.last(), &found.answer) {
        findings.push(Problem::Alias { target: target.clone() });
    }
    findings.sort_by_key(Problem::severity);
    let has = |severity| findings.iter().any(|problem: &Problem| problem.severity() == severity);
    let state = if has(Severity::Unanswered) {
        State::Unknown
    } else if has(Severity::Failure) {
        State::Mismatch
    } else {
        State::Matches
    };
    KeyReport { state, findings }
}

/// Why there is no TXT record under the right name.
fn nothing(own: &OwnKey, found: &Inspection, elsewhere: &[(String, Inspection)]) -> Problem {
    if let Some(target) = found.aliases.last() {
        return Problem::DanglingAlias { target: target.clone() };
    }
    let misplaced = elsewhere.iter().find(|(_, inspection)| match &inspection.answer {
        Detail::Records(records) => records.iter().any(|strings| examine::holds_key(own, &strings.concat())),
        Detail::NoData | Detail::NxDomain | Detail::Failed(_) => false,
    });
    match (misplaced, &found.answer) {
        (Some((name, _)), _) => Problem::wrong_name(own, name),
        (None, Detail::NxDomain) => Problem::NoName,
        (None, _) => Problem::NoText,
    }
}

#[cfg(test)]
mod tests;
