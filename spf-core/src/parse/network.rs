//! Addresses and prefix lengths (RFC 7208 §5.6, §12).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Fault, SyntaxError};
use crate::record::DualCidr;

/// `ip4-network [ ip4-cidr-length ]`
pub(super) fn ip4_network(text: &[u8]) -> Result<(Ipv4Addr, u8), Fault<'_>> {
    let (address, rest) = qnums(text).ok_or_else(|| fault_in(text, SyntaxError::Ip4))?;
    Ok((address, end_or_prefix(text, rest, 32, SyntaxError::Ip4)?))
}

/// [`ip4_network`] at the beginning of `text`, up to a space or the end, and what is behind it. `None` for everything else, faults among it.
#[inline]
pub(super) fn ip4_network_to_space(text: &[u8]) -> Option<(Ipv4Addr, u8, &[u8])> {
    let (address, rest) = qnums(text)?;
    let (bits, rest) = match rest.split_first() {
        Some((b'/', digits)) => qnum(digits)?,
        _ => (32, rest),
    };
    (bits <= 32 && matches!(rest.first(), None | Some(b' '))).then_some((address, bits, rest))
}

/// `ip6-network [ ip6-cidr-length ]`. The standard library reads addresses as RFC 4291 section 2.2 does (no zone, no port).
pub(super) fn ip6_network(text: &[u8]) -> Result<(Ipv6Addr, u8), Fault<'_>> {
    let (address, rest) = text.split_at(text.iter().position(|&byte| byte == b'/').unwrap_or(text.len()));
    let parsed = std::str::from_utf8(address).ok().and_then(|address| address.parse().ok());
    let address = parsed.ok_or_else(|| fault_in(text, SyntaxError::Ip6))?;
    Ok((address, end_or_prefix(text, rest, 128, SyntaxError::Ip6)?))
}

/// `ip4-network = qnum "." qnum "." qnum "." qnum`, and what is behind it.
#[inline]
fn qnums(text: &[u8]) -> Option<(Ipv4Addr, &[u8])> {
    let (a, rest) = qnum(text)?;
    let (b, rest) = qnum(rest.strip_prefix(b".")?)?;
    let (c, rest) = qnum(rest.strip_prefix(b".")?)?;
    let (d, rest) = qnum(rest.strip_prefix(b".")?)?;
    Some((Ipv4Addr::new(a, b, c, d), rest))
}

/// `qnum`: 0 to 255 without leading zeros. More digits than that stay behind it, where none can follow.
#[inline]
fn qnum(text: &[u8]) -> Option<(u8, &[u8])> {
    let (first, rest) = digit(text)?;
    if first == 0 {
        return Some((0, rest));
    }
    let Some((second, rest)) = digit(rest) else { return Some((first, rest)) };
    let two = first.wrapping_mul(10).wrapping_add(second);
    let Some((third, rest)) = digit(rest) else { return Some((two, rest)) };
    Some((two.checked_mul(10)?.checked_add(third)?, rest))
}

/// One digit as a number.
#[inline]
fn digit(text: &[u8]) -> Option<(u8, &[u8])> {
    let (&first, rest) = text.split_first()?;
    let number = first.wrapping_sub(b'0');
    (number <= 9).then_some((number, rest))
}

/// What follows an address: nothing, or "/" and the length of the prefix.
fn end_or_prefix<'a>(text: &'a [u8], rest: &'a [u8], most: u8, kind: SyntaxError) -> Result<u8, Fault<'a>> {
    match rest.split_first() {
        None => Ok(most),
        Some((b'/', digits)) => prefix(digits, most),
        Some(_) => Err(fault_in(text, kind)),
    }
}

/// A malformed address; a byte in it that has no place in any record (a tab, a line feed) is worth its own word.
fn fault_in(text: &[u8], kind: SyntaxError) -> Fault<'_> {
    match text.iter().position(|byte| !byte.is_ascii_graphic()) {
        Some(at) => Fault::new(text.get(at..).unwrap_or_default(), SyntaxError::BadByte),
        None => Fault::new(text, kind),
    }
}

/// A prefix length: digits without leading zeros, no more than `most`.
fn prefix(digits: &[u8], most: u8) -> Result<u8, Fault<'_>> {
    // ip4-cidr-length = "/" ("0" / %x31-39 0*1DIGIT) and its sister of IPv6 have no leading zeros.
    match qnum(digits) {
        Some((number, [])) if number <= most => Ok(number),
        _ if digits.is_empty() || digits.first() == Some(&b'0') || !digits.iter().all(u8::is_ascii_digit) => {
            Err(Fault::new(digits, SyntaxError::Prefix))
        }
        _ => Err(Fault::new(digits, SyntaxError::PrefixTooLarge)),
    }
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
