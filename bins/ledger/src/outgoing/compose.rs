//! The mail that carries a report (RFC 9990 §3.5.2), signed.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dkim_core::UnixTime;
use dkim_core::body_hash::BodyHashPlan;
use dkim_core::header::{HeaderBlock, HeaderLimits};
use dkim_core::sign::{PreparedSpec, Signing};
use dmarc_core::report::names;
use engine::message::Signer;

use super::Settings;

/// Octets of a line of base64.
const LINE: usize = 76;

/// What is in a mail.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    /// The policy domain.
    pub policy_domain: &'a str,
    /// The first and the last second of the period.
    pub period: (u64, u64),
    /// The Report-ID.
    pub report_id: &'a str,
    /// Rows and messages, for whoever reads the mail.
    pub rows: u64,
    /// Messages.
    pub messages: u64,
    /// The report, compressed.
    pub gzip: &'a [u8],
}

/// Why a mail cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// It cannot be signed.
    #[error("the report cannot be signed: {0}")]
    Sign(String),
}

/// The message for one recipient, CRLF line ends, with the signatures on top. `now`: seconds since 1970.
///
/// Names and boundary are made from the Report-ID: what is sent again is the same but for its Date.
///
/// # Errors
///
/// [`ComposeError::Sign`] when a key does not sign. Without any signer the message is not signed; RFC 9990 §3.5.2 wants an aligned pass, which SPF may give.
pub fn compose(
    settings: &Settings,
    contents: &Contents<'_>,
    to: &str,
    now: u64,
    signers: &[Signer],
) -> Result<Vec<u8>, ComposeError> {
    let Contents { policy_domain, period: (begin, end), report_id, rows, messages, gzip } = *contents;
    let file = names::file_name(&settings.receiver, policy_domain, begin, end, report_id);
    let subject = names::subject(policy_domain, &settings.receiver, report_id);
    let boundary = boundary(report_id);
    let local = report_id.split('@').next().unwrap_or(report_id);
    let day = |second: u64| jiff_date(second, "%Y-%m-%d %H:%M:%S UTC");
    let text = format!(
        "This is a DMARC aggregate report of {} about mail with\r\nthe author domain {policy_domain} or a domain below it.\r\n\r\n\
         Period:   {} to {}\r\nMessages: {messages} in {rows} rows\r\nReport:   {report_id}\r\nContact:  {}\r\n",
        line(&settings.org_name),
        day(begin),
        day(end),
        line(&settings.email),
    );
    let head = format!(
        "From: {}\r\nTo: {}\r\nDate: {}\r\nMessage-ID: <{local}@{}>\r\nSubject: {}\r\nAuto-Submitted: auto-generated\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"{boundary}\"\r\n",
        line(&settings.email),
        line(to),
        jiff_date(now, "%a, %d %b %Y %H:%M:%S +0000"),
        settings.receiver,
        folded(&subject),
    );
    let encoded = STANDARD.encode(gzip);
    let mut body = format!(
        "--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{text}\r\n\
         --{boundary}\r\nContent-Type: application/gzip;\r\n\tname=\"{file}\"\r\nContent-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment;\r\n\tfilename=\"{file}\"\r\n\r\n"
    )
    .into_bytes();
    body.reserve(encoded.len().saturating_add(encoded.len() / 30));
    for line in encoded.as_bytes().chunks(LINE) {
        body.extend_from_slice(line);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    let mut message = signatures(&head, &body, now, signers)?.into_bytes();
    message.extend_from_slice(head.as_bytes());
    message.extend_from_slice(b"\r\n");
    message.extend_from_slice(&body);
    Ok(message)
}

fn signatures(head: &str, body: &[u8], now: u64, signers: &[Signer]) -> Result<String, ComposeError> {
    let failed = |error: &dyn std::fmt::Display| ComposeError::Sign(error.to_string());
    let (headers, _) = HeaderBlock::parse(format!("{head}\r\n").as_bytes(), HeaderLimits::default())
        .map_err(|error| failed(&error))?;
    let headers = Arc::new(headers);
    let (mut plan, mut machines) = (BodyHashPlan::new(engine::BACKEND), Vec::new());
    for signer in signers {
        let spec: PreparedSpec = signer.spec.clone();
        let machine = Signing::start(&headers, spec, Arc::clone(&signer.key), UnixTime::from_secs(now), &mut plan);
        machines.push(machine.map_err(|error| failed(&error))?);
    }
    let mut hasher = plan.start();
    hasher.update(body);
    let bodies = hasher.finish();
    let mut fields = String::new();
    for machine in machines {
        let field = machine.finish(&bodies).map_err(|error| failed(&error))?;
        fields.push_str(&format!("{}:{}\r\n", field.name, field.value));
    }
    Ok(fields)
}

/// The Subject in lines of at most 78 octets where its words allow.
fn folded(subject: &str) -> String {
    let (mut out, mut width) = (String::new(), "Subject: ".len());
    for word in subject.split(' ') {
        if !out.is_empty() {
            let is_wide = width.saturating_add(word.len()).saturating_add(1) > 78;
            out.push_str(if is_wide { "\r\n " } else { " " });
            width = if is_wide { 1 } else { width.saturating_add(1) };
        }
        out.push_str(word);
        width = width.saturating_add(word.len());
    }
    out
}

/// A text that is in no line of base64 and in none of ours.
fn boundary(report_id: &str) -> String {
    let kept: String = report_id.chars().filter(char::is_ascii_alphanumeric).take(40).collect();
    format!("=_{kept}_=")
}

/// What we are called, on one line.
fn line(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

fn jiff_date(second: u64, format: &str) -> String {
    let second = i64::try_from(second).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_second(second).unwrap_or(jiff::Timestamp::MAX);
    time.to_zoned(jiff::tz::TimeZone::UTC).strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use mail_parser::{MessageParser, MimeHeaders as _};

    use super::*;

    fn contents() -> Contents<'static> {
        Contents {
            policy_domain: "bank.example",
            period: (1_795_478_400, 1_795_564_799),
            report_id: "20261124.abcdefghijklm@us.example",
            rows: 2,
            messages: 30,
            gzip: b"\x1f\x8b not really, but octets \xff\x00\r\n.\r\n",
        }
    }

    #[test]
    fn r7_r8_a_reader_of_mail_finds_the_report_and_its_names() {
        let settings = Settings::new("Us & Co", "dmarc@us.example", "n1");
        let message = compose(&settings, &contents(), "rua@bank.example", 1_795_570_000, &[]).unwrap();
        let again = compose(&settings, &contents(), "rua@bank.example", 1_795_570_000, &[]).unwrap();
        assert_eq!(message, again, "sent again it is the same");
        let parsed = MessageParser::default().parse(&message).unwrap();
        assert_eq!(
            parsed.subject().unwrap(),
            "Report Domain: bank.example Submitter: us.example Report-ID: <20261124.abcdefghijklm@us.example>"
        );
        assert_eq!(parsed.message_id().unwrap(), "20261124.abcdefghijklm@us.example");
        assert_eq!(parsed.date().unwrap().to_rfc3339(), "2026-11-25T01:26:40Z");
        let attachment = parsed.attachment(0).unwrap();
        assert_eq!(attachment.contents(), contents().gzip);
        let name = attachment.attachment_name().unwrap();
        assert!(
            name.starts_with("us.example!bank.example!1795478400!1795564799!") && name.ends_with(".xml.gz"),
            "{name}"
        );
        assert!(attachment.is_content_type("application", "gzip"));
        let text = parsed.body_text(0).unwrap();
        assert!(
            text.contains("30 in 2 rows") && text.contains("2026-11-24 00:00:00 UTC to 2026-11-24 23:59:59 UTC"),
            "{text}"
        );
        for line in message.split(|octet| *octet == b'\n') {
            assert!(line.len() <= 998 && line.last().is_none_or(|octet| *octet == b'\r'));
        }
    }

    #[test]
    fn long_names_fold_the_subject_and_make_no_second_field() {
        let settings = Settings {
            receiver: "a".repeat(60),
            org_name: "x\r\nBcc: y".to_owned(),
            ..Settings::new("Us", "d@us.example", "n")
        };
        let long = format!("{}.example", "b".repeat(60));
        let message =
            compose(&settings, &Contents { policy_domain: &long, ..contents() }, "a@b.example\r\nBcc: z", 0, &[])
                .unwrap();
        let text = String::from_utf8(message).unwrap();
        let head = text.split("\r\n\r\n").next().unwrap();
        assert!(!head.contains("\r\nBcc") && head.contains("\r\n Report-ID:"), "{head}");
        assert!(!text.contains("\nBcc: y"), "{text}");
    }
}
