//! Journals, written by the daemon's own writer.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use engine::journal::record::{Dkim, Dmarc, Identity, Published, Reason, Spf};
use engine::journal::{JournalThread, Record, Settings};

/// Milliseconds of 2026-11-24, 00:00 UTC.
pub(crate) const DAY: u64 = 20_781 * 86_400_000;

/// The message of a number: what it says depends on the number alone, with few enough kinds that many are alike.
pub(crate) fn message(number: u64) -> Record {
    let passes = !number.is_multiple_of(3);
    let domain = format!("d{}.example", number % 7);
    let word = |passes: bool| if passes { "pass" } else { "fail" }.to_owned();
    Record {
        at: DAY + (number % 2) * 86_400_000 + number,
        queue_id: format!("4XyZ{number}"),
        origin: "inbound".to_owned(),
        client: Some(if number.is_multiple_of(5) {
            "::ffff:192.0.2.7".parse().unwrap()
        } else {
            format!("192.0.2.{}", number % 11).parse().unwrap()
        }),
        mail_from: if number.is_multiple_of(4) { String::new() } else { format!("bounce.{domain}") },
        rcpt_to: vec!["here.example".to_owned()],
        header_from: vec![domain.clone()],
        spf: Some(Spf {
            mail_from: Identity { domain: domain.clone(), result: word(passes) },
            helo: Identity::default(),
        }),
        dkim: vec![Dkim {
            domain: domain.clone(),
            selector: format!("s{}", number % 2),
            result: word(passes),
            cause: None,
        }],
        dmarc: Some(Dmarc {
            result: word(passes),
            spf_aligned: passes,
            dkim_aligned: passes,
            published: Some(Published {
                domain,
                discovery_method: "treewalk".to_owned(),
                p: "reject".to_owned(),
                np: (number % 7 == 3).then(|| "none".to_owned()),
                adkim: "r".to_owned(),
                aspf: "r".to_owned(),
                rua: vec!["mailto:d@x.example".to_owned()],
                ..Published::default()
            }),
            disposition: if passes { "pass" } else { "none" }.to_owned(),
            reasons: if passes {
                Vec::new()
            } else {
                vec![Reason { kind: "local_policy".to_owned(), comment: Some("é, \"x\"".to_owned()) }]
            },
            ..Dmarc::default()
        }),
        action: "accept".to_owned(),
        ..Record::default()
    }
}

pub(crate) async fn write(folder: &Path, records: impl IntoIterator<Item = Record>) {
    let thread = JournalThread::spawn(Settings::new(folder.to_owned())).unwrap();
    for record in records {
        thread.journal().append(record).await;
    }
    assert_eq!(thread.journal().lost(), 0);
    assert!(thread.finish(Duration::from_secs(20)));
}

/// Counts by what a row says, the plain way: one line of text a message.
pub(crate) fn expected(records: impl IntoIterator<Item = Record>) -> BTreeMap<String, i64> {
    let mut rows = BTreeMap::new();
    for record in records {
        let dmarc = record.dmarc.as_ref().unwrap();
        let (dkim, spf) = (&record.dkim[0], &record.spf.as_ref().unwrap().mail_from);
        let scope = if record.mail_from.is_empty() { "helo" } else { "mfrom" };
        let line = format!(
            "{} {} {} {} [{}] {} {} dkim={} {} {} spf={} {} {} {:?}",
            ledger::export::date(i64::try_from(record.at / 86_400_000).unwrap()),
            dmarc.published.as_ref().unwrap().domain,
            record.client.unwrap().to_canonical(),
            record.header_from[0],
            record.mail_from,
            dmarc.disposition,
            dmarc.result,
            dkim.domain,
            dkim.selector,
            dkim.result,
            spf.domain,
            scope,
            spf.result,
            dmarc.reasons.iter().map(|reason| format!("{} {:?}", reason.kind, reason.comment)).collect::<Vec<_>>(),
        );
        *rows.entry(line).or_insert(0) += 1;
    }
    rows
}
