//! The DNS vocabulary of SPF: five kinds of questions, and what can be answered.
//!
//! RFC 7208 asks for TXT, A, AAAA, MX and PTR records, so nothing else can be expressed here (type 99, SPF, was dropped by §3.1). Questions and
//! answers are values; a clone of either costs a reference count, so that a cache can hand them out and a result can keep them.
//!
//! What it does not do: ask, cache, follow aliases, know time-outs. The caller's resolver follows CNAME and maps its errors to
//! [`Answer::Failed`].

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, OnceLock};

use crate::limits::RecordLimits;
use crate::name::Name;
use crate::record::Selection;

#[cfg(feature = "hickory")]
mod hickory;

/// The types of records that SPF asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "RFC 7208 uses these five, and callers should handle each")]
pub enum RecordKind {
    /// SPF records and explanations.
    Txt,
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Mail exchangers.
    Mx,
    /// Names of addresses.
    Ptr,
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Txt => "TXT",
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Mx => "MX",
            Self::Ptr => "PTR",
        })
    }
}

/// A question to the DNS.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Question {
    /// The name asked about.
    pub name: Name,
    /// The type of the records asked for.
    pub kind: RecordKind,
}

impl Question {
    /// A question for the records of this type at this name.
    #[must_use]
    pub fn new(name: Name, kind: RecordKind) -> Self {
        Self { name, kind }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.kind)
    }
}

/// What the DNS said.
///
/// An answer of another kind than the question counts as [`Failed`](Self::Failed), an empty list as [`NoData`](Self::NoData).
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "one variant a kind of question, and the three other cases of RFC 7208 §4.4 and §5"
)]
pub enum Answer {
    /// TXT records.
    Txt(Arc<TxtRecords>),
    /// IPv4 addresses.
    A(Arc<[Ipv4Addr]>),
    /// IPv6 addresses.
    Aaaa(Arc<[Ipv6Addr]>),
    /// Mail exchangers in any order.
    Mx(Arc<[Exchange]>),
    /// Names of an address.
    Ptr(Arc<[Name]>),
    /// The name exists and has no such record.
    NoData,
    /// The name does not exist.
    NxDomain,
    /// No answer: time-out, SERVFAIL, a refused or malformed response.
    Failed,
}

impl Answer {
    /// TXT records, the character-strings of each joined without anything between them (RFC 7208 §3.3).
    pub fn txt<T: Into<Vec<u8>>>(texts: impl IntoIterator<Item = T>) -> Self {
        let texts: Vec<Vec<u8>> = texts.into_iter().map(Into::into).collect();
        if texts.is_empty() { Self::NoData } else { Self::Txt(Arc::new(TxtRecords::new(texts))) }
    }

    /// IPv4 addresses.
    pub fn a(addresses: impl IntoIterator<Item = Ipv4Addr>) -> Self {
        let addresses: Arc<[Ipv4Addr]> = addresses.into_iter().collect();
        if addresses.is_empty() { Self::NoData } else { Self::A(addresses) }
    }

    /// IPv6 addresses.
    pub fn aaaa(addresses: impl IntoIterator<Item = Ipv6Addr>) -> Self {
        let addresses: Arc<[Ipv6Addr]> = addresses.into_iter().collect();
        if addresses.is_empty() { Self::NoData } else { Self::Aaaa(addresses) }
    }

    /// Mail exchangers: preference and name.
    pub fn mx<N: AsRef<[u8]>>(exchanges: impl IntoIterator<Item = (u16, N)>) -> Self {
        let exchanges: Arc<[Exchange]> =
            exchanges.into_iter().map(|(preference, name)| Exchange::new(preference, name)).collect();
        if exchanges.is_empty() { Self::NoData } else { Self::Mx(exchanges) }
    }

    /// Names of an address. Those that cannot be asked about are left out.
    pub fn ptr<N: AsRef<[u8]>>(names: impl IntoIterator<Item = N>) -> Self {
        let names: Arc<[Name]> = names.into_iter().filter_map(|name| Name::parse(name).ok()).collect();
        if names.is_empty() { Self::NoData } else { Self::Ptr(names) }
    }

    /// Whether this is a void lookup (RFC 7208 §4.6.4): "either a positive answer (RCODE 0) with an answer count of 0, or a "Name Error"".
    #[must_use]
    pub fn is_void(&self) -> bool {
        match self {
            Self::Txt(records) => records.texts.is_empty(),
            Self::A(addresses) => addresses.is_empty(),
            Self::Aaaa(addresses) => addresses.is_empty(),
            Self::Mx(exchanges) => exchanges.is_empty(),
            Self::Ptr(names) => names.is_empty(),
            Self::NoData | Self::NxDomain => true,
            Self::Failed => false,
        }
    }
}

/// One MX record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Exchange {
    /// Lower is tried first.
    pub preference: u16,
    /// The host; `None` for the root (a null MX, RFC 7505) and what else cannot be asked about.
    pub name: Option<Name>,
}

impl Exchange {
    /// The record with this preference and this host.
    #[must_use]
    pub fn new(preference: u16, name: impl AsRef<[u8]>) -> Self {
        Self { preference, name: Name::parse(name).ok() }
    }
}

/// The TXT records of a name, and the SPF record among them, parsed when it is first asked for.
///
/// Kept in a cache behind its `Arc`, a record is parsed once for all messages.
#[derive(Debug)]
pub struct TxtRecords {
    texts: Vec<Vec<u8>>,
    selection: OnceLock<Selection>,
}

impl TxtRecords {
    /// The records, each with its character-strings joined without anything between them.
    #[must_use]
    pub fn new(texts: Vec<Vec<u8>>) -> Self {
        Self { texts, selection: OnceLock::new() }
    }

    /// The texts.
    #[must_use]
    pub fn texts(&self) -> &[Vec<u8>] {
        &self.texts
    }

    /// The SPF record among them (RFC 7208 §4.5), parsed with default limits.
    pub fn selection(&self) -> &Selection {
        self.selection.get_or_init(|| Selection::from_texts(&self.texts, RecordLimits::default()))
    }
}

impl PartialEq for TxtRecords {
    fn eq(&self, other: &Self) -> bool {
        self.texts == other.texts
    }
}

impl Eq for TxtRecords {}
