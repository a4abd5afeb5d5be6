//! The DMARC part of `dns check`: which record applies to a domain, what it says, and what is to be mended (RFC 9989, M-1 to M-20).
//!
//! | file | concern |
//! |---|---|
//! | `mod.rs` | what was found, and how it is printed |
//! | `examine.rs` | the record that applies, texts that are none, and names beside the right one |
//! | `policies.rs` | the policy of the domain, and of names below it |
//! | `destinations.rs` | where reports go, and who has to agree (RFC 9990 §4) |
//! | `consistency.rs` | the policy beside what keys and SPF can do |
//! | `ask.rs` | questions, each name once, and for so long |
//! | `row.rs` | findings as they are printed |

use std::fmt;

use engine::keys::publish::{DnsRecord, Form, write};
use engine::keys::published::Severity;
use serde::Serialize;

use crate::exit::Exit;

mod ask;
mod consistency;
mod destinations;
mod examine;
mod policies;
mod row;

use self::ask::Asked;
pub(super) use self::consistency::Keys;
use self::destinations::Destination;
pub(super) use self::examine::examine;
use self::policies::Policies;
use self::row::Row;

/// What was found about a domain.
#[derive(Debug, Serialize)]
pub(super) struct Examined {
    domain: String,
    /// `valid`, `permerror`, `none`, `unknown`.
    state: &'static str,
    /// The record that applies: its name, and its text, escaped and cut.
    found_at: Option<String>,
    record: Option<String>,
    /// `author-domain`, `organizational-domain`, `public-suffix-domain`.
    place: Option<&'static str>,
    policies: Policies,
    destinations: Vec<Destination>,
    findings: Vec<Row>,
    /// Records as they should be.
    corrected: Vec<Corrected>,
    asked: Vec<Asked>,
}

/// A record as it should be.
#[derive(Debug, Serialize)]
struct Corrected {
    name: String,
    text: String,
}

impl Examined {
    /// What is certainly wrong counts more than what is not known.
    pub(super) fn exit(&self) -> Exit {
        match self.findings.iter().map(|row| row.severity).min() {
            Some(Severity::Failure | Severity::Warning) => Exit::Fail,
            Some(Severity::Unanswered) => Exit::Temp,
            Some(Severity::Note) | None => Exit::Pass,
        }
    }

    /// One line and what is good to know when there is nothing to mend, else everything.
    pub(super) fn write_short(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.exit() != Exit::Pass {
            return write!(f, "{self}");
        }
        match &self.record {
            Some(_) => writeln!(f, "{} DMARC: {}, {}", self.domain, self.state, self.policies)?,
            None => writeln!(f, "{} DMARC: {}", self.domain, self.state)?,
        }
        self.findings.iter().try_for_each(|row| write!(f, "{row}"))
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {}[{}]: ", self.severity.as_str(), self.code)?;
        if let Some(part) = &self.part {
            write!(f, "{part}: ")?;
        }
        writeln!(f, "{}", self.what)?;
        if self.fix.is_empty() { Ok(()) } else { writeln!(f, "    fix: {}", self.fix) }
    }
}

impl fmt::Display for Examined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} DMARC: {}", self.domain, self.state)?;
        if let (Some(name), Some(record)) = (&self.found_at, &self.record) {
            writeln!(f, "  {record}")?;
            let whose = match self.place {
                Some("organizational-domain") => ", of the organizational domain",
                Some("public-suffix-domain") => ", of the public suffix",
                _ => "",
            };
            writeln!(f, "  found at {name}{whose}")?;
        }
        if !self.policies.is_empty() {
            writeln!(f, "  policy: {}", self.policies)?;
        }
        let asked: Vec<&str> = self.asked.iter().map(|asked| asked.name.as_str()).collect();
        writeln!(f, "  asked: {}", asked.join(", "))?;
        for Destination { tag, uri, state, .. } in &self.destinations {
            writeln!(f, "  {tag}: {uri}: {state}")?;
        }
        self.findings.iter().try_for_each(|row| write!(f, "{row}"))?;
        for Corrected { name, text } in &self.corrected {
            let record = DnsRecord { name: name.clone(), text: text.clone() };
            write!(f, "  the record:\n{}", write(&[record], Form::Bind))?;
        }
        Ok(())
    }
}
