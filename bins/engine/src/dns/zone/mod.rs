//! Records from a zone file, in place of the network: for tests, `selftest` and `explain`.
//!
//! *Standard*: the master file format of RFC 1035 §5.1, the part of it that mail authentication needs:
//!
//! - `NAME [TTL] [IN] TXT "…" "…"`; the strings are joined. Unquoted words are strings as well. `\"`, `\\`, `\;` and `\DDD` are read.
//! - `NAME A 192.0.2.1`, `NAME AAAA 2001:db8::1`, `NAME MX 10 HOST` (`MX 0 .` is the null MX of RFC 7505), `NAME PTR HOST`.
//! - `NAME SPF "…"`, as TXT: only the inspection of records of type 99 sees it.
//! - Parentheses carry an entry over several lines, `;` begins a comment, a line that begins with white space repeats the last name.
//! - `$ORIGIN NAME` and `$TTL N`; names without final dot are relative to the origin, which is the root unless it is set; `@` is the origin.
//! - `NAME CNAME OTHER` is followed within the file.
//! - `NAME SERVFAIL` and `NAME TIMEOUT` (our own) make questions for the name fail, whatever their kind; nobody waits for the time-out.
//! - Other well-known types make the name exist without such a record. Everything else is an error with its line.
//!
//! *Limits*: [`MAX_FILE`] octets; 64 KiB of TXT and 100 records of each type for each name; eight CNAMEs in a chain. Time is linear in the file.
//!
//! What it does not do: wildcards, delegation, `$INCLUDE`, `$GENERATE`.

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use dkim_core::dns::TxtAnswer;
use spf_core::dns::{Answer, RecordKind};

use crate::config::diagnostics::{Code, Location};
use crate::config::{Diagnostic, Diagnostics};
use crate::regular_file;

mod records;
mod tokens;

use self::records::Data;
pub(super) use self::records::{Records, TextType};
use self::tokens::{Entry, Token, entries};

/// A zone file cannot be read.
pub const ZONE_READ: Code = Code::new("E-ZONE-READ");
/// A line of a zone file is not understood.
pub const ZONE_LINE: Code = Code::new("E-ZONE-LINE");

/// Octets of the largest zone file.
pub const MAX_FILE: u64 = 64 << 20;

/// CNAMEs followed in a row, as most resolvers do.
const MAX_CHAIN: usize = 8;

/// Errors reported of one file: the rest is likely the same mistake.
const MAX_FINDINGS: usize = 20;

/// How a line is mended.
const FIX: &str =
    "write it as `NAME TYPE DATA`: `NAME TXT \"text\" \"more text\"`, `NAME A 192.0.2.1`, `NAME MX 10 HOST`";

/// What the file says about one name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Records(Records),
    Alias(String),
    Missing(Missing),
}

/// Why there are no records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// The name is not in the file.
    NxDomain,
    /// `NAME SERVFAIL`.
    ServFail,
    /// `NAME TIMEOUT`.
    Timeout,
    /// More aliases in a row than are followed.
    TooManyAliases,
}

/// The records of a zone file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Zone {
    nodes: HashMap<String, Node>,
}

impl Zone {
    /// Reads a zone file.
    ///
    /// # Errors
    ///
    /// All findings, with their lines.
    pub fn load(file: &Path) -> Result<Self, Diagnostics> {
        let mut text = Vec::new();
        let read =
            regular_file::open(file).and_then(|opened| opened.take(MAX_FILE.saturating_add(1)).read_to_end(&mut text));
        let cause = match read {
            Ok(octets) if u64::try_from(octets).is_ok_and(|octets| octets <= MAX_FILE) => {
                return Self::parse(&text, file);
            }
            Ok(_) => format!("the zone file is larger than {MAX_FILE} octets"),
            Err(error) => format!("the zone file cannot be read: {error}"),
        };
        let mut found = Diagnostics::default();
        found.push(Diagnostic::at(&Location::whole(file), ZONE_READ, cause, "check the path, and who may read it"));
        Err(found)
    }

    /// Reads the text of a zone file; `file` is named in findings.
    ///
    /// # Errors
    ///
    /// All findings, with their lines.
    pub fn parse(text: &[u8], file: &Path) -> Result<Self, Diagnostics> {
        let mut reader = Reader::default();
        let mut found = Diagnostics::default();
        let file: Arc<Path> = Arc::from(file);
        for entry in entries(text) {
            let line = match &entry {
                Ok(entry) => entry.line,
                Err(error) => error.line,
            };
            if let Err(cause) = entry.map_err(|error| error.cause.to_owned()).and_then(|entry| reader.entry(&entry)) {
                let at = Location { file: Arc::clone(&file), line, key: String::new() };
                found.push(Diagnostic::at(&at, ZONE_LINE, cause, FIX));
                if found.len() >= MAX_FINDINGS {
                    break;
                }
            }
        }
        if found.is_empty() { Ok(reader.finish()) } else { Err(found) }
    }

    /// Adds a TXT record.
    ///
    /// *Inputs*: the full name, with or without final dot.
    pub fn insert(&mut self, name: &str, text: &[u8]) {
        let text = Data::Text(TextType::Txt, text.to_vec());
        match self.nodes.entry(canonical(name)).or_insert_with(|| Node::Records(Records::default())) {
            Node::Records(records) => records.push(text),
            other => {
                let mut records = Records::default();
                records.push(text);
                *other = Node::Records(records);
            }
        }
    }

    /// Whether the zone answers for `name`; other names are asked for elsewhere.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.nodes.contains_key(&canonical(name))
    }

    /// The names that `name` stands for, in their order, and the records of the last one.
    pub(super) fn follow(&self, name: &str) -> (Vec<&str>, Result<&Records, Missing>) {
        let mut aliases = Vec::new();
        let mut node = self.nodes.get(&canonical(name));
        let found = loop {
            match node {
                None => break Err(Missing::NxDomain),
                Some(Node::Records(records)) => break Ok(records),
                Some(Node::Missing(missing)) => break Err(*missing),
                Some(Node::Alias(_)) if aliases.len() >= MAX_CHAIN => break Err(Missing::TooManyAliases),
                Some(Node::Alias(target)) => {
                    aliases.push(target.as_str());
                    node = self.nodes.get(target);
                }
            }
        };
        (aliases, found)
    }

    /// The answer for the `kind` records of `name`; a name that is not in the zone does not exist.
    #[must_use]
    pub fn answer(&self, name: &str, kind: RecordKind) -> Answer {
        match self.follow(name).1 {
            Ok(records) => records.answer(kind),
            Err(Missing::NxDomain) => Answer::NxDomain,
            Err(Missing::ServFail | Missing::Timeout | Missing::TooManyAliases) => Answer::Failed,
        }
    }

    /// The answer for the TXT records of `name`, as DKIM reads it.
    #[must_use]
    pub fn txt(&self, name: &str) -> TxtAnswer {
        super::as_txt(&self.answer(name, RecordKind::Txt))
    }
}

/// Lower case, without final dot.
fn canonical(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// State between the entries of a file.
#[derive(Debug, Default)]
struct Reader {
    zone: Zone,
    origin: String,
    last_name: Option<String>,
    parents: HashSet<String>,
}

impl Reader {
    fn entry(&mut self, entry: &Entry) -> Result<(), String> {
        let mut tokens = entry.tokens.iter();
        if let [Token { text, is_quoted: false }, rest @ ..] = entry.tokens.as_slice()
            && !entry.repeats_name
            && text.starts_with(b"$")
        {
            return self.directive(text, rest);
        }
        let name = if entry.repeats_name {
            self.last_name.clone().ok_or("there is no name above to repeat")?
        } else {
            self.absolute(tokens.next().ok_or("the line is empty")?)?
        };
        self.last_name = Some(name.clone());
        // RFC 1035 §5.1: TTL and class in either order, both optional.
        let kind = loop {
            let token = tokens.next().ok_or("the line has no type")?;
            let word = std::str::from_utf8(&token.text).map_err(|_| "the type is not ASCII")?.to_ascii_uppercase();
            let is_ttl = word.starts_with(|c: char| c.is_ascii_digit());
            if token.is_quoted || !(is_ttl || word == "IN") {
                break word;
            }
        };
        let rest: Vec<&Token> = tokens.collect();
        self.record(name, &kind, &rest)
    }

    fn record(&mut self, name: String, kind: &str, rest: &[&Token]) -> Result<(), String> {
        let node = match (kind, rest) {
            ("CNAME", [target]) => Node::Alias(self.absolute(target)?),
            ("CNAME", _) => return Err("a CNAME has one name behind it".into()),
            ("SERVFAIL", []) => Node::Missing(Missing::ServFail),
            ("TIMEOUT", []) => Node::Missing(Missing::Timeout),
            (kind, words) => {
                let data = records::read(kind, words, |word| self.absolute(word))?;
                return self.add(name, data);
            }
        };
        self.note_parents(&name);
        match self.zone.nodes.insert(name, node) {
            None => Ok(()),
            Some(_) => Err("the name has other records as well".into()),
        }
    }

    /// Adds a record, or with `None` only the name.
    fn add(&mut self, name: String, data: Option<Data>) -> Result<(), String> {
        self.note_parents(&name);
        match self.zone.nodes.entry(name).or_insert_with(|| Node::Records(Records::default())) {
            Node::Records(records) => data.map_or(Ok(()), |data| records.add(data)),
            Node::Alias(_) | Node::Missing(_) => match data {
                Some(_) => Err("the name is a CNAME or fails, so it has no other record".into()),
                None => Ok(()),
            },
        }
    }

    /// RFC 8020: a name above an existing one exists. The walk stops at the first name that is known, so all walks together are linear.
    fn note_parents(&mut self, name: &str) {
        let mut rest = name;
        while let Some((_, parent)) = rest.split_once('.') {
            if !self.parents.insert(parent.to_owned()) {
                break;
            }
            rest = parent;
        }
    }

    fn directive(&mut self, word: &[u8], rest: &[Token]) -> Result<(), String> {
        match (word.to_ascii_uppercase().as_slice(), rest) {
            (b"$ORIGIN", [name]) => {
                self.origin = self.absolute(name)?;
                Ok(())
            }
            (b"$TTL", [_]) => Ok(()),
            (b"$ORIGIN" | b"$TTL", _) => Err("the directive takes one word".into()),
            _ => Err("unknown directive; `$ORIGIN` and `$TTL` are read".into()),
        }
    }

    /// A name of the file as an absolute one in lower case, without final dot.
    fn absolute(&self, token: &Token) -> Result<String, String> {
        let name = std::str::from_utf8(&token.text).map_err(|_| "the name is not UTF-8")?.to_ascii_lowercase();
        let absolute = match name.strip_suffix('.') {
            _ if name == "@" => self.origin.clone(),
            Some(absolute) => absolute.to_owned(),
            None if self.origin.is_empty() => name,
            None => format!("{name}.{}", self.origin),
        };
        let fits = |label: &str| (1..=63).contains(&label.len());
        if absolute.len() > 253 || (!absolute.is_empty() && !absolute.split('.').all(fits)) {
            return Err("the name is longer than 253 octets, or a label of it is empty or longer than 63".into());
        }
        Ok(absolute)
    }

    fn finish(mut self) -> Zone {
        for parent in self.parents {
            self.zone.nodes.entry(parent).or_insert_with(|| Node::Records(Records::default()));
        }
        self.zone
    }
}

#[cfg(test)]
mod tests;
