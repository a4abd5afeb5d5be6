//! DMARC of a message: from its author domain to what is done.
//!
//! ```text
//!  end of headers ─► author ─┬─ one ─► discovery ─► lookups ─┐
//!                            └─ none, several ───────────────┤
//!  end of message ─► SPF, DKIM of this process ──────────────┴─► evaluation ─► policy ─► field, record, reply
//! ```
//!
//! `policy.rs` says what is done, `results.rs` how it is written, `list_signs.rs`, `known.rs` and `draw.rs` what is looked at beside the result. The machines
//! are those of `dmarc_core`; whoever runs the lookups asks the DNS for them.
//!
//! Invariants: identifiers come from the checks of this process alone, never from a field of the message; of SPF only MAIL FROM is among them
//! (`standards.md` M-17); our own mail is never judged; mail without exactly one author domain has a result and a policy of its own (M-6).

mod draw;
mod entry;
mod known;
mod list_signs;
pub mod policy;
mod results;

use dkim_core::verify::SignatureReport;
use dmarc_core::discovery::{Discovering, Discovery, discover};
use dmarc_core::dns::{Question, TxtAnswer};
use dmarc_core::domain::DomainName;
use dmarc_core::evaluate::{Evaluating, Identifier, Identifiers, evaluate};
use dmarc_core::org_domain::OrgDomainMethod;
use dmarc_core::outcome::{CheckResult, Evaluation};
use dmarc_core::progress::Progress;
use spf_core::identity::MailFrom;
use spf_core::outcome::Outcome;

pub use self::known::KnownDomains;
pub use self::list_signs::list_sign;
pub use self::policy::{Reason, ReasonKind, Ruling};

pub(super) use self::draw::{draw, mark, mark_of_signature};
pub(super) use self::known::counted_domain;
use super::author::AuthorError;
use super::headers::HeaderTrouble;

/// Why a message has no author domain to judge it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAuthor {
    /// Its From field, or fields.
    From(AuthorError),
    /// Its header section is not complete here: there may be more From fields.
    Incomplete(HeaderTrouble),
}

impl NoAuthor {
    /// The word for logs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::From(error) => error.code(),
            Self::Incomplete(trouble) => trouble.code(),
        }
    }

    /// For people.
    #[must_use]
    pub fn text(self) -> String {
        match self {
            Self::From(error) => error.to_string(),
            Self::Incomplete(trouble) => trouble.text().to_owned(),
        }
    }

    /// The word of Authentication-Results. An address without a domain is no mistake: there is nothing to ask the DNS for.
    #[must_use]
    pub fn result(self) -> &'static str {
        if self == Self::From(AuthorError::AddressLiteral) { "none" } else { "permerror" }
    }
}

/// DMARC at work on a message, up to its end.
#[derive(Debug)]
pub(super) enum Dmarc {
    /// The message is not judged.
    Off,
    NoAuthor(NoAuthor),
    /// Nobody has taken the discovery yet.
    ToAsk(DomainName, Progress<Discovering>),
    /// Somebody asks for this author domain.
    Asked(DomainName),
    Discovered(Box<Discovery>),
}

impl Dmarc {
    /// The header section is there, of a message that is judged.
    pub(super) fn begin(
        author: &Result<DomainName, AuthorError>,
        trouble: Option<HeaderTrouble>,
        method: OrgDomainMethod<'_>,
    ) -> Self {
        match (trouble, author) {
            (Some(trouble), _) => Self::NoAuthor(NoAuthor::Incomplete(trouble)),
            (None, Err(error)) => Self::NoAuthor(NoAuthor::From(*error)),
            (None, Ok(author)) => match discover(author, method) {
                Progress::Done(discovery) => Self::Discovered(Box::new(discovery)),
                ask @ Progress::Ask(_) => Self::ToAsk(author.clone(), ask),
            },
        }
    }

    /// The discovery, to run now; handed out once.
    pub(super) fn take_lookup(&mut self) -> Option<Progress<Discovering>> {
        let Self::ToAsk(author, _) = self else { return None };
        let author = author.clone();
        match std::mem::replace(self, Self::Asked(author)) {
            Self::ToAsk(_, progress) => Some(progress),
            other => {
                *self = other;
                None
            }
        }
    }

    pub(super) fn answer(&mut self, discovery: Discovery) {
        if matches!(self, Self::Asked(_)) {
            *self = Self::Discovered(Box::new(discovery));
        }
    }

    /// Whether the discovery is not over.
    pub(super) fn is_waiting(&self) -> bool {
        matches!(self, Self::ToAsk(..) | Self::Asked(_))
    }

    /// The message is complete: joins what SPF and DKIM found out. A discovery that was lost with its lookup is begun again, to end at once:
    /// its answers are missing.
    pub(super) fn evaluate(
        self,
        spf: Option<&Outcome<MailFrom>>,
        dkim: &[SignatureReport],
        method: OrgDomainMethod<'_>,
    ) -> Judging {
        let discovery = match self {
            Self::Off => return Judging::Off,
            Self::NoAuthor(why) => return Judging::NoAuthor(why),
            Self::Discovered(discovery) => discovery,
            Self::ToAsk(_, progress) => Box::new(expired(progress)),
            Self::Asked(author) => Box::new(expired(discover(&author, method))),
        };
        let mail_from = spf.and_then(|outcome| {
            let domain = DomainName::parse(outcome.domain.as_ref()?.as_str()).ok()?;
            Some((domain, CheckResult::from_word(outcome.result.as_str())))
        });
        let mail_from = mail_from.as_ref().map(|(domain, result)| Identifier::new(domain, *result));
        let signatures: Vec<Identifier<'_>> = dkim
            .iter()
            .filter_map(|report| {
                let result = CheckResult::from_word(report.outcome.result());
                report.domain.as_ref().map(|domain| Identifier::new(domain, result))
            })
            .collect();
        let progress = evaluate(&discovery, Identifiers::new(mail_from, &signatures), method);
        Judging::Evaluating { discovery, progress: Box::new(progress) }
    }
}

fn expired(progress: Progress<Discovering>) -> Discovery {
    match progress {
        Progress::Done(discovery) => discovery,
        Progress::Ask(pending) => pending.expire(),
    }
}

/// DMARC of a message that is complete.
#[derive(Debug)]
pub(super) enum Judging {
    Off,
    NoAuthor(NoAuthor),
    /// Organizational domains of identifiers may have to be found.
    Evaluating {
        discovery: Box<Discovery>,
        progress: Box<Progress<Evaluating>>,
    },
}

impl Judging {
    /// What to ask the DNS now.
    pub(super) fn question(&self) -> Option<&Question> {
        match self {
            Self::Evaluating { progress, .. } => match &**progress {
                Progress::Ask(pending) => Some(pending.question()),
                Progress::Done(_) => None,
            },
            Self::Off | Self::NoAuthor(_) => None,
        }
    }

    pub(super) fn answer(self, answer: &TxtAnswer) -> Self {
        match self {
            Self::Evaluating { discovery, progress } => {
                let progress = match *progress {
                    Progress::Ask(pending) => pending.answer(answer),
                    done @ Progress::Done(_) => done,
                };
                Self::Evaluating { discovery, progress: Box::new(progress) }
            }
            other => other,
        }
    }

    /// The evaluation, whatever is not answered yet being without an answer; `None` for mail that is not judged.
    pub(super) fn finish(self) -> Option<Judged> {
        match self {
            Self::Off => None,
            Self::NoAuthor(why) => Some(Judged::NoAuthor(why)),
            Self::Evaluating { discovery, progress } => {
                let evaluation = match *progress {
                    Progress::Done(evaluation) => evaluation,
                    Progress::Ask(pending) => pending.expire(),
                };
                Some(Judged::Evaluated { discovery, evaluation: Box::new(evaluation) })
            }
        }
    }
}

/// What DMARC says of a message.
#[derive(Debug)]
pub enum Judged {
    /// There is nobody to judge it by.
    NoAuthor(NoAuthor),
    /// It was judged by this policy.
    Evaluated {
        /// Where the policy was looked for.
        discovery: Box<Discovery>,
        /// What came of it.
        evaluation: Box<Evaluation>,
    },
}

/// What DMARC says of a message, and what is done about it.
#[derive(Debug)]
pub struct DmarcResults {
    /// What it says.
    pub judged: Judged,
    /// What is done.
    pub ruling: Ruling,
    /// What the SMTP client, or the MTA's quarantine, is told, where the ways of OpenDMARC have words of their own.
    pub words: Option<String>,
}

#[cfg(test)]
mod tests;
