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
//! *Limits*: [`BATCH`] reports and deliveries of one turn; one compressed report in memory.

use dkim_core::domain::DomainName;
use engine::dns::Resolver;
use engine::message::Signer;

use super::address::{Addresses, Recipient, addresses};
use super::compose::{Contents, compose};
use super::freeze::milliseconds;
use super::transport::{CONNECT_TIMEOUT, DATA_TIMEOUT, Mailer, Outcome, STEP_TIMEOUT, bounded};
use super::{Clock, OnUnknown, Settings, count, int, schedule};
use crate::store::{BUSY, Cell, Kind, Store, StoreError, Trouble, Value};

/// Reports and deliveries of one turn.
pub const BATCH: usize = 100;

/// A recipient that was refused gets nothing for so long; twice as long each further time.
pub const FIRST_SUPPRESSION: u64 = 30 * schedule::DAY;

/// The longest time that a recipient gets nothing.
pub const LONGEST_SUPPRESSION: u64 = 180 * schedule::DAY;

/// Seconds that a delivery is ours: longer than all steps may take together, the second MAIL on a new connection included.
pub const LEASE: u64 = 3 * CONNECT_TIMEOUT.as_secs() + 6 * STEP_TIMEOUT.as_secs() + DATA_TIMEOUT.as_secs();

/// Reports that are asked for at once when those are chosen whose recipients are looked up.
const PAGE: usize = 2000;

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
        self.address(store, now, &mut turn).await?;
        for delivery in due(store, clock.now()).await? {
            // Those before it may have taken many minutes: a lease begins when it is taken.
            self.deliver(store, mailer, &delivery, clock.now(), &mut turn).await?;
        }
        finish(store).await?;
        Ok(turn)
    }

    /// Finds the recipients of reports whose time has come.
    async fn address(&self, store: &mut Store, now: u64, turn: &mut Turn) -> Result<(), DeliverError> {
        for Frozen { id, domain, created } in self.chosen(store, now).await? {
            if now.saturating_sub(created) > schedule::GIVE_UP_AFTER {
                tracing::warn!(
                    domain,
                    "no report: for two days nobody could tell who wants it, or none was to be sent"
                );
                state(store, id, "expired").await?;
                turn.ended = turn.ended.saturating_add(1);
                continue;
            }
            let found = match DomainName::parse(&domain) {
                Ok(name) => addresses(self.resolver, &name, self.settings).await,
                Err(_) => Addresses::Known(Vec::new()),
            };
            match found {
                Addresses::Known(list) if list.is_empty() => {
                    state(store, id, "nothing").await?;
                    turn.unwanted = turn.unwanted.saturating_add(1);
                }
                Addresses::Known(list) => {
                    enlist(store, id, &list, now).await?;
                    turn.addressed = turn.addressed.saturating_add(1);
                }
                Addresses::Later => turn.unanswered = turn.unanswered.saturating_add(1),
            }
        }
        Ok(())
    }

    /// At most [`BATCH`] reports that wait for recipients and are due, any of them: whoever has many domains whose DNS never answers does not stand before all others each time.
    async fn chosen(&self, store: &mut Store, now: u64) -> Result<Vec<Frozen>, StoreError> {
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
                if schedule::due(day, domain.text(), &self.settings.receiver) <= now {
                    let place = schedule::hash(&format!("{last} {now}"), &self.settings.node);
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
        if is_never(store, &delivery.rcpt).await? {
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

/// A report that waits for its recipients.
#[derive(Debug)]
struct Frozen {
    id: i64,
    domain: String,
    created: u64,
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

/// Writes down who gets a report, in one transaction with its state.
async fn enlist(store: &mut Store, report: i64, recipients: &[Recipient], now: u64) -> Result<(), StoreError> {
    let mut pauses = BUSY.iter();
    loop {
        match enlist_once(store, report, recipients, now).await {
            Err(error) if error.trouble == Trouble::Busy => match pauses.next() {
                Some(pause) => tokio::time::sleep(std::time::Duration::from_millis(*pause)).await,
                None => return Err(error),
            },
            done => return done,
        }
    }
}

async fn enlist_once(store: &mut Store, report: i64, recipients: &[Recipient], now: u64) -> Result<(), StoreError> {
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

/// Whether an operator has said that an address, or all of its domain, gets nothing: that counts for what is on its way too.
async fn is_never(store: &mut Store, address: &str) -> Result<bool, StoreError> {
    let domain = address.rsplit_once('@').map_or(address, |(_, domain)| domain);
    let sql = "SELECT COUNT(*) FROM suppression WHERE source = 'operator' AND target IN (?, ?)";
    Ok(store.number(sql, &[Value::Text(address), Value::Text(domain)]).await? > 0)
}

/// Keeps an address from getting reports: 30 days, and each time twice as long, up to 180.
async fn suppress(store: &mut Store, address: &str, why: &str, now: u64) -> Result<(), StoreError> {
    let kinds = [Kind::Int, Kind::Text];
    let rows =
        store.fetch("SELECT until, source FROM suppression WHERE target = ?", &[Value::Text(address)], &kinds).await?;
    let before = rows.first().map(Vec::as_slice);
    // What an operator or an import has written, and holds longer than anything of here.
    if let Some([until, source]) = before
        && !source.text().starts_with("refused")
        && until.int() > milliseconds(now.saturating_add(LONGEST_SUPPRESSION))
    {
        return Ok(());
    }
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
    store.persist(sql, &[Value::Text(state), Value::Int(report)]).await.map(drop)
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
