//! The records of one name in a zone file: TXT, SPF, A, AAAA, MX and PTR; what others hold is not kept.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use spf_core::dns::{Answer, RecordKind};

use super::super::MAX_TXT;
use super::tokens::Token;

/// Records of one name, of each type that is kept.
pub(super) const MAX_RECORDS: usize = 100;

/// Types that a zone may hold and that nobody here asks for.
const OTHER_TYPES: [&str; 13] =
    ["NS", "SOA", "SRV", "CAA", "DS", "DNSKEY", "RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "TLSA", "SSHFP", "HTTPS"];

/// The types whose data is text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum TextType {
    /// TXT.
    Txt,
    /// SPF, which has the number 99 and which RFC 7208 §3.1 dropped.
    Spf,
}

/// What stands behind the type of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Data {
    Text(TextType, Vec<u8>),
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    Mx(u16, String),
    Ptr(String),
}

/// Reads the words behind `kind`, which is in upper case; `name` makes names absolute. `None` for a type that nobody asks for.
///
/// # Errors
///
/// A sentence about what is wrong.
pub(super) fn read(
    kind: &str,
    words: &[&Token],
    name: impl Fn(&Token) -> Result<String, String>,
) -> Result<Option<Data>, String> {
    let data = match (kind, words) {
        ("TXT", _) => Data::Text(TextType::Txt, text(kind, words)?),
        ("SPF", _) => Data::Text(TextType::Spf, text(kind, words)?),
        ("A", words) => Data::A(only(words).ok_or("behind A stands one IPv4 address, as `A 192.0.2.1`")?),
        ("AAAA", words) => Data::Aaaa(only(words).ok_or("behind AAAA stands one IPv6 address, as `AAAA 2001:db8::1`")?),
        ("MX", [preference, host]) => {
            Data::Mx(only(&[preference]).ok_or("the preference of an MX is a number up to 65535")?, name(host)?)
        }
        ("MX", _) => return Err("behind MX stand a preference and a host, as `MX 10 mail`".into()),
        ("PTR", [host]) => Data::Ptr(name(host)?),
        ("PTR", _) => return Err("a PTR has one name behind it".into()),
        (other, _) if OTHER_TYPES.contains(&other) => return Ok(None),
        (other, _) => {
            let shown: String = other.chars().take(20).collect();
            return Err(format!("unknown type `{}`", shown.escape_debug()));
        }
    };
    Ok(Some(data))
}

fn text(kind: &str, words: &[&Token]) -> Result<Vec<u8>, String> {
    if words.is_empty() {
        return Err(format!("the {kind} record has no text"));
    }
    // RFC 1035 §3.3: a character-string is at most 255 octets. Nobody splits by hand, so longer ones are taken whole.
    Ok(words.iter().flat_map(|token| token.text.iter().copied()).collect())
}

/// The value of the only word.
fn only<T: FromStr>(words: &[&Token]) -> Option<T> {
    let [word] = words else { return None };
    std::str::from_utf8(&word.text).ok()?.parse().ok()
}

/// The records of a name, in the order of the file; none when the name has only records that are not kept, or names below it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct Records(Vec<Data>);

impl Records {
    /// Adds one.
    ///
    /// # Errors
    ///
    /// When there are [`MAX_RECORDS`] of its type, or its text makes more than [`MAX_TXT`] octets.
    pub(super) fn add(&mut self, data: Data) -> Result<(), String> {
        let others = self.0.iter().filter(|other| other.type_name() == data.type_name());
        let octets = others.clone().map(Data::text_octets).fold(data.text_octets(), usize::saturating_add);
        if octets > MAX_TXT || others.count() >= MAX_RECORDS {
            let kind = data.type_name();
            return Err(format!("more than {MAX_RECORDS} records of {kind} for one name, or {MAX_TXT} octets of text"));
        }
        self.0.push(data);
        Ok(())
    }

    /// Adds one whatever is there: for code, which knows what it does.
    pub(super) fn push(&mut self, data: Data) {
        self.0.push(data);
    }

    /// The texts of one type.
    pub(in super::super) fn texts(&self, kind: TextType) -> impl Iterator<Item = &[u8]> {
        self.0.iter().filter_map(move |data| match data {
            Data::Text(of, text) if *of == kind => Some(text.as_slice()),
            _ => None,
        })
    }

    /// The records of one kind as an answer.
    pub(super) fn answer(&self, kind: RecordKind) -> Answer {
        let all = self.0.iter();
        match kind {
            RecordKind::Txt => Answer::txt(self.texts(TextType::Txt)),
            RecordKind::A => Answer::a(all.filter_map(|data| if let Data::A(ip) = data { Some(*ip) } else { None })),
            RecordKind::Aaaa => {
                Answer::aaaa(all.filter_map(|data| if let Data::Aaaa(ip) = data { Some(*ip) } else { None }))
            }
            RecordKind::Mx => Answer::mx(all.filter_map(|data| match data {
                Data::Mx(preference, host) => Some((*preference, host)),
                _ => None,
            })),
            RecordKind::Ptr => {
                Answer::ptr(all.filter_map(|data| if let Data::Ptr(name) = data { Some(name) } else { None }))
            }
        }
    }
}

impl Data {
    fn type_name(&self) -> &'static str {
        match self {
            Self::Text(TextType::Txt, _) => "TXT",
            Self::Text(TextType::Spf, _) => "SPF",
            Self::A(_) => "A",
            Self::Aaaa(_) => "AAAA",
            Self::Mx(..) => "MX",
            Self::Ptr(_) => "PTR",
        }
    }

    fn text_octets(&self) -> usize {
        match self {
            Self::Text(_, text) => text.len(),
            Self::A(_) | Self::Aaaa(_) | Self::Mx(..) | Self::Ptr(_) => 0,
        }
    }
}
