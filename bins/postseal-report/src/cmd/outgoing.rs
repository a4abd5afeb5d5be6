//! `outgoing`: what reports there are, and what is in one.

use std::io::{Read as _, Write};

use ledger::outgoing::suppression::lift;
use ledger::store::{Kind, Store, Value};
use serde_json::json;

use super::{expect_tables, now};
use crate::exit::{EXIT_CODES, Exit, Failure};
use crate::place::Place;

/// Octets of a report that are shown: more than any has.
const MAX_XML: u64 = 1 << 30;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List reports with their state, and that of each recipient
    #[command(after_help = EXIT_CODES)]
    List,
    /// Write a report to standard output, as XML
    #[command(after_help = EXIT_CODES)]
    Show {
        /// Its Report-ID, as `outgoing list` has it
        report: String,
    },
    /// Send a report again to a recipient, under the same names
    #[command(after_help = EXIT_CODES)]
    Resend {
        /// Its Report-ID
        report: String,
        /// The recipient; without one, all whose delivery ended
        recipient: Option<String>,
    },
    /// Send nothing to an address or domain any more
    #[command(after_help = EXIT_CODES)]
    Never {
        /// The address, or all of a domain
        target: String,
    },
}

pub(crate) async fn run(command: &Command, place: &Place, json: bool, out: &mut impl Write) -> Result<Exit, Failure> {
    let found = place.find()?;
    let mut store = place.store(&found)?;
    expect_tables(&mut store).await?;
    match command {
        Command::List => list(&mut store, json, out).await,
        Command::Show { report } => show(&mut store, report, out).await,
        Command::Resend { report, recipient } => resend(&mut store, report, recipient.as_deref(), json, out).await,
        Command::Never { target } => never(&mut store, target, json, out).await,
    }
}

async fn list(store: &mut Store, json: bool, out: &mut impl Write) -> Result<Exit, Failure> {
    let sql = "SELECT r.report_id, n.name, r.state, r.row_count, r.messages, d.rcpt, d.state, d.attempts, d.last_text FROM report_out r \
               JOIN policy p ON p.id = r.policy_id JOIN domain n ON n.id = p.domain_id LEFT JOIN report_delivery d ON d.report_id = r.id \
               ORDER BY r.period_begin, n.name, r.report_id, d.rcpt";
    let kinds =
        [Kind::Text, Kind::Text, Kind::Text, Kind::Int, Kind::Int, Kind::Text, Kind::Text, Kind::Int, Kind::Text];
    let rows = store.fetch(sql, &[], &kinds).await?;
    if rows.is_empty() && !json {
        writeln!(out, "no reports: `postseal-report send` makes those of the days that are over")?;
    }
    for row in rows {
        let [report, domain, state, rows, messages, rcpt, delivery, attempts, text] = row.as_slice() else { continue };
        if json {
            let recipient = (!rcpt.text().is_empty()).then(|| {
                json!({ "address": rcpt.text(), "state": delivery.text(), "attempts": attempts.int(), "answer": text.text() })
            });
            let value = json!({
                "report_id": report.text(), "policy_domain": domain.text(), "state": state.text(), "rows": rows.int(),
                "messages": messages.int(), "recipient": recipient,
            });
            writeln!(out, "{value}")?;
            continue;
        }
        write!(out, "{} {}: {}, {} messages", report.text(), domain.text(), state.text(), messages.int())?;
        if !rcpt.text().is_empty() {
            write!(out, "; {} {} ({} attempts)", rcpt.text(), delivery.text(), attempts.int())?;
            if !text.text().is_empty() {
                write!(out, ": {}", text.text())?;
            }
        }
        writeln!(out)?;
    }
    Ok(Exit::Pass)
}

async fn show(store: &mut Store, report: &str, out: &mut impl Write) -> Result<Exit, Failure> {
    let sql = "SELECT xml_gz FROM report_out WHERE report_id = ?";
    let rows = store.fetch(sql, &[Value::Text(report)], &[Kind::Bytes]).await?;
    let Some(gzip) = rows.first().and_then(|row| row.first()) else { return Err(unknown(report)) };
    let mut xml = Vec::new();
    let read = flate2::read::GzDecoder::new(gzip.bytes()).take(MAX_XML).read_to_end(&mut xml);
    read.map_err(|error| Failure::new(Exit::Fail, format!("the report is damaged: {error}"), ""))?;
    out.write_all(&xml)?;
    Ok(Exit::Pass)
}

async fn resend(
    store: &mut Store,
    report: &str,
    recipient: Option<&str>,
    json: bool,
    out: &mut impl Write,
) -> Result<Exit, Failure> {
    let mut sql =
        "UPDATE report_delivery SET state = 'pending', next_try = 0, attempts = 0, last_code = 0, last_text = '' \
                   WHERE state IN ('sent', 'rejected', 'expired', 'suppressed', 'held') \
                   AND report_id IN (SELECT id FROM report_out WHERE report_id = ?)"
            .to_owned();
    let mut values = vec![Value::Text(report)];
    if let Some(recipient) = recipient {
        sql.push_str(" AND rcpt = ?");
        values.push(Value::Text(recipient));
    }
    let changed = store.execute(&sql, &values, false).await?;
    if changed == 0 {
        return Err(unknown(report));
    }
    // Who was refused is asked again now; what an operator forbids stays forbidden.
    let sql = "SELECT d.rcpt FROM report_delivery d JOIN report_out r ON r.id = d.report_id WHERE r.report_id = ? AND d.state = 'pending'";
    let seconds = u64::try_from(now()).unwrap_or(0) / 1000;
    for address in store.fetch(sql, &[Value::Text(report)], &[Kind::Text]).await?.iter().flatten() {
        lift(store, address.text(), seconds).await?;
    }
    let open = "UPDATE report_out SET state = 'sending' WHERE report_id = ? AND state = 'done'";
    store.execute(open, &[Value::Text(report)], false).await?;
    if json {
        writeln!(out, "{}", json!({ "report_id": report, "deliveries": changed }))?;
    } else {
        writeln!(out, "{changed} deliveries wait for `postseal-report send`")?;
    }
    Ok(Exit::Pass)
}

async fn never(store: &mut Store, target: &str, json: bool, out: &mut impl Write) -> Result<Exit, Failure> {
    let is_plain = !target.is_empty() && target.len() <= 320 && target.chars().all(|c| c.is_ascii_graphic());
    if !is_plain {
        return Err(Failure::new(Exit::Usage, "not an address or domain", "write `name@example.com` or `example.com`"));
    }
    // Domains are in lower case where reports go; a local part is as its owner writes it.
    let target = match target.rsplit_once('@') {
        Some((local, domain)) => format!("{local}@{}", domain.to_ascii_lowercase()),
        None => target.to_ascii_lowercase(),
    };
    let target = target.as_str();
    let row = vec![Value::Text(target), Value::Int(i64::MAX), Value::Text("never"), Value::Text("operator")];
    let behind = store.or_change("target", "until = {until}, reason = {reason}, source = {source}");
    store.insert("suppression", "target, until, reason, source", &[row], &behind).await?;
    if json {
        writeln!(out, "{}", json!({ "target": target, "never": true }))?;
    } else {
        writeln!(out, "{target} gets no reports any more")?;
    }
    Ok(Exit::Pass)
}

/// Without control characters, and not for ever.
fn shown(report: &str) -> String {
    report.chars().take(100).flat_map(char::escape_debug).collect()
}

fn unknown(report: &str) -> Failure {
    Failure::new(
        Exit::Fail,
        format!("there is no such report `{}`, or nothing of it ended", shown(report)),
        "see `postseal-report outgoing list`",
    )
}
