//! All of a ledger as text, out of a database in use and into an empty one, of the same kind or another.
//!
//! A line is a JSON list: the table, then the columns of a row in their order; octets are `{"hex": …}`. The first line says what it is and which version of the
//! tables it has, the last one how many rows there are: a file without it is cut off, and nothing is restored from it.
//!
//! What is written is of one moment, the places in the journals included: after a restore, what those journals have since is counted anew, and what was counted is not.
//! *Limits*: [`PAGE`] rows in memory, [`MAX_LINE`].

use std::io::{self, BufRead, Read, Write};

use serde_json::{Value as Json, json};

use crate::store::migrate::{self, VERSION};
use crate::store::{Cell, Engine, Kind, ROWS, Store, StoreError, Trouble, Value};

/// Rows that are asked for at once.
pub const PAGE: usize = 2000;

/// Octets of the longest line that is read: a report of 64 MiB.
pub const MAX_LINE: u64 = 160 << 20;

/// Why a ledger was not written or not read.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file.
    #[error("the file cannot be read or written: {0}")]
    File(#[from] io::Error),
    /// What is in the file.
    #[error("line {line} of the file: {cause}")]
    Content {
        /// Which line.
        line: u64,
        /// What is wrong with it.
        cause: &'static str,
    },
    /// There is something in the database.
    #[error("the table `{0}` has rows: a ledger is restored into an empty database alone")]
    NotEmpty(&'static str),
}

/// A table: its name, its columns with those of its key first, how many those are, and what the columns are.
struct Table {
    name: &'static str,
    columns: &'static str,
    key: usize,
    kinds: &'static str,
}

const fn table(name: &'static str, columns: &'static str, key: usize, kinds: &'static str) -> Table {
    Table { name, columns, key, kinds }
}

/// `i` for a number, `t` for a text, `b` for octets.
const TABLES: &[Table] = &[
    table("domain", "id, name", 1, "it"),
    table(
        "policy",
        "id, domain_id, hash, p, sp, np, adkim, aspf, fo, testing, discovery, rua, first_seen, last_seen",
        1,
        "iibttttttittii",
    ),
    table("authset", "id, hash, body", 1, "ibt"),
    table("reason", "id, hash, body", 1, "ibt"),
    table(
        "out_day",
        "day, policy_id, ip, from_id, env_id, to_id, authset_id, disp, dkim, spf, reason_id, qualifies, n",
        11,
        "iibiiiiiiiiii",
    ),
    table("out_total", "day, policy_id, passed, failed, quarantined, rejected, overflow", 2, "iiiiiii"),
    table(
        "journal_mark",
        "node, journal, segment, octets, updated, messages, counted, lost, damaged, torn, gaps",
        1,
        "tttiiiiiiii",
    ),
    table("contact", "domain_id, last_sent_to, last_accepted_from", 1, "iii"),
    table(
        "report_out",
        "id, policy_id, period_begin, period_end, report_id, state, row_count, messages, xml_gz, created",
        1,
        "iiiittiibi",
    ),
    table(
        "report_delivery",
        "report_id, rcpt, state, attempts, next_try, lease_node, lease_until, last_code, last_text, max_octets",
        2,
        "ittiitiiti",
    ),
    table("suppression", "target, until, reason, source", 1, "titt"),
    table("failure_out", "day, domain_id, sent, merged", 2, "iiii"),
];

impl Table {
    fn kinds(&self) -> Vec<Kind> {
        let kind = |letter| match letter {
            b't' => Kind::Text,
            b'b' => Kind::Bytes,
            _ => Kind::Int,
        };
        self.kinds.bytes().map(kind).collect()
    }

    fn key_columns(&self) -> String {
        self.columns.split(", ").take(self.key).collect::<Vec<_>>().join(", ")
    }
}

/// Writes all of it; how many rows those were.
///
/// # Errors
///
/// When the database cannot be asked, or the file not be written.
pub async fn backup(store: &mut Store, out: &mut impl Write) -> Result<u64, DumpError> {
    let schema = migrate::check(store).await?;
    if !schema.is_current() {
        return Err(StoreError::new(
            store.url(),
            Trouble::Schema,
            "its tables are of another version: `db migrate` first",
        )
        .into());
    }
    writeln!(out, "{}", json!({ "postseal_ledger": 1, "version": VERSION }))?;
    let mut rows: u64 = 0;
    store.begin_reading().await?;
    for table in TABLES {
        let kinds = table.kinds();
        let (columns, key) = (table.columns, table.key_columns());
        let mut last: Vec<Cell> = Vec::new();
        loop {
            let after = match last.as_slice() {
                [] => String::new(),
                cells => format!("WHERE ({key}) > ({})", vec!["?"; cells.len()].join(", ")),
            };
            let values: Vec<Value<'_>> = last.iter().zip(&kinds).map(|(cell, kind)| cell.value(*kind)).collect();
            let sql = format!("SELECT {columns} FROM {} {after} ORDER BY {key} LIMIT {PAGE}", table.name);
            let page = store.fetch(&sql, &values, &kinds).await?;
            for row in &page {
                let cells = row.iter().map(to_json);
                let line: Vec<Json> = std::iter::once(Json::from(table.name)).chain(cells).collect();
                writeln!(out, "{}", Json::from(line))?;
                rows = rows.saturating_add(1);
            }
            let Some(row) = page.last().filter(|_| page.len() == PAGE) else { break };
            last = row.iter().take(table.key).cloned().collect();
        }
    }
    store.commit().await?;
    writeln!(out, "{}", json!({ "rows": rows }))?;
    out.flush()?;
    Ok(rows)
}

/// Reads all of it into tables that are there and empty, in one transaction; how many rows those were.
///
/// # Errors
///
/// When the file is cut off or no ledger, or the database has something in it; then nothing is restored.
pub async fn restore(store: &mut Store, input: &mut impl BufRead) -> Result<u64, DumpError> {
    let schema = migrate::check(store).await?;
    if !schema.is_current() {
        return Err(StoreError::new(
            store.url(),
            Trouble::Schema,
            "its tables are of another version: `db migrate` first",
        )
        .into());
    }
    store.begin().await?;
    let restored = restore_rows(store, input).await;
    if restored.is_err() {
        store.disconnect();
    }
    restored
}

async fn restore_rows(store: &mut Store, input: &mut impl BufRead) -> Result<u64, DumpError> {
    for table in TABLES {
        if !store.fetch(&format!("SELECT 1 FROM {} LIMIT 1", table.name), &[], &[]).await?.is_empty() {
            return Err(DumpError::NotEmpty(table.name));
        }
    }
    let mut number: u64 = 1;
    let mut text = String::new();
    let wrong = |line: u64, cause: &'static str| DumpError::Content { line, cause };
    let head = next(input, &mut text, number)?.ok_or_else(|| wrong(1, "the file is empty"))?;
    if head.get("postseal_ledger") != Some(&json!(1)) || head.get("version") != Some(&json!(VERSION)) {
        return Err(wrong(1, "not a ledger of the version of this program"));
    }
    let (mut rows, mut of): (Vec<Vec<Cell>>, Option<&Table>) = (Vec::new(), None);
    let mut count: u64 = 0;
    loop {
        number = number.saturating_add(1);
        let line = next(input, &mut text, number)?.ok_or_else(|| wrong(number, "the file is cut off here"))?;
        if let Some(expected) = line.get("rows") {
            write(store, of, &mut rows).await?;
            if *expected != json!(count) {
                return Err(wrong(number, "the file does not have all its rows"));
            }
            break;
        }
        let cells = line.as_array().ok_or_else(|| wrong(number, "not a row"))?;
        let (name, cells) = cells.split_first().ok_or_else(|| wrong(number, "not a row"))?;
        let table = TABLES
            .iter()
            .find(|table| name.as_str() == Some(table.name))
            .ok_or_else(|| wrong(number, "of an unknown table"))?;
        if of.is_none_or(|of| of.name != table.name) || rows.len() >= ROWS {
            write(store, of, &mut rows).await?;
            of = Some(table);
        }
        let kinds = table.kinds();
        let row: Option<Vec<Cell>> = cells.iter().zip(&kinds).map(|(cell, kind)| from_json(cell, *kind)).collect();
        rows.push(
            row.filter(|row| row.len() == kinds.len() && cells.len() == kinds.len())
                .ok_or_else(|| wrong(number, "a row that does not fit its table"))?,
        );
        count = count.saturating_add(1);
    }
    // Whoever has kept numbers of the database that was here before forgets them.
    store.execute("UPDATE ledger_meta SET value = value + 1 WHERE name = 'epoch'", &[], false).await?;
    if store.engine() == Engine::Postgres {
        for table in ["domain", "policy", "authset", "reason", "report_out"] {
            let sql = format!(
                "SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT COALESCE(MAX(id), 0) + 1 FROM {table}), false)"
            );
            store.fetch(&sql, &[], &[]).await?;
        }
    }
    store.commit().await?;
    Ok(count)
}

async fn write(store: &mut Store, table: Option<&Table>, rows: &mut Vec<Vec<Cell>>) -> Result<(), StoreError> {
    if let Some(table) = table {
        let kinds = table.kinds();
        let values = rows.iter().map(|row| row.iter().zip(&kinds).map(|(cell, kind)| cell.value(*kind)).collect());
        let values: Vec<Vec<Value<'_>>> = values.collect();
        store.insert(table.name, table.columns, &values, "").await?;
    }
    rows.clear();
    Ok(())
}

/// The next line; `None` at the end.
fn next(input: &mut impl BufRead, text: &mut String, number: u64) -> Result<Option<Json>, DumpError> {
    text.clear();
    if input.by_ref().take(MAX_LINE).read_line(text)? == 0 {
        return Ok(None);
    }
    let wrong = DumpError::Content { line: number, cause: "not a whole line of JSON" };
    if !text.ends_with('\n') {
        return Err(wrong);
    }
    serde_json::from_str(text).map(Some).map_err(|_| wrong)
}

fn to_json(cell: &Cell) -> Json {
    match cell {
        Cell::Null => Json::Null,
        Cell::Int(number) => Json::from(*number),
        Cell::Text(text) => Json::from(text.as_str()),
        Cell::Bytes(bytes) => json!({ "hex": bytes.iter().map(|octet| format!("{octet:02x}")).collect::<String>() }),
    }
}

fn from_json(value: &Json, kind: Kind) -> Option<Cell> {
    Some(match (value, kind) {
        (Json::Null, Kind::Text | Kind::Bytes) => Cell::Null,
        (Json::Number(number), Kind::Int) => Cell::Int(number.as_i64()?),
        (Json::String(text), Kind::Text) => Cell::Text(text.clone()),
        (Json::Object(_), Kind::Bytes) => {
            let digits = value.get("hex")?.as_str()?.as_bytes();
            let (pairs, []) = digits.as_chunks::<2>() else { return None };
            let octet = |pair: &[u8; 2]| str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
            Cell::Bytes(pairs.iter().map(octet).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every table and column that the steps make is in a backup, but for what a new database has by itself.
    #[test]
    fn no_table_and_no_column_is_left_out() {
        let sql = include_str!("../migrations/sqlite/0001_outgoing.sql");
        let mut found = Vec::new();
        for part in sql.split("CREATE TABLE IF NOT EXISTS ").skip(1) {
            let (name, rest) = part.split_once(" (").unwrap();
            let columns: Vec<&str> = rest.lines().skip(1).map_while(|line| line.strip_prefix("    ")).collect();
            let columns = columns
                .iter()
                .map(|line| line.split(' ').next().unwrap())
                .filter(|word| !["UNIQUE", "PRIMARY"].contains(word));
            found.push((name, columns.collect::<Vec<_>>().join(", ")));
        }
        let known: Vec<(&str, String)> = TABLES.iter().map(|table| (table.name, table.columns.to_owned())).collect();
        found.retain(|(name, _)| *name != "ledger_meta");
        assert_eq!(found, known);
        for table in TABLES {
            assert_eq!(table.kinds.len(), table.columns.split(", ").count(), "{}", table.name);
        }
    }
}
