//! What is old goes: rows of days whose reports are long sent, later the sums of those days, and what no row names any more.
//!
//! Rows go first, a policy and day at a time, in transactions of some thousand, so that nobody who counts waits for long; then reports; then names. Whatever
//! ends in between, the next call goes on: each step only looks at what is there.
//!
//! Names (domains, policies, results, reasons) have numbers that the roll-up keeps in memory. The transaction that takes names away changes `epoch` first, which
//! the roll-up reads, and locks, before it uses a number.

use std::time::Duration;

use crate::outgoing::deliver::LONGEST_SUPPRESSION;
use crate::store::{Cell, Kind, Store, StoreError, Value};

/// How long rows and reports are kept.
pub const KEEP: Duration = Duration::from_secs(90 * DAY);

/// How long the sums of a day and policy, and contacts, are kept.
pub const KEEP_TOTALS: Duration = Duration::from_secs(400 * DAY);

/// The shortest time: a report is tried for two days after its day, and may be late by one.
pub const KEEP_AT_LEAST: Duration = Duration::from_secs(7 * DAY);

/// Rows of a transaction, from which on no more are added.
pub const CHUNK: u64 = 5_000;

const DAY: u64 = 86_400;

/// Policies whose rows are looked for at a time.
const POLICIES: u64 = 500;

/// How long is what kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    rows: Duration,
    totals: Duration,
}

impl Default for Keep {
    fn default() -> Self {
        Self { rows: KEEP, totals: KEEP_TOTALS }
    }
}

impl Keep {
    /// Rows and reports for `rows`, not less than [`KEEP_AT_LEAST`]; sums for `totals`, not less than rows.
    #[must_use]
    pub fn new(rows: Duration, totals: Duration) -> Self {
        let rows = rows.max(KEEP_AT_LEAST);
        Self { rows, totals: totals.max(rows) }
    }
}

/// What was taken away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Rows of days.
    pub rows: u64,
    /// Sums of a day and policy.
    pub totals: u64,
    /// Reports, with what became of them.
    pub reports: u64,
    /// Of those, reports that nobody had sent or given up: reports were off, only logged, or nobody called `send`.
    pub unsent: u64,
    /// Ends of suppressions, and contacts, that were long ago.
    pub others: u64,
    /// Domains, policies, results and reasons that no row names any more.
    pub names: u64,
}

/// Takes away what is older than is kept. `now` in milliseconds since 1970; `progress` is called after each transaction, with what was taken away so far.
///
/// Days go whole, when their end is as long ago as they are kept.
///
/// # Errors
///
/// What the database says. What was taken away in a transaction before stays away; the next call goes on.
pub async fn expire(
    store: &mut Store,
    keep: Keep,
    now: i64,
    mut progress: impl FnMut(&Expired),
) -> Result<Expired, StoreError> {
    let mut expired = Expired::default();
    let now_seconds = u64::try_from(now).unwrap_or(0) / 1000;
    let before = |kept: Duration| int(now_seconds.saturating_sub(kept.as_secs()) / DAY);
    let (rows_before, totals_before) = (before(keep.rows), before(keep.totals));
    while rows(store, rows_before, &mut expired).await? {
        progress(&expired);
    }
    reports(store, rows_before, &mut expired).await?;
    progress(&expired);
    sums(store, totals_before, now, &mut expired).await?;
    progress(&expired);
    names(store, &mut expired).await?;
    if store.engine() == crate::store::Engine::Sqlite {
        // Free pages go back to the file system; PostgreSQL and InnoDB see to that themselves.
        store.script("PRAGMA incremental_vacuum").await?;
    }
    progress(&expired);
    Ok(expired)
}

/// One transaction; whether there was something.
async fn rows(store: &mut Store, before: i64, expired: &mut Expired) -> Result<bool, StoreError> {
    let sql =
        format!("SELECT DISTINCT day, policy_id FROM out_day WHERE day < ? ORDER BY day, policy_id LIMIT {POLICIES}");
    store.begin().await?;
    let found = store.fetch(&sql, &[Value::Int(before)], &[Kind::Int, Kind::Int]).await?;
    let mut gone = 0_u64;
    for row in &found {
        let [day, policy] = [0, 1].map(|index| Value::Int(row.get(index).map_or(0, Cell::int)));
        let sql = "DELETE FROM out_day WHERE day = ? AND policy_id = ?";
        gone = gone.saturating_add(store.execute(sql, &[day, policy], true).await?);
        if gone >= CHUNK {
            break;
        }
    }
    store.commit().await?;
    expired.rows = expired.rows.saturating_add(gone);
    Ok(!found.is_empty())
}

/// Reports of days whose rows are gone.
async fn reports(store: &mut Store, before: i64, expired: &mut Expired) -> Result<(), StoreError> {
    let before = Value::Int(before.saturating_mul(int(DAY)).saturating_mul(1000));
    store.begin().await?;
    let sql = "DELETE FROM report_delivery WHERE report_id IN (SELECT id FROM report_out WHERE period_end < ?)";
    store.execute(sql, &[before], false).await?;
    let sql = "DELETE FROM report_out WHERE period_end < ? AND state IN ('frozen', 'sending')";
    let unsent = store.execute(sql, &[before], false).await?;
    let done = store.execute("DELETE FROM report_out WHERE period_end < ?", &[before], false).await?;
    store.commit().await?;
    expired.unsent = expired.unsent.saturating_add(unsent);
    expired.reports = expired.reports.saturating_add(unsent).saturating_add(done);
    Ok(())
}

/// Sums of days, and what is kept of addresses and contacts.
async fn sums(store: &mut Store, before: i64, now: i64, expired: &mut Expired) -> Result<(), StoreError> {
    store.begin().await?;
    let day = Value::Int(before);
    expired.totals = store.execute("DELETE FROM out_total WHERE day < ?", &[day], false).await?;
    let mut others = store.execute("DELETE FROM failure_out WHERE day < ?", &[day], false).await?;
    let sql = "DELETE FROM contact WHERE last_sent_to < ? AND last_accepted_from < ?";
    others = others.saturating_add(store.execute(sql, &[day, day], false).await?);
    // How often an address was refused is part of its row: it is kept as long as another refusal would count on.
    let until = now.saturating_sub(int(LONGEST_SUPPRESSION.saturating_mul(1000)));
    let sql = "DELETE FROM suppression WHERE until < ?";
    others = others.saturating_add(store.execute(sql, &[Value::Int(until)], false).await?);
    store.commit().await?;
    expired.others = others;
    Ok(())
}

/// What no row names any more.
async fn names(store: &mut Store, expired: &mut Expired) -> Result<(), StoreError> {
    store.begin().await?;
    // First: whoever has read the epoch holds this row until its end, and whoever reads it later sees that numbers were taken away.
    store.execute("UPDATE ledger_meta SET value = value + 1 WHERE name = 'epoch'", &[], false).await?;
    let unnamed = [
        "DELETE FROM authset WHERE id NOT IN (SELECT authset_id FROM out_day)",
        "DELETE FROM reason WHERE id NOT IN (SELECT reason_id FROM out_day)",
        "DELETE FROM policy WHERE id NOT IN (SELECT policy_id FROM out_day) AND id NOT IN (SELECT policy_id FROM out_total) \
         AND id NOT IN (SELECT policy_id FROM report_out)",
        "DELETE FROM domain WHERE id NOT IN (SELECT domain_id FROM policy) AND id NOT IN (SELECT from_id FROM out_day) \
         AND id NOT IN (SELECT env_id FROM out_day) AND id NOT IN (SELECT to_id FROM out_day) \
         AND id NOT IN (SELECT domain_id FROM contact) AND id NOT IN (SELECT domain_id FROM failure_out)",
    ];
    for sql in unnamed {
        expired.names = expired.names.saturating_add(store.execute(sql, &[], false).await?);
    }
    store.commit().await
}

fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
