//! TXT records from a zone file, in place of the network: for tests, `selftest` and `explain`.
//!
//! *Standard*: the master file format of RFC 1035 §5.1, the part of it that TXT records need:
//!
//! - `NAME [TTL] [IN] TXT "…" "…"`; the strings are joined. Unquoted words are strings as well. `\"`, `\\`, `\;` and `\DDD` are read.
//! - Parentheses carry an entry over several lines, `;` begins a comment, a line that begins with white space repeats the last name.
//! - `$ORIGIN NAME` and `$TTL N`; names without final dot are relative to the origin, which is the root unless it is set; `@` is the origin.
//! - `NAME CNAME OTHER` is followed within the file.
//! - `NAME SERVFAIL` (our own) makes questions for the name fail.
//! - Other well-known types make the name exist without TXT record. Everything else is an error with its line.
//!
//! *Limits*: [`MAX_FILE`] octets; 64 KiB and 100 records of TXT for each name; eight CNAMEs in a chain. Time is linear in the file.
//!
//! What it does not do: wildcards, delegation, `$INCLUDE`, `$GENERATE`.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use dkim_core::dns::TxtAnswer;

use crate::config::diagnostics::{Code, Location};
use crate::config::{Diagnostic, Diagnostics};

mod tokens;

use self::tokens::{Entry, Token, entries};
use super::MAX_TXT;

/// A zone file cannot be read.
pub const ZONE_READ: Code = Code::new("E-ZONE-READ");
/// A line of a zone file is not understood.
pub const ZONE_LINE: Code = Code::new("E-ZONE-LINE");

/// Octets of the largest zone file.
pub const MAX_FILE: u64 = 64 << 20;

/// CNAMEs followed in a row, as most resolvers do.
const MAX_CHAIN: usize = 8;

/// TXT records of one name.
const MAX_RECORDS: usize = 100;

/// Errors reported of one file: the rest is likely the same mistake.
const MAX_FINDINGS: usize = 20;

/// Types that a zone may hold and that nobody here asks for.
const OTHER_TYPES: [&str; 17] = [
    "A",
    "AAAA",
    "MX",
    "NS",
    "SOA",
    "SRV",
    "PTR",
    "CAA",
    "DS",
    "DNSKEY",
    "RRSIG",
    "NSEC",
    "NSEC3",
    "NSEC3PARAM",
    "TLSA",
    "SSHFP",
    "HTTPS",
];

/// What the file says about one name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    /// TXT records, none when the name has only records of other types or names below it.
    Texts(Vec<Vec<u8>>),
    Alias(String),
    Failing,
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
        let read = File::open(file).and_then(|opened| opened.take(MAX_FILE.saturating_add(1)).read_to_end(&mut text));
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
                found.push(Diagnostic::at(&at, ZONE_LINE, cause, "write it as `NAME TXT \"text\" \"more text\"`"));
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
        match self.nodes.entry(canonical(name)).or_insert_with(|| Node::Texts(Vec::new())) {
            Node::Texts(texts) => texts.push(text.to_vec()),
            other => *other = Node::Texts(vec![text.to_vec()]),
        }
    }

    /// Whether the zone answers for `name`; other names are asked for elsewhere.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.nodes.contains_key(&canonical(name))
    }

    /// The name that `name` stands for, if it is a CNAME.
    pub(super) fn alias(&self, name: &str) -> Option<&str> {
        match self.nodes.get(&canonical(name)) {
            Some(Node::Alias(target)) => Some(target),
            _ => None,
        }
    }

    /// The answer for `name`; a name that is not in the zone does not exist.
    #[must_use]
    pub fn txt(&self, name: &str) -> TxtAnswer {
        let mut name = canonical(name);
        for _ in 0..=MAX_CHAIN {
            match self.nodes.get(&name) {
                None => return TxtAnswer::NxDomain,
                Some(Node::Failing) => return TxtAnswer::Failed,
                Some(Node::Texts(texts)) if texts.is_empty() => return TxtAnswer::NoData,
                Some(Node::Texts(texts)) => return TxtAnswer::Records(texts.clone()),
                Some(Node::Alias(target)) => name.clone_from(target),
            }
        }
        TxtAnswer::Failed
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
            ("TXT", []) => return Err("the TXT record has no text".into()),
            ("TXT", strings) => {
                // RFC 1035 §3.3: a character-string is at most 255 octets. Nobody splits by hand, so longer ones are taken whole.
                let text = strings.iter().flat_map(|token| token.text.iter().copied()).collect();
                return self.add_text(name, text);
            }
            ("CNAME", [target]) => Node::Alias(self.absolute(target)?),
            ("CNAME", _) => return Err("a CNAME has one name behind it".into()),
            ("SERVFAIL", []) => Node::Failing,
            (kind, _) if OTHER_TYPES.contains(&kind) => return self.add_name(name),
            (kind, _) => return Err(format!("unknown type `{}`", kind.chars().take(20).collect::<String>())),
        };
        self.note_parents(&name);
        match self.zone.nodes.insert(name, node) {
            None => Ok(()),
            Some(_) => Err("the name has other records as well".into()),
        }
    }

    fn add_text(&mut self, name: String, text: Vec<u8>) -> Result<(), String> {
        self.note_parents(&name);
        match self.zone.nodes.entry(name).or_insert_with(|| Node::Texts(Vec::new())) {
            Node::Texts(texts) => {
                let octets = texts.iter().map(Vec::len).fold(text.len(), usize::saturating_add);
                if octets > MAX_TXT || texts.len() >= MAX_RECORDS {
                    return Err(format!("more than {MAX_TXT} octets or {MAX_RECORDS} records of TXT for one name"));
                }
                texts.push(text);
                Ok(())
            }
            Node::Alias(_) | Node::Failing => Err("the name is a CNAME or fails, so it has no TXT record".into()),
        }
    }

    fn add_name(&mut self, name: String) -> Result<(), String> {
        self.note_parents(&name);
        self.zone.nodes.entry(name).or_insert_with(|| Node::Texts(Vec::new()));
        Ok(())
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
            self.zone.nodes.entry(parent).or_insert_with(|| Node::Texts(Vec::new()));
        }
        self.zone
    }
}

#[cfg(test)]
mod tests;
