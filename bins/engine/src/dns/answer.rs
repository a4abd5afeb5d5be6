//! What a DNS message says of a name: aliases followed, records of other names left out, how long it may be kept.
//!
//! The resolver that we ask does the work (RFC 1034 §5.3.1: a stub), so an alias comes with what it leads to. A server that answers only for
//! its own zones leaves off where the alias leaves them: then the target is asked for, as RFC 1034 §5.2.2 says.

use std::time::Duration;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::{KEEP_NEGATIVE, MAX_KEEP, MAX_KEEP_NEGATIVE, MAX_RECORDS, MAX_TXT};

/// Aliases followed for one question: as many as BIND and more than Unbound, which sees more of them than we do.
pub(super) const MAX_ALIASES: usize = 16;

/// What a message says about a name.
#[derive(Debug, PartialEq)]
pub(super) struct Reading<'m> {
    /// The names that it stands for, in their order; the last one is where [`said`](Self::said) is about.
    pub(super) aliases: Vec<&'m Name>,
    /// What is there.
    pub(super) said: Said<'m>,
    /// How long that may be kept.
    pub(super) keep: Duration,
}

/// What is under a name, behind its aliases.
#[derive(Debug, PartialEq)]
pub(super) enum Said<'m> {
    /// Records of the kind that was asked for: at most [`MAX_RECORDS`], of TXT at most [`MAX_TXT`] octets instead.
    Records(Vec<&'m RData>),
    /// The name exists and has none.
    NoData,
    /// The name does not exist.
    NxDomain,
    /// Nothing about this name, the last alias, which is to be asked for.
    Alias(&'m Name),
    /// More octets of TXT than are read.
    TooLong,
    /// More records of another kind than are read.
    TooMany,
    /// More aliases than are followed.
    TooManyAliases,
}

/// Reads the answer to a question for the `kind` records of `name`: one without error, or that there is no such name. At most `max_aliases`
/// are followed.
pub(super) fn read<'m>(name: &'m Name, kind: RecordType, message: &'m Message, max_aliases: usize) -> Reading<'m> {
    let mut owner = name;
    let (mut aliases, mut keep) = (Vec::new(), MAX_KEEP);
    // Records of any other name are none of our business (RFC 5452 §6): what was not asked for is not believed.
    let records = loop {
        let is_asked_for = |record: &&Record| record.data.record_type() == kind;
        let records: Vec<&Record> = records_of(owner, message).filter(is_asked_for).collect();
        if !records.is_empty() {
            break records;
        }
        let Some((target, ttl)) = records_of(owner, message).find_map(alias) else { break records };
        if aliases.len() >= max_aliases {
            return Reading { aliases, said: Said::TooManyAliases, keep };
        }
        aliases.push(target);
        (owner, keep) = (target, keep.min(ttl));
    };
    if !records.is_empty() {
        let keep = records.iter().map(|record| ttl(record)).fold(keep, Duration::min);
        let data: Vec<&RData> = records.into_iter().map(|record| &record.data).collect();
        return Reading { aliases, said: within_limits(data, kind), keep };
    }
    let negative = negative_ttl(message);
    let said = match (message.metadata.response_code, aliases.last()) {
        (ResponseCode::NXDomain, _) => Said::NxDomain,
        // RFC 2308 §2.2: no error, no answer, and the SOA; without it nothing is said about what the alias leads to.
        (_, Some(target)) if negative.is_none() => {
            let said = Said::Alias(target);
            return Reading { aliases, said, keep };
        }
        _ => Said::NoData,
    };
    Reading { aliases, said, keep: negative.unwrap_or(KEEP_NEGATIVE).min(MAX_KEEP_NEGATIVE).min(keep) }
}

/// Whether a message comes from a server that does not resolve for us and knows nothing about the name itself: it refers to the servers of a
/// zone, or says nothing at all without recursion. RFC 2308 §2.2: a referral looks like "no such record", but for its NS.
pub(super) fn is_referral(name: &Name, message: &Message) -> bool {
    let has_name_servers = message.authorities.iter().any(|record| matches!(record.data, RData::NS(_)));
    message.metadata.response_code == ResponseCode::NoError
        && !message.metadata.authoritative
        && (has_name_servers || !message.metadata.recursion_available)
        && negative_ttl(message).is_none()
        && records_of(name, message).next().is_none()
}

fn records_of<'m>(owner: &'m Name, message: &'m Message) -> impl Iterator<Item = &'m Record> {
    message.answers.iter().filter(move |record| record.dns_class == DNSClass::IN && record.name == *owner)
}

/// What a verifier takes of one name, or that there is more.
fn within_limits(data: Vec<&RData>, kind: RecordType) -> Said<'_> {
    match kind {
        // Their octets are what counts: a name has as many texts as it has services that want one.
        RecordType::TXT => {
            let strings = data.iter().filter_map(|data| if let RData::TXT(text) = data { Some(text) } else { None });
            let octets = strings.flat_map(|text| text.txt_data.iter()).map(|string| string.len());
            if octets.fold(0, usize::saturating_add) > MAX_TXT { Said::TooLong } else { Said::Records(data) }
        }
        _ if data.len() > MAX_RECORDS => Said::TooMany,
        _ => Said::Records(data),
    }
}

fn alias(record: &Record) -> Option<(&Name, Duration)> {
    let RData::CNAME(target) = &record.data else { return None };
    Some((&target.0, ttl(record)))
}

fn ttl(record: &Record) -> Duration {
    Duration::from_secs(record.ttl.into())
}

/// RFC 2308 §5: "the minimum of the SOA.MINIMUM field and SOA's TTL".
fn negative_ttl(message: &Message) -> Option<Duration> {
    message.authorities.iter().find_map(|record| {
        let RData::SOA(soa) = &record.data else { return None };
        Some(Duration::from_secs(soa.minimum.min(record.ttl).into()))
    })
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::{MessageType, OpCode};
    use hickory_proto::rr::rdata::{A, AAAA, CNAME, MX, NS, PTR, SOA, TXT};

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
        message.metadata.recursion_available = true;
        (message.answers, message.authorities) = (answers, authorities);
        message
    }

    /// What is said of `a.example`, in words: the texts, how many aliases came before, for how many seconds.
    fn said(message: &Message) -> (String, usize, u64) {
        let name = name("a.example.");
        let Reading { aliases, said, keep } = read(&name, RecordType::TXT, message, MAX_ALIASES);
        let words = match said {
            Said::Records(texts) => texts.iter().map(|data| words(data)).collect::<Vec<_>>().join("+"),
            Said::Alias(target) => format!("ask for {target}"),
            other => format!("{other:?}"),
        };
        (words, aliases.len(), keep.as_secs())
    }

    fn words(data: &RData) -> String {
        let RData::TXT(text) = data else { panic!("{data}") };
        String::from_utf8(text.txt_data.concat()).unwrap()
    }

    fn known(words: &str, aliases: usize, seconds: u64) -> (String, usize, u64) {
        (words.to_owned(), aliases, seconds)
    }

    use ResponseCode::{NXDomain, NoError};

    #[test]
    fn records_of_other_names_are_not_believed() {
        let answers =
            vec![text("b.example.", 60, "theirs"), text("A.Example.", 600, "ours"), text("a.example.", 60, "too")];
        assert_eq!(said(&message(NoError, answers, vec![])), known("ours+too", 0, 60));
        let answers = vec![text("b.example.", 60, "theirs"), cname("c.example.", "b.example.")];
        assert_eq!(said(&message(NoError, answers, vec![])), known("NoData", 0, 60));
    }

    #[test]
    fn d23_aliases_are_followed_in_any_order_as_long_as_the_shortest_ttl() {
        let answers = vec![
            text("c.example.", 900, "found"),
            cname("b.example.", "c.example."),
            cname("a.example.", "b.example."),
        ];
        assert_eq!(said(&message(NoError, answers, vec![])), known("found", 2, 300));
    }

    #[test]
    fn an_alias_into_another_zone_is_asked_for() {
        let answers = vec![cname("a.example.", "b.example.")];
        assert_eq!(said(&message(NoError, answers.clone(), vec![])), known("ask for b.example.", 1, 300));
        // With the SOA of its zone the target is known to have none.
        assert_eq!(said(&message(NoError, answers.clone(), vec![soa(30, 60)])), known("NoData", 1, 30));
        assert_eq!(said(&message(NXDomain, answers, vec![soa(30, 60)])), known("NxDomain", 1, 30));
    }

    #[test]
    fn aliases_that_go_round_or_on_and_on_end() {
        let circle = vec![cname("a.example.", "b.example."), cname("b.example.", "a.example.")];
        assert_eq!(said(&message(NoError, circle, vec![])), known("TooManyAliases", MAX_ALIASES, 300));
        let chain = |length: usize| {
            let owner = |n: usize| if n == 0 { "a.example.".to_owned() } else { format!("n{n}.example.") };
            let mut answers: Vec<_> = (0..length).map(|n| cname(&owner(n), &owner(n + 1))).collect();
            answers.push(text(&owner(length), 60, "end"));
            message(NoError, answers, vec![])
        };
        assert_eq!(said(&chain(MAX_ALIASES)), known("end", MAX_ALIASES, 60));
        assert_eq!(said(&chain(MAX_ALIASES + 1)), known("TooManyAliases", MAX_ALIASES, 300));
    }

    #[test]
    fn rfc2308_s5_a_negative_answer_is_kept_as_the_soa_says_and_a_quarter_of_an_hour_at_most() {
        for (soa, seconds) in [(soa(600, 60), 60), (soa(60, 600), 60), (soa(86_400, 86_400), 900), (soa(0, 60), 0)] {
            assert_eq!(said(&message(NXDomain, vec![], vec![soa.clone()])), known("NxDomain", 0, seconds));
            assert_eq!(said(&message(NoError, vec![], vec![soa])), known("NoData", 0, seconds));
        }
        assert_eq!(said(&message(NXDomain, vec![], vec![])), known("NxDomain", 0, 60));
    }

    #[test]
    fn rfc2308_s2_2_a_referral_is_told_from_no_such_record() {
        let servers = || record("example.", 60, RData::NS(NS(name("ns.example."))));
        let refers = |message: &Message| is_referral(&name("a.example."), message);
        let referral = message(NoError, vec![], vec![servers()]);
        assert!(refers(&referral));
        // What stands in it about other names does not make it an answer.
        assert!(refers(&message(NoError, vec![text("b.example.", 60, "x")], vec![servers()])));
        // Nothing at all, from a server that neither knows nor asks.
        let mut lame = message(NoError, vec![], vec![]);
        lame.metadata.recursion_available = false;
        assert!(refers(&lame));
        lame.metadata.authoritative = true;
        assert!(!refers(&lame));
        let mut authoritative = referral;
        authoritative.metadata.authoritative = true;
        for other in [
            authoritative,
            message(NoError, vec![], vec![]),
            message(NoError, vec![], vec![soa(60, 60), servers()]),
            message(NXDomain, vec![], vec![servers()]),
            message(NoError, vec![cname("a.example.", "b.example.")], vec![servers()]),
            message(NoError, vec![text("a.example.", 60, "x")], vec![servers()]),
        ] {
            assert!(!refers(&other), "{other}");
        }
    }

    #[test]
    fn no_more_text_is_read_than_one_name_may_have() {
        let long =
            |octets: usize| record("a.example.", 60, RData::TXT(TXT::from_bytes(vec![&[b'x'; 255]; octets / 255])));
        assert_eq!(said(&message(NoError, vec![long(MAX_TXT)], vec![])).0.len(), MAX_TXT / 255 * 255);
        assert_eq!(said(&message(NoError, vec![long(40_000), long(40_000)], vec![])), known("TooLong", 0, 60));
    }

    #[test]
    fn rfc7208_s5_each_kind_has_its_own_records_behind_any_alias() {
        let data = [
            RData::TXT(TXT::from_bytes(vec![b"x"])),
            RData::A(A::new(192, 0, 2, 1)),
            RData::AAAA(AAAA::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
            RData::MX(MX::new(10, name("mx.example."))),
            RData::PTR(PTR(name("host.example."))),
        ];
        let mut answers: Vec<Record> = data.iter().map(|data| record("b.example.", 60, data.clone())).collect();
        answers.push(cname("a.example.", "b.example."));
        let whole = message(NoError, answers, vec![]);
        let asked = name("a.example.");
        for data in &data {
            let reading = read(&asked, data.record_type(), &whole, MAX_ALIASES);
            assert_eq!(reading.said, Said::Records(vec![data]));
            assert_eq!((reading.aliases.len(), reading.keep.as_secs()), (1, 60));
        }
        // What is there of other kinds is no record of this one.
        let only = message(NoError, vec![record("a.example.", 60, data[1].clone())], vec![]);
        assert_eq!(read(&asked, RecordType::AAAA, &only, MAX_ALIASES).said, Said::NoData);
    }

    #[test]
    fn no_more_addresses_and_exchanges_are_read_than_one_name_may_have() {
        let asked = name("a.example.");
        for data in [RData::A(A::new(192, 0, 2, 1)), RData::MX(MX::new(10, name("mx.example.")))] {
            let mut whole = message(NoError, vec![record("a.example.", 60, data.clone()); MAX_RECORDS], vec![]);
            let said = |message: &Message| match read(&asked, data.record_type(), message, MAX_ALIASES).said {
                Said::Records(all) => Ok(all.len()),
                other => Err(format!("{other:?}")),
            };
            assert_eq!(said(&whole), Ok(MAX_RECORDS));
            whole.answers.push(record("a.example.", 60, data.clone()));
            assert_eq!(said(&whole), Err("TooMany".to_owned()));
        }
    }
}
