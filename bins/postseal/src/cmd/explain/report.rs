//! The tree as a whole.

use std::fmt;
use std::net::IpAddr;

use dkim_core::verify::SignatureReport;
use dmarc_core::outcome::DmarcResult;
use engine::config::RejectAt;
use engine::message::dmarc::Judged;
use engine::message::origin::Origin;
use engine::message::plan::SignSkip;
use engine::message::spf::NoClient;
use engine::message::{self, Rules};
use engine::trial::Tried;
use jiff::Timestamp;
use serde::Serialize;

use super::dkim::Signed;
use super::dmarc::Dmarc;
use super::edits::Answer;
use super::envelope::Envelope;
use crate::cmd::spf::{Checked, Source};
use crate::exit::Exit;
use crate::tryout::Known;

/// Everything about a message.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    client: IpAddr,
    helo: String,
    mail_from: String,
    rcpt_to: Vec<String>,
    at: String,
    /// What nobody said and the file told.
    assumed: Vec<&'static str>,
    /// What is not known of the daemon.
    notes: Vec<String>,
    /// `inbound`, or whose mail it is otherwise.
    origin: &'static str,
    /// The rule that said so.
    rule: &'static str,
    is_judged: bool,
    /// What the daemon would sign with, of mail that is not judged.
    signing: Option<Signing>,
    spf: Option<Spf>,
    /// The best result; none for mail that is not judged.
    dkim: Option<&'static str>,
    signatures: Vec<Signed>,
    dmarc: Option<Dmarc>,
    /// The step at which the sender is refused, before the message is seen.
    refused_at: Option<&'static str>,
    answer: Answer,
}

/// How the daemon would sign, or why not. Nothing is signed here.
#[derive(Debug, Serialize)]
struct Signing {
    /// `d=`
    domain: Option<String>,
    selectors: Vec<String>,
    /// The word of the log.
    skipped: Option<&'static str>,
    hint: Option<String>,
}

/// SPF of both identities.
#[derive(Debug, Serialize)]
struct Spf {
    identities: Vec<Checked>,
    /// The client outside, of mail that a relay of ours passed on.
    client_of_relay: Option<IpAddr>,
    /// Why there was no address to check.
    no_client: Option<String>,
    /// What follows from it: `reject`, `tempfail`, `would-reject`, `allowed`.
    ruling: Option<&'static str>,
}

impl Report {
    pub(super) async fn of(
        envelope: &Envelope,
        body: &[u8],
        tried: &Tried,
        rules: &Rules,
        source: &Source,
        known: &Known,
        notes: Vec<String>,
    ) -> Self {
        let verdict = &tried.verdict;
        let reports = verdict.found.dkim.reports();
        let mut signatures = Vec::with_capacity(reports.len());
        for report in reports {
            signatures.push(Signed::of(report, &envelope.headers, body, &source.resolver).await);
        }
        let is_judged = tried.origin == Origin::Inbound && !tried.rule.keeps_results();
        let mut notes = notes;
        let seldom = rules.config().dmarc.seldom_seen;
        if let Some(dmarc) = &verdict.found.dmarc
            && let Judged::Evaluated { evaluation, .. } = &dmarc.judged
            && evaluation.result == DmarcResult::Fail
        {
            match known {
                Known::Unasked => {}
                Known::Counted { .. } => notes.push(known.to_string()),
                Known::Assumed { .. } if dmarc.ruling.would.max(dmarc.ruling.done) > seldom => {
                    notes.push(format!("{known}; if the author domain is not known, at most {seldom} is done"));
                }
                Known::Assumed { .. } => {}
            }
        }
        Self {
            client: envelope.client,
            helo: text(&envelope.helo),
            mail_from: text(&envelope.mail_from),
            rcpt_to: envelope.rcpt_to.iter().map(|address| text(address)).collect(),
            at: i64::try_from(envelope.at.as_secs())
                .ok()
                .and_then(|seconds| Timestamp::from_second(seconds).ok())
                .map_or_else(|| envelope.at.as_secs().to_string(), |at| at.to_string()),
            assumed: envelope.assumed.clone(),
            notes,
            origin: tried.origin.as_str(),
            rule: tried.rule.as_str(),
            is_judged,
            signing: verdict.found.signed.as_ref().filter(|_| !is_judged).and_then(|signed| Signing::of(signed, rules)),
            spf: Spf::of(tried, envelope.client, source),
            dkim: is_judged.then(|| best(reports)),
            signatures,
            dmarc: verdict.found.dmarc.as_ref().map(|dmarc| Dmarc::of(dmarc, source)),
            refused_at: tried.refused_at.map(RejectAt::as_str),
            answer: Answer::of(verdict.action.as_str(), verdict.action.cause(), &verdict.reply, &verdict.edits),
        }
    }

    pub(super) fn has_broken_signature(&self) -> bool {
        self.signatures.iter().any(|signed| signed.signature.result == "fail")
    }

    pub(super) fn exit(&self) -> Exit {
        let dmarc = self.dmarc.as_ref().map_or("none", |dmarc| dmarc.result);
        match (self.answer.action(), dmarc) {
            ("tempfail", _) | ("accept", "temperror") => Exit::Temp,
            ("accept", "pass" | "none") => Exit::Pass,
            _ => Exit::Fail,
        }
    }
}

/// The word for all signatures together.
fn best(reports: &[SignatureReport]) -> &'static str {
    let has = |word: &str| reports.iter().any(|report| report.outcome.result() == word);
    let words = ["pass", "policy", "temperror", "fail", "permerror"];
    words.into_iter().find(|word| has(word)).unwrap_or("none")
}

/// What strangers wrote, fit for a terminal.
fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

impl Signing {
    fn of(signed: &message::Signed, rules: &Rules) -> Option<Self> {
        let message::Signed::Skipped(skip) = signed else { return None };
        if let SignSkip::Trial(index) = skip {
            let rule = rules.config().domains.rules().get(*index)?;
            let selectors = rule.keys.iter().map(|key| key.selector.to_string()).collect();
            return Some(Self { domain: Some(rule.signing_domain.to_string()), selectors, skipped: None, hint: None });
        }
        Some(Self { domain: None, selectors: Vec::new(), skipped: Some(skip.code()), hint: skip.hint() })
    }
}

impl fmt::Display for Signing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.domain, self.skipped, &self.hint) {
            (Some(domain), ..) => {
                let selectors = self.selectors.join(", ");
                writeln!(
                    f,
                    "Signing: for {domain}, with the keys {selectors} (nothing is signed here, and no key is read)"
                )
            }
            (None, Some(why), Some(hint)) => writeln!(f, "Signing: none ({why}): {hint}"),
            (None, why, _) => writeln!(f, "Signing: none ({})", why.unwrap_or("-")),
        }
    }
}

impl Spf {
    fn of(tried: &Tried, client: IpAddr, source: &Source) -> Option<Self> {
        let results = tried.verdict.found.spf.as_ref()?;
        let checked = results.for_dmarc().map(|outcome| outcome.session().client());
        let mail_from = tried.mail_from.as_ref().or_else(|| results.for_dmarc());
        let helo = tried.helo.as_ref().or_else(|| results.helo());
        let mail_from = mail_from.map(|outcome| Checked::of("MAIL FROM", outcome, source));
        let helo = helo.map(|outcome| Checked::of("HELO", outcome, source));
        Some(Self {
            identities: mail_from.into_iter().chain(helo).collect(),
            client_of_relay: checked.filter(|checked| *checked != client),
            no_client: results.no_client().map(NoClient::text),
            ruling: results.ruling().code(),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Message from {} (HELO {}), MAIL FROM {}", self.client, self.helo, self.mail_from)?;
        if !self.rcpt_to.is_empty() {
            writeln!(f, "  RCPT TO {}", self.rcpt_to.join(", "))?;
        }
        writeln!(f, "  at {}", self.at)?;
        for assumed in &self.assumed {
            writeln!(f, "  assumed: {assumed}")?;
        }
        write!(f, "Origin: {} ({})", self.origin, self.rule)?;
        writeln!(f, "{}", if self.is_judged { "" } else { ": not judged" })?;
        if let Some(signing) = &self.signing {
            write!(f, "{signing}")?;
        }
        if let Some(spf) = &self.spf {
            write!(f, "{spf}")?;
        }
        if let Some(dkim) = self.dkim {
            writeln!(f, "DKIM: {dkim}")?;
            for signed in &self.signatures {
                write!(f, "{signed}")?;
            }
        }
        if let Some(dmarc) = &self.dmarc {
            write!(f, "{dmarc}")?;
        }
        if let Some(step) = self.refused_at {
            writeln!(
                f,
                "Refused at {step}: the message is not seen, and what stands here about it does not come to pass"
            )?;
        }
        write!(f, "{}", self.answer)?;
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Spf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.no_client {
            Some(why) => writeln!(f, "SPF: none: {why}")?,
            None => writeln!(f, "SPF")?,
        }
        if let Some(client) = self.client_of_relay {
            writeln!(f, "  client: {client}, from the Received field of a relay of ours")?;
        }
        for checked in &self.identities {
            for line in checked.to_string().lines() {
                writeln!(f, "  {line}")?;
            }
        }
        if let Some(ruling) = self.ruling {
            writeln!(f, "  policy: {ruling}")?;
        }
        Ok(())
    }
}
