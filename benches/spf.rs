//! SPF: parsing a record, and evaluating one from memory: three includes and ten `ip4` networks, records parsed before, question log included.
#![expect(clippy::expect_used, reason = "the records are written here and well-formed")]

use std::collections::HashMap;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use spf_core::check::check_mail_from;
use spf_core::dns::{Answer, Question};
use spf_core::identity::{Sender, Session};
use spf_core::limits::{Limits, RecordLimits};
use spf_core::name::Name;
use spf_core::outcome::SpfResult;
use spf_core::record::Record;

/// What the domain publishes: three includes and ten networks, the last of which is the client's.
const RECORD: &str = "v=spf1 include:_spf.one.example include:_spf.two.example include:_spf.three.example ip4:192.0.2.1 ip4:192.0.2.2 \
     ip4:192.0.2.3 ip4:192.0.2.4 ip4:198.51.100.0/26 ip4:198.51.100.64/26 ip4:198.51.100.128/26 ip4:198.51.100.192/26 \
     ip4:203.0.113.0/25 ip4:203.0.113.128/25 -all";

/// What the included domains publish; none of it is about the client.
const INCLUDED: [(&str, &str); 3] = [
    ("_spf.one.example", "v=spf1 ip4:192.0.2.16/28 ip4:192.0.2.32/28 ~all"),
    ("_spf.two.example", "v=spf1 ip4:192.0.2.48/28 ip6:2001:db8:1::/48 ~all"),
    ("_spf.three.example", "v=spf1 ip4:192.0.2.64/28 ip4:192.0.2.80/28 ip6:2001:db8:2::/48 ?all"),
];

fn zone() -> HashMap<Name, Answer> {
    let records = INCLUDED.into_iter().chain([("example.com", RECORD)]);
    let zone: HashMap<Name, Answer> =
        records.map(|(name, text)| (Name::parse(name).expect("a name"), Answer::txt([text]))).collect();
    for answer in zone.values() {
        if let Answer::Txt(records) = answer {
            black_box(records.selection());
        }
    }
    zone
}

fn parse(criterion: &mut Criterion) {
    criterion.bench_function("spf/parse", |bencher| {
        bencher.iter(|| Record::parse(black_box(RECORD), RecordLimits::default()).expect("a record"));
    });
    criterion.bench_function("spf/parse/includes-only", |bencher| {
        bencher.iter(|| {
            Record::parse(black_box("v=spf1 include:_spf.google.com ~all"), RecordLimits::default()).expect("a record")
        });
    });
}

fn evaluate(criterion: &mut Criterion) {
    let zone = zone();
    let limits = Limits::default();
    let session = Session::new("203.0.113.200".parse().expect("an address"), "mail.example.com");
    let sender = Sender::from_reverse_path(b"<joe@example.com>");
    let lookup = |question: &Question| zone.get(&question.name).cloned().unwrap_or(Answer::NxDomain);
    assert_eq!(check_mail_from(&session, &sender, &limits).run(lookup).result, SpfResult::Pass);

    criterion.bench_function("spf/evaluate", |bencher| {
        bencher.iter(|| check_mail_from(black_box(&session), black_box(&sender), &limits).run(lookup));
    });
    criterion.bench_function("spf/evaluate/with-session-and-sender", |bencher| {
        bencher.iter(|| {
            let session =
                Session::new(black_box("203.0.113.200".parse().expect("an address")), black_box("mail.example.com"));
            let sender = Sender::from_reverse_path(black_box(b"<joe@example.com>"));
            check_mail_from(&session, &sender, &limits).run(lookup)
        });
    });
    // Answers at hand without a search: what the machine costs by itself.
    let answers = ["example.com", "_spf.one.example", "_spf.two.example", "_spf.three.example"];
    let answers: Vec<Answer> = answers.iter().filter_map(|name| zone.get(*name).cloned()).collect();
    criterion.bench_function("spf/evaluate/answers-in-order", |bencher| {
        bencher.iter(|| {
            let mut answers = answers.iter();
            let next = |_: &Question| answers.next().cloned().unwrap_or(Answer::NxDomain);
            check_mail_from(black_box(&session), black_box(&sender), &limits).run(next)
        });
    });
}

criterion_group!(benches, parse, evaluate);
criterion_main!(benches);
