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
//! *Limits*: [`BATCH`] deliveries of one turn; one compressed report in memory.

use engine::dns::Resolver;
use engine::message::Signer;

use super::compose::{Contents, compose};
use super::enlist;
use super::freeze::milliseconds;
use super::suppression::{suppress, suppressed_until};
use super::transport::{CONNECT_TIMEOUT, DATA_TIMEOUT, Mailer, Outcome, STEP_TIMEOUT, bounded};
use super::{Clock, OnUnknown, Settings, count, schedule};
use crate::store::{Cell, Kind, Store, StoreError, Value};

/// Deliveries of one turn, and reports whose recipients are looked up in it.
pub const BATCH: usize = 100;

/// Seconds that a delivery is ours: longer than all steps may take together, the second MAIL on a new connection included.
pub const LEASE: u64 = 3 * CONNECT_TIMEOUT.as_secs() + 6 * STEP_TIMEOUT.as_secs() + DATA_TIMEOUT.as_secs();

/// `last_code` of a delivery whose outcome nobody knew once.
const WAS_UNKNOWN: i64 = -1;

/// What one turn came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// Reports that somebody wants, as far as the DNS told.
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
        let (mut turn, clock) = (Turn::default(), Clock::starting_at(now));
        enlist::enlist(self, store, &clock, &mut turn).await?;
        for delivery in due(store, clock.now()).await? {
            // Those before it may have taken many minutes: a lease begins when it is taken.
            self.deliver(store, mailer, &delivery, clock.now(), &mut turn).await?;
        }
        finish(store).await?;
        Ok(turn)
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
            let change = Change::end(delivery, "held", delivery.last_code, text);
            return ended(store, delivery, delivery.lease_until, &change, turn).await;
        }
        if delivery.state == "leased" && schedule::again(1, now, delivery.created).is_none() {
            let change = Change::end(delivery, "expired", delivery.last_code, "given up: each attempt was broken off");
            return ended(store, delivery, delivery.lease_until, &change, turn).await;
        }
        let lease = milliseconds(now.saturating_add(LEASE));
        let code = if delivery.state == "sending" { WAS_UNKNOWN } else { delivery.last_code };
        if !take(store, delivery, &self.settings.node, lease, code).await? {
            return Ok(());
        }
        if suppressed_until(store, &delivery.rcpt).await? > milliseconds(now) {
            let change = Change::end(delivery, "suppressed", code, "");
            return ended(store, delivery, lease, &change, turn).await;
        }
        let Some(gzip) = gzip(store, delivery.report).await? else {
            let change = Change::end(delivery, "expired", code, "the report is kept no longer");
            return ended(store, delivery, lease, &change, turn).await;
        };
        let message = match compose(self.settings, &delivery.contents(&gzip), &delivery.rcpt, now, self.signers) {
            Ok(message) => message,
            // Of this one, or of all while a key does not sign: the others have their turn.
            Err(error) => {
                let outcome = Outcome::Later(bounded(&error.to_string()));
                return self.record(store, delivery, lease, outcome, code, now, turn).await;
            }
        };
        drop(gzip);
        let size = u64::try_from(message.len()).unwrap_or(u64::MAX);
        if delivery.max_octets > 0 && size > delivery.max_octets {
            let text = format!("the report has {size} octets, and the address takes {}", delivery.max_octets);
            return ended(store, delivery, lease, &Change::end(delivery, "rejected", 0, &text), turn).await;
        }
        let sending = "UPDATE report_delivery SET state = 'sending' WHERE report_id = ? AND rcpt = ? AND lease_node = ? \
                       AND lease_until = ? AND state = 'leased'";
        let node = Value::Text(&self.settings.node);
        let values = [Value::Int(delivery.report), Value::Text(&delivery.rcpt), node, Value::Int(lease)];
        if store.persist(sending, &values).await? != 1 {
            return Ok(());
        }
        let outcome = mailer.send(&self.settings.email, &delivery.rcpt, &message).await;
        self.record(store, delivery, lease, outcome, code, now, turn).await
    }

    #[expect(clippy::too_many_arguments, reason = "what one attempt came to")]
    async fn record(
        &self,
        store: &mut Store,
        delivery: &Delivery,
        lease: i64,
        outcome: Outcome,
        code: i64,
        now: u64,
        turn: &mut Turn,
    ) -> Result<(), DeliverError> {
        let rcpt = delivery.rcpt.as_str();
        let attempts = delivery.attempts.saturating_add(1);
        let (text, change) = match &outcome {
            Outcome::Sent(text) => {
                tracing::info!(rcpt, report = delivery.report_id.as_str(), answer = text.as_str(), "report sent");
                // Whoever has it now: it is sent.
                settle(store, delivery, None, &Change::end(delivery, "sent", 250, text)).await?;
                turn.sent = turn.sent.saturating_add(1);
                return Ok(());
            }
            Outcome::RefusedRecipient(text) => {
                tracing::warn!(
                    rcpt,
                    answer = text.as_str(),
                    "the recipient of a report is refused, and gets nothing for a while"
                );
                suppress(store, rcpt, text, now).await?;
                (text, Change::end(delivery, "rejected", 550, text))
            }
            Outcome::Refused(text) => {
                tracing::error!(rcpt, answer = text.as_str(), "a report is refused");
                (text, Change::end(delivery, "rejected", 554, text))
            }
            Outcome::Later(text) => match schedule::again(attempts, now, delivery.created) {
                Some(next) => {
                    tracing::info!(rcpt, attempts, answer = text.as_str(), "a report is sent again later");
                    (text, Change { state: "retry", attempts, next, code, text })
                }
                None => {
                    tracing::warn!(rcpt, attempts, answer = text.as_str(), "a report is given up");
                    (text, Change::end(delivery, "expired", code, text))
                }
            },
            Outcome::Unknown(text) if self.settings.on_unknown == OnUnknown::Hold || code == WAS_UNKNOWN => {
                tracing::error!(rcpt, cause = text.as_str(), "nobody knows whether a report was taken: it is held");
                (text, Change::end(delivery, "held", WAS_UNKNOWN, text))
            }
            Outcome::Unknown(text) => {
                tracing::warn!(
                    rcpt,
                    cause = text.as_str(),
                    "nobody knows whether a report was taken: it is sent once more"
                );
                let next = now.saturating_add(schedule::FIRST_PAUSE);
                (text, Change { state: "retry", attempts, next, code: WAS_UNKNOWN, text })
            }
        };
        if change.state != "retry" {
            return ended(store, delivery, lease, &change, turn).await;
        }
        if settle(store, delivery, Some(lease), &change).await? {
            turn.retried = turn.retried.saturating_add(1);
        } else {
            tracing::warn!(
                rcpt,
                answer = text.as_str(),
                "another node has this delivery: the attempt took longer than its lease"
            );
        }
        Ok(())
    }
}

/// What a delivery becomes.
#[derive(Debug)]
struct Change<'a> {
    state: &'a str,
    attempts: u32,
    /// When it is tried again; 0: never.
    next: u64,
    code: i64,
    text: &'a str,
}

impl<'a> Change<'a> {
    fn end(delivery: &Delivery, state: &'a str, code: i64, text: &'a str) -> Self {
        Self { state, attempts: delivery.attempts.saturating_add(1), next: 0, code, text }
    }
}

/// A delivery, with what is told about its report.
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
    created: u64,
}

impl Delivery {
    fn contents<'a>(&'a self, gzip: &'a [u8]) -> Contents<'a> {
        Contents {
            policy_domain: &self.policy_domain,
            period: self.period,
            report_id: &self.report_id,
            rows: self.rows,
            messages: self.messages,
            gzip,
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
            created: count(created.int()) / 1000,
        })
    }
}

/// Deliveries that anybody may take at `now`.
async fn due(store: &mut Store, now: u64) -> Result<Vec<Delivery>, StoreError> {
    let sql = format!(
        "SELECT d.report_id, d.rcpt, d.state, d.attempts, d.lease_until, d.last_code, d.max_octets, n.name, r.period_begin, r.period_end, \
         r.report_id, r.row_count, r.messages, r.created FROM report_delivery d JOIN report_out r ON r.id = d.report_id \
         JOIN policy p ON p.id = r.policy_id JOIN domain n ON n.id = p.domain_id \
         WHERE (d.state IN ('pending', 'retry') AND d.next_try <= ?) \
         OR (d.state IN ('leased', 'sending') AND d.lease_until < ?) ORDER BY d.next_try, d.report_id, d.rcpt LIMIT {BATCH}"
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
        Kind::Int,
    ];
    let rows = store.fetch(&sql, &[Value::Int(now), Value::Int(now)], &kinds).await?;
    Ok(rows.iter().filter_map(|row| Delivery::of(row)).collect())
}

/// Makes a delivery ours; whether it is. It is only while nobody has changed it since it was read.
async fn take(store: &mut Store, delivery: &Delivery, node: &str, until: i64, code: i64) -> Result<bool, StoreError> {
    let sql = "UPDATE report_delivery SET state = 'leased', lease_node = ?, lease_until = ?, last_code = ? \
               WHERE report_id = ? AND rcpt = ? AND state = ? AND lease_until = ? AND attempts = ?";
    let values = [
        Value::Text(node),
        Value::Int(until),
        Value::Int(code),
        Value::Int(delivery.report),
        Value::Text(&delivery.rcpt),
        Value::Text(&delivery.state),
        Value::Int(delivery.lease_until),
        Value::Int(delivery.attempts.into()),
    ];
    Ok(store.persist(sql, &values).await? == 1)
}

/// The end of a delivery that is not sent.
async fn ended(
    store: &mut Store,
    delivery: &Delivery,
    lease: i64,
    change: &Change<'_>,
    turn: &mut Turn,
) -> Result<(), DeliverError> {
    if settle(store, delivery, Some(lease), change).await? {
        turn.ended = turn.ended.saturating_add(1);
    }
    Ok(())
}

/// What became of a delivery; whether that counts. With a lease only while it is that one: another node may have taken it over and know better.
async fn settle(
    store: &mut Store,
    delivery: &Delivery,
    lease: Option<i64>,
    change: &Change<'_>,
) -> Result<bool, StoreError> {
    let mut sql = "UPDATE report_delivery SET state = ?, attempts = ?, next_try = ?, lease_node = '', lease_until = 0, last_code = ?, last_text = ? \
                   WHERE report_id = ? AND rcpt = ?"
        .to_owned();
    let mut values = vec![
        Value::Text(change.state),
        Value::Int(change.attempts.into()),
        Value::Int(milliseconds(change.next)),
        Value::Int(change.code),
        Value::Text(change.text),
        Value::Int(delivery.report),
        Value::Text(&delivery.rcpt),
    ];
    if let Some(lease) = lease {
        sql.push_str(" AND lease_until = ? AND state IN ('leased', 'sending')");
        values.push(Value::Int(lease));
    }
    Ok(store.persist(&sql, &values).await? == 1)
}

/// The report, compressed; `None` when it is kept no longer.
async fn gzip(store: &mut Store, report: i64) -> Result<Option<Vec<u8>>, StoreError> {
    let sql = "SELECT xml_gz FROM report_out WHERE id = ?";
    let rows = store.fetch(sql, &[Value::Int(report)], &[Kind::Bytes]).await?;
    Ok(rows.into_iter().flatten().find_map(|cell| if let Cell::Bytes(octets) = cell { Some(octets) } else { None }))
}

/// Reports of which nothing is left to be delivered.
async fn finish(store: &mut Store) -> Result<(), StoreError> {
    let open = "SELECT 1 FROM report_delivery d WHERE d.report_id = report_out.id AND d.state IN ('pending', 'leased', 'sending', 'retry', 'held')";
    // Those that are meant first: a change that looks for them would lock rows of other nodes on its way.
    let sql = format!("SELECT id FROM report_out WHERE state = 'sending' AND NOT EXISTS ({open}) ORDER BY id");
    for row in store.fetch(&sql, &[], &[Kind::Int]).await? {
        let id = row.first().map_or(0, Cell::int);
        let sql =
            format!("UPDATE report_out SET state = 'done' WHERE id = ? AND state = 'sending' AND NOT EXISTS ({open})");
        store.persist(&sql, &[Value::Int(id)]).await?;
    }
    Ok(())
}
