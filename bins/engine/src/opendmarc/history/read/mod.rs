//! Reading a history file: the records of OpenDMARC 1.3 to 1.4 and of its development branch, and our own, as records of the journal.
//!
//! A record begins at a line `job` and ends at the next one or at the end of the text. Lines may come in any order (that of `spf` varies), lines that nobody knows are passed
//! over, and those that a version does not write are what they stand for when absent. A record that cannot be used is an error with its line, and the next one is read.
//!
//! A history file says less than a journal: no reasons, no `np=`, no size. What a report needs and it does not say is filled in as RFC 9990 wants it: a message that
//! failed and was not treated as its policy asks for has the reason `local_policy`.
//!
//! *Limits*: [`MAX_LINE`], [`MAX_LINES`]; signatures beyond [`MAX_SIGNATURES`] and URIs beyond [`MAX_URIS`] are left out.

use std::io::{self, BufRead, Read as _};
use std::net::IpAddr;

use dkim_core::domain::DomainName;

use crate::journal::Record;
use crate::journal::record::{Dkim, Dmarc, Identity, MAX_SIGNATURES, Published, Reason, Spf};

/// Octets of a line.
pub const MAX_LINE: usize = 64 * 1024;

/// Lines of a record.
pub const MAX_LINES: u32 = 10_000;

/// URIs of `rua=` that are kept.
pub const MAX_URIS: usize = 50;

/// OpenDMARC's word for a message without a queue id.
const NO_JOB: &str = "(unknown-jobid)";

/// Why a record, or the rest of a file, cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// A record is not one.
    #[error("line {line}: {cause}")]
    Record {
        /// Where: the line of its `job`, or the one that is wrong.
        line: u64,
        /// What is wrong.
        cause: String,
    },
    /// The file cannot be read any further.
    #[error("the file cannot be read")]
    Io(#[from] io::Error),
}

/// The records of a history file.
#[derive(Debug)]
pub struct HistoryReader<R> {
    input: R,
    /// Number of the last line that was read.
    line: u64,
    /// The value of the `job` line of the next record, and its line.
    next: Option<(String, u64)>,
    is_over: bool,
}

impl<R: BufRead> HistoryReader<R> {
    /// Reads from the beginning of a file.
    pub fn new(input: R) -> Self {
        Self { input, line: 0, next: None, is_over: false }
    }

    /// A line without its end, where it is one of reasonable length in UTF-8; `None` at the end.
    fn line(&mut self) -> io::Result<Option<Result<String, &'static str>>> {
        let mut octets = Vec::new();
        let most = u64::try_from(MAX_LINE).unwrap_or(u64::MAX);
        if (&mut self.input).take(most).read_until(b'\n', &mut octets)? == 0 {
            return Ok(None);
        }
        self.line = self.line.saturating_add(1);
        if octets.last() != Some(&b'\n') && octets.len() == MAX_LINE {
            self.input.skip_until(b'\n')?;
            return Ok(Some(Err("the line is too long")));
        }
        while octets.last().is_some_and(|octet| matches!(octet, b'\n' | b'\r')) {
            octets.pop();
        }
        Ok(Some(String::from_utf8(octets).map_err(|_| "the line is not UTF-8")))
    }

    /// The next record, with everything up to the one behind it.
    fn record(&mut self) -> Result<Option<Record>, HistoryError> {
        let mut draft: Option<(Draft, u64)> = self.next.take().map(|(job, line)| (Draft::new(job), line));
        let mut wrong: Option<(u64, String)> = None;
        let mut lines = 0_u32;
        while let Some(line) = self.line()? {
            let at = self.line;
            lines = lines.saturating_add(1);
            let text = line.unwrap_or_else(|cause| {
                wrong.get_or_insert_with(|| (at, cause.to_owned()));
                String::new()
            });
            if lines > MAX_LINES && wrong.is_none() {
                wrong = Some((at, format!("a record of more than {MAX_LINES} lines")));
                draft = None;
            }
            let (key, value) = text.split_once([' ', '\t']).unwrap_or((&text, ""));
            let value = value.trim();
            match (&mut draft, key) {
                (_, "") => {}
                (None, "job") if wrong.is_none() => draft = Some((Draft::new(value.to_owned()), at)),
                (_, "job") => {
                    self.next = Some((value.to_owned(), at));
                    break;
                }
                (None, _) => {
                    wrong.get_or_insert_with(|| (at, "a record begins with a line `job`".to_owned()));
                }
                (Some((draft, _)), key) => {
                    if let Err(cause) = draft.take(key, value) {
                        wrong.get_or_insert_with(|| (at, format!("`{key}`: {cause}")));
                    }
                }
            }
        }
        match (wrong, draft) {
            (Some((line, cause)), _) => Err(HistoryError::Record { line, cause }),
            (None, None) => Ok(None),
            (None, Some((draft, line))) => match draft.finish() {
                Ok(record) => Ok(Some(record)),
                Err(cause) => Err(HistoryError::Record { line, cause: cause.to_owned() }),
            },
        }
    }
}

impl<R: BufRead> Iterator for HistoryReader<R> {
    type Item = Result<Record, HistoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let record = self.record();
        // A disk that fails once would fail for ever.
        self.is_over = matches!(&record, Ok(None) | Err(HistoryError::Io(_)));
        record.transpose()
    }
}

/// What the lines of a record have said so far.
#[derive(Debug)]
struct Draft {
    job: String,
    received: Option<u64>,
    client: Option<IpAddr>,
    from: String,
    mail_from: String,
    spf: Option<i64>,
    spf_scope: Option<i64>,
    dkim: Vec<Dkim>,
    policy_domain: String,
    policy: Option<i64>,
    rua: Vec<String>,
    adkim: i64,
    aspf: i64,
    p: i64,
    sp: i64,
    fo: i64,
    align_dkim: i64,
    align_spf: i64,
    arc: i64,
    arc_policy: i64,
    action: Option<i64>,
}

impl Draft {
    fn new(job: String) -> Self {
        Self {
            job,
            received: None,
            client: None,
            from: String::new(),
            mail_from: String::new(),
            spf: None,
            spf_scope: None,
            dkim: Vec::new(),
            policy_domain: String::new(),
            policy: None,
            rua: Vec::new(),
            adkim: 0,
            aspf: 0,
            p: 0,
            sp: 0,
            fo: 0,
            align_dkim: 0,
            align_spf: 0,
            arc: 7,
            arc_policy: 1,
            action: None,
        }
    }

    /// A line.
    fn take(&mut self, key: &str, value: &str) -> Result<(), &'static str> {
        match key {
            "received" => self.received = Some(value.parse().map_err(|_| "not a time in seconds since 1970")?),
            "ipaddr" => self.client = Some(address(value)?),
            "from" => self.from = domain(value).ok_or("not a domain name")?,
            // Only reported: what is no name is left out, the message is not.
            "mfrom" => self.mail_from = domain(value).unwrap_or_default(),
            "spf" => self.spf = Some(number(value)?),
            "spf_scope" => self.spf_scope = Some(number(value)?),
            "dkim" => self.signature(value)?,
            "pdomain" => self.policy_domain = domain(value).ok_or("not a domain name")?,
            "policy" => self.policy = Some(number(value)?),
            "rua" if value != "-" && !value.is_empty() && self.rua.len() < MAX_URIS => self.rua.push(value.to_owned()),
            "adkim" => self.adkim = number(value)?,
            "aspf" => self.aspf = number(value)?,
            "p" => self.p = number(value)?,
            "sp" => self.sp = number(value)?,
            "fo" => self.fo = number(value)?,
            "align_dkim" => self.align_dkim = number(value)?,
            "align_spf" => self.align_spf = number(value)?,
            "arc" => self.arc = number(value)?,
            "arc_policy" => self.arc_policy = number(value.split(' ').next().unwrap_or_default())?,
            "action" => self.action = Some(number(value)?),
            // `reporter` is this host or one of ours; `pct` is gone from reports (RFC 9990 §3.1.1.5); others are of later versions.
            _ => {}
        }
        Ok(())
    }

    /// `DOMAIN SELECTOR RESULT`, and before 1.4 `DOMAIN RESULT`.
    fn signature(&mut self, value: &str) -> Result<(), &'static str> {
        let words: Vec<&str> = value.split_ascii_whitespace().collect();
        let (name, selector, result) = match words[..] {
            [name, selector, result] => (name, selector, result),
            [name, result] => (name, "-", result),
            _ => return Err("not a domain, a selector and a number"),
        };
        let result = result_word(number(result)?, &DKIM_WORDS);
        // A signature whose domain is no name has no place in a report, where the domain is required.
        let (Some(domain), true) = (domain(name), self.dkim.len() < MAX_SIGNATURES) else { return Ok(()) };
        let selector = if selector == "-" { String::new() } else { selector.to_ascii_lowercase() };
        self.dkim.push(Dkim { domain, selector, result: result.to_owned(), cause: None });
        Ok(())
    }

    fn finish(self) -> Result<Record, &'static str> {
        let received = self.received.ok_or("the record has no line `received`")?;
        if self.from.is_empty() {
            return Err("the record has no line `from`");
        }
        let policy = self.policy.ok_or("the record has no line `policy`")?;
        let action = match self.action.ok_or("the record has no line `action`")? {
            0 => "reject",
            1 => "discard",
            2 => "accept",
            3 => "tempfail",
            4 => "quarantine",
            _ => return Err("`action` is none of 0 to 4"),
        };
        let (result, requested) = match policy {
            14 => ("none", "none"),
            15 => ("pass", "none"),
            16 => ("fail", "reject"),
            17 => ("fail", "quarantine"),
            18 => ("fail", "none"),
            _ => return Err("`policy` is none of 14 to 18"),
        };
        let published = (policy != 14).then(|| self.published());
        // The one that applied: `sp` for a subdomain, where there is one.
        let enforces = published.as_ref().is_some_and(|published| {
            let of_subdomains = published.sp.as_ref().filter(|_| self.from != published.domain);
            of_subdomains.unwrap_or(&published.p) != "none"
        });
        let disposition = match action {
            "reject" | "discard" => "reject",
            "quarantine" => "quarantine",
            _ if result == "pass" && enforces => "pass",
            _ => "none",
        };
        let differs = result == "fail" && disposition != requested;
        let is_arc = self.arc == 0 && self.arc_policy == 0;
        // "MUST" where the result is failure and the policy was not applied (RFC 9990 §3.1.1.9).
        let reasons =
            differs.then(|| Reason { kind: "local_policy".to_owned(), comment: is_arc.then(|| "arc=pass".to_owned()) });
        let dmarc = Dmarc {
            result: result.to_owned(),
            spf_aligned: self.align_spf == 4,
            dkim_aligned: self.align_dkim == 4,
            counts_for: if self.policy_domain.is_empty() { self.from.clone() } else { self.policy_domain.clone() },
            mark: (result == "pass" && action == "accept").then(|| mark(&self.job, received)),
            requested: requested.to_owned(),
            disposition: disposition.to_owned(),
            reasons: reasons.into_iter().collect(),
            published,
            ..Dmarc::default()
        };
        Ok(Record {
            at: received.saturating_mul(1000),
            spf: self.spf(),
            queue_id: if self.job == NO_JOB { String::new() } else { self.job },
            origin: "inbound".to_owned(),
            client: self.client,
            mail_from: self.mail_from,
            recipients: 1,
            header_from: vec![self.from],
            dkim: self.dkim,
            dmarc: Some(dmarc),
            action: action.to_owned(),
            ..Record::default()
        })
    }

    fn spf(&self) -> Option<Spf> {
        let result = self.spf.filter(|code| *code >= 0)?;
        let identity = Identity { domain: self.mail_from.clone(), result: result_word(result, &SPF_WORDS).to_owned() };
        Some(match self.spf_scope {
            // A result of HELO is never one of MAIL FROM.
            Some(2) => Spf { helo: Identity { domain: String::new(), ..identity }, ..Spf::default() },
            _ => Spf { mail_from: identity, ..Spf::default() },
        })
    }

    fn published(&self) -> Published {
        let options = [(1, "0"), (2, "1"), (4, "d"), (8, "s")];
        let fo: Vec<&str> = options.into_iter().filter(|(bit, _)| self.fo & bit != 0).map(|(_, word)| word).collect();
        Published {
            domain: if self.policy_domain.is_empty() { self.from.clone() } else { self.policy_domain.clone() },
            p: policy_word(self.p).unwrap_or("none").to_owned(),
            sp: policy_word(self.sp).map(str::to_owned),
            adkim: mode(self.adkim),
            aspf: mode(self.aspf),
            fo: (!fo.is_empty()).then(|| fo.join(":")),
            rua: self.rua.clone(),
            ..Published::default()
        }
    }
}

/// Words by number; those that RFC 8601 does not have stand for what they mean: a signature that was not looked at is `none`, a key that is not there `permerror`.
const DKIM_WORDS: [&str; 13] = [
    "pass",
    "none",
    "policy",
    "neutral",
    "temperror",
    "permerror",
    "none",
    "fail",
    "policy",
    "permerror",
    "none",
    "none",
    "policy",
];
const SPF_WORDS: [&str; 13] = [
    "pass",
    "none",
    "softfail",
    "neutral",
    "temperror",
    "permerror",
    "none",
    "fail",
    "fail",
    "none",
    "none",
    "none",
    "fail",
];

fn result_word(code: i64, words: &[&'static str; 13]) -> &'static str {
    usize::try_from(code).ok().and_then(|code| words.get(code)).copied().unwrap_or("none")
}

fn policy_word(code: i64) -> Option<&'static str> {
    match code {
        110 => Some("none"),
        113 => Some("quarantine"),
        114 => Some("reject"),
        _ => None,
    }
}

/// Relaxed unless it is written otherwise.
fn mode(code: i64) -> String {
    if code == 115 { "s" } else { "r" }.to_owned()
}

fn number(value: &str) -> Result<i64, &'static str> {
    value.parse().map_err(|_| "not a number")
}

fn address(value: &str) -> Result<IpAddr, &'static str> {
    let value = value.strip_prefix("IPv6:").unwrap_or(value);
    value.parse::<IpAddr>().map(|address| address.to_canonical()).map_err(|_| "not an address")
}

fn domain(value: &str) -> Option<String> {
    DomainName::parse(value).ok().map(|name| name.as_str().to_ascii_lowercase())
}

/// The same for the same message, so that it counts once.
fn mark(job: &str, received: u64) -> u32 {
    let octets = job.bytes().chain(received.to_be_bytes());
    octets.fold(0x811c_9dc5, |hash: u32, octet| (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests;
