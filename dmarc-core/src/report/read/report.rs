//! Elements to values: the reader.

use std::io::{BufRead, BufReader};

use super::charset;
use super::element::{Element, Leaf};
use super::model::{DkimResult, Reason, Record, Report, SpfResult};
use super::token::{Token, Tokens};
use super::value;
use super::{Limit, ReadError, ReadLimits};

/// Octets that are looked at in one place: what is behind is several readers deep.
const BLOCK: usize = 32 * 1024;

/// Reads a report that is not packed, and hands out its records as they come.
///
/// *Inputs*: octets in UTF-8, UTF-16 or Windows-1252. *Limits*: [`ReadLimits`]; memory for one record. *Results*: everything else about the report, also
/// what stands behind the records.
///
/// # Errors
///
/// [`ReadError`]; records handed out before are then to be forgotten.
pub fn read_report(
    input: impl BufRead,
    limits: &ReadLimits,
    mut on_record: impl FnMut(&Record),
) -> Result<Report, ReadError> {
    let mut reader = Reader {
        tokens: Tokens::new(BufReader::with_capacity(BLOCK, charset::decoded(input)?), limits.text),
        limits,
        stack: Vec::new(),
        unknown: Vec::new(),
        name: Vec::new(),
        has_policy: false,
        saw_feedback: false,
        report: Report { is_partial: true, ..Report::default() },
        record: Record::default(),
        on_record: &mut on_record,
    };
    while reader.step()? {}
    if !reader.saw_feedback {
        return Err(ReadError::NoFeedback);
    }
    if reader.report.records == 0 {
        return Err(ReadError::NoRecords);
    }
    Ok(reader.report)
}

struct Reader<'a, R> {
    tokens: Tokens<R>,
    limits: &'a ReadLimits,
    /// The elements that are open.
    stack: Vec<Element>,
    /// The names of those inside the last one that mean nothing here.
    unknown: Vec<Vec<u8>>,
    /// The name of the last tag, kept for its room.
    name: Vec<u8>,
    has_policy: bool,
    saw_feedback: bool,
    report: Report,
    record: Record,
    on_record: &'a mut dyn FnMut(&Record),
}

impl<R: BufRead> Reader<'_, R> {
    /// Takes one tag; whether there is more.
    fn step(&mut self) -> Result<bool, ReadError> {
        let token = self.tokens.next()?;
        // The usual case, without a look at any name.
        if token == Token::Close
            && self.unknown.is_empty()
            && matches!(self.stack.last(), Some(Element::Leaf(_)))
            && self.tokens.closes_last()
        {
            self.end_top()?;
            return Ok(true);
        }
        // Taken for its room, and given back.
        let mut name = std::mem::take(&mut self.name);
        self.tokens.copy_name(&mut name);
        match token {
            Token::End => return Ok(false),
            Token::Open { is_empty } => self.open(&name, is_empty)?,
            Token::Close => self.close(&name)?,
        }
        self.name = name;
        // What stands behind the report does not matter.
        Ok(!self.saw_feedback || !self.stack.is_empty())
    }

    fn open(&mut self, name: &[u8], is_empty: bool) -> Result<(), ReadError> {
        let depth = self.stack.len().saturating_add(self.unknown.len());
        if depth >= self.limits.depth {
            return Err(Limit::Depth.into());
        }
        let Some(&top) = self.stack.last() else {
            // Whatever is around the report.
            self.tokens.clear_text();
            if name == b"feedback" {
                self.saw_feedback = true;
                self.stack.push(Element::Feedback);
            }
            return Ok(());
        };
        if !self.unknown.is_empty() {
            if !is_empty {
                self.unknown.push(name.to_vec());
            }
            return Ok(());
        }
        if let Some(child) = top.child(name) {
            self.begin(child);
            return if is_empty { self.end_top() } else { Ok(()) };
        }
        // Where the last one was not closed, its parent or one further out has this child.
        let parent = self.stack.iter().rposition(|element| element.child(name).is_some());
        let is_near = matches!(top, Element::Leaf(_));
        match parent.filter(|_| is_near || matches!(name, b"record" | b"policy_published" | b"row")) {
            Some(parent) => {
                while self.stack.len() > parent.saturating_add(1) {
                    self.report.is_mended = true;
                    self.end_top()?;
                }
                if let Some(child) = self.stack.last().and_then(|element| element.child(name)) {
                    self.begin(child);
                }
                if is_empty {
                    self.end_top()?;
                }
            }
            None if matches!(top, Element::Leaf(_)) => {
                // `<email><a@b.example></email>`: a text.
                self.report.is_mended = true;
                self.tokens.tag_is_text();
            }
            None if is_empty => self.tokens.clear_text(),
            None => self.unknown.push(name.to_vec()),
        }
        Ok(())
    }

    fn begin(&mut self, child: Element) {
        // The text in front of the first child of a reason is kept for it.
        self.tokens.clear_text();
        match child {
            Element::Record => self.record = Record::default(),
            Element::Reason if self.record.reasons.len() < self.limits.reasons => {
                self.record.reasons.push(Reason::default());
            }
            Element::Dkim if self.record.dkim.len() < self.limits.results => {
                self.record.dkim.push(DkimResult::default());
            }
            Element::Spf if self.record.spf.len() < self.limits.results => self.record.spf.push(SpfResult::default()),
            _ => (),
        }
        self.stack.push(child);
    }

    fn close(&mut self, name: &[u8]) -> Result<(), ReadError> {
        if let Some(place) = self.unknown.iter().rposition(|open| open == name) {
            self.unknown.truncate(place);
            self.tokens.clear_text();
            return Ok(());
        }
        // The innermost that is open and has this name.
        let open = (0..self.stack.len()).rev().find(|&place| self.has_name(place, name));
        let Some(place) = open else {
            if matches!(self.stack.last(), Some(Element::Leaf(_))) {
                self.report.is_mended = true;
            }
            return Ok(());
        };
        self.unknown.clear();
        while self.stack.len() > place {
            self.report.is_mended |= self.stack.len() > place.saturating_add(1);
            self.end_top()?;
        }
        if self.stack.is_empty() {
            self.report.is_partial = false;
        }
        Ok(())
    }

    fn has_name(&self, place: usize, name: &[u8]) -> bool {
        let Some(element) = self.stack.get(place) else { return false };
        match place.checked_sub(1).and_then(|parent| self.stack.get(parent)) {
            Some(parent) => parent.child(name) == Some(*element),
            None => name == b"feedback",
        }
    }

    /// Ends the innermost element.
    fn end_top(&mut self) -> Result<(), ReadError> {
        match self.stack.pop() {
            Some(Element::Leaf(leaf)) => self.take(leaf),
            Some(Element::Reason) => self.end_reason(),
            Some(Element::Record) => return self.end_record(),
            Some(Element::PolicyPublished) => self.has_policy = true,
            _ => (),
        }
        self.tokens.clear_text();
        Ok(())
    }

    /// `<reason>sampled_out</reason>`, hyphens, and words that no RFC has.
    fn end_reason(&mut self) {
        let text = self.text();
        let Some(reason) = self.record.reasons.last_mut() else { return };
        if reason.kind.is_empty() {
            reason.kind = value::word(text);
        }
        let is_known = matches!(
            reason.kind.as_str(),
            "local_policy"
                | "mailing_list"
                | "other"
                | "policy_test_mode"
                | "trusted_forwarder"
                | "forwarded"
                | "sampled_out"
        );
        if is_known {
            return;
        }
        let kind = std::mem::replace(&mut reason.kind, "other".to_owned());
        if kind.is_empty() && reason.comment.is_empty() {
            self.record.reasons.pop();
        } else if reason.comment.is_empty() {
            reason.comment = kind;
        }
    }

    fn end_record(&mut self) -> Result<(), ReadError> {
        self.tokens.clear_text();
        let record = std::mem::take(&mut self.record);
        if record == Record::default() {
            self.report.empty_records = self.report.empty_records.saturating_add(1);
            return Ok(());
        }
        if self.report.records >= self.limits.records {
            return Err(Limit::Records.into());
        }
        self.report.records = self.report.records.saturating_add(1);
        self.report.messages = self.report.messages.saturating_add(record.count);
        (self.on_record)(&record);
        Ok(())
    }

    fn text(&mut self) -> String {
        let (text, is_utf8) = charset::text(self.tokens.text());
        self.report.is_mended |= !is_utf8;
        value::unescaped(&text)
    }

    /// Puts the text of an element to its place.
    fn take(&mut self, leaf: Leaf) {
        let mut text = self.text();
        // `<report_id>abc/report_id>`
        if self.report.is_mended
            && text.ends_with('>')
            && let Some((before, after)) = text.rsplit_once('/')
            && after.trim_end_matches('>').bytes().all(|octet| octet.is_ascii_lowercase() || octet == b'_')
        {
            text = before.to_owned();
        }
        let Self { report, record, has_policy, .. } = self;
        let first = |place: &mut String, text: String| {
            if place.is_empty() {
                *place = text;
            }
        };
        let is_first_policy = !*has_policy;
        match leaf {
            Leaf::OrgName => first(&mut report.org_name, text),
            Leaf::Email => first(&mut report.email, text),
            Leaf::ExtraContactInfo => first(&mut report.extra_contact_info, text),
            Leaf::ReportId => first(&mut report.report_id, text),
            Leaf::Error => first(&mut report.error, text),
            Leaf::Generator => first(&mut report.generator, text),
            Leaf::Begin => report.begin = report.begin.or_else(|| value::time(&text)),
            Leaf::End => report.end = report.end.or_else(|| value::time(&text)),
            Leaf::PolicyDomain if is_first_policy => first(&mut report.policy.domain, value::lower(text)),
            Leaf::P if is_first_policy => first(&mut report.policy.p, value::word(text)),
            Leaf::Sp if is_first_policy => first(&mut report.policy.sp, value::word(text)),
            Leaf::Np if is_first_policy => first(&mut report.policy.np, value::word(text)),
            Leaf::Adkim if is_first_policy => first(&mut report.policy.adkim, value::word(text)),
            Leaf::Aspf if is_first_policy => first(&mut report.policy.aspf, value::word(text)),
            Leaf::Pct if is_first_policy => first(&mut report.policy.pct, text),
            Leaf::Fo if is_first_policy => first(&mut report.policy.fo, text),
            Leaf::Testing if is_first_policy => first(&mut report.policy.testing, value::word(text)),
            Leaf::DiscoveryMethod if is_first_policy => first(&mut report.policy.discovery_method, value::word(text)),
            Leaf::SourceIp => match value::address(&text) {
                Some(address) => record.source_ip = Some(address),
                None => record.source_text = text,
            },
            Leaf::Count => record.count = value::count(&text),
            Leaf::Disposition => record.disposition = value::word(text),
            Leaf::EvaluatedDkim => record.is_dkim_aligned = value::is_pass(text),
            Leaf::EvaluatedSpf => record.is_spf_aligned = value::is_pass(text),
            Leaf::HeaderFrom => first(&mut record.header_from, value::lower(text)),
            Leaf::EnvelopeFrom => {
                record.envelope_from = record.envelope_from.take().or_else(|| Some(value::lower(text)));
            }
            Leaf::EnvelopeTo => record.envelope_to = record.envelope_to.take().or_else(|| Some(value::lower(text))),
            Leaf::ReasonType | Leaf::ReasonComment => {
                if let Some(reason) = record.reasons.last_mut() {
                    match leaf {
                        Leaf::ReasonType => reason.kind = value::word(text),
                        _ => reason.comment = text,
                    }
                }
            }
            Leaf::DkimDomain | Leaf::DkimSelector | Leaf::DkimResult | Leaf::DkimHuman => {
                if let Some(dkim) = record.dkim.last_mut() {
                    match leaf {
                        Leaf::DkimDomain => dkim.domain = value::lower(text),
                        Leaf::DkimSelector => dkim.selector = text,
                        Leaf::DkimResult => dkim.result = value::result(text),
                        _ => dkim.human_result = text,
                    }
                }
            }
            Leaf::SpfDomain | Leaf::SpfScope | Leaf::SpfResult | Leaf::SpfHuman => {
                if let Some(spf) = record.spf.last_mut() {
                    match leaf {
                        Leaf::SpfDomain => spf.domain = value::lower(text),
                        Leaf::SpfScope => spf.scope = value::word(text),
                        Leaf::SpfResult => spf.result = value::result(text),
                        _ => spf.human_result = text,
                    }
                }
            }
            // Of a second policy.
            _ => (),
        }
    }
}
