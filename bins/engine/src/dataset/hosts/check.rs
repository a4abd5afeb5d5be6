//! Entries of a list of hosts that do not do what they look like.

use std::net::{IpAddr, Ipv6Addr};

use super::super::findings::{DATASET_EVERYONE, DATASET_HOST, Report, shown};
use super::super::set::{Dataset, Entry};
use super::{canonical, network};

/// Warns of entries that match nothing, and of those that match everything.
pub(super) fn check(set: &Dataset, report: &mut Report<'_>) {
    for entry in set.entries() {
        let Some((code, cause, fix)) = slip(&entry, set.has_patterns()) else { continue };
        report.note(code, entry.line, || (format!("{cause}: `{}`", shown(entry.key)), fix));
    }
    for entry in set.matching_all() {
        report.note(DATASET_EVERYONE, entry.line, || {
            // It matches the texts with `!` in front, which are asked for first.
            let cause = format!(
                "the pattern matches `!` before any name and address, and so excludes all of them: `{}`",
                shown(entry.key)
            );
            (cause, "remove it, or name networks in a `file:`".to_owned())
        });
    }
}

type Slip = (crate::config::diagnostics::Code, String, String);

fn slip(entry: &Entry<'_>, is_pattern: bool) -> Option<Slip> {
    let host = entry.key.strip_prefix('!').unwrap_or(entry.key);
    if is_pattern && entry.key.starts_with('*') && entry.key.chars().any(|letter| letter != '*') {
        let fix = host.trim_start_matches('*').trim_start_matches('.');
        return Some((
            DATASET_HOST,
            "a pattern that begins with `*` matches `!` and the name first, and so excludes what it names, as in OpenDKIM".into(),
            format!("write `.{}` into a `file:` in place of the `refile:`", shown(fix)),
        ));
    }
    let (text, bits) = match host.split_once('/') {
        Some((text, bits)) => (text, Some(bits)),
        None => (host, None),
    };
    let (inner, is_bracketed) = match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(inner) => (inner, true),
        None => (text, false),
    };
    match inner.parse::<IpAddr>() {
        Ok(address) => address_slip(host, address, bits, is_bracketed, is_pattern),
        Err(_) if is_pattern => None,
        Err(_) => name_slip(host, inner, bits),
    }
}

fn address_slip(host: &str, address: IpAddr, bits: Option<&str>, is_bracketed: bool, is_pattern: bool) -> Option<Slip> {
    let width = if address.is_ipv4() { 32 } else { 128 };
    let never = |cause: String, fix: String| Some((DATASET_HOST, cause, fix));
    let length = match bits {
        None => None,
        Some(text) => match text.parse::<u8>() {
            Ok(length) if length <= width => Some(length),
            _ => {
                let mask = text.parse().ok().and_then(mask_length);
                let fix = match mask {
                    Some(length) => {
                        format!("write `{}`", canonical(network(address, length), Some(length), is_bracketed))
                    }
                    None => format!("write the number of bits, 0 to {width}, behind the slash"),
                };
                return never("what stands behind the slash is no number of bits, so it matches nothing".into(), fix);
            }
        },
    };
    if length == Some(0) {
        return Some((
            DATASET_EVERYONE,
            "the network holds every address of its family".into(),
            "name the networks of your own clients".into(),
        ));
    }
    let right = canonical(length.map_or(address, |length| network(address, length)), length, is_bracketed);
    if right.eq_ignore_ascii_case(host) {
        return if address.to_canonical() == address {
            is_pattern_network(is_pattern, length)
        } else {
            never(
                "an IPv4 address in IPv6 matches only clients that the MTA names so".into(),
                format!("write `{}`", address.to_canonical()),
            )
        };
    }
    let has_host_bits = length.is_some_and(|length| network(address, length) != address);
    let cause = if has_host_bits {
        "bits are set behind the prefix, so it matches nothing, as in OpenDKIM"
    } else {
        "texts are compared, and no address is written so: it matches nothing, as in OpenDKIM"
    };
    never(cause.into(), format!("write `{right}`"))
}

/// A network among patterns matches as it stands, but not what looks like it.
fn is_pattern_network(is_pattern: bool, length: Option<u8>) -> Option<Slip> {
    (is_pattern && length.is_some()).then(|| {
        (
            DATASET_HOST,
            "a network in a `refile:` is a pattern for its own text; it matches only because that text is asked for, written exactly so".into(),
            "put networks into a `file:`".into(),
        )
    })
}

fn name_slip(host: &str, inner: &str, bits: Option<&str>) -> Option<Slip> {
    let never = |cause: &str, fix: String| Some((DATASET_HOST, cause.to_owned(), fix));
    if host.contains([' ', '\t']) {
        return never("white space is in the entry, so it matches nothing", "separate entries with commas".into());
    }
    if let Some(parent) = host.strip_prefix("*.") {
        return never(
            "`*` has no meaning here, so it matches nothing",
            format!("write `.{}`, which is everything below", shown(parent)),
        );
    }
    if host.contains('*') {
        return never(
            "`*` has no meaning here, so it matches nothing",
            "name hosts, `.parent` domains or networks".into(),
        );
    }
    let is_number = !inner.is_empty() && inner.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.');
    if is_number || bits.is_some() || inner.contains(':') || inner.contains(['[', ']']) {
        return never(
            "this is no address, so it matches nothing: IPv4 has four numbers without leading zeros",
            "write the address in full, as in `192.168.1.0/24` or `2001:db8::/32`".into(),
        );
    }
    if let Some(name) = host.strip_suffix('.') {
        return never("names of clients have no final dot, so it matches nothing", format!("write `{}`", shown(name)));
    }
    None
}

/// The number of bits of a netmask such as `255.255.0.0`.
fn mask_length(mask: IpAddr) -> Option<u8> {
    let (bits, width) = match mask {
        IpAddr::V4(mask) => (u128::from(mask.to_bits()), 32_u32),
        IpAddr::V6(mask) => (Ipv6Addr::to_bits(mask), 128_u32),
    };
    let zeros = bits.trailing_zeros().min(width);
    let ones = width.saturating_sub(zeros);
    (bits.count_ones() == ones).then(|| u8::try_from(ones).ok()).flatten()
}
