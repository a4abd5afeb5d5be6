//! What is old goes: rows of days whose reports are long sent, later the sums of those days, and what no row names any more.
//!
//! Rows go first, a policy and day at a time; then reports, sums and the rest; then names. All but the last step is done in transactions of some thousand rows, so
//! that nobody who counts waits for long. Whatever ends in between, the next call goes on: each step only looks at what is there.
//!
//! Names (domains, policies, results, reasons) have numbers that the roll-up keeps in memory. A transaction that takes names away changes `epoch` first, which
//! the roll-up reads, and locks, before it uses a number: so who counts waits while all rows are looked through for the names of a table, and tries again when that takes too long.

use std::time::Duration;

use crate::outgoing::schedule;
use crate::outgoing::suppression::LONGEST_SUPPRESSION;
use crate::store::{Cell, Engine, Kind, Store, StoreError, Value, places};

/// How long rows and reports are kept.
pub const KEEP: Duration = Duration::from_secs(90 * DAY);

/// How long the sums of a day and policy, and contacts, are kept.
pub const KEEP_TOTALS: Duration = Duration::from_secs(400 * DAY);

/// The shortest time for which rows and reports can be kept.
pub const KEEP_AT_LEAST: Duration = Duration::from_secs(7 * DAY);

/// Rows of a transaction, from which on no more are added. Those of one policy and day, of which there are `max_rows`, stay together.
pub const CHUNK: u64 = 5_000;

const DAY: u64 = 86_400;

/// Keys that are deleted by one statement.
const KEYS: usize = 500;

/// Names of one transaction.
const NAMES: u64 = 50_000;

/// Pages that SQLite gives back in one transaction.
const PAGES: u64 = 1_000;

/// A report that was made so long ago is not tried any more, however old its day is.
const TRIED: u64 = schedule::GIVE_UP_AFTER + DAY;

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
    let seconds = u64::try_from(now).unwrap_or(0) / 1000;
    let before = |kept: Duration| int(seconds.saturating_sub(kept.as_secs()) / DAY);
    let (rows_before, totals_before) = (before(keep.rows), before(keep.totals));
    rows(store, rows_before, &mut expired, &mut progress).await?;
    let end = rows_before.saturating_mul(int(DAY.saturating_mul(1000)));
    while reports(store, end, now.saturating_sub(int(TRIED.saturating_mul(1000))), &mut expired).await? {
        progress(&expired);
    }
    for (table, key) in [("out_total", "policy_id"), ("failure_out", "domain_id")] {
        while let gone @ 1.. = sums(store, table, key, totals_before).await? {
            let count = if table == "out_total" { &mut expired.totals } else { &mut expired.others };
            *count = count.saturating_add(gone);
            progress(&expired);
        }
    }
    let old = "last_sent_to < ? AND last_accepted_from < ?";
    let day = Value::Int(totals_before);
    expired.others =
        expired.others.saturating_add(keyed(store, "contact", ("domain_id", Kind::Int), old, &[day, day]).await?);
    // How often an address was refused is part of its row: it is kept as long as another refusal would count on.
    let until = Value::Int(now.saturating_sub(int(LONGEST_SUPPRESSION.saturating_mul(1000))));
    let gone = keyed(store, "suppression", ("target", Kind::Text), "until < ?", &[until]).await?;
    expired.others = expired.others.saturating_add(gone);
    progress(&expired);
    names(store, &mut expired, &mut progress).await?;
    give_back(store).await?;
    Ok(expired)
}

/// Rows of all days before `before`.
async fn rows(
    store: &mut Store,
    before: i64,
    expired: &mut Expired,
    progress: &mut impl FnMut(&Expired),
) -> Result<(), StoreError> {
    let mut day = i64::MIN;
    loop {
        let sql = "SELECT day FROM out_day WHERE day > ? AND day < ? ORDER BY day LIMIT 1";
        let Some(next) = first(store, sql, &[Value::Int(day), Value::Int(before)]).await? else { return Ok(()) };
        day = next;
        let mut policy = i64::MIN;
        loop {
            // From behind the last one: a server goes through what was deleted before each time it begins at the first row.
            let sql = format!(
                "SELECT DISTINCT policy_id FROM out_day WHERE day = ? AND policy_id > ? ORDER BY policy_id LIMIT {KEYS}"
            );
            let found = store.fetch(&sql, &[Value::Int(day), Value::Int(policy)], &[Kind::Int]).await?;
            let policies: Vec<i64> = found.iter().flatten().map(Cell::int).collect();
            let Some(last) = policies.last() else { break };
            policy = *last;
            let mut left = policies.as_slice();
            while !left.is_empty() {
                left = some_rows(store, day, left, expired).await?;
                progress(expired);
            }
        }
    }
}

/// One transaction; the policies that are left.
async fn some_rows<'p>(
    store: &mut Store,
    day: i64,
    policies: &'p [i64],
    expired: &mut Expired,
) -> Result<&'p [i64], StoreError> {
    let (mut gone, mut left) = (0_u64, policies);
    store.begin().await?;
    while let Some((policy, rest)) = left.split_first() {
        let sql = "DELETE FROM out_day WHERE day = ? AND policy_id = ?";
        gone = gone.saturating_add(store.execute(sql, &[Value::Int(day), Value::Int(*policy)], true).await?);
        left = rest;
        if gone >= CHUNK {
            break;
        }
    }
    store.commit().await?;
    expired.rows = expired.rows.saturating_add(gone);
    Ok(left)
}

/// Some reports of days whose rows are gone, and that nobody tries any more; whether there were any.
async fn reports(store: &mut Store, end: i64, created: i64, expired: &mut Expired) -> Result<bool, StoreError> {
    store.begin().await?;
    // Who writes down the recipients of a report holds its row first, too.
    let lock = if store.engine() == Engine::Sqlite { "" } else { "FOR UPDATE" };
    let sql = format!("SELECT id FROM report_out WHERE period_end < ? AND created < ? ORDER BY id LIMIT {KEYS} {lock}");
    let found = store.fetch(&sql, &[Value::Int(end), Value::Int(created)], &[Kind::Int]).await?;
    let ids: Vec<_> = found.iter().flatten().map(|cell| cell.value(Kind::Int)).collect();
    if !ids.is_empty() {
        let those = places(1, ids.len());
        store.execute(&format!("DELETE FROM report_delivery WHERE report_id IN {those}"), &ids, false).await?;
        let sql = format!("DELETE FROM report_out WHERE id IN {those} AND state IN ('frozen', 'sending')");
        let unsent = store.execute(&sql, &ids, false).await?;
        let done = store.execute(&format!("DELETE FROM report_out WHERE id IN {those}"), &ids, false).await?;
        expired.unsent = expired.unsent.saturating_add(unsent);
        expired.reports = expired.reports.saturating_add(unsent).saturating_add(done);
    }
    store.commit().await?;
    Ok(!ids.is_empty())
}

/// Some sums of the first day that is old; how many.
async fn sums(store: &mut Store, table: &str, key: &str, before: i64) -> Result<u64, StoreError> {
    let sql = format!("SELECT day FROM {table} WHERE day < ? ORDER BY day LIMIT 1");
    let Some(day) = first(store, &sql, &[Value::Int(before)]).await? else { return Ok(0) };
    let sql = format!("SELECT {key} FROM {table} WHERE day = ? ORDER BY {key} LIMIT {KEYS}");
    let found = store.fetch(&sql, &[Value::Int(day)], &[Kind::Int]).await?;
    let mut values = vec![Value::Int(day)];
    values.extend(found.iter().flatten().map(|cell| cell.value(Kind::Int)));
    let those = places(1, found.len());
    store.persist(&format!("DELETE FROM {table} WHERE day = ? AND {key} IN {those}"), &values).await
}

/// Rows that have one key, and fit; how many.
async fn keyed(
    store: &mut Store,
    table: &str,
    (key, kind): (&str, Kind),
    fits: &str,
    values: &[Value<'_>],
) -> Result<u64, StoreError> {
    let sql = format!("SELECT {key} FROM {table} WHERE {fits} ORDER BY {key} LIMIT {KEYS}");
    let mut gone = 0_u64;
    loop {
        let found = store.fetch(&sql, values, &[kind]).await?;
        if found.is_empty() {
            return Ok(gone);
        }
        let mut all: Vec<_> = found.iter().flatten().map(|cell| cell.value(kind)).collect();
        let those = places(1, all.len());
        // It may have changed meanwhile.
        all.extend_from_slice(values);
        let deleted = store.persist(&format!("DELETE FROM {table} WHERE {key} IN {those} AND {fits}"), &all).await?;
        gone = gone.saturating_add(deleted);
    }
}

/// What no row names any more. A table whose names are named by another one comes after that.
async fn names(
    store: &mut Store,
    expired: &mut Expired,
    progress: &mut impl FnMut(&Expired),
) -> Result<(), StoreError> {
    let tables: [(&str, &[(&str, &str)]); 4] = [
        ("authset", &[("out_day", "authset_id")]),
        ("reason", &[("out_day", "reason_id")]),
        ("policy", &[("out_day", "policy_id"), ("out_total", "policy_id"), ("report_out", "policy_id")]),
        (
            "domain",
            &[
                ("policy", "domain_id"),
                ("out_day", "from_id"),
                ("out_day", "env_id"),
                ("out_day", "to_id"),
                ("contact", "domain_id"),
                ("failure_out", "domain_id"),
            ],
        ),
    ];
    for (table, uses) in tables {
        let unused: Vec<String> = uses.iter().map(|(by, column)| unused(store.engine(), table, by, column)).collect();
        let sql = format!("SELECT id FROM {table} WHERE {} LIMIT {NAMES}", unused.join(" AND "));
        loop {
            let gone = some_names(store, table, &sql).await?;
            expired.names = expired.names.saturating_add(gone);
            progress(expired);
            if gone < NAMES {
                break;
            }
        }
    }
    Ok(())
}

/// One transaction; how many.
async fn some_names(store: &mut Store, table: &str, sql: &str) -> Result<u64, StoreError> {
    store.begin().await?;
    // First: whoever has read the epoch holds this row until its end, and whoever reads it later sees that numbers were taken away.
    store.execute("UPDATE ledger_meta SET value = value + 1 WHERE name = 'epoch'", &[], false).await?;
    let found = store.fetch(sql, &[], &[Kind::Int]).await?;
    let ids: Vec<_> = found.iter().flatten().map(|cell| cell.value(Kind::Int)).collect();
    let mut gone = 0_u64;
    for ids in ids.chunks(KEYS) {
        let sql = format!("DELETE FROM {table} WHERE id IN {}", places(1, ids.len()));
        gone = gone.saturating_add(store.execute(&sql, ids, ids.len() == KEYS).await?);
    }
    store.commit().await?;
    Ok(gone)
}

/// That no row of `by` has the number in `column`, so that `by` is gone through once for all: PostgreSQL does that for `NOT EXISTS`, the others for `NOT IN`.
fn unused(engine: Engine, table: &str, by: &str, column: &str) -> String {
    match engine {
        Engine::Postgres => format!("NOT EXISTS (SELECT 1 FROM {by} u WHERE u.{column} = {table}.id)"),
        Engine::Sqlite | Engine::MySql => format!("id NOT IN (SELECT {column} FROM {by})"),
    }
}

/// Free pages of SQLite go back to the file system, some at a time; PostgreSQL and InnoDB see to that themselves.
async fn give_back(store: &mut Store) -> Result<(), StoreError> {
    if store.engine() != Engine::Sqlite {
        return Ok(());
    }
    let mut before = i64::MAX;
    loop {
        let free = store.number("PRAGMA freelist_count", &[]).await?;
        // A file that was made otherwise keeps its pages.
        if free == 0 || free >= before {
            return Ok(());
        }
        before = free;
        store.script(&format!("PRAGMA incremental_vacuum({PAGES})")).await?;
    }
}

/// The number in the first row.
async fn first(store: &mut Store, sql: &str, values: &[Value<'_>]) -> Result<Option<i64>, StoreError> {
    let rows = store.fetch(sql, values, &[Kind::Int]).await?;
    Ok(rows.first().and_then(|row| row.first()).map(Cell::int))
}

fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
