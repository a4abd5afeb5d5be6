//! POSIX basic regular expressions, in which `ReplaceRules` is written, as the extended ones that mean the same.
//!
//! OpenDKIM calls `regcomp` without `REG_EXTENDED`. So `(`, `)`, `{`, `}`, `|`, `+` and `?` are themselves, and with a backslash before them they are signs;
//! `*` at the beginning is itself, and so are `^` and `$` where they do not stand at an end.

use super::PatternError;

/// The extended expression for a basic one.
pub(super) fn extended(basic: &[u8]) -> Result<Vec<u8>, PatternError> {
    let mut reader = Reader { rest: basic, out: Vec::with_capacity(basic.len()), open: 0, is_start: true };
    while let Some(octet) = reader.next() {
        reader.step(octet)?;
    }
    if reader.open > 0 { Err(PatternError::OpenGroup) } else { Ok(reader.out) }
}

struct Reader<'a> {
    rest: &'a [u8],
    out: Vec<u8>,
    /// Groups that are open.
    open: usize,
    /// Whether nothing stands before, in the expression, its group or its alternative, but a `^`.
    is_start: bool,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn itself(&mut self, octet: u8) {
        self.out.extend_from_slice(&[b'\\', octet]);
        self.is_start = false;
    }

    fn sign(&mut self, octet: u8) {
        self.out.push(octet);
        self.is_start = false;
    }

    fn step(&mut self, octet: u8) -> Result<(), PatternError> {
        match octet {
            b'\\' => self.escape()?,
            b'[' => self.bracket()?,
            b'^' if self.is_start && self.out.last() != Some(&b'^') => self.out.push(octet),
            b'$' if self.is_end() => self.sign(octet),
            b'*' if !self.is_start => self.sign(octet),
            b'^' | b'$' | b'*' | b'(' | b')' | b'{' | b'}' | b'|' | b'+' | b'?' => self.itself(octet),
            _ => self.sign(octet),
        }
        Ok(())
    }

    /// Whether the expression, its group or its alternative ends here.
    fn is_end(&self) -> bool {
        self.rest.is_empty() || self.rest.starts_with(b"\\)") || self.rest.starts_with(b"\\|")
    }

    fn escape(&mut self) -> Result<(), PatternError> {
        match self.next().ok_or(PatternError::Backslash)? {
            b'(' => {
                self.open = self.open.saturating_add(1);
                self.out.push(b'(');
                self.is_start = true;
            }
            b')' => {
                self.open = self.open.checked_sub(1).ok_or(PatternError::CloseGroup)?;
                self.sign(b')');
            }
            b'|' => {
                self.out.push(b'|');
                self.is_start = true;
            }
            sign @ (b'+' | b'?') if self.is_start => self.itself(sign),
            sign @ (b'+' | b'?') => self.sign(sign),
            b'{' => {
                self.sign(b'{');
                loop {
                    match self.next().ok_or(PatternError::BadRepeat)? {
                        digit @ (b'0'..=b'9' | b',') => self.out.push(digit),
                        b'\\' if self.next() == Some(b'}') => break,
                        _ => return Err(PatternError::BadRepeat),
                    }
                }
                self.out.push(b'}');
            }
            b'}' => self.itself(b'}'),
            other => self.itself(other),
        }
        Ok(())
    }

    /// A bracket expression is the same in both.
    fn bracket(&mut self) -> Result<(), PatternError> {
        self.sign(b'[');
        if self.rest.first() == Some(&b'^') {
            self.next();
            self.out.push(b'^');
        }
        let mut is_first = true;
        loop {
            let octet = self.next().ok_or(PatternError::OpenBracket)?;
            self.out.push(octet);
            match (octet, self.rest.first()) {
                (b']', _) if !is_first => return Ok(()),
                (b'[', Some(&kind @ (b':' | b'=' | b'.'))) => {
                    let end = [kind, b']'];
                    let length = self.rest.windows(2).skip(1).position(|part| part == end);
                    let length = length.ok_or(PatternError::OpenBracket)?.saturating_add(3);
                    let (class, rest) = self.rest.split_at_checked(length).ok_or(PatternError::OpenBracket)?;
                    self.out.extend_from_slice(class);
                    self.rest = rest;
                }
                _ => {}
            }
            is_first = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(basic: &str) -> Result<String, PatternError> {
        extended(basic.as_bytes()).map(|text| String::from_utf8(text).unwrap())
    }

    #[test]
    fn s1_2_signs_of_extended_expressions_are_themselves_and_with_a_backslash_signs() {
        for (basic, extended) in [
            ("a+b?c", r"a\+b\?c"),
            ("(a|b){2}", r"\(a\|b\)\{2\}"),
            (r"a\+b\?c", "a+b?c"),
            (r"\(a\|b\)\{2,3\}", "(a|b){2,3}"),
            ("@host.example.com", "@host.example.com"),
            ("*a*", r"\*a*"),
            ("^*a", r"^\*a"),
            (r"\(*a\|*b\)", r"(\*a|\*b)"),
            ("^a^b$c$", r"^a\^b\$c$"),
            (r"\(^a$\)", "(^a$)"),
            (r"a\.b\\c", r"a\.b\\c"),
            (r"\+a", r"\+a"),
            (r"[]a(+*\][^]x]", r"[]a(+*\][^]x]"),
            ("[[:alpha:]x]*", "[[:alpha:]x]*"),
            ("a}b", r"a\}b"),
        ] {
            assert_eq!(text(basic).unwrap(), extended, "{basic}");
        }
    }

    #[test]
    fn what_is_open_or_closed_once_too_often_is_refused() {
        for (basic, error) in [
            (r"\(a", PatternError::OpenGroup),
            (r"a\)", PatternError::CloseGroup),
            ("a\\", PatternError::Backslash),
            ("[a", PatternError::OpenBracket),
            ("[[:alpha", PatternError::OpenBracket),
            (r"a\{2", PatternError::BadRepeat),
            (r"a\{x\}", PatternError::BadRepeat),
        ] {
            assert_eq!(text(basic), Err(error), "{basic}");
        }
    }
}
