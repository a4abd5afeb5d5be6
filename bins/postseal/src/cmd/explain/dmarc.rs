//! DMARC in the tree: whose mail it is, what was asked, who is aligned, which policy applies, and what is done.

use std::fmt;

use dmarc_core::discovery::{Existence, Finding, Place};
use dmarc_core::outcome::{Alignment, AppliedPolicy, CheckResult, Evaluation, IdentifierReport};
use dmarc_core::record::AlignmentMode;
use dmarc_core::tree_walk::{Asked, Level};
use engine::message::dmarc::{DmarcResults, Judged, Ruling};
use serde::Serialize;
use spf_core::name::Name;

use crate::cmd::spf::{NOT_IN_ZONE, Source};

/// Octets of a record that are shown.
const MAX_RECORD: usize = 500;

/// DMARC of a message.
#[derive(Debug, Serialize)]
pub(super) struct Dmarc {
    pub(super) result: &'static str,
    /// Why it is that.
    reason: String,
    /// The author domain, or none.
    author: Option<String>,
    /// Names that were asked about, in order.
    questions: Vec<Question>,
    /// Whether the author domain exists, where that was asked.
    existence: Option<&'static str>,
    policy: Option<Policy>,
    /// `relaxed` or `strict`, of the record.
    spf_alignment_mode: Option<&'static str>,
    dkim_alignment_mode: Option<&'static str>,
    identifiers: Vec<Identifier>,
    done: Done,
}

#[derive(Debug, Serialize)]
struct Question {
    name: String,
    answer: String,
}

/// The policy that applies.
#[derive(Debug, Serialize)]
struct Policy {
    /// Where the record is.
    domain: String,
    place: &'static str,
    tag: &'static str,
    published: &'static str,
    /// After `t=y`.
    requested: &'static str,
    pct: Option<u8>,
}

#[derive(Debug, Serialize)]
struct Identifier {
    /// `spf` (MAIL FROM) or `dkim`.
    mechanism: &'static str,
    domain: String,
    result: &'static str,
    alignment: &'static str,
}

/// What is done.
#[derive(Debug, Serialize)]
struct Done {
    /// What is asked for: by the owner, or by an override in his place.
    requested: &'static str,
    /// `observe`, `tag`, `quarantine`, `reject`.
    done: &'static str,
    /// What full enforcement would do.
    would: &'static str,
    reasons: Vec<Reason>,
}

#[derive(Debug, Serialize)]
struct Reason {
    #[serde(rename = "type")]
    kind: &'static str,
    comment: String,
}

impl Dmarc {
    pub(super) fn of(results: &DmarcResults, source: &Source) -> Self {
        let mut this = Self {
            result: results.result(),
            reason: String::new(),
            author: None,
            questions: Vec::new(),
            existence: None,
            policy: None,
            spf_alignment_mode: None,
            dkim_alignment_mode: None,
            identifiers: Vec::new(),
            done: Done::of(&results.ruling),
        };
        let (discovery, evaluation) = match &results.judged {
            Judged::NoAuthor(why) => {
                this.reason = why.text();
                return this;
            }
            Judged::Evaluated { discovery, evaluation } => (discovery, evaluation),
        };
        this.reason = evaluation.cause.to_string();
        this.author = Some(evaluation.author.to_string());
        this.questions = evaluation.asked.iter().map(|asked| Question::of(asked, source)).collect();
        this.existence = discovery.existence.map(|existence| match existence {
            Existence::Exists => "exists",
            Existence::NonExistent => "does not exist",
            Existence::Unknown => "no answer",
        });
        this.policy = evaluation.policy.as_ref().map(Policy::of);
        if let Finding::Policy(found) = &discovery.finding {
            this.spf_alignment_mode = Some(mode(found.record.aspf));
            this.dkim_alignment_mode = Some(mode(found.record.adkim));
        }
        this.identifiers = identifiers(evaluation);
        this
    }
}

fn identifiers(evaluation: &Evaluation) -> Vec<Identifier> {
    let spf = evaluation.mail_from.iter().map(|report| Identifier::of("spf", report));
    spf.chain(evaluation.dkim.iter().map(|report| Identifier::of("dkim", report))).collect()
}

fn mode(mode: AlignmentMode) -> &'static str {
    match mode {
        AlignmentMode::Relaxed => "relaxed",
        AlignmentMode::Strict => "strict",
    }
}

impl Question {
    fn of(asked: &Asked, source: &Source) -> Self {
        let name = format!("_dmarc.{}", asked.domain);
        let is_lacking = Name::parse(&name).is_ok_and(|name| source.lacks(&name));
        let answer = match &asked.level {
            _ if is_lacking => NOT_IN_ZONE.to_owned(),
            Level::Record(record) => {
                let text = record.text();
                let shown = text.get(..MAX_RECORD).unwrap_or(text).escape_ascii();
                let rest = if text.len() > MAX_RECORD { " …" } else { "" };
                format!("\"{shown}\"{rest}")
            }
            Level::Several => "several records, which count as none".to_owned(),
            Level::NoRecord => "no record".to_owned(),
            Level::NxDomain => "no such name".to_owned(),
            Level::Failed => "no answer".to_owned(),
            _ => "another answer".to_owned(),
        };
        Self { name, answer }
    }
}

impl Policy {
    fn of(policy: &AppliedPolicy) -> Self {
        Self {
            domain: policy.domain.to_string(),
            place: match policy.place {
                Place::AuthorDomain => "author domain",
                Place::OrganizationalDomain => "organizational domain",
                Place::PublicSuffixDomain => "public suffix domain",
            },
            tag: policy.tag.as_str(),
            published: policy.published.as_str(),
            requested: policy.requested.as_str(),
            pct: policy.pct,
        }
    }
}

impl Identifier {
    fn of(mechanism: &'static str, report: &IdentifierReport) -> Self {
        Self {
            mechanism,
            domain: report.domain.to_string(),
            result: match report.result {
                CheckResult::Pass => "pass",
                CheckResult::TempError => "temperror",
                CheckResult::Other => "no pass",
            },
            alignment: match report.alignment {
                Alignment::Identical => "aligned: the same domain",
                Alignment::SameOrganization => "aligned: the same organizational domain",
                Alignment::Unaligned => "not aligned",
                Alignment::Unknown => "alignment not known",
                Alignment::NotChecked => "alignment of no account",
                _ => "another alignment",
            },
        }
    }
}

impl Done {
    fn of(ruling: &Ruling) -> Self {
        Self {
            requested: ruling.requested.as_str(),
            done: ruling.done.as_str(),
            would: ruling.would.as_str(),
            reasons: ruling
                .reasons
                .iter()
                .map(|reason| Reason { kind: reason.kind.as_str(), comment: reason.comment.clone() })
                .collect(),
        }
    }
}

impl fmt::Display for Dmarc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "DMARC: {}: {}", self.result, self.reason)?;
        match &self.author {
            Some(author) => writeln!(f, "  author domain: {author}")?,
            None => writeln!(f, "  author domain: none")?,
        }
        for question in &self.questions {
            writeln!(f, "  {} TXT: {}", question.name, question.answer)?;
        }
        if let (Some(existence), Some(author)) = (self.existence, &self.author) {
            writeln!(f, "  {author} exists: {existence}")?;
        }
        if let Some(policy) = &self.policy {
            write!(f, "  policy: {}={}, from {} ({})", policy.tag, policy.published, policy.domain, policy.place)?;
            if policy.requested != policy.published {
                write!(f, ", lowered to {} by t=y", policy.requested)?;
            }
            if let Some(pct) = policy.pct {
                write!(f, ", pct={pct}")?;
            }
            writeln!(f)?;
        }
        for identifier in &self.identifiers {
            let (name, mode) = match identifier.mechanism {
                "spf" => ("MAIL FROM ", self.spf_alignment_mode),
                _ => ("DKIM d=", self.dkim_alignment_mode),
            };
            write!(f, "  {name}{}: {}, {}", identifier.domain, identifier.result, identifier.alignment)?;
            match mode {
                Some(mode) => writeln!(f, " ({mode})")?,
                None => writeln!(f)?,
            }
        }
        if self.identifiers.is_empty() && self.author.is_some() {
            writeln!(f, "  no identifier: neither a domain in MAIL FROM nor a signature")?;
        }
        let done = &self.done;
        writeln!(f, "Policy: {} asked for, {} done", done.requested, done.done)?;
        if done.would != done.done {
            writeln!(f, "  full enforcement: {}", done.would)?;
        }
        for reason in &done.reasons {
            writeln!(f, "  {}: {}", reason.kind, reason.comment)?;
        }
        Ok(())
    }
}
