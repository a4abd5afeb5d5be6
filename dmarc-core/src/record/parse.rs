//! The grammar of RFC 9989 §4.8, read with tolerance: a fault costs the tag it is in.

use std::ops::Range;

use super::{
    AlignmentMode, FailureOptions, MAX_RECORD_OCTETS, MAX_REPORT_URIS, MAX_WARNINGS, Policy, Psd, Record, RecordError,
    Warning, WarningKind,
};
use crate::uri::{ReportUri, UriError};

/// The tags of RFC 9989 §4.7 and §9.3. The place of a name is its bit in [`Reader::seen`].
pub(crate) const KNOWN: [&str; 14] =
    ["v", "p", "sp", "np", "adkim", "aspf", "fo", "psd", "t", "rua", "ruf", "pct", "rf", "ri"];

/// A part of the text that knows where it is.
#[derive(Clone, Copy)]
struct Piece<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Piece<'a> {
    fn span(self) -> Range<usize> {
        self.at..self.at.saturating_add(self.text.len())
    }

    /// Without white space at either end (`*WSP`).
    fn trimmed(self) -> Self {
        let start = self.text.iter().position(|&byte| !is_wsp(byte)).unwrap_or(self.text.len());
        let end = self.text.iter().rposition(|&byte| !is_wsp(byte)).map_or(start, |last| last.saturating_add(1));
        Self { text: self.text.get(start..end).unwrap_or_default(), at: self.at.saturating_add(start) }
    }

    /// Its parts between separators.
    fn split(self, separator: u8) -> impl Iterator<Item = Self> {
        let mut at = self.at;
        self.text.split(move |&byte| byte == separator).map(move |text| {
            let piece = Self { text, at };
            at = at.saturating_add(text.len()).saturating_add(1);
            piece
        })
    }

    /// What stands before and behind the first "=".
    fn name_and_value(self) -> Option<(Self, Self)> {
        let equals = self.text.iter().position(|&byte| byte == b'=')?;
        let (name, value) = self.text.split_at_checked(equals)?;
        let at = self.at.saturating_add(equals).saturating_add(1);
        Some((Self { text: name, at: self.at }.trimmed(), Self { text: value.get(1..)?, at }.trimmed()))
    }

    /// The word, if it is one of these, in any case.
    fn word<T: Copy>(self, words: &[(&str, T)]) -> Option<T> {
        words.iter().find(|(word, _)| self.text.eq_ignore_ascii_case(word.as_bytes())).map(|(_, value)| *value)
    }
}

const fn is_wsp(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Checks the first tag: `dmarc-version = "v" equals %s"DMARC1"`.
pub(super) fn version(text: &[u8]) -> Result<(), RecordError> {
    let first = Piece { text, at: 0 }.split(b';').next().ok_or(RecordError::NoVersion)?;
    let (name, value) = first.trimmed().name_and_value().ok_or(RecordError::NoVersion)?;
    if !name.text.eq_ignore_ascii_case(b"v") {
        return Err(RecordError::NoVersion);
    }
    // §4.7 on v=: "The tag value is case sensitive, and the only possible value is "DMARC1"."
    if value.text == b"DMARC1" { Ok(()) } else { Err(RecordError::Version) }
}

/// Reads a record.
pub(super) fn record(text: &[u8]) -> Result<Record, RecordError> {
    if text.len() > MAX_RECORD_OCTETS {
        return Err(RecordError::TooLong);
    }
    version(text)?;
    let mut reader = Reader::new(text);
    if text.first().copied().is_some_and(is_wsp) {
        reader.warn(WarningKind::LeadingWhiteSpace, 0..1);
    }
    let mut pieces = Piece { text, at: 0 }.split(b';').skip(1).peekable();
    while let Some(piece) = pieces.next() {
        let piece = piece.trimmed();
        if !piece.text.is_empty() {
            reader.tag(piece);
        } else if pieces.peek().is_some() {
            // Behind the last tag the grammar has room for one `dmarc-sep`.
            reader.warn(WarningKind::EmptyTag, piece.span());
        }
    }
    Ok(reader.finish())
}

/// What was read so far.
struct Reader {
    record: Record,
    /// Tags that were there, a bit each, by their place in [`KNOWN`].
    seen: u16,
    /// Tags that were read behind `v`, good or bad.
    tags: usize,
    fo: Option<(FailureOptions, Range<usize>)>,
}

impl Reader {
    fn new(text: &[u8]) -> Self {
        Self {
            record: Record {
                text: text.into(),
                p: None,
                sp: None,
                np: None,
                adkim: AlignmentMode::default(),
                aspf: AlignmentMode::default(),
                psd: Psd::default(),
                is_testing: false,
                rua: Vec::new(),
                ruf: Vec::new(),
                fo: FailureOptions::default(),
                pct: None,
                has_bad_sp: false,
                has_bad_np: false,
                has_rua: false,
                has_ruf: false,
                warnings: Vec::new(),
            },
            // The version.
            seen: 1,
            tags: 0,
            fo: None,
        }
    }

    fn warn(&mut self, kind: WarningKind, span: Range<usize>) {
        let warnings = &mut self.record.warnings;
        match warnings.len().saturating_add(1) {
            ..MAX_WARNINGS => warnings.push(Warning { kind, span }),
            MAX_WARNINGS => warnings.push(Warning { kind: WarningKind::TooManyWarnings, span }),
            _ => (),
        }
    }

    /// Reads `dmarc-tag = 1*ALPHA equals 1*dmarc-value`.
    fn tag(&mut self, piece: Piece<'_>) {
        self.tags = self.tags.saturating_add(1);
        let Some((name, value)) = piece.name_and_value() else {
            return self.warn(WarningKind::NoEquals, piece.span());
        };
        if name.text.is_empty() || !name.text.iter().all(u8::is_ascii_alphabetic) {
            return self.warn(WarningKind::BadName, piece.span());
        }
        let known = KNOWN.iter().zip(0..16_u32).find(|(known, _)| name.text.eq_ignore_ascii_case(known.as_bytes()));
        let Some((&tag, place)) = known else {
            return self.warn(WarningKind::UnknownTag, piece.span());
        };
        let bit = 1_u16.checked_shl(place).unwrap_or_default();
        if self.seen & bit != 0 {
            return self.warn(WarningKind::RepeatedTag { tag }, piece.span());
        }
        self.seen |= bit;
        if matches!(tag, "pct" | "rf" | "ri") {
            self.warn(WarningKind::Historic { tag }, piece.span());
        }
        if !self.value(tag, value, piece) {
            self.warn(WarningKind::BadValue { tag }, value.span());
        }
    }

    /// Takes the value of a known tag; false when the tag does not allow it.
    fn value(&mut self, tag: &'static str, value: Piece<'_>, piece: Piece<'_>) -> bool {
        const POLICIES: [(&str, Policy); 3] =
            [("none", Policy::None), ("quarantine", Policy::Quarantine), ("reject", Policy::Reject)];
        const MODES: [(&str, AlignmentMode); 2] = [("r", AlignmentMode::Relaxed), ("s", AlignmentMode::Strict)];
        const PSD: [(&str, Psd); 3] = [("y", Psd::Yes), ("n", Psd::No), ("u", Psd::Unspecified)];
        match tag {
            "p" => {
                self.record.p = value.word(&POLICIES);
                if self.tags != 1 {
                    self.warn(WarningKind::PolicyNotSecond, piece.span());
                }
                self.record.p.is_some()
            }
            "sp" => {
                self.record.sp = value.word(&POLICIES);
                self.record.has_bad_sp = self.record.sp.is_none();
                !self.record.has_bad_sp
            }
            "np" => {
                self.record.np = value.word(&POLICIES);
                self.record.has_bad_np = self.record.np.is_none();
                !self.record.has_bad_np
            }
            "adkim" => set(&mut self.record.adkim, value.word(&MODES)),
            "aspf" => set(&mut self.record.aspf, value.word(&MODES)),
            "psd" => set(&mut self.record.psd, value.word(&PSD)),
            "t" => set(&mut self.record.is_testing, value.word(&[("y", true), ("n", false)])),
            "rua" => {
                self.record.has_rua = true;
                self.record.rua = self.uris(tag, value);
                !value.text.is_empty()
            }
            "ruf" => {
                self.record.has_ruf = true;
                self.record.ruf = self.uris(tag, value);
                !value.text.is_empty()
            }
            "fo" => {
                self.fo = failure_options(value).map(|options| (options, piece.span()));
                self.fo.is_some()
            }
            "pct" => {
                self.record.pct = percentage(value.text);
                self.record.pct.is_some()
            }
            // rf and ri: nothing that anybody still reads.
            _ => true,
        }
    }

    /// `dmarc-urilist`, without the URIs that are none. An empty list is told as a bad value by the caller.
    fn uris(&mut self, tag: &'static str, value: Piece<'_>) -> Vec<ReportUri> {
        let mut uris = Vec::new();
        if value.text.is_empty() {
            return uris;
        }
        for (piece, index) in value.split(b',').zip(0_usize..) {
            let piece = piece.trimmed();
            if index >= MAX_REPORT_URIS {
                self.warn(WarningKind::TooManyUris { tag }, piece.span());
                break;
            }
            let uri = std::str::from_utf8(piece.text).map_err(|_| UriError::BadByte).and_then(ReportUri::parse);
            match uri {
                Ok(uri) => {
                    if uri.obsolete_size().is_some() {
                        self.warn(WarningKind::ObsoleteSize { tag }, piece.span());
                    }
                    if uri.mailbox().is_none() {
                        self.warn(WarningKind::UnusualScheme { tag }, piece.span());
                    }
                    uris.push(uri);
                }
                Err(error) => self.warn(WarningKind::BadUri { tag, error }, piece.span()),
            }
        }
        uris
    }

    fn finish(mut self) -> Record {
        let end = self.record.text.len();
        if let Some((options, span)) = self.fo.take() {
            if self.record.ruf.is_empty() {
                self.warn(WarningKind::FailureOptionsWithoutRuf, span);
            } else {
                self.record.fo = options;
            }
        }
        // The bit of p.
        if self.seen & 2 == 0 {
            self.warn(WarningKind::MissingPolicy, end..end);
        }
        self.record
    }
}

/// Puts a value in its place, if there is one.
fn set<T>(place: &mut T, value: Option<T>) -> bool {
    let is_there = value.is_some();
    if let Some(value) = value {
        *place = value;
    }
    is_there
}

/// `dmarc-fo`: "0" and "1" exclude each other, and each value is there once at most.
fn failure_options(value: Piece<'_>) -> Option<FailureOptions> {
    let mut options = FailureOptions { all_failed: false, any_failed: false, dkim_failed: false, spf_failed: false };
    for piece in value.split(b':') {
        let place = match piece.trimmed().text {
            b"0" => &mut options.all_failed,
            b"1" => &mut options.any_failed,
            b"d" | b"D" => &mut options.dkim_failed,
            b"s" | b"S" => &mut options.spf_failed,
            _ => return None,
        };
        if std::mem::replace(place, true) {
            return None;
        }
    }
    if options.all_failed && options.any_failed { None } else { Some(options) }
}

/// RFC 7489 §6.3 `pct`: "plain-text integer between 0 and 100, inclusive".
fn percentage(text: &[u8]) -> Option<u8> {
    let is_number = (1..=3).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    let number: u8 = std::str::from_utf8(text).ok().filter(|_| is_number)?.parse().ok()?;
    (number <= 100).then_some(number)
}
