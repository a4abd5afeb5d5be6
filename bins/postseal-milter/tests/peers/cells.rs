//! What is tried: every canonicalization with every key and every body.

use std::fmt;

/// The text of `c=` for one of its halves.
pub(crate) const CANONS: [&str; 2] = ["simple", "relaxed"];

/// A kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Rsa1024,
    Rsa2048,
    Rsa4096,
    Ed25519,
}

impl Key {
    pub(crate) const ALL: [Self; 4] = [Self::Rsa1024, Self::Rsa2048, Self::Rsa4096, Self::Ed25519];

    /// As in file names and in the name of its domain.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rsa1024 => "rsa-1024",
            Self::Rsa2048 => "rsa-2048",
            Self::Rsa4096 => "rsa-4096",
            Self::Ed25519 => "ed25519",
        }
    }

    /// The text of `a=`.
    pub(crate) const fn algorithm(self) -> &'static str {
        match self {
            Self::Rsa1024 | Self::Rsa2048 | Self::Rsa4096 => "rsa-sha256",
            Self::Ed25519 => "ed25519-sha256",
        }
    }

    /// Each key has a domain of its own.
    pub(crate) fn domain(self) -> String {
        format!("{}.example", self.name())
    }
}

/// A domain with two keys, whose mail gets two signatures, as the daemon makes them by itself. The selectors are the names of the keys.
pub(crate) const BOTH: (&str, [Key; 2]) = ("both.example", [Key::Rsa2048, Key::Ed25519]);

/// A kind of body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Plain,
    Empty,
    Blank,
    NoFinalCrlf,
    TrailingBlanks,
    WhiteLinesAtEnd,
    WhiteLinesOnly,
    WhiteEnd,
    EightBit,
    LongLines,
    BareCr,
    FinalCr,
    FiveMegabytes,
}

impl Body {
    pub(crate) const ALL: [Self; 13] = [
        Self::Plain,
        Self::Empty,
        Self::Blank,
        Self::NoFinalCrlf,
        Self::TrailingBlanks,
        Self::WhiteLinesAtEnd,
        Self::WhiteLinesOnly,
        Self::WhiteEnd,
        Self::EightBit,
        Self::LongLines,
        Self::BareCr,
        Self::FinalCr,
        Self::FiveMegabytes,
    ];

    /// The octets.
    pub(crate) fn octets(self) -> Vec<u8> {
        match self {
            Self::Plain => b"Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n".to_vec(),
            Self::Empty => Vec::new(),
            Self::Blank => b"\r\n\r\n\r\n".to_vec(),
            Self::NoFinalCrlf => b"One\r\nTwo".to_vec(),
            Self::TrailingBlanks => b"One \r\n\tTwo\t \t\r\n  Three  words  \r\n".to_vec(),
            Self::WhiteLinesAtEnd => b"One\r\n\r\n \r\n\t\t\r\n \t \r\n\r\n".to_vec(),
            Self::WhiteLinesOnly => b" \r\n\t\r\n\r\n".to_vec(),
            Self::WhiteEnd => b"One\r\nTwo \t".to_vec(),
            // With the octets that some call white space: NEL and the blanks of Latin-1 and Unicode.
            Self::EightBit => {
                b"Gr\xfc\xdfe, \xc3\xa9\xe2\x82\xac \xff\xfe\x80\r\n\xa0 \x85\r\n\xe2\x80\x83\xa0\x85\r\n".to_vec()
            }
            // RFC 5322 §2.1.1 has lines end at 998 octets; longer ones are on their way all the same.
            Self::LongLines => {
                [vec![b'x'; 998], b"\r\n".to_vec(), b"long  line ".repeat(7000), b"\r\n".to_vec()].concat()
            }
            Self::BareCr => b"One\rTwo\r\nThree\r\r\nFour \r \r\n\rFive\r\n".to_vec(),
            Self::FinalCr => b"One\r\nTwo\r".to_vec(),
            Self::FiveMegabytes => five_megabytes(),
        }
    }
}

impl Body {
    /// Whether it has a CR that ends no line, which RFC 5322 §2.3 forbids.
    pub(crate) const fn has_bare_cr(self) -> bool {
        matches!(self, Self::BareCr | Self::FinalCr)
    }
}

/// Text with runs of blanks and of empty lines, cut by no power of two.
fn five_megabytes() -> Vec<u8> {
    const LENGTH: usize = 5 << 20;
    let mut body = Vec::with_capacity(LENGTH + 100);
    let mut number = 0_u32;
    while body.len() < LENGTH {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        body.extend_from_slice(format!("{number:08x} \t{number:x}").as_bytes());
        body.extend_from_slice(&b"  \r\n\r\n  \r\n"[..usize::try_from(number >> 16).unwrap() % 5 * 2]);
        body.extend_from_slice(b"\r\n");
    }
    body
}

/// Which of the two makes the signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// We sign, the peer verifies.
    PeerVerifies,
    /// The peer signs, we verify.
    PeerSigns,
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Dkimpy,
    OpenDkim,
}

/// One combination.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) peer: Peer,
    pub(crate) direction: Direction,
    pub(crate) header: &'static str,
    pub(crate) body_canon: &'static str,
    pub(crate) key: Key,
    pub(crate) body: Body,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { peer, direction, header, body_canon, key, body } = self;
        write!(f, "{peer:?} {direction:?} {header}/{body_canon} {} {body:?}", key.name())
    }
}

/// A message that the domain of this key sends.
pub(crate) fn message(key: Key, body: &[u8]) -> Vec<u8> {
    message_from(&key.domain(), body)
}

/// A message that this domain sends. Its header has what the two canonicalizations of headers treat differently.
pub(crate) fn message_from(domain: &str, body: &[u8]) -> Vec<u8> {
    let header = format!(
        "From: Joe  SixPack <joe@{domain}>\r\n\
         To: mary@reader.example,\r\n\tann@reader.example\r\n\
         subject:  folded \t and \r\n  blank at the end \r\n\
         Date: Tue, 24 Nov 2026 10:00:00 +0000\r\n\
         Message-ID: <1@{domain}>\r\n\
         Cc:\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: text/plain;\r\n  charset=utf-8\r\n\r\n"
    );
    [header.as_bytes(), body].concat()
}
