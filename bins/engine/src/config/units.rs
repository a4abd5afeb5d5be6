//! Times and sizes as people write them: `5s`, `2h`, `14d`, `64KiB`, `1MiB`.
//!
//! A unit is required (`0` alone is allowed): a bare number says nothing about what it counts. Whole numbers only, one unit, no signs. Times
//! know `ms`, `s`, `m`/`min`, `h`, `d`, `w`; sizes know `B`, `KiB`, `MiB`, `GiB` and take `K`, `M`, `G`, `KB`, `MB`, `GB` as the same powers
//! of 1024 that mail software has always meant by them.

use std::time::Duration;

/// Parses a time: `500ms`, `5s`, `10min`, `2h`, `14d`, `2w`.
///
/// # Errors
///
/// A cause in words.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text)?;
    let seconds: u64 = match unit {
        "" if number == 0 => 1,
        "ms" => return Ok(Duration::from_millis(number)),
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        "" => return Err(format!("`{text}` has no unit")),
        other => return Err(format!("`{other}` is not a unit of time")),
    };
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(|| format!("`{text}` is too long"))
}

/// Parses a number of octets. The error is a cause in words.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text)?;
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" if number == 0 => 1,
        "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        "" => return Err(format!("`{text}` has no unit")),
        _ => return Err(format!("`{unit}` is not a unit of size")),
    };
    number.checked_mul(factor).ok_or_else(|| format!("`{text}` is too large"))
}

/// The shortest exact spelling of a time.
pub(crate) fn format_duration(time: Duration) -> String {
    let seconds = time.as_secs();
    if time.subsec_millis() != 0 {
        return format!("{}ms", time.as_millis());
    }
    for (unit, size) in [("d", 86_400), ("h", 3600), ("min", 60)] {
        if seconds >= size && seconds.is_multiple_of(size) {
            return format!("{}{unit}", seconds.div_euclid(size));
        }
    }
    format!("{seconds}s")
}

/// The shortest exact spelling of a size.
pub(crate) fn format_size(octets: u64) -> String {
    for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] {
        if octets >> shift > 0 && octets.trailing_zeros() >= shift {
            return format!("{}{unit}", octets >> shift);
        }
    }
    format!("{octets}B")
}

/// Number and unit of `12 KiB`.
fn split(text: &str) -> Result<(u64, &str), String> {
    let digits = text.len().saturating_sub(text.trim_start_matches(|c: char| c.is_ascii_digit()).len());
    let (number, unit) = text.split_at_checked(digits).unwrap_or((text, ""));
    let number = number.parse().map_err(|_| format!("`{text}` does not begin with a whole number"))?;
    Ok((number, unit.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_unit() {
        for (text, expected) in [
            ("5s", 5_000),
            ("250ms", 250),
            ("2h", 7_200_000),
            ("1 d", 86_400_000),
            ("3m", 180_000),
            ("3min", 180_000),
            ("2w", 1_209_600_000),
            ("0", 0),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(expected)), "{text}");
        }
        for text in ["5", "", "s", "-5s", "5 parsecs", "1h30m", "99999999999999999999s", "18446744073709551615w", "１s"]
        {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        for (text, expected) in [
            ("64KiB", 65_536),
            ("64K", 65_536),
            ("1MiB", 1 << 20),
            ("1 mb", 1 << 20),
            ("7B", 7),
            ("0", 0),
            ("2GiB", 1 << 31),
        ] {
            assert_eq!(parse_size(text), Ok(expected), "{text}");
        }
        for text in ["64", "", "KiB", "1.5MiB", "1TiB", "18446744073709551615KiB"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_printed_reads_back() {
        for seconds in [0, 1, 59, 60, 61, 3600, 7200, 86_400, 90_000] {
            let time = Duration::from_secs(seconds);
            assert_eq!(parse_duration(&format_duration(time)), Ok(time));
        }
        assert_eq!(format_duration(Duration::from_millis(1500)), "1500ms");
        for octets in [0, 1, 1023, 1024, 1025, 1 << 20, 3 << 30] {
            assert_eq!(parse_size(&format_size(octets)), Ok(octets));
        }
        assert_eq!(format_size(65_536), "64KiB");
    }
}
