//! What the DNS says about the TXT records of a name, in detail: for operators, not for mail.
//!
//! [`TxtAnswer`](dkim_core::dns::TxtAnswer) has the four words that a verifier needs. Whoever mends a record needs to see more: the aliases on the
//! way, each character-string apart (RFC 1035 §3.3), and why there was no answer. Nothing here is kept: a record that was mended a moment
//! ago is to be seen.

use dkim_core::dns::TxtAnswer;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::TXT;
use hickory_proto::rr::{Name, RecordType};
use serde::Serialize;
use tokio::time::timeout;

use super::answer::{self, MAX_ALIASES, Said};
use super::exchange::{Failure, Servers};
use super::{Resolver, Zone, canonical};

/// What was found under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// The names that the name stands for by CNAME, in their order; the last one is where the answer is about.
    pub aliases: Vec<String>,
    /// What is there.
    pub answer: Detail,
}

/// What is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Detail {
    /// TXT records, each with its character-strings.
    Records(#[serde(skip)] Vec<Vec<Vec<u8>>>),
    /// The name exists and has no TXT record.
    NoData,
    /// The name does not exist.
    NxDomain,
    /// Nobody can tell now.
    Failed(Trouble),
}

/// Why nobody can tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Trouble {
    /// The server could not find out: servers of the zone do not answer, or its signatures (DNSSEC) are wrong.
    #[error("the name server answers SERVFAIL")]
    ServFail,
    /// The server does not want to answer us.
    #[error("the name server answers REFUSED")]
    Refused,
    /// Another code for failure.
    #[error("the name server answers {0}")]
    Code(String),
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// There is no way to the server.
    #[error("the name server cannot be reached: {0}")]
    Unreachable(String),
    /// What came is no answer: damaged, without end of aliases, or more than is read.
    #[error("the answer cannot be used: {0}")]
    Unusable(&'static str),
}

impl Inspection {
    /// An answer without aliases.
    #[must_use]
    pub fn of(answer: Detail) -> Self {
        Self { aliases: Vec::new(), answer }
    }
}

impl Resolver {
    /// What is under `name`, asked for now: from the zone where it has the name, else from the network, and never from the cache.
    ///
    /// *Inputs*: a full name in A-labels, with or without final dot. *Limits*: takes no longer than `dns.timeout`; as many aliases and octets
    /// as for a verifier.
    pub async fn inspect(&self, name: &str) -> Inspection {
        let name = canonical(name);
        if let Some(zone) = self.0.zone.as_ref().filter(|zone| self.0.network.is_none() || zone.has(&name)) {
            return in_zone(zone, name);
        }
        let Some(network) = &self.0.network else { return Inspection::of(Detail::NxDomain) };
        let Ok(name) = Name::from_ascii(format!("{name}.")) else {
            // No record can have a name that is not one.
            return Inspection::of(Detail::NxDomain);
        };
        let asked = timeout(self.0.timeout, on_network(network, name)).await;
        asked.unwrap_or_else(|_elapsed| Inspection::of(Detail::Failed(Trouble::Timeout)))
    }
}

fn in_zone(zone: &Zone, mut name: String) -> Inspection {
    let answer = match zone.txt(&name) {
        // A zone file has its strings joined.
        TxtAnswer::Records(texts) => Detail::Records(texts.into_iter().map(|text| vec![text]).collect()),
        TxtAnswer::NoData => Detail::NoData,
        TxtAnswer::NxDomain => Detail::NxDomain,
        TxtAnswer::Failed => Detail::Failed(Trouble::ServFail),
    };
    let mut aliases = Vec::new();
    while let Some(target) = zone.alias(&name).filter(|_| aliases.len() < MAX_ALIASES) {
        name = target.to_owned();
        aliases.push(name.clone());
    }
    Inspection { aliases, answer }
}

async fn on_network(network: &Servers, mut name: Name) -> Inspection {
    let mut aliases = Vec::new();
    loop {
        let answer = match network.ask(&name, RecordType::TXT).await {
            Ok(message) => read(&mut name, &message, &mut aliases),
            Err(failure) => Some(Detail::Failed(failure.into())),
        };
        if let Some(answer) = answer {
            return Inspection { aliases, answer };
        }
    }
}

/// Reads a message, and follows the aliases in it; `None` when the one that `name` is then is to be asked for.
fn read(name: &mut Name, message: &Message, aliases: &mut Vec<String>) -> Option<Detail> {
    let reading = answer::read(name, message, MAX_ALIASES.saturating_sub(aliases.len()));
    aliases.extend(reading.aliases.iter().map(|alias| canonical(&alias.to_ascii())));
    match reading.said {
        Said::Texts(texts) => {
            let strings = |text: &&TXT| text.txt_data.iter().map(|string| string.to_vec()).collect();
            Some(Detail::Records(texts.iter().map(strings).collect()))
        }
        Said::NoData => Some(Detail::NoData),
        Said::NxDomain => Some(Detail::NxDomain),
        Said::TooLong => Some(Detail::Failed(Trouble::Unusable("more than 64 KiB"))),
        Said::TooManyAliases => Some(Detail::Failed(Trouble::Unusable("aliases without end"))),
        Said::Alias(target) => {
            *name = target.clone();
            None
        }
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Code(ResponseCode::ServFail) => Self::ServFail,
            Failure::Code(ResponseCode::Refused) => Self::Refused,
            Failure::Code(code) => Self::Code(code.to_string()),
            Failure::Malformed => Self::Unusable("it is malformed"),
            Failure::Referral => Self::Unusable("the server refers to others and does not resolve"),
            other => Self::Unreachable(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use dkim_core::crypto::Backend;
    use hickory_proto::op::{MessageType, OpCode};
    use hickory_proto::rr::rdata::{CNAME, SOA};
    use hickory_proto::rr::{RData, Record};

    use super::*;

    fn name(text: &str) -> Name {
        Name::from_ascii(format!("{text}.")).unwrap()
    }

    fn alias(owner: &str, target: &str) -> Record {
        Record::from_rdata(name(owner), 60, RData::CNAME(CNAME(name(target))))
    }

    fn text(owner: &str, strings: &[&[u8]]) -> Record {
        Record::from_rdata(name(owner), 60, RData::TXT(TXT::from_bytes(strings.to_vec())))
    }

    fn soa() -> Record {
        let soa = SOA::new(Name::root(), Name::root(), 1, 60, 60, 60, 60);
        Record::from_rdata(Name::root(), 60, RData::SOA(soa))
    }

    fn message(code: ResponseCode, answers: Vec<Record>, authorities: Vec<Record>) -> Message {
        let mut message = Message::new(1, MessageType::Response, OpCode::Query);
        message.metadata.response_code = code;
        message.answers = answers;
        message.authorities = authorities;
        message
    }

    /// What a message says about `a.example`: the answer, the aliases, and the name that is left.
    fn said(message: &Message) -> (Option<Detail>, Vec<String>, String) {
        let (mut owner, mut aliases) = (name("a.example"), Vec::new());
        let answer = read(&mut owner, message, &mut aliases);
        (answer, aliases, canonical(&owner.to_ascii()))
    }

    #[test]
    fn s3_3_of_1035_character_strings_stand_apart_and_other_names_do_not_count() {
        let ours = text("a.example", &[b"v=DKIM1; ", b"p=x"]);
        let answers = vec![text("b.example", &[b"not asked for"]), ours.clone(), text("a.example", &[b"second"])];
        let (answer, aliases, _) = said(&message(ResponseCode::NoError, answers, Vec::new()));
        let expected = vec![vec![b"v=DKIM1; ".to_vec(), b"p=x".to_vec()], vec![b"second".to_vec()]];
        assert_eq!((answer, aliases), (Some(Detail::Records(expected)), Vec::new()));
    }

    #[test]
    fn aliases_are_followed_in_the_message_and_beyond_it() {
        let chain = || vec![alias("b.example", "c.example"), alias("a.example", "B.Example")];
        let names = vec!["b.example".to_owned(), "c.example".to_owned()];
        let whole = [chain(), vec![text("c.example", &[b"x"])]].concat();
        let (answer, aliases, _) = said(&message(ResponseCode::NoError, whole, Vec::new()));
        assert_eq!((answer, aliases), (Some(Detail::Records(vec![vec![b"x".to_vec()]])), names.clone()));
        let (answer, aliases, _) = said(&message(ResponseCode::NXDomain, chain(), vec![soa()]));
        assert_eq!((answer, aliases), (Some(Detail::NxDomain), names.clone()));
        let (answer, _, _) = said(&message(ResponseCode::NoError, chain(), vec![soa()]));
        assert_eq!(answer, Some(Detail::NoData));
        // RFC 1034 §5.2.2: the target lies in a zone of somebody else.
        assert_eq!(said(&message(ResponseCode::NoError, chain(), Vec::new())), (None, names, "c.example".to_owned()));
        let round = vec![alias("a.example", "b.example"), alias("b.example", "a.example")];
        let (answer, aliases, _) = said(&message(ResponseCode::NoError, round, Vec::new()));
        assert_eq!(answer, Some(Detail::Failed(Trouble::Unusable("aliases without end"))));
        assert_eq!(aliases.len(), MAX_ALIASES);
    }

    #[test]
    fn names_from_the_net_are_printable() {
        let target = Name::from_labels([&b"\x1b[2J\n\"\xff"[..], b"example"]).unwrap();
        let record = Record::from_rdata(name("a.example"), 60, RData::CNAME(CNAME(target)));
        let (_, aliases, _) = said(&message(ResponseCode::NXDomain, vec![record], vec![soa()]));
        assert!(
            aliases[0].ends_with(".example") && aliases[0].bytes().all(|octet| octet.is_ascii_graphic()),
            "{aliases:?}"
        );
    }

    #[test]
    fn nothing_is_told_from_no_name_and_from_no_answer() {
        let said = |code, authorities| said(&message(code, Vec::new(), authorities)).0.unwrap();
        assert_eq!(said(ResponseCode::NoError, vec![soa()]), Detail::NoData);
        assert_eq!(said(ResponseCode::NoError, Vec::new()), Detail::NoData);
        assert_eq!(said(ResponseCode::NXDomain, vec![soa()]), Detail::NxDomain);
        for (failure, trouble) in [
            (Failure::Code(ResponseCode::ServFail), Trouble::ServFail),
            (Failure::Code(ResponseCode::Refused), Trouble::Refused),
            (Failure::Code(ResponseCode::NotImp), Trouble::Code("Not Implemented".to_owned())),
            (Failure::Malformed, Trouble::Unusable("it is malformed")),
            (Failure::Referral, Trouble::Unusable("the server refers to others and does not resolve")),
            (Failure::NoServer, Trouble::Unreachable("no name server is configured".to_owned())),
        ] {
            assert_eq!(Trouble::from(failure), trouble);
        }
    }

    #[test]
    fn more_text_than_a_verifier_reads_is_no_record() {
        let strings = vec![&[b'x'; 255][..]; 200];
        let answers = vec![text("a.example", &strings), text("a.example", &strings)];
        let (answer, ..) = said(&message(ResponseCode::NoError, answers, Vec::new()));
        assert_eq!(answer, Some(Detail::Failed(Trouble::Unusable("more than 64 KiB"))));
    }

    #[tokio::test]
    async fn a_zone_file_is_inspected_as_the_network_is() {
        let text = "a.example. CNAME b.example.\nb.example. TXT \"x\" \"y\"\nc.example. CNAME gone.example.\nd.example. SERVFAIL\n";
        let resolver = Resolver::offline(Zone::parse(text.as_bytes(), Path::new("zone")).unwrap(), Backend::AwsLc);
        let found = resolver.inspect("A.example.").await;
        assert_eq!(found.aliases, ["b.example"]);
        assert_eq!(found.answer, Detail::Records(vec![vec![b"xy".to_vec()]]));
        let found = resolver.inspect("c.example").await;
        assert_eq!((found.aliases, found.answer), (vec!["gone.example".to_owned()], Detail::NxDomain));
        assert_eq!(resolver.inspect("d.example").await.answer, Detail::Failed(Trouble::ServFail));
        assert_eq!(resolver.inspect("example").await.answer, Detail::NoData);
        assert_eq!(resolver.inspect("other.example").await, Inspection::of(Detail::NxDomain));
    }
}
