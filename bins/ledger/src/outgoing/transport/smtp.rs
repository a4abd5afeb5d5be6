//! By SMTP (RFC 5321), with TLS and authentication where they are wanted.

use std::fmt;
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{self, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use tokio::time::timeout;

use super::{CONNECT_TIMEOUT, DATA_TIMEOUT, Outcome, STEP_TIMEOUT, bounded};

/// A server and how it is talked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// TLS.
    pub tls: Tls,
    /// User and password, for a smart host.
    pub credentials: Option<Credentials>,
    /// What is said in EHLO: the name of this host.
    pub hello: String,
}

/// Whether TLS is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Never: the MTA of this host over loopback.
    Off,
    /// STARTTLS where it is offered, whatever the certificate says, as between MTAs (RFC 7435).
    IfOffered,
    /// STARTTLS with a certificate for the host's name, or nothing is sent.
    Required,
    /// TLS from the first octet (RFC 8314 §3.3), with a certificate for the host's name.
    Wrapped,
}

/// User and password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
}

/// Without the password.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// A connection that has said EHLO and all that comes before mail.
pub(super) struct Session(AsyncSmtpConnection);

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session")
    }
}

/// Why a step did not go through.
enum Trouble {
    /// The server said so; for good or not.
    Reply { is_for_good: bool, text: String },
    /// There is no reply: the connection is lost, slow, or not SMTP.
    NoReply(String),
}

/// Sends one message, over `session` if that still holds.
pub(super) async fn send(
    server: &Server,
    session: &mut Option<Session>,
    sender: &str,
    recipient: &str,
    message: &[u8],
) -> Outcome {
    let addresses = (sender.parse::<Address>(), recipient.parse::<Address>());
    let (sender, recipient) = match addresses {
        (Ok(sender), Ok(recipient)) => (sender, recipient),
        (Err(error), _) => return Outcome::Refused(bounded(&format!("bad sender address: {error}"))),
        (_, Err(error)) => return Outcome::RefusedRecipient(bounded(&format!("bad recipient address: {error}"))),
    };
    let mut is_new = session.is_none();
    loop {
        if session.is_none() {
            match Session::open(server).await {
                Ok(opened) => *session = Some(opened),
                Err(trouble) => return Outcome::Later(format!("{}:{}: {}", server.host, server.port, trouble.text())),
            }
        }
        let Some(mut open) = session.take() else { continue };
        match open.mail(&sender).await {
            // The server has closed a connection that stood idle: one more, which is new.
            Err(Trouble::NoReply(_)) if !is_new => {
                is_new = true;
                continue;
            }
            Err(trouble) => return trouble.outcome(Outcome::Refused),
            Ok(_) => {}
        }
        if let Err(trouble) = open.step(Rcpt::new(recipient, Vec::new())).await {
            return trouble.outcome(Outcome::RefusedRecipient);
        }
        if let Err(trouble) = open.step(Data).await {
            return trouble.outcome(Outcome::Refused);
        }
        return match open.message(message).await {
            Ok(reply) => {
                *session = Some(open);
                Outcome::Sent(words(&reply))
            }
            // §4.5.4.1 has the client give up here; what the server did is not known.
            Err(Trouble::NoReply(text)) => Outcome::Unknown(text),
            Err(trouble) => trouble.outcome(Outcome::Refused),
        };
    }
}

impl Session {
    async fn open(server: &Server) -> Result<Self, Trouble> {
        let hello = ClientId::Domain(server.hello.clone());
        let wrapped = match server.tls {
            Tls::Wrapped => Some(tls(server)?),
            Tls::Off | Tls::IfOffered | Tls::Required => None,
        };
        let at = (server.host.as_str(), server.port);
        let connecting = AsyncSmtpConnection::connect_tokio1(at, Some(CONNECT_TIMEOUT), &hello, wrapped, None);
        let mut connection = in_time(CONNECT_TIMEOUT, connecting).await?;
        let starts = match server.tls {
            Tls::Required => true,
            Tls::IfOffered => connection.can_starttls(),
            Tls::Off | Tls::Wrapped => false,
        };
        if starts {
            in_time(CONNECT_TIMEOUT, connection.starttls(tls(server)?, &hello)).await?;
        }
        if let Some(Credentials { user, password }) = &server.credentials {
            let credentials = authentication::Credentials::new(user.clone(), password.clone());
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            in_time(STEP_TIMEOUT, connection.auth(&mechanisms, &credentials)).await?;
        }
        Ok(Self(connection))
    }

    async fn mail(&mut self, sender: &Address) -> Result<Response, Trouble> {
        self.step(Mail::new(Some(sender.clone()), Vec::new())).await
    }

    async fn step(&mut self, command: impl fmt::Display) -> Result<Response, Trouble> {
        in_time(STEP_TIMEOUT, self.0.command(command)).await
    }

    async fn message(&mut self, message: &[u8]) -> Result<Response, Trouble> {
        // The line end before the final dot is written by the connection.
        let message = message.strip_suffix(b"\r\n").unwrap_or(message);
        in_time(DATA_TIMEOUT, self.0.message(message)).await
    }

    pub(super) async fn quit(mut self) {
        // Whatever it says: there is nothing left to do.
        let _ = timeout(CONNECT_TIMEOUT, self.0.quit()).await;
    }
}

fn tls(server: &Server) -> Result<TlsParameters, Trouble> {
    let accepts_all = server.tls == Tls::IfOffered;
    let builder = TlsParameters::builder(server.host.clone())
        .dangerous_accept_invalid_certs(accepts_all)
        .dangerous_accept_invalid_hostnames(accepts_all);
    builder.build().map_err(|error| Trouble::NoReply(bounded(&chain(&error))))
}

async fn in_time<T>(limit: Duration, step: impl Future<Output = Result<T, Error>>) -> Result<T, Trouble> {
    match timeout(limit, step).await {
        Err(_elapsed) => Err(Trouble::NoReply(format!("no reply within {} s", limit.as_secs()))),
        Ok(Err(error)) if error.is_permanent() || error.is_transient() => {
            Err(Trouble::Reply { is_for_good: error.is_permanent(), text: bounded(&chain(&error)) })
        }
        Ok(done) => done.map_err(|error| Trouble::NoReply(bounded(&chain(&error)))),
    }
}

impl Trouble {
    fn text(&self) -> &str {
        match self {
            Self::Reply { text, .. } | Self::NoReply(text) => text,
        }
    }

    /// Before the message was sent: nothing is unknown.
    fn outcome(self, refused: fn(String) -> Outcome) -> Outcome {
        match self {
            Self::Reply { is_for_good: true, text } => refused(text),
            Self::Reply { is_for_good: false, text } | Self::NoReply(text) => Outcome::Later(text),
        }
    }
}

fn words(reply: &Response) -> String {
    let lines: Vec<&str> = reply.message().collect();
    bounded(&format!("{} {}", reply.code(), lines.join(" ")))
}

/// An error with its causes, each told once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
