//! A day is over: the rows of each policy become a report, once, whichever node comes first.
//!
//! The report is made from the rows in the order of their keys and from nothing that differs between nodes, so that whoever makes it makes the same. What comes late for a day that is
//! frozen stays in the table and is told by [`late`].
//!
//! *Limits*: [`PAGE`] rows in memory; [`MAX_ROWS`] rows of a report, of which the roll-up keeps fewer.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dmarc_core::record::{AlignmentMode, Policy};
use dmarc_core::report::{
    ActionDisposition, DiscoveryMethod, DkimResult, Metadata, PolicyPublished, Reason, ReasonType, ReportWriter, Row,
    SpfResult, SpfScope, Standing, names,
};
use flate2::{Compression, GzBuilder};

use super::{Settings, count, int, schedule};
use crate::store::{Cell, Engine, Kind, Store, StoreError, Value};

/// Rows that are asked for at once.
pub const PAGE: usize = 5000;

/// Rows of a report.
pub const MAX_ROWS: u64 = 1_000_000;

/// What was frozen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frozen {
    /// Reports that were made.
    pub reports: u64,
    /// Rows in them.
    pub rows: u64,
    /// Messages in them.
    pub messages: u64,
}

/// Why a day is not frozen.
#[derive(Debug, thiserror::Error)]
pub enum FreezeError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A report cannot be made.
    #[error("a report cannot be made")]
    Report(#[from] std::io::Error),
    /// The day is not over.
    #[error("the day is not over")]
    TooEarly,
}

/// A policy of which there are rows.
struct Published {
    id: i64,
    domain: String,
    hash: u64,
    p: Policy,
    sp: Option<Policy>,
    np: Option<Policy>,
    adkim: AlignmentMode,
    aspf: AlignmentMode,
    fo: Option<String>,
    testing: bool,
    discovery: Option<DiscoveryMethod>,
}

/// Makes the reports of a day (counted from 1970 in UTC) that are not made yet. `now`: seconds since 1970.
///
/// A report is made where a message of the day qualifies for one (it passed, or was taken) and the record named an address.
///
/// # Errors
///
/// The first [`FreezeError`]; the other reports are made all the same, unless the database is away.
pub async fn freeze(store: &mut Store, settings: &Settings, day: u32, now: u64) -> Result<Frozen, FreezeError> {
    let (begin, end) = schedule::period(day);
    if now <= end {
        return Err(FreezeError::TooEarly);
    }
    let (mut frozen, mut failed) = (Frozen::default(), None);
    for policy in policies(store, day, begin, end).await? {
        match one(store, settings, day, &policy, now, &mut frozen).await {
            Ok(()) => {}
            // A database that is away is away for all; what is wrong with one report keeps no other back.
            Err(FreezeError::Store(error)) if error.trouble.may_pass() => return Err(error.into()),
            Err(error) => {
                tracing::error!(domain = policy.domain.as_str(), "a report is not made: {error}");
                failed = failed.or(Some(error));
            }
        }
    }
    failed.map_or(Ok(frozen), Err)
}

/// Makes the report of one policy.
async fn one(
    store: &mut Store,
    settings: &Settings,
    day: u32,
    policy: &Published,
    now: u64,
    frozen: &mut Frozen,
) -> Result<(), FreezeError> {
    let (begin, end) = schedule::period(day);
    let report_id = names::report_id(begin, &policy.domain, policy.hash, &settings.org_name, &settings.receiver);
    let made = report(store, settings, day, policy, &report_id).await;
    let (gzip, rows, messages) = match made {
        Ok(made) => made,
        Err(error) => {
            store.disconnect();
            return Err(error);
        }
    };
    store.commit().await?;
    // Taken away since the policies were listed: a report holds at least one record (RFC 9990 §3.1).
    if rows == 0 {
        return Ok(());
    }
    let values = [
        Value::Int(policy.id),
        Value::Int(milliseconds(begin)),
        Value::Int(milliseconds(end)),
        Value::Text(&report_id),
        Value::Text("frozen"),
        Value::Int(int(rows)),
        Value::Int(int(messages)),
        Value::Bytes(&gzip),
        Value::Int(milliseconds(now)),
    ];
    let columns = "policy_id, period_begin, period_end, report_id, state, row_count, messages, xml_gz, created";
    // Another node was first: its report is the same. "ON DUPLICATE KEY UPDATE" would count as a row that was made.
    let (ignore, behind) = match store.engine() {
        Engine::MySql => ("IGNORE ", ""),
        Engine::Sqlite | Engine::Postgres => ("", "ON CONFLICT DO NOTHING"),
    };
    let sql = format!("INSERT {ignore}INTO report_out ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) {behind}");
    if store.persist(&sql, &values).await? == 1 {
        frozen.reports = frozen.reports.saturating_add(1);
        frozen.rows = frozen.rows.saturating_add(rows);
        frozen.messages = frozen.messages.saturating_add(messages);
    }
    Ok(())
}

/// Messages of a day that came after its reports were made, by policy domain.
///
/// # Errors
///
/// When the database cannot be asked.
pub async fn late(store: &mut Store, day: u32) -> Result<Vec<(String, u64)>, StoreError> {
    let (begin, end) = schedule::period(day);
    let sum = store.as_int("SUM(o.n)");
    let sql = format!(
        "SELECT d.name, {sum}, r.messages FROM report_out r JOIN policy p ON p.id = r.policy_id JOIN domain d ON d.id = p.domain_id \
         JOIN out_day o ON o.policy_id = r.policy_id WHERE o.day = ? AND r.period_begin = ? AND r.period_end = ? \
         GROUP BY r.id, d.name, r.messages ORDER BY d.name"
    );
    let values = [Value::Int(day.into()), Value::Int(milliseconds(begin)), Value::Int(milliseconds(end))];
    let rows = store.fetch(&sql, &values, &[Kind::Text, Kind::Int, Kind::Int]).await?;
    let late = rows.iter().filter_map(|row| match row.as_slice() {
        [domain, now, then] if now.int() > then.int() => {
            Some((domain.text().to_owned(), count(now.int().saturating_sub(then.int()))))
        }
        _ => None,
    });
    Ok(late.collect())
}

async fn policies(store: &mut Store, day: u32, begin: u64, end: u64) -> Result<Vec<Published>, StoreError> {
    let sql = "SELECT p.id, d.name, p.hash, p.p, p.sp, p.np, p.adkim, p.aspf, p.fo, p.testing, p.discovery FROM policy p \
               JOIN domain d ON d.id = p.domain_id \
               WHERE p.rua <> '[]' AND EXISTS (SELECT 1 FROM out_day o WHERE o.day = ? AND o.policy_id = p.id AND o.qualifies = 1) \
               AND NOT EXISTS (SELECT 1 FROM report_out r WHERE r.policy_id = p.id AND r.period_begin = ? AND r.period_end = ?) \
               ORDER BY p.id";
    let values = [Value::Int(day.into()), Value::Int(milliseconds(begin)), Value::Int(milliseconds(end))];
    let kinds = [
        Kind::Int,
        Kind::Text,
        Kind::Bytes,
        Kind::Text,
        Kind::Text,
        Kind::Text,
        Kind::Text,
        Kind::Text,
        Kind::Text,
        Kind::Int,
        Kind::Text,
    ];
    let rows = store.fetch(sql, &values, &kinds).await?;
    Ok(rows.iter().filter_map(|row| published(row)).collect())
}

fn published(row: &[Cell]) -> Option<Published> {
    let [id, domain, hash, p, sp, np, adkim, aspf, fo, testing, discovery] = row else { return None };
    let octets = hash.bytes().iter().take(8).fold(0_u64, |hash, octet| (hash << 8) | u64::from(*octet));
    Some(Published {
        id: id.int(),
        domain: domain.text().to_owned(),
        hash: octets,
        p: policy(p.text()).unwrap_or(Policy::None),
        sp: policy(sp.text()),
        np: policy(np.text()),
        adkim: mode(adkim.text()),
        aspf: mode(aspf.text()),
        fo: Some(fo.text()).filter(|fo| !fo.is_empty()).map(str::to_owned),
        testing: testing.int() == 1,
        discovery: match discovery.text() {
            "psl" => Some(DiscoveryMethod::Psl),
            "treewalk" => Some(DiscoveryMethod::TreeWalk),
            _ => None,
        },
    })
}

const KEY: &str = "o.ip, o.from_id, o.env_id, o.to_id, o.authset_id, o.disp, o.dkim, o.spf, o.reason_id";
const KEY_KINDS: [Kind; 9] =
    [Kind::Bytes, Kind::Int, Kind::Int, Kind::Int, Kind::Int, Kind::Int, Kind::Int, Kind::Int, Kind::Int];

/// The report, compressed; its rows and messages. Leaves the transaction open that it was read in.
async fn report(
    store: &mut Store,
    settings: &Settings,
    day: u32,
    policy: &Published,
    report_id: &str,
) -> Result<(Vec<u8>, u64, u64), FreezeError> {
    let (begin, end) = schedule::period(day);
    let generator = concat!("Postseal ", env!("CARGO_PKG_VERSION"));
    store.begin_reading().await?;
    let sql = "SELECT overflow FROM out_total WHERE day = ? AND policy_id = ?";
    let overflow = store.number(sql, &[Value::Int(day.into()), Value::Int(policy.id)]).await?;
    let error =
        (overflow > 0).then(|| format!("{overflow} further messages from sources that never passed are not shown"));
    let metadata = Metadata {
        org_name: &settings.org_name,
        email: &settings.email,
        extra_contact_info: settings.extra_contact_info.as_deref(),
        report_id,
        begin,
        end,
        error: error.as_deref(),
        generator: Some(generator),
    };
    let published = PolicyPublished {
        domain: &policy.domain,
        discovery_method: policy.discovery,
        p: policy.p,
        sp: policy.sp,
        np: policy.np,
        adkim: policy.adkim,
        aspf: policy.aspf,
        fo: policy.fo.as_deref(),
        testing: policy.testing,
        pct: None,
    };
    // No name and no time in it: the same rows are the same octets.
    let gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::new(6));
    let mut writer = ReportWriter::new(gzip, settings.format, &metadata, &published)?;
    let mut last: Option<Vec<Cell>> = None;
    loop {
        let page = page(store, day, policy.id, last.as_deref()).await?;
        for cells in &page {
            write_row(&mut writer, cells)?;
        }
        let is_last = page.len() < PAGE || writer.rows() >= MAX_ROWS;
        last = page.into_iter().next_back();
        if is_last {
            break;
        }
    }
    let (rows, messages) = (writer.rows(), writer.messages());
    Ok((writer.finish()?.finish()?, rows, messages))
}

async fn page(store: &mut Store, day: u32, policy: i64, last: Option<&[Cell]>) -> Result<Vec<Vec<Cell>>, StoreError> {
    let mut values = vec![Value::Int(day.into()), Value::Int(policy)];
    let mut after = String::new();
    if let Some(last) = last {
        after = format!("AND ({KEY}) > (?, ?, ?, ?, ?, ?, ?, ?, ?)");
        values.extend(last.iter().zip(KEY_KINDS).map(|(cell, kind)| cell.value(kind)));
    }
    let sql = format!(
        "SELECT {KEY}, o.n, f.name, e.name, t.name, a.body, r.body FROM out_day o LEFT JOIN domain f ON f.id = o.from_id \
         LEFT JOIN domain e ON e.id = o.env_id LEFT JOIN domain t ON t.id = o.to_id LEFT JOIN authset a ON a.id = o.authset_id \
         LEFT JOIN reason r ON r.id = o.reason_id WHERE o.day = ? AND o.policy_id = ? {after} ORDER BY {KEY} LIMIT {PAGE}"
    );
    let mut kinds = KEY_KINDS.to_vec();
    kinds.push(Kind::Int);
    kinds.extend([Kind::Text; 5]);
    store.fetch(&sql, &values, &kinds).await
}

/// Results as the roll-up keeps them.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct AuthSet {
    dkim: Vec<(String, String, String)>,
    spf: Option<(String, String, String)>,
}

fn write_row<W: Write>(writer: &mut ReportWriter<W>, cells: &[Cell]) -> std::io::Result<()> {
    let [ip, _, _, _, _, disp, dkim_aligned, spf_aligned, _, n, from, env, to, authset, reasons] = cells else {
        return Ok(());
    };
    let authset: AuthSet = serde_json::from_str(authset.text()).unwrap_or_default();
    let reasons: Vec<(String, Option<String>)> = serde_json::from_str(reasons.text()).unwrap_or_default();
    let header_from = from.text();
    let dkim: Vec<_> = authset
        .dkim
        .iter()
        .map(|(domain, selector, result)| DkimResult {
            domain,
            selector,
            result,
            human_result: None,
            standing: standing(domain, header_from),
        })
        .collect();
    let spf = authset.spf.as_ref().map(|(domain, scope, result)| SpfResult {
        domain,
        scope: if scope == "helo" { SpfScope::Helo } else { SpfScope::MailFrom },
        result,
        human_result: None,
    });
    let reasons: Vec<_> = reasons
        .iter()
        .map(|(kind, comment)| Reason { kind: ReasonType::from_word(kind), comment: comment.as_deref() })
        .collect();
    writer.row(&Row {
        source_ip: address(ip.bytes()),
        count: count(n.int()),
        disposition: match disp.int() {
            1 => ActionDisposition::Pass,
            2 => ActionDisposition::Quarantine,
            3 => ActionDisposition::Reject,
            _ => ActionDisposition::None,
        },
        dkim_aligned: dkim_aligned.int() == 1,
        spf_aligned: spf_aligned.int() == 1,
        reasons: &reasons,
        header_from,
        envelope_from: Some(env.text()),
        envelope_to: Some(to.text()).filter(|to| !to.is_empty()),
        dkim: &dkim,
        spf,
    })
}

/// How a signature stands to the author domain, as far as names tell: what counts is kept in the row.
fn standing(domain: &str, author: &str) -> Standing {
    let is_below = |name: &str, parent: &str| name.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.'));
    if domain == author {
        Standing::Strict
    } else if is_below(domain, author) || (is_below(author, domain) && domain.contains('.')) {
        Standing::Relaxed
    } else {
        Standing::Other
    }
}

fn address(octets: &[u8]) -> IpAddr {
    if let Ok(octets) = <[u8; 4]>::try_from(octets) {
        return Ipv4Addr::from(octets).into();
    }
    <[u8; 16]>::try_from(octets).map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |octets| Ipv6Addr::from(octets).into())
}

fn policy(word: &str) -> Option<Policy> {
    match word {
        "none" => Some(Policy::None),
        "quarantine" => Some(Policy::Quarantine),
        "reject" => Some(Policy::Reject),
        _ => None,
    }
}

fn mode(word: &str) -> AlignmentMode {
    if word == "s" { AlignmentMode::Strict } else { AlignmentMode::Relaxed }
}

pub(super) fn milliseconds(seconds: u64) -> i64 {
    int(seconds.saturating_mul(1000))
}
