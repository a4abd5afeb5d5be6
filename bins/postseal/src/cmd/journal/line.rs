//! A record as one line for people.
//!
//! ```text
//! 2026-11-24T16:21:16.123Z 4XyZ1 author=example.org mail_from=example.com client=192.0.2.1 spf=pass dkim=fail:example.org dmarc=fail action=accept
//! ```
//!
//! The file may hold anything: what is not printable ASCII is escaped.

use std::fmt::{self, Write as _};

use engine::journal::Record;
use engine::journal::record::Dmarc;
use jiff::Timestamp;

/// Signatures that are shown of a record; JSON has all of them.
const MAX_SHOWN: usize = 3;

/// The line, without its end.
pub(super) struct Line<'a>(pub(super) &'a Record);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = self.0;
        write!(f, "{} {}", time(record.at), Text(or(&record.queue_id, "-")))?;
        match (&*record.header_from, &record.header_from_error) {
            ([], None) => f.write_str(" author=-")?,
            ([], Some(error)) => write!(f, " author=({})", Text(error))?,
            (domains, None) => write!(f, " author={}", Text(&domains.join(",")))?,
            (domains, Some(error)) => write!(f, " author={}({})", Text(&domains.join(",")), Text(error))?,
        }
        match &record.mail_from_error {
            Some(error) => write!(f, " mail_from=({})", Text(error))?,
            None => write!(f, " mail_from={}", Text(or(&record.mail_from, "<>")))?,
        }
        match record.client {
            Some(client) => write!(f, " client={client}")?,
            None => f.write_str(" client=-")?,
        }
        match &record.spf {
            Some(spf) => write!(f, " spf={}", Text(or(&spf.mail_from.result, "-")))?,
            None => f.write_str(" spf=-")?,
        }
        write!(f, " dkim={}", Text(&dkim(record)))?;
        match &record.dmarc {
            Some(dmarc) => write!(f, " dmarc={}", Text(&describe(dmarc)))?,
            None => f.write_str(" dmarc=-")?,
        }
        write!(f, " action={}", Text(or(&record.action, "-")))?;
        if let Some(reason) = &record.action_reason {
            write!(f, "({})", Text(reason))?;
        }
        if record.refused > 0 {
            write!(f, " rcpts_refused={}", record.refused)?;
        }
        if !record.signed.is_empty() {
            write!(f, " signed={}", Text(&record.signed.join(",")))?;
        }
        Ok(())
    }
}

/// In UTC, to the millisecond.
pub(super) fn time(milliseconds: u64) -> String {
    let time = i64::try_from(milliseconds).ok().and_then(|time| Timestamp::from_millisecond(time).ok());
    time.map_or_else(|| format!("{milliseconds}ms"), |time| format!("{time:.3}"))
}

/// `pass:example.com,fail:list.example,+2`; `none` for a message that was judged and has no signature.
fn dkim(record: &Record) -> String {
    if record.dkim.is_empty() {
        return if record.origin == "inbound" { "none" } else { "-" }.to_owned();
    }
    let shown = record.dkim.iter().take(MAX_SHOWN).map(|dkim| format!("{}:{}", dkim.result, or(&dkim.domain, "-")));
    let mut text = shown.collect::<Vec<_>>().join(",");
    let more = record.dkim.len().saturating_sub(MAX_SHOWN);
    if more > 0 {
        // Writing to a String does not fail.
        let _ = write!(text, ",+{more}");
    }
    text
}

/// `fail(p=reject,would=reject)`
fn describe(dmarc: &Dmarc) -> String {
    let mut parts = Vec::new();
    // Nothing but a `fail` is acted upon: of other mail nobody asks for anything, whatever its policy is.
    if dmarc.result == "fail" && !dmarc.requested.is_empty() {
        parts.push(format!("policy={}", dmarc.requested));
    }
    if !dmarc.disposition.is_empty() && dmarc.disposition != "none" && dmarc.disposition != "pass" {
        parts.push(format!("done={}", dmarc.disposition));
    }
    if let Some(would) = &dmarc.would {
        parts.push(format!("would={would}"));
    }
    if parts.is_empty() { dmarc.result.clone() } else { format!("{}({})", dmarc.result, parts.join(",")) }
}

fn or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

/// A text of the file, fit for a terminal.
pub(super) struct Text<'a>(pub(super) &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_bytes().escape_ascii().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use engine::journal::record::{Dkim, Identity, Spf};

    use super::*;

    fn dkim_of(result: &str, domain: &str) -> Dkim {
        Dkim { result: result.to_owned(), domain: domain.to_owned(), ..Dkim::default() }
    }

    #[test]
    fn a_line_has_what_was_decided_and_from_what() {
        let record = Record {
            at: 1_790_000_000_123,
            queue_id: "4XyZ1".to_owned(),
            origin: "inbound".to_owned(),
            header_from: vec!["example.org".to_owned()],
            mail_from: "example.com".to_owned(),
            client: Some("192.0.2.1".parse().unwrap()),
            spf: Some(Spf {
                mail_from: Identity { result: "pass".to_owned(), ..Identity::default() },
                ..Spf::default()
            }),
            dkim: vec![
                dkim_of("fail", "a.example"),
                dkim_of("pass", "b.example"),
                dkim_of("permerror", ""),
                dkim_of("pass", "c"),
            ],
            dmarc: Some(Dmarc {
                result: "fail".to_owned(),
                requested: "reject".to_owned(),
                disposition: "none".to_owned(),
                would: Some("reject".to_owned()),
                ..Dmarc::default()
            }),
            action: "reject".to_owned(),
            action_reason: Some("spf-fail".to_owned()),
            refused: 2,
            ..Record::default()
        };
        assert_eq!(
            Line(&record).to_string(),
            "2026-09-21T14:13:20.123Z 4XyZ1 author=example.org mail_from=example.com client=192.0.2.1 spf=pass \
             dkim=fail:a.example,pass:b.example,permerror:-,+1 dmarc=fail(policy=reject,would=reject) \
             action=reject(spf-fail) rcpts_refused=2"
        );
    }

    #[test]
    fn a_policy_is_told_of_mail_that_fails() {
        for (result, told) in
            [("pass", "pass"), ("none", "none"), ("temperror", "temperror"), ("fail", "fail(policy=none)")]
        {
            let dmarc = Dmarc { result: result.to_owned(), requested: "none".to_owned(), ..Dmarc::default() };
            assert_eq!(describe(&dmarc), told);
        }
    }

    #[test]
    fn what_is_not_there_is_a_dash_and_our_own_mail_has_its_signatures() {
        let record = Record {
            header_from_error: Some("from-missing".to_owned()),
            mail_from_error: Some("malformed".to_owned()),
            action: "accept".to_owned(),
            signed: vec!["ed._domainkey.example.com".to_owned()],
            ..Record::default()
        };
        assert_eq!(
            Line(&record).to_string(),
            "1970-01-01T00:00:00.000Z - author=(from-missing) mail_from=(malformed) client=- spf=- dkim=- dmarc=- action=accept \
             signed=ed._domainkey.example.com"
        );
    }

    #[test]
    fn the_null_sender_is_told_from_one_without_a_domain() {
        let line = |error: Option<&str>| {
            Line(&Record { mail_from_error: error.map(str::to_owned), ..Record::default() }).to_string()
        };
        assert!(line(None).contains(" mail_from=<> "));
        assert!(line(Some("address-literal")).contains(" mail_from=(address-literal) "));
    }

    #[test]
    fn a_file_that_was_tampered_with_does_not_reach_the_terminal() {
        let bad = "\u{1b}[2J\u{9b}\u{202e}\n".to_owned();
        let record = Record {
            at: u64::MAX,
            queue_id: bad.clone(),
            mail_from: bad.clone(),
            mail_from_error: Some(bad.clone()),
            header_from: vec![bad.clone()],
            dkim: vec![dkim_of(&bad, &bad)],
            action: bad.clone(),
            action_reason: Some(bad.clone()),
            signed: vec![bad],
            ..Record::default()
        };
        let line = Line(&record).to_string();
        assert!(line.bytes().all(|octet| (b' '..=b'~').contains(&octet)), "{line:?}");
    }
}
