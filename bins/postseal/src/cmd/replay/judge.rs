//! One message: who gave it to us, and what each policy does with it.

use std::net::IpAddr;

use dkim_core::header::{HeaderBlock, HeaderLimits};
use dkim_core::verify::{Outcome, PermErrorCause};
use engine::config::Enforcement;
use engine::message::Verdict;
use engine::message::dmarc::{Judged as Evaluated, list_sign};
use engine::message::origin::{Client, Origin};
use engine::message::verdict::Action;
use engine::stored::Stored;
use engine::trial::{Incoming, Trial};

use crate::delivered::Delivered;
use crate::mail::{has_line_feeds, now, with_crlf};

/// A port as clients have it.
const PORT: u16 = 40_000;

/// The two policies.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) proposed: Trial,
    /// `None`: nothing is done to any mail.
    pub(super) present: Option<Trial>,
}

/// What is done to a message, from mild to severe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Done {
    Nothing,
    Tag,
    Tempfail,
    Quarantine,
    Reject,
}

impl Done {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Tag => "tag",
            Self::Tempfail => "tempfail",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
        }
    }

    /// Whether it is more than a wait for the DNS.
    pub(super) fn is_hit(self) -> bool {
        matches!(self, Self::Tag | Self::Quarantine | Self::Reject)
    }

    fn of(verdict: &Verdict) -> Self {
        let is_tagged = verdict.found.dmarc.as_ref().is_some_and(|dmarc| dmarc.ruling.done == Enforcement::Tag);
        match verdict.action {
            Action::Reject(_) | Action::Discard(_) => Self::Reject,
            Action::Quarantine(_) => Self::Quarantine,
            Action::Tempfail(_) => Self::Tempfail,
            Action::Accept if is_tagged => Self::Tag,
            Action::Accept => Self::Nothing,
        }
    }
}

/// What came of a message.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) name: String,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// It has no header section.
    NoMessage,
    /// It is mail of our own, which is not judged.
    Own,
    Result(Box<Result>),
}

/// What was found out about mail of others.
#[derive(Debug)]
pub(super) struct Result {
    /// The author domain, or why there is none.
    pub(super) author: String,
    /// The client; `None` where the message does not tell it.
    pub(super) client: Option<IpAddr>,
    pub(super) list_sign: Option<&'static str>,
    /// The word of DMARC; `none` too where it is switched off.
    pub(super) dmarc: &'static str,
    pub(super) proposed: Done,
    pub(super) present: Done,
    /// Why, where something is done.
    pub(super) cause: Option<&'static str>,
    /// What stands in the way of a sure result.
    pub(super) doubts: Doubts,
}

/// What is not known of a stored message, or not any more.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Doubts {
    /// Who gave it to us: SPF is not known.
    pub(super) no_client: bool,
    /// MAIL FROM: SPF is not known.
    pub(super) no_sender: bool,
    /// When it came.
    pub(super) no_time: bool,
    /// A signature has no key in the DNS of today.
    pub(super) key_gone: bool,
}

impl Judge {
    /// Judges a message by both policies.
    pub(super) async fn judge(&self, stored: Stored) -> Judged {
        let Stored { name, octets, from_line, written } = stored;
        let octets = if has_line_feeds(&octets) { with_crlf(&octets) } else { octets };
        let parsed = HeaderBlock::parse(&octets, HeaderLimits::default());
        let Ok((stored_headers, body)) =
            parsed.map_err(|_| ()).and_then(|both| if both.0.is_empty() { Err(()) } else { Ok(both) })
        else {
            return Judged { name, what: What::NoMessage };
        };
        let delivered = Delivered::of(&stored_headers);
        let named = delivered.named();
        let headers = delivered.as_it_came(&stored_headers);
        let from_line_sender = from_line.as_ref().and_then(|line| line.sender.as_deref());
        let sender = match (&delivered.mail_from, from_line_sender) {
            (Some(path), _) => Some(path.clone()),
            (None, Some(b"MAILER-DAEMON")) => Some(b"<>".to_vec()),
            (None, Some(address)) => Some(address.to_vec()),
            (None, None) => None,
        };
        let at = named.and_then(|named| named.at).or_else(|| from_line.and_then(|line| line.date)).or(written);
        let mut doubts =
            Doubts { no_client: named.is_none(), no_sender: sender.is_none(), no_time: at.is_none(), key_gone: false };
        // Without one of the two nothing can be said about the other.
        let client = named.filter(|_| sender.is_some()).map(|named| named.address);
        let recipients: Vec<&[u8]> = delivered.rcpt_to.iter().map(Vec::as_slice).collect();
        let incoming = Incoming {
            client: client.map_or(Client::Unknown, |address| Client::Ip(address, PORT)),
            is_authenticated: named.is_some_and(|named| named.is_authenticated),
            helo: named.and_then(|named| named.helo.as_deref()).unwrap_or_default(),
            mail_from: sender.as_deref().unwrap_or(b"<>"),
            rcpt_to: &recipients,
            headers: &headers,
            body: octets.get(body..).unwrap_or_default(),
            at: at.unwrap_or_else(now),
        };
        let tried = self.proposed.run(&incoming).await;
        if tried.origin != Origin::Inbound || tried.rule.keeps_results() {
            return Judged { name, what: What::Own };
        }
        let verdict = &tried.verdict;
        let proposed = Done::of(verdict);
        let present = match &self.present {
            Some(present) => Done::of(&present.run(&incoming).await.verdict),
            None => Done::Nothing,
        };
        doubts.key_gone = verdict.found.dkim.reports().iter().any(|report| {
            use PermErrorCause::{KeyNoData, KeyNxDomain, KeyRevoked};
            matches!(report.outcome, Outcome::PermError(KeyNxDomain | KeyNoData | KeyRevoked))
        });
        let behind_relay = verdict.found.spf.as_ref().and_then(|spf| spf.for_dmarc());
        let dmarc = verdict.found.dmarc.as_ref();
        let result = Result {
            author: match dmarc.map(|dmarc| &dmarc.judged) {
                Some(Evaluated::Evaluated { evaluation, .. }) => evaluation.author.to_string(),
                Some(Evaluated::NoAuthor(why)) => format!("({})", why.code()),
                None => "(not judged by DMARC)".to_owned(),
            },
            client: behind_relay.map(|outcome| outcome.session().client()).or_else(|| named.map(|named| named.address)),
            list_sign: list_sign(&headers),
            dmarc: dmarc.map_or("none", |dmarc| dmarc.result()),
            proposed,
            present,
            cause: verdict.action.cause(),
            doubts,
        };
        Judged { name, what: What::Result(Box::new(result)) }
    }
}
