//! Patterns of a `refile:` as OpenDKIM gives them to `regcomp`, in the syntax of the crate `regex`.
//!
//! OpenDKIM turns `*` into `.*`, puts a backslash before `.` and `+`, and takes the rest as it is: a POSIX extended regular expression between `^` and
//! `$`, by octets (it sets no locale). The C library of nearly all who run it is glibc, so its readings are those here: a `)` that closes nothing is
//! itself, `\w`, `\<` and their kin work, a repetition of nothing is an error. Without regard to case it compares capital letters: those of the pattern,
//! unless a backslash stands before them, with those of the text. What a regular language cannot say (`\1`) is an error with words of its own.
//!
//! *Limits*: [`MAX_REGEX`] octets of pattern. Linear in the pattern, but for repetitions of repetitions.

use std::fmt::Write as _;

use thiserror::Error;

use super::super::findings::shown;

/// Octets of the longest pattern that is more than a glob.
pub const MAX_REGEX: usize = 1024;

/// Largest number in `{m,n}` (`RE_DUP_MAX` of glibc).
const MAX_REPEAT: u32 = 32_767;

/// Why a pattern is no regular expression here.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PatternError {
    /// `?` or `{` with nothing before it.
    #[error("`{0}` repeats nothing; it is a repetition in these patterns, not a character")]
    RepeatsNothing(char),
    /// `[` that nothing closes.
    #[error("`[` is not closed by `]`")]
    OpenBracket,
    /// `(` that nothing closes.
    #[error("`(` is not closed by `)`")]
    OpenGroup,
    /// `\)` that closes nothing.
    #[error("`\\)` closes nothing")]
    CloseGroup,
    /// `{` that is no repetition.
    #[error("`{{` does not begin a repetition such as `{{2,3}}`")]
    BadRepeat,
    /// `[z-a]`, `[a-b-c]`.
    #[error("a range in `[...]` ends before it begins, or a `-` stands where it is none")]
    BadRange,
    /// `[:name:]` with a name that nobody knows.
    #[error("`[:{0}:]` is no class of characters")]
    UnknownClass(String),
    /// A backslash and nothing.
    #[error("a backslash stands last")]
    Backslash,
    /// `\1`.
    #[error("`\\{0}` refers back to a group, which is not carried")]
    BackReference(char),
    /// Longer than [`MAX_REGEX`].
    #[error("a pattern with `? [ ] ( ) {{ }} | ^ $` or a backslash has at most {MAX_REGEX} octets")]
    TooLong,
    /// What the compiler of expressions says.
    #[error("the expression is too large: {0}")]
    TooLarge(String),
}

/// The characters that make a pattern more than a glob.
pub(super) fn is_special(octet: u8) -> bool {
    matches!(octet, b'?' | b'[' | b']' | b'(' | b')' | b'{' | b'}' | b'|' | b'^' | b'$' | b'\\')
}

/// The expression that OpenDKIM hands to `regcomp`.
fn extended(pattern: &str) -> Vec<u8> {
    let mut text = vec![b'^'];
    for octet in pattern.bytes() {
        match octet {
            b'*' => text.extend_from_slice(b".*"),
            b'.' | b'+' => text.extend_from_slice(&[b'\\', octet]),
            _ => text.push(octet),
        }
    }
    text.push(b'$');
    text
}

/// Translates a pattern.
///
/// The result is meant for `regex::bytes` without Unicode, with regard to case, and with `.` matching every octet; where case is ignored, for a text in
/// capital letters.
pub(super) fn translate(pattern: &str, ignores_case: bool) -> Result<String, PatternError> {
    if pattern.len() > MAX_REGEX {
        return Err(PatternError::TooLong);
    }
    translate_extended(&extended(pattern), ignores_case)
}

/// Translates an extended expression as it is.
pub(super) fn translate_extended(text: &[u8], ignores_case: bool) -> Result<String, PatternError> {
    let mut translator = Translator { rest: text, ignores_case, out: String::new(), atom: None, groups: Vec::new() };
    while let Some(octet) = translator.next() {
        translator.step(octet)?;
    }
    if translator.groups.is_empty() { Ok(translator.out) } else { Err(PatternError::OpenGroup) }
}

struct Translator<'a> {
    rest: &'a [u8],
    ignores_case: bool,
    out: String,
    /// Where in `out` the last thing begins that can be repeated.
    atom: Option<usize>,
    /// Where in `out` the open groups begin.
    groups: Vec<usize>,
}

impl Translator<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// Takes `text` if it comes next.
    fn take(&mut self, text: &[u8]) -> bool {
        let rest = self.rest.strip_prefix(text);
        if let Some(rest) = rest {
            self.rest = rest;
        }
        rest.is_some()
    }

    fn step(&mut self, octet: u8) -> Result<(), PatternError> {
        match octet {
            b'^' | b'$' => self.anchor(if octet == b'^' { "^" } else { "$" }),
            b'(' => {
                self.groups.push(self.out.len());
                self.out.push_str("(?:");
                self.atom = None;
            }
            b')' => match self.groups.pop() {
                Some(start) => {
                    self.out.push(')');
                    self.atom = Some(start);
                }
                // glibc, RE_UNMATCHED_RIGHT_PAREN_ORD.
                None => self.octet(octet),
            },
            b'|' => {
                self.out.push('|');
                self.atom = None;
            }
            b'*' | b'?' | b'+' => self.repeat(char::from(octet), char::from(octet).encode_utf8(&mut [0; 4]))?,
            b'{' => {
                if self.atom.is_none() {
                    return Err(PatternError::RepeatsNothing('{'));
                }
                let text = self.interval()?;
                self.repeat('{', &text)?;
            }
            b'[' => self.bracket()?,
            b'\\' => self.escape()?,
            b'.' => self.piece("."),
            _ => self.octet(octet),
        }
        Ok(())
    }

    /// As it is compared.
    fn fold(&self, octet: u8) -> u8 {
        if self.ignores_case { octet.to_ascii_uppercase() } else { octet }
    }

    fn octet(&mut self, octet: u8) {
        self.literal(self.fold(octet));
    }

    fn piece(&mut self, text: &str) {
        self.atom = Some(self.out.len());
        self.out.push_str(text);
    }

    fn literal(&mut self, octet: u8) {
        self.atom = Some(self.out.len());
        write_octet(&mut self.out, octet);
    }

    /// An anchor cannot be repeated.
    fn anchor(&mut self, text: &str) {
        self.atom = None;
        self.out.push_str(text);
    }

    fn repeat(&mut self, sign: char, text: &str) -> Result<(), PatternError> {
        let start = self.atom.ok_or(PatternError::RepeatsNothing(sign))?;
        self.out.push_str(text);
        // Repeated again, it is a thing by itself: `x{2}{3}`, and `x??`, which would be another operator.
        self.out.insert_str(start, "(?:");
        self.out.push(')');
        Ok(())
    }

    /// What stands behind `{`, as the crate `regex` has it.
    fn interval(&mut self) -> Result<String, PatternError> {
        let least = self.number()?;
        let is_range = self.take(b",");
        let most = if is_range { self.number()? } else { least };
        if !self.take(b"}") || (least.is_none() && !is_range) {
            return Err(PatternError::BadRepeat);
        }
        let least = least.unwrap_or(0);
        match most {
            Some(most) if most < least => Err(PatternError::BadRepeat),
            Some(most) => Ok(format!("{{{least},{most}}}")),
            None => Ok(format!("{{{least},}}")),
        }
    }

    fn number(&mut self) -> Result<Option<u32>, PatternError> {
        let mut number = None;
        while let Some(digit) = self.rest.first().filter(|octet| octet.is_ascii_digit()) {
            let digit = u32::from(digit.saturating_sub(b'0'));
            let value = number.unwrap_or(0_u32).saturating_mul(10).saturating_add(digit);
            if value > MAX_REPEAT {
                return Err(PatternError::BadRepeat);
            }
            number = Some(value);
            self.next();
        }
        Ok(number)
    }

    fn escape(&mut self) -> Result<(), PatternError> {
        match self.next().ok_or(PatternError::Backslash)? {
            digit @ b'1'..=b'9' => return Err(PatternError::BackReference(char::from(digit))),
            b'w' => self.piece(r"\w"),
            b'W' => self.piece(r"\W"),
            b's' => self.piece(r"\s"),
            b'S' => self.piece(r"\S"),
            b'b' => self.anchor(r"\b"),
            b'B' => self.anchor(r"\B"),
            b'<' => self.anchor(r"\b{start}"),
            b'>' => self.anchor(r"\b{end}"),
            b'`' => self.anchor(r"\A"),
            b'\'' => self.anchor(r"\z"),
            other => self.literal(other),
        }
        Ok(())
    }

    /// A bracket expression, behind its `[`.
    fn bracket(&mut self) -> Result<(), PatternError> {
        self.atom = Some(self.out.len());
        self.out.push('[');
        if self.take(b"^") {
            self.out.push('^');
        }
        let mut is_first = true;
        loop {
            let octet = self.next().ok_or(PatternError::OpenBracket)?;
            let closes_next = self.rest.first() == Some(&b']');
            match octet {
                b']' if !is_first => break,
                // glibc: "A '-' must only appear as anything but a range indicator before the closing bracket. Everything else is an error."
                b'-' if !is_first && !closes_next => return Err(PatternError::BadRange),
                _ => {}
            }
            is_first = false;
            let from = match self.element(octet)? {
                Element::Class => continue,
                Element::Equal(octet) => {
                    write_octet(&mut self.out, octet);
                    continue;
                }
                Element::Octet(from) => from,
            };
            write_octet(&mut self.out, from);
            let is_range = self.rest.first() == Some(&b'-') && self.rest.get(1).is_some_and(|next| *next != b']');
            if is_range {
                self.next();
                let octet = self.next().ok_or(PatternError::OpenBracket)?;
                match self.element(octet)? {
                    Element::Octet(to) if from <= to => {
                        self.out.push('-');
                        write_octet(&mut self.out, to);
                    }
                    _ => return Err(PatternError::BadRange),
                }
            }
        }
        self.out.push(']');
        Ok(())
    }

    /// What stands in a bracket expression at `octet`; a class of characters is written at once.
    fn element(&mut self, octet: u8) -> Result<Element, PatternError> {
        if octet != b'[' {
            return Ok(Element::Octet(self.fold(octet)));
        }
        if self.take(b":") {
            let class = self.name(b":]")?;
            let known = CLASSES.iter().find(|known| **known == class);
            let class = match known.ok_or_else(|| PatternError::UnknownClass(shown(&class)))? {
                &("upper" | "lower") if self.ignores_case => "alpha",
                class => class,
            };
            let _ = write!(self.out, "[:{class}:]");
            return Ok(Element::Class);
        }
        let is_equal = self.take(b"=");
        if !is_equal && !self.take(b".") {
            return Ok(Element::Octet(octet));
        }
        let name = self.name(if is_equal { b"=]" } else { b".]" })?;
        match name.as_bytes() {
            [single] if is_equal => Ok(Element::Equal(self.fold(*single))),
            [single] => Ok(Element::Octet(self.fold(*single))),
            _ => Err(PatternError::UnknownClass(shown(&name))),
        }
    }

    /// The text up to `end`.
    fn name(&mut self, end: &[u8]) -> Result<String, PatternError> {
        let length = self.rest.windows(end.len()).position(|part| part == end).ok_or(PatternError::OpenBracket)?;
        let (name, rest) = self.rest.split_at_checked(length).ok_or(PatternError::OpenBracket)?;
        self.rest = rest.get(end.len()..).unwrap_or_default();
        Ok(String::from_utf8_lossy(name).into_owned())
    }
}

/// A part of a bracket expression.
enum Element {
    Octet(u8),
    /// `[=x=]`, which is no end of a range.
    Equal(u8),
    /// `[:alpha:]`.
    Class,
}

const CLASSES: &[&str] =
    &["alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "xdigit"];

/// An octet that stands for itself, inside of brackets and outside.
fn write_octet(out: &mut String, octet: u8) {
    if octet.is_ascii_alphanumeric() {
        out.push(char::from(octet));
    } else {
        let _ = write!(out, "\\x{octet:02X}");
    }
}
