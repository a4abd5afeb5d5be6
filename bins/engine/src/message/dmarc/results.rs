//! How results are written: `dmarc=` in Authentication-Results, the field for delivery rules, the reply, the log record.
//!
//! RFC 9989 §9.1: `header.from` is the author domain, `policy.dmarc` what its owner asks for, after `t=`. All of it may come from strangers, and is quoted
//! and cut where the field is written.

use dkim_core::auth_results::ResInfo;
use dmarc_core::outcome::DmarcResult;
use dmarc_core::record::Policy;
use milter_proto::{Decision, ReplyCode};

use super::{DmarcResults, Judged};
use crate::config::{Enforcement, Filling, MAX_REPLY_TEXT, RejectReply};
use crate::logging::Record;

impl DmarcResults {
    /// The word of Authentication-Results.
    #[must_use]
    pub fn result(&self) -> &'static str {
        match &self.judged {
            Judged::NoAuthor(why) => why.result(),
            Judged::Evaluated { evaluation, .. } => evaluation.result.as_str(),
        }
    }

    /// Whether an answer is missing that decides.
    #[must_use]
    pub fn is_temperror(&self) -> bool {
        matches!(&self.judged, Judged::Evaluated { evaluation, .. } if evaluation.result == DmarcResult::TempError)
    }

    /// The result for Authentication-Results.
    pub(in crate::message) fn info(&self) -> ResInfo {
        let info = ResInfo::new("dmarc", self.result());
        let evaluation = match &self.judged {
            Judged::NoAuthor(why) => return info.with_reason(why.text()),
            Judged::Evaluated { evaluation, .. } => evaluation,
        };
        let says_all = matches!(evaluation.result, DmarcResult::Pass | DmarcResult::None);
        let info = if says_all { info } else { info.with_reason(evaluation.cause.to_string()) };
        let info = info.with_prop("header", "from", evaluation.author.as_str());
        match &evaluation.policy {
            Some(policy) => info.with_prop("policy", "dmarc", policy.requested.as_str()),
            None => info,
        }
    }

    /// The value of the field for delivery rules: what is asked for, and why.
    pub(in crate::message) fn tag(&self) -> Option<String> {
        if !matches!(self.ruling.done, Enforcement::Tag | Enforcement::Quarantine) {
            return None;
        }
        Some(match &self.judged {
            // Without an author nobody asks for anything; that it is to be sorted out is our own wish.
            Judged::NoAuthor(why) => format!(" quarantine (dmarc={} {})", why.result(), why.code()),
            Judged::Evaluated { evaluation, .. } => {
                format!(" {} (dmarc={} header.from={})", self.ruling.requested, evaluation.result, evaluation.author)
            }
        })
    }

    /// The reason for the MTA's quarantine.
    pub(in crate::message) fn quarantine_reason(&self) -> String {
        if let Some(words) = &self.words {
            return words.clone();
        }
        match &self.judged {
            Judged::NoAuthor(why) => format!("DMARC: {}", why.code()),
            Judged::Evaluated { evaluation, .. } => format!("DMARC policy of {}", evaluation.author),
        }
    }

    /// What the SMTP client of a rejected message is told.
    pub(in crate::message) fn rejection(&self, reply: &RejectReply) -> Decision {
        let code = format!("5.{}.{}", reply.code.0, reply.code.1);
        let own_words = self.words.as_ref().map(|words| (reply.code, cut(words)));
        let (code, text) = own_words.unwrap_or_else(|| match &self.judged {
            // RFC 5321 §4.2.3 has 550 for reasons of policy, RFC 3463 §3.8 X.7.1 for "delivery not authorized, message refused".
            Judged::NoAuthor(why) => ((7, 1), format!("message refused: {}", printable(&why.text()))),
            Judged::Evaluated { evaluation, .. } => {
                let filling = Filling { domain: evaluation.author.as_str(), code: &code, url: &reply.url };
                (reply.code, reply.text.fill(&filling))
            }
        });
        ReplyCode::builder(550).map_or(Decision::Reject, |builder| {
            Decision::ReplyCode(builder.enhanced(code.0, code.1).text(text).build())
        })
    }

    /// What the SMTP client of a message that is put off is told.
    pub(in crate::message) fn deferral(&self) -> Decision {
        let domain = match &self.judged {
            Judged::NoAuthor(_) => "",
            Judged::Evaluated { evaluation, .. } => evaluation.author.as_str(),
        };
        ReplyCode::builder(451).map_or(Decision::TempFail, |builder| {
            let text = format!("DMARC policy of {domain} cannot be checked now, try again later");
            Decision::ReplyCode(builder.enhanced(7, 5).text(text).build())
        })
    }

    /// Adds what is known to a record.
    pub(in crate::message) fn push(&self, record: &mut Record) {
        record.push("dmarc", self.result());
        match &self.judged {
            Judged::NoAuthor(why) => record.push("dmarc_cause", why.code()),
            Judged::Evaluated { evaluation, .. } => {
                record.push("dmarc_cause", evaluation.cause.to_string());
                if let Some(policy) = &evaluation.policy {
                    let (tag, published) = (policy.tag.as_str(), policy.published);
                    record.push("dmarc_policy", format!("{tag}={published} d={}", policy.domain));
                }
            }
        }
        let ruling = &self.ruling;
        if ruling.done > Enforcement::Observe {
            record.push("dmarc_action", ruling.done.as_str());
        }
        if let Some(would) = ruling.would_do() {
            record.push("dmarc_would", would.as_str());
        }
        if ruling.requested > Policy::None || ruling.done > Enforcement::Observe {
            let reasons: Vec<String> =
                ruling.reasons.iter().map(|reason| format!("{}: {}", reason.kind.as_str(), reason.comment)).collect();
            if !reasons.is_empty() {
                record.push("dmarc_override", reasons.join("; "));
            }
        }
    }
}

/// What fits into a reply of one line.
fn cut(words: &str) -> String {
    words.chars().map(|c| if matches!(c, ' '..='~') { c } else { '?' }).take(MAX_REPLY_TEXT).collect()
}

fn printable(text: &str) -> String {
    text.chars().map(|c| if matches!(c, ' '..='~') { c } else { '?' }).take(200).collect()
}
