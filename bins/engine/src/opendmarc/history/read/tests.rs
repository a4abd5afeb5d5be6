use proptest::prelude::*;

use super::*;
use crate::opendmarc::history::{Action, Entry};

fn read(text: &str) -> Vec<Result<Record, String>> {
    HistoryReader::new(text.as_bytes()).map(|record| record.map_err(|error| error.to_string())).collect()
}

/// As OpenDMARC 1.4.2 of Debian writes it.
const DEBIAN: &str = "job 4QABC123\nreporter mx.example.org\nreceived 1795485810\nipaddr 192.0.2.1\nfrom example.com\nmfrom bounce.example.com\n\
    dkim example.com sel1 0\ndkim list.example - 7\nspf 2\npdomain example.com\npolicy 16\nrua mailto:a@example.com\nrua mailto:b@x.example!10m\n\
    pct 100\nadkim 114\naspf 115\np 114\nsp 113\nalign_dkim 5\nalign_spf 4\narc 7\narc_policy 2 json:[]\naction 2\n";

#[test]
fn s3_4_a_record_of_opendmarc_1_4() {
    let records = read(DEBIAN);
    let record = records[0].as_ref().unwrap();
    assert_eq!((record.at, record.queue_id.as_str()), (1_795_485_810_000, "4QABC123"));
    assert_eq!(
        (record.client, record.header_from.as_slice()),
        ("192.0.2.1".parse().ok(), &["example.com".to_owned()][..])
    );
    let spf = &record.spf.as_ref().unwrap().mail_from;
    assert_eq!((spf.domain.as_str(), spf.result.as_str()), ("bounce.example.com", "softfail"));
    let dkim: Vec<_> = record.dkim.iter().map(|dkim| (&*dkim.domain, &*dkim.selector, &*dkim.result)).collect();
    assert_eq!(dkim, [("example.com", "sel1", "pass"), ("list.example", "", "fail")]);
    let dmarc = record.dmarc.as_ref().unwrap();
    assert_eq!((&*dmarc.result, &*dmarc.requested, &*dmarc.disposition), ("fail", "reject", "none"));
    assert_eq!((dmarc.spf_aligned, dmarc.dkim_aligned), (true, false));
    assert_eq!(dmarc.reasons, [Reason { kind: "local_policy".to_owned(), comment: None }]);
    let published = dmarc.published.as_ref().unwrap();
    assert_eq!(
        (&*published.p, published.sp.as_deref(), &*published.adkim, &*published.aspf),
        ("reject", Some("quarantine"), "r", "s")
    );
    assert_eq!(published.rua, ["mailto:a@example.com", "mailto:b@x.example!10m"]);
    assert_eq!((record.action.as_str(), records.len()), ("accept", 1));
}

#[test]
fn s3_4_other_versions_two_fields_of_dkim_no_spf_and_the_lines_of_2026() {
    let old = "job (unknown-jobid)\nreporter h\nreceived 1\nipaddr ::ffff:192.0.2.9\nfrom Example.COM\nmfrom \ndkim example.com 0\npdomain example.com\npolicy 15\n\
               rua -\np 110\nalign_dkim 4\nalign_spf 5\naction 2\n";
    let new = "job 2\nreceived 2\nipaddr 2001:db8::1\nfrom a.example\nmfrom b.example\nspf 0\nspf_scope 2\nfo 13\nlater 7\npdomain a.example\npolicy 15\np 113\n\
               arc 0\narc_policy 0 json:[{ \"i\":1 }]\naction 2\n";
    let records = read(&format!("{old}{new}"));
    let (old, new) = (records[0].as_ref().unwrap(), records[1].as_ref().unwrap());
    assert_eq!((old.queue_id.as_str(), old.client, old.spf.is_none()), ("", "192.0.2.9".parse().ok(), true));
    assert_eq!((old.header_from[0].as_str(), old.dkim[0].result.as_str()), ("example.com", "pass"));
    let dmarc = old.dmarc.as_ref().unwrap();
    assert_eq!((&*dmarc.disposition, dmarc.published.as_ref().unwrap().rua.len()), ("none", 0));
    let spf = new.spf.as_ref().unwrap();
    assert_eq!((&*spf.mail_from.result, &*spf.helo.result), ("", "pass"));
    let dmarc = new.dmarc.as_ref().unwrap();
    assert_eq!((&*dmarc.disposition, dmarc.published.as_ref().unwrap().fo.as_deref()), ("pass", Some("0:d:s")));
}

/// A pass is `pass` where the policy that applied asks for something, which for a subdomain is `sp` (RFC 9990 §3.1.1.8).
#[test]
fn r5_what_passes_is_by_the_policy_that_applied() {
    for (from, p, sp, disposition) in [
        ("example.com", 114, 110, "pass"),
        ("sub.example.com", 114, 110, "none"),
        ("sub.example.com", 110, 114, "pass"),
        ("example.com", 110, 114, "none"),
        ("sub.example.com", 114, 0, "pass"),
    ] {
        let text = format!(
            "job 1\nreceived 1\nfrom {from}\npdomain example.com\npolicy 15\np {p}\nsp {sp}\nalign_dkim 4\nalign_spf 5\naction 2\n"
        );
        let records = read(&text);
        let dmarc = records[0].as_ref().unwrap().dmarc.as_ref().unwrap();
        assert_eq!(dmarc.disposition, disposition, "{from} p={p} sp={sp}");
    }
}

#[test]
fn a_record_that_cannot_be_used_has_its_line_and_the_next_one_is_read() {
    let good = DEBIAN;
    for (bad, line, cause) in [
        ("job 1\nreceived x\n", 2, "`received`: not a time"),
        ("job 1\nreceived 1\nfrom a.example\npolicy 16\n", 1, "no line `action`"),
        ("job 1\nreceived 1\npolicy 16\naction 2\n", 1, "no line `from`"),
        ("job 1\nreceived 1\nfrom a b\n", 3, "`from`: not a domain name"),
        ("job 1\nreceived 1\nfrom a.example\npolicy 99\naction 2\n", 1, "`policy` is none"),
        ("job 1\nreceived 1\nfrom a.example\npolicy 16\naction 9\n", 1, "`action` is none"),
        ("from a.example\n", 1, "begins with a line `job`"),
        ("job 1\ndkim a b c d\n", 2, "`dkim`: not a domain"),
    ] {
        let records = read(&format!("{bad}{good}"));
        let error = records[0].as_ref().unwrap_err();
        assert!(error.starts_with(&format!("line {line}: ")) && error.contains(cause), "{bad}: {error}");
        assert_eq!(records.len(), 2, "{bad}");
        assert!(records[1].is_ok(), "{bad}: {:?}", records[1]);
    }
    assert_eq!(read("").len(), 0);
    assert_eq!(read("\n\r\n").len(), 0);
}

#[test]
fn lines_and_records_without_end_are_errors_and_take_no_memory() {
    let long = format!("job 1\nrua {}\n{DEBIAN}", "x".repeat(3 * MAX_LINE));
    let records = read(&long);
    assert!(records[0].as_ref().unwrap_err().contains("line 2: the line is too long"), "{records:?}");
    assert_eq!((records.len(), records[1].is_ok()), (2, true));
    let many = format!("job 1\n{}{DEBIAN}", "rua mailto:a@b.example\n".repeat(20_000));
    let records = read(&many);
    assert!(records[0].as_ref().unwrap_err().contains("more than 10000 lines"), "{:?}", records[0]);
    assert_eq!((records.len(), records[1].is_ok()), (2, true));
    assert!(read("job 1\n\u{0}\u{1}\n").len() == 1);
    let binary = HistoryReader::new(&b"job \xff\nfrom \xfe\njob 2\n"[..]);
    assert_eq!(binary.filter(Result::is_err).count(), 2);
}

/// A reader that fails in the middle.
struct Broken(usize);

impl io::Read for Broken {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::Error::other("bad sector"));
        }
        self.0 = 0;
        let text = DEBIAN.as_bytes();
        buffer[..text.len()].copy_from_slice(text);
        Ok(text.len())
    }
}

#[test]
fn a_disk_that_fails_ends_the_file_with_an_error() {
    let records: Vec<_> = HistoryReader::new(io::BufReader::new(Broken(1))).collect();
    assert!(matches!(records[..], [Err(HistoryError::Io(_))]), "a record that may be cut is not used: {records:?}");
}

fn word() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["none", "pass", "fail"]).prop_map(str::to_owned)
}

proptest! {
    #[test]
    fn what_we_write_is_read_back(
        job in "[A-Za-z0-9]{1,12}",
        result in word(),
        requested in prop::sample::select(vec!["none", "quarantine", "reject"]),
        aligned in any::<(bool, bool)>(),
        action in prop::sample::select(vec![Action::Reject, Action::Accept, Action::Quarantine]),
        selectors in prop::collection::vec("[a-z0-9]{1,8}", 0..5),
        received in 0_u64..4_000_000_000,
    ) {
        let published = (result != "none").then(|| Published {
            domain: "bank.example".to_owned(),
            p: requested.to_owned(),
            adkim: "s".to_owned(),
            aspf: "r".to_owned(),
            rua: vec!["mailto:a@bank.example".to_owned()],
            ..Published::default()
        });
        let dmarc = Dmarc {
            result: result.clone(),
            dkim_aligned: aligned.0,
            spf_aligned: aligned.1,
            published,
            requested: requested.to_owned(),
            ..Dmarc::default()
        };
        let dkim: Vec<_> =
            selectors.iter().map(|name| ("d.example".to_owned(), Some(name.clone()), "fail")).collect();
        let entry = Entry {
            job: &job,
            reporter: "mx.example",
            received,
            client: "2001:db8::7".parse().ok(),
            from: "bank.example",
            mail_from: "x.example",
            spf: Some("neutral"),
            dkim: &dkim,
            dmarc: &dmarc,
            pct: None,
            action,
        };
        let records = read(&entry.to_text().unwrap());
        prop_assert_eq!(records.len(), 1);
        let record = records[0].as_ref().unwrap();
        let back = record.dmarc.as_ref().unwrap();
        prop_assert_eq!((&record.queue_id, record.at), (&job, received.saturating_mul(1000)));
        prop_assert_eq!(&back.result, &result);
        prop_assert_eq!(&back.published, &dmarc.published);
        if result != "none" {
            prop_assert_eq!((back.dkim_aligned, back.spf_aligned), aligned);
        }
        let names: Vec<&str> = record.dkim.iter().map(|dkim| dkim.selector.as_str()).collect();
        prop_assert_eq!(names, selectors);
        prop_assert_eq!(&record.spf.as_ref().unwrap().mail_from.result, "neutral");
    }

    #[test]
    fn any_text_is_read_to_its_end(octets in prop::collection::vec(any::<u8>(), 0..400), lines in prop::collection::vec("(job|from|policy|action|dkim|received) [a-z0-9. -]{0,12}", 0..20)) {
        let text = [lines.join("\n").into_bytes(), octets].concat();
        let jobs = text.split(|octet| *octet == b'\n').count().saturating_add(1);
        prop_assert!(HistoryReader::new(&text[..]).count() <= jobs);
    }
}
