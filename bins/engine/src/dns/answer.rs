//! From a DNS message to what is known of a name: aliases followed, records of other names left out, how long to keep it.
//!
//! The resolver that we ask does the work (RFC 1034 §5.3.1: a stub), so an alias comes with what it leads to. A server that answers only for
//! its own zones leaves off where the alias leaves them: then the target is asked for, as RFC 1034 §5.2.2 says.

use std::time::Duration;

use dkim_core::dns::TxtAnswer;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record};

use super::cache::Fresh;
use super::{KEEP_NEGATIVE, MAX_KEEP, MAX_KEEP_NEGATIVE, MAX_TXT};

/// Aliases followed for one question: as many as BIND and more than Unbound, which sees more of them than we do.
pub(super) const MAX_ALIASES: usize = 16;

/// What a message says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// This, for so long.
    Known(Fresh),
    /// That the name stands for another one, which is to be asked for.
    Alias { target: Name, keep: Duration },
    /// Nothing that could be used.
    Nothing,
}

/// Reads the answer to a question for the TXT records of `name`; `aliases_left` counts down over all messages of a question.
pub(super) fn read(name: &Name, message: &Message, aliases_left: &mut usize) -> Said {
    let mut owner = name;
    let mut keep = MAX_KEEP;
    // Records of any other name are none of our business (RFC 5452 §6): what was not asked for is not believed.
    while !has_text(owner, message) {
        let Some((target, ttl)) = records_of(owner, message).find_map(alias) else { break };
        let Some(left) = aliases_left.checked_sub(1) else { return Said::Nothing };
        *aliases_left = left;
        (owner, keep) = (target, keep.min(ttl));
    }
    if has_text(owner, message) {
        return texts(owner, message, keep);
    }
    let negative = negative_ttl(message);
    let known = |answer| {
        Said::Known(Fresh { answer, keep: negative.unwrap_or(KEEP_NEGATIVE).min(MAX_KEEP_NEGATIVE).min(keep) })
    };
    match message.metadata.response_code {
        ResponseCode::NXDomain => known(TxtAnswer::NxDomain),
        // RFC 2308 §2.2: no error, no answer, and the SOA.
        ResponseCode::NoError if negative.is_some() => known(TxtAnswer::NoData),
        ResponseCode::NoError if owner != name => Said::Alias { target: owner.clone(), keep },
        // RFC 2308 §2.2: a referral looks alike, but for its NS. This server does not resolve for us: it says nothing about the name.
        ResponseCode::NoError if !message.metadata.authoritative && has_name_servers(message) => Said::Nothing,
        ResponseCode::NoError => known(TxtAnswer::NoData),
        _ => Said::Nothing,
    }
}

fn records_of<'a>(owner: &'a Name, message: &'a Message) -> impl Iterator<Item = &'a Record> {
    message.answers.iter().filter(move |record| record.dns_class == DNSClass::IN && record.name == *owner)
}

fn has_text(owner: &Name, message: &Message) -> bool {
    records_of(owner, message).any(|record| matches!(record.data, RData::TXT(_)))
}

fn alias(record: &Record) -> Option<(&Name, Duration)> {
    let RData::CNAME(target) = &record.data else { return None };
    Some((&target.0, Duration::from_secs(record.ttl.into())))
}

fn texts(owner: &Name, message: &Message, mut keep: Duration) -> Said {
    let mut octets: usize = 0;
    let mut texts = Vec::new();
    for record in records_of(owner, message) {
        let RData::TXT(text) = &record.data else { continue };
        octets = text.txt_data.iter().fold(octets, |octets, string| octets.saturating_add(string.len()));
        if octets > MAX_TXT {
            return Said::Nothing;
        }
        texts.push(text.txt_data.concat());
        keep = keep.min(Duration::from_secs(record.ttl.into()));
    }
    Said::Known(Fresh { answer: TxtAnswer::Records(texts), keep })
}

/// RFC 2308 §5: "the minimum of the SOA.MINIMUM field and SOA's TTL".
fn negative_ttl(message: &Message) -> Option<Duration> {
    message.authorities.iter().find_map(|record| {
        let RData::SOA(soa) = &record.data else { return None };
        Some(Duration::from_secs(soa.minimum.min(record.ttl).into()))
    })
}

fn has_name_servers(message: &Message) -> bool {
    message.authorities.iter().any(|record| matches!(record.data, RData::NS(_)))
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::{MessageType, OpCode};
    use hickory_proto::rr::rdata::{CNAME, NS, SOA, TXT};

    use super::*;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    fn record(owner: &str, ttl: u32, data: RData) -> Record {
        Record::from_rdata(name(owner), ttl, data)
    }

    fn text(owner: &str, ttl: u32, text: &str) -> Record {
        record(owner, ttl, RData::TXT(TXT::new(vec![text.to_owned()])))
    }

    fn cname(owner: &str, target: &str) -> Record {
        record(owner, 300, RData::CNAME(CNAME(name(target))))
    }

    fn soa(ttl: u32, minimum: u32) -> Record {
        record("example.", ttl, RData::SOA(SOA::new(Name::root(), Name::root(), 1, 1, 1, 1, minimum)))
    }

    fn message(code: ResponseCode, answers: Vec<Record>, authorities: Vec<Record>) -> Message {
        let mut message = Message::new(1, MessageType::Response, OpCode::Query);
        message.metadata.response_code = code;
        (message.answers, message.authorities) = (answers, authorities);
        message
    }

    fn said(message: &Message) -> Said {
        read(&name("a.example."), message, &mut MAX_ALIASES.clone())
    }

    fn known(answer: TxtAnswer, seconds: u64) -> Said {
        Said::Known(Fresh { answer, keep: Duration::from_secs(seconds) })
    }

    fn records(texts: &[&str]) -> TxtAnswer {
        TxtAnswer::Records(texts.iter().map(|text| text.as_bytes().to_vec()).collect())
    }

    use ResponseCode::{NXDomain, NoError};

    #[test]
    fn records_of_other_names_are_not_believed() {
        let answers =
            vec![text("b.example.", 60, "theirs"), text("A.Example.", 600, "ours"), text("a.example.", 60, "too")];
        assert_eq!(said(&message(NoError, answers, vec![])), known(records(&["ours", "too"]), 60));
        let answers = vec![text("b.example.", 60, "theirs"), cname("c.example.", "b.example.")];
        assert_eq!(said(&message(NoError, answers, vec![])), known(TxtAnswer::NoData, 60));
    }

    #[test]
    fn d23_aliases_are_followed_in_any_order_as_long_as_the_shortest_ttl() {
        let answers = vec![
            text("c.example.", 900, "found"),
            cname("b.example.", "c.example."),
            cname("a.example.", "b.example."),
        ];
        assert_eq!(said(&message(NoError, answers, vec![])), known(records(&["found"]), 300));
    }

    #[test]
    fn an_alias_into_another_zone_is_asked_for() {
        let answers = vec![cname("a.example.", "b.example.")];
        let alias = Said::Alias { target: name("b.example."), keep: Duration::from_secs(300) };
        assert_eq!(said(&message(NoError, answers.clone(), vec![])), alias);
        // With the SOA of its zone the target is known to have none.
        assert_eq!(said(&message(NoError, answers.clone(), vec![soa(30, 60)])), known(TxtAnswer::NoData, 30));
        assert_eq!(said(&message(NXDomain, answers, vec![soa(30, 60)])), known(TxtAnswer::NxDomain, 30));
    }

    #[test]
    fn aliases_that_go_round_or_on_and_on_end() {
        let circle = vec![cname("a.example.", "b.example."), cname("b.example.", "a.example.")];
        assert_eq!(said(&message(NoError, circle, vec![])), Said::Nothing);
        let chain = |length: usize| {
            let owner = |n: usize| if n == 0 { "a.example.".to_owned() } else { format!("n{n}.example.") };
            let mut answers: Vec<_> = (0..length).map(|n| cname(&owner(n), &owner(n + 1))).collect();
            answers.push(text(&owner(length), 60, "end"));
            message(NoError, answers, vec![])
        };
        assert_eq!(said(&chain(MAX_ALIASES)), known(records(&["end"]), 60));
        assert_eq!(said(&chain(MAX_ALIASES + 1)), Said::Nothing);
    }

    #[test]
    fn rfc2308_s5_a_negative_answer_is_kept_as_the_soa_says_and_a_quarter_of_an_hour_at_most() {
        for (soa, seconds) in [(soa(600, 60), 60), (soa(60, 600), 60), (soa(86_400, 86_400), 900), (soa(0, 60), 0)] {
            assert_eq!(said(&message(NXDomain, vec![], vec![soa.clone()])), known(TxtAnswer::NxDomain, seconds));
            assert_eq!(said(&message(NoError, vec![], vec![soa])), known(TxtAnswer::NoData, seconds));
        }
        assert_eq!(said(&message(NXDomain, vec![], vec![])), known(TxtAnswer::NxDomain, 60));
    }

    #[test]
    fn rfc2308_s2_2_a_referral_says_nothing_about_the_name() {
        let referral = vec![record("example.", 60, RData::NS(NS(name("ns.example."))))];
        let mut message = message(NoError, vec![], referral);
        assert_eq!(said(&message), Said::Nothing);
        message.metadata.authoritative = true;
        assert_eq!(said(&message), known(TxtAnswer::NoData, 60));
    }

    #[test]
    fn more_text_than_one_name_may_have_is_nothing() {
        let long =
            |octets: usize| record("a.example.", 60, RData::TXT(TXT::from_bytes(vec![&[b'x'; 255]; octets / 255])));
        assert!(matches!(said(&message(NoError, vec![long(MAX_TXT)], vec![])), Said::Known(_)));
        assert_eq!(said(&message(NoError, vec![long(40_000), long(40_000)], vec![])), Said::Nothing);
    }
}
