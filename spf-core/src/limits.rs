//! How much one evaluation may do.
//!
//! RFC 7208 §4.6.4 and §11.1. SPF lets strangers choose what a receiver asks the DNS, so these numbers are what stands between a message and an
//! attack on third parties. They are checked in one place each, and the one that was hit is named in [`Cause::Limit`](crate::outcome::Cause::Limit).

use std::fmt;
use std::time::Duration;

/// The limits of an evaluation.
///
/// ```
/// let mut limits = spf_core::limits::Limits::default();
/// limits.max_void_lookups = 5;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Most terms that ask the DNS: `include`, `a`, `mx`, `ptr`, `exists`, `redirect`, and the PTR question of `%{p}`. Default 10, as §4.6.4
    /// demands. One more is `permerror`.
    pub max_lookup_terms: u32,
    /// Most terms whose question finds nothing (no such name, or no record of the type). Default 2, as §4.6.4 recommends. One more is
    /// `permerror`.
    pub max_void_lookups: u32,
    /// Most names that an MX answer may hold. Default 10, as §4.6.4 demands. More are `permerror`.
    pub max_mx_names: usize,
    /// Names of a PTR answer that are looked at. Default 10, as §4.6.4 demands. The others are ignored.
    pub max_ptr_names: usize,
    /// Time for the whole evaluation, as told by the caller ([`Pending::answer_at`](crate::check::Pending::answer_at)). Default 20 s, the
    /// least that §4.6.4 allows. Beyond it `temperror`.
    pub max_time: Duration,
    /// Longest explanation in octets; the rest is cut. Default 400.
    pub max_explanation: usize,
    /// Whether the explanation of a `fail` is asked for (§6.2). Default true. Those who show it to nobody spare the question: the result is the
    /// same without it.
    pub explanation: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_lookup_terms: 10,
            max_void_lookups: 2,
            max_mx_names: 10,
            max_ptr_names: 10,
            max_time: Duration::from_secs(20),
            max_explanation: 400,
            explanation: true,
        }
    }
}

/// The limit that ended an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// [`Limits::max_lookup_terms`].
    LookupTerms,
    /// [`Limits::max_void_lookups`].
    VoidLookups,
    /// [`Limits::max_mx_names`].
    MxNames,
    /// [`Limits::max_time`].
    Time,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LookupTerms => "too many terms that ask the DNS",
            Self::VoidLookups => "too many lookups that found nothing",
            Self::MxNames => "too many names of mail exchangers",
            Self::Time => "evaluation took too long",
        })
    }
}

/// How much record text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordLimits {
    /// Longest record in octets. Default 64 KiB, the most that one TXT record can hold. Longer is a syntax error.
    pub max_bytes: usize,
    /// Most terms of a record. Default 500: as many networks are 8 KiB of text, where §3.4 wants answers to fit into 512 octets. A term in
    /// memory is many times its text (`a`). More are a syntax error.
    pub max_terms: usize,
    /// Most percent signs of a record: every macro has one. Default 500, for the same reason. More are a syntax error.
    pub max_percents: usize,
}

impl Default for RecordLimits {
    fn default() -> Self {
        Self { max_bytes: 64 * 1024, max_terms: 500, max_percents: 500 }
    }
}
