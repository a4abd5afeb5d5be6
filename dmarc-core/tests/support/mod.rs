//! A zone in memory, and discoveries and evaluations against it.

#![allow(dead_code, reason = "every test program uses its own part of this")]

use std::collections::BTreeMap;

use dmarc_core::discovery::{Discovery, discover};
use dmarc_core::dns::{Question, TxtAnswer};
use dmarc_core::domain::DomainName;
use dmarc_core::evaluate::{Identifier, Identifiers, evaluate};
use dmarc_core::org_domain::OrgDomainMethod::TreeWalk;
use dmarc_core::outcome::{CheckResult, Evaluation};

pub(crate) fn name(text: &str) -> DomainName {
    DomainName::parse(text).unwrap()
}

pub(crate) fn txt(text: &str) -> TxtAnswer {
    TxtAnswer::Records(vec![text.as_bytes().to_vec()])
}

/// Answers by name. A name with something below it exists; any other that is not there does not.
#[derive(Debug, Default, Clone)]
pub(crate) struct Zone(BTreeMap<String, TxtAnswer>);

impl Zone {
    /// A zone of DMARC records: domains and texts.
    pub(crate) fn new(records: &[(&str, &str)]) -> Self {
        let mut zone = Self::default();
        for (domain, text) in records {
            zone = zone.with(&format!("_dmarc.{domain}"), txt(text));
        }
        zone
    }

    pub(crate) fn with(mut self, name: &str, answer: TxtAnswer) -> Self {
        self.0.insert(name.to_owned(), answer);
        self
    }

    /// Without an answer for the record of this domain.
    pub(crate) fn failing(self, domain: &str) -> Self {
        self.with(&format!("_dmarc.{domain}"), TxtAnswer::Failed)
    }

    pub(crate) fn answer(&self, question: &Question) -> TxtAnswer {
        let name = question.name.as_str();
        self.0.get(name).cloned().unwrap_or_else(|| {
            let has_below = self.0.keys().any(|known| known.ends_with(&format!(".{name}")));
            if has_below { TxtAnswer::NoData } else { TxtAnswer::NxDomain }
        })
    }

    pub(crate) fn discover(&self, author: &str) -> Discovery {
        discover(&name(author), TreeWalk).run(|question| self.answer(question))
    }

    /// The discovery, and the questions as text.
    pub(crate) fn discover_asking(&self, author: &str) -> (Discovery, Vec<String>) {
        let mut asked = Vec::new();
        let discovery = discover(&name(author), TreeWalk).run(|question| {
            asked.push(question.to_string());
            self.answer(question)
        });
        (discovery, asked)
    }

    /// Evaluates a message: its author domain, the domain of MAIL FROM if SPF passed, and `d=` of signatures that passed.
    pub(crate) fn evaluate(&self, author: &str, mail_from: Option<&str>, dkim: &[&str]) -> Evaluation {
        let pass = |domain| (domain, CheckResult::Pass);
        self.evaluate_results(author, mail_from.map(pass), &dkim.iter().copied().map(pass).collect::<Vec<_>>())
    }

    pub(crate) fn evaluate_results(
        &self,
        author: &str,
        mail_from: Option<(&str, CheckResult)>,
        dkim: &[(&str, CheckResult)],
    ) -> Evaluation {
        self.evaluate_asking(author, mail_from, dkim).0
    }

    /// The evaluation, and the questions that it asked after the discovery.
    pub(crate) fn evaluate_asking(
        &self,
        author: &str,
        mail_from: Option<(&str, CheckResult)>,
        dkim: &[(&str, CheckResult)],
    ) -> (Evaluation, Vec<String>) {
        let discovery = self.discover(author);
        let mail_from = mail_from.map(|(domain, result)| (name(domain), result));
        let dkim: Vec<_> = dkim.iter().map(|(domain, result)| (name(domain), *result)).collect();
        let mail_from = mail_from.as_ref().map(|(domain, result)| Identifier::new(domain, *result));
        let dkim: Vec<_> = dkim.iter().map(|(domain, result)| Identifier::new(domain, *result)).collect();
        let mut asked = Vec::new();
        let evaluation = evaluate(&discovery, Identifiers::new(mail_from, &dkim), TreeWalk).run(|question| {
            asked.push(question.to_string());
            self.answer(question)
        });
        (evaluation, asked)
    }
}
