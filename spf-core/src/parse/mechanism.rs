//! `mechanism = ( all / include / a / mx / ptr / ip4 / ip6 / exists )` (RFC 7208 §5, §12).

use super::domain_spec::domain_spec;
use super::network::{ip4_network, ip6_network, split_dual_cidr};
use super::{Fault, SyntaxError, Whole};
use crate::record::{DomainSpec, DualCidr, Mechanism};

/// The mechanism of this name with the arguments behind it; `at_name` begins where the name does.
pub(super) fn mechanism<'a>(
    name: &[u8],
    at_name: &'a [u8],
    behind: &'a [u8],
    whole: Whole<'_>,
) -> Result<Mechanism, Fault<'a>> {
    // §4.6.1: names of mechanisms are strings of ABNF and so match in any case.
    match Known::from_name(name) {
        Some(Known::All) => end(behind).map(|()| Mechanism::All),
        Some(Known::A) => optional_domain_and_cidr(behind, whole).map(|(domain, cidr)| Mechanism::A(domain, cidr)),
        Some(Known::Mx) => optional_domain_and_cidr(behind, whole).map(|(domain, cidr)| Mechanism::Mx(domain, cidr)),
        Some(Known::Ptr) if behind.is_empty() => Ok(Mechanism::Ptr(None)),
        Some(Known::Ptr) => match behind.strip_prefix(b":") {
            Some(argument) => domain_spec(argument, whole).map(|domain| Mechanism::Ptr(Some(domain))),
            None => Err(Fault::new(behind, unexpected(behind))),
        },
        Some(Known::Ip4) => {
            ip4_network(argument(behind, SyntaxError::MissingAddress)?).map(|(ip, bits)| Mechanism::Ip4(ip, bits))
        }
        Some(Known::Ip6) => {
            ip6_network(argument(behind, SyntaxError::MissingAddress)?).map(|(ip, bits)| Mechanism::Ip6(ip, bits))
        }
        Some(Known::Include) => required_domain(behind, whole).map(Mechanism::Include),
        Some(Known::Exists) => required_domain(behind, whole).map(Mechanism::Exists),
        None if name.eq_ignore_ascii_case(b"redirect") || name.eq_ignore_ascii_case(b"exp") => {
            Err(Fault::new(at_name, SyntaxError::ModifierAsMechanism))
        }
        None if unexpected(behind) == SyntaxError::BadByte => Err(Fault::new(behind, SyntaxError::BadByte)),
        None => Err(Fault::new(at_name, SyntaxError::UnknownMechanism)),
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
    fn from_name(name: &[u8]) -> Option<Self> {
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        Some(match name.len() {
            1 if is(b"a") => Self::A,
            2 if is(b"mx") => Self::Mx,
            3 if is(b"ip4") => Self::Ip4,
            3 if is(b"ip6") => Self::Ip6,
            3 if is(b"all") => Self::All,
            3 if is(b"ptr") => Self::Ptr,
            6 if is(b"exists") => Self::Exists,
            7 if is(b"include") => Self::Include,
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

/// `":" domain-spec`
fn required_domain<'a>(behind: &'a [u8], whole: Whole<'_>) -> Result<DomainSpec, Fault<'a>> {
    domain_spec(argument(behind, SyntaxError::MissingDomain)?, whole)
}

/// `[ ":" domain-spec ] [ dual-cidr-length ]`
fn optional_domain_and_cidr<'a>(
    behind: &'a [u8],
    whole: Whole<'_>,
) -> Result<(Option<DomainSpec>, DualCidr), Fault<'a>> {
    if behind.is_empty() {
        return Ok((None, DualCidr::default()));
    }
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
