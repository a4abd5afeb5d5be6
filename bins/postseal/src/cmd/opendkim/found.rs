//! What the DNS has for a key, in the words of `opendkim-testkey` and with its exit code.

use dkim_core::crypto::PublicKey;
use dkim_core::key_record::{KeyRecord, KeyRecordError};
use dkim_core::tag_list::{TagLimits, TagList};
use engine::dns::{Detail, Inspection, Trouble};
use engine::keys::published::{KeyReport, OwnKey, Problem, Severity};

/// `EX_DATAERR`: there is a key, and it is another one.
pub(super) const MISMATCH: u8 = 65;
/// `EX_UNAVAILABLE`: there is no key that receivers can use.
pub(super) const UNAVAILABLE: u8 = 69;

/// What keeps receivers from verifying with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) code: u8,
    pub(super) words: String,
}

impl Verdict {
    fn unavailable(words: impl Into<String>) -> Self {
        Self { code: UNAVAILABLE, words: words.into() }
    }
}

/// The verdict on a key of ours; `Ok` when receivers can verify with it.
pub(super) fn judge(own: &OwnKey, report: &KeyReport) -> Result<(), Verdict> {
    let hinders = |problem: &&Problem| matches!(problem.severity(), Severity::Failure | Severity::Unanswered);
    let Some(problem) = report.findings.iter().find(hinders) else { return Ok(()) };
    let name = &own.record.name;
    Err(match problem {
        Problem::NoName
        | Problem::DanglingAlias { .. }
        | Problem::DomainKeys { .. }
        | Problem::ZoneTwice { .. }
        | Problem::OtherName { .. } => not_found(name),
        Problem::NoText | Problem::NoKey => Verdict::unavailable("No key"),
        Problem::Unanswered(trouble) => unanswered(name, trouble),
        Problem::Several { .. } | Problem::SplitIntoRecords { .. } => several(name),
        Problem::Revoked => Verdict::unavailable("Revoked key"),
        Problem::Version { found } => Verdict::unavailable(format!("invalid key version '{found}'")),
        Problem::OtherType { found, .. } if found != "rsa" && found != "ed25519" => {
            Verdict::unavailable(format!("unknown key type '{found}'"))
        }
        Problem::OtherType { .. }
        | Problem::WrongKey { .. }
        | Problem::KeyOf { .. }
        | Problem::Damaged { .. }
        | Problem::CutAt255 { .. }
        | Problem::StringLost { .. }
        | Problem::Base64 { .. }
        | Problem::WrappedEd25519 => Verdict { code: MISMATCH, words: "keys do not match".into() },
        other => Verdict::unavailable(other.what(own)),
    })
}

/// The verdict on what is under `name`, when there is no private key to compare it with.
pub(super) fn judge_record(name: &str, found: &Inspection) -> Result<(), Verdict> {
    let records = match &found.answer {
        Detail::NxDomain => return Err(not_found(name)),
        Detail::NoData => return Err(Verdict::unavailable("No key")),
        Detail::Failed(trouble) => return Err(unanswered(name, trouble)),
        Detail::Records(records) => records,
    };
    let texts: Vec<Vec<u8>> = records.iter().map(|strings| strings.concat()).collect();
    // Other TXT records, as a wild card brings them to the name, are passed over.
    let likely: Vec<&Vec<u8>> = texts.iter().filter(|text| KeyRecord::is_likely(text)).collect();
    let text = match likely.as_slice() {
        [] => return Err(Verdict::unavailable("there are TXT records, and none is a key")),
        [text] => *text,
        _ => return Err(several(name)),
    };
    let record = KeyRecord::parse(text).map_err(|error| {
        Verdict::unavailable(match error {
            KeyRecordError::UnknownKeyType => format!("unknown key type '{}'", tag(text, "k")),
            KeyRecordError::Version => format!("invalid key version '{}'", tag(text, "v")),
            KeyRecordError::NoKey => "No key".to_owned(),
            other => format!("syntax error in the key data: {other}"),
        })
    })?;
    match record.key {
        None => Err(Verdict::unavailable("Revoked key")),
        Some(PublicKey::Rsa(key)) if key.bits() < MIN_BITS => {
            Err(Verdict::unavailable(format!("the RSA key has {} bits, and receivers want {MIN_BITS}", key.bits())))
        }
        Some(_) if !record.is_for_email => Err(Verdict::unavailable("the key is not for email (`s=`)")),
        Some(_) if !record.allows_sha256 => Err(Verdict::unavailable("the key is not for sha256 (`h=`)")),
        Some(_) => Ok(()),
    }
}

/// The value of a tag, as it can be shown.
fn tag(text: &[u8], name: &str) -> String {
    let tags = TagList::parse(text, TagLimits::default()).ok();
    let value = tags.as_ref().and_then(|tags| tags.get(name)).map_or(&b""[..], |tag| tag.value);
    value.escape_ascii().to_string()
}

/// RFC 8301 §3.2: "Verifiers MUST NOT consider signatures using RSA keys of less than 1024 bits as valid signatures."
const MIN_BITS: usize = 1024;

fn not_found(name: &str) -> Verdict {
    Verdict::unavailable(format!("'{name}' record not found"))
}

fn several(name: &str) -> Verdict {
    Verdict::unavailable(format!("multiple DNS replies for '{name}'"))
}

fn unanswered(name: &str, trouble: &Trouble) -> Verdict {
    Verdict::unavailable(match trouble {
        Trouble::Timeout => format!("'{name}' query timed out"),
        other => format!("'{name}' query failed: {other}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

    fn of(texts: &[&str]) -> Result<(), String> {
        let records = texts.iter().map(|text| vec![text.as_bytes().to_vec()]).collect();
        judge_record("s._domainkey.d.example", &Inspection::of(Detail::Records(records))).map_err(|verdict| {
            assert_eq!(verdict.code, UNAVAILABLE);
            verdict.words
        })
    }

    #[test]
    fn a_record_without_private_key_is_judged_by_itself() {
        let good = format!("v=DKIM1; k=ed25519; p={ED25519}");
        assert_eq!(of(&[&good]), Ok(()));
        assert_eq!(of(&[&good, "v=spf1 -all"]), Ok(()));
        let words = |texts: &[&str]| of(texts).unwrap_err();
        assert_eq!(words(&[&good, &good]), "multiple DNS replies for 's._domainkey.d.example'");
        assert_eq!(words(&["hello"]), "there are TXT records, and none is a key");
        assert_eq!(words(&["v=DKIM1; p="]), "Revoked key");
        assert_eq!(words(&["v=DKIM1; k=rsa"]), "No key");
        assert_eq!(words(&["v=DKIM2; p=AAAA"]), "invalid key version 'DKIM2'");
        assert_eq!(words(&["v=DKIM1; k=dsa; p=AAAA"]), "unknown key type 'dsa'");
        assert!(words(&["v=DKIM1; k=ed25519; p=AAAA"]).starts_with("syntax error in the key data: "));
        assert_eq!(words(&[&format!("{good}; s=tlsrpt")]), "the key is not for email (`s=`)");
        assert_eq!(words(&[&format!("{good}; h=sha1")]), "the key is not for sha256 (`h=`)");
    }

    #[test]
    fn no_record_is_told_from_no_answer() {
        let of = |detail| judge_record("n", &Inspection::of(detail)).unwrap_err().words;
        assert_eq!(of(Detail::NxDomain), "'n' record not found");
        assert_eq!(of(Detail::NoData), "No key");
        assert_eq!(of(Detail::Failed(Trouble::Timeout)), "'n' query timed out");
        assert_eq!(of(Detail::Failed(Trouble::ServFail)), "'n' query failed: the name server answers SERVFAIL");
    }
}
