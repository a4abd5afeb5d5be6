//! What the MTA is told: the reply, and the fields that come and go.

use std::fmt;

use milter_proto::{Decision, Edits};
use serde::Serialize;

use crate::cmd::spf::unix_lines;

/// The end of the tree.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    /// `accept`, `quarantine`, `tempfail`, `reject`.
    action: &'static str,
    /// Why it is not `accept`.
    cause: Option<&'static str>,
    /// What the SMTP client reads; none where the MTA says it in its own words.
    reply: Option<String>,
    added: Vec<NewField>,
    removed: Vec<OldField>,
}

#[derive(Debug, Serialize)]
struct NewField {
    name: String,
    value: String,
}

#[derive(Debug, Serialize)]
struct OldField {
    name: String,
    /// Which one of this name, from the top and from 1.
    number: u32,
}

impl Answer {
    pub(super) fn of(action: &'static str, cause: Option<&'static str>, reply: &Decision, edits: &Edits) -> Self {
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        Self {
            action,
            cause,
            reply: match reply {
                Decision::ReplyCode(code) => Some(code.to_smtp()),
                _ => None,
            },
            added: edits.inserted().map(|(name, value)| NewField { name: text(name), value: text(value) }).collect(),
            removed: edits.deleted().map(|(name, number)| OldField { name: text(name), number }).collect(),
        }
    }

    pub(super) fn action(&self) -> &'static str {
        self.action
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Action: {}", self.action)?;
        match self.cause {
            Some(cause) => writeln!(f, " ({cause})")?,
            None => writeln!(f)?,
        }
        if let Some(reply) = &self.reply {
            writeln!(f, "  reply: {}", reply.replace("\r\n", "\n         "))?;
        }
        for field in &self.added {
            writeln!(f, "  adds {}:{}", field.name, unix_lines(&field.value).replace('\n', "\n  "))?;
        }
        for field in &self.removed {
            writeln!(f, "  removes {} {}", field.name, field.number)?;
        }
        Ok(())
    }
}
