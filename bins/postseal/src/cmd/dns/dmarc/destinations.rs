//! Where reports go, and whether those who are to get them agree (RFC 9990 §4).

use dmarc_core::authorize::{Authorization, Refusal, ReportTag, authorize_report_uri};
use dmarc_core::domain::DomainName;
use dmarc_core::org_domain::OrgDomainMethod;
use dmarc_core::record::Record;
use dmarc_core::uri::ReportUri;
use engine::dns::Detail;
use engine::keys::published::Severity;
use serde::Serialize;

use super::super::super::spf::NOT_IN_ZONE;
use super::ask::Asker;
use super::row::Row;

/// Destinations of one record for which the DNS is asked: hosts, those of `rua` and of `ruf` apart.
const MAX_DESTINATIONS: usize = 10;

/// Where reports go.
#[derive(Debug, Serialize)]
pub(super) struct Destination {
    pub(super) tag: &'static str,
    pub(super) uri: String,
    /// `internal`, `authorised`, `refused`, `unknown`, `not-checked`.
    pub(super) state: &'static str,
    /// Where they are sent in its place, when its domain says so.
    replaced_by: Vec<String>,
}

/// Checks the URIs of a record that was found at `policy_domain`.
pub(super) async fn check(
    asker: &mut Asker<'_>,
    policy_domain: &DomainName,
    record: &Record,
) -> (Vec<Destination>, Vec<Row>) {
    let (mut destinations, mut rows) = (Vec::new(), Vec::new());
    let mut hosts: Vec<(&str, &DomainName)> = Vec::new();
    let mut left = 0_usize;
    let all = [("rua", ReportTag::Rua, &record.rua), ("ruf", ReportTag::Ruf, &record.ruf)];
    for (tag, report_tag, uri) in all.iter().flat_map(|(tag, kind, uris)| uris.iter().map(|uri| (*tag, *kind, uri))) {
        // What is no `mailto:` the linter tells.
        let Some(mailbox) = uri.mailbox() else { continue };
        let is_new = !hosts.contains(&(tag, &mailbox.domain));
        if is_new && hosts.len() >= MAX_DESTINATIONS {
            left = left.saturating_add(1);
            destinations.push(Destination::new(tag, uri, "not-checked"));
            continue;
        }
        let machine = authorize_report_uri(policy_domain, uri, report_tag, OrgDomainMethod::TreeWalk);
        let authorization = asker.run(machine, None).await;
        let name = format!("{policy_domain}._report._dmarc.{}", mailbox.domain);
        let mut destination = Destination::new(tag, uri, state(&authorization));
        if let Authorization::External(uris) = &authorization {
            let others: Vec<String> = uris.iter().map(ReportUri::to_string).collect();
            if others != [uri.to_string()] {
                destination.replaced_by = others;
            }
        }
        let row = row(asker, &name, &authorization, tag, &mailbox.domain, &destination);
        destinations.push(destination);
        if is_new {
            hosts.push((tag, &mailbox.domain));
            rows.extend(row);
        }
    }
    if left > 0 {
        let what = format!(
            "{left} more report URIs were not checked: {MAX_DESTINATIONS} hosts are, and receivers need not serve as many"
        );
        let fix = "have the reports sent to one or two addresses, and on from there";
        rows.push(Row::new(
            "dmarc-destinations-left",
            Severity::Warning,
            &format!("_dmarc.{policy_domain}"),
            what,
            fix,
        ));
    }
    (destinations, rows)
}

impl Destination {
    fn new(tag: &'static str, uri: &ReportUri, state: &'static str) -> Self {
        Self { tag, uri: uri.to_string(), state, replaced_by: Vec::new() }
    }
}

fn state(authorization: &Authorization) -> &'static str {
    match authorization {
        Authorization::Internal => "internal",
        Authorization::External(_) => "authorised",
        Authorization::Refused(_) => "refused",
        _ => "unknown",
    }
}

/// What is to be told about a destination.
fn row(
    asker: &Asker<'_>,
    name: &str,
    authorization: &Authorization,
    tag: &str,
    host: &DomainName,
    destination: &Destination,
) -> Option<Row> {
    let uri = &destination.uri;
    Some(match authorization {
        Authorization::Internal => return None,
        Authorization::External(_) if destination.replaced_by.is_empty() => return None,
        Authorization::External(_) => {
            let others = destination.replaced_by.join(", ");
            let what = format!("{host} has the reports for {uri} sent to {others}");
            Row::new("dmarc-destination-replaced", Severity::Note, name, what, "")
        }
        Authorization::Refused(Refusal::NoRecord) => {
            let has = match asker.known(name).map(|inspection| &inspection.answer) {
                Some(Detail::Records(_)) => "its TXT records there are no DMARC records",
                Some(Detail::NoData) => "there is no TXT record",
                _ => "there is no such name",
            };
            let what = format!(
                "`{tag}` sends reports to {uri}, in another organization, and {host} does not say that it wants them ({has}): \
                 receivers send none there (RFC 9990 §4)"
            );
            let fix = format!(
                "have the owner of {host} publish `{name}. TXT \"v=DMARC1\"`, or take a mailbox of the own organization"
            );
            Row::new("dmarc-destination-refused", Severity::Warning, name, what, fix)
        }
        Authorization::Refused(Refusal::BadOverride) => {
            let what = format!(
                "the record by which {host} agrees to be sent reports names a mailbox of another host, or none that can be read: receivers send none"
            );
            let fix = format!("have the owner of {host} publish `{name}. TXT \"v=DMARC1\"`");
            Row::new("dmarc-destination-override", Severity::Warning, name, what, fix)
        }
        Authorization::Refused(Refusal::NameTooLong) => {
            let what = format!("{host} cannot say that it wants reports: the name of the record would be too long");
            Row::new("dmarc-destination-name", Severity::Warning, name, what, "take a mailbox of the own organization")
        }
        // Told by the linter.
        Authorization::Refused(_) => return None,
        _ if asker.lacks(name) => {
            let what = format!("whether {host} wants the reports is not known: {name} is {NOT_IN_ZONE}");
            let fix = "give `--nameserver ADDRESS:PORT` beside `--zone`, or put the record into the file";
            Row::new("dmarc-not-in-zone", Severity::Unanswered, name, what, fix)
        }
        _ => {
            let what = format!("whether {host} wants the reports is not known: the DNS did not answer");
            Row::new("dmarc-destination-unanswered", Severity::Unanswered, name, what, "ask again later")
        }
    })
}
