//! A line on a terminal about a run that takes its time.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::exit::counted;

/// Time from one line to the next.
const PERIOD: Duration = Duration::from_millis(500);

/// How many messages are done, on standard error when that is a terminal.
#[derive(Debug)]
pub(super) struct Progress {
    begin: Instant,
    last: Instant,
    messages: u64,
    is_shown: bool,
}

impl Progress {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self { begin: now, last: now, messages: 0, is_shown: false }
    }

    /// One more message.
    pub(super) fn one_more(&mut self) {
        self.messages = self.messages.saturating_add(1);
        let mut out = io::stderr();
        if self.last.elapsed() >= PERIOD && out.is_terminal() {
            self.last = Instant::now();
            self.is_shown = true;
            // Who does not see it misses nothing.
            let _ = write!(out, "\r{}, {} s", counted(self.messages, "message"), self.begin.elapsed().as_secs());
        }
    }

    /// Takes the line away.
    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.is_shown) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
