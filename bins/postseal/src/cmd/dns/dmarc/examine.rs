//! The record that applies, texts that are none and were meant as one, and names beside the right one.

use std::time::Duration;

use dmarc_core::discovery::{Discovery, Finding, Place, discover};
use dmarc_core::domain::DomainName;
use dmarc_core::lint::{Role, is_meant_as_record, lint};
use dmarc_core::org_domain::OrgDomainMethod;
use dmarc_core::record::Record;
use dmarc_core::tree_walk::Level;
use engine::dns::{Detail, Inspection};
use engine::keys::published::Severity;

use super::ask::Asker;
use super::policies::Policies;
use super::row::Row;
use super::{Corrected, Examined, destinations};
use crate::cmd::spf::Source;
use crate::cmd::spf::shown;

/// Zones above a domain in which a panel may have put a name that was already full.
const MAX_ZONES: usize = 3;

/// Texts of one name that are told when they are no record.
const MAX_TEXTS: usize = 5;

/// What the DNS says, as it is gathered.
struct Gathered<'s> {
    asker: Asker<'s>,
    rows: Vec<Row>,
    corrected: Vec<Corrected>,
}

/// Looks at DMARC for a domain, for at most `time`.
pub(crate) async fn examine(source: &Source, domain: &DomainName, time: Duration) -> Examined {
    let mut gathered = Gathered { asker: Asker::new(source, time), rows: Vec::new(), corrected: Vec::new() };
    let own = gathered.asker.run(discover(domain, OrgDomainMethod::TreeWalk), None).await;
    let (policies, role) = Policies::find(&mut gathered.asker, domain, &own).await;
    let (state, applied) = applied(&own);
    gathered.names(&own);
    gathered.names_of_walks(&own);
    let mut destinations = Vec::new();
    if let Some((policy_domain, place, record)) = &applied {
        let name = format!("_dmarc.{policy_domain}");
        if *place == Some(Place::PublicSuffixDomain) {
            gathered.of_public_suffix(domain, policy_domain);
        } else {
            let role = if *policy_domain == domain { role } else { Role::Organizational };
            gathered.lint(&name, record.text(), role);
            let (found, rows) = destinations::check(&mut gathered.asker, policy_domain, record).await;
            destinations = found;
            gathered.rows.extend(rows);
        }
    }
    if applied.as_ref().is_none_or(|(policy_domain, ..)| *policy_domain != domain) {
        gathered.wrong_names(domain).await;
    }
    let Gathered { asker, mut rows, corrected } = gathered;
    if state == "none" && rows.iter().all(|row| row.severity > Severity::Warning) {
        rows.push(no_record(domain));
    }
    if asker.late > 0 {
        let what = format!("{} questions had no answer when the {} s were over", asker.late, time.as_secs());
        let fix = "give it more time with `--timeout`, or look why the name servers are slow";
        rows.push(Row::new("dmarc-time-over", Severity::Unanswered, domain.as_str(), what, fix));
    }
    // Stable: in the order in which they were found otherwise.
    rows.sort_by_key(|row| row.severity);
    Examined {
        domain: domain.to_string(),
        state,
        found_at: applied.as_ref().map(|(domain, ..)| format!("_dmarc.{domain}")),
        record: applied.as_ref().map(|(_, _, record)| shown(record.text())),
        place: applied.as_ref().and_then(|(_, place, _)| place.map(word)),
        policies,
        destinations,
        findings: rows,
        corrected,
        asked: asker.asked,
    }
}

fn word(place: Place) -> &'static str {
    match place {
        Place::AuthorDomain => "author-domain",
        Place::OrganizationalDomain => "organizational-domain",
        Place::PublicSuffixDomain => "public-suffix-domain",
    }
}

/// The record that applies, whose it is, and what that is to the domain.
type Applied<'d> = (&'d DomainName, Option<Place>, &'d Record);

fn applied(discovery: &Discovery) -> (&'static str, Option<Applied<'_>>) {
    match &discovery.finding {
        Finding::Policy(found) => ("valid", Some((&found.domain, Some(found.place), &found.record))),
        Finding::PermError { domain, record } => ("permerror", Some((domain, None, record))),
        Finding::NoPolicy => ("none", None),
        Finding::TempError { .. } => ("unknown", None),
    }
}

fn no_record(domain: &DomainName) -> Row {
    let what = "the domain has no DMARC record: everybody can send mail in its name, and large receivers want one of those who send much";
    let fix = format!("publish `_dmarc.{domain}. TXT \"v=DMARC1; p=none; rua=mailto:ADDRESS\"` to begin with");
    Row::new("dmarc-no-record", Severity::Note, &format!("_dmarc.{domain}"), what, fix)
}

impl Gathered<'_> {
    /// What is under the names that were asked about, but for the record that applies.
    fn names(&mut self, discovery: &Discovery) {
        for asked in discovery.asked() {
            let name = format!("_dmarc.{}", asked.domain);
            let Some(inspection) = self.asker.known(&name).cloned() else { continue };
            // Nobody mends the record of a top-level domain; that it cannot be had is to be known.
            let is_own = asked.domain.label_count() > 1;
            match (&inspection.answer, &asked.level) {
                (Detail::Failed(_), _) if self.asker.late > 0 => (),
                (Detail::Failed(trouble), _) => self.rows.push(Row::unanswered(&name, trouble)),
                (Detail::Records(_), Level::Several) if is_own => self.several(&name, &inspection),
                (Detail::Records(records), Level::NoRecord) if is_own => self.no_records(&name, records),
                _ => (),
            }
            if is_own {
                self.alias(&name, &inspection);
            }
        }
    }

    /// What the walks of names below the domain had no answer for.
    fn names_of_walks(&mut self, discovery: &Discovery) {
        let is_told = |name: &str| {
            discovery.asked().iter().any(|asked| name.strip_prefix("_dmarc.") == Some(asked.domain.as_str()))
        };
        for asked in self.asker.asked.iter().filter(|asked| asked.answer == "failed" && !is_told(&asked.name)) {
            if let Some(Detail::Failed(trouble)) = self.asker.known(&asked.name).map(|inspection| &inspection.answer) {
                self.rows.push(Row::unanswered(&asked.name, trouble));
            }
        }
    }

    fn alias(&mut self, name: &str, inspection: &Inspection) {
        let Some(target) = inspection.aliases.last() else { return };
        match inspection.answer {
            Detail::Records(_) => {
                let what = format!("{name} is a CNAME; the record is at {target}");
                self.rows.push(Row::new("dmarc-alias", Severity::Note, name, what, ""));
            }
            Detail::NoData | Detail::NxDomain => {
                let what = format!("{name} is a CNAME that leads to {target}, and there is no TXT record");
                let fix = format!("publish the record under {target}, or remove the CNAME and publish it here");
                self.rows.push(Row::new("dmarc-dangling-alias", Severity::Failure, name, what, fix));
            }
            Detail::Failed(_) => (),
        }
    }

    /// RFC 9989 §4.10: "If the set contains multiple records, they are all discarded", and the walk goes on.
    fn several(&mut self, name: &str, inspection: &Inspection) {
        let Detail::Records(records) = &inspection.answer else { return };
        let texts: Vec<Vec<u8>> = records.iter().map(|strings| strings.concat()).collect();
        let texts: Vec<&Vec<u8>> = texts.iter().filter(|text| Record::has_version(text)).collect();
        let list: Vec<String> = texts.iter().take(MAX_TEXTS).map(|text| format!("`{}`", shown(text))).collect();
        let what = format!(
            "there are {} DMARC records, so that receivers act as if there were none (RFC 9989 §4.10): {}",
            texts.len(),
            list.join(", ")
        );
        self.rows.push(Row::new("dmarc-several-records", Severity::Failure, name, what, "keep one of them"));
    }

    /// Texts where a record is looked for, none of which is one.
    fn no_records(&mut self, name: &str, records: &[Vec<Vec<u8>>]) {
        let texts: Vec<Vec<u8>> = records.iter().map(|strings| strings.concat()).collect();
        let meant: Vec<&Vec<u8>> = texts.iter().filter(|text| is_meant_as_record(text)).collect();
        for text in meant.iter().take(MAX_TEXTS) {
            self.lint(name, text, Role::Unknown);
        }
        if meant.is_empty() {
            let first = texts.first().map(|text| shown(text)).unwrap_or_default();
            let what = format!("{name} has TXT records, and none is a DMARC record: `{first}`");
            let fix = "when they are there by a wildcard (`*`) nothing is wrong; a record is published beside them";
            self.rows.push(Row::new("dmarc-other-text", Severity::Note, name, what, fix));
        }
    }

    fn lint(&mut self, name: &str, text: &[u8], role: Role) {
        let lint = lint(text, role);
        self.rows.extend(Row::of_lint(name, text, &lint));
        self.corrected.extend(lint.corrected.map(|text| Corrected { name: name.to_owned(), text }));
    }

    fn of_public_suffix(&mut self, domain: &DomainName, suffix: &DomainName) {
        let what = format!("the domain has no DMARC record of its own, and that of the public suffix {suffix} counts");
        let fix = format!("publish one: `_dmarc.{domain}. TXT \"v=DMARC1; p=none; rua=mailto:ADDRESS\"` to begin with");
        self.rows.push(Row::new("dmarc-of-public-suffix", Severity::Note, &format!("_dmarc.{domain}"), what, fix));
    }

    /// Looks for a record where a slip puts it.
    async fn wrong_names(&mut self, domain: &DomainName) {
        let right = format!("_dmarc.{domain}");
        let is_empty =
            |inspection: &Inspection| inspection.aliases.is_empty() && !matches!(inspection.answer, Detail::Failed(_));
        if self.asker.late > 0 || !self.asker.known(&right).is_some_and(is_empty) {
            return;
        }
        // What a wildcard puts under every name is under the right one as well.
        let at_right: Vec<Vec<u8>> = self.asker.known(&right).map(texts).unwrap_or_default();
        for name in wrong_names(domain) {
            let found = self.asker.inspect(&name, "wrong-name").await;
            let Some(text) =
                texts(&found).into_iter().find(|text| is_meant_as_record(text) && !at_right.contains(text))
            else {
                continue;
            };
            let what = format!(
                "a DMARC record is published under {name}, and receivers look under {right}: `{}`",
                shown(&text)
            );
            let fix = if name == domain.as_str() || !name.starts_with(&right) {
                format!("publish it as {right}")
            } else {
                format!("enter the name without the zone, as `_dmarc` in the zone {domain}, or with a final dot")
            };
            self.rows.push(Row::new("dmarc-wrong-name", Severity::Failure, &name, what, fix));
        }
    }
}

fn texts(inspection: &Inspection) -> Vec<Vec<u8>> {
    match &inspection.answer {
        Detail::Records(records) => records.iter().map(|strings| strings.concat()).collect(),
        Detail::NoData | Detail::NxDomain | Detail::Failed(_) => Vec::new(),
    }
}

/// Names under which the record is found when somebody slipped.
fn wrong_names(domain: &DomainName) -> Vec<String> {
    let mut names = vec![domain.to_string(), format!("dmarc.{domain}"), format!("_dmarc._dmarc.{domain}")];
    // Panels add the name of the zone, which is the domain or one above it.
    let mut zone = domain.as_str();
    for _ in 0..MAX_ZONES {
        if !zone.contains('.') {
            break;
        }
        names.push(format!("_dmarc.{domain}.{zone}"));
        zone = zone.split_once('.').map_or("", |(_, above)| above);
    }
    names
}
