//! What was decided on a message, by its record in the journal: the tree of then, without the questions, which are not kept.

use std::fmt;
use std::io;
use std::path::Path;

use engine::journal::record::{Content, Dmarc};
use engine::journal::{Read, Reader, Record};
use jiff::Timestamp;
use serde::Serialize;

use crate::exit::{Exit, Failure, counted};

/// Records of one queue id that are told: an MTA may use an id again, some day.
const MAX_RECORDS: usize = 20;

/// How often a segment that is gone when it is to be opened is looked for again.
const MAX_RETRIES: u32 = 5;

/// All records of a queue id, oldest first.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Recorded(Vec<Record>);

impl Recorded {
    /// Looks for a queue id in the journal of a folder, from its beginning to its end.
    pub(super) fn find(folder: &Path, queue_id: &str) -> Result<Self, Failure> {
        let mut reader = Reader::new(folder, None);
        let (mut records, mut retries) = (Vec::new(), 0_u32);
        loop {
            match reader.read_next() {
                Ok(Read::Entry(entry)) => {
                    retries = 0;
                    if let Content::Message(record) = entry.content
                        && record.queue_id == queue_id
                    {
                        if records.len() >= MAX_RECORDS {
                            records.remove(0);
                        }
                        records.push(*record);
                    }
                }
                Ok(Read::Damage(_)) => {}
                Ok(Read::End) => break,
                // The daemon removes old segments; what was to be opened may be one of them.
                Err(error) if error.kind() == io::ErrorKind::NotFound && folder.is_dir() && retries < MAX_RETRIES => {
                    retries = retries.saturating_add(1);
                }
                Err(error) => return Err(unreadable(folder, queue_id, &error)),
            }
        }
        if records.is_empty() {
            let cause = format!("there is no file {queue_id}, and no record of this queue id in {}", folder.display());
            let fix =
                "name a message file, or the folder of the journal with `--journal`; old records go after some time";
            return Err(Failure::new(Exit::NoInput, cause, fix));
        }
        Ok(Self(records))
    }

    pub(super) fn exit(&self) -> Exit {
        self.0.iter().map(exit).fold(Exit::Pass, Exit::or_worse)
    }
}

fn exit(record: &Record) -> Exit {
    let dmarc = record.dmarc.as_ref().map_or("none", |dmarc| dmarc.result.as_str());
    match (record.action.as_str(), dmarc) {
        ("tempfail", _) | ("accept", "temperror") => Exit::Temp,
        ("accept", "pass" | "none") => Exit::Pass,
        _ => Exit::Fail,
    }
}

fn unreadable(folder: &Path, what: &str, error: &io::Error) -> Failure {
    let cause = format!("there is no file {what}, and the journal in {} cannot be read: {error}", folder.display());
    let fix = "name a message file; or for a queue id the journal, with `--journal`, `--config` or `--state`";
    Failure::new(Exit::NoInput, cause, fix)
}

impl fmt::Display for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|record| one(record, f))
    }
}

fn one(record: &Record, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let client = record.client.map_or_else(|| "no address".to_owned(), |client| client.to_string());
    write!(f, "Message {} from {client} (HELO {})", Text(&record.queue_id), Text(&record.helo))?;
    match &record.mail_from_error {
        Some(error) => writeln!(f, ", MAIL FROM without a domain ({})", Text(error))?,
        None => writeln!(f, ", MAIL FROM {}", Text(or(&record.mail_from, "<>")))?,
    }
    writeln!(f, "  at {}, in {} ms", time(record.at), record.took)?;
    let domains: Vec<&str> = record.rcpt_to.iter().map(String::as_str).collect();
    writeln!(f, "  {}: {}", counted(record.recipients, "recipient"), Text(&domains.join(", ")))?;
    writeln!(f, "Origin: {} (listener {})", Text(&record.origin), Text(&record.listener))?;
    if let Some(spf) = &record.spf {
        writeln!(f, "SPF")?;
        for (name, identity) in [("MAIL FROM", &spf.mail_from), ("HELO", &spf.helo)] {
            let (domain, result) = (or(&identity.domain, "no domain"), or(&identity.result, "not checked"));
            writeln!(f, "  {name} ({}): {}", Text(domain), Text(result))?;
        }
    }
    if !record.dkim.is_empty() || record.dmarc.is_some() {
        let signatures = u64::try_from(record.dkim.len()).unwrap_or(u64::MAX);
        writeln!(f, "DKIM: {}", counted(signatures, "signature"))?;
    }
    for dkim in &record.dkim {
        write!(f, "  {} d={} s={}", Text(&dkim.result), Text(&dkim.domain), Text(&dkim.selector))?;
        match &dkim.cause {
            Some(cause) => writeln!(f, " ({})", Text(cause))?,
            None => writeln!(f)?,
        }
    }
    match (&record.header_from[..], &record.header_from_error) {
        (_, Some(error)) => writeln!(f, "Author domain: none ({})", Text(error))?,
        (domains, None) => writeln!(f, "Author domain: {}", Text(&domains.join(", ")))?,
    }
    if let Some(dmarc) = &record.dmarc {
        judged(dmarc, f)?;
    }
    write!(f, "Action: {}", Text(&record.action))?;
    match &record.action_reason {
        Some(reason) => writeln!(f, " ({})", Text(reason))?,
        None => writeln!(f)?,
    }
    record.signed.iter().try_for_each(|name| writeln!(f, "  signed: {}", Text(name)))
}

fn judged(dmarc: &Dmarc, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "DMARC: {}", Text(&dmarc.result))?;
    let aligned = |is_aligned: bool| if is_aligned { "aligned pass" } else { "no aligned pass" };
    writeln!(f, "  MAIL FROM: {}; DKIM: {}", aligned(dmarc.spf_aligned), aligned(dmarc.dkim_aligned))?;
    if let Some(policy) = &dmarc.published {
        write!(f, "  policy of {}: p={}", Text(&policy.domain), Text(&policy.p))?;
        for (tag, value) in [("sp", &policy.sp), ("np", &policy.np)] {
            if let Some(value) = value {
                write!(f, " {tag}={}", Text(value))?;
            }
        }
        write!(f, " adkim={} aspf={}", Text(&policy.adkim), Text(&policy.aspf))?;
        writeln!(f, "{} ({})", if policy.testing { " t=y" } else { "" }, Text(&policy.discovery_method))?;
    }
    let requested = or(&dmarc.requested, "none");
    writeln!(f, "Policy: {} asked for, {} done", Text(requested), Text(or(&dmarc.disposition, "none")))?;
    if let Some(would) = &dmarc.would {
        writeln!(f, "  full enforcement: {}", Text(would))?;
    }
    for reason in &dmarc.reasons {
        writeln!(f, "  {}: {}", Text(&reason.kind), Text(reason.comment.as_deref().unwrap_or_default()))?;
    }
    Ok(())
}

fn time(milliseconds: u64) -> String {
    let time = i64::try_from(milliseconds).ok().and_then(|time| Timestamp::from_millisecond(time).ok());
    time.map_or_else(|| format!("{milliseconds} ms"), |time| format!("{time:.3}"))
}

fn or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

/// A text of the file, fit for a terminal.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_bytes().escape_ascii().fmt(f)
    }
}
