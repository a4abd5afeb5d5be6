//! Who gets the reports whose time has come: each address becomes a delivery of its own.
//!
//! An address about which the DNS does not answer keeps no other from the report (RFC 9990 §3.5 and §4: each address is tried for itself): the report stays `frozen` for that one, and
//! the others are enlisted.
//!
//! *Limits*: [`BATCH`] reports of one turn, [`LOOKUP`] for the questions of one of them, [`LOOKUPS`] for all.

use std::time::Duration;

use dkim_core::domain::DomainName;

use super::address::{Addresses, Recipient, addresses};
use super::deliver::{BATCH, DeliverError, Deliverer, Turn};
use super::freeze::milliseconds;
use super::suppression::suppressed_until;
use super::{Clock, count, int, schedule};
use crate::store::{BUSY, Engine, Kind, Store, StoreError, Trouble, Value};

/// Time for the questions about one report: what is not answered then is asked again at a later turn.
pub const LOOKUP: Duration = Duration::from_secs(60);

/// Seconds after which a turn looks up no more recipients, and delivers.
pub const LOOKUPS: u64 = 600;

/// Reports that are asked for at once when those are chosen whose recipients are looked up.
const PAGE: usize = 2000;

/// A report that waits for its recipients.
#[derive(Debug)]
struct Frozen {
    id: i64,
    domain: String,
    created: u64,
}

/// Finds the recipients of reports whose time has come.
pub(super) async fn enlist(
    deliverer: &Deliverer<'_>,
    store: &mut Store,
    clock: &Clock,
    turn: &mut Turn,
) -> Result<(), DeliverError> {
    let begun = clock.now();
    for Frozen { id, domain, created } in chosen(deliverer, store, begun).await? {
        let now = clock.now();
        if now.saturating_sub(begun) > LOOKUPS {
            break;
        }
        if now.saturating_sub(created) > schedule::GIVE_UP_AFTER {
            tracing::warn!(
                domain,
                "no report, or not to all: for two days nobody could tell who wants it, or none was to be sent"
            );
            close(store, id, "expired").await?;
            turn.ended = turn.ended.saturating_add(1);
            continue;
        }
        let found = match DomainName::parse(&domain) {
            Ok(name) => {
                let looked = addresses(deliverer.resolver, &name, deliverer.settings);
                tokio::time::timeout(LOOKUP, looked).await.unwrap_or_default()
            }
            Err(_) => Addresses { recipients: Vec::new(), is_complete: true },
        };
        let new = record(store, id, &found.recipients, now).await?;
        if new > 0 {
            turn.addressed = turn.addressed.saturating_add(1);
        }
        if !found.is_complete {
            turn.unanswered = turn.unanswered.saturating_add(1);
        } else if close(store, id, "nothing").await? && found.recipients.is_empty() {
            turn.unwanted = turn.unwanted.saturating_add(1);
        }
    }
    Ok(())
}

/// At most [`BATCH`] reports that wait for recipients and are due, any of them: whoever has many domains whose DNS never answers does not stand before all others each time.
async fn chosen(deliverer: &Deliverer<'_>, store: &mut Store, now: u64) -> Result<Vec<Frozen>, StoreError> {
    let sql = format!(
        "SELECT r.id, d.name, r.period_begin, r.created FROM report_out r JOIN policy p ON p.id = r.policy_id \
         JOIN domain d ON d.id = p.domain_id WHERE r.state = 'frozen' AND r.id > ? ORDER BY r.id LIMIT {PAGE}"
    );
    let (mut chosen, mut last): (Vec<(u64, Frozen)>, i64) = (Vec::new(), i64::MIN);
    loop {
        let rows = store.fetch(&sql, &[Value::Int(last)], &[Kind::Int, Kind::Text, Kind::Int, Kind::Int]).await?;
        for row in &rows {
            let [id, domain, begin, created] = row.as_slice() else { continue };
            last = id.int();
            let day = schedule::day_of(count(begin.int()) / 1000);
            if schedule::due(day, domain.text(), &deliverer.settings.receiver) <= now {
                let place = schedule::hash(&format!("{last} {now}"), &deliverer.settings.node);
                let report =
                    Frozen { id: last, domain: domain.text().to_owned(), created: count(created.int()) / 1000 };
                chosen.push((place, report));
            }
        }
        chosen.sort_unstable_by_key(|(place, _)| *place);
        chosen.truncate(BATCH);
        if rows.len() < PAGE {
            return Ok(chosen.into_iter().map(|(_, report)| report).collect());
        }
    }
}

/// Writes down who gets a report; how many of them were not there yet.
async fn record(store: &mut Store, report: i64, recipients: &[Recipient], now: u64) -> Result<u64, StoreError> {
    if recipients.is_empty() {
        return Ok(0);
    }
    let mut pauses = BUSY.iter();
    loop {
        match record_once(store, report, recipients, now).await {
            Err(error) if error.trouble == Trouble::Busy => match pauses.next() {
                Some(pause) => tokio::time::sleep(Duration::from_millis(*pause)).await,
                None => return Err(error),
            },
            done => return done,
        }
    }
}

async fn record_once(store: &mut Store, report: i64, recipients: &[Recipient], now: u64) -> Result<u64, StoreError> {
    let (ignore, behind) = match store.engine() {
        Engine::MySql => ("IGNORE ", ""),
        Engine::Sqlite | Engine::Postgres => ("", "ON CONFLICT DO NOTHING"),
    };
    let mut new = 0_u64;
    store.begin().await?;
    // Holds the report: it is not taken away meanwhile, and another node that did all of this is seen.
    let held = "UPDATE report_out SET state = 'frozen' WHERE id = ? AND state = 'frozen'";
    if store.execute(held, &[Value::Int(report)], false).await? == 1 {
        for recipient in recipients {
            let until = suppressed_until(store, &recipient.address).await?;
            let state = if until > milliseconds(now) { "suppressed" } else { "pending" };
            let values = [
                Value::Int(report),
                Value::Text(&recipient.address),
                Value::Text(state),
                Value::Int(milliseconds(now)),
                Value::Int(int(recipient.max_octets.unwrap_or(0))),
            ];
            let sql = format!(
                "INSERT {ignore}INTO report_delivery (report_id, rcpt, state, attempts, next_try, lease_node, lease_until, last_code, last_text, max_octets) \
                 VALUES (?, ?, ?, 0, ?, '', 0, 0, '', ?) {behind}"
            );
            new = new.saturating_add(store.execute(&sql, &values, false).await?);
        }
    }
    store.commit().await?;
    Ok(new)
}

/// All recipients are known, or will not be: the report is being sent when it has one, and else becomes `otherwise`. Whether it was still open.
async fn close(store: &mut Store, report: i64, otherwise: &str) -> Result<bool, StoreError> {
    let sql = "UPDATE report_out SET state = CASE WHEN EXISTS (SELECT 1 FROM report_delivery d WHERE d.report_id = report_out.id) \
               THEN 'sending' ELSE ? END WHERE id = ? AND state = 'frozen'";
    Ok(store.persist(sql, &[Value::Text(otherwise), Value::Int(report)]).await? == 1)
}
