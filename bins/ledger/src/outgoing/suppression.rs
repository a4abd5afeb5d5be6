//! Addresses that get no reports: refused ones for a while, and those that an operator has named, for ever.

use super::freeze::milliseconds;
use super::schedule;
use crate::store::{Kind, Store, StoreError, Value};

/// A recipient that was refused gets nothing for so long; twice as long each further time.
pub const FIRST_SUPPRESSION: u64 = 30 * schedule::DAY;

/// The longest time that a recipient gets nothing.
pub const LONGEST_SUPPRESSION: u64 = 180 * schedule::DAY;

/// Until when an address, or all of its domain, gets nothing, in milliseconds since 1970; 0: it gets reports.
pub(super) async fn suppressed_until(store: &mut Store, address: &str) -> Result<i64, StoreError> {
    let domain = address.rsplit_once('@').map_or(address, |(_, domain)| domain);
    let until = store.as_int("COALESCE(MAX(until), 0)");
    let sql = format!("SELECT {until} FROM suppression WHERE target IN (?, ?)");
    store.number(&sql, &[Value::Text(address), Value::Text(domain)]).await
}

/// Keeps an address from getting reports: 30 days, and each time twice as long, up to 180.
///
/// A time that lasts stays as it is: reports about several domains that meet the same refusal are one time, and what an operator wrote is his.
pub(super) async fn suppress(store: &mut Store, address: &str, why: &str, now: u64) -> Result<(), StoreError> {
    let kinds = [Kind::Int, Kind::Text];
    let rows =
        store.fetch("SELECT until, source FROM suppression WHERE target = ?", &[Value::Text(address)], &kinds).await?;
    let before = rows.first().map(Vec::as_slice);
    if let Some([until, _]) = before
        && until.int() > milliseconds(now)
    {
        return Ok(());
    }
    // What is kept is only its end: how long it was shows in how often there was one.
    let times: u32 = match before {
        Some([_, source]) => source.text().strip_prefix("refused ").and_then(|times| times.parse().ok()).unwrap_or(0),
        _ => 0,
    };
    let pause = FIRST_SUPPRESSION.saturating_mul(1 << times.min(8)).min(LONGEST_SUPPRESSION);
    let source = format!("refused {}", times.saturating_add(1));
    let row = vec![
        Value::Text(address),
        Value::Int(milliseconds(now.saturating_add(pause))),
        Value::Text(why),
        Value::Text(&source),
    ];
    let behind = store.or_change("target", "until = {until}, reason = {reason}, source = {source}");
    store.insert("suppression", "target, until, reason, source", &[row], &behind).await
}

/// Lets an address get reports again that was refused, since somebody wants that. How often it was refused stays known.
///
/// # Errors
///
/// What the database says.
pub async fn lift(store: &mut Store, address: &str, now: u64) -> Result<(), StoreError> {
    let sql = "UPDATE suppression SET until = ? WHERE target = ? AND until > ? AND source LIKE 'refused%'";
    let now = Value::Int(milliseconds(now));
    store.persist(sql, &[now, Value::Text(address), now]).await.map(drop)
}
