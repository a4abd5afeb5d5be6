//! `HistoryFile`: one record a message, in OpenDMARC's format, for `opendmarc-import`.
//!
//! A record is lines of a key, a space and a value; it begins with `job` and ends at the next one. The order of lines and the numbers in them are those of
//! OpenDMARC 1.4.2, whose import knows no other keys:
//!
//! ```text
//! job, reporter, received, ipaddr, from, mfrom, spf, dkim*, pdomain, policy, rua+, pct, adkim, aspf, p, sp, align_dkim, align_spf, arc, arc_policy, action
//! ```
//!
//! Values come from the DNS and from strangers: they are written without spaces and control characters, so that none can end its line or be two words.

mod read;
mod writer;

use std::fmt::Write as _;
use std::net::IpAddr;

pub use self::read::{HistoryError, HistoryReader, MAX_LINE, MAX_LINES, MAX_URIS};
pub use self::writer::{History, QUEUE_LENGTH};
use crate::journal::record::Dmarc;

/// What a record is made from.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    /// The queue id.
    pub(crate) job: &'a str,
    /// This host, as the MTA calls it.
    pub(crate) reporter: &'a str,
    /// Seconds since the epoch.
    pub(crate) received: u64,
    /// The client; none for a program on this host.
    pub(crate) client: Option<IpAddr>,
    /// The author domain.
    pub(crate) from: &'a str,
    /// The domain of MAIL FROM; empty for the null sender.
    pub(crate) mail_from: &'a str,
    /// SPF of MAIL FROM, if it was evaluated.
    pub(crate) spf: Option<&'a str>,
    /// Domain, selector and result of each signature.
    pub(crate) dkim: &'a [(String, Option<String>, &'static str)],
    /// DMARC.
    pub(crate) dmarc: &'a Dmarc,
    /// `pct=` of the record.
    pub(crate) pct: Option<u8>,
    /// What was done.
    pub(crate) action: Action,
}

/// What was done with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Reject = 0,
    Accept = 2,
    Quarantine = 4,
}

impl Entry<'_> {
    /// The record; `None` for a result that has none in this format.
    pub(crate) fn to_text(&self) -> Option<String> {
        let dmarc = self.dmarc;
        let policy = match (dmarc.result.as_str(), &dmarc.published) {
            ("none", None) => 14,
            ("pass", Some(_)) => 15,
            ("fail", Some(_)) => match dmarc.requested.as_str() {
                "reject" => 16,
                "quarantine" => 17,
                _ => 18,
            },
            // OpenDMARC leaves these without a record as well.
            _ => return None,
        };
        let mut text = String::new();
        let mut line = |key: &str, value: &str| {
            let value: String = value.chars().map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect();
            let _ = writeln!(text, "{key} {value}");
        };
        line("job", if self.job.is_empty() { "(unknown-jobid)" } else { self.job });
        line("reporter", self.reporter);
        line("received", &self.received.to_string());
        // OpenDMARC has this address for a program on the host.
        line("ipaddr", &self.client.map_or_else(|| "127.0.0.1".to_owned(), |address| address.to_string()));
        line("from", self.from);
        line("mfrom", &self.mail_from.to_ascii_lowercase());
        line("spf", &self.spf.map_or(-1, code).to_string());
        // `line` takes no spaces.
        let mut signatures = String::new();
        for (domain, selector, result) in self.dkim {
            let word = |text: &str| -> String {
                let text = if text.is_empty() { "-" } else { text };
                text.chars().map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect()
            };
            let selector = selector.as_deref().unwrap_or_default();
            let _ = writeln!(signatures, "dkim {} {} {}", word(domain), word(selector), code(result));
        }
        text.push_str(&signatures);
        let mut line = |key: &str, value: &str| {
            let value: String = value.chars().map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect();
            let _ = writeln!(text, "{key} {value}");
        };
        let published = dmarc.published.as_ref();
        line("pdomain", published.map_or(self.from, |published| &published.domain));
        line("policy", &policy.to_string());
        match published.map_or(&[][..], |published| &published.rua) {
            [] => line("rua", "-"),
            uris => uris.iter().for_each(|uri| line("rua", uri)),
        }
        // Without a record OpenDMARC has zeros.
        let number = |value: Option<i32>| value.unwrap_or(0).to_string();
        line("pct", &number(published.map(|_| self.pct.map_or(100, i32::from))));
        line("adkim", &number(published.map(|published| mode(&published.adkim))));
        line("aspf", &number(published.map(|published| mode(&published.aspf))));
        line("p", &number(published.map(|published| policy_code(&published.p))));
        line("sp", &number(published.and_then(|published| published.sp.as_deref().map(policy_code))));
        let aligned = |is_aligned: bool| published.map(|_| if is_aligned { 4 } else { 5 });
        line("align_dkim", &number(aligned(dmarc.dkim_aligned)));
        line("align_spf", &number(aligned(dmarc.spf_aligned)));
        // No ARC set: OpenDMARC writes `fail` for the chain and for its own opinion of it.
        line("arc", "7");
        text.push_str("arc_policy 2 json:[]\n");
        let _ = writeln!(text, "action {}", i32::from(self.action as u8));
        Some(text)
    }
}

/// The number of a result.
fn code(result: &str) -> i32 {
    match result {
        "pass" => 0,
        "softfail" => 2,
        "neutral" => 3,
        "temperror" => 4,
        "permerror" => 5,
        "none" => 6,
        "fail" => 7,
        "policy" => 8,
        _ => 11,
    }
}

/// The number of an alignment mode: that of its letter.
fn mode(letter: &str) -> i32 {
    if letter == "s" { i32::from(b's') } else { i32::from(b'r') }
}

/// The number of a policy: that of its first letter.
fn policy_code(word: &str) -> i32 {
    match word {
        "reject" => i32::from(b'r'),
        "quarantine" => i32::from(b'q'),
        _ => i32::from(b'n'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::record::Published;

    fn published() -> Published {
        Published {
            domain: "bank.example".to_owned(),
            p: "reject".to_owned(),
            sp: Some("none".to_owned()),
            adkim: "s".to_owned(),
            aspf: "r".to_owned(),
            rua: vec!["mailto:a@bank.example".to_owned(), "mailto:b@x.example!10m".to_owned()],
            ..Published::default()
        }
    }

    fn entry<'a>(dmarc: &'a Dmarc, dkim: &'a [(String, Option<String>, &'static str)]) -> Entry<'a> {
        Entry {
            job: "4QABC",
            reporter: "mx.example",
            received: 1_795_554_053,
            client: Some("192.0.2.1".parse().unwrap()),
            from: "bank.example",
            mail_from: "X.example",
            spf: Some("pass"),
            dkim,
            dmarc,
            pct: Some(50),
            action: Action::Accept,
        }
    }

    /// What OpenDMARC 1.4.2 wrote of such a message, but for the place of `spf`, which varies there.
    #[test]
    fn s3_4_a_record_is_that_of_opendmarc() {
        let dmarc = Dmarc {
            result: "pass".to_owned(),
            dkim_aligned: true,
            published: Some(published()),
            requested: "reject".to_owned(),
            ..Dmarc::default()
        };
        let dkim = [
            ("bank.example".to_owned(), Some("s1".to_owned()), "pass"),
            ("y.example".to_owned(), Some("s2".to_owned()), "fail"),
        ];
        let expected = "job 4QABC\nreporter mx.example\nreceived 1795554053\nipaddr 192.0.2.1\nfrom bank.example\n\
            mfrom x.example\nspf 0\ndkim bank.example s1 0\ndkim y.example s2 7\npdomain bank.example\npolicy 15\n\
            rua mailto:a@bank.example\nrua mailto:b@x.example!10m\npct 50\nadkim 115\naspf 114\np 114\nsp 110\n\
            align_dkim 4\nalign_spf 5\narc 7\narc_policy 2 json:[]\naction 2\n";
        assert_eq!(entry(&dmarc, &dkim).to_text().unwrap(), expected);
    }

    #[test]
    fn s3_4_without_a_record_there_are_zeros() {
        let dmarc = Dmarc { result: "none".to_owned(), requested: "none".to_owned(), ..Dmarc::default() };
        let without = Entry { mail_from: "", client: None, spf: None, job: "", ..entry(&dmarc, &[]) };
        let expected = "job (unknown-jobid)\nreporter mx.example\nreceived 1795554053\nipaddr 127.0.0.1\n\
            from bank.example\nmfrom \nspf -1\npdomain bank.example\npolicy 14\nrua -\npct 0\nadkim 0\naspf 0\np 0\n\
            sp 0\nalign_dkim 0\nalign_spf 0\narc 7\narc_policy 2 json:[]\naction 2\n";
        assert_eq!(without.to_text().unwrap(), expected);
    }

    #[test]
    fn s3_4_results_and_actions_have_their_numbers() {
        for (result, requested, action, policy, number) in [
            ("fail", "reject", Action::Reject, Some("policy 16"), "action 0"),
            ("fail", "reject", Action::Accept, Some("policy 16"), "action 2"),
            ("fail", "quarantine", Action::Quarantine, Some("policy 17"), "action 4"),
            ("fail", "none", Action::Accept, Some("policy 18"), "action 2"),
            ("temperror", "none", Action::Accept, None, ""),
            ("permerror", "none", Action::Accept, None, ""),
        ] {
            let dmarc = Dmarc {
                result: result.to_owned(),
                requested: requested.to_owned(),
                published: Some(published()),
                ..Dmarc::default()
            };
            let text = Entry { action, ..entry(&dmarc, &[]) }.to_text();
            let lines: Option<Vec<&str>> = text.as_deref().map(|text| text.lines().collect());
            assert_eq!(lines.is_some(), policy.is_some(), "{result}");
            for line in policy.into_iter().chain(policy.map(|_| number)) {
                assert!(lines.as_ref().unwrap().contains(&line), "{result} {line}: {text:?}");
            }
        }
    }

    #[test]
    fn s3_4_no_value_ends_its_line_or_is_two_words() {
        let mut published = published();
        published.rua = vec!["mailto:a@b.example\njob 2".to_owned()];
        let dmarc = Dmarc { result: "pass".to_owned(), published: Some(published), ..Dmarc::default() };
        let dkim = [("a b\nc".to_owned(), Some("x\ny".to_owned()), "pass")];
        let entry = Entry { job: "1\njob 3", mail_from: "a\r\nb c", ..entry(&dmarc, &dkim) };
        let text = entry.to_text().unwrap();
        assert_eq!(text.lines().filter(|line| line.starts_with("job ")).count(), 1, "{text}");
        assert!(text.contains("\nrua mailto:a@b.example?job?2\n") && text.contains("\nmfrom a??b?c\n"), "{text}");
        assert!(text.contains("\ndkim a?b?c x?y 0\n"), "{text}");
    }
}
