//! What either side made of a message, in which it differs, and whether `migrate` told of that.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use dkim_core::auth_results::{AuthResults, ReadLimits};
use dkim_core::header::HeaderBlock;
use dkim_core::tag_list::{TagLimits, TagList};
use milter_proto::Decision;
use serde::Serialize;

use super::super::account::{Accounted, Status};
use super::cases::FORGED;
use crate::mta::Delivery;

/// A message that went through both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in super::super) struct Verified {
    pub(in super::super) case: String,
    /// What the old files make of it.
    pub(in super::super) old: String,
    /// What the configuration that was made makes of it.
    pub(in super::super) new: String,
    pub(in super::super) same: bool,
    /// Why it is not the same, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) reason: Option<String>,
}

impl Verified {
    /// Whether it is another thing, and nobody was told.
    pub(in super::super) fn is_unknown(&self) -> bool {
        !self.same && self.reason.is_none()
    }
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.reason, self.same) {
            (_, true) => write!(f, "same: {}: {}", self.case, self.new),
            (Some(reason), _) => {
                write!(f, "known: {}: old files: {}; new: {}; because {reason}", self.case, self.old, self.new)
            }
            (None, _) => write!(f, "differs: {}: old files: {}; new: {}", self.case, self.old, self.new),
        }
    }
}

/// One side of what came of a message: texts by what they are about. What is missing is not there.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Seen(BTreeMap<Aspect, String>);

/// In what a message may differ.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Aspect {
    Reply,
    Hold,
    /// `d=` and `s=` of all new signatures, with algorithm and canonicalization.
    Signatures,
    /// The body hashes.
    BodyHash,
    /// The names in `h=`, each once: how often one stands there is oversigning.
    Names,
    /// The results of a method, all of them.
    Method(String),
    /// A result that the message brought along under our name.
    Forged,
}

impl Seen {
    /// *Inputs*: the header section as it came.
    pub(super) fn of(before: &HeaderBlock, delivery: &Delivery) -> Self {
        let mut seen = Self::default();
        seen.put(Aspect::Reply, reply(&delivery.decision));
        if delivery.message.quarantine().is_some() {
            seen.put(Aspect::Hold, "put on hold".to_owned());
        }
        let came: Vec<&[u8]> = before.iter().map(|field| field.value.trim_ascii()).collect();
        let (mut who, mut hashes, mut names) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let mut methods: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for field in delivery.message.fields() {
            let is_new = !came.contains(&field.value.trim_ascii());
            if field.name.eq_ignore_ascii_case(b"DKIM-Signature") && is_new {
                let Ok(tags) = TagList::parse(&field.value, TagLimits::default()) else {
                    who.insert("unreadable".to_owned());
                    continue;
                };
                let tag = |name: &str| {
                    let value = tags.get(name).map(|tag| tag.without_fws().into_owned()).unwrap_or_default();
                    String::from_utf8_lossy(&value).to_ascii_lowercase()
                };
                let key = format!("d={} s={}", tag("d"), tag("s"));
                // RFC 6376 section 3.5: a canonicalization of the body that is left out is "simple".
                let canonicalization = match tag("c") {
                    both if both.contains('/') => both,
                    none if none.is_empty() => "simple/simple".to_owned(),
                    header => format!("{header}/simple"),
                };
                who.insert(format!("{key} a={} c={canonicalization}", tag("a")));
                let hash = tags.get("bh").map(|tag| tag.without_fws().into_owned()).unwrap_or_default();
                hashes.insert(format!("bh={}", String::from_utf8_lossy(&hash)));
                let list = tag("h");
                let list: BTreeSet<&str> = list.split(':').collect();
                names.insert(format!("h={}", list.into_iter().collect::<Vec<_>>().join(":")));
            } else if field.name.eq_ignore_ascii_case(b"Authentication-Results") {
                let text = String::from_utf8_lossy(&field.value);
                if text.contains(FORGED) {
                    seen.put(Aspect::Forged, "the forged result stays".to_owned());
                } else if is_new {
                    results(&field.value, &mut methods);
                }
            }
        }
        for (aspect, found) in [(Aspect::Signatures, who), (Aspect::BodyHash, hashes), (Aspect::Names, names)] {
            if !found.is_empty() {
                seen.put(aspect, found.into_iter().collect::<Vec<_>>().join(", "));
            }
        }
        for (method, mut found) in methods {
            found.sort();
            let text = found.iter().map(|result| format!("{method}={result}")).collect::<Vec<_>>().join(" ");
            seen.put(Aspect::Method(method), text);
        }
        seen
    }

    fn put(&mut self, aspect: Aspect, text: String) {
        self.0.insert(aspect, text);
    }

    pub(super) fn is_signed(&self) -> bool {
        self.0.contains_key(&Aspect::Signatures)
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<&str> = self.0.values().map(String::as_str).collect();
        f.write_str(&texts.join(", "))
    }
}

fn reply(decision: &Decision) -> String {
    match decision {
        // At the end of a message both let it pass.
        Decision::Continue | Decision::Accept | Decision::Skip => "accepted".to_owned(),
        Decision::ReplyCode(code) => format!("`{}`", code.to_smtp().replace("\r\n", " ")),
        Decision::Reject => "rejected".to_owned(),
        Decision::TempFail => "put off".to_owned(),
        Decision::Discard => "discarded".to_owned(),
        Decision::Shutdown => "closed".to_owned(),
        other => format!("{other:?}"),
    }
}

/// The words of each method in a field.
fn results(value: &[u8], methods: &mut BTreeMap<String, Vec<String>>) {
    match AuthResults::parse(value, ReadLimits::default()) {
        Ok(field) => {
            for result in field.results {
                methods.entry(result.method).or_default().push(result.result);
            }
        }
        Err(error) => methods.entry("unreadable".to_owned()).or_default().push(error.to_string()),
    }
}

/// Compares. *Inputs*: what became of each line of the old files: one that is not carried as it was is a reason for what it is about.
pub(super) fn compare(case: String, old: &Seen, new: &Seen, lines: &[Accounted]) -> Verified {
    let aspects: BTreeSet<&Aspect> = old.0.keys().chain(new.0.keys()).collect();
    let (mut reasons, mut is_known, mut same) = (Vec::new(), true, true);
    for aspect in aspects {
        let (before, after) = (old.0.get(aspect), new.0.get(aspect));
        // Where one side signs and the other does not, there is nothing to compare in the signatures.
        let is_of_signature = matches!(aspect, Aspect::BodyHash | Aspect::Names);
        if before == after || (is_of_signature && old.is_signed() != new.is_signed()) {
            continue;
        }
        same = false;
        match reason(aspect, before.map(String::as_str), after.map(String::as_str), lines) {
            Some(reason) if reasons.contains(&reason) => {}
            Some(reason) => reasons.push(reason),
            None => is_known = false,
        }
    }
    let reason = (!same && is_known).then(|| reasons.join("; "));
    Verified { case, old: old.to_string(), new: new.to_string(), same, reason }
}

/// Options that make signatures with `l=`.
const PARTIAL: [&str; 2] = ["BodyLengthDB", "MaximumSignedBytes"];

/// Options that a difference in this may come from.
fn options(aspect: &Aspect) -> &'static [&'static str] {
    match aspect {
        Aspect::Reply | Aspect::Hold => &[
            "RejectFailures",
            "HoldQuarantinedMessages",
            "RejectString",
            "RejectMultiValueFrom",
            "RequiredHeaders",
            "IgnoreHosts",
            "IgnoreMailFrom",
            "PeerList",
            "StrictHeaders",
            "MustBeSigned",
            "CaptureUnknownErrors",
            "ExemptDomains",
            "On-BadSignature",
            "On-NoSignature",
            "On-KeyNotFound",
            "On-Default",
            "On-SignatureError",
            "On-Security",
            "On-DNSError",
            "On-InternalError",
        ],
        Aspect::Signatures => &[
            "Mode",
            "SigningTable",
            "KeyTable",
            "Domain",
            "InternalHosts",
            "PeerList",
            "MTA",
            "MacroList",
            "ExemptDomains",
            "DontSignMailTo",
            "SenderHeaders",
            "SignatureAlgorithm",
            "SubDomains",
        ],
        Aspect::BodyHash => &PARTIAL,
        Aspect::Names => &["SignHeaders", "OmitHeaders", "OversignHeaders", "SenderHeaders"],
        Aspect::Method(method) => match method.as_str() {
            "dkim" => &[
                "Mode",
                "PeerList",
                "InternalHosts",
                "ExemptDomains",
                "MinimumKeyBits",
                "Minimum",
                "MustBeSigned",
                "StrictHeaders",
                "TestPublicKeys",
            ],
            "spf" => &["IgnoreHosts", "IgnoreMailFrom", "PeerList", "InternalHosts", "Mode"],
            "dmarc" => &["IgnoreHosts", "IgnoreMailFrom", "PeerList", "InternalHosts", "Mode", "RequiredHeaders"],
            _ => &[],
        },
        Aspect::Forged => &["PeerList", "ExemptDomains", "DontSignMailTo", "RemoveARAll", "RemoveARFrom"],
    }
}

/// Why it differs: the line that said so, or the form itself.
fn reason(aspect: &Aspect, old: Option<&str>, new: Option<&str>, lines: &[Accounted]) -> Option<String> {
    if *aspect == Aspect::Method("dkim".to_owned()) && old.is_none() && new == Some("dkim=none") {
        return Some("mail without signatures gets `dkim=none` (AlwaysAddARHeader)".to_owned());
    }
    // RFC 6376 section 8.2: such signatures do not count here if Content-Type is not signed, and the old side makes them.
    let is_partial = *aspect == Aspect::Method("dkim".to_owned()) && new == Some("dkim=policy");
    let options = if is_partial { &PARTIAL[..] } else { options(aspect) };
    let line = lines
        .iter()
        .filter(|line| line.status != Status::Carried && !line.note.is_empty())
        .filter(|line| line.decision || line.status == Status::Changed)
        .find(|line| options.contains(&line.option))?;
    Some(format!("{}:{} {}: {}", line.file.display(), line.line, line.option, line.note))
}

#[cfg(test)]
mod tests {
    use super::super::super::account::Program;
    use super::*;

    fn seen(texts: &[(Aspect, &str)]) -> Seen {
        Seen(texts.iter().map(|(aspect, text)| (aspect.clone(), (*text).to_owned())).collect())
    }

    fn line(option: &'static str, status: Status, decision: bool) -> Accounted {
        Accounted {
            program: Program::OpenDkim,
            file: "dkim".into(),
            line: 3,
            option,
            value: "x".to_owned(),
            status,
            setting: None,
            note: "it is otherwise".to_owned(),
            decision,
        }
    }

    fn dkim() -> Aspect {
        Aspect::Method("dkim".to_owned())
    }

    const SIGNED: (Aspect, &str) = (Aspect::Signatures, "d=example.net s=k a=rsa-sha256 c=relaxed/simple");
    const HASH: (Aspect, &str) = (Aspect::BodyHash, "bh=a");

    #[test]
    fn a_difference_that_nothing_told_of_is_unknown_in_each_aspect() {
        let old =
            seen(&[(Aspect::Reply, "accepted"), SIGNED, (Aspect::Names, "h=from:to"), HASH, (dkim(), "dkim=pass")]);
        assert!(compare("x".to_owned(), &old, &old, &[]).same);
        for (aspect, other) in [
            (Aspect::Reply, Some("`550 5.7.1 no`")),
            (Aspect::Names, Some("h=from")),
            (Aspect::BodyHash, Some("bh=b")),
            (dkim(), Some("dkim=fail")),
            (dkim(), None),
            (Aspect::Hold, Some("put on hold")),
            (Aspect::Forged, Some("the forged result stays")),
            (Aspect::Method("spf".to_owned()), Some("spf=fail")),
            (Aspect::Signatures, Some("d=example.com s=k a=rsa-sha256 c=relaxed/simple")),
            (Aspect::Signatures, None),
        ] {
            let mut new = old.clone();
            match other {
                Some(text) => new.put(aspect.clone(), text.to_owned()),
                None => drop(new.0.remove(&aspect)),
            }
            // What is carried, what is dropped without a matter, and what is about something else is no reason.
            let lines = [
                line("PeerList", Status::Carried, false),
                line("PeerList", Status::Dropped, false),
                line("Syslog", Status::Dropped, true),
            ];
            for (before, after) in [(&old, &new), (&new, &old)] {
                let verified = compare("x".to_owned(), before, after, &lines);
                assert!(verified.is_unknown(), "{aspect:?} {verified}");
                assert!(verified.to_string().starts_with("differs: x: old files: "), "{verified}");
            }
        }
    }

    #[test]
    fn a_line_that_is_dropped_is_the_reason_for_what_it_is_about_alone() {
        let old = seen(&[(Aspect::Reply, "accepted"), HASH]);
        let lines = [line("BodyLengthDB", Status::Dropped, true)];
        let new = seen(&[(Aspect::Reply, "accepted"), (Aspect::BodyHash, "bh=b")]);
        let verified = compare("x".to_owned(), &old, &new, &lines);
        assert_eq!(verified.reason.as_deref(), Some("dkim:3 BodyLengthDB: it is otherwise"));
        assert!(!verified.is_unknown() && !verified.same);
        let new = seen(&[(Aspect::Reply, "put off"), (Aspect::BodyHash, "bh=b")]);
        assert!(compare("x".to_owned(), &old, &new, &lines).is_unknown());
    }

    #[test]
    fn mail_that_one_side_signs_is_one_difference_with_the_reason_of_the_line() {
        let old = seen(&[(Aspect::Reply, "accepted"), SIGNED, (Aspect::Names, "h=from:to"), HASH]);
        let new = seen(&[(Aspect::Reply, "accepted")]);
        let lines = [line("InternalHosts", Status::Changed, true)];
        let verified = compare("x".to_owned(), &old, &new, &lines);
        assert_eq!(verified.reason.as_deref(), Some("dkim:3 InternalHosts: it is otherwise"));
    }

    #[test]
    fn signatures_of_a_part_do_not_count_and_only_the_option_that_makes_them_is_a_reason() {
        let (old, new) = (seen(&[(dkim(), "dkim=pass")]), seen(&[(dkim(), "dkim=policy")]));
        for (option, is_unknown) in [("MaximumSignedBytes", false), ("PeerList", true)] {
            let lines = [line(option, Status::Dropped, true)];
            assert_eq!(compare("x".to_owned(), &old, &new, &lines).is_unknown(), is_unknown, "{option}");
        }
    }

    #[test]
    fn mail_without_signatures_gets_a_result_that_it_had_not_and_no_other() {
        let old = seen(&[]);
        for (word, is_unknown) in [("dkim=none", false), ("dkim=pass", true)] {
            assert_eq!(compare("x".to_owned(), &old, &seen(&[(dkim(), word)]), &[]).is_unknown(), is_unknown);
            assert!(compare("x".to_owned(), &seen(&[(dkim(), word)]), &old, &[]).is_unknown());
        }
    }

    #[test]
    fn every_option_that_may_be_a_reason_is_one_of_either_file() {
        let methods = ["dkim", "spf", "dmarc"].map(|name| Aspect::Method(name.to_owned()));
        let others = [Aspect::Reply, Aspect::Signatures, Aspect::BodyHash, Aspect::Names, Aspect::Forged];
        for name in others.iter().chain(&methods).flat_map(options) {
            let is_there = [Program::OpenDkim, Program::OpenDmarc].map(|program| program.schema().find(name).is_some());
            assert!(is_there.contains(&true), "{name}");
        }
    }
}
