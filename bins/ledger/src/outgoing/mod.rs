//! Aggregate reports on their way: from rows of a day to mail that was taken.
//!
//! ```text
//!  out_day ─freeze─► report_out (XML, once for all nodes) ─address─► report_delivery, one a recipient ─deliver─► sent
//!             │ schedule            │ DMARC record read again, rua=          │ lease, compose, sign, transport
//!             └ nobody qualifies:   └ external destinations asked            └ retry, rejected, expired, suppressed
//!               nothing
//! ```
//!
//! Each step is a change of state in the database, made by whoever gets there first; a crash between two of them repeats a step that can be repeated. What cannot be repeated is the
//! transmission: a delivery is `sending` from before its first octet, and who finds it so after a crash does not know whether it was taken.

pub mod address;
pub mod compose;
pub mod deliver;
pub mod enlist;
pub mod freeze;
pub mod schedule;
pub mod suppression;
pub mod transport;

use dmarc_core::report::Format;

/// As whom reports are made, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// RFC 9990's `org_name`.
    pub org_name: String,
    /// The address that reports come from.
    pub email: String,
    /// More about how to ask.
    pub extra_contact_info: Option<String>,
    /// The form of reports.
    pub format: Format,
    /// Our name as a receiver of mail: in file names, Subject and Report-ID.
    pub receiver: String,
    /// This node, for leases.
    pub node: String,
    /// Addresses of one record that get a report.
    pub max_recipients: usize,
    /// Whether a size behind an address (`!10m`) is kept to.
    pub honors_size: bool,
    /// What happens to a delivery whose outcome nobody knows.
    pub on_unknown: OnUnknown,
}

/// What happens to a delivery whose outcome nobody knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnUnknown {
    /// It is sent once more, under the same names, so that who has it already passes over the second (RFC 9990 §3.5.2).
    #[default]
    Resend,
    /// It is left for an operator.
    Hold,
}

impl Settings {
    /// Settings with the usual choices; the domain of the address is the receiver's name.
    #[must_use]
    pub fn new(org_name: &str, email: &str, node: &str) -> Self {
        let domain = email.rsplit_once('@').map_or(email, |(_, domain)| domain);
        Self {
            org_name: org_name.to_owned(),
            email: email.to_owned(),
            extra_contact_info: None,
            format: Format::Rfc9990,
            receiver: domain.to_ascii_lowercase(),
            node: node.to_owned(),
            max_recipients: 5,
            honors_size: true,
            on_unknown: OnUnknown::Resend,
        }
    }
}

/// The time, from one that was given: while a server is waited for, it goes on.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    begin: u64,
    since: std::time::Instant,
}

impl Clock {
    /// It is `now`, in seconds since 1970.
    #[must_use]
    pub fn starting_at(now: u64) -> Self {
        Self { begin: now, since: std::time::Instant::now() }
    }

    /// Seconds since 1970.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.begin.saturating_add(self.since.elapsed().as_secs())
    }
}

/// A number of the database that is never negative.
fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A time or count for the database.
fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
