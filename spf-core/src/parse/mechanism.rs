//! `mechanism = ( all / include / a / mx / ptr / ip4 / ip6 / exists )` (RFC 7208 §5, §12).

use super::domain_spec::domain_spec;
use super::network::{ip4_network, ip6_network, split_dual_cidr};
use super::{Fault, SyntaxError, Whole};
use crate::record::{DomainSpec, DualCidr, Mechanism};

/// Puts the mechanism of this name, with the arguments behind it, at `place`; `at_name` begins where the name does.
///
/// It is made where it stays and is not returned through several results: copies of it were half the time of parsing.
pub(super) fn mechanism<'a>(
    name: &[u8],
    at_name: &'a [u8],
    behind: &'a [u8],
    whole: Whole<'_>,
    place: &mut Mechanism,
) -> Result<(), Fault<'a>> {
    let Some(known) = Known::from_name(name) else { return Err(unknown(name, at_name, behind)) };
    match known {
        Known::All => {
            end(behind)?;
            *place = Mechanism::All;
        }
        Known::A if behind.is_empty() => *place = Mechanism::A(None, DualCidr::default()),
        Known::A => {
            let (domain, cidr) = optional_domain_and_cidr(behind, whole)?;
            *place = Mechanism::A(domain, cidr);
        }
        Known::Mx if behind.is_empty() => *place = Mechanism::Mx(None, DualCidr::default()),
        Known::Mx => {
            let (domain, cidr) = optional_domain_and_cidr(behind, whole)?;
            *place = Mechanism::Mx(domain, cidr);
        }
        Known::Ptr if behind.is_empty() => *place = Mechanism::Ptr(None),
        Known::Ptr => {
            let domain = domain_spec(argument(behind, SyntaxError::MissingDomain)?, whole)?;
            *place = Mechanism::Ptr(Some(domain));
        }
        Known::Ip4 => {
            let (network, bits) = ip4_network(argument(behind, SyntaxError::MissingAddress)?)?;
            *place = Mechanism::Ip4(network, bits);
        }
        Known::Ip6 => {
            let (network, bits) = ip6_network(argument(behind, SyntaxError::MissingAddress)?)?;
            *place = Mechanism::Ip6(network, bits);
        }
        Known::Include => {
            let domain = domain_spec(argument(behind, SyntaxError::MissingDomain)?, whole)?;
            *place = Mechanism::Include(domain);
        }
        Known::Exists => {
            let domain = domain_spec(argument(behind, SyntaxError::MissingDomain)?, whole)?;
            *place = Mechanism::Exists(domain);
        }
    }
    Ok(())
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
    whole: Whole<'_>,
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
