//! DKIM in the tree: each signature, and why one does not hold.

use std::fmt;

use dkim_core::header::HeaderBlock;
use dkim_core::verify::{
    BodyDiagnosis, Diagnosis, DiagnosisLimits, FieldCount, HeaderDiagnosis, Outcome, PermErrorCause, SignatureReport,
    Suspect, diagnose, key_name,
};
use engine::dns::Resolver;
use serde::Serialize;

use crate::verification::Signature;

/// A signature.
#[derive(Debug, Serialize)]
pub(super) struct Signed {
    #[serde(flatten)]
    pub(super) signature: Signature,
    /// The question for its key.
    key: Option<String>,
    /// Of a signature that does not hold.
    diagnosis: Option<Found>,
}

/// What was done to the message, as far as that can be found out.
#[derive(Debug, Serialize)]
struct Found {
    /// The stable word, and the sentence.
    body: &'static str,
    body_text: String,
    header: &'static str,
    header_text: String,
    /// Names of `h=` with more or fewer fields than are signed.
    fields: Vec<Count>,
}

#[derive(Debug, Serialize)]
struct Count {
    name: String,
    signed: usize,
    present: usize,
}

impl Signed {
    /// Looks into a signature that does not hold.
    pub(super) async fn of(report: &SignatureReport, headers: &HeaderBlock, body: &[u8], resolver: &Resolver) -> Self {
        let name = report.selector.as_ref().zip(report.domain.as_ref());
        let key = name.map(|(selector, domain)| key_name(selector, domain));
        let is_broken = matches!(report.outcome, Outcome::Fail(_) | Outcome::PermError(PermErrorCause::BodyTooShort));
        let diagnosis = match key.as_ref().filter(|_| is_broken) {
            None => None,
            Some(name) => {
                let answer = resolver.key(name).await;
                let suspect = Suspect { headers, field: report.field, body, key: Some(&answer) };
                diagnose(&suspect, engine::BACKEND, &DiagnosisLimits::default())
            }
        };
        Self { signature: Signature::of(report), key, diagnosis: diagnosis.as_ref().map(Found::of) }
    }
}

impl Found {
    fn of(diagnosis: &Diagnosis) -> Self {
        let (body, body_text) = about_body(&diagnosis.body);
        let (header, header_text) = about_header(diagnosis.header.as_ref());
        let count =
            |count: &FieldCount| Count { name: count.name.clone(), signed: count.signed, present: count.present };
        Self { body, body_text, header, header_text, fields: diagnosis.counts.iter().map(count).collect() }
    }
}

fn about_body(body: &BodyDiagnosis) -> (&'static str, String) {
    match body {
        BodyDiagnosis::Intact { unsigned: 0 } => ("intact", "is what was signed".to_owned()),
        BodyDiagnosis::Intact { unsigned } => {
            ("intact", format!("is what was signed up to l=, and {unsigned} octets behind it are not signed"))
        }
        BodyDiagnosis::CutOff { signed, present } => {
            ("cut-off", format!("has {present} octets, and {signed} were signed (l=): its end is missing"))
        }
        BodyDiagnosis::OtherCanonicalization(canon) => {
            ("other-canonicalization", format!("would match with canonicalization {canon}"))
        }
        BodyDiagnosis::WithoutLength => ("without-length", "would match as a whole, without regard to l=".to_owned()),
        BodyDiagnosis::BareLineFeeds => {
            ("bare-line-feeds", "would match with CRLF in place of bare line feeds".to_owned())
        }
        BodyDiagnosis::Appended { octets, lines, signed } => (
            "appended",
            format!(
                "would match without its last {octets} octets (lines: {lines}), as with l={signed}: a footer was appended"
            ),
        ),
        _ => ("changed", "was changed, and in no way that was tried".to_owned()),
    }
}

fn about_header(header: Option<&HeaderDiagnosis>) -> (&'static str, String) {
    let shown = |octets: &[u8]| octets.escape_ascii().to_string();
    match header {
        None => ("unknown", "cannot be checked without a key".to_owned()),
        Some(HeaderDiagnosis::Intact) => ("intact", "is what was signed".to_owned()),
        Some(HeaderDiagnosis::OtherCanonicalization(canon)) => {
            ("other-canonicalization", format!("would verify with canonicalization {canon}"))
        }
        Some(HeaderDiagnosis::SubjectTag(tag)) => {
            ("subject-tag", format!("would verify without \"{}\" before the Subject", shown(tag)))
        }
        Some(HeaderDiagnosis::AddedField { name, field }) => {
            let number = field.saturating_add(1);
            ("added-field", format!("would verify without the field {} (number {number} of the header)", shown(name)))
        }
        Some(_) => ("changed", "was changed in no way that was tried, or was signed with another key".to_owned()),
    }
}

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {}", self.signature)?;
        if let Some(key) = &self.key {
            writeln!(f, "    key: {key}")?;
        }
        if let Some(found) = &self.diagnosis {
            write!(f, "{found}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "    body: {}", self.body_text)?;
        writeln!(f, "    header: {}", self.header_text)?;
        if self.header == "intact" {
            return Ok(());
        }
        for Count { name, signed, present } in &self.fields {
            let remark = if signed > present { "removed, or signed as absent" } else { "those on top are not covered" };
            writeln!(f, "    {name}: {signed} signed, {present} there ({remark})")?;
        }
        Ok(())
    }
}
