//! The files of a journal: their names, which sort by age, and places in them.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What every segment's name ends with.
const SUFFIX: &str = ".journal";

/// The name of a segment: `SECONDS-NUMBER.journal`, the time it was begun (Unix time, twelve digits) and a number that makes it the only one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentName {
    seconds: u64,
    number: u32,
}

/// Most seconds that twelve digits can write.
const MAX_SECONDS: u64 = 999_999_999_999;

/// Most that the six digits of a number can write.
const MAX_NUMBER: u32 = 999_999;

impl SegmentName {
    /// A name for a segment begun at `now` (seconds since the epoch) that sorts behind `last`, whatever the clock did since.
    pub(super) fn after(last: Option<Self>, now: u64) -> Self {
        let fresh = Self { seconds: now.min(MAX_SECONDS), number: 0 };
        match last {
            Some(last) if last >= fresh && last.number < MAX_NUMBER => {
                Self { number: last.number.saturating_add(1), ..last }
            }
            Some(last) if last >= fresh => Self { seconds: last.seconds.saturating_add(1).min(MAX_SECONDS), number: 0 },
            _ => fresh,
        }
    }

    /// The time it was begun, in seconds since the epoch; after a clock that went back, that of the segment before.
    #[must_use]
    pub fn begun(self) -> u64 {
        self.seconds
    }

    pub(super) fn path(self, folder: &Path) -> PathBuf {
        folder.join(self.to_string())
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012}-{:06}{SUFFIX}", self.seconds, self.number)
    }
}

/// A text that is not the name of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a journal segment")]
pub struct NotASegment;

impl FromStr for SegmentName {
    type Err = NotASegment;

    fn from_str(text: &str) -> Result<Self, NotASegment> {
        let (seconds, number) = text.strip_suffix(SUFFIX).and_then(|stem| stem.split_once('-')).ok_or(NotASegment)?;
        let has_digits = |text: &str, count| text.len() == count && text.bytes().all(|octet| octet.is_ascii_digit());
        if !has_digits(seconds, 12) || !has_digits(number, 6) {
            return Err(NotASegment);
        }
        let (Ok(seconds), Ok(number)) = (seconds.parse(), number.parse()) else { return Err(NotASegment) };
        Ok(Self { seconds, number })
    }
}

impl Serialize for SegmentName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SegmentName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A place in a journal: everything before it was read. Kept with what was made of it, nothing counts twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// The segment.
    pub segment: SegmentName,
    /// Octets from its beginning.
    pub offset: u64,
}

/// The segments of a folder, oldest first. Other files are passed over.
pub(super) fn list(folder: &Path) -> io::Result<Vec<SegmentName>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.extend(entry?.file_name().to_str().and_then(|name| name.parse::<SegmentName>().ok()));
    }
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_as_they_were_given_even_when_the_clock_goes_back() {
        let mut last = None;
        let mut names = Vec::new();
        for now in [5, 5, 7, 3, 0, 7, u64::MAX, 8, 9] {
            last = Some(SegmentName::after(last, now));
            names.push(last.unwrap().to_string());
        }
        assert_eq!(
            names[..3],
            ["000000000005-000000.journal", "000000000005-000001.journal", "000000000007-000000.journal"]
        );
        let mut sorted = names.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted, names);
        for name in names {
            assert_eq!(name.parse::<SegmentName>().unwrap().to_string(), name);
        }
    }

    #[test]
    fn numbers_run_over_into_seconds() {
        let last = SegmentName { seconds: 5, number: MAX_NUMBER };
        assert_eq!(SegmentName::after(Some(last), 5), SegmentName { seconds: 6, number: 0 });
    }

    #[test]
    fn other_names_are_none() {
        for name in ["", ".journal", "5-0.journal", "000000000005-000000", "+00000000005-000000.journal", "a-b.journal"]
        {
            assert_eq!(name.parse::<SegmentName>(), Err(NotASegment), "{name}");
        }
    }
}
