//! What the DNS says about the TXT records of a name, or about its records of the dropped type SPF, in detail: for operators, not for mail.
//!
//! [`TxtAnswer`](dkim_core::dns::TxtAnswer) has the four words that a verifier needs. Whoever mends a record needs to see more: the aliases on the
//! way, each character-string apart (RFC 1035 §3.3), and why there was no answer. Nothing here is kept: a record that was mended a moment
//! ago is to be seen.

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name as WireName, RData, RecordType};
use serde::Serialize;
use spf_core::name::Name;
use tokio::time::timeout;

use super::answer::{self, MAX_ALIASES, Said};
use super::exchange::{Failure, Servers};
use super::zone::{Missing, TextType};
use super::{Resolver, Zone};

/// The type SPF, which has the number 99. RFC 7208 §3.1: "SPF records MUST be published as a DNS TXT (type 16) Resource Record (RR) [RFC1035]
/// only."
const SPF: RecordType = RecordType::Unknown(99);

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
    /// TXT records, or those of the type SPF, each with its character-strings.
    Records(#[serde(skip)] Vec<Vec<Vec<u8>>>),
    /// The name exists and has no such record.
    NoData,
    /// The name does not exist.
    NxDomain,
    /// Nobody can tell now.
    Failed(Trouble),
}

/// What is wrong with aliases that lead back, or on and on.
const ENDLESS: &str = "aliases without end";

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
        self.inspect_type(name, TextType::Txt).await
    }

    /// As [`inspect`](Self::inspect), of the records of the type SPF (99), which no verifier asks for: an operator should know that they say
    /// something else, or that nobody reads them.
    pub async fn inspect_type99(&self, name: &str) -> Inspection {
        self.inspect_type(name, TextType::Spf).await
    }

    async fn inspect_type(&self, name: &str, kind: TextType) -> Inspection {
        // No record can have a name that is not one.
        let Ok(name) = Name::parse(name) else { return Inspection::of(Detail::NxDomain) };
        if let Some(zone) = self.0.zone.as_ref().filter(|zone| self.0.network.is_none() || zone.has(name.as_str())) {
            return in_zone(zone, &name, kind);
        }
        let Some(network) = &self.0.network else { return Inspection::of(Detail::NxDomain) };
        let Ok(name) = WireName::try_from(&name) else { return Inspection::of(Detail::NxDomain) };
        let kind = if kind == TextType::Txt { RecordType::TXT } else { SPF };
        let asked = timeout(self.0.timeout, on_network(network, name, kind)).await;
        asked.unwrap_or_else(|_elapsed| Inspection::of(Detail::Failed(Trouble::Timeout)))
    }
}

fn in_zone(zone: &Zone, name: &Name, kind: TextType) -> Inspection {
    let (aliases, answer) = zone.follow(name.as_str());
    let answer = match answer {
        Ok(records) => {
            // A zone file has its strings joined.
            let texts: Vec<_> = records.texts(kind).map(|text| vec![text.to_vec()]).collect();
            if texts.is_empty() { Detail::NoData } else { Detail::Records(texts) }
        }
        Err(Missing::NxDomain) => Detail::NxDomain,
        Err(Missing::ServFail) => Detail::Failed(Trouble::ServFail),
        Err(Missing::Timeout) => Detail::Failed(Trouble::Timeout),
        Err(Missing::TooManyAliases) => Detail::Failed(Trouble::Unusable(ENDLESS)),
    };
    Inspection { aliases: aliases.into_iter().map(str::to_owned).collect(), answer }
}

async fn on_network(network: &Servers, mut name: WireName, kind: RecordType) -> Inspection {
    let mut aliases = Vec::new();
    loop {
        let answer = match network.ask(&name, kind).await {
            Ok(message) => read(&mut name, kind, &message, &mut aliases),
            Err(failure) => Some(Detail::Failed(failure.into())),
        };
        if let Some(answer) = answer {
            return Inspection { aliases, answer };
        }
    }
}

/// Reads a message, and follows the aliases in it; `None` when the one that `name` is then is to be asked for.
fn read(name: &mut WireName, kind: RecordType, message: &Message, aliases: &mut Vec<String>) -> Option<Detail> {
    let reading = answer::read(name, kind, message, MAX_ALIASES.saturating_sub(aliases.len()));
    aliases.extend(reading.aliases.iter().map(|alias| printable(alias)));
    match reading.said {
        Said::Records(data) => Some(match data.into_iter().map(strings).collect() {
            Some(records) => Detail::Records(records),
            None => Detail::Failed(Trouble::Unusable("it is malformed")),
        }),
        Said::NoData => Some(Detail::NoData),
        Said::NxDomain => Some(Detail::NxDomain),
        Said::TooLong => Some(Detail::Failed(Trouble::Unusable("more than 64 KiB"))),
        Said::TooMany => Some(Detail::Failed(Trouble::Unusable("too many records"))),
        Said::TooManyAliases => Some(Detail::Failed(Trouble::Unusable(ENDLESS))),
        Said::Alias(target) => {
            *name = target.clone();
            None
        }
    }
}

/// Lower case and without final dot, what is not printable escaped.
fn printable(name: &WireName) -> String {
    let text = name.to_ascii();
    text.strip_suffix('.').unwrap_or(&text).to_ascii_lowercase()
}

/// The character-strings of a record; `None` when it has no such ones.
fn strings(data: &RData) -> Option<Vec<Vec<u8>>> {
    match data {
        RData::TXT(text) => Some(text.txt_data.iter().map(|string| string.to_vec()).collect()),
        RData::Unknown { rdata, .. } => character_strings(&rdata.anything),
        _ => None,
    }
}

/// RFC 1035 §3.3: "<character-string> is a single length octet followed by that number of characters."
fn character_strings(mut data: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut strings = Vec::new();
    while let Some((length, rest)) = data.split_first() {
        let (string, rest) = rest.split_at_checked(usize::from(*length))?;
        strings.push(string.to_vec());
        data = rest;
    }
    Some(strings)
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
    use hickory_proto::rr::Record;
    use hickory_proto::rr::rdata::{CNAME, NULL, SOA, TXT};

    use super::*;

    fn name(text: &str) -> WireName {
        WireName::from_ascii(format!("{text}.")).unwrap()
    }

    fn alias(owner: &str, target: &str) -> Record {
        Record::from_rdata(name(owner), 60, RData::CNAME(CNAME(name(target))))
    }

    fn text(owner: &str, strings: &[&[u8]]) -> Record {
        Record::from_rdata(name(owner), 60, RData::TXT(TXT::from_bytes(strings.to_vec())))
    }

    fn soa() -> Record {
        let soa = SOA::new(WireName::root(), WireName::root(), 1, 60, 60, 60, 60);
        Record::from_rdata(WireName::root(), 60, RData::SOA(soa))
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
        let answer = read(&mut owner, RecordType::TXT, message, &mut aliases);
        (answer, aliases, printable(&owner))
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
        let target = WireName::from_labels([&b"\x1b[2J\n\"\xff"[..], b"example"]).unwrap();
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

    #[test]
    fn rfc7208_s3_1_records_of_type_99_are_read_by_hand() {
        let said = |data: &[u8]| {
            let mut rdata = NULL::new();
            rdata.anything = data.to_vec();
            let record = Record::from_rdata(name("a.example"), 60, RData::Unknown { code: SPF, rdata });
            let message = message(ResponseCode::NoError, vec![text("a.example", &[b"txt"]), record], Vec::new());
            read(&mut name("a.example"), SPF, &message, &mut Vec::new()).unwrap()
        };
        let strings = |strings: &[&[u8]]| Detail::Records(vec![strings.iter().map(|text| text.to_vec()).collect()]);
        assert_eq!(said(b"\x06v=spf1\x05 -all"), strings(&[b"v=spf1", b" -all"]));
        assert_eq!(said(b"\0"), strings(&[b""]));
        assert_eq!(said(b""), strings(&[]));
        for damaged in [&b"\x06v=spf"[..], b"\x01xy", b"\xff"] {
            assert_eq!(said(damaged), Detail::Failed(Trouble::Unusable("it is malformed")));
        }
    }

    #[tokio::test]
    async fn a_zone_file_has_records_of_type_99_and_time_outs() {
        let text = "a.example. TXT \"v=spf1 -all\"\n SPF \"v=spf1 \" \"+all\"\nb.example. TIMEOUT\nc.example. TXT x\nl.example. CNAME l.example.\n";
        let resolver = Resolver::offline(Zone::parse(text.as_bytes(), Path::new("zone")).unwrap(), Backend::AwsLc);
        let one = |text: &[u8]| Detail::Records(vec![vec![text.to_vec()]]);
        assert_eq!(resolver.inspect_type99("a.example").await.answer, one(b"v=spf1 +all"));
        assert_eq!(resolver.inspect("a.example").await.answer, one(b"v=spf1 -all"));
        assert_eq!(resolver.inspect_type99("b.example").await.answer, Detail::Failed(Trouble::Timeout));
        assert_eq!(resolver.inspect_type99("c.example").await.answer, Detail::NoData);
        assert_eq!(resolver.inspect_type99("a..example").await.answer, Detail::NxDomain);
        assert_eq!(resolver.inspect("l.example").await.answer, Detail::Failed(Trouble::Unusable(ENDLESS)));
    }
}
