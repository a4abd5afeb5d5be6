//! One connection: one task, and the only place that waits, for the socket, for lookups, for deadlines and for the stop.
//!
//! ```text
//!   socket ─► FrameDecoder ─► Dialogue::take ─► out ─► one write
//!                                 │ names
//!                                 ▼
//!                             lookups (a task each) ─► Dialogue::answer
//! ```
//!
//! Invariants: all replies of a step are one write; lookups of a message run at the same time and end with it; waiting for them at
//! end of message ends at the deadline, at MAIL and RCPT at `spf.budget`; a panic in here ends this connection, after a reply, and no other.

mod check;
mod choosing;
mod dialogue;
mod guarded;
mod lookups;
mod open;
mod stream;

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use milter_proto::{FrameDecoder, FrameError};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::JoinError;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout_at};

pub(crate) use self::check::Asking;
use self::check::Ending;
use self::dialogue::{Dialogue, DialogueError, Next};
use self::guarded::guarded;
use self::lookups::Lookups;
pub(crate) use self::stream::Stream;
use crate::config::Listener;
use crate::crypto_pool::CryptoPool;
use crate::dns::Resolver;
use crate::journal::{self, Journal};
use crate::logging::Logger;
use crate::message::{Answered, Closing, Fault, Refused, Rules, guard};

/// Between two signs of life while the MTA waits: a third of the shortest time-out that an MTA has by default (Sendmail's `R:10s`; Postfix's
/// `milter_command_timeout` is 30 s).
pub(crate) const PROGRESS: Duration = Duration::from_secs(3);

/// Most that the buffer for replies keeps between two messages.
const KEEP_OUT: usize = 16 * 1024;

/// What connections work with; fixed for a connection when it is accepted.
#[derive(Debug)]
pub struct Setup {
    /// How messages are judged and signed.
    pub rules: Arc<Rules>,
    /// Who is asked for keys and about senders.
    pub resolver: Resolver,
}

/// What all connections share, whatever the configuration.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    pub(crate) logger: Logger,
    pub(crate) journal: Journal,
    pub(crate) pool: CryptoPool,
    /// Our authserv-id where neither the configuration nor the MTA has one.
    pub(crate) host_name: Arc<str>,
    /// Time between two signs of life while the MTA waits.
    pub(crate) progress: Duration,
    /// Whether it has been said that an MTA takes away spaces.
    pub(crate) told_about_spaces: Arc<AtomicBool>,
}

/// Why a connection ended otherwise than by QUIT.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("connection lost")]
    Lost,
    #[error("connection lost: {0}")]
    Io(#[from] io::Error),
    #[error("no event for {} s", .0.as_secs())]
    Idle(Duration),
    #[error("the rest of a packet did not come within {} s", .0.as_secs())]
    HalfPacket(Duration),
    #[error("a reply was not taken within {} s", .0.as_secs())]
    Stuck(Duration),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Dialogue(#[from] DialogueError),
    #[error("internal error")]
    Fault,
    #[error("the daemon stops")]
    Stopping,
}

/// A connection and everything that belongs to it.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Stream,
    decoder: FrameDecoder,
    dialogue: Dialogue,
    out: Vec<u8>,
    setup: Arc<Setup>,
    listener: Arc<Listener>,
    surroundings: Surroundings,
    lookups: Lookups,
    /// Of messages that were refused before their end, and whose answers are not on their way yet.
    entries: Vec<Option<Box<journal::Record>>>,
    /// When the packet that is half there must be whole.
    packet_due: Option<Instant>,
    stop: watch::Receiver<bool>,
    /// One of the connections that may be open; given back with the connection.
    _permit: Option<OwnedSemaphorePermit>,
}

impl Connection {
    pub(crate) fn new(
        stream: Stream,
        setup: Arc<Setup>,
        listener: Arc<Listener>,
        surroundings: Surroundings,
        stop: watch::Receiver<bool>,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Self {
        let host_name = Arc::clone(&surroundings.host_name);
        let keeps_entries = surroundings.journal.is_enabled();
        let dialogue = Dialogue::new(Arc::clone(&setup), Arc::clone(&listener), host_name, keeps_entries);
        Self {
            stream,
            decoder: FrameDecoder::new(setup.rules.config().limits.frame),
            dialogue,
            out: Vec::new(),
            setup,
            listener,
            surroundings,
            lookups: Lookups::default(),
            entries: Vec::new(),
            packet_due: None,
            stop,
            _permit: permit,
        }
    }

    /// Serves the connection to its end.
    pub(crate) async fn serve(mut self) {
        let end = self.run().await;
        self.dialogue.end_message();
        self.log_refused();
        self.append_entries().await;
        let Err(end) = end else { return };
        let listener = &self.listener.socket;
        match end {
            End::Stopping => tracing::debug!(%listener, "connection closed: {end}"),
            // Postfix closes without QUIT where it has no more use for the filter.
            End::Lost | End::Io(_) if !self.dialogue.is_busy() => tracing::debug!(%listener, "{end}"),
            End::Idle(_) => tracing::info!(%listener, "connection closed: {end}"),
            End::Lost | End::Io(_) => tracing::info!(%listener, "{end} in the middle of a message"),
            _ => tracing::warn!(%listener, "connection closed: {end}"),
        }
    }

    async fn run(&mut self) -> Result<(), End> {
        loop {
            while let Some(frame) = self.decoder.next_frame()? {
                // What is there of the packet behind this one has its own time: a stream that never pauses between packets is
                // not slow.
                self.packet_due = None;
                let code = frame.code;
                let taken = guard(|| self.dialogue.take(frame, &mut self.out));
                let next = self.unless_fault(code, taken).await??;
                let done = guarded(pin!(self.go_on(next))).await;
                self.unless_fault(code, done).await??;
                if next == Next::Quit {
                    return self.flush().await;
                }
            }
            self.flush().await?;
            if !self.entries.is_empty() {
                Box::pin(self.append_entries()).await;
            }
            self.remark_on_spaces();
            // Nothing is to be answered meanwhile.
            guarded(pin!(self.wait_for_octets())).await.map_err(|Fault| End::Fault)??;
        }
    }

    /// Does what an event asks for.
    async fn go_on(&mut self, next: Next) -> Result<(), End> {
        self.log_refused();
        match next {
            Next::Continue => self.start_lookups().await,
            Next::Client => self.client().await?,
            Next::Choice => {
                Box::pin(self.choose()).await?;
                self.log_refused();
                self.start_lookups().await;
            }
            Next::EnvelopeStep => {
                self.start_lookups().await;
                Box::pin(self.envelope_step()).await?;
            }
            Next::EndOfMessage => {
                self.start_lookups().await;
                // In a box of its own: most connections are idle most of the time and should be small.
                Box::pin(self.end_of_message()).await?;
            }
            Next::Quit => {}
        }
        Ok(())
    }

    /// What came of the work on the event with this code. After a fault of ours the event is answered as well as that goes.
    async fn unless_fault<T>(&mut self, code: u8, worked: Result<T, Fault>) -> Result<T, End> {
        if worked.is_err() {
            self.dialogue.answer_fault(code, &mut self.out);
            self.flush().await?;
        }
        worked.map_err(|Fault| End::Fault)
    }

    /// Says once in the life of the process that an MTA has no HDR_LEADSPC.
    fn remark_on_spaces(&self) {
        let told = &self.surroundings.told_about_spaces;
        if self.dialogue.lacks_leading_space() && !told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                listener = %self.listener.socket,
                "the mta takes spaces from header values: signatures with simple headers may fail"
            );
        }
    }

    /// Waits until octets came; takes answers to lookups meanwhile.
    async fn wait_for_octets(&mut self) -> Result<(), End> {
        let limits = &self.setup.rules.config().limits;
        let (idle, packet) = (limits.idle, limits.packet);
        let due = if self.decoder.is_inside_frame() {
            // From its first octet on, however slowly the others trickle in.
            *self.packet_due.get_or_insert_with(|| after(packet))
        } else {
            self.packet_due = None;
            after(idle)
        };
        loop {
            if *self.stop.borrow() && !self.dialogue.is_busy() {
                return Err(End::Stopping);
            }
            tokio::select! {
                biased;
                changed = self.stop.changed() => {
                    if changed.is_err() {
                        return Err(End::Stopping);
                    }
                }
                Some(done) = self.lookups.next() => self.answered(done),
                readable = self.stream.readable() => {
                    readable?;
                    if self.read()? {
                        return Ok(());
                    }
                }
                () = sleep_until(due) => {
                    return Err(if self.packet_due.is_some() { End::HalfPacket(packet) } else { End::Idle(idle) });
                }
            }
        }
    }

    /// Reads straight into the decoder; whether anything came.
    fn read(&mut self) -> Result<bool, End> {
        match self.stream.try_read(self.decoder.space())? {
            None => {
                if !self.decoder.is_inside_frame() && !self.dialogue.is_busy() {
                    // Many connections are idle for long: their buffer comes back with the next packet.
                    self.decoder = FrameDecoder::new(self.setup.rules.config().limits.frame);
                }
                Ok(false)
            }
            Some(0) => {
                self.decoder.end()?;
                Err(End::Lost)
            }
            Some(octets) => {
                self.decoder.filled(octets);
                Ok(true)
            }
        }
    }

    /// Starts the lookups that the message asked for.
    async fn start_lookups(&mut self) {
        self.lookups.belong_to(self.dialogue.open_message());
        for lookup in self.dialogue.take_lookups() {
            if let Some(answered) = self.lookups.start(lookup, &self.setup).await {
                self.dialogue.answer(answered);
            }
        }
    }

    fn answered(&mut self, done: Result<Answered, JoinError>) {
        match done {
            Ok(answered) => self.dialogue.answer(answered),
            // A panic in a lookup leaves its question unanswered, which is `temperror`; the hook has logged where.
            Err(error) => tracing::error!(listener = %self.listener.socket, "a lookup failed: {error}"),
        }
    }

    /// Ends checks of the sender whose time is over.
    fn end_checks(&mut self, which: Ending) {
        for answered in self.lookups.end_checks(which) {
            self.dialogue.answer(answered);
        }
    }

    /// Waits for what may refuse the sender, within its budget, and answers MAIL or RCPT.
    async fn envelope_step(&mut self) -> Result<(), End> {
        if let Some(due) = self.dialogue.step_due() {
            self.join_lookups(due, Dialogue::waits_at_step).await?;
            if self.dialogue.waits_at_step() {
                // A `fail` that only waits for its explanation is refused without.
                self.end_checks(Ending::Decided);
            }
        }
        self.dialogue.answer_step(&mut self.out)?;
        self.log_refused();
        Ok(())
    }

    /// Logs messages that were refused before their end; their entries wait until the answers are on their way.
    fn log_refused(&mut self) {
        for Refused { record, entry } in self.dialogue.take_refused() {
            self.surroundings.logger.log(record);
            if self.surroundings.journal.is_enabled() {
                self.entries.push(entry);
            }
        }
    }

    async fn append_entries(&mut self) {
        for entry in std::mem::take(&mut self.entries) {
            append(&self.surroundings.journal, entry).await;
        }
    }

    /// Asks what DMARC still has to know now that DKIM and SPF are done, at most until the deadline, or for the time of one question.
    async fn ask_for(&mut self, closing: &mut Closing, deadline: Instant) -> Result<(), End> {
        let mut progress = progress(self.surroundings.progress);
        let mut has_early_octets = false;
        let setup = Arc::clone(&self.setup);
        // Whoever made the checks before slow must not have used up the time of this: one question's worth is left in any case.
        let deadline = deadline.max(after(setup.rules.config().dns.timeout));
        while let Some(name) = closing.question().map(|question| question.name.as_str().to_owned()) {
            let mut answer = pin!(setup.resolver.txt(&name));
            let answer = loop {
                tokio::select! {
                    biased;
                    answer = &mut answer => break answer,
                    // What is not answered now is `temperror`, unless there is an aligned pass without it.
                    () = sleep_until(deadline) => return Ok(()),
                    _ = progress.tick() => self.sign_of_life().await?,
                    // This is how the end of the MTA shows; what it says too early is kept for its turn.
                    readable = self.stream.readable(), if !has_early_octets => {
                        readable?;
                        has_early_octets = self.read()?;
                    }
                }
            };
            closing.answer(&answer);
        }
        Ok(())
    }

    /// Joins the lookups, signs, answers.
    async fn end_of_message(&mut self) -> Result<(), End> {
        let deadline = after(self.setup.rules.config().dns.deadline);
        self.join_lookups(deadline, Dialogue::waits_for_answers).await?;
        self.end_checks(Ending::All);
        let Some((mut closing, job, since, mut waited)) = self.dialogue.close_message() else { return Ok(()) };
        if closing.question().is_some() {
            let start = Instant::now();
            self.ask_for(&mut closing, deadline).await?;
            waited = waited.saturating_add(start.elapsed());
        }
        let signed =
            if job.may_block() { self.on_another_thread(move || job.run()).await? } else { guard(|| job.run()) };
        let journal = &self.surroundings.journal;
        let closing = if journal.is_enabled() { closing.with_entry(SystemTime::now()) } else { closing };
        let verdict = closing.verdict(signed, since.elapsed(), waited);
        self.dialogue.conclude(&verdict, &mut self.out)?;
        self.flush().await?;
        self.surroundings.logger.log(verdict.record);
        if let (Some(record), Some(history)) =
            (verdict.history, self.setup.rules.opendmarc().and_then(|ways| ways.history()))
        {
            history.append(record);
        }
        if let (Some(failure), Some(failures)) = (verdict.failure, self.setup.rules.failures()) {
            failures.append(failure);
        }
        append(&self.surroundings.journal, verdict.entry).await;
        Ok(())
    }

    /// Waits for the answers that count, at most until the deadline.
    async fn join_lookups(&mut self, deadline: Instant, is_waiting: fn(&Dialogue) -> bool) -> Result<(), End> {
        let start = Instant::now();
        let mut progress = progress(self.surroundings.progress);
        let mut has_early_octets = false;
        while is_waiting(&self.dialogue) && !self.lookups.is_empty() {
            tokio::select! {
                biased;
                Some(done) = self.lookups.next() => self.answered(done),
                () = sleep_until(deadline) => break,
                _ = progress.tick() => self.sign_of_life().await?,
                // The MTA has nothing to say now: this is how its end shows. What it says too early is kept for its turn.
                readable = self.stream.readable(), if !has_early_octets => {
                    readable?;
                    has_early_octets = self.read()?;
                }
            }
        }
        self.dialogue.waited(start.elapsed());
        Ok(())
    }

    /// Runs work in the pool, with signs of life for the MTA when the pool is busy.
    async fn on_another_thread<T: Send + 'static>(
        &mut self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Result<T, Fault>, End> {
        let pool = self.surroundings.pool.clone();
        let mut done = pin!(async move { pool.run(work).await });
        let mut progress = progress(self.surroundings.progress);
        loop {
            tokio::select! {
                biased;
                result = &mut done => return Ok(result.map_err(|_error| Fault)),
                _ = progress.tick() => self.sign_of_life().await?,
            }
        }
    }

    async fn sign_of_life(&mut self) -> Result<(), End> {
        self.dialogue.keep_alive(&mut self.out);
        self.flush().await
    }

    /// Writes everything there is to write, in one go.
    async fn flush(&mut self) -> Result<(), End> {
        if self.out.is_empty() {
            return Ok(());
        }
        let limit = self.setup.rules.config().limits.packet;
        match timeout_at(after(limit), self.stream.write_all(&self.out)).await {
            Ok(written) => written?,
            Err(_elapsed) => return Err(End::Stuck(limit)),
        }
        self.out.clear();
        self.out.shrink_to(KEEP_OUT);
        Ok(())
    }
}

/// Hands an entry to the journal. The MTA has its answer already: it does not wait for the disk.
async fn append(journal: &Journal, entry: Option<Box<journal::Record>>) {
    match entry {
        Some(entry) => journal.append(*entry).await,
        None => journal.miss(),
    }
}

fn after(time: Duration) -> Instant {
    let now = Instant::now();
    // A time beyond the end of all clocks: a century will do.
    now.checked_add(time).or_else(|| now.checked_add(Duration::from_secs(3_000_000_000))).unwrap_or(now)
}

fn progress(period: Duration) -> tokio::time::Interval {
    let mut progress = interval_at(after(period), period);
    progress.set_missed_tick_behavior(MissedTickBehavior::Delay);
    progress
}

#[cfg(test)]
mod tests;
