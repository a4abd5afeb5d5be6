//! `send`: the reports of the days that are over, once.
//!
//! With `mode = "log-only"`, the default, reports are made and nothing else; with `--dry-run` it is told who would get them. What waits for its time, or for a server, is sent by a later
//! call: a timer calls this every few minutes.

use std::io::Write;

use dkim_core::domain::DomainName;
use engine::config::ReportMode;
use ledger::outgoing::Clock;
use ledger::outgoing::address::{Addresses, addresses};
use ledger::outgoing::deliver::{Deliverer, Turn};
use ledger::outgoing::freeze::{FreezeError, Frozen, freeze};
use ledger::outgoing::schedule;
use ledger::store::Kind;
use serde_json::json;

use super::db::parse_day;
use super::{make_tables, now};
use crate::exit::{Exit, Failure};
use crate::place::Place;

/// Days back that are looked at without `--day`: those whose reports would not be given up yet.
const DAYS_BACK: u32 = 3;

/// Reports of a day are made so long after its end: late messages, and other hosts, have come in then.
const SETTLE: u64 = 20 * 60;

/// The most turns of one call.
const MAX_TURNS: usize = 10_000;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only the reports of this day (UTC), such as 2026-11-24
    #[arg(long, value_name = "DAY", value_parser = parse_day)]
    day: Option<i64>,
    /// Send nothing, and tell who would get the reports that wait
    #[arg(long)]
    dry_run: bool,
    /// In place of the time of the clock, in seconds since 1970
    #[arg(long, value_name = "SECONDS", hide = true)]
    now: Option<u64>,
}

pub(crate) async fn run(args: &Args, place: &Place, json: bool, out: &mut impl Write) -> Result<Exit, Failure> {
    let found = place.find()?;
    let (settings, mut store) = (place.outgoing(&found)?, place.store(&found)?);
    if found.mode() == ReportMode::Off {
        let fix = "set `mode` in `[report]` to `log-only` or `on`";
        return Err(Failure::new(Exit::Fail, "reports are off", fix));
    }
    make_tables(&mut store).await?;
    let time = args.now.unwrap_or_else(|| u64::try_from(now()).unwrap_or(0) / 1000);
    let today = schedule::day_of(time);
    let days = match args.day.and_then(|day| u32::try_from(day).ok()) {
        Some(day) => day..day.saturating_add(1),
        None => today.saturating_sub(DAYS_BACK)..today,
    };
    let (mut made, mut failed) = (Frozen::default(), None);
    for day in days {
        let (_, end) = schedule::period(day);
        if time <= end.saturating_add(SETTLE) {
            continue;
        }
        let frozen = match freeze(&mut store, &settings, day, time).await {
            Ok(frozen) => frozen,
            Err(FreezeError::Store(error)) if error.trouble.may_pass() => return Err(error.into()),
            // The others are made, and sent; it is told at the end.
            Err(error) => {
                failed = failed.or(Some(error));
                continue;
            }
        };
        made.reports = made.reports.saturating_add(frozen.reports);
        made.rows = made.rows.saturating_add(frozen.rows);
        made.messages = made.messages.saturating_add(frozen.messages);
    }
    if args.dry_run || found.mode() == ReportMode::LogOnly {
        tell_made(&made, json, out)?;
        if args.dry_run {
            who(&found.resolver()?, &settings, &mut store, json, out).await?;
        }
        return failed.map_or(Ok(Exit::Pass), |error| Err(error.into()));
    }
    let (resolver, signers) = (found.resolver()?, found.signers(&settings));
    if signers.is_empty() {
        let domain = settings.receiver.as_str();
        tracing::warn!(
            domain,
            "no key signs for the domain that reports come from: they pass DMARC by SPF or not at all"
        );
    }
    let mut mailer = place.mailer(&found, &settings)?;
    let deliverer = Deliverer { settings: &settings, resolver: &resolver, signers: &signers };
    let mut sum = Turn::default();
    let clock = Clock::starting_at(time);
    for _ in 0..MAX_TURNS {
        let turn = deliverer.turn(&mut store, &mut mailer, clock.now()).await?;
        sum.add(&turn);
        if turn.is_idle() {
            break;
        }
    }
    mailer.quit().await;
    tell_sent(&made, &sum, json, out)?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    Ok(if sum.retried > 0 || sum.unanswered > 0 { Exit::Temp } else { Exit::Pass })
}

fn tell_made(made: &Frozen, json: bool, out: &mut impl Write) -> Result<(), Failure> {
    let Frozen { reports, rows, messages } = *made;
    if json {
        writeln!(out, "{}", json!({ "made": reports, "rows": rows, "messages": messages }))?;
    } else {
        writeln!(out, "{reports} reports made, about {messages} messages in {rows} rows; none sent")?;
    }
    Ok(())
}

fn tell_sent(made: &Frozen, sum: &Turn, json: bool, out: &mut impl Write) -> Result<(), Failure> {
    let Turn { addressed, unwanted, unanswered, sent, retried, ended } = *sum;
    if json {
        let value = json!({
            "made": made.reports, "rows": made.rows, "messages": made.messages, "addressed": addressed, "unwanted": unwanted,
            "unanswered": unanswered, "sent": sent, "retried": retried, "ended": ended,
        });
        writeln!(out, "{value}")?;
    } else {
        write!(out, "{} reports made, {sent} mails sent", made.reports)?;
        for (number, what) in [
            (unwanted, "reports that nobody wants"),
            (unanswered, "reports about which the DNS did not tell all addressees; asked again at the next call"),
            (retried, "mails that are tried again at a later call"),
            (ended, "mails that ended without being sent; see `outgoing list`"),
        ] {
            if number > 0 {
                write!(out, "; {number} {what}")?;
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Tells who would get the reports that wait.
async fn who(
    resolver: &engine::dns::Resolver,
    settings: &ledger::outgoing::Settings,
    store: &mut ledger::store::Store,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let sql = "SELECT r.report_id, d.name FROM report_out r JOIN policy p ON p.id = r.policy_id JOIN domain d ON d.id = p.domain_id \
               WHERE r.state = 'frozen' ORDER BY r.period_begin, d.name";
    for row in store.fetch(sql, &[], &[Kind::Text, Kind::Text]).await? {
        let [report, domain] = row.as_slice() else { continue };
        let found = match DomainName::parse(domain.text()) {
            Ok(name) => addresses(resolver, &name, settings).await,
            Err(_) => Addresses { recipients: Vec::new(), is_complete: true },
        };
        let list: Vec<String> = found.recipients.into_iter().map(|recipient| recipient.address).collect();
        if json {
            writeln!(
                out,
                "{}",
                json!({
                    "report_id": report.text(), "policy_domain": domain.text(), "recipients": list, "is_complete": found.is_complete,
                })
            )?;
        } else {
            let mut whom = list.join(", ");
            match (list.is_empty(), found.is_complete) {
                (true, true) => whom.push_str("nobody"),
                (true, false) => whom.push_str("the DNS does not tell"),
                (false, true) => {}
                (false, false) => whom.push_str("; about others the DNS does not tell"),
            }
            writeln!(out, "{} {}: {whom}", report.text(), domain.text())?;
        }
    }
    Ok(())
}
