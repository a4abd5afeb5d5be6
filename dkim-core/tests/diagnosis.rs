//! What was done to a signed message is found out: each usual change made to a real signed one, and told by its name.
#![cfg(any(feature = "ring", feature = "aws-lc-rs"))]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that cannot get its answer has failed"
)]

#[path = "edge/support.rs"]
#[allow(dead_code, reason = "shared with other tests, which use the rest of it")]
mod support;

use std::time::{Duration, Instant};

use dkim_core::canon::Canon;
use dkim_core::crypto::Backend;
use dkim_core::header::{HeaderBlock, HeaderLimits};
use dkim_core::verify::{BodyDiagnosis, Diagnosis, DiagnosisLimits, HeaderDiagnosis, KeyAnswer, Suspect, diagnose};
use support::{Draft, MESSAGE, Zone, above, altered, below};

const NAME: &str = "sel._domainkey.example.com";

/// The diagnosis of the topmost signature.
fn diagnosed(message: &[u8]) -> Diagnosis {
    diagnosed_at(message, 0, &DiagnosisLimits::default())
}

fn diagnosed_at(message: &[u8], field: usize, limits: &DiagnosisLimits) -> Diagnosis {
    let (headers, body) = HeaderBlock::parse(message, HeaderLimits::default()).unwrap();
    let key = KeyAnswer::parse(&Zone::usual().0[NAME], Backend::default());
    let suspect = Suspect { headers: &headers, field, body: &message[body..], key: Some(&key) };
    diagnose(&suspect, Backend::default(), limits).unwrap()
}

/// The counts that differ: name, signed, present.
fn counted(diagnosis: &Diagnosis) -> Vec<(&str, usize, usize)> {
    diagnosis.counts.iter().map(|count| (count.name.as_str(), count.signed, count.present)).collect()
}

fn signed() -> Vec<u8> {
    Draft::default().sign(MESSAGE)
}

fn simple() -> Draft<'static> {
    Draft {
        template: " v=1; a=ed25519-sha256; c=simple/simple; d=example.com; s=sel; h=from:to:subject; bh={bh}; b={b}",
        canon: (Canon::Simple, Canon::Simple),
        ..Draft::default()
    }
}

#[test]
fn s6_1_3_a_message_that_was_not_changed_is_intact_twice() {
    for message in [signed(), simple().sign(MESSAGE)] {
        let diagnosis = diagnosed(&message);
        assert_eq!(diagnosis.body, BodyDiagnosis::Intact { unsigned: 0 });
        assert_eq!((diagnosis.header, diagnosis.counts), (Some(HeaderDiagnosis::Intact), vec![]));
    }
}

#[test]
fn a_footer_is_told_with_its_size_wherever_it_begins() {
    let footer = b"_______\r\nlist mailing list\r\nunsubscribe here\r\n";
    let canonical =
        u64::try_from(MESSAGE.len() - MESSAGE.windows(4).position(|it| it == b"\r\n\r\n").unwrap() - 4).unwrap();
    for (message, signed) in [(signed(), canonical - 1), (simple().sign(MESSAGE), canonical)] {
        let body = diagnosed(&[&message[..], footer].concat()).body;
        assert_eq!(body, BodyDiagnosis::Appended { octets: footer.len(), lines: 3, signed });
        // Without a line end at its end, and with empty lines before it, which canonicalization would have taken off.
        let body = diagnosed(&[&message[..], b"\r\n\r\nlast"].concat()).body;
        assert_eq!(body, BodyDiagnosis::Appended { octets: 8, lines: 3, signed });
    }
    let empty = Draft::default().sign(&MESSAGE[..MESSAGE.windows(4).position(|it| it == b"\r\n\r\n").unwrap() + 4]);
    let body = diagnosed(&[&empty[..], footer].concat()).body;
    assert_eq!(body, BodyDiagnosis::Appended { octets: footer.len(), lines: 3, signed: 0 });
}

#[test]
fn a_footer_of_more_lines_than_are_tried_is_a_change() {
    let message = signed();
    let mut limits = DiagnosisLimits::default();
    let long = [&message[..], &b"x\r\n".repeat(limits.max_cuts)].concat();
    assert!(matches!(diagnosed_at(&long, 0, &limits).body, BodyDiagnosis::Appended { lines: 10_000, .. }));
    limits.max_cuts = 9_999;
    assert_eq!(diagnosed_at(&long, 0, &limits).body, BodyDiagnosis::Changed);
    limits.max_cuts = 0;
    assert_eq!(diagnosed_at(&long, 0, &limits).body, BodyDiagnosis::Changed);
}

#[test]
fn s3_4_another_canonicalization_is_told() {
    // Signed relaxed, and the tag says simple: for the body, and for the header.
    let wrong = |part: &str, canon| {
        let template =
            format!(" v=1; a=ed25519-sha256; c={part}; d=example.com; s=sel; h=from:to:subject; bh={{bh}}; b={{b}}");
        diagnosed(&Draft { template: &template, canon, ..Draft::default() }.sign(MESSAGE))
    };
    let body = wrong("relaxed/simple", (Canon::Relaxed, Canon::Relaxed));
    assert_eq!(body.body, BodyDiagnosis::OtherCanonicalization(Canon::Relaxed));
    assert_eq!(body.header, Some(HeaderDiagnosis::Intact));
    let header = wrong("simple/simple", (Canon::Relaxed, Canon::Simple));
    assert_eq!(header.body, BodyDiagnosis::Intact { unsigned: 0 });
    assert_eq!(header.header, Some(HeaderDiagnosis::OtherCanonicalization(Canon::Relaxed)));
}

#[test]
fn s3_5_length_tags_tell_how_far_the_body_was_signed() {
    let with_length = |length: &str| {
        let template = format!(
            " v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.com; s=sel; l={length}; h=from:to:subject; bh={{bh}}; b={{b}}"
        );
        Draft { template: &template, ..Draft::default() }.sign(MESSAGE)
    };
    // 46 octets in canonical form.
    assert_eq!(diagnosed(&with_length("46")).body, BodyDiagnosis::Intact { unsigned: 0 });
    assert_eq!(diagnosed(&[&with_length("46")[..], b"more\r\n"].concat()).body, BodyDiagnosis::Intact { unsigned: 6 });
    assert_eq!(diagnosed(&with_length("7")).body, BodyDiagnosis::WithoutLength);
    let cut = altered(&with_length("46"), "Are you hungry yet?\r\n", "");
    assert_eq!(diagnosed(&cut).body, BodyDiagnosis::CutOff { signed: 46, present: 26 });
    let changed = altered(&with_length("46"), "lost", "won.");
    assert_eq!(diagnosed(&changed).body, BodyDiagnosis::Changed);
}

#[test]
fn x8_line_feeds_for_crlf_are_told() {
    let message = simple().sign(MESSAGE);
    let at = message.windows(4).position(|it| it == b"\r\n\r\n").unwrap() + 4;
    let body: Vec<u8> = message[at..].iter().copied().filter(|octet| *octet != b'\r').collect();
    assert_eq!(diagnosed(&[&message[..at], &body].concat()).body, BodyDiagnosis::BareLineFeeds);
    assert_eq!(diagnosed(&[&message[..at], &body, b"\nx"].concat()).body, BodyDiagnosis::Changed);
}

#[test]
fn tags_before_the_subject_are_told_and_words_in_it_are_changes() {
    for draft in [Draft::default(), simple()] {
        let message = draft.sign(MESSAGE);
        for (from, to, tag) in [
            ("Subject: Is", "Subject: [dinner] Is", "[dinner] "),
            ("Subject: Is", "Subject: ***SPAM*** Is", "***SPAM*** "),
            ("Subject: Is", "Subject: EXTERNAL: Is", "EXTERNAL: "),
        ] {
            let diagnosis = diagnosed(&altered(&message, from, to));
            assert_eq!(diagnosis.header, Some(HeaderDiagnosis::SubjectTag(tag.as_bytes().to_vec())), "{to}");
            assert_eq!(diagnosis.body, BodyDiagnosis::Intact { unsigned: 0 });
        }
        for to in
            ["Subject: [a] [b] Is", "Subject: [a Is", "Subject: ", "Subject: [] ", "Subject: **Is", "Subject: Was"]
        {
            let diagnosis = diagnosed(&altered(&message, "Subject: Is", to));
            assert_eq!(diagnosis.header, Some(HeaderDiagnosis::Changed), "{to}");
        }
    }
    let reply = Draft::default().sign(&altered(MESSAGE, "Subject: Is", "Subject: Re: Is"));
    let tagged = altered(&reply, "Subject: Re: Is", "Subject: Re: [dinner] Is");
    assert_eq!(diagnosed(&tagged).header, Some(HeaderDiagnosis::SubjectTag(b"[dinner] ".to_vec())));
}

#[test]
fn s5_4_2_fields_that_came_and_went_are_counted_and_the_one_that_breaks_it_is_named() {
    let draft = Draft {
        template: " v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.com; s=sel; h=from:from:to:subject:reply-to; bh={bh}; b={b}",
        names: "from:from:to:subject:reply-to",
        ..Draft::default()
    };
    let message = draft.sign(MESSAGE);
    let count = |name, signed, present| (name, signed, present);
    let plain = diagnosed(&message);
    assert_eq!(plain.header, Some(HeaderDiagnosis::Intact));
    assert_eq!(counted(&plain), [count("from", 2, 1), count("reply-to", 1, 0)]);

    let added = diagnosed(&below("Reply-To: list@example.net\r\n", &message));
    assert_eq!(added.header, Some(HeaderDiagnosis::AddedField { name: b"Reply-To".to_vec(), field: 8 }));
    assert_eq!(counted(&added), [count("from", 2, 1)]);
    // Above the signature, so that its own place is another one without it.
    let second = diagnosed_at(&above("From: x@example.net\r\n", &message), 1, &DiagnosisLimits::default());
    assert_eq!(second.header, Some(HeaderDiagnosis::AddedField { name: b"From".to_vec(), field: 0 }));
    assert_eq!(counted(&second), [count("reply-to", 1, 0)]);
    // Of a field that is signed once, one that comes on top is not covered, and one below takes its place.
    let on_top = diagnosed_at(&above("To: x@example.net\r\n", &message), 1, &DiagnosisLimits::default());
    assert_eq!((&on_top.header, counted(&on_top)[1]), (&Some(HeaderDiagnosis::Intact), count("to", 1, 2)));
    let at_bottom = diagnosed(&below("To: x@example.net\r\n", &message));
    assert_eq!(at_bottom.header, Some(HeaderDiagnosis::AddedField { name: b"To".to_vec(), field: 8 }));

    let gone = diagnosed(&altered(&message, "To: mary@example.org\r\n", ""));
    assert_eq!((&gone.header, counted(&gone)[1]), (&Some(HeaderDiagnosis::Changed), count("to", 1, 0)));
    let mut limits = DiagnosisLimits::default();
    limits.max_fields = 3;
    let many = below("Reply-To: list@example.net\r\n", &message);
    assert_eq!(diagnosed_at(&many, 0, &limits).header, Some(HeaderDiagnosis::Changed));
}

#[test]
fn without_a_key_nothing_is_said_of_the_header_and_without_a_signature_nothing_at_all() {
    let message = signed();
    let (headers, body) = HeaderBlock::parse(&message, HeaderLimits::default()).unwrap();
    let about = |field, key| {
        let suspect = Suspect { headers: &headers, field, body: &message[body..], key };
        diagnose(&suspect, Backend::default(), &DiagnosisLimits::default())
    };
    assert_eq!(about(0, None).unwrap().header, None);
    let revoked = KeyAnswer::parse(&Zone::default().with(NAME, "v=DKIM1; k=ed25519; p=").0[NAME], Backend::default());
    assert_eq!(about(0, Some(&revoked)).unwrap().header, None);
    assert_eq!((about(1, None), about(99, None)), (None, None));
}

#[test]
fn a_large_body_of_short_lines_and_a_large_header_cost_no_more_than_their_size() {
    let message = signed();
    let begin = Instant::now();
    let large = [&message[..], &b"\n\r\n x\r\n".repeat(1_000_000)].concat();
    assert_eq!(diagnosed(&large).body, BodyDiagnosis::Changed);
    let fields = format!("To: {}\r\n", "x".repeat(5_000)).repeat(90);
    assert_eq!(diagnosed(&altered(&below(&fields, &message), "Joe <", "Moe <")).header, Some(HeaderDiagnosis::Changed));
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
}
