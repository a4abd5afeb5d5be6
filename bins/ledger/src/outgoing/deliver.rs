//! Reports that are made and due, to those who want them.
//!
//! ```text
//!  pending ─┬─► leased ─► sending ─┬─► sent
//!  retry ───┘     │          │     ├─► retry      (not now; again after a pause, for two days)
//!                 │          │     ├─► rejected   (for good; a recipient that is refused gets nothing for 30 days, then 60 …)
//!                 │          │     └─► expired
//!                 │          └ lease over: outcome unknown ─► sent once more, or held
//!                 └ lease over: nothing was sent, anybody may take it
//!  suppressed, held, expired, rejected, sent: the end
//! ```
//!
//! A state is kept before what it announces is done. Several nodes may run this at once; a delivery belongs to the one whose change of its row took effect.
//!
//! *Limits*: [`BATCH`] reports and deliveries of one turn.

use dkim_core::domain::DomainName;
use engine::dns::Resolver;
use engine::message::Signer;

use super::address::{Addresses, Recipient, addresses};
use super::compose::{ComposeError, Contents, compose};
use super::freeze::milliseconds;
use super::transport::{CONNECT_TIMEOUT, DATA_TIMEOUT, Mailer, Outcome, STEP_TIMEOUT};
use super::{OnUnknown, Settings, count, int, schedule};
use crate::store::{Cell, Kind, Store, StoreError, Value};

/// Reports and deliveries of one turn.
pub const BATCH: usize = 100;

/// A recipient that was refused gets nothing for so long; twice as long each further time.
pub const FIRST_SUPPRESSION: u64 = 30 * schedule::DAY;

/// The longest time that a recipient gets nothing.
pub const LONGEST_SUPPRESSION: u64 = 180 * schedule::DAY;

/// `last_code` of a delivery whose outcome nobody knew once.
const WAS_UNKNOWN: i64 = -1;

/// What one turn came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// Reports that somebody wants.
    pub addressed: u64,
    /// Reports that nobody wants.
    pub unwanted: u64,
    /// Reports about which the DNS did not answer.
    pub unanswered: u64,
    /// Deliveries that were taken.
    pub sent: u64,
    /// That are tried again.
    pub retried: u64,
    /// That ended otherwise.
    pub ended: u64,
}

impl Turn {
    /// Adds another turn; reports without an answer are those of the last one.
    pub fn add(&mut self, turn: &Self) {
        self.addressed = self.addressed.saturating_add(turn.addressed);
        self.unwanted = self.unwanted.saturating_add(turn.unwanted);
        self.unanswered = turn.unanswered;
        self.sent = self.sent.saturating_add(turn.sent);
        self.retried = self.retried.saturating_add(turn.retried);
        self.ended = self.ended.saturating_add(turn.ended);
    }

    /// Whether nothing happened.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        *self == Self { unanswered: self.unanswered, ..Self::default() }
    }
}

/// Why a turn ended early.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A mail cannot be made.
    #[error(transparent)]
    Compose(#[from] ComposeError),
}

/// Who delivers, and by what.
#[derive(Debug)]
pub struct Deliverer<'a> {
    /// As whom.
    pub settings: &'a Settings,
    /// Who answers questions about destinations.
    pub resolver: &'a Resolver,
    /// Keys of our domain.
    pub signers: &'a [Signer],
}

impl Deliverer<'_> {
    /// Does what is due at `now` (seconds since 1970).
    ///
    /// # Errors
    ///
    /// [`DeliverError`]; what was done is kept.
    pub async fn turn(&self, store: &mut Store, mailer: &mut Mailer, now: u64) -> Result<Turn, DeliverError> {
        let mut turn = Turn::default();
        self.address(store, now, &mut turn).await?;
        for delivery in due(store, now).await? {
            self.deliver(store, mailer, &delivery, now, &mut turn).await?;
        }
        finish(store).await?;
        Ok(turn)
    }

    /// Finds the recipients of reports whose time has come.
    async fn address(&self, store: &mut Store, now: u64, turn: &mut Turn) -> Result<(), DeliverError> {
        let sql = format!(
            "SELECT r.id, d.name, r.period_begin, r.created FROM report_out r JOIN policy p ON p.id = r.policy_id \
             JOIN domain d ON d.id = p.domain_id WHERE r.state = 'frozen' ORDER BY r.period_begin, r.id LIMIT {}",
            BATCH.saturating_mul(100)
        );
        let rows = store.fetch(&sql, &[], &[Kind::Int, Kind::Text, Kind::Int, Kind::Int]).await?;
        let mut looked = 0_usize;
        for row in &rows {
            let [id, domain, begin, created] = row.as_slice() else { continue };
            let day = schedule::day_of(count(begin.int()) / 1000);
            if looked >= BATCH || schedule::due(day, domain.text(), &self.settings.receiver) > now {
                continue;
            }
            looked = looked.saturating_add(1);
            let found = match DomainName::parse(domain.text()) {
                Ok(name) => addresses(self.resolver, &name, self.settings).await,
                Err(_) => Addresses::Known(Vec::new()),
            };
            match found {
                Addresses::Known(list) if list.is_empty() => {
                    state(store, id.int(), "nothing").await?;
                    turn.unwanted = turn.unwanted.saturating_add(1);
                }
                Addresses::Known(list) => {
                    enlist(store, id.int(), &list, now).await?;
                    turn.addressed = turn.addressed.saturating_add(1);
                }
                Addresses::Later if now.saturating_sub(count(created.int()) / 1000) > schedule::GIVE_UP_AFTER => {
                    tracing::warn!(domain = domain.text(), "no report: the DNS did not say for two days who wants it");
                    state(store, id.int(), "expired").await?;
                    turn.ended = turn.ended.saturating_add(1);
                }
                Addresses::Later => turn.unanswered = turn.unanswered.saturating_add(1),
            }
        }
        Ok(())
    }

    async fn deliver(
        &self,
        store: &mut Store,
        mailer: &mut Mailer,
        delivery: &Delivery,
        now: u64,
        turn: &mut Turn,
    ) -> Result<(), DeliverError> {
        let was_unknown = delivery.last_code == WAS_UNKNOWN;
        if delivery.state == "sending" && (self.settings.on_unknown == OnUnknown::Hold || was_unknown) {
            let text = "nobody knows whether it was taken; `outgoing resend` sends it again";
            end(store, delivery, "held", delivery.last_code, text).await?;
            turn.ended = turn.ended.saturating_add(1);
            return Ok(());
        }
        // Longer than all steps may take together.
        let lease = now
            .saturating_add(CONNECT_TIMEOUT.as_secs().saturating_mul(3))
            .saturating_add(STEP_TIMEOUT.as_secs().saturating_mul(4))
            .saturating_add(DATA_TIMEOUT.as_secs());
        let code = if delivery.state == "sending" { WAS_UNKNOWN } else { delivery.last_code };
        if !take(store, delivery, &self.settings.node, lease, code).await? {
            return Ok(());
        }
        let message = compose(self.settings, &delivery.contents(), &delivery.rcpt, now, self.signers)?;
        let size = u64::try_from(message.len()).unwrap_or(u64::MAX);
        if delivery.max_octets > 0 && size > delivery.max_octets {
            let text = format!("the report has {size} octets, and the address takes {}", delivery.max_octets);
            end(store, delivery, "rejected", 0, &text).await?;
            turn.ended = turn.ended.saturating_add(1);
            return Ok(());
        }
        let sending = "UPDATE report_delivery SET state = 'sending' WHERE report_id = ? AND rcpt = ? AND lease_node = ? AND state = 'leased'";
        let values = [Value::Int(delivery.report), Value::Text(&delivery.rcpt), Value::Text(&self.settings.node)];
        if store.execute(sending, &values, false).await? != 1 {
            return Ok(());
        }
        let outcome = mailer.send(&self.settings.email, &delivery.rcpt, &message).await;
        self.record(store, delivery, outcome, code, now, turn).await
    }

    async fn record(
        &self,
        store: &mut Store,
        delivery: &Delivery,
        outcome: Outcome,
        code: i64,
        now: u64,
        turn: &mut Turn,
    ) -> Result<(), DeliverError> {
        let rcpt = delivery.rcpt.as_str();
        match outcome {
            Outcome::Sent(text) => {
                tracing::info!(rcpt, report = delivery.report_id.as_str(), answer = text.as_str(), "report sent");
                end(store, delivery, "sent", 250, &text).await?;
                turn.sent = turn.sent.saturating_add(1);
            }
            Outcome::RefusedRecipient(text) => {
                tracing::warn!(
                    rcpt,
                    answer = text.as_str(),
                    "the recipient of a report is refused, and gets nothing for a while"
                );
                suppress(store, rcpt, &text, now).await?;
                end(store, delivery, "rejected", 550, &text).await?;
                turn.ended = turn.ended.saturating_add(1);
            }
            Outcome::Refused(text) => {
                tracing::error!(rcpt, answer = text.as_str(), "a report is refused");
                end(store, delivery, "rejected", 554, &text).await?;
                turn.ended = turn.ended.saturating_add(1);
            }
            Outcome::Later(text) => {
                let attempts = delivery.attempts.saturating_add(1);
                match schedule::again(attempts, now, delivery.created) {
                    Some(next) => {
                        tracing::info!(rcpt, attempts, answer = text.as_str(), "a report is sent again later");
                        again(store, delivery, "retry", attempts, next, code, &text).await?;
                        turn.retried = turn.retried.saturating_add(1);
                    }
                    None => {
                        tracing::warn!(rcpt, attempts, answer = text.as_str(), "a report is given up");
                        end(store, delivery, "expired", code, &text).await?;
                        turn.ended = turn.ended.saturating_add(1);
                    }
                }
            }
            Outcome::Unknown(text) if self.settings.on_unknown == OnUnknown::Hold || code == WAS_UNKNOWN => {
                tracing::error!(rcpt, cause = text.as_str(), "nobody knows whether a report was taken: it is held");
                end(store, delivery, "held", WAS_UNKNOWN, &text).await?;
                turn.ended = turn.ended.saturating_add(1);
            }
            Outcome::Unknown(text) => {
                tracing::warn!(
                    rcpt,
                    cause = text.as_str(),
                    "nobody knows whether a report was taken: it is sent once more"
                );
                let next = now.saturating_add(schedule::FIRST_PAUSE);
                again(store, delivery, "retry", delivery.attempts.saturating_add(1), next, WAS_UNKNOWN, &text).await?;
                turn.retried = turn.retried.saturating_add(1);
            }
        }
        Ok(())
    }
}

/// A delivery, with what is delivered.
#[derive(Debug)]
struct Delivery {
    report: i64,
    rcpt: String,
    state: String,
    attempts: u32,
    lease_until: i64,
    last_code: i64,
    max_octets: u64,
    policy_domain: String,
    period: (u64, u64),
    report_id: String,
    rows: u64,
    messages: u64,
    gzip: Vec<u8>,
    created: u64,
}

impl Delivery {
    fn contents(&self) -> Contents<'_> {
        Contents {
            policy_domain: &self.policy_domain,
            period: self.period,
            report_id: &self.report_id,
            rows: self.rows,
            messages: self.messages,
            gzip: &self.gzip,
        }
    }

    fn of(row: &[Cell]) -> Option<Self> {
        let [
            report,
            rcpt,
            state,
            attempts,
            lease_until,
            last_code,
            max_octets,
            domain,
            begin,
            end,
            id,
            rows,
            messages,
            gzip,
            created,
        ] = row
        else {
            return None;
        };
        Some(Self {
            report: report.int(),
            rcpt: rcpt.text().to_owned(),
            state: state.text().to_owned(),
            attempts: u32::try_from(attempts.int()).unwrap_or(u32::MAX),
            lease_until: lease_until.int(),
            last_code: last_code.int(),
            max_octets: count(max_octets.int()),
            policy_domain: domain.text().to_owned(),
            period: (count(begin.int()) / 1000, count(end.int()) / 1000),
            report_id: id.text().to_owned(),
            rows: count(rows.int()),
            messages: count(messages.int()),
            gzip: gzip.bytes().to_vec(),
            created: count(created.int()) / 1000,
        })
    }
}

/// Deliveries that anybody may take at `now`.
async fn due(store: &mut Store, now: u64) -> Result<Vec<Delivery>, StoreError> {
    let sql = format!(
        "SELECT d.report_id, d.rcpt, d.state, d.attempts, d.lease_until, d.last_code, d.max_octets, n.name, r.period_begin, r.period_end, \
         r.report_id, r.row_count, r.messages, r.xml_gz, r.created FROM report_delivery d JOIN report_out r ON r.id = d.report_id \
         JOIN policy p ON p.id = r.policy_id JOIN domain n ON n.id = p.domain_id \
         WHERE r.xml_gz IS NOT NULL AND ((d.state IN ('pending', 'retry') AND d.next_try <= ?) \
         OR (d.state IN ('leased', 'sending') AND d.lease_until < ?)) ORDER BY d.next_try, d.report_id, d.rcpt LIMIT {BATCH}"
    );
    let now = milliseconds(now);
    let kinds = [
        Kind::Int,
        Kind::Text,
        Kind::Text,
        Kind::Int,
        Kind::Int,
        Kind::Int,
        Kind::Int,
        Kind::Text,
        Kind::Int,
        Kind::Int,
        Kind::Text,
        Kind::Int,
        Kind::Int,
        Kind::Bytes,
        Kind::Int,
    ];
    let rows = store.fetch(&sql, &[Value::Int(now), Value::Int(now)], &kinds).await?;
    Ok(rows.iter().filter_map(|row| Delivery::of(row)).collect())
}

/// Makes a delivery ours; whether it is. It is only while nobody has changed it since it was read.
async fn take(store: &mut Store, delivery: &Delivery, node: &str, until: u64, code: i64) -> Result<bool, StoreError> {
    let sql = "UPDATE report_delivery SET state = 'leased', lease_node = ?, lease_until = ?, last_code = ? \
               WHERE report_id = ? AND rcpt = ? AND state = ? AND lease_until = ? AND attempts = ?";
    let values = [
        Value::Text(node),
        Value::Int(milliseconds(until)),
        Value::Int(code),
        Value::Int(delivery.report),
        Value::Text(&delivery.rcpt),
        Value::Text(&delivery.state),
        Value::Int(delivery.lease_until),
        Value::Int(delivery.attempts.into()),
    ];
    Ok(store.execute(sql, &values, false).await? == 1)
}

/// The end of a delivery.
async fn end(store: &mut Store, delivery: &Delivery, state: &str, code: i64, text: &str) -> Result<(), StoreError> {
    again(store, delivery, state, delivery.attempts.saturating_add(1), 0, code, text).await
}

async fn again(
    store: &mut Store,
    delivery: &Delivery,
    state: &str,
    attempts: u32,
    next: u64,
    code: i64,
    text: &str,
) -> Result<(), StoreError> {
    let sql = "UPDATE report_delivery SET state = ?, attempts = ?, next_try = ?, lease_node = '', lease_until = 0, last_code = ?, last_text = ? \
               WHERE report_id = ? AND rcpt = ?";
    let values = [
        Value::Text(state),
        Value::Int(attempts.into()),
        Value::Int(milliseconds(next)),
        Value::Int(code),
        Value::Text(text),
        Value::Int(delivery.report),
        Value::Text(&delivery.rcpt),
    ];
    store.execute(sql, &values, false).await.map(drop)
}

/// Writes down who gets a report, in one transaction with its state.
async fn enlist(store: &mut Store, report: i64, recipients: &[Recipient], now: u64) -> Result<(), StoreError> {
    store.begin().await?;
    let moved = "UPDATE report_out SET state = 'sending' WHERE id = ? AND state = 'frozen'";
    // Another node did it.
    if store.execute(moved, &[Value::Int(report)], false).await? == 1 {
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
            let sql = "INSERT INTO report_delivery (report_id, rcpt, state, attempts, next_try, lease_node, lease_until, last_code, last_text, max_octets) \
                       VALUES (?, ?, ?, 0, ?, '', 0, 0, '', ?)";
            store.execute(sql, &values, false).await?;
        }
    }
    store.commit().await
}

/// Until when an address, or all of its domain, gets nothing; 0: it gets reports.
async fn suppressed_until(store: &mut Store, address: &str) -> Result<i64, StoreError> {
    let domain = address.rsplit_once('@').map_or(address, |(_, domain)| domain);
    let until = store.as_int("COALESCE(MAX(until), 0)");
    let sql = format!("SELECT {until} FROM suppression WHERE target IN (?, ?)");
    store.number(&sql, &[Value::Text(address), Value::Text(domain)]).await
}

/// Keeps an address from getting reports: 30 days, and each time twice as long, up to 180.
async fn suppress(store: &mut Store, address: &str, why: &str, now: u64) -> Result<(), StoreError> {
    let kinds = [Kind::Int, Kind::Text];
    let rows =
        store.fetch("SELECT until, source FROM suppression WHERE target = ?", &[Value::Text(address)], &kinds).await?;
    let before = rows.first().map(Vec::as_slice);
    // What is kept is only its end. A later refusal comes soon after it, so how long it was shows in how often there was one.
    let times: u32 = match before {
        Some([_, source]) => source.text().strip_prefix("refused ").and_then(|times| times.parse().ok()).unwrap_or(1),
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

async fn state(store: &mut Store, report: i64, state: &str) -> Result<(), StoreError> {
    let sql = "UPDATE report_out SET state = ? WHERE id = ? AND state = 'frozen'";
    store.execute(sql, &[Value::Text(state), Value::Int(report)], false).await.map(drop)
}

/// Reports of which nothing is left to be delivered.
async fn finish(store: &mut Store) -> Result<(), StoreError> {
    let open = "SELECT 1 FROM report_delivery d WHERE d.report_id = report_out.id AND d.state IN ('pending', 'leased', 'sending', 'retry', 'held')";
    let sql = format!("UPDATE report_out SET state = 'done' WHERE state = 'sending' AND NOT EXISTS ({open})");
    store.execute(&sql, &[], false).await.map(drop)
}
