//! When a report is sent, and when again.
//!
//! All of this is arithmetic on seconds since 1970, in UTC: a day of a report is one of UTC (RFC 9990 §3.5: reports of different days must not overlap), and no time zone and no change of the
//! clock for summer can make it longer.

/// Seconds of a day.
pub const DAY: u64 = 86_400;

/// Reports are sent this long after the end of their day at the earliest: until then rows of late messages, and of other hosts, come in.
pub const EARLIEST: u64 = 30 * 60;

/// And begun to be sent this long after it at the latest.
pub const LATEST: u64 = 6 * 3600;

/// The first pause after a failed attempt; each further one is twice as long.
pub const FIRST_PAUSE: u64 = 300;

/// The longest pause.
pub const LONGEST_PAUSE: u64 = 4 * 3600;

/// A report that could not be sent for so long is given up: "MAY cache … or MAY discard" (RFC 9990 §3.5).
pub const GIVE_UP_AFTER: u64 = 48 * 3600;

/// The first and the last second of a day, counted from 1970.
#[must_use]
pub fn period(day: u32) -> (u64, u64) {
    let begin = u64::from(day).saturating_mul(DAY);
    (begin, begin.saturating_add(DAY).saturating_sub(1))
}

/// The day that a second is in.
#[must_use]
pub fn day_of(now: u64) -> u32 {
    u32::try_from(now / DAY).unwrap_or(u32::MAX)
}

/// When a report about a domain is due: between [`EARLIEST`] and [`LATEST`].
///
/// Each domain has a time of its own, the same each day, so that neither we nor those who receive reports of many have all of them at once. `host`: our name, so that not all reporters
/// choose the same time.
#[must_use]
pub fn due(day: u32, policy_domain: &str, host: &str) -> u64 {
    let (_, last) = period(day);
    let spread = LATEST.saturating_sub(EARLIEST);
    let offset = hash(policy_domain, host).checked_rem(spread).unwrap_or_default();
    last.saturating_add(1).saturating_add(EARLIEST).saturating_add(offset)
}

/// When the next attempt is, after `attempts` failed ones, the last of them at `now`; `None`: it is given up. `created`: when the report was made.
#[must_use]
pub fn again(attempts: u32, now: u64, created: u64) -> Option<u64> {
    if now.saturating_sub(created) >= GIVE_UP_AFTER {
        return None;
    }
    let doublings = attempts.saturating_sub(1).min(16);
    let pause = FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
    // The last attempt is at the end, not behind it.
    Some(now.saturating_add(pause).min(created.saturating_add(GIVE_UP_AFTER)).max(now.saturating_add(1)))
}

/// FNV-1a with a mixing step behind it: spread, not secrecy.
pub(super) fn hash(first: &str, second: &str) -> u64 {
    let octets = first.bytes().map(|octet| octet.to_ascii_lowercase()).chain([0]).chain(second.bytes());
    let mut hash =
        octets.fold(0xcbf2_9ce4_8422_2325_u64, |hash, octet| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3));
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r3_a_period_is_one_day_of_utc_and_periods_do_not_overlap() {
        // 2026-11-24
        assert_eq!(period(20_781), (1_795_478_400, 1_795_564_799));
        assert_eq!((day_of(1_795_478_400), day_of(1_795_564_799), day_of(1_795_564_800)), (20_781, 20_781, 20_782));
        assert_eq!(period(20_782).0, period(20_781).1 + 1);
    }

    #[test]
    fn each_domain_has_its_own_time_and_all_of_them_fill_the_hours() {
        let (_, last) = period(20_781);
        let times: Vec<u64> =
            (0..2000).map(|number| due(20_781, &format!("d{number}.example"), "mx.example") - last - 1).collect();
        assert!(times.iter().all(|time| (EARLIEST..LATEST).contains(time)));
        // Eleven half hours: none has less than half or more than twice its share.
        for slot in 0..11 {
            let from = EARLIEST + slot * 1800;
            let share = times.iter().filter(|time| (from..from + 1800).contains(*time)).count();
            assert!((91..364).contains(&share), "{slot}: {share}");
        }
        assert_eq!(due(20_781, "D1.example", "mx.example"), due(20_781, "d1.example", "mx.example"));
        assert_ne!(due(20_781, "d1.example", "mx.example"), due(20_781, "d1.example", "mx2.example"));
    }

    #[test]
    fn pauses_double_to_four_hours_and_end_after_two_days() {
        let pauses: Vec<u64> = (1..9).map(|attempts| again(attempts, 0, 0).unwrap()).collect();
        assert_eq!(pauses, [300, 600, 1200, 2400, 4800, 9600, 14_400, 14_400]);
        let (mut now, mut attempts) = (0, 0);
        while let Some(next) = again(attempts + 1, now, 0) {
            attempts += 1;
            now = next;
        }
        assert_eq!((now, attempts), (GIVE_UP_AFTER, 17));
        assert_eq!(again(3, u64::MAX, 0), None);
        assert_eq!(again(u32::MAX, 10, 10), Some(14_410));
    }
}
