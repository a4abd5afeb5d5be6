//! Rows of records, without a database.

use engine::journal::record::{Dkim, Dmarc, Identity, Spf};

use super::*;

fn record() -> Record {
    Record {
        at: 86_400_000 * 7,
        origin: "inbound".to_owned(),
        client: Some([192, 0, 2, 1].into()),
        mail_from: "m.example".to_owned(),
        header_from: vec!["a.example".to_owned()],
        spf: Some(Spf {
            mail_from: Identity { domain: "m.example".to_owned(), result: "pass".to_owned() },
            ..Spf::default()
        }),
        dmarc: Some(Dmarc {
            result: "pass".to_owned(),
            published: Some(Published { domain: "a.example".to_owned(), p: "none".to_owned(), ..Published::default() }),
            ..Dmarc::default()
        }),
        action: "accept".to_owned(),
        ..Record::default()
    }
}

fn dkim(domain: &str, result: &str) -> Dkim {
    Dkim {
        domain: domain.to_owned(),
        selector: "s".to_owned(),
        result: result.to_owned(),
        cause: Some("why".to_owned()),
    }
}

#[test]
fn s2_2_signatures_count_once_in_any_order_those_that_pass_first() {
    let mut batch = Batch::default();
    for order in [["b", "a", "b"], ["a", "b", "b"]] {
        let mut record = record();
        record.dkim = order.iter().map(|domain| dkim(domain, if *domain == "b" { "pass" } else { "fail" })).collect();
        batch.add(&record, &Rules::default());
    }
    assert_eq!(batch.rows.len(), 1);
    let body = r#"{"dkim":[["b","s","pass"],["a","s","fail"]],"spf":["m.example","mfrom","pass"]}"#;
    assert_eq!(batch.authsets.list, [body.into()]);
    assert_eq!(batch.rows.values().next().unwrap().n, 2);
}

#[test]
fn s2_1_a_policy_that_changes_makes_rows_of_its_own_and_its_addresses_do_not() {
    let mut batch = Batch::default();
    for (p, rua) in [("none", "mailto:a@x"), ("none", "mailto:b@x"), ("reject", "mailto:b@x")] {
        let mut record = record();
        let published = record.dmarc.as_mut().unwrap().published.as_mut().unwrap();
        (published.p, published.rua) = (p.to_owned(), vec![rua.to_owned()]);
        batch.add(&record, &Rules::default());
    }
    assert_eq!((batch.policies.len(), batch.rows.len()), (2, 2));
    assert_eq!(batch.policies[0].published.rua, ["mailto:b@x"]);
}

#[test]
fn s2_10_recipients_are_part_of_a_row_only_when_asked_for() {
    for (envelope_to, rows) in [(false, 1), (true, 2)] {
        let mut batch = Batch::default();
        for domain in ["x.example", "y.example"] {
            batch.add(
                &Record { rcpt_to: vec![domain.to_owned()], ..record() },
                &Rules { envelope_to, report_domain: None },
            );
        }
        assert_eq!(batch.rows.len(), rows);
    }
}

#[test]
fn what_a_report_cannot_say_is_no_row() {
    let mut batch = Batch::default();
    let none = |change: fn(&mut Record)| {
        let mut record = record();
        change(&mut record);
        record
    };
    let records = [
        none(|record| record.client = None),
        none(|record| record.dmarc = None),
        none(|record| record.header_from.clear()),
        none(|record| record.action = "tempfail".to_owned()),
        none(|record| record.origin = "submission".to_owned()),
        none(|record| record.dmarc.as_mut().unwrap().published = None),
        none(|record| record.dmarc.as_mut().unwrap().result = "permerror".to_owned()),
    ];
    for record in &records {
        batch.add(record, &Rules::default());
    }
    assert_eq!((batch.rows.len(), batch.met.messages, batch.met.counted), (0, 7, 0));
}

#[test]
fn a_batch_is_full_by_its_rows_and_by_its_texts() {
    let mut batch = Batch::default();
    for number in 0..u32::try_from(MAX_ROWS).unwrap() {
        assert!(!batch.is_full());
        batch.add(&Record { client: Some(std::net::Ipv4Addr::from(number).into()), ..record() }, &Rules::default());
    }
    assert!(batch.is_full());
    let mut batch = Batch::default();
    let mut count = 0;
    while !batch.is_full() {
        count += 1;
        batch
            .add(&Record { header_from: vec![format!("{count}.{}", "x".repeat(1000))], ..record() }, &Rules::default());
    }
    assert!(count * 1000 <= MAX_TEXT && count * 1000 > MAX_TEXT / 2, "{count}");
}

#[test]
fn a_time_that_no_clock_has_is_a_day_all_the_same() {
    let mut batch = Batch::default();
    for at in [0, u64::MAX] {
        batch.add(&Record { at, ..record() }, &Rules::default());
    }
    assert_eq!(batch.rows.len(), 2);
}
