//! What was done to the header.

use super::{DiagnosisLimits, HeaderDiagnosis, Suspect, other};
use crate::canon::Canon;
use crate::canon::header::{FieldIndex, FieldSelector, without_b};
use crate::crypto::VerifyingKey;
use crate::header::{Field, HeaderBlock, HeaderLimits};
use crate::signature::{Signature, write_signed_data};

/// Octets of the longest tag in a Subject that is tried.
const MAX_TAG: usize = 80;

pub(super) fn diagnose(
    signature: &Signature,
    suspect: &Suspect<'_>,
    key: &VerifyingKey,
    limits: &DiagnosisLimits,
) -> HeaderDiagnosis {
    let Suspect { headers, field: own, .. } = *suspect;
    let mut check = Check { signature, key, text: Vec::new() };
    if check.verifies(headers, own, signature.header_canon) {
        return HeaderDiagnosis::Intact;
    }
    let canon = other(signature.header_canon);
    if check.verifies(headers, own, canon) {
        return HeaderDiagnosis::OtherCanonicalization(canon);
    }
    if let Some(tag) = check.subject_tag(headers, own) {
        return HeaderDiagnosis::SubjectTag(tag);
    }
    let is_signed = |field: &Field<'_>| {
        let name = field.trimmed_name();
        signature.header_names.iter().any(|signed| signed.eq_ignore_ascii_case(name))
    };
    let signed = headers.iter().enumerate().filter(|(at, field)| *at != own && is_signed(field));
    for (at, field) in signed.take(limits.max_fields) {
        let fewer = rebuilt(headers, |place, _| if place == at { Change::Gone } else { Change::None });
        let own = if at < own { own.saturating_sub(1) } else { own };
        if check.verifies(&fewer, own, signature.header_canon) {
            return HeaderDiagnosis::AddedField { name: field.trimmed_name().to_vec(), field: at };
        }
    }
    HeaderDiagnosis::Changed
}

/// What a try needs.
struct Check<'a> {
    signature: &'a Signature,
    key: &'a VerifyingKey,
    text: Vec<u8>,
}

impl Check<'_> {
    /// Whether the signature at `own` holds for this header.
    fn verifies(&mut self, headers: &HeaderBlock, own: usize, canon: Canon) -> bool {
        let Some(field) = headers.get(own) else { return false };
        let Some(value) = without_b(field.value, &self.signature.b_span) else { return false };
        let index = FieldIndex::new(headers);
        let mut selector = FieldSelector::excluding(&index, own);
        self.text.clear();
        write_signed_data(canon, &self.signature.header_names, &mut selector, field.name, value, &mut self.text);
        self.key.verify(&self.text, &self.signature.signature)
    }

    /// What a mailing list or a gateway put before the Subject, if the signature holds without it.
    fn subject_tag(&mut self, headers: &HeaderBlock, own: usize) -> Option<Vec<u8>> {
        // The lowest one is what `h=` means.
        let (at, subject) = headers.iter().enumerate().rev().find(|(_, field)| field.is_named("Subject"))?;
        let blanks = subject.value.iter().take_while(|octet| is_blank(**octet)).count();
        let (indent, text) = subject.value.split_at_checked(blanks)?;
        // `Re: [list] text`, where the tag came in between.
        let replies = reply_words(text);
        for before in [0, replies].into_iter().take(if replies == 0 { 1 } else { 2 }) {
            let (reply, rest) = text.split_at_checked(before)?;
            let Some(length) = tag_length(rest) else { continue };
            let (tag, title) = rest.split_at_checked(length)?;
            let value = [indent, reply, title].concat();
            let changed = rebuilt(headers, |place, _| if place == at { Change::Value(&value) } else { Change::None });
            if self.verifies(&changed, own, self.signature.header_canon) {
                return Some(tag.to_vec());
            }
        }
        None
    }
}

/// What is done to a field.
enum Change<'a> {
    None,
    Gone,
    Value(&'a [u8]),
}

/// The header with changes to its fields.
fn rebuilt<'a>(headers: &HeaderBlock, change: impl Fn(usize, Field<'_>) -> Change<'a>) -> HeaderBlock {
    let limits = HeaderLimits { max_bytes: usize::MAX, max_fields: usize::MAX };
    let mut builder = HeaderBlock::builder(limits);
    for (place, field) in headers.iter().enumerate() {
        let value = match change(place, field) {
            Change::None => field.value,
            Change::Gone => continue,
            Change::Value(value) => value,
        };
        // A field of a block is one; and a value that lost its beginning has no line break that was not in it.
        let _ = builder.push(field.name, value);
    }
    builder.finish()
}

/// Octets of `Re: ` and its like, with the white space behind them.
fn reply_words(text: &[u8]) -> usize {
    let word = [&b"re:"[..], b"aw:", b"fwd:", b"fw:", b"wg:"]
        .into_iter()
        .find(|word| text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word)));
    let Some(word) = word else { return 0 };
    let behind = text.get(word.len()..).unwrap_or_default();
    word.len().saturating_add(behind.iter().take_while(|octet| is_blank(**octet)).count())
}

/// Octets of `[list] `, `***SPAM*** ` or `EXTERNAL: ` at the beginning of a text, with the white space behind it.
fn tag_length(text: &[u8]) -> Option<usize> {
    let shown = text.get(..MAX_TAG).unwrap_or(text);
    let end = match shown.first()? {
        b'[' => memchr::memchr(b']', shown)?.saturating_add(1),
        b'*' => {
            let stars = shown.iter().take_while(|octet| **octet == b'*').count();
            let word = shown.get(stars..)?;
            let length = memchr::memchr(b'*', word)?;
            let behind = word.get(length..)?.iter().take_while(|octet| **octet == b'*').count();
            stars.saturating_add(length).saturating_add(behind)
        }
        _ => {
            let word = shown.iter().take_while(|octet| octet.is_ascii_uppercase()).count();
            (word > 1 && shown.get(word) == Some(&b':')).then(|| word.saturating_add(1))?
        }
    };
    let blanks = text.get(end..)?.iter().take_while(|octet| is_blank(**octet)).count();
    Some(end.saturating_add(blanks))
}

fn is_blank(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t')
}
