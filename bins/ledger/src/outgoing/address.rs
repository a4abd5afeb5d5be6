//! To whom a report goes: the record of the policy domain is read again, and strangers are asked whether they want reports.
//!
//! Done when the report is due and not when it is made: an address may have changed, and who asks for reports no more gets none. What the DNS does not answer is asked again later; nothing
//! is sent on the strength of an answer that is missing.
//!
//! *DNS questions*: one for the record; for each address what [`dmarc_core::authorize`] says. *Limits*: [`Settings::max_recipients`] addresses.

use dkim_core::dns::TxtAnswer;
use dkim_core::domain::DomainName;
use dmarc_core::authorize::{Authorization, ReportTag, authorize_report_uri};
use dmarc_core::org_domain::OrgDomainMethod;
use dmarc_core::progress::Progress;
use dmarc_core::record::Record;
use dmarc_core::uri::ReportUri;
use engine::dns::Resolver;

use super::Settings;

/// Octets of an address that SMTP carries.
pub const MAX_ADDRESS: usize = 254;

/// An address that gets a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// The address.
    pub address: String,
    /// The most octets of a message that it takes, where the record says.
    pub max_octets: Option<u64>,
}

/// What came of looking; without an answer, nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// These want it.
    pub recipients: Vec<Recipient>,
    /// Whether the DNS answered about all: those that it did not answer about are asked for later.
    pub is_complete: bool,
}

/// Who wants reports about a policy domain now.
pub async fn addresses(resolver: &Resolver, policy_domain: &DomainName, settings: &Settings) -> Addresses {
    let mut found = Addresses { recipients: Vec::new(), is_complete: true };
    let texts = match resolver.txt(&format!("_dmarc.{policy_domain}")).await {
        TxtAnswer::Records(texts) => texts,
        TxtAnswer::NoData | TxtAnswer::NxDomain => return found,
        TxtAnswer::Failed => return Addresses::default(),
    };
    // RFC 9989 §4.10: of several records none counts.
    let mut records = texts.iter().filter(|text| Record::has_version(text)).filter_map(|text| Record::parse(text).ok());
    let (Some(record), None) = (records.next(), records.next()) else { return found };
    for uri in record.rua.iter().filter(|uri| uri.mailbox().is_some()).take(settings.max_recipients) {
        let mut progress = authorize_report_uri(policy_domain, uri, ReportTag::Rua, OrgDomainMethod::TreeWalk);
        let authorization = loop {
            progress = match progress {
                Progress::Done(authorization) => break authorization,
                Progress::Ask(pending) => {
                    let answer = resolver.txt(pending.question().name.as_str()).await;
                    pending.answer(&answer)
                }
            };
        };
        let uris = match authorization {
            Authorization::Internal => vec![uri.clone()],
            Authorization::External(uris) => uris,
            Authorization::TempError => {
                found.is_complete = false;
                continue;
            }
            _ => Vec::new(),
        };
        for recipient in uris.iter().filter_map(|uri| recipient(uri, settings)) {
            let is_new = found.recipients.iter().all(|known| known.address != recipient.address);
            if is_new && found.recipients.len() < settings.max_recipients {
                found.recipients.push(recipient);
            }
        }
    }
    found
}

fn recipient(uri: &ReportUri, settings: &Settings) -> Option<Recipient> {
    // RFC 5321 §4.5.3.1.3: a path has at most 256 octets, brackets included. Beyond ASCII it takes SMTPUTF8, which is not asked for.
    let mailbox = uri.mailbox().filter(|mailbox| mailbox.local_part.is_ascii())?;
    let max_octets = uri.obsolete_size().filter(|_| settings.honors_size).and_then(octets);
    let address = format!("{}@{}", mailbox.local_part, mailbox.domain);
    (address.len() <= MAX_ADDRESS).then_some(Recipient { address, max_octets })
}

/// `10m`: RFC 7489 §6.2, in units of 1024ⁿ.
fn octets(size: &str) -> Option<u64> {
    let digits = size.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor: u64 = match size.get(digits.len()..)?.to_ascii_lowercase().as_str() {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        "t" => 1 << 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use engine::dns::Zone;

    use super::*;

    async fn of(zone: &str, settings: &Settings) -> Addresses {
        let zone = Zone::parse(zone.as_bytes(), Path::new("zone")).unwrap();
        let resolver = Resolver::offline(zone, engine::BACKEND);
        addresses(&resolver, &DomainName::parse("bank.example").unwrap(), settings).await
    }

    fn known(list: &[(&str, Option<u64>)]) -> Addresses {
        let recipient = |(address, max_octets): &(&str, Option<u64>)| Recipient {
            address: (*address).to_owned(),
            max_octets: *max_octets,
        };
        Addresses { recipients: list.iter().map(recipient).collect(), is_complete: true }
    }

    #[tokio::test]
    async fn r10_r11_those_get_reports_who_are_named_today_and_want_them() {
        let settings = Settings::new("Us", "dmarc@us.example", "n1");
        let record = |rua: &str| format!("_dmarc.bank.example. IN TXT \"v=DMARC1; p=none; rua={rua}\"\n");
        let agrees = "bank.example._report._dmarc.other.test. IN TXT \"v=DMARC1\"\n";
        assert_eq!(of("", &settings).await, known(&[]), "there is no record any more");
        let own = record("mailto:a@bank.example!10m,https://bank.example/x,mailto:b@other.test");
        assert_eq!(
            of(&own, &settings).await,
            known(&[("a@bank.example", Some(10 << 20))]),
            "the other one did not agree"
        );
        let both = of(&(own.clone() + agrees), &settings).await;
        assert_eq!(both, known(&[("a@bank.example", Some(10 << 20)), ("b@other.test", None)]));
        let replaced = "bank.example._report._dmarc.other.test. IN TXT \"v=DMARC1; rua=mailto:c@other.test\"\n";
        let both = of(&(record("mailto:b@other.test") + replaced), &settings).await;
        assert_eq!(both, known(&[("c@other.test", None)]));
        let few = Settings { max_recipients: 1, honors_size: false, ..settings };
        assert_eq!(of(&(own + agrees), &few).await, known(&[("a@bank.example", None)]));
        let twice = record("mailto:a@bank.example") + &record("mailto:b@bank.example");
        assert_eq!(of(&twice, &few).await, known(&[]), "of several records none counts");
    }

    #[test]
    fn sizes_have_units_of_1024() {
        assert_eq!(octets("10"), Some(10));
        assert_eq!(octets("10k"), Some(10_240));
        assert_eq!(octets("1T"), Some(1 << 40));
        for odd in ["", "m", "10x", "99999999999999t", "-1k"] {
            assert_eq!(octets(odd), None, "{odd}");
        }
    }
}
