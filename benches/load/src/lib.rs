//! Load on a milter from the MTA's side, and what it costs the milter.
//!
//! ```text
//!  mail ──► client (one thread a connection, write pattern of Postfix or Sendmail) ──► milter
//!                │                                                                      │ /proc/PID
//!              check (is it signed? does the verdict say pass?)                      process
//!                └───────────────────────────► run: rounds, by turns ◄──────────────────┘
//!                                                 └─► report: table or JSON
//! ```
//!
//! Every answer is checked, and a wrong one fails the run: a fast daemon that does not do its work is of no interest. Checks are done between
//! two messages, outside of the time that is taken.
//!
//! What it does not do: start or stop daemons (`scripts/bench-daemon` does; [`domains`] alone starts one, to measure its start), measure daemons on other hosts, or speak SMTP.

#![forbid(unsafe_code)]

pub mod check;
pub mod client;
pub mod domains;
pub mod idle;
pub mod mail;
pub mod process;
pub mod report;
pub mod run;
pub mod target;

use std::io;

/// What is asked of the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Work {
    /// Mail of its own, to be signed.
    Sign,
    /// Mail of others with one signature, to be verified.
    Verify,
}

impl Work {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sign => "sign",
            Self::Verify => "verify",
        }
    }
}

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The socket.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The daemon closed the connection.
    #[error("the connection was closed")]
    Closed,
    /// A packet that cannot be one.
    #[error("{0}")]
    Frame(#[from] milter_proto::FrameError),
    /// The daemon broke the protocol.
    #[error("{0}")]
    Violation(#[from] milter_proto::Violation),
    /// We broke the protocol.
    #[error("{0}")]
    Usage(#[from] milter_proto::UsageError),
    /// A reply other than "continue" or "accept".
    #[error("the answer to {step} was {decision}")]
    Decision {
        /// The event.
        step: &'static str,
        /// The reply.
        decision: String,
    },
    /// The work was not done, or done wrong.
    #[error("wrong answer: {0}")]
    Wrong(String),
    /// The mail that is sent cannot be made: the key, or a name.
    #[error("{0}")]
    Setup(String),
    /// `/proc` says nothing of the process.
    #[error("process {pid}: {cause}")]
    Process {
        /// Its number.
        pid: u32,
        /// What is wrong.
        cause: String,
    },
    /// A thread of ours ended in a panic.
    #[error("a thread of the load tool panicked")]
    Panic,
}
