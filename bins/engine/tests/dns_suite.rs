//! The openspf conformance suite for RFC 7208 with its DNS on the wire: each question goes through the resolver, its cache and a socket to a
//! server that has the zone of the scenario. `spf-core` runs the same cases with answers as values; here names with odd characters, octets
//! beyond ASCII, aliases, voids and failures make the whole way.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail by panic")]

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use engine::config;
use engine::dns::Resolver;
use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, MX, PTR, SOA, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use serde_json::Value;
use spf_core::check::{Progress, check_mail_from};
use spf_core::identity::{MailFrom, Sender, Session};
use spf_core::limits::Limits;
use spf_core::outcome::Outcome;
use tokio::net::UdpSocket;

const SUITE: &str = include_str!("../../../spf-core/tests/vectors/spf-rfc7208/rfc7208-tests.json");

/// The zone of a scenario: what each name has, in lower case.
type Zone = HashMap<String, Vec<Value>>;

/// The suite writes octets as characters below 256.
fn octets(text: &str) -> Vec<u8> {
    text.chars().map(|char| u8::try_from(char).unwrap()).collect()
}

fn wire(text: &str) -> Name {
    let labels = text.trim_end_matches('.').split('.').filter(|label| !label.is_empty());
    let mut name = Name::from_labels(labels.map(octets)).unwrap();
    name.set_fqdn(true);
    name
}

/// The name of a question as the suite writes it.
fn text_of(name: &Name) -> String {
    let labels: Vec<String> = name.iter().map(|label| label.iter().map(|octet| char::from(*octet)).collect()).collect();
    labels.join(".").to_ascii_lowercase()
}

/// What a record of the suite holds; `None` for its marks.
fn data(kind: RecordType, value: &Value) -> Option<RData> {
    let text = || value.as_str().unwrap();
    if matches!(value.as_str(), Some("NONE" | "TIMEOUT")) {
        return None;
    }
    Some(match kind {
        RecordType::A => RData::A(A(text().parse().unwrap())),
        RecordType::AAAA => RData::AAAA(AAAA(text().parse().unwrap())),
        RecordType::PTR => RData::PTR(PTR(wire(text()))),
        RecordType::MX => {
            let preference = value[0].to_string().trim_matches('"').parse().unwrap();
            RData::MX(MX::new(preference, wire(value[1].as_str().unwrap())))
        }
        RecordType::TXT => {
            let strings = match value {
                Value::Array(strings) => strings.iter().map(|string| octets(string.as_str().unwrap())).collect(),
                value => vec![octets(value.as_str().unwrap())],
            };
            // RFC 1035 §3.3: a character-string has 255 octets at most.
            let strings = strings.iter().flat_map(|string| string.chunks(255));
            let strings: Vec<&[u8]> = strings.collect();
            RData::TXT(TXT::from_bytes(if strings.is_empty() { vec![b""] } else { strings }))
        }
        other => unreachable!("{other} is not asked for"),
    })
}

/// The answer to a question, as the notes of the suite say: `TIMEOUT` is no answer, and a name with SPF records and no TXT record has the same
/// as TXT.
fn reply(zone: &Zone, question: &Message) -> Message {
    let query = question.queries.first().unwrap();
    let (name, kind) = (query.name().clone(), query.query_type());
    let mut reply = Message::new(question.metadata.id, MessageType::Response, OpCode::Query);
    reply.metadata.recursion_available = true;
    reply.queries.clone_from(&question.queries);
    let soa = RData::SOA(SOA::new(Name::root(), Name::root(), 1, 60, 60, 60, 60));
    let text = text_of(&name);
    let Some(records) = zone.get(&text) else {
        reply.metadata.response_code =
            if text.starts_with("error.") { ResponseCode::ServFail } else { ResponseCode::NXDomain };
        reply.authorities.push(Record::from_rdata(Name::root(), 60, soa));
        return reply;
    };
    let of = |kind: &str| -> Vec<&Value> { records.iter().filter_map(|record| record.get(kind)).collect() };
    if let Some(alias) = of("CNAME").first() {
        let target = RData::CNAME(CNAME(wire(alias.as_str().unwrap())));
        reply.answers.push(Record::from_rdata(name, 60, target));
        return reply;
    }
    let mut values = of(&kind.to_string());
    if kind == RecordType::TXT && values.is_empty() {
        values = of("SPF");
    }
    let found: Vec<RData> = values.iter().filter_map(|value| data(kind, value)).collect();
    let is_silent = |value: &Value| value == "TIMEOUT";
    if values.iter().any(|value| is_silent(value)) || found.is_empty() && records.iter().any(is_silent) {
        reply.metadata.response_code = ResponseCode::ServFail;
        return reply;
    }
    if found.is_empty() {
        reply.authorities.push(Record::from_rdata(Name::root(), 60, soa));
    }
    reply.answers = found.into_iter().map(|data| Record::from_rdata(name.clone(), 60, data)).collect();
    reply
}

/// Serves a zone on a port of its own for as long as the test runs.
async fn serve(zone: Zone) -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut packet = [0; 4096];
        loop {
            let (octets, peer) = socket.recv_from(&mut packet).await.unwrap();
            let reply = reply(&zone, &Message::from_vec(&packet[..octets]).unwrap());
            socket.send_to(&reply.to_vec().unwrap(), peer).await.unwrap();
        }
    });
    address
}

async fn check(resolver: &Resolver, case: &Value) -> Outcome<MailFrom> {
    let text = |key: &str| octets(case[key].as_str().unwrap());
    let session = Session::new(case["host"].as_str().unwrap().parse().unwrap(), text("helo"));
    let path = text("mailfrom");
    // The suite writes mailboxes without quotes, so the last "@" is the one.
    let sender = match path.iter().rposition(|octet| *octet == b'@').map(|at| path.split_at(at)) {
        None => Sender::null(),
        Some((local, domain)) => Sender::from_parts(local, &domain[1..]),
    };
    let mut progress = check_mail_from(&session, &sender, &Limits::default());
    loop {
        match progress {
            Progress::Done(outcome) => return outcome,
            Progress::Ask(pending) => {
                let answer = resolver.spf(pending.question()).await;
                progress = pending.answer(answer);
            }
        }
    }
}

/// What is wrong with the outcome of a case, if anything is.
fn difference(case: &Value, outcome: &Outcome<MailFrom>) -> Option<String> {
    let allowed = match &case["result"] {
        Value::Array(allowed) => allowed.clone(),
        one => vec![one.clone()],
    };
    let explanation = outcome.explanation.as_ref().map(|explanation| explanation.text.as_str());
    let expected = case.get("explanation").map(|text| text.as_str().unwrap());
    let is_explained = match expected {
        None => true,
        Some("DEFAULT") => explanation.is_none(),
        Some(text) => explanation == Some(text),
    };
    let is_right = allowed.iter().any(|allowed| allowed == outcome.result.as_str()) && is_explained;
    (!is_right).then(|| format!("{} {explanation:?} for {allowed:?} {expected:?}", outcome.result))
}

#[tokio::test]
async fn rfc7208_the_suite_passes_with_its_dns_on_the_wire() {
    let suite: Vec<Value> = serde_json::from_str(SUITE).unwrap();
    let (mut count, mut wrong) = (0, Vec::new());
    for scenario in &suite {
        let zone = scenario["zonedata"].as_object().unwrap().iter();
        let zone =
            zone.map(|(name, records)| (name.to_ascii_lowercase(), records.as_array().unwrap().clone())).collect();
        let dns = config::Dns {
            nameservers: vec![serve(zone).await],
            timeout: Duration::from_secs(20),
            ..config::Dns::default()
        };
        // One cache for all cases of a scenario: an answer serves them all.
        let resolver = Arc::new(Resolver::new(&dns, engine::BACKEND).unwrap());
        for (name, case) in scenario["tests"].as_object().unwrap() {
            count += 1;
            let outcome = check(&resolver, case).await;
            wrong.extend(difference(case, &outcome).map(|difference| format!("{name}: {difference}")));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(count, 203);
}
