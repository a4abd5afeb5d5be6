//! The DNS records that publish keys, in the forms that zone files, panels and providers take.
//!
//! *Standard*: RFC 6376 §3.6.2.1 (the name), §3.6.1 (the text), RFC 1035 §3.3 (a character-string has at most 255 octets; longer texts are split
//! into several, which readers join without anything between them).

use std::fmt::Write as _;

use dkim_core::crypto::SigningKey;
use dkim_core::domain::{DomainName, Selector};
use dkim_core::key_record::KeyRecord;
use serde::Serialize;
use serde_json::{Value, json};

/// Octets of the longest character-string (RFC 1035 §3.3).
const MAX_STRING: usize = 255;

/// Seconds that resolvers may keep a new record: an hour, so that a slip can be mended the same day.
pub const TTL: u32 = 3600;

/// How records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// A line of a zone file, with parentheses and split strings.
    Bind,
    /// Name and text on lines of their own, unquoted: for panels that split by themselves.
    Plain,
    /// Name and quoted strings of at most 255 octets: for panels that do not.
    Split,
    /// One JSON object for each record.
    Json,
    /// A change batch for `aws route53 change-resource-record-sets`.
    Route53,
    /// The body of a batch request to Cloudflare's API, `/zones/ID/dns_records/batch`.
    Cloudflare,
}

/// A TXT record.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct DnsRecord {
    /// The name without final dot.
    pub name: String,
    /// The text, not split.
    pub text: String,
}

impl DnsRecord {
    /// The record that publishes `key`.
    #[must_use]
    pub fn of_key(selector: &Selector, domain: &DomainName, key: &dyn SigningKey) -> Self {
        Self { name: format!("{selector}._domainkey.{domain}"), text: KeyRecord::text_for(key) }
    }

    /// The text in pieces of at most 255 octets.
    #[must_use]
    pub fn strings(&self) -> Vec<&str> {
        let mut pieces = Vec::new();
        let mut rest = self.text.as_str();
        while !rest.is_empty() {
            let end = rest.floor_char_boundary(MAX_STRING);
            let Some((piece, behind)) = rest.split_at_checked(end) else { break };
            pieces.push(piece);
            rest = behind;
        }
        pieces
    }

    /// The pieces in quotes, with a space between them.
    fn quoted(&self, between: &str) -> String {
        let escape = |piece: &&str| format!("\"{}\"", piece.replace('\\', r"\\").replace('"', "\\\""));
        self.strings().iter().map(escape).collect::<Vec<_>>().join(between)
    }

    /// The record on one line of a zone file.
    #[must_use]
    pub fn to_line(&self) -> String {
        format!("{}. {TTL} IN TXT {}", self.name, self.quoted(" "))
    }

    fn to_json(&self) -> Value {
        json!({ "name": self.name, "type": "TXT", "ttl": TTL, "text": self.text, "strings": self.strings() })
    }
}

/// All records in one form, ending with a line end.
#[must_use]
pub fn write(records: &[DnsRecord], form: Form) -> String {
    let mut text = String::new();
    match form {
        Form::Bind => records.iter().for_each(|record| bind(record, &mut text)),
        Form::Plain => records.iter().for_each(|record| lines(&record.name, &record.text, &mut text)),
        Form::Split => records.iter().for_each(|record| lines(&record.name, &record.quoted(" "), &mut text)),
        Form::Json => pretty(&Value::from_iter(records.iter().map(DnsRecord::to_json)), &mut text),
        Form::Route53 => {
            let change = |record: &DnsRecord| {
                json!({ "Action": "UPSERT", "ResourceRecordSet": { "Name": format!("{}.", record.name), "Type": "TXT", "TTL": TTL,
                        "ResourceRecords": [{ "Value": record.quoted(" ") }] } })
            };
            pretty(&json!({ "Changes": Value::from_iter(records.iter().map(change)) }), &mut text);
        }
        Form::Cloudflare => {
            let post = |record: &DnsRecord| json!({ "type": "TXT", "name": record.name, "ttl": TTL, "content": record.quoted(" ") });
            pretty(&json!({ "posts": Value::from_iter(records.iter().map(post)) }), &mut text);
        }
    }
    text
}

fn bind(record: &DnsRecord, out: &mut String) {
    let DnsRecord { name, .. } = record;
    let _ = writeln!(out, "{name}. {TTL} IN TXT ( {} )", record.quoted("\n    "));
}

fn lines(name: &str, text: &str, out: &mut String) {
    let _ = writeln!(out, "{name}\n{text}");
}

fn pretty(value: &Value, out: &mut String) {
    let _ = writeln!(out, "{value:#}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(length: usize) -> DnsRecord {
        DnsRecord {
            name: "s1._domainkey.example.com".into(),
            text: format!("v=DKIM1; k=rsa; p={}", "A".repeat(length)),
        }
    }

    #[test]
    fn m14_long_texts_are_split_into_strings_of_at_most_255_octets() {
        for (length, sizes) in
            [(0, vec![18]), (237, vec![255]), (238, vec![255, 1]), (392, vec![255, 155]), (736, vec![255, 255, 244])]
        {
            let record = record(length);
            let strings = record.strings();
            assert_eq!(strings.iter().map(|s| s.len()).collect::<Vec<_>>(), sizes);
            assert_eq!(strings.concat(), record.text);
        }
    }

    #[test]
    fn each_form_holds_name_and_text() {
        let record = record(300);
        let (first, second) = record.text.split_at(255);
        let shown = |form| write(std::slice::from_ref(&record), form);
        assert_eq!(
            shown(Form::Bind),
            format!("s1._domainkey.example.com. 3600 IN TXT ( \"{first}\"\n    \"{second}\" )\n")
        );
        assert_eq!(shown(Form::Plain), format!("s1._domainkey.example.com\n{}\n", record.text));
        assert_eq!(shown(Form::Split), format!("s1._domainkey.example.com\n\"{first}\" \"{second}\"\n"));
        let value = format!("\"{first}\" \"{second}\"");
        let json: Value = serde_json::from_str(&shown(Form::Json)).unwrap();
        assert_eq!(json[0]["strings"], json!([first, second]));
        assert_eq!(json[0]["name"], "s1._domainkey.example.com");
        let json: Value = serde_json::from_str(&shown(Form::Route53)).unwrap();
        let set = &json["Changes"][0]["ResourceRecordSet"];
        assert_eq!(
            (set["Name"].as_str(), set["ResourceRecords"][0]["Value"].as_str()),
            (Some("s1._domainkey.example.com."), Some(&*value))
        );
        let json: Value = serde_json::from_str(&shown(Form::Cloudflare)).unwrap();
        assert_eq!(
            (json["posts"][0]["type"].as_str(), json["posts"][0]["content"].as_str()),
            (Some("TXT"), Some(&*value))
        );
    }

    #[test]
    fn what_would_end_a_string_is_escaped() {
        let record = DnsRecord { name: "a".into(), text: "say \"x\\y\"".into() };
        assert_eq!(record.quoted(" "), r#""say \"x\\y\"""#);
    }
}
