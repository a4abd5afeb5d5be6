//! A line on a terminal about a survey that takes its time.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Nothing is said about what is done by then.
const QUIET: Duration = Duration::from_secs(2);

/// How many questions were asked, on standard error when that is a terminal.
#[derive(Debug)]
pub(super) struct Progress {
    begin: Instant,
    questions: usize,
    is_shown: bool,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { begin: Instant::now(), questions: 0, is_shown: false }
    }

    /// One more question.
    pub(super) fn asked(&mut self) {
        self.questions = self.questions.saturating_add(1);
        let passed = self.begin.elapsed();
        let mut out = io::stderr();
        if passed >= QUIET && out.is_terminal() {
            self.is_shown = true;
            // Who does not see it misses nothing.
            let _ = write!(out, "\r{} questions asked, {} s", self.questions, passed.as_secs());
        }
    }

    /// Takes the line away.
    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.is_shown) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
