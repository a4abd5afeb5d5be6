//! Rows of one policy domain and day have an end: of more than the most, those with the largest counts stay, and the rest is one number (`out_total.overflow`).
//! Rows of mail that failed go first: addresses that never passed can be made up without number, by anybody.
//!
//! What is over is looked for when as many rows have been written as could be over by an eighth, so that it costs little a row.

use std::collections::HashMap;

use super::batch::{Batch, at};
use super::write::{Kept, first};
use crate::store::{Cell, Kind, Store, StoreError, Value};

/// By day and policy domain: no more rows than that are there.
type Bounds = HashMap<(i64, i64), u64>;

/// Of these the bounds are forgotten, and found out again.
const MAX_BOUNDS: usize = 200_000;

const OF_DOMAIN: &str = "day = ? AND policy_id IN (SELECT id FROM policy WHERE domain_id = ?)";

pub(super) async fn sum_up(
    store: &mut Store,
    batch: &Batch,
    kept: &Kept,
    bounds: &mut Bounds,
    most: u64,
) -> Result<(), StoreError> {
    let mut written: Bounds = HashMap::new();
    for key in batch.rows.keys() {
        let domain = kept.of_policies.get(at(key.policy)).map_or(0, |(_, domain)| *domain);
        let rows = written.entry((key.day, domain)).or_default();
        *rows = rows.saturating_add(1);
    }
    if bounds.len() > MAX_BOUNDS {
        bounds.clear();
    }
    let slack = most / 8;
    for (place, rows) in written {
        let (day, domain) = place;
        if !bounds.contains_key(&(day, 0)) {
            look_at_day(store, day, most / 2, bounds).await?;
        }
        let bound = bounds.get(&place).copied().unwrap_or(most / 2).saturating_add(rows);
        bounds.insert(place, bound);
        if bound <= most.saturating_add(slack) {
            continue;
        }
        let values = [Value::Int(day), Value::Int(domain)];
        let there = number(store.number(&format!("SELECT COUNT(*) FROM out_day WHERE {OF_DOMAIN}"), &values).await?);
        bounds.insert(place, there);
        if there > most.saturating_add(slack) {
            let gone = remove(store, day, domain, there.saturating_sub(most), "dkim + spf = 0").await?;
            let left = there.saturating_sub(gone);
            let passing = if left > most {
                remove(store, day, domain, left.saturating_sub(most), "dkim + spf > 0").await?
            } else {
                0
            };
            bounds.insert(place, left.saturating_sub(passing));
            tracing::warn!(day, domain, rows = gone.saturating_add(passing), "rows of a policy domain were summed up");
        }
    }
    Ok(())
}

/// What a process before has written; a domain that is not found has no more than `few`.
async fn look_at_day(store: &mut Store, day: i64, few: u64, bounds: &mut Bounds) -> Result<(), StoreError> {
    let sql = "SELECT p.domain_id, COUNT(*) FROM out_day o JOIN policy p ON p.id = o.policy_id WHERE o.day = ? GROUP BY p.domain_id HAVING COUNT(*) > ?";
    let values = [Value::Int(day), Value::Int(i64::try_from(few).unwrap_or(i64::MAX))];
    for row in store.fetch(sql, &values, &[Kind::Int, Kind::Int]).await? {
        bounds.insert((day, first(&row)), number(row.get(1).map_or(0, Cell::int)));
    }
    // No domain has the number 0: that the day was looked at.
    bounds.insert((day, 0), 0);
    Ok(())
}

/// Sums up about `count` rows with the smallest counts; how many those were.
async fn remove(store: &mut Store, day: i64, domain: i64, count: u64, which: &str) -> Result<u64, StoreError> {
    let of_domain = format!("{OF_DOMAIN} AND {which}");
    let mut values = vec![Value::Int(day), Value::Int(domain)];
    let there = number(store.number(&format!("SELECT COUNT(*) FROM out_day WHERE {of_domain}"), &values).await?);
    let Some(last) = count.min(there).checked_sub(1) else { return Ok(0) };
    const ORDER: &str = "n, ip, env_id, authset_id, from_id";
    let sql = format!("SELECT {ORDER} FROM out_day WHERE {of_domain} ORDER BY {ORDER} LIMIT 1 OFFSET {last}");
    let kinds = [Kind::Int, Kind::Bytes, Kind::Int, Kind::Int, Kind::Int];
    let rows = store.fetch(&sql, &values, &kinds).await?;
    let Some(row) = rows.first() else { return Ok(0) };
    values.extend(row.iter().zip(kinds).map(|(cell, kind)| cell.value(kind)));
    let below = format!("{of_domain} AND ({ORDER}) <= (?, ?, ?, ?, ?)");
    let sum = store.as_int("SUM(n)");
    let sums = store
        .fetch(
            &format!("SELECT policy_id, {sum} FROM out_day WHERE {below} GROUP BY policy_id"),
            &values,
            &[Kind::Int, Kind::Int],
        )
        .await?;
    let gone = store.execute(&format!("DELETE FROM out_day WHERE {below}"), &values, false).await?;
    for row in sums {
        let messages = row.get(1).map_or(0, Cell::int);
        let sql = "UPDATE out_total SET overflow = overflow + ? WHERE day = ? AND policy_id = ?";
        store.execute(sql, &[Value::Int(messages), Value::Int(day), Value::Int(first(&row))], false).await?;
    }
    Ok(gone)
}

fn number(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}
