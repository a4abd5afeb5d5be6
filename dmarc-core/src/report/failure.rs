//! Failure reports: what the owner of a domain is told about one message (RFC 9991, in the form of RFC 5965 and RFC 6591).
//!
//! A report holds the header section of somebody's message, so it tells as little as it can: no body; local parts of addresses are replaced by the caller's [`Redact`] (RFC 6590); Received
//! fields that the caller calls internal are left out.
//!
//! *Limits*: [`MAX_HEADER`], [`MAX_VALUE`]. What does not fit is cut, and non-ASCII octets are `?`: the parts are 7bit, as RFC 5965 §2 wants the second one.

use std::fmt::Write as _;
use std::net::IpAddr;

/// Octets of the header section of the message.
pub const MAX_HEADER: usize = 64 * 1024;

/// Octets of one value.
pub const MAX_VALUE: usize = 900;

/// Replaces the local part of an address, the same one always by the same text of letters and digits: RFC 6590 §3 has a keyed hash in mind.
pub trait Redact {
    /// What stands in place of this local part.
    fn local_part(&self, local_part: &[u8]) -> String;
}

impl<F: Fn(&[u8]) -> String> Redact for F {
    fn local_part(&self, local_part: &[u8]) -> String {
        self(local_part)
    }
}

/// The mechanism that is reported (`Auth-Failure`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the three that fo= asks for")]
pub enum AuthFailure {
    /// DMARC (`fo=0`, `fo=1`).
    Dmarc,
    /// DKIM (`fo=d`).
    Signature,
    /// SPF (`fo=s`).
    Spf,
}

/// What became of the message (`Delivery-Result`, RFC 6591 §3.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "RFC 6591 has these words")]
pub enum DeliveryResult {
    /// Delivered.
    Delivered,
    /// To the junk folder, or into quarantine.
    Spam,
    /// Something of the receiver's policy.
    Policy,
    /// Refused.
    Reject,
    /// Anything else.
    Other,
}

/// A signature of an aligned domain that did not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the three fields of RFC 6591 §3.2.4")]
pub struct FailedSignature<'a> {
    /// `d=`
    pub domain: &'a str,
    /// `s=`
    pub selector: &'a str,
    /// `i=`; empty: `@` and the domain.
    pub identity: &'a str,
}

/// A report about one message.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "made by callers; a new field is a new version of reports")]
pub struct FailureReport<'a> {
    /// The address of the author of the report, which has to pass DMARC itself.
    pub from: &'a str,
    /// Its recipient: one.
    pub to: &'a str,
    /// Date of RFC 5322.
    pub date: &'a str,
    /// Message-ID, without brackets.
    pub message_id: &'a str,
    /// Boundary of the parts: a text that no part holds, random for instance.
    pub boundary: &'a str,
    /// Name and version of the program.
    pub user_agent: &'a str,
    /// Our name in Authentication-Results.
    pub authserv_id: &'a str,
    /// What is reported.
    pub auth_failure: AuthFailure,
    /// Whether DKIM gave an aligned pass.
    pub dkim_aligned: bool,
    /// Whether SPF did.
    pub spf_aligned: bool,
    /// The author domain.
    pub author: &'a str,
    /// The policy domain.
    pub policy_domain: &'a str,
    /// DMARC's result: `fail`, or `pass` where other values of `fo=` ask for a report.
    pub result: &'a str,
    /// MAIL FROM, without brackets; empty for the null reverse path.
    pub mail_from: &'a str,
    /// RCPT TO, without brackets.
    pub rcpt_to: &'a [&'a str],
    /// When it came (Date of RFC 5322).
    pub arrival_date: &'a str,
    /// The client.
    pub source_ip: Option<IpAddr>,
    /// What became of it.
    pub delivery: DeliveryResult,
    /// An aligned signature that failed: RFC 9991 §4 requires it where there is one.
    pub signature: Option<FailedSignature<'a>>,
    /// The SPF record of an aligned domain, and that domain: RFC 9991 §4 requires it where aligned SPF failed.
    pub spf_dns: Option<(&'a str, &'a str)>,
    /// How many messages this stands for (RFC 5965 §3.2).
    pub incidents: u64,
    /// The header section, CRLF line ends.
    pub header: &'a [u8],
}

/// The message of a report, with CRLF line ends.
///
/// *Inputs*: the report; what replaces local parts; which Received fields (their values) are nobody else's business.
#[must_use]
pub fn message(report: &FailureReport<'_>, redact: &dyn Redact, is_internal: &dyn Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut out = String::new();
    let boundary = report.boundary;
    field(&mut out, "From", report.from);
    field(&mut out, "To", report.to);
    field(&mut out, "Date", report.date);
    field(&mut out, "Message-ID", &format!("<{}>", report.message_id));
    field(&mut out, "Subject", &format!("DMARC failure report for {}", report.author));
    field(&mut out, "Auto-Submitted", "auto-generated");
    field(&mut out, "MIME-Version", "1.0");
    let _ = write!(
        out,
        "Content-Type: multipart/report; report-type=feedback-report;\r\n\tboundary=\"{}\"\r\n\r\n",
        clean(boundary)
    );
    let boundary = clean(boundary);
    let _ = write!(out, "--{boundary}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n");
    text(&mut out, report);
    let _ = write!(out, "\r\n--{boundary}\r\nContent-Type: message/feedback-report\r\n\r\n");
    feedback(&mut out, report, redact);
    let _ = write!(out, "\r\n--{boundary}\r\nContent-Type: text/rfc822-headers\r\n\r\n");
    header(&mut out, report.header, redact, is_internal);
    let _ = write!(out, "\r\n--{boundary}--\r\n");
    out.into_bytes()
}

fn text(out: &mut String, report: &FailureReport<'_>) {
    let what = match report.auth_failure {
        AuthFailure::Dmarc => "DMARC",
        AuthFailure::Signature => "DKIM",
        AuthFailure::Spf => "SPF",
    };
    let source = report.source_ip.map_or_else(|| "this host".to_owned(), |address| address.to_canonical().to_string());
    let _ = write!(
        out,
        "This is a failure report about a message with the author domain {},\r\n\
         received from {source} on {}.\r\n\
         It did not pass {what}. The DMARC record of {} asks for this report (ruf=, fo=).\r\n",
        clean(report.author),
        clean(report.arrival_date),
        clean(report.policy_domain),
    );
}

/// The machine-readable part (RFC 5965 §3, RFC 6591 §3, RFC 9991 §4), each field once.
fn feedback(out: &mut String, report: &FailureReport<'_>, redact: &dyn Redact) {
    field(out, "Feedback-Type", "auth-failure");
    field(out, "Version", "1");
    field(out, "User-Agent", report.user_agent);
    let (failure, method, property) = match report.auth_failure {
        AuthFailure::Dmarc => ("dmarc", format!("dmarc={}", report.result), format!("header.from={}", report.author)),
        AuthFailure::Signature => {
            let domain = report.signature.map_or(report.author, |signature| signature.domain);
            ("signature", "dkim=fail".to_owned(), format!("header.d={domain}"))
        }
        AuthFailure::Spf => {
            let domain = report.mail_from.rsplit_once('@').map_or(report.mail_from, |(_, domain)| domain);
            ("spf", "spf=fail".to_owned(), format!("smtp.mailfrom={domain}"))
        }
    };
    field(out, "Auth-Failure", failure);
    // The mechanisms that did not authenticate an aligned identity, or `none` where all did (RFC 9991 §4).
    let failed: Vec<&str> = [(report.dkim_aligned, "dkim"), (report.spf_aligned, "spf")]
        .into_iter()
        .filter_map(|(is_aligned, word)| (!is_aligned).then_some(word))
        .collect();
    field(out, "Identity-Alignment", &if failed.is_empty() { "none".to_owned() } else { failed.join(", ") });
    // One method only (RFC 6591 §3.1).
    field(out, "Authentication-Results", &format!("{}; {method} {property}", report.authserv_id));
    field(out, "Original-Mail-From", &format!("<{}>", redacted_address(report.mail_from, redact)));
    for recipient in report.rcpt_to {
        field(out, "Original-Rcpt-To", &format!("<{}>", redacted_address(recipient, redact)));
    }
    field(out, "Arrival-Date", report.arrival_date);
    if let Some(address) = report.source_ip {
        field(out, "Source-IP", &address.to_canonical().to_string());
    }
    field(out, "Reported-Domain", report.author);
    field(out, "Delivery-Result", delivery(report.delivery));
    if let Some(signature) = report.signature {
        field(out, "DKIM-Domain", signature.domain);
        let own = format!("@{}", signature.domain);
        let identity = if signature.identity.is_empty() { &own } else { signature.identity };
        field(out, "DKIM-Identity", &redacted_address(identity, redact));
        field(out, "DKIM-Selector", signature.selector);
    }
    if let Some((domain, record)) = report.spf_dns {
        // RFC 6591 §3.2.5: type, domain, and the record in quotes.
        let record: String = record.chars().filter(|c| *c != '"' && *c != '\\').collect();
        field(out, "SPF-DNS", &format!("txt : {domain} : \"{record}\""));
    }
    if report.incidents > 1 {
        field(out, "Incidents", &report.incidents.to_string());
    }
}

fn delivery(result: DeliveryResult) -> &'static str {
    match result {
        DeliveryResult::Delivered => "delivered",
        DeliveryResult::Spam => "spam",
        DeliveryResult::Policy => "policy",
        DeliveryResult::Reject => "reject",
        DeliveryResult::Other => "other",
    }
}

/// The header section without internal Received fields and without local parts.
fn header(out: &mut String, header: &[u8], redact: &dyn Redact, is_internal: &dyn Fn(&[u8]) -> bool) {
    let header = header.get(..MAX_HEADER).unwrap_or(header);
    let mut field: Vec<u8> = Vec::new();
    let mut pass_on = |field: &mut Vec<u8>| {
        let value = field
            .iter()
            .position(|octet| *octet == b':')
            .map_or(&[][..], |colon| field.get(colon.saturating_add(1)..).unwrap_or_default());
        let is_received = field.get(..9).is_some_and(|name| name.eq_ignore_ascii_case(b"received:"));
        let is_left_out = field.is_empty() || (is_received && is_internal(value));
        if !is_left_out {
            let mut told = String::new();
            redacted(&mut told, field, redact);
            told.split("\r\n").for_each(|line| folded(out, line));
        }
        field.clear();
    };
    for line in header.split(|octet| *octet == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            break;
        }
        if !line.starts_with(b" ") && !line.starts_with(b"\t") {
            pass_on(&mut field);
        } else if !field.is_empty() {
            field.extend_from_slice(b"\r\n");
        }
        field.extend_from_slice(line);
    }
    pass_on(&mut field);
}

/// A field with the local part of everything that looks like an address replaced: what is left of an `@`, up to what no local part has without quotes, or the quoted string.
fn redacted(out: &mut String, field: &[u8], redact: &dyn Redact) {
    let mut plain = 0_usize;
    for (at, _) in field.iter().enumerate().filter(|(_, octet)| **octet == b'@') {
        let before = field.get(plain..at).unwrap_or_default();
        let length = local_part(before);
        if length == 0 {
            continue;
        }
        let start = before.len().saturating_sub(length);
        seven_bit(out, before.get(..start).unwrap_or_default());
        out.push_str(&clean(&redact.local_part(before.get(start..).unwrap_or_default())));
        plain = at;
    }
    seven_bit(out, field.get(plain..).unwrap_or_default());
}

/// Octets at the end of a text that are the local part of an address.
fn local_part(text: &[u8]) -> usize {
    if text.last() == Some(&b'"') {
        let inside = text.get(..text.len().saturating_sub(1)).unwrap_or_default();
        let mut start = inside.len();
        while let Some(at) = inside.get(..start).and_then(|text| text.iter().rposition(|octet| *octet == b'"')) {
            let escapes =
                inside.get(..at).unwrap_or_default().iter().rev().take_while(|octet| **octet == b'\\').count();
            if escapes.is_multiple_of(2) {
                return text.len().saturating_sub(at);
            }
            start = at;
        }
        return 1;
    }
    let is_atom =
        |octet: &&u8| octet.is_ascii_alphanumeric() || !octet.is_ascii() || b"!#$%&'*+-/=?^_`{|}~.".contains(octet);
    text.iter().rev().take_while(is_atom).count()
}

/// Appends a line, broken where it is longer than a line may be (RFC 5322 §2.1.1).
fn folded(out: &mut String, line: &str) {
    let mut rest = line;
    while let Some((head, tail)) = rest.split_at_checked(MAX_VALUE).filter(|(_, tail)| !tail.is_empty()) {
        out.push_str(head);
        out.push_str("\r\n\t");
        rest = tail;
    }
    out.push_str(rest);
    out.push_str("\r\n");
}

fn redacted_address(address: &str, redact: &dyn Redact) -> String {
    match address.rsplit_once('@') {
        Some(("", domain)) => format!("@{domain}"),
        Some((local, domain)) => format!("{}@{domain}", redact.local_part(local.as_bytes())),
        None => address.to_owned(),
    }
}

fn seven_bit(out: &mut String, text: &[u8]) {
    for octet in text {
        out.push(match octet {
            b'\r' | b'\n' | b'\t' | b' '..=b'~' => char::from(*octet),
            _ => '?',
        });
    }
}

/// Appends a field on one line.
fn field(out: &mut String, name: &str, value: &str) {
    let _ = write!(out, "{name}: {}\r\n", clean(value));
}

/// Printable ASCII of bounded length.
fn clean(value: &str) -> String {
    value.chars().take(MAX_VALUE).map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] = b"Received: from a by internal.us.example for <joe@us.example>\r\nReceived: from them.example (mail@them)\r\n\tby mx.us.example\r\n\
        From: \"Ann \xfc\" <ann.b+c@bank.example>, \"odd \\\" one\"@x.example\r\nTo: joe@us.example\r\nSubject: @ no address @\r\n\r\nnever the body joe@us.example\r\n";

    fn report() -> FailureReport<'static> {
        FailureReport {
            from: "dmarc@us.example",
            to: "ruf@bank.example",
            date: "Tue, 24 Nov 2026 20:00:00 +0000",
            message_id: "1@us.example",
            boundary: "b0undary",
            user_agent: "Postseal/0.1",
            authserv_id: "mx.us.example",
            auth_failure: AuthFailure::Dmarc,
            dkim_aligned: false,
            spf_aligned: false,
            author: "bank.example",
            policy_domain: "bank.example",
            result: "fail",
            mail_from: "thief@thief.example",
            rcpt_to: &["joe@us.example"],
            arrival_date: "Tue, 24 Nov 2026 19:59:00 +0000",
            source_ip: "::ffff:192.0.2.1".parse().ok(),
            delivery: DeliveryResult::Reject,
            signature: Some(FailedSignature { domain: "bank.example", selector: "s", identity: "" }),
            spf_dns: Some(("bank.example", "v=spf1 \"-all")),
            incidents: 3,
            header: HEADER,
        }
    }

    fn written(report: &FailureReport<'_>) -> String {
        let redact = |local: &[u8]| format!("R{}", local.len());
        let internal = |value: &[u8]| value.windows(8).any(|octets| octets == b"internal");
        String::from_utf8(message(report, &redact, &internal)).unwrap()
    }

    #[test]
    fn f1_f2_the_parts_and_their_fields_each_once() {
        let text = written(&report());
        let parts: Vec<&str> = text.split("--b0undary").collect();
        assert_eq!(parts.len(), 5, "{text}");
        assert!(
            text.contains(
                "Content-Type: multipart/report; report-type=feedback-report;\r\n\tboundary=\"b0undary\"\r\n"
            )
        );
        let feedback = parts[2].split_once("\r\n\r\n").unwrap().1;
        let expected = "Feedback-Type: auth-failure\r\nVersion: 1\r\nUser-Agent: Postseal/0.1\r\nAuth-Failure: dmarc\r\n\
            Identity-Alignment: dkim, spf\r\nAuthentication-Results: mx.us.example; dmarc=fail header.from=bank.example\r\n\
            Original-Mail-From: <R5@thief.example>\r\nOriginal-Rcpt-To: <R3@us.example>\r\nArrival-Date: Tue, 24 Nov 2026 19:59:00 +0000\r\n\
            Source-IP: 192.0.2.1\r\nReported-Domain: bank.example\r\nDelivery-Result: reject\r\nDKIM-Domain: bank.example\r\n\
            DKIM-Identity: @bank.example\r\nDKIM-Selector: s\r\nSPF-DNS: txt : bank.example : \"v=spf1 -all\"\r\nIncidents: 3\r\n\r\n";
        assert_eq!(feedback, expected);
        assert!(text.is_ascii() && text.split("\r\n").all(|line| !line.contains(['\r', '\n'])), "{text:?}");
    }

    #[test]
    fn rfc9991_s4_identity_alignment_names_what_failed() {
        for (dkim_aligned, spf_aligned, expected) in
            [(true, true, "none"), (true, false, "spf"), (false, true, "dkim"), (false, false, "dkim, spf")]
        {
            let text = written(&FailureReport { dkim_aligned, spf_aligned, ..report() });
            assert!(text.contains(&format!("\r\nIdentity-Alignment: {expected}\r\n")), "{text}");
        }
        let spf = written(&FailureReport { auth_failure: AuthFailure::Spf, signature: None, incidents: 1, ..report() });
        assert!(spf.contains("Auth-Failure: spf\r\n") && spf.contains("; spf=fail smtp.mailfrom=thief.example\r\n"));
        assert!(!spf.contains("DKIM-Domain") && !spf.contains("Incidents"));
    }

    #[test]
    fn rfc6590_no_local_part_no_internal_hop_and_no_body_is_told() {
        let text = written(&report());
        let header = text.split("Content-Type: text/rfc822-headers\r\n\r\n").nth(1).unwrap();
        assert_eq!(
            header,
            "Received: from them.example (R4@them)\r\n\tby mx.us.example\r\nFrom: \"Ann ?\" <R7@bank.example>, R12@x.example\r\n\
             To: R3@us.example\r\nSubject: @ no address @\r\n\r\n--b0undary--\r\n"
        );
        for secret in ["joe", "ann", "thief@", "never", "internal"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }

    #[test]
    fn rfc5322_s2_1_1_no_line_is_longer_than_998() {
        let header = format!("X: {}\r\nSubject: x\r\n", "y".repeat(3000));
        let text = written(&FailureReport { header: header.as_bytes(), ..report() });
        assert!(text.split("\r\n").all(|line| line.len() <= 998) && text.contains("\r\n\tyyy"), "{text}");
    }

    #[test]
    fn what_strangers_write_adds_no_field_and_ends_no_part() {
        let hostile = "x\r\nBcc: victim@v.example\r\n\r\n--b0undary--\r\n";
        let report = FailureReport {
            author: hostile,
            mail_from: hostile,
            authserv_id: hostile,
            arrival_date: hostile,
            ..report()
        };
        let text = written(&report);
        assert_eq!(text.lines().filter(|line| line.starts_with("Bcc") || *line == "--b0undary--").count(), 1, "{text}");
    }

    proptest::proptest! {
        #[test]
        fn any_header_section_is_told_as_ascii_without_bare_line_ends(header in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            let text = written(&FailureReport { header: &header, ..report() });
            proptest::prop_assert!(text.is_ascii());
            let told = text.split("Content-Type: text/rfc822-headers\r\n\r\n").nth(1).unwrap_or_default();
            proptest::prop_assert!(told.ends_with("\r\n--b0undary--\r\n"));
            proptest::prop_assert!(text.split("\r\n").all(|line| line.len() <= 998));
        }
    }
}
