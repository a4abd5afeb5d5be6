//! What the benchmarks have in common: mail made from a seed, the same in every run and on every machine.
//!
//! Five shapes of body, because the cost of canonicalization depends on the white space of the text and on little else:
//!
//! | shape | what it is like | runs of canonical text |
//! |---|---|---|
//! | [`Shape::Html`] | indented tags, long lines, some blanks at line ends | about a hundred octets |
//! | [`Shape::Text`] | prose in lines of 72, every eighth with a blank at its end, empty lines | some hundred octets |
//! | [`Shape::QuotedPrintable`] | prose with letters beyond ASCII, lines of 76 with soft breaks, every eighth line end with a blank | some hundred octets |
//! | [`Shape::Ragged`] | two blanks or a tab between most words: the worst that people write | a word |
//! | [`Shape::Base64`] | lines of 76 without any blank | the whole chunk |

pub mod backend;
pub mod message;
#[cfg(feature = "peers")]
pub mod peer;

use std::num::Wrapping;

/// A kind of body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Indented markup.
    Html,
    /// Prose.
    Text,
    /// Prose as most mail programs encode it.
    QuotedPrintable,
    /// Columns and double blanks.
    Ragged,
    /// An encoded attachment.
    Base64,
}

impl Shape {
    /// All shapes, in the order of the tables.
    pub const ALL: [Self; 5] = [Self::Html, Self::Text, Self::QuotedPrintable, Self::Ragged, Self::Base64];

    /// Its name in the names of benchmarks.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Text => "text",
            Self::QuotedPrintable => "quoted-printable",
            Self::Ragged => "ragged",
            Self::Base64 => "base64",
        }
    }
}

/// A body of this shape with CRLF line ends, cut to exactly `octets`.
#[must_use]
pub fn body(shape: Shape, octets: usize) -> Vec<u8> {
    let mut random = Random::new();
    let mut out = Vec::with_capacity(octets.saturating_add(512));
    while out.len() < octets {
        match shape {
            Shape::Html => html_line(&mut random, &mut out),
            Shape::Text => text_line(&mut random, &mut out),
            Shape::QuotedPrintable => quoted_printable_line(&mut random, &mut out),
            Shape::Ragged => ragged_line(&mut random, &mut out),
            Shape::Base64 => base64_line(&mut random, &mut out),
        }
        out.extend_from_slice(b"\r\n");
    }
    out.truncate(octets);
    out
}

/// The header section of a usual message from a mailing list: 25 fields, about 1,900 octets, each as name and value with its leading blank.
#[must_use]
pub fn header() -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("Return-Path", " <list-bounces@lists.example.net>".to_owned()),
        ("Delivered-To", " joe@example.org".to_owned()),
    ];
    for hop in 1..=4 {
        fields.push((
            "Received",
            format!(
                " from relay{hop}.example.net (relay{hop}.example.net [192.0.2.{hop}])\r\n\t\
                 by mx{hop}.example.org (Postfix) with ESMTPS id 4ZxQ{hop}3kYzRz9sT\r\n\t\
                 for <joe@example.org>; Tue,  4 Nov 2025 10:1{hop}:07 +0000 (UTC)"
            ),
        ));
    }
    let rest = [
        ("Date", " Tue, 4 Nov 2025 11:09:58 +0100"),
        ("From", " \"Sender, Example\" <sender@example.com>"),
        ("Sender", " <sender@example.com>"),
        ("Reply-To", " Example List <list@lists.example.net>"),
        ("To", " Joe Recipient <joe@example.org>,\r\n Mary Recipient <mary@example.org>"),
        ("Cc", " Example List <list@lists.example.net>"),
        ("Subject", " [list] Re: Minutes of the meeting, =?utf-8?q?with_corrections?=\r\n and the list of open points"),
        ("Message-ID", " <20251104100958.4711.abcdef0123456789@mail.example.com>"),
        ("In-Reply-To", " <CAD5x+Qw0123456789abcdefghijklmnop@mail.example.org>"),
        (
            "References",
            " <20251101090000.1234@mail.example.com>\r\n <20251102101112.5678@mail.example.org>\r\n \
             <CAD5x+Qw0123456789abcdefghijklmnop@mail.example.org>",
        ),
        ("MIME-Version", " 1.0"),
        ("Content-Type", " multipart/alternative;\r\n boundary=\"----=_Part_4711_1234567890.1762250998\""),
        ("Content-Transfer-Encoding", " 8bit"),
        ("User-Agent", " Example Mailer 12.3"),
        ("List-Id", " Example List <list.lists.example.net>"),
        ("List-Unsubscribe", " <https://lists.example.net/unsubscribe/0123456789>"),
        ("List-Unsubscribe-Post", " List-Unsubscribe=One-Click"),
        ("List-Archive", " <https://lists.example.net/archive/>"),
        ("X-Spam-Status", " No, score=-2.1 required=5.0 tests=BAYES_00,DKIM_VALID,\r\n\tSPF_PASS autolearn=ham"),
    ];
    fields.extend(rest.map(|(name, value)| (name, value.to_owned())));
    fields
}

/// The header section as text, without the empty line behind it.
#[must_use]
pub fn header_text() -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in header() {
        for part in [name, ":", &value, "\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
    }
    out
}

fn html_line(random: &mut Random, out: &mut Vec<u8>) {
    for _ in 0..random.below(12) {
        out.extend_from_slice(b"  ");
    }
    match random.below(4) {
        0 => out.extend_from_slice(
            b"<tr><td align=\"left\" valign=\"top\" style=\"padding:0 16px;font-family:Arial,sans-serif\">",
        ),
        1 => out.extend_from_slice(b"</td></tr>"),
        _ => {
            out.extend_from_slice(b"<p style=\"margin:0;color:#333333\">");
            let words = random.below(28);
            words_to(random, words.saturating_add(4), b" ", out);
            out.extend_from_slice(b"</p>");
        }
    }
    if random.below(10) == 0 {
        out.extend_from_slice(b"  ");
    }
}

fn text_line(random: &mut Random, out: &mut Vec<u8>) {
    if random.below(8) == 0 {
        return;
    }
    words_to(random, 12, b" ", out);
    if random.below(8) == 0 {
        out.push(b' ');
    }
}

/// A paragraph: lines of at most 76 octets that end in "=", and a hard line end behind the last one.
fn quoted_printable_line(random: &mut Random, out: &mut Vec<u8>) {
    if random.below(4) == 0 {
        return;
    }
    let mut text = Vec::new();
    for _ in 0..random.below(60).saturating_add(4) {
        words_to(random, 1, b"", &mut text);
        match random.below(12) {
            0 => text.extend_from_slice(b"=C3=A9"),
            1 => text.extend_from_slice(b"=3D"),
            2 => text.push(b','),
            _ => {}
        }
        text.push(b' ');
    }
    // A blank at the end of a line should be encoded; those that are not are what relaxed canonicalization is for.
    if random.below(8) != 0 {
        text.pop();
    }
    for (at, line) in text.chunks(75).enumerate() {
        if at > 0 {
            out.extend_from_slice(b"=\r\n");
        }
        out.extend_from_slice(line);
    }
}

fn ragged_line(random: &mut Random, out: &mut Vec<u8>) {
    for _ in 0..8 {
        words_to(random, 1, b"", out);
        out.extend_from_slice(match random.below(4) {
            0 => b" ",
            1 => b"\t",
            2 => b"   ",
            _ => b"  ",
        });
    }
}

fn base64_line(random: &mut Random, out: &mut Vec<u8>) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for _ in 0..76 {
        out.extend(ALPHABET.get(random.below(64)));
    }
}

/// Writes words of two to ten letters with `between` between them.
fn words_to(random: &mut Random, count: usize, between: &[u8], out: &mut Vec<u8>) {
    for word in 0..count {
        if word > 0 {
            out.extend_from_slice(between);
        }
        for _ in 0..random.below(9).saturating_add(2) {
            out.extend(b"etaoinshrdlucmfwypvbgkjqxz".get(random.below(26).min(random.below(26))));
        }
    }
}

/// The generator `xorshift64*` with a constant seed: no dependency, and equal texts everywhere.
struct Random(Wrapping<u64>);

impl Random {
    const fn new() -> Self {
        Self(Wrapping(0x9e37_79b9_7f4a_7c15))
    }

    /// A number below `bound`, which is small.
    fn below(&mut self, bound: u64) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = (self.0 * Wrapping(0x2545_f491_4f6c_dd1d)).0 >> 33;
        usize::try_from(high.checked_rem(bound).unwrap_or(0)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_have_their_length_and_are_the_same_every_time() {
        for shape in Shape::ALL {
            let first = body(shape, 100_000);
            assert_eq!(first.len(), 100_000, "{}", shape.name());
            assert_eq!(first, body(shape, 100_000), "{}", shape.name());
            assert!(first.windows(2).filter(|pair| pair == b"\r\n").count() > 100, "{}", shape.name());
        }
    }

    #[test]
    fn the_header_is_as_large_as_its_page_says() {
        assert_eq!(header().len(), 25);
        let text = header_text();
        assert!((1_800..2_600).contains(&text.len()), "{}", text.len());
    }
}
