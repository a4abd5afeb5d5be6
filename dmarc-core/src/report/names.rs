//! The names of a report: its Report-ID, its file, and the Subject of its mail (RFC 9990 §3.5).
//!
//! All three are made from what the report is about and nothing else, so that another try, or another host, gives the same names: a report that is sent again has to have the file name that it had (§3.5.2).

/// Octets of a part of a file name: together they stay below what mail systems cut.
const MAX_PART: usize = 100;

/// A Report-ID, `YYYYMMDD.HASH@DOMAIN`: `ridfmt = dot-atom-text ["@" dot-atom-text]`, and unique for a policy domain.
///
/// *Inputs*: what the report is about: the first second of its period, the domain at which the record was found, a hash of the record's configuration, and our organization; and the
/// domain that reports. *Result*: the same for the same inputs.
///
/// ```
/// use dmarc_core::report::names::report_id;
///
/// let id = report_id(1_795_478_400, "example.com", 7, "Example Org", "mx.example");
/// assert_eq!(id, report_id(1_795_478_400, "EXAMPLE.com", 7, "Example Org", "mx.example"));
/// assert!(id.starts_with("20261124.") && id.ends_with("@mx.example"));
/// ```
#[must_use]
pub fn report_id(begin: u64, policy_domain: &str, policy_hash: u64, org_name: &str, our_domain: &str) -> String {
    let (year, month, day) = date(begin);
    let mut hash = Hash::new();
    hash.add(policy_domain.to_ascii_lowercase().as_bytes());
    hash.add(&policy_hash.to_be_bytes());
    hash.add(&begin.to_be_bytes());
    hash.add(org_name.as_bytes());
    format!("{year:04}{month:02}{day:02}.{}@{}", hash.base32(), atoms(our_domain))
}

/// The file name: `receiver "!" policy-domain "!" begin "!" end "!" unique-id ".xml.gz"` (RFC 9990 §3.5.2).
///
/// The unique id is the first part of the Report-ID, as hexadecimal digits.
#[must_use]
pub fn file_name(receiver: &str, policy_domain: &str, begin: u64, end: u64, report_id: &str) -> String {
    let mut hash = Hash::new();
    hash.add(report_id.as_bytes());
    format!("{}!{}!{begin}!{end}!{:016x}.xml.gz", part(receiver), part(policy_domain), hash.value())
}

/// The value of Subject, on one line: `Report Domain: D Submitter: S Report-ID: <id>`.
#[must_use]
pub fn subject(policy_domain: &str, submitter: &str, report_id: &str) -> String {
    format!("Report Domain: {} Submitter: {} Report-ID: <{report_id}>", part(policy_domain), part(submitter))
}

/// A name with nothing but what a domain has, so that it is one word everywhere.
fn part(name: &str) -> String {
    let kept = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b'_');
    name.bytes().take(MAX_PART).map(|octet| if kept(octet) { octet.to_ascii_lowercase().into() } else { '-' }).collect()
}

/// The same without dots at the ends or beside each other, which no dot-atom has.
fn atoms(name: &str) -> String {
    let part = part(name);
    let atoms: Vec<&str> = part.split('.').filter(|atom| !atom.is_empty()).collect();
    if atoms.is_empty() { "localhost".to_owned() } else { atoms.join(".") }
}

/// The date in UTC (days of the civil calendar from days since 1970).
fn date(seconds: u64) -> (u64, u64, u64) {
    // Eras of 400 years, which begin in March, so that the day that comes and goes is the last one.
    let days = (seconds / 86_400).saturating_add(719_468);
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era =
        of_era.saturating_sub(of_era / 1460).saturating_add(of_era / 36_524).saturating_sub(of_era / 146_096) / 365;
    let before = year_of_era.saturating_mul(365).saturating_add(year_of_era / 4).saturating_sub(year_of_era / 100);
    let of_year = of_era.saturating_sub(before);
    let month_from_march = of_year.saturating_mul(5).saturating_add(2) / 153;
    let day = of_year.saturating_sub(month_from_march.saturating_mul(153).saturating_add(2) / 5).saturating_add(1);
    let month =
        if month_from_march < 10 { month_from_march.saturating_add(3) } else { month_from_march.saturating_sub(9) };
    let year = year_of_era.saturating_add(era.saturating_mul(400)).saturating_add(u64::from(month <= 2));
    (year, month, day)
}

/// FNV-1a of parts, with a mixing step: names, not secrets.
struct Hash(u64);

impl Hash {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, part: &[u8]) {
        // The length keeps parts apart.
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes();
        for octet in part.iter().chain(&length) {
            self.0 = (self.0 ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn value(&self) -> u64 {
        let mut hash = self.0 ^ (self.0 >> 33);
        hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash ^ (hash >> 33)
    }

    /// 13 characters of RFC 4648 §6, in lower case.
    fn base32(&self) -> String {
        const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        let value = self.value();
        (0..13_u32)
            .rev()
            .map(|digit| {
                let index = usize::try_from((value >> digit.saturating_mul(5)) & 31).unwrap_or(0);
                char::from(DIGITS.get(index).copied().unwrap_or(b'a'))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_the_civil_calendar() {
        for (seconds, expected) in [
            (0, (1970, 1, 1)),
            (951_782_400, (2000, 2, 29)),
            (951_868_800, (2000, 3, 1)),
            (1_709_164_800, (2024, 2, 29)),
            (1_767_225_599, (2025, 12, 31)),
            (1_795_478_400, (2026, 11, 24)),
            (4_107_542_400, (2100, 3, 1)),
        ] {
            assert_eq!(date(seconds), expected);
        }
    }

    #[test]
    fn r8_a_report_id_is_a_dot_atom_that_everything_a_report_is_about_changes() {
        let ids = [
            report_id(1_795_478_400, "example.com", 1, "Org", "mx.example"),
            report_id(1_795_564_800, "example.com", 1, "Org", "mx.example"),
            report_id(1_795_478_400, "example.net", 1, "Org", "mx.example"),
            report_id(1_795_478_400, "example.com", 2, "Org", "mx.example"),
            report_id(1_795_478_400, "example.com", 1, "Other", "mx.example"),
        ];
        for (index, id) in ids.iter().enumerate() {
            let (local, domain) = id.split_once('@').unwrap();
            let is_atom = |text: &str| {
                text.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(|octet| octet.is_ascii_alphanumeric()))
            };
            assert!(is_atom(local) && domain == "mx.example", "{id}");
            assert!(ids.iter().skip(index + 1).all(|other| other != id));
        }
        assert!(report_id(0, "d", 1, "o", "..bad name\r\n..").ends_with("@bad-name--"));
        assert!(report_id(0, "d", 1, "o", "...").ends_with("@localhost"));
    }

    #[test]
    fn r7_r8_file_name_and_subject() {
        let id = report_id(1_795_478_400, "example.com", 1, "Org", "mx.example");
        let file = file_name("MX.example", "example.com", 1_795_478_400, 1_795_564_799, &id);
        let parts: Vec<&str> = file.strip_suffix(".xml.gz").unwrap().split('!').collect();
        assert_eq!(parts[..4], ["mx.example", "example.com", "1795478400", "1795564799"]);
        assert!(parts[4].len() == 16 && parts[4].bytes().all(|octet| octet.is_ascii_hexdigit()) && parts.len() == 5);
        assert_eq!(
            subject("example.com", "mx.example", &id),
            format!("Report Domain: example.com Submitter: mx.example Report-ID: <{id}>")
        );
        // What is no name breaks neither a file name nor a header field.
        assert!(!file_name("a/../b!", "c\r\nd", 0, 1, &id).contains(['/', '\r', '\n']));
        assert_eq!(subject("a\r\nBcc: x", "b", "i").lines().count(), 1);
    }
}
