//! Words, numbers, times and addresses as they come.

use std::net::IpAddr;

/// The text of an element: references resolved, without control characters, trimmed.
pub(super) fn unescaped(text: &str) -> String {
    if text.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'&') {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.find('&') {
        let (before, reference) = rest.split_at(place);
        out.push_str(before);
        let end = reference.find(';').filter(|&end| end <= 10);
        let name = end.and_then(|end| reference.get(1..end));
        match name.and_then(referred) {
            Some(char) => {
                out.push(char);
                rest = end.and_then(|end| reference.get(end.saturating_add(1)..)).unwrap_or_default();
            }
            // Many do not escape it.
            None => {
                out.push('&');
                rest = reference.get(1..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    let trimmed = out.trim();
    if trimmed.chars().any(char::is_control) {
        return trimmed
            .chars()
            .map(|char| if char.is_control() { char::REPLACEMENT_CHARACTER } else { char })
            .collect();
    }
    if trimmed.len() == out.len() { out } else { trimmed.to_owned() }
}

/// The references of XML 1.0 §4.6, numbers, and the one of HTML that is met.
fn referred(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some(' '),
        _ => {
            let number = name.strip_prefix('#')?;
            let number = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            number.ok().map(|number| char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER))
        }
    }
}

/// Seconds since the epoch, of seconds (with a fraction), milliseconds, or `YYYY-MM-DD[T ]HH:MM:SS`, which is UTC.
pub(super) fn time(text: &str) -> Option<u64> {
    let (whole, _) = text.split_once('.').unwrap_or((text, ""));
    if let Ok(number) = whole.parse::<u64>() {
        // As seconds it would be the year 5138.
        return Some(if number >= 100_000_000_000 { number / 1000 } else { number });
    }
    let mut numbers = text.split(['-', 'T', ' ', ':', 'Z', '+', '.']).map(str::parse::<u64>);
    let mut next = || numbers.next().and_then(Result::ok);
    let (year, month, day) = (next()?, next()?, next()?);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (hour, minute, second) =
        (next().unwrap_or(0).min(24), next().unwrap_or(0).min(59), next().unwrap_or(0).min(60));
    let seconds = days_since_epoch(year, month, day).saturating_mul(86_400).saturating_add(hour.saturating_mul(3600));
    Some(seconds.saturating_add(minute.saturating_mul(60)).saturating_add(second))
}

/// Days of the Gregorian calendar; years begin in March, so that the leap day is the last.
fn days_since_epoch(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) =
        if month > 2 { (year, month.saturating_sub(3)) } else { (year.saturating_sub(1), month.saturating_add(9)) };
    let leap_days = (year / 4).saturating_sub(year / 100).saturating_add(year / 400);
    let in_year = month.saturating_mul(153).saturating_add(2) / 5;
    let days = year.saturating_mul(365).saturating_add(leap_days).saturating_add(in_year).saturating_add(day);
    // The first of January 1970, counted so, is day 719,469.
    days.saturating_sub(719_469)
}

/// A number of messages: `3`, `3.0`, one that is too large; 0 for anything else.
pub(super) fn count(text: &str) -> u64 {
    let (whole, _) = text.split_once('.').unwrap_or((text, ""));
    let whole = whole.strip_prefix('+').unwrap_or(whole);
    if whole.is_empty() || !whole.bytes().all(|octet| octet.is_ascii_digit()) {
        return 0;
    }
    whole.parse().unwrap_or(u64::MAX)
}

/// An address: with brackets, with blanks, with a length of prefix, IPv4 in IPv6.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_start_matches('[').trim_end_matches(']');
    let text = text.strip_prefix("IPv6:").unwrap_or(text);
    let (text, _) = text.split_once(['/', '%']).unwrap_or((text, ""));
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// A text in lower case.
pub(super) fn lower(mut text: String) -> String {
    if !text.is_ascii() {
        return text.to_lowercase();
    }
    text.make_ascii_lowercase();
    text
}

/// A word in one spelling: lower case, "_" for blanks and hyphens.
pub(super) fn word(mut text: String) -> String {
    text.make_ascii_lowercase();
    if text.contains([' ', '-']) { text.replace([' ', '-'], "_") } else { text }
}

/// A result of DKIM or SPF: other names of RFC 8601's words are replaced by them. RFC 7489 Appendix C tells two of them: "TempError" commonly implemented
/// as "unknown", "PermError" commonly implemented as "error".
pub(super) fn result(text: String) -> String {
    let word = word(text);
    let same = match word.as_str() {
        "hardfail" | "hard_fail" => "fail",
        "soft_fail" => "softfail",
        "permfail" | "perm_fail" | "perm_error" | "error" => "permerror",
        "tempfail" | "temp_fail" | "temp_error" | "unknown" => "temperror",
        _ => return word,
    };
    same.to_owned()
}

/// Whether an identifier gave an aligned pass. Never guessed: an unknown word is neither.
pub(super) fn is_pass(text: String) -> Option<bool> {
    match result(text).as_str() {
        "pass" => Some(true),
        "fail" => Some(false),
        _ => None,
    }
}
