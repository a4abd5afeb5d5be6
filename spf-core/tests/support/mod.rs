//! A zone in memory, and checks against it.

#![allow(dead_code, reason = "every test program uses its own part of this")]

use std::collections::HashMap;

use spf_core::check::{check_helo, check_mail_from};
use spf_core::dns::{Answer, Question, RecordKind};
use spf_core::identity::{Helo, MailFrom, Sender, Session};
use spf_core::limits::Limits;
use spf_core::name::Name;
use spf_core::outcome::Outcome;

/// Answers by name and type. A name that is there has no records of other types; one that is not does not exist.
#[derive(Debug, Default, Clone)]
pub(crate) struct Zone(HashMap<(Name, RecordKind), Answer>);

impl Zone {
    pub(crate) fn new(records: &[(&str, Answer)]) -> Self {
        let mut zone = Self::default();
        for (name, answer) in records {
            zone.add(name, answer.clone());
        }
        zone
    }

    /// A zone of TXT records.
    pub(crate) fn txt(records: &[(&str, &str)]) -> Self {
        let mut zone = Self::default();
        for (name, text) in records {
            zone.add(name, Answer::txt([*text]));
        }
        zone
    }

    pub(crate) fn with(mut self, name: &str, answer: Answer) -> Self {
        self.add(name, answer);
        self
    }

    /// With an answer for questions of this type only.
    pub(crate) fn with_kind(mut self, name: &str, kind: RecordKind, answer: Answer) -> Self {
        self.0.insert((Name::parse(name).unwrap(), kind), answer);
        self
    }

    fn add(&mut self, name: &str, answer: Answer) {
        let kind = match &answer {
            Answer::A(_) => RecordKind::A,
            Answer::Aaaa(_) => RecordKind::Aaaa,
            Answer::Mx(_) => RecordKind::Mx,
            Answer::Ptr(_) => RecordKind::Ptr,
            _ => RecordKind::Txt,
        };
        self.0.insert((Name::parse(name).unwrap(), kind), answer);
    }

    pub(crate) fn answer(&self, question: &Question) -> Answer {
        let key = (question.name.clone(), question.kind);
        self.0.get(&key).cloned().unwrap_or_else(|| {
            let is_there = self.0.keys().any(|(name, _)| *name == question.name);
            if is_there { Answer::NoData } else { Answer::NxDomain }
        })
    }

    pub(crate) fn mail_from(&self, client: &str, helo: &str, path: &str) -> Outcome<MailFrom> {
        let session = Session::new(client.parse().unwrap(), helo);
        let sender = Sender::from_reverse_path(path.as_bytes());
        check_mail_from(&session, &sender, &Limits::default()).run(|question| self.answer(question))
    }

    pub(crate) fn helo(&self, client: &str, helo: &str) -> Outcome<Helo> {
        check_helo(&Session::new(client.parse().unwrap(), helo), &Limits::default())
            .run(|question| self.answer(question))
    }

    /// The usual check: a client without rights, a sender at `example.com`.
    pub(crate) fn check(&self, client: &str) -> Outcome<MailFrom> {
        self.mail_from(client, "mail.example.org", "joe@example.com")
    }
}

pub(crate) fn a(addresses: &[&str]) -> Answer {
    Answer::a(addresses.iter().map(|address| address.parse().unwrap()))
}

pub(crate) fn aaaa(addresses: &[&str]) -> Answer {
    Answer::aaaa(addresses.iter().map(|address| address.parse().unwrap()))
}

/// The questions of an outcome, in order.
pub(crate) fn asked<I: spf_core::identity::Identity>(outcome: &Outcome<I>) -> Vec<String> {
    outcome.questions.iter().map(|asked| asked.question.to_string()).collect()
}
