//! Addresses and prefix lengths (RFC 7208 §5.6, §12).

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::{Fault, SyntaxError};
use crate::record::DualCidr;

/// `ip4-network [ ip4-cidr-length ]`
pub(super) fn ip4_network(text: &[u8]) -> Result<(Ipv4Addr, u8), Fault<'_>> {
    let (address, bits) = network(text, SyntaxError::Ip4)?;
    Ok((address, bits.map_or(Ok(32), |bits| prefix(bits, 32))?))
}

/// `ip6-network [ ip6-cidr-length ]`
pub(super) fn ip6_network(text: &[u8]) -> Result<(Ipv6Addr, u8), Fault<'_>> {
    let (address, bits) = network(text, SyntaxError::Ip6)?;
    Ok((address, bits.map_or(Ok(128), |bits| prefix(bits, 128))?))
}

/// An address, and what is behind the first "/". The standard library reads IPv4 as `qnum` does (no leading zeros), and IPv6 as RFC 4291
/// section 2.2 does (no zone, no port).
fn network<A: FromStr>(text: &[u8], kind: SyntaxError) -> Result<(A, Option<&[u8]>), Fault<'_>> {
    let slash = text.iter().position(|&byte| byte == b'/').unwrap_or(text.len());
    let (address, rest) = text.split_at(slash);
    if let Some(at) = address.iter().position(|byte| !byte.is_ascii_graphic()) {
        return Err(Fault::new(text.get(at..).unwrap_or_default(), SyntaxError::BadByte));
    }
    let address = std::str::from_utf8(address).ok().and_then(|address| address.parse().ok());
    Ok((address.ok_or_else(|| Fault::new(text, kind))?, rest.strip_prefix(b"/")))
}

/// A prefix length: digits without leading zeros, no more than `most`.
fn prefix(digits: &[u8], most: u8) -> Result<u8, Fault<'_>> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    // ip4-cidr-length = "/" ("0" / %x31-39 0*1DIGIT) and its sister of IPv6 have no leading zeros.
    if !is_number || (digits.len() > 1 && digits.first() == Some(&b'0')) {
        return Err(Fault::new(digits, SyntaxError::Prefix));
    }
    let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    number.filter(|&number| number <= most).ok_or_else(|| Fault::new(digits, SyntaxError::PrefixTooLarge))
}

/// Takes `dual-cidr-length = [ ip4-cidr-length ] [ "/" ip6-cidr-length ]` off the end of the text.
///
/// A name may have slashes in it, but no top-level domain ends in "/" and digits, so what looks like a prefix length at the end is one.
pub(super) fn split_dual_cidr(text: &[u8]) -> Result<(&[u8], DualCidr), Fault<'_>> {
    let mut cidr = DualCidr::default();
    let mut rest = text;
    if let Some((before, digits)) = split_digits(rest)
        && let Some(before) = before.strip_suffix(b"//")
    {
        cidr.v6 = prefix(digits, 128)?;
        rest = before;
    }
    if let Some((before, digits)) = split_digits(rest)
        && let Some(before) = before.strip_suffix(b"/")
    {
        cidr.v4 = prefix(digits, 32)?;
        rest = before;
    }
    match rest.strip_suffix(b"/") {
        Some(_) => Err(Fault::new(rest.get(rest.len().saturating_sub(1)..).unwrap_or_default(), SyntaxError::Prefix)),
        None => Ok((rest, cidr)),
    }
}

/// The digits at the end of a text and what is before them, when there are digits.
fn split_digits(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = text.iter().rposition(|byte| !byte.is_ascii_digit()).map_or(0, |last| last.saturating_add(1));
    let (before, digits) = text.split_at_checked(start)?;
    (!digits.is_empty()).then_some((before, digits))
}
