//! The text of REPLYCODE: what an SMTP client is told when mail is refused or deferred.
//!
//! Both MTAs copy this text into the SMTP dialogue with little or no check. A bare LF or a CRLF at the end puts a line into it that the client
//! takes for the answer to its *next* command; a single `%` is lost (Postfix) or voids the whole text (Sendmail); a class other than 4 or 5 is a
//! configuration error that ends the connection. [`ReplyCode`] is therefore a type that only holds text which can do none of that:
//!
//! ```text
//! reply := line *( CRLF line )                 at most 32 lines, the code the same on each
//! line  := code ( "-" | SP ) enh SP text       "-" on all but the last; at most 510 octets
//! code  := ("4"|"5") digit digit               the enhanced code is of the same class
//! text  := printable ASCII, "%" written "%%"
//! ```
//!
//! An enhanced code stands on every line (RFC 2034 §4), hence no text can begin with digits where an MTA would look for one.
//! [`ReplyCode::parse`] takes what others wrote, without an enhanced code and up to 980 octets a line, but nothing that could break a dialogue.

use std::fmt;

/// Octets of a line this crate writes, CRLF not counted (RFC 5321 §4.5.3.1.5: "The maximum total length of a reply line including the reply code
/// and the \<CRLF\> is 512 octets").
const MAX_LINE: usize = 510;
/// Lines of a reply, as libmilter has it.
const MAX_LINES: usize = 32;
/// Octets of a line that is accepted from a filter, as libmilter has it.
const MAX_PARSED_LINE: usize = 980;
/// Stands at the end of text that was longer than [`MAX_LINES`].
const CUT: &str = "...";

/// Why a reply code or its text cannot be used. Offsets are into the text on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyCodeError {
    /// The code is not 400 to 599.
    #[error("code at offset {at} is not of class 4 or 5")]
    Class {
        /// Where the line begins.
        at: usize,
    },
    /// A line without a code, or without separator after it.
    #[error("line at offset {at} has no code")]
    NoCode {
        /// Where the line begins.
        at: usize,
    },
    /// A line whose code differs from the first.
    #[error("code at offset {at} differs from the first")]
    CodesDiffer {
        /// Where the line begins.
        at: usize,
    },
    /// `-` on the last line, or SP on another.
    #[error("line at offset {at} does not say rightly whether it is the last")]
    Continuation {
        /// Where the line begins.
        at: usize,
    },
    /// The text begins with a digit that is not the class of the code.
    #[error("text of the line at offset {at} begins with a digit of another class")]
    OtherClass {
        /// Where the line begins.
        at: usize,
    },
    /// An octet that is neither printable ASCII nor part of a CRLF between two lines.
    #[error("octet at offset {at} is not printable")]
    NotPrintable {
        /// Offset of the octet.
        at: usize,
    },
    /// A `%` that is not doubled.
    #[error("percent sign at offset {at} is not doubled")]
    Percent {
        /// Offset of the sign.
        at: usize,
    },
    /// More than 980 octets on a line.
    #[error("line at offset {at} is too long")]
    LineTooLong {
        /// Where the line begins.
        at: usize,
    },
    /// More than 32 lines.
    #[error("more than 32 lines")]
    TooManyLines,
}

/// The code and text of a reply, fit for an SMTP dialogue.
///
/// ```
/// use milter_proto::ReplyCode;
///
/// let reply = ReplyCode::builder(550)?.enhanced(7, 1).text("100% of it fails\nsee https://example.com/why").build();
/// assert_eq!(reply.as_wire(), b"550-5.7.1 100%% of it fails\r\n550 5.7.1 see https://example.com/why");
/// # Ok::<(), milter_proto::ReplyCodeError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ReplyCode {
    code: u16,
    wire: Vec<u8>,
}

impl ReplyCode {
    /// Begins a reply.
    ///
    /// # Errors
    /// [`ReplyCodeError::Class`] unless `code` is 400 to 599.
    pub fn builder(code: u16) -> Result<ReplyCodeBuilder, ReplyCodeError> {
        if !(400..=599).contains(&code) {
            return Err(ReplyCodeError::Class { at: 0 });
        }
        Ok(ReplyCodeBuilder { code, subject: 0, detail: 0, lines: Vec::new(), cut: false })
    }

    /// Takes the text of a REPLYCODE as a filter sent it, without its NUL.
    ///
    /// # Errors
    /// [`ReplyCodeError`] for what could break the dialogue or be replaced by the MTA.
    pub fn parse(wire: &[u8]) -> Result<Self, ReplyCodeError> {
        let code = wire.get(..3).ok_or(ReplyCodeError::NoCode { at: 0 })?;
        let mut at: usize = 0;
        let mut rest = Some(wire);
        let mut lines: usize = 0;
        while let Some(text) = rest {
            lines = lines.saturating_add(1);
            if lines > MAX_LINES {
                return Err(ReplyCodeError::TooManyLines);
            }
            let end = text.windows(2).position(|pair| pair == b"\r\n");
            let (line, next) = match end.and_then(|end| text.split_at_checked(end)) {
                Some((line, next)) => (line, next.get(2..)),
                None => (text, None),
            };
            check_line(line, code, next.is_none(), at)?;
            at = at.saturating_add(line.len()).saturating_add(2);
            rest = next;
        }
        let code = code.iter().fold(0, |value: u16, digit| {
            value.saturating_mul(10).saturating_add(u16::from(digit.saturating_sub(b'0')))
        });
        Ok(Self { code, wire: wire.to_vec() })
    }

    /// The three digits.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The octets for the wire, without the NUL at their end.
    pub fn as_wire(&self) -> &[u8] {
        &self.wire
    }

    /// What the SMTP client reads: lines joined by CRLF, percent signs single. Without the final CRLF.
    pub fn to_smtp(&self) -> String {
        String::from_utf8_lossy(&self.wire).replace("%%", "%")
    }
}

impl fmt::Debug for ReplyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplyCode({:?})", self.to_smtp())
    }
}

fn check_line(line: &[u8], code: &[u8], is_last: bool, at: usize) -> Result<(), ReplyCodeError> {
    let (own, rest) = line.split_at_checked(3).ok_or(ReplyCodeError::NoCode { at })?;
    if !own.iter().all(u8::is_ascii_digit) {
        return Err(ReplyCodeError::NoCode { at });
    }
    if !matches!(own, [b'4' | b'5', ..]) {
        return Err(ReplyCodeError::Class { at });
    }
    if own != code {
        return Err(ReplyCodeError::CodesDiffer { at });
    }
    let text = match rest {
        [b' ', text @ ..] if is_last => text,
        [b'-', text @ ..] if !is_last => text,
        [b' ' | b'-', ..] => return Err(ReplyCodeError::Continuation { at }),
        _ => return Err(ReplyCodeError::NoCode { at }),
    };
    if line.len() > MAX_PARSED_LINE {
        return Err(ReplyCodeError::LineTooLong { at });
    }
    // §9: "first text char after the code if a digit must equal the first code digit"
    if text.first().is_some_and(|first| first.is_ascii_digit() && Some(first) != code.first()) {
        return Err(ReplyCodeError::OtherClass { at });
    }
    check_text(text, at.saturating_add(4))
}

fn check_text(text: &[u8], at: usize) -> Result<(), ReplyCodeError> {
    let mut octets = text.iter().copied().enumerate();
    while let Some((index, octet)) = octets.next() {
        let at = at.saturating_add(index);
        match octet {
            b'%' if !matches!(octets.next(), Some((_, b'%'))) => return Err(ReplyCodeError::Percent { at }),
            b' '..=b'~' => {}
            _ => return Err(ReplyCodeError::NotPrintable { at }),
        }
    }
    Ok(())
}

/// Collects the text of a [`ReplyCode`]. Nothing that is put in can make it fail: it is made fit instead, as each method says.
#[derive(Clone, Debug)]
pub struct ReplyCodeBuilder {
    code: u16,
    subject: u16,
    detail: u16,
    /// Escaped, none empty, each within the limit.
    lines: Vec<String>,
    cut: bool,
}

impl ReplyCodeBuilder {
    /// The enhanced code (RFC 3463) is `class.subject.detail`; the class is the first digit of the code. Without it, `class.0.0`.
    ///
    /// Values above 999 count as 999, the most that three digits say.
    pub fn enhanced(mut self, subject: u16, detail: u16) -> Self {
        self.subject = subject.min(999);
        self.detail = detail.min(999);
        self
    }

    /// Adds text, which may be somebody else's (a DNS record, a domain name). Line breaks begin a new line of the reply, long lines are broken
    /// (at a space if there is one), each octet that is not printable ASCII becomes `?`, a TAB becomes a space, and `%` is doubled. Beyond 32
    /// lines the text is cut and its last line ends in `...`.
    pub fn text(mut self, text: impl AsRef<[u8]>) -> Self {
        for line in text.as_ref().split(|octet| matches!(octet, b'\r' | b'\n')) {
            self.add_line(line);
            if self.cut {
                break;
            }
        }
        self
    }

    /// The reply. Without any text it says what Postfix says of itself: a client has to be told something.
    pub fn build(mut self) -> ReplyCode {
        let class = self.class();
        if self.lines.is_empty() {
            let text = if class == 4 { "Service unavailable - try again later" } else { "Command rejected" };
            self.lines.push(text.to_owned());
        }
        if let (true, Some(last)) = (self.cut, self.lines.last_mut()) {
            last.push_str(CUT);
        }
        let mut wire = Vec::new();
        let last = self.lines.len().saturating_sub(1);
        for (index, line) in self.lines.iter().enumerate() {
            if index > 0 {
                wire.extend_from_slice(b"\r\n");
            }
            let separator = if index == last { ' ' } else { '-' };
            let (code, subject, detail) = (self.code, self.subject, self.detail);
            wire.extend_from_slice(format!("{code}{separator}{class}.{subject}.{detail} {line}").as_bytes());
        }
        ReplyCode { code: self.code, wire }
    }

    fn class(&self) -> u8 {
        if self.code < 500 { 4 } else { 5 }
    }

    fn add_line(&mut self, text: &[u8]) {
        let text = text.trim_ascii();
        if text.is_empty() {
            return;
        }
        // "550-5.999.999 " and the mark of a cut always fit.
        const ROOM: usize = MAX_LINE - 14 - CUT.len();
        let mut line = String::new();
        // Length of `line` up to its last space.
        let mut last_space = None;
        for &octet in text {
            let (shown, times) = match octet {
                b'%' => ('%', 2),
                b'\t' => (' ', 1),
                b' '..=b'~' => (char::from(octet), 1),
                _ => ('?', 1),
            };
            if line.len().saturating_add(times) > ROOM {
                let tail = last_space.map_or(String::new(), |space| line.split_off(space));
                self.push_line(&line);
                line = tail.trim_start().to_owned();
                last_space = None;
            }
            if shown == ' ' {
                if line.is_empty() {
                    continue;
                }
                last_space = Some(line.len());
            }
            line.extend(std::iter::repeat_n(shown, times));
        }
        self.push_line(&line);
    }

    fn push_line(&mut self, line: &str) {
        let line = line.trim();
        if line.is_empty() || self.cut {
            return;
        }
        if self.lines.len() == MAX_LINES {
            self.cut = true;
            return;
        }
        self.lines.push(line.to_owned());
    }
}

#[cfg(test)]
mod tests;
