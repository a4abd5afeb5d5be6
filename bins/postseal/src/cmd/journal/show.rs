//! The records of messages, as lines or JSON lines, to the end or as they come.
//!
//! Nothing is locked: the daemon goes on writing, and old segments may go away while they are read. What is damaged or was lost is told where it
//! stands, on standard error, and as objects of its own in the JSON.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use dkim_core::domain::DomainName;
use engine::journal::record::{Content, Lost};
use engine::journal::{Damage, Read, Reader, Record};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::keyring::{OfInstance, Source, parse_domain};
use super::line::{Line, Text, time};
use crate::exit::{Exit, Failure};

/// Pause before the journal is looked at for more.
const PAUSE: Duration = Duration::from_millis(200);

/// How often a segment that is gone when it is to be opened is looked for again.
const MAX_RETRIES: u32 = 5;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder of the journal [default: that of the configuration or state folder]
    #[arg(long, value_name = "FOLDER")]
    journal: Option<PathBuf>,
    /// Configuration file that says where the journal is
    #[arg(long, value_name = "FILE", conflicts_with = "journal")]
    config: Option<PathBuf>,
    /// State folder that the journal is in [default: postseal-data]
    #[arg(long, value_name = "DIR", conflicts_with_all = ["journal", "config"])]
    state: Option<PathBuf>,
    #[command(flatten)]
    of: OfInstance,
    /// Only what was decided since then: a time ago such as 2h or 3d, or a time in UTC such as 2026-11-24 or 2026-11-24T16:00:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_since)]
    since: Option<Timestamp>,
    /// Only mail whose author or MAIL FROM has this domain or one below it
    #[arg(long, value_name = "DOMAIN", value_parser = parse_domain)]
    domain: Option<DomainName>,
    /// Only the messages with this queue id
    #[arg(long, value_name = "ID")]
    queue_id: Option<String>,
    /// Only the last so many of them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: Option<u32>,
    /// Go on with what comes, until the command is ended
    #[arg(long)]
    follow: bool,
}

pub(super) fn run(args: &Args, json: bool, out: &mut impl Write) -> Result<Exit, Failure> {
    let folder = args.folder()?;
    let mut show = Show { args, since: args.since.map(milliseconds), json, last: VecDeque::new() };
    let mut reader = Reader::since(&folder, show.since.unwrap_or(0)).map_err(|error| unreadable(&folder, &error))?;
    let mut retries: u32 = 0;
    let mut is_at_end = false;
    loop {
        match reader.read_next() {
            Ok(Read::Entry(entry)) => {
                retries = 0;
                show.content(entry.content, is_at_end, out)?;
            }
            Ok(Read::Damage(damage)) => show.damage(&damage, out)?,
            Ok(Read::End) => {
                show.flush(out)?;
                is_at_end = true;
                if !args.follow {
                    return Ok(Exit::Pass);
                }
                std::thread::sleep(PAUSE);
            }
            // The daemon removes old segments; what was to be opened may be one of them.
            Err(error) if error.kind() == io::ErrorKind::NotFound && folder.is_dir() && retries < MAX_RETRIES => {
                retries = retries.saturating_add(1);
            }
            Err(error) => {
                show.flush(out)?;
                return Err(unreadable(&folder, &error));
            }
        }
    }
}

impl Args {
    fn folder(&self) -> Result<PathBuf, Failure> {
        let source = Source { state: self.state.clone(), config: self.config.clone(), of: self.of.clone() };
        source.journal(self.journal.as_deref())
    }

    fn wants(&self, record: &Record, since: Option<u64>) -> bool {
        since.is_none_or(|since| record.at >= since)
            && self.queue_id.as_ref().is_none_or(|id| *id == record.queue_id)
            && self.domain.as_ref().is_none_or(|domain| {
                let mut domains = record.header_from.iter().chain([&record.mail_from]);
                domains.any(|found| is_within(found, domain.as_str()))
            })
    }
}

/// Whether a domain is another one or below it; both are in A-labels and lower case.
fn is_within(domain: &str, parent: &str) -> bool {
    domain.strip_suffix(parent).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

struct Show<'a> {
    args: &'a Args,
    since: Option<u64>,
    json: bool,
    /// The last ones that fit, where only so many are wanted.
    last: VecDeque<Box<Record>>,
}

impl Show<'_> {
    fn content(&mut self, content: Content, is_at_end: bool, out: &mut impl Write) -> Result<(), Failure> {
        let record = match content {
            Content::Message(record) => record,
            Content::Lost(lost) => return self.lost(lost, out),
        };
        if !self.args.wants(&record, self.since) {
            return Ok(());
        }
        let Some(limit) = self.args.limit.filter(|_| !is_at_end) else { return self.print(record, out) };
        if self.last.len() >= usize::try_from(limit).unwrap_or(usize::MAX) {
            self.last.pop_front();
        }
        self.last.push_back(record);
        Ok(())
    }

    fn print(&self, record: Box<Record>, out: &mut impl Write) -> Result<(), Failure> {
        if self.json {
            let line = serde_json::to_string(&Content::Message(record)).map_err(io::Error::from)?;
            writeln!(out, "{line}")?;
        } else {
            writeln!(out, "{}", Line(&record))?;
        }
        Ok(())
    }

    /// Prints what was held back.
    fn flush(&mut self, out: &mut impl Write) -> Result<(), Failure> {
        while let Some(record) = self.last.pop_front() {
            self.print(record, out)?;
        }
        out.flush()?;
        Ok(())
    }

    fn lost(&self, lost: Lost, out: &mut impl Write) -> Result<(), Failure> {
        if self.since.is_some_and(|since| lost.at < since) {
            return Ok(());
        }
        let text = format!("{} records before {} were lost", lost.records, time(lost.at));
        self.note(&json!({ "lost": lost }), &text, out)
    }

    fn damage(&self, damage: &Damage, out: &mut impl Write) -> Result<(), Failure> {
        let Damage { at, octets, is_torn_tail } = *damage;
        let value = json!({ "damage": {
            "segment": at.segment.to_string(), "offset": at.offset, "octets": octets, "torn_tail": is_torn_tail,
        } });
        let why = if is_torn_tail { "the writer was stopped in the middle of a record" } else { "damaged" };
        let text = format!("{octets} octets at {} of {} are no record: {why}", at.offset, at.segment);
        self.note(&value, &text, out)
    }

    /// What there is to say about the journal itself.
    fn note(&self, value: &Value, text: &str, out: &mut impl Write) -> Result<(), Failure> {
        if self.json {
            writeln!(out, "{value}")?;
        } else {
            // Nothing can be done about a closed standard error.
            let _ = writeln!(io::stderr().lock(), "postseal: {}", Text(text));
        }
        Ok(())
    }
}

fn unreadable(folder: &Path, error: &io::Error) -> Failure {
    let fix = match error.kind() {
        io::ErrorKind::NotFound => {
            "name its folder with `--journal`, the configuration with `--config` or the state folder with `--state`"
        }
        io::ErrorKind::PermissionDenied => "call the command as the user of the daemon, or as root",
        _ => "check the path and the file system",
    };
    Failure::new(Exit::Fail, format!("the journal in {} cannot be read: {error}", folder.display()), fix)
}

fn milliseconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_millisecond()).unwrap_or(0)
}

/// A time ago, or a time.
fn parse_since(text: &str) -> Result<Timestamp, String> {
    let refused = || "write a time ago (30min, 2h, 3d) or a time in UTC (2026-11-24, 2026-11-24T16:00:00Z)".to_owned();
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let civil = text.parse::<DateTime>().ok().or_else(|| text.parse::<Date>().ok().map(|date| date.at(0, 0, 0, 0)));
    if let Some(time) = civil {
        return time.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp()).map_err(|_| refused());
    }
    let ago = ago(text).ok_or_else(refused)?;
    Timestamp::try_from(SystemTime::now()).and_then(|now| now.checked_sub(ago)).or(Ok(Timestamp::UNIX_EPOCH))
}

/// `30s`, `10min`, `2h`, `3d`, `2w`.
fn ago(text: &str) -> Option<SignedDuration> {
    let digits = text.len().saturating_sub(text.trim_start_matches(|c: char| c.is_ascii_digit()).len());
    let (number, unit) = text.split_at_checked(digits)?;
    let seconds = match unit {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(seconds).map(SignedDuration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_time_ago_or_a_time() {
        for (text, expected) in [
            ("2026-11-24", "2026-11-24T00:00:00Z"),
            ("2026-11-24T16:00", "2026-11-24T16:00:00Z"),
            ("2026-11-24 16:00:30", "2026-11-24T16:00:30Z"),
            ("2026-11-24T16:00:00Z", "2026-11-24T16:00:00Z"),
            ("2026-11-24T16:00:00+01:00", "2026-11-24T15:00:00Z"),
            ("99999999999d", "1970-01-01T00:00:00Z"),
        ] {
            assert_eq!(parse_since(text).unwrap().to_string(), expected, "{text}");
        }
        let seconds = Timestamp::now().duration_since(parse_since("2h").unwrap()).as_secs();
        assert!((7199..=7202).contains(&seconds), "{seconds}");
        for text in ["", "2", "h", "2x", "-2h", "yesterday", "99999999999999999999h"] {
            assert!(parse_since(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_domain_has_what_is_below_it_and_not_what_only_ends_like_it() {
        assert!(is_within("example.com", "example.com") && is_within("a.example.com", "example.com"));
        assert!(!is_within("badexample.com", "example.com") && !is_within("com", "example.com"));
        assert!(!is_within("", "example.com"));
    }
}
