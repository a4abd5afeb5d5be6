//! As much of JSON (RFC 8259) as recordings need: strings of octets out, one line at a time in.
//!
//! A [`Cursor`] goes over the text once. Nesting is bounded by [`MAX_DEPTH`]; what a value holds goes to the caller character by character, so
//! nothing is allocated here.

use super::RecordingErrorKind as Kind;

/// Arrays and objects within one another, in members that are passed over.
pub(super) const MAX_DEPTH: usize = 16;

/// Appends a string in which U+00nn stands for the octet nn.
pub(super) fn write_string(octets: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for &octet in octets {
        match octet {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', octet]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b' '..=b'~' => out.push(octet),
            _ => out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(octet >> 4), digit(octet & 0xf)]),
        }
    }
    out.push(b'"');
}

/// The hexadecimal digit of a number below 16.
fn digit(nibble: u8) -> u8 {
    if nibble < 10 { nibble.saturating_add(b'0') } else { nibble.saturating_sub(10).saturating_add(b'a') }
}

/// A place in a text.
pub(super) struct Cursor<'a> {
    rest: &'a str,
    length: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text, length: text.len() }
    }

    /// Octets that were passed.
    pub(super) fn at(&self) -> usize {
        self.length.saturating_sub(self.rest.len())
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn skip_white_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    /// Passes this character, and white space on both sides; whether it was there.
    pub(super) fn skip(&mut self, wanted: char) -> bool {
        self.skip_white_space();
        let found = self.rest.strip_prefix(wanted);
        self.rest = found.unwrap_or(self.rest);
        self.skip_white_space();
        found.is_some()
    }

    pub(super) fn expect(&mut self, wanted: char) -> Result<(), Kind> {
        if self.skip(wanted) { Ok(()) } else { Err(Kind::Syntax) }
    }

    /// A string: hands its characters to `take`, an escape as the code unit it names.
    pub(super) fn string(&mut self, mut take: impl FnMut(u32) -> Result<(), Kind>) -> Result<(), Kind> {
        if !self.eat('"') {
            return Err(Kind::Syntax);
        }
        loop {
            match self.next().ok_or(Kind::Syntax)? {
                '"' => return Ok(()),
                '\\' => take(self.escape()?)?,
                // RFC 8259 §7: "the control characters (U+0000 through U+001F)" must be escaped.
                '\0'..='\x1f' => return Err(Kind::Syntax),
                other => take(u32::from(other))?,
            }
        }
    }

    /// A number without sign, fraction and exponent.
    pub(super) fn integer(&mut self) -> Option<u64> {
        let number = self.number().ok()?;
        if number.bytes().all(|octet| octet.is_ascii_digit()) { number.parse().ok() } else { None }
    }

    /// Passes any value.
    pub(super) fn skip_value(&mut self) -> Result<(), Kind> {
        self.skip_nested(MAX_DEPTH)
    }

    fn skip_nested(&mut self, depth: usize) -> Result<(), Kind> {
        let words = ["true", "false", "null"];
        if let Some(rest) = words.iter().find_map(|word| self.rest.strip_prefix(word)) {
            self.rest = rest;
            return Ok(());
        }
        match self.rest.chars().next() {
            Some('"') => self.string(|_| Ok(())),
            Some(open @ ('{' | '[')) => {
                let depth = depth.checked_sub(1).ok_or(Kind::TooDeep)?;
                let close = if open == '{' { '}' } else { ']' };
                self.skip(open);
                if self.skip(close) {
                    return Ok(());
                }
                loop {
                    if open == '{' {
                        self.string(|_| Ok(()))?;
                        self.expect(':')?;
                    }
                    self.skip_nested(depth)?;
                    if !self.skip(',') {
                        return self.expect(close);
                    }
                }
            }
            _ => self.number().map(|_| ()),
        }
    }

    /// RFC 8259 §6: `number = [ minus ] int [ frac ] [ exp ]`
    fn number(&mut self) -> Result<&'a str, Kind> {
        let start = self.rest;
        self.eat('-');
        if !self.eat('0') {
            self.digits()?;
        }
        if self.eat('.') {
            self.digits()?;
        }
        if self.eat('e') || self.eat('E') {
            let _ = self.eat('+') || self.eat('-');
            self.digits()?;
        }
        Ok(start.get(..start.len().saturating_sub(self.rest.len())).unwrap_or_default())
    }

    fn digits(&mut self) -> Result<(), Kind> {
        let rest = self.rest.trim_start_matches(|character: char| character.is_ascii_digit());
        let is_empty = rest.len() == self.rest.len();
        self.rest = rest;
        if is_empty { Err(Kind::Syntax) } else { Ok(()) }
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.rest.strip_prefix(wanted);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    fn escape(&mut self) -> Result<u32, Kind> {
        Ok(match self.next().ok_or(Kind::Syntax)? {
            character @ ('"' | '\\' | '/') => u32::from(character),
            'b' => 8,
            'f' => 12,
            'n' => 10,
            'r' => 13,
            't' => 9,
            'u' => {
                let digits = self.rest.get(..4).filter(|digits| digits.bytes().all(|octet| octet.is_ascii_hexdigit()));
                let digits = digits.ok_or(Kind::Syntax)?;
                self.rest = self.rest.get(4..).unwrap_or_default();
                u32::from_str_radix(digits, 16).map_err(|_| Kind::Syntax)?
            }
            _ => return Err(Kind::Syntax),
        })
    }

    fn next(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let next = characters.next();
        self.rest = characters.as_str();
        next
    }
}
