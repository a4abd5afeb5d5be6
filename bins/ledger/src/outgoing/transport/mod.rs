//! Hands one message for one recipient to a mail server or to this host's `sendmail`, and says what became of it.
//!
//! SMTP cannot tell whether a message was taken when the connection ends between its final dot and the reply (RFC 5321 §4.2.5). That is an outcome of its own here, [`Outcome::Unknown`]: the
//! caller decides whether to send again.
//!
//! *Limits*: [`CONNECT_TIMEOUT`], [`STEP_TIMEOUT`], [`DATA_TIMEOUT`]; replies are those of `lettre` (lines and their sum are bounded); [`MAX_TEXT`] octets of a reply are
//! kept.

mod sendmail;
mod smtp;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

pub use self::smtp::{Credentials, Server, Tls};

/// How long a server may take to accept a connection, greet, and change to TLS.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long it may take to answer a command (RFC 5321 §4.5.3.2 has five minutes for most).
pub const STEP_TIMEOUT: Duration = Duration::from_secs(300);

/// How long it may take to answer the end of a message: §4.5.3.2.6, "DATA Termination: 10 Minutes".
pub const DATA_TIMEOUT: Duration = Duration::from_secs(600);

/// Octets that are kept of what a server or a program says.
pub const MAX_TEXT: usize = 500;

/// By which way messages leave this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// An SMTP server: the MTA of this host, or a smart host.
    Smtp(Server),
    /// The program `sendmail` of this host's MTA.
    Sendmail(PathBuf),
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was taken. The words of the server.
    Sent(String),
    /// The recipient is refused for good.
    RefusedRecipient(String),
    /// The message, or its sender, is refused for good.
    Refused(String),
    /// Not taken now; another attempt may be.
    Later(String),
    /// Nobody knows whether it was taken.
    Unknown(String),
}

/// Sends messages one after the other, over one connection while that holds.
#[derive(Debug)]
pub struct Mailer {
    way: Way,
    session: Option<smtp::Session>,
}

impl Mailer {
    /// Connects to nobody yet.
    #[must_use]
    pub fn new(way: Way) -> Self {
        Self { way, session: None }
    }

    /// Sends one message.
    ///
    /// *Inputs*: envelope sender and recipient, without brackets; the message with CRLF line ends.
    pub async fn send(&mut self, sender: &str, recipient: &str, message: &[u8]) -> Outcome {
        match &self.way {
            Way::Smtp(server) => smtp::send(server, &mut self.session, sender, recipient, message).await,
            Way::Sendmail(program) => sendmail::send(program, sender, recipient, message).await,
        }
    }

    /// Ends the connection in good order.
    pub async fn quit(&mut self) {
        if let Some(session) = self.session.take() {
            session.quit().await;
        }
    }
}

/// One line of bounded length, fit for a log and a column of the database.
pub(super) fn bounded(text: &str) -> String {
    let mut line = String::new();
    for character in text.chars().map(|character| if character.is_control() { ' ' } else { character }) {
        if line.len().saturating_add(character.len_utf8()) > MAX_TEXT {
            break;
        }
        line.push(character);
    }
    line
}
