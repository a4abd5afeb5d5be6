//! The rows of the days, one line each, for other programs: JSON objects or CSV (RFC 4180).
//!
//! Cells of a CSV that a spreadsheet would take for a formula begin with `'`: domains are what strangers wrote. *Limits*: [`PAGE`] rows in memory.

use std::io::{self, Write};
use std::net::IpAddr;

use serde_json::{Value as Json, json};

use crate::store::{Cell, Kind, Store, StoreError, Value};

/// Rows that are asked for at once.
pub const PAGE: usize = 5000;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A JSON object a line.
    Ndjson,
    /// Comma-separated, with a line of names first.
    Csv,
}

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The output.
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
}

const NAMES: [&str; 14] = [
    "day",
    "policy_domain",
    "p",
    "discovery_method",
    "header_from",
    "envelope_from",
    "envelope_to",
    "source_ip",
    "count",
    "disposition",
    "dkim",
    "spf",
    "auth_results",
    "reasons",
];

/// Writes all rows from day `from` on up to day `to`, in days since the epoch; how many those were.
///
/// # Errors
///
/// When the database cannot be asked, or the output not be written.
pub async fn rows(
    store: &mut Store,
    format: Format,
    days: (i64, i64),
    out: &mut impl Write,
) -> Result<u64, ExportError> {
    if format == Format::Csv {
        writeln!(out, "{}", NAMES.join(","))?;
    }
    let mut written: u64 = 0;
    store.begin_reading().await?;
    let mut last: Option<Vec<Cell>> = None;
    loop {
        let page = page(store, days, last.as_deref()).await?;
        for row in &page {
            line(row, format, out)?;
            written = written.saturating_add(1);
        }
        let is_last = page.len() < PAGE;
        last = page.into_iter().next_back();
        if is_last {
            break;
        }
    }
    store.commit().await?;
    out.flush()?;
    Ok(written)
}

const KEY: &str =
    "o.day, o.policy_id, o.ip, o.from_id, o.env_id, o.to_id, o.authset_id, o.disp, o.dkim, o.spf, o.reason_id";
const KEY_KINDS: [Kind; 11] = [
    Kind::Int,
    Kind::Int,
    Kind::Bytes,
    Kind::Int,
    Kind::Int,
    Kind::Int,
    Kind::Int,
    Kind::Int,
    Kind::Int,
    Kind::Int,
    Kind::Int,
];

async fn page(store: &mut Store, days: (i64, i64), last: Option<&[Cell]>) -> Result<Vec<Vec<Cell>>, StoreError> {
    let mut values = vec![Value::Int(days.0), Value::Int(days.1)];
    let mut after = String::new();
    if let Some(last) = last {
        after = format!("AND ({KEY}) > (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
        values.extend(last.iter().zip(KEY_KINDS).map(|(cell, kind)| cell.value(kind)));
    }
    let sql = format!(
        "SELECT {KEY}, o.n, pd.name, p.p, p.discovery, f.name, e.name, t.name, a.body, r.body FROM out_day o \
         JOIN policy p ON p.id = o.policy_id JOIN domain pd ON pd.id = p.domain_id LEFT JOIN domain f ON f.id = o.from_id \
         LEFT JOIN domain e ON e.id = o.env_id LEFT JOIN domain t ON t.id = o.to_id LEFT JOIN authset a ON a.id = o.authset_id \
         LEFT JOIN reason r ON r.id = o.reason_id WHERE o.day BETWEEN ? AND ? {after} ORDER BY {KEY} LIMIT {PAGE}"
    );
    let mut kinds = KEY_KINDS.to_vec();
    kinds.push(Kind::Int);
    kinds.extend([Kind::Text; 8]);
    store.fetch(&sql, &values, &kinds).await
}

fn line(row: &[Cell], format: Format, out: &mut impl Write) -> io::Result<()> {
    let [
        day,
        _policy,
        ip,
        _from,
        _env,
        _to,
        _authset,
        disp,
        dkim,
        spf,
        _reason,
        n,
        domain,
        p,
        discovery,
        from,
        env,
        to,
        authset,
        reasons,
    ] = row
    else {
        return Err(io::Error::other("a row without all its columns"));
    };
    let disposition = match disp.int() {
        1 => "pass",
        2 => "quarantine",
        3 => "reject",
        _ => "none",
    };
    let result = |cell: &Cell| if cell.int() == 1 { "pass" } else { "fail" };
    let ip = address(ip.bytes());
    if format == Format::Csv {
        let (day, n) = (date(day.int()), n.int().to_string());
        let cells = [
            &day,
            domain.text(),
            p.text(),
            discovery.text(),
            from.text(),
            env.text(),
            to.text(),
            &ip,
            &n,
            disposition,
            result(dkim),
            result(spf),
            authset.text(),
            reasons.text(),
        ];
        let cells: Vec<String> = cells.into_iter().map(quoted).collect();
        return writeln!(out, "{}", cells.join(","));
    }
    let parsed = |cell: &Cell| serde_json::from_str::<Json>(cell.text()).unwrap_or(Json::Null);
    let text = |cell: &Cell| if *cell == Cell::Null { Json::Null } else { Json::from(cell.text()) };
    let value = json!({
        "day": date(day.int()), "policy_domain": domain.text(), "p": p.text(), "discovery_method": discovery.text(), "header_from": text(from),
        "envelope_from": text(env), "envelope_to": text(to), "source_ip": ip, "count": n.int(), "disposition": disposition,
        "dkim": result(dkim), "spf": result(spf), "auth_results": parsed(authset), "reasons": parsed(reasons),
    });
    writeln!(out, "{value}")
}

fn address(octets: &[u8]) -> String {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).map_or(String::new(), |ip| ip.to_string())
}

/// A cell of a CSV.
fn quoted(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    if guard.is_empty() && !text.contains([',', '"', '\n', '\r']) {
        return text.to_owned();
    }
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

/// `2026-11-24`, of days since the epoch.
#[must_use]
pub fn date(day: i64) -> String {
    let span = jiff::Span::new().try_days(day);
    let date = span.and_then(|span| jiff::civil::date(1970, 1, 1).checked_add(span));
    date.map_or_else(|_| format!("day {day}"), |date| date.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_no_formula_and_no_second_cell() {
        for (text, cell) in
            [("a.example", "a.example"), ("=1+1", "\"'=1+1\""), ("@x", "\"'@x\""), ("a,\"b", "\"a,\"\"b\"")]
        {
            assert_eq!(quoted(text), cell);
        }
    }

    #[test]
    fn a_day_is_a_date_or_says_that_it_is_none() {
        assert_eq!(date(20_781), "2026-11-24");
        assert_eq!(date(0), "1970-01-01");
        assert!(date(i64::MAX).starts_with("day "));
    }
}
