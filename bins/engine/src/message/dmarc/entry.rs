//! What the journal keeps of DMARC: the result, the policy as published, what was done and why.
//!
//! *Limits*: [`MAX_URIS`] octets of URIs of `rua=` and of `ruf=` each; who sends reports reads the record again (RFC 9990 §4).

use dmarc_core::discovery::{Finding, FoundPolicy};
use dmarc_core::outcome::Evaluation;
use dmarc_core::record::{AlignmentMode, FailureOptions, Policy};
use dmarc_core::uri::ReportUri;

use super::{DmarcResults, Judged, counted_domain};
use crate::journal::record;

/// Octets of the URIs of one tag that are kept: many times what any domain has, and little beside the longest record of a journal.
const MAX_URIS: usize = 4096;

impl DmarcResults {
    /// The entry.
    pub(in crate::message) fn entry(&self) -> record::Dmarc {
        let ruling = &self.ruling;
        let of_ruling = record::Dmarc {
            result: self.result().to_owned(),
            requested: ruling.requested.as_str().to_owned(),
            disposition: ruling.disposition().as_str().to_owned(),
            would: ruling.would_do().map(|would| would.as_str().to_owned()),
            reasons: ruling
                .reasons
                .iter()
                .map(|reason| record::Reason {
                    kind: reason.kind.as_str().to_owned(),
                    comment: Some(reason.comment.clone()),
                })
                .collect(),
            ..record::Dmarc::default()
        };
        match &self.judged {
            Judged::NoAuthor(_) => of_ruling,
            Judged::Evaluated { discovery, evaluation } => record::Dmarc {
                counts_for: counted_domain(evaluation).as_str().to_owned(),
                spf_aligned: evaluation.is_spf_aligned(),
                dkim_aligned: evaluation.is_dkim_aligned(),
                published: published(&discovery.finding, evaluation, discovery.is_by_list()),
                ..of_ruling
            },
        }
    }
}

fn published(finding: &Finding, evaluation: &Evaluation, is_by_list: bool) -> Option<record::Published> {
    let Finding::Policy(FoundPolicy { domain, record, .. }) = finding else { return None };
    let word = |policy: Policy| policy.as_str().to_owned();
    let mode = |mode| match mode {
        AlignmentMode::Relaxed => "r".to_owned(),
        AlignmentMode::Strict => "s".to_owned(),
    };
    // A record that is for monitoring only has no p= that counts, and acts as `p=none`.
    let p = record.p.unwrap_or(Policy::None);
    Some(record::Published {
        domain: domain.as_str().to_owned(),
        discovery_method: if is_by_list { "psl" } else { "treewalk" }.to_owned(),
        p: word(if evaluation.policy.is_some() { p } else { Policy::None }),
        sp: record.sp.map(word),
        np: record.np.map(word),
        adkim: mode(record.adkim),
        aspf: mode(record.aspf),
        fo: (record.fo != FailureOptions::default()).then(|| options(record.fo)),
        testing: record.is_testing,
        rua: uris(&record.rua),
        ruf: uris(&record.ruf),
    })
}

/// `0:1:d:s`
fn options(fo: FailureOptions) -> String {
    let all = [(fo.all_failed, "0"), (fo.any_failed, "1"), (fo.dkim_failed, "d"), (fo.spf_failed, "s")];
    let set: Vec<&str> = all.into_iter().filter_map(|(is_set, letter)| is_set.then_some(letter)).collect();
    set.join(":")
}

fn uris(all: &[ReportUri]) -> Vec<String> {
    let mut octets = 0_usize;
    all.iter()
        .map(ReportUri::as_str)
        .take_while(|uri| {
            octets = octets.saturating_add(uri.len());
            octets <= MAX_URIS
        })
        .map(str::to_owned)
        .collect()
}
