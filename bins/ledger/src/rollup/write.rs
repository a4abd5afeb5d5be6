//! One batch into the tables: the numbers of its texts, then its rows, some hundred a statement and in the order of their keys, so that two nodes never wait
//! for each other in a ring.

use std::collections::HashMap;

use aws_lc_rs::digest::{SHA256, digest};
use engine::journal::Position;

use super::Mark;
use super::batch::{Batch, Met, at};
use crate::store::{Cell, Engine, Kind, ROWS, Store, StoreError, Value, places};

/// Numbers of texts that are kept from one transaction to the next, of each table.
pub const MAX_KEPT: usize = 200_000;

/// Octets of a text's hash: two texts with one would count as one.
const HASH: usize = 16;
type Hash = [u8; HASH];

/// Numbers that the database has given to texts.
#[derive(Debug, Default)]
pub(super) struct Kept {
    epoch: i64,
    domains: HashMap<Box<str>, i64>,
    policies: HashMap<Hash, (i64, i64, Box<str>)>,
    authsets: HashMap<Hash, i64>,
    reasons: HashMap<Hash, i64>,
    /// Days of contacts that are in the table, by domain.
    contacts: HashMap<i64, (i64, i64)>,
    /// Of the batch that was written last: by policy, its number and that of its domain.
    pub(super) of_policies: Vec<(i64, i64)>,
}

impl Kept {
    /// After a transaction that failed: what it gave numbers to may not be there.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

/// The row that the place is kept in.
pub(super) async fn first_mark(store: &mut Store, node: &str) -> Result<(), StoreError> {
    let behind = or_nothing(store, "node");
    let zero = Value::Int(0);
    let text = Value::Text("");
    let row = vec![Value::Text(node), text, text, zero, zero, zero, zero, zero, zero, zero, zero];
    store
        .insert(
            "journal_mark",
            "node, journal, segment, octets, updated, messages, counted, lost, damaged, torn, gaps",
            &[row],
            &behind,
        )
        .await
}

/// Leaves a row that is there as it is.
fn or_nothing(store: &Store, key: &str) -> String {
    match store.engine() {
        Engine::MySql => format!("ON DUPLICATE KEY UPDATE {key} = {key}"),
        Engine::Sqlite | Engine::Postgres => "ON CONFLICT DO NOTHING".to_owned(),
    }
}

/// How far the journal of a node is counted. `keep`: nobody may change it until the transaction ends.
pub(super) async fn read_mark(store: &mut Store, node: &str, keep: bool) -> Result<Mark, StoreError> {
    let lock = if keep && store.engine() != Engine::Sqlite { "FOR UPDATE" } else { "" };
    let sql = format!("SELECT journal, segment, octets FROM journal_mark WHERE node = ? {lock}");
    let rows = store.fetch(&sql, &[Value::Text(node)], &[Kind::Text, Kind::Text, Kind::Int]).await?;
    let Some([journal, segment, octets]) = rows.first().map(Vec::as_slice) else { return Ok(Mark::default()) };
    let place = segment.text().parse().ok();
    let offset = u64::try_from(octets.int()).unwrap_or(0);
    Ok(Mark { journal: journal.text().to_owned(), place: place.map(|segment| Position { segment, offset }) })
}

/// Notes which journal it is.
pub(super) async fn name_mark(store: &mut Store, node: &str, journal: &str) -> Result<(), StoreError> {
    let sql = "UPDATE journal_mark SET journal = ? WHERE node = ? AND journal = ''";
    store.execute(sql, &[Value::Text(journal), Value::Text(node)], false).await.map(drop)
}

pub(super) async fn move_mark(
    store: &mut Store,
    node: &str,
    end: Position,
    now: i64,
    met: &Met,
) -> Result<(), StoreError> {
    let sql = "UPDATE journal_mark SET segment = ?, octets = ?, updated = ?, messages = messages + ?, counted = counted + ?, \
               lost = lost + ?, damaged = damaged + ?, torn = torn + ?, gaps = gaps + ? WHERE node = ?";
    let segment = end.segment.to_string();
    let int = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let values = [
        Value::Text(&segment),
        int(end.offset),
        Value::Int(now),
        int(met.messages),
        int(met.counted),
        int(met.lost),
        int(met.damaged),
        int(met.torn),
        int(met.gaps),
        Value::Text(node),
    ];
    store.execute(sql, &values, true).await.map(drop)
}

/// Everything of a batch but the place.
pub(super) async fn batch(store: &mut Store, batch: &Batch, kept: &mut Kept) -> Result<(), StoreError> {
    check_epoch(store, kept).await?;
    let domains = domains(store, batch, kept).await?;
    let authsets = texts(store, "authset", &batch.authsets.list, &mut kept.authsets).await?;
    let reasons = texts(store, "reason", &batch.reasons.list, &mut kept.reasons).await?;
    let policies = policies(store, batch, &domains, kept).await?;
    let id = |list: &[i64], number: u32| list.get(at(number)).copied().unwrap_or(0);

    let mut rows: Vec<_> = Vec::with_capacity(batch.rows.len());
    for (key, counted) in &batch.rows {
        let (ip, length) = octets(key.ip);
        let bit = i64::from;
        let ids = [id(&domains, key.from), id(&domains, key.env), id(&domains, key.to), id(&authsets, key.authset)];
        let rest = [i64::from(key.disp as u8), bit(key.dkim), bit(key.spf), id(&reasons, key.reason)];
        rows.push(((key.day, id(&policies, key.policy), length, ip), ids, rest, [bit(counted.qualifies), counted.n]));
    }
    rows.sort_unstable();
    const KEY: &str = "day, policy_id, ip, from_id, env_id, to_id, authset_id, disp, dkim, spf, reason_id";
    let columns = format!("{KEY}, qualifies, n");
    let greatest = store.greatest();
    let behind = store
        .or_change(KEY, &format!("n = out_day.n + {{n}}, qualifies = {greatest}(out_day.qualifies, {{qualifies}})"));
    let rows: Vec<Row> = rows.into_iter().map(|(head, ids, rest, counts)| Row { head, ids, rest, counts }).collect();
    for chunk in rows.chunks(ROWS) {
        let values: Vec<Vec<Value<'_>>> = chunk.iter().map(Row::values).collect();
        store.insert("out_day", &columns, &values, &behind).await?;
    }

    let mut totals: Vec<_> =
        batch.totals.iter().map(|((day, policy), total)| (*day, id(&policies, *policy), *total)).collect();
    totals.sort_unstable_by_key(|(day, policy, _)| (*day, *policy));
    let values = totals.iter().map(|(day, policy, total)| {
        let numbers = [*day, *policy, total.passed, total.failed, total.quarantined, total.rejected, 0];
        numbers.map(Value::Int).to_vec()
    });
    let values: Vec<_> = values.collect();
    let adding = ["passed", "failed", "quarantined", "rejected"]
        .map(|name| format!("{name} = out_total.{name} + {{{name}}}"))
        .join(", ");
    let behind = store.or_change("day, policy_id", &adding);
    store
        .insert("out_total", "day, policy_id, passed, failed, quarantined, rejected, overflow", &values, &behind)
        .await?;

    let mut contacts: Vec<_> = batch
        .contacts
        .iter()
        .map(|(domain, contact)| [id(&domains, *domain), contact.sent_to, contact.accepted_from])
        .collect();
    contacts.retain(|[domain, sent, accepted]| {
        kept.contacts.get(domain).is_none_or(|(old_sent, old_accepted)| old_sent < sent || old_accepted < accepted)
    });
    contacts.sort_unstable();
    let values: Vec<_> = contacts.iter().map(|numbers| numbers.map(Value::Int).to_vec()).collect();
    let later = ["last_sent_to", "last_accepted_from"]
        .map(|name| format!("{name} = {greatest}(contact.{name}, {{{name}}})"))
        .join(", ");
    let behind = store.or_change("domain_id", &later);
    store.insert("contact", "domain_id, last_sent_to, last_accepted_from", &values, &behind).await?;
    for [domain, sent, accepted] in contacts {
        let kept = kept.contacts.entry(domain).or_default();
        *kept = (kept.0.max(sent), kept.1.max(accepted));
    }
    Ok(())
}

/// A row in the order of its key.
struct Row {
    head: (i64, i64, usize, [u8; 16]),
    ids: [i64; 4],
    rest: [i64; 4],
    counts: [i64; 2],
}

impl Row {
    fn values(&self) -> Vec<Value<'_>> {
        let (day, policy, length, ip) = &self.head;
        let mut values = vec![Value::Int(*day), Value::Int(*policy), Value::Bytes(ip.get(..*length).unwrap_or(ip))];
        values.extend(self.ids.iter().chain(&self.rest).chain(&self.counts).copied().map(Value::Int));
        values
    }
}

fn octets(ip: std::net::IpAddr) -> ([u8; 16], usize) {
    match ip {
        std::net::IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            ([a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 4)
        }
        std::net::IpAddr::V6(ip) => (ip.octets(), 16),
    }
}

/// Numbers that were kept are good as long as none was taken away; that is not done while this transaction lasts.
async fn check_epoch(store: &mut Store, kept: &mut Kept) -> Result<(), StoreError> {
    let lock = match store.engine() {
        Engine::Sqlite => "",
        Engine::MySql => "LOCK IN SHARE MODE",
        Engine::Postgres => "FOR SHARE",
    };
    let epoch = store.number(&format!("SELECT value FROM ledger_meta WHERE name = 'epoch' {lock}"), &[]).await?;
    let is_too_much =
        [kept.domains.len(), kept.policies.len(), kept.authsets.len(), kept.reasons.len(), kept.contacts.len()]
            .iter()
            .any(|len| *len > MAX_KEPT);
    if kept.epoch != epoch || is_too_much {
        kept.forget();
        kept.epoch = epoch;
    }
    Ok(())
}

async fn domains(store: &mut Store, batch: &Batch, kept: &mut Kept) -> Result<Vec<i64>, StoreError> {
    let names = &batch.domains.list;
    let mut missing: Vec<&str> =
        names.iter().map(AsRef::as_ref).filter(|name| !kept.domains.contains_key(*name)).collect();
    missing.sort_unstable();
    let behind = or_nothing(store, "id");
    for is_made in [false, true] {
        if is_made {
            let rows: Vec<_> = missing.iter().map(|name| vec![Value::Text(name)]).collect();
            store.insert("domain", "name", &rows, &behind).await?;
        }
        for chunk in missing.chunks(ROWS) {
            let values: Vec<_> = chunk.iter().map(|name| Value::Text(name)).collect();
            let sql = format!("SELECT id, name FROM domain WHERE name IN {}", places(1, chunk.len()));
            for row in store.fetch(&sql, &values, &[Kind::Int, Kind::Text]).await? {
                if let [id, name] = row.as_slice() {
                    kept.domains.insert(name.text().into(), id.int());
                }
            }
        }
        missing.retain(|name| !kept.domains.contains_key(*name));
    }
    Ok(names.iter().map(|name| kept.domains.get(name).copied().unwrap_or(0)).collect())
}

/// Numbers of texts that are found by their hash.
async fn texts(
    store: &mut Store,
    table: &str,
    list: &[Box<str>],
    kept: &mut HashMap<Hash, i64>,
) -> Result<Vec<i64>, StoreError> {
    let hashes: Vec<Hash> = list.iter().map(|text| hash(text)).collect();
    let mut missing: Vec<(&Hash, &str)> = hashes.iter().zip(list).map(|(hash, text)| (hash, text.as_ref())).collect();
    missing.retain(|(hash, _)| !kept.contains_key(*hash));
    missing.sort_unstable();
    let behind = or_nothing(store, "id");
    for is_made in [false, true] {
        if is_made {
            let rows: Vec<_> =
                missing.iter().map(|(hash, text)| vec![Value::Bytes(*hash), Value::Text(text)]).collect();
            store.insert(table, "hash, body", &rows, &behind).await?;
        }
        for chunk in missing.chunks(ROWS) {
            let values: Vec<_> = chunk.iter().map(|(hash, _)| Value::Bytes(*hash)).collect();
            let sql = format!("SELECT id, hash FROM {table} WHERE hash IN {}", places(1, chunk.len()));
            for row in store.fetch(&sql, &values, &[Kind::Int, Kind::Bytes]).await? {
                if let [id, found] = row.as_slice()
                    && let Ok(found) = found.bytes().try_into()
                {
                    kept.insert(found, id.int());
                }
            }
        }
        missing.retain(|(hash, _)| !kept.contains_key(*hash));
    }
    Ok(hashes.iter().map(|hash| kept.get(hash).copied().unwrap_or(0)).collect())
}

/// Numbers of policies; a policy that is new, was seen on a new day or has other addresses is written.
async fn policies(store: &mut Store, batch: &Batch, domains: &[i64], kept: &mut Kept) -> Result<Vec<i64>, StoreError> {
    let hashes: Vec<Hash> = batch.policy_texts().iter().map(|text| hash(text)).collect();
    let ruas: Vec<Box<str>> =
        batch.policies.iter().map(|policy| serde_json::json!(policy.published.rua).to_string().into()).collect();
    let domain_of = |index: usize| {
        batch.policies.get(index).and_then(|policy| domains.get(at(policy.domain))).copied().unwrap_or(0)
    };
    let mut changed: Vec<(i64, Hash, usize)> = Vec::new();
    for (index, ((hash, policy), rua)) in hashes.iter().zip(&batch.policies).zip(&ruas).enumerate() {
        let is_known = kept.policies.get(hash).is_some_and(|(_, last, kept)| *last >= policy.last && kept == rua);
        if !is_known {
            changed.push((domain_of(index), *hash, index));
        }
    }
    changed.sort_unstable();
    let greatest = store.greatest();
    let behind = store.or_change(
        "domain_id, hash",
        &format!("rua = {{rua}}, last_seen = {greatest}(policy.last_seen, {{last_seen}})"),
    );
    let columns = "domain_id, hash, p, sp, np, adkim, aspf, fo, testing, discovery, rua, first_seen, last_seen";
    let mut rows = Vec::with_capacity(changed.len());
    for (domain, hash, index) in &changed {
        let (Some(policy), Some(rua)) = (batch.policies.get(*index), ruas.get(*index)) else { continue };
        let published = &policy.published;
        rows.push(vec![
            Value::Int(*domain),
            Value::Bytes(hash),
            Value::Text(&published.p),
            Value::MaybeText(published.sp.as_deref()),
            Value::MaybeText(published.np.as_deref()),
            Value::Text(&published.adkim),
            Value::Text(&published.aspf),
            Value::MaybeText(published.fo.as_deref()),
            Value::Int(i64::from(published.testing)),
            Value::Text(&published.discovery_method),
            Value::Text(rua),
            Value::Int(policy.first),
            Value::Int(policy.last),
        ]);
    }
    store.insert("policy", columns, &rows, &behind).await?;
    for chunk in changed.chunks(ROWS) {
        let (ids, hashes) =
            (chunk.iter().map(|(domain, ..)| Value::Int(*domain)), chunk.iter().map(|(_, hash, _)| Value::Bytes(hash)));
        let values: Vec<_> = ids.chain(hashes).collect();
        let list = places(1, chunk.len());
        let sql = format!("SELECT id, hash FROM policy WHERE domain_id IN {list} AND hash IN {list}");
        let of_hash: HashMap<&Hash, usize> = chunk.iter().map(|(_, hash, index)| (hash, *index)).collect();
        for row in store.fetch(&sql, &values, &[Kind::Int, Kind::Bytes]).await? {
            let [id, found] = row.as_slice() else { continue };
            let Ok(found) = Hash::try_from(found.bytes()) else { continue };
            let index = of_hash.get(&found).copied();
            if let Some((policy, rua)) = index.and_then(|index| batch.policies.get(index).zip(ruas.get(index))) {
                kept.policies.insert(found, (id.int(), policy.last, rua.clone()));
            }
        }
    }
    let ids: Vec<i64> = hashes.iter().map(|hash| kept.policies.get(hash).map_or(0, |(id, ..)| *id)).collect();
    kept.of_policies = ids.iter().enumerate().map(|(index, id)| (*id, domain_of(index))).collect();
    Ok(ids)
}

fn hash(text: &str) -> Hash {
    let whole = digest(&SHA256, text.as_bytes());
    let mut hash = [0; HASH];
    hash.iter_mut().zip(whole.as_ref()).for_each(|(to, from)| *to = *from);
    hash
}

/// The number in the first cell.
pub(super) fn first(row: &[Cell]) -> i64 {
    row.first().map_or(0, Cell::int)
}
