//! The writer: one pass, row by row, with one buffer whatever the number of rows.

use std::io::{self, Write};
use std::net::IpAddr;

use super::model::{DkimResult, Format, Metadata, PolicyPublished, Row, SpfResult, SpfScope, Standing};
use super::text::{self, MAX_COMMENT, MAX_DOMAIN, MAX_NAME, MAX_SELECTOR};
use crate::record::AlignmentMode;

/// Signatures of a row (RFC 9990 §3.1.3).
pub const MAX_DKIM_RESULTS: usize = 100;

/// Reasons of a row.
pub const MAX_REASONS: usize = 10;

/// Octets that are collected before they are written.
const BLOCK: usize = 32 * 1024;

/// Writes a report into `W`, as it comes.
///
/// *Inputs*: see [`Metadata`], [`PolicyPublished`], [`Row`]. Domains may be in any case; they are written in lower case. *Limits*: those of [`text`](super::text), [`MAX_DKIM_RESULTS`],
/// [`MAX_REASONS`]; memory for one row. *Order*: elements stand as in RFC 9990 §3.1.1, which readers of RFC 7489 take as well.
///
/// ```
/// use dmarc_core::record::{AlignmentMode, Policy};
/// use dmarc_core::report::{ActionDisposition, Format, Metadata, PolicyPublished, ReportWriter, Row};
///
/// let metadata = Metadata {
///     org_name: "mx.example",
///     email: "dmarc@mx.example",
///     extra_contact_info: None,
///     report_id: "20261124.abc@mx.example",
///     begin: 1_795_478_400,
///     end: 1_795_564_799,
///     error: None,
///     generator: Some("Postseal"),
/// };
/// let policy = PolicyPublished {
///     domain: "example.com",
///     discovery_method: None,
///     p: Policy::Reject,
///     sp: None,
///     np: None,
///     adkim: AlignmentMode::Relaxed,
///     aspf: AlignmentMode::Relaxed,
///     fo: None,
///     testing: false,
///     pct: None,
/// };
/// let row = Row {
///     source_ip: "192.0.2.1".parse()?,
///     count: 3,
///     disposition: ActionDisposition::Reject,
///     dkim_aligned: false,
///     spf_aligned: false,
///     reasons: &[],
///     header_from: "example.com",
///     envelope_from: Some("example.net"),
///     envelope_to: None,
///     dkim: &[],
///     spf: None,
/// };
/// let mut report = ReportWriter::new(Vec::new(), Format::Rfc9990, &metadata, &policy)?;
/// report.row(&row)?;
/// let xml = String::from_utf8(report.finish()?)?;
/// assert!(xml.contains("<row><source_ip>192.0.2.1</source_ip><count>3</count>"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ReportWriter<W> {
    out: W,
    format: Format,
    buffer: Vec<u8>,
    rows: u64,
    messages: u64,
}

impl<W: Write> ReportWriter<W> {
    /// Begins a report.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn new(out: W, format: Format, metadata: &Metadata<'_>, policy: &PolicyPublished<'_>) -> io::Result<Self> {
        let mut writer = Self { out, format, buffer: Vec::with_capacity(BLOCK), rows: 0, messages: 0 };
        writer.head(metadata, policy);
        writer.pass_on()?;
        Ok(writer)
    }

    /// Adds a row.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn row(&mut self, row: &Row<'_>) -> io::Result<()> {
        self.rows = self.rows.saturating_add(1);
        self.messages = self.messages.saturating_add(row.count);
        self.record(row);
        self.pass_on()
    }

    /// Rows so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Messages so far.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Ends the report and gives back what it was written into.
    ///
    /// # Errors
    ///
    /// Those of `out`; [`io::ErrorKind::InvalidInput`] for a report without rows: `record` occurs one or more times (RFC 9990 Appendix A), and readers
    /// stumble over those without.
    pub fn finish(mut self) -> io::Result<W> {
        if self.rows == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a report without rows"));
        }
        self.raw("</feedback>\n");
        self.out.write_all(&self.buffer)?;
        Ok(self.out)
    }

    fn pass_on(&mut self) -> io::Result<()> {
        if self.buffer.len() >= BLOCK {
            self.out.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    fn head(&mut self, metadata: &Metadata<'_>, policy: &PolicyPublished<'_>) {
        self.raw("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        self.raw(match self.format {
            Format::Rfc9990 => "<feedback xmlns=\"urn:ietf:params:xml:ns:dmarc-2.0\">\n",
            Format::Rfc7489 => "<feedback>\n",
        });
        // The text and not the number, which would be printed as `1`.
        self.raw("<version>1.0</version>\n<report_metadata>\n");
        self.text("org_name", metadata.org_name, MAX_NAME);
        self.text("email", metadata.email, MAX_NAME);
        self.optional("extra_contact_info", metadata.extra_contact_info, MAX_COMMENT);
        self.text("report_id", metadata.report_id, MAX_NAME);
        self.raw("<date_range>");
        self.number("begin", metadata.begin);
        self.number("end", metadata.end);
        self.raw("</date_range>");
        self.optional("error", metadata.error, MAX_COMMENT);
        if self.format == Format::Rfc9990 {
            self.optional("generator", metadata.generator, MAX_NAME);
        }
        self.raw("\n</report_metadata>\n<policy_published>\n");
        self.domain("domain", policy.domain);
        match self.format {
            Format::Rfc9990 => {
                if let Some(method) = policy.discovery_method {
                    self.word("discovery_method", method.as_str());
                }
                self.word("p", policy.p.as_str());
                if let Some(sp) = policy.sp {
                    self.word("sp", sp.as_str());
                }
                if let Some(np) = policy.np {
                    self.word("np", np.as_str());
                }
                self.optional("fo", policy.fo, MAX_NAME);
                self.word("adkim", mode(policy.adkim));
                self.word("aspf", mode(policy.aspf));
                self.word("testing", if policy.testing { "y" } else { "n" });
            }
            Format::Rfc7489 => {
                self.word("adkim", mode(policy.adkim));
                self.word("aspf", mode(policy.aspf));
                self.word("p", policy.p.as_str());
                // Required here: what holds without it is the policy of the domain.
                self.word("sp", policy.sp.unwrap_or(policy.p).as_str());
                self.number("pct", policy.pct.unwrap_or(100).into());
                self.text("fo", policy.fo.unwrap_or("0"), MAX_NAME);
            }
        }
        self.raw("\n</policy_published>\n");
    }

    fn record(&mut self, row: &Row<'_>) {
        self.raw("<record><row>");
        let address = match row.source_ip.to_canonical() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => address.to_string(),
        };
        self.word("source_ip", &address);
        self.number("count", row.count);
        self.raw("<policy_evaluated>");
        self.word("disposition", row.disposition.as_str(self.format));
        self.word("dkim", if row.dkim_aligned { "pass" } else { "fail" });
        self.word("spf", if row.spf_aligned { "pass" } else { "fail" });
        for reason in row.reasons.iter().take(MAX_REASONS) {
            self.raw("<reason>");
            self.word("type", reason.kind.as_str(self.format));
            self.optional("comment", reason.comment, MAX_COMMENT);
            self.raw("</reason>");
        }
        self.raw("</policy_evaluated></row><identifiers>");
        self.domain("header_from", row.header_from);
        match (row.envelope_from, self.format) {
            (Some(domain), _) => self.domain("envelope_from", domain),
            // It is required there.
            (None, Format::Rfc7489) => self.domain("envelope_from", ""),
            (None, Format::Rfc9990) => {}
        }
        if let Some(domain) = row.envelope_to {
            self.domain("envelope_to", domain);
        }
        self.raw("</identifiers><auth_results>");
        self.signatures(row.dkim);
        if let Some(spf) = &row.spf {
            self.spf(spf);
        } else if self.format == Format::Rfc7489 {
            // One or more are required there.
            let domain = row.envelope_from.unwrap_or_default();
            self.spf(&SpfResult { domain, scope: SpfScope::MailFrom, result: "none", human_result: None });
        }
        self.raw("</auth_results></record>\n");
    }

    /// Those that passed and are aligned strictly, those that are relaxed, others that passed, the rest (RFC 9990 §3.1.3); each once.
    fn signatures(&mut self, results: &[DkimResult<'_>]) {
        if let [only] = results {
            self.signature(only);
            return;
        }
        let rank = |result: &DkimResult<'_>| match (result.result, result.standing) {
            ("pass", Standing::Strict) => 0_u8,
            ("pass", Standing::Relaxed) => 1,
            ("pass", Standing::Other) => 2,
            _ => 3,
        };
        let mut sorted: Vec<&DkimResult<'_>> = results.iter().collect();
        sorted.sort_by_key(|result| rank(result));
        let mut written: Vec<&DkimResult<'_>> = Vec::new();
        for result in sorted {
            let is_known = written.iter().any(|known| {
                (known.domain, known.selector, known.result) == (result.domain, result.selector, result.result)
            });
            if is_known || written.len() >= MAX_DKIM_RESULTS {
                continue;
            }
            written.push(result);
            self.signature(result);
        }
    }

    fn signature(&mut self, result: &DkimResult<'_>) {
        const WORDS: [&str; 7] = ["none", "pass", "fail", "policy", "neutral", "temperror", "permerror"];
        self.raw("<dkim>");
        self.domain("domain", result.domain);
        self.text("selector", result.selector, MAX_SELECTOR);
        self.word("result", known(result.result, &WORDS));
        self.optional("human_result", result.human_result, MAX_COMMENT);
        self.raw("</dkim>");
    }

    fn spf(&mut self, result: &SpfResult<'_>) {
        const WORDS: [&str; 7] = ["none", "pass", "fail", "softfail", "neutral", "temperror", "permerror"];
        let scope = match (result.scope, self.format) {
            (SpfScope::MailFrom, _) => "mfrom",
            (SpfScope::Helo, Format::Rfc7489) => "helo",
            // `mfrom` is the only value: a result of HELO would be taken for one of MAIL FROM.
            (SpfScope::Helo, Format::Rfc9990) => return,
        };
        self.raw("<spf>");
        self.domain("domain", result.domain);
        self.word("scope", scope);
        self.word("result", known(result.result, &WORDS));
        if self.format == Format::Rfc9990 {
            self.optional("human_result", result.human_result, MAX_COMMENT);
        }
        self.raw("</spf>");
    }

    fn raw(&mut self, text: &str) {
        self.buffer.extend_from_slice(text.as_bytes());
    }

    /// An element with a word of ours.
    fn word(&mut self, element: &str, word: &str) {
        self.open(element);
        self.raw(word);
        self.close(element);
    }

    fn number(&mut self, element: &str, number: u64) {
        self.open(element);
        // A vector takes everything.
        let _ = write!(self.buffer, "{number}");
        self.close(element);
    }

    fn text(&mut self, element: &str, value: &str, most: usize) {
        self.open(element);
        text::push(&mut self.buffer, value, most);
        self.close(element);
    }

    fn optional(&mut self, element: &str, value: Option<&str>, most: usize) {
        if let Some(value) = value {
            self.text(element, value, most);
        }
    }

    /// A domain, in lower case.
    fn domain(&mut self, element: &str, domain: &str) {
        if domain.bytes().any(|octet| octet.is_ascii_uppercase()) {
            self.text(element, &domain.to_ascii_lowercase(), MAX_DOMAIN);
        } else {
            self.text(element, domain, MAX_DOMAIN);
        }
    }

    fn open(&mut self, element: &str) {
        self.raw("<");
        self.raw(element);
        self.raw(">");
    }

    fn close(&mut self, element: &str) {
        self.raw("</");
        self.raw(element);
        self.raw(">");
    }
}

/// The word if a schema has it.
fn known<'w>(word: &'w str, words: &[&str]) -> &'w str {
    if words.contains(&word) { word } else { "none" }
}

fn mode(mode: AlignmentMode) -> &'static str {
    match mode {
        AlignmentMode::Relaxed => "r",
        AlignmentMode::Strict => "s",
    }
}
