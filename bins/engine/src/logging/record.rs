//! The record and its two spellings, `key=value` text and JSON.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::config::LogFormat;

/// Longest value that is written whole, in octets; what is cut ends in `...`.
const MAX_VALUE_BYTES: usize = 1024;

/// The severity of RFC 5424 §6.2.1, as far as it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Something does not work and needs a person.
    Error = 3,
    /// Something is wrong, mail flows.
    Warning = 4,
    /// Normal, but worth noticing.
    Notice = 5,
    /// One line a message, start and stop.
    Info = 6,
    /// For finding faults.
    Debug = 7,
}

impl Priority {
    /// The word used in text and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }

    /// The number of RFC 5424 §6.2.1.
    pub(super) fn severity(self) -> u8 {
        match self {
            Self::Error => 3,
            Self::Warning => 4,
            Self::Notice => 5,
            Self::Info => 6,
            Self::Debug => 7,
        }
    }
}

/// A value of a record. Text is bytes: much of it comes from the net.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Any bytes; escaped when written.
    Text(Vec<u8>),
    /// A number.
    Number(u64),
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::Number(u64::try_from(number).unwrap_or(u64::MAX))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.as_bytes().to_vec())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into_bytes())
    }
}

impl From<&[u8]> for Value {
    fn from(text: &[u8]) -> Self {
        Self::Text(text.to_vec())
    }
}

impl From<Vec<u8>> for Value {
    fn from(text: Vec<u8>) -> Self {
        Self::Text(text)
    }
}

/// One log line: an event, a severity, named values in the order they were given, and the time of its making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub(super) priority: Priority,
    pub(super) event: Cow<'static, str>,
    pub(super) fields: Vec<(&'static str, Value)>,
    pub(super) time: jiff::Timestamp,
    /// The event is a whole line, which gets no quotes.
    pub(super) is_line: bool,
}

impl Record {
    /// A record without values. `event` is a word or a short sentence of ours, not text from a remote party.
    #[must_use]
    pub fn new(priority: Priority, event: impl Into<Cow<'static, str>>) -> Self {
        Self { priority, event: event.into(), fields: Vec::new(), time: jiff::Timestamp::now(), is_line: false }
    }

    /// Adds a value.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// Adds a value in place.
    pub fn push(&mut self, name: &'static str, value: impl Into<Value>) {
        self.fields.push((name, value.into()));
    }

    /// The event is a line in somebody else's form: it stands in text without quotes, whatever is in it, as far as it stays one line.
    #[must_use]
    pub fn as_it_is(mut self) -> Self {
        self.is_line = true;
        self
    }

    /// The severity.
    #[must_use]
    pub fn priority(&self) -> Priority {
        self.priority
    }

    /// The value of a field, for tests and for the journal.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value)
    }

    /// The line without time and severity, which journal and syslog carry beside it.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut line = String::with_capacity(256);
        if self.is_line {
            let (text, cut) = bounded(self.event.as_bytes());
            escape_into(&mut line, text, false);
            line.push_str(if cut { "..." } else { "" });
        } else {
            quote_into(&mut line, self.event.as_bytes(), true);
        }
        for (name, value) in &self.fields {
            line.push(' ');
            line.push_str(name);
            line.push('=');
            match value {
                Value::Number(number) => {
                    let _ = write!(line, "{number}");
                }
                Value::Text(text) => quote_into(&mut line, text, false),
            }
        }
        line
    }

    /// The line as a JSON object with `time`, `level` and `event` first.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut line = String::with_capacity(256);
        let _ = write!(line, "{{\"time\":\"{:.3}\",\"level\":\"{}\",\"event\":", self.time, self.priority.as_str());
        json_into(&mut line, self.event.as_bytes());
        for (name, value) in &self.fields {
            line.push(',');
            json_into(&mut line, name.as_bytes());
            line.push(':');
            match value {
                Value::Number(number) => {
                    let _ = write!(line, "{number}");
                }
                Value::Text(text) => json_into(&mut line, text),
            }
        }
        line.push('}');
        line
    }

    /// The line in the given format; text gets time and severity in front when `standalone`.
    pub(super) fn to_line(&self, format: LogFormat, standalone: bool) -> String {
        match (format, standalone) {
            (LogFormat::Json, _) => self.to_json(),
            (LogFormat::Text, false) => self.to_text(),
            (LogFormat::Text, true) => format!("{:.3} {} {}", self.time, self.priority.as_str(), self.to_text()),
        }
    }
}

/// Cuts a value that is too long; the flag says so.
fn bounded(text: &[u8]) -> (&[u8], bool) {
    match text.get(..MAX_VALUE_BYTES) {
        Some(head) if text.len() > MAX_VALUE_BYTES => (head, true),
        _ => (text, false),
    }
}

/// Writes bytes as a word if they are one, else in quotes with everything escaped that could end the quotes or the line.
fn quote_into(line: &mut String, text: &[u8], spaces_allowed: bool) {
    let (text, cut) = bounded(text);
    let bare = |octet: &u8| match octet {
        b'"' | b'=' | b'\\' => false,
        b' ' => spaces_allowed,
        _ => octet.is_ascii_graphic(),
    };
    if !text.is_empty() && !cut && text.iter().all(bare) {
        line.push_str(&String::from_utf8_lossy(text));
        return;
    }
    line.push('"');
    escape_into(line, text, true);
    line.push_str(if cut { "...\"" } else { "\"" });
}

/// Writes bytes so that they stay in their line and, with `in_quotes`, in their quotes.
fn escape_into(line: &mut String, text: &[u8], in_quotes: bool) {
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' | '\\' if in_quotes => line.extend(['\\', character]),
                ' '..='~' => line.push(character),
                // Control characters, line separators and bidirectional overrides are not printable for `escape_debug`.
                other => line.extend(other.escape_debug()),
            }
        }
        for octet in chunk.invalid() {
            let _ = write!(line, "\\x{octet:02x}");
        }
    }
}

fn json_into(line: &mut String, text: &[u8]) {
    let (text, cut) = bounded(text);
    line.push('"');
    for character in String::from_utf8_lossy(text).chars() {
        match character {
            '"' | '\\' => line.extend(['\\', character]),
            ' '..='~' => line.push(character),
            // RFC 8259 §7 makes us escape below U+0020 only; the rest is for terminals and log viewers.
            other if other.is_control() || matches!(other, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => {
                let _ = write!(line, "\\u{:04x}", u32::from(other));
            }
            other => line.push(other),
        }
    }
    line.push_str(if cut { "...\"" } else { "\"" });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(value: impl Into<Value>) -> Record {
        Record::new(Priority::Info, "message").with("queue_id", "4XyZ").with("from", value).with("size", 12_u32)
    }

    #[test]
    fn words_stand_bare_and_the_rest_in_quotes() {
        assert_eq!(sample("<a@b.example>").to_text(), "message queue_id=4XyZ from=<a@b.example> size=12");
        assert_eq!(sample("").to_text(), "message queue_id=4XyZ from=\"\" size=12");
        assert_eq!(sample("a b").to_text(), "message queue_id=4XyZ from=\"a b\" size=12");
        assert_eq!(sample("j\u{f6}rg").to_text(), "message queue_id=4XyZ from=\"j\u{f6}rg\" size=12");
    }

    #[test]
    fn hostile_bytes_cannot_forge_a_line_or_a_field() {
        let hostile: &[u8] = b"x\" sign=done\nmessage queue_id=fake \\\x1b[2J\xff\0\xe2\x80\xae\xe2\x80\xa8\xc2\x85";
        let text = sample(hostile).to_text();
        assert_eq!(
            text,
            "message queue_id=4XyZ from=\"x\\\" sign=done\\nmessage queue_id=fake \\\\\\u{1b}[2J\\xff\\0\\u{202e}\\u{2028}\\u{85}\" size=12"
        );
        let json = sample(hostile).to_json();
        assert!(!json.contains(['\n', '\x1b', '\0', '\u{202e}', '\u{2028}', '\u{85}']), "{json}");
        let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(parsed["from"].as_str().unwrap(), String::from_utf8_lossy(hostile));
        assert_eq!(parsed["size"], 12);
        assert_eq!(parsed["level"], "info");
    }

    #[test]
    fn a_line_in_the_words_of_others_has_no_quotes_and_stays_one_line() {
        let line = |event: &'static str| Record::new(Priority::Info, event).as_it_is().to_text();
        assert_eq!(line("4Q: field added (s=test, d=example.com)"), "4Q: field added (s=test, d=example.com)");
        assert_eq!(line("4Q: \"a\"\n5Q: forged \x1b[2J"), "4Q: \"a\"\\n5Q: forged \\u{1b}[2J");
    }

    #[test]
    fn long_values_are_cut() {
        let text = sample("y".repeat(5000)).to_text();
        assert!(text.len() < 1200 && text.contains("yyy...\" size=12"), "{text}");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_stay_in_their_field(value in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..80)) {
            let text = sample(value.clone()).to_text();
            let inside = text.strip_prefix("message queue_id=4XyZ from=").unwrap().strip_suffix(" size=12").unwrap();
            proptest::prop_assert!(!inside.contains(char::is_control));
            if let Some(quoted) = inside.strip_prefix('"') {
                let quoted = quoted.strip_suffix('"').unwrap();
                let mut escaped = false;
                for character in quoted.chars() {
                    proptest::prop_assert!(escaped || character != '"');
                    escaped = !escaped && character == '\\';
                }
                proptest::prop_assert!(!escaped);
            } else {
                proptest::prop_assert!(!inside.contains([' ', '=', '"', '\\']));
            }
            let parsed: serde_json::Value = serde_json::from_str(&sample(value.clone()).to_json()).unwrap();
            let lossy = String::from_utf8_lossy(&value);
            proptest::prop_assert_eq!(parsed["from"].as_str(), Some(lossy.as_ref()));
        }
    }
}
