//! `mechanism = ( all / include / a / mx / ptr / ip4 / ip6 / exists )` (RFC 7208 §5, §12).

use std::mem;

use super::domain_spec::domain_spec;
use super::network::{ip4_network, ip6_network, split_dual_cidr};
use super::{Fault, SyntaxError, Whole};
use crate::record::{Directive, DomainSpec, DualCidr, Mechanism, TermKind};

/// Puts the mechanism of this name, with the arguments behind it, at `place`; `at_name` begins where the name does.
///
/// It is made where it stays and is not returned through several results: copies of it were half the time of parsing.
pub(super) fn mechanism<'a>(
    name: &[u8],
    at_name: &'a [u8],
    behind: &'a [u8],
    whole: &Whole<'_>,
    place: &mut Mechanism,
) -> Result<(), Fault<'a>> {
    // What is there has nothing to drop; to look whether it has took longer than to write.
    let mut put = |mechanism| mem::forget(mem::replace(place, mechanism));
    let Some(known) = Known::from_name(name) else { return Err(unknown(name, at_name, behind)) };
    match known {
        Known::All => {
            end(behind)?;
            put(Mechanism::All);
        }
        Known::A if behind.is_empty() => put(Mechanism::A(None, DualCidr::default())),
        Known::A => {
            let (domain, cidr) = optional_domain_and_cidr(behind, whole)?;
            put(Mechanism::A(domain, cidr));
        }
        Known::Mx if behind.is_empty() => put(Mechanism::Mx(None, DualCidr::default())),
        Known::Mx => {
            let (domain, cidr) = optional_domain_and_cidr(behind, whole)?;
            put(Mechanism::Mx(domain, cidr));
        }
        Known::Ptr if behind.is_empty() => put(Mechanism::Ptr(None)),
        Known::Ptr => {
            let domain = domain_spec(argument(behind, SyntaxError::MissingDomain)?, whole)?;
            put(Mechanism::Ptr(Some(domain)));
        }
        Known::Ip4 => {
            let (network, bits) = ip4_network(argument(behind, SyntaxError::MissingAddress)?)?;
            put(Mechanism::Ip4(network, bits));
        }
        Known::Ip6 => {
            let (network, bits) = ip6_network(argument(behind, SyntaxError::MissingAddress)?)?;
            put(Mechanism::Ip6(network, bits));
        }
        Known::Include => {
            let domain = domain_spec(argument(behind, SyntaxError::MissingDomain)?, whole)?;
            put(Mechanism::Include(domain));
        }
        Known::Exists => {
            let domain = domain_spec(argument(behind, SyntaxError::MissingDomain)?, whole)?;
            put(Mechanism::Exists(domain));
        }
    }
    Ok(())
}

/// `include` as it is usually spelled, the most frequent mechanism but one (see [`record`](super::record)): put at `place`, which holds nothing yet.
/// `false` for all other terms. [`mechanism`] would come to the same, with more steps.
#[inline]
pub(super) fn usual<'a>(text: &'a [u8], whole: &Whole<'_>, place: &mut TermKind) -> Result<bool, Fault<'a>> {
    let TermKind::Directive(Directive { mechanism: place, .. }) = place else { return Ok(false) };
    let Some(argument @ [_, ..]) = text.strip_prefix(b"include:") else { return Ok(false) };
    mem::forget(mem::replace(place, Mechanism::Include(domain_spec(argument, whole)?)));
    Ok(true)
}

/// Why a name is no mechanism.
fn unknown<'a>(name: &[u8], at_name: &'a [u8], behind: &'a [u8]) -> Fault<'a> {
    if name.eq_ignore_ascii_case(b"redirect") || name.eq_ignore_ascii_case(b"exp") {
        return Fault::new(at_name, SyntaxError::ModifierAsMechanism);
    }
    match unexpected(behind) {
        SyntaxError::BadByte => Fault::new(behind, SyntaxError::BadByte),
        _ => Fault::new(at_name, SyntaxError::UnknownMechanism),
    }
}

#[derive(Debug, Clone, Copy)]
enum Known {
    All,
    Include,
    A,
    Mx,
    Ptr,
    Ip4,
    Ip6,
    Exists,
}

impl Known {
    /// §4.6.1: names of mechanisms are strings of ABNF and so match in any case.
    fn from_name(name: &[u8]) -> Option<Self> {
        Some(match name {
            [b'i' | b'I', b'p' | b'P', b'4'] => Self::Ip4,
            [b'i' | b'I', b'p' | b'P', b'6'] => Self::Ip6,
            [b'a' | b'A'] => Self::A,
            [b'm' | b'M', b'x' | b'X'] => Self::Mx,
            [b'a' | b'A', b'l' | b'L', b'l' | b'L'] => Self::All,
            [b'p' | b'P', b't' | b'T', b'r' | b'R'] => Self::Ptr,
            _ if name.eq_ignore_ascii_case(b"include") => Self::Include,
            _ if name.eq_ignore_ascii_case(b"exists") => Self::Exists,
            _ => return None,
        })
    }
}

/// What is behind the ":" that has to be there.
fn argument(behind: &[u8], missing: SyntaxError) -> Result<&[u8], Fault<'_>> {
    match behind.split_first() {
        Some((b':', argument)) if !argument.is_empty() => Ok(argument),
        None | Some((b':', _)) => Err(Fault::new(behind, missing)),
        Some(_) => Err(Fault::new(behind, unexpected(behind))),
    }
}

/// `[ ":" domain-spec ] [ dual-cidr-length ]`
fn optional_domain_and_cidr<'a>(
    behind: &'a [u8],
    whole: &Whole<'_>,
) -> Result<(Option<DomainSpec>, DualCidr), Fault<'a>> {
    let (domain, cidr) = split_dual_cidr(behind)?;
    let domain = match domain.split_first() {
        None => None,
        Some((b':', argument)) => Some(domain_spec(argument, whole)?),
        Some(_) => return Err(Fault::new(behind, unexpected(behind))),
    };
    Ok((domain, cidr))
}

/// Nothing may follow.
fn end(behind: &[u8]) -> Result<(), Fault<'_>> {
    if behind.is_empty() { Ok(()) } else { Err(Fault::new(behind, unexpected(behind))) }
}

/// What to call text that should not be there: a control character (a tab between terms, say) is worth its own word.
fn unexpected(text: &[u8]) -> SyntaxError {
    match text.first() {
        Some(byte) if !byte.is_ascii_graphic() => SyntaxError::BadByte,
        Some(b'/') => SyntaxError::Prefix,
        _ => SyntaxError::Unexpected,
    }
}
