//! Judges a message with a nameserver, blocking: `evaluate_blocking 127.0.0.1:53 AUTHOR-DOMAIN [AUTHENTICATED-DOMAIN...]`. Exit code 0 for `pass`.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;
use std::{error::Error, process::ExitCode};

use dmarc_core::discovery::discover;
use dmarc_core::dns::{Question, TxtAnswer};
use dmarc_core::domain::DomainName;
use dmarc_core::evaluate::{Identifier, Identifiers, evaluate};
use dmarc_core::org_domain::OrgDomainMethod::TreeWalk;
use dmarc_core::outcome::{CheckResult, DmarcResult};
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::rdata::TXT;
use hickory_proto::rr::{Name, RecordData, RecordType};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [server, author, authenticated @ ..] = &args[..] else {
        return Err("usage: SERVER:PORT AUTHOR-DOMAIN [AUTHENTICATED-DOMAIN...]".into());
    };
    let server: SocketAddr = server.parse()?;
    let ask = |question: &Question| lookup(server, question).unwrap_or(TxtAnswer::Failed);
    let discovery = discover(&author.parse()?, TreeWalk).run(ask);
    let domains = authenticated.iter().map(|domain| domain.parse()).collect::<Result<Vec<DomainName>, _>>()?;
    let signatures: Vec<_> = domains.iter().map(|domain| Identifier::new(domain, CheckResult::Pass)).collect();
    let evaluation = evaluate(&discovery, Identifiers::new(None, &signatures), TreeWalk).run(ask);
    let policy = evaluation.policy.as_ref().map_or("none", |policy| policy.requested.as_str());
    println!(
        "dmarc={} header.from={} policy.dmarc={policy} ({})",
        evaluation.result, evaluation.author, evaluation.cause
    );
    Ok(ExitCode::from(u8::from(evaluation.result != DmarcResult::Pass)))
}

fn lookup(server: SocketAddr, question: &Question) -> Result<TxtAnswer, Box<dyn Error>> {
    let mut query = Message::query();
    let name = Name::from_ascii(question.name.as_str())?;
    query.add_query(Query::query(name, RecordType::TXT)).metadata.recursion_desired = true;
    let socket = UdpSocket::bind(if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    socket.connect(server)?;
    socket.send(&query.to_vec()?)?;
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer)?;
    let reply = Message::from_vec(buffer.get(..length).unwrap_or_default())?;
    let data = reply.answers.iter().map(|record| &record.data);
    let texts: Vec<Vec<u8>> = data.filter_map(TXT::try_borrow).map(|text| text.txt_data.concat()).collect();
    Ok(match reply.metadata.response_code {
        _ if reply.metadata.id != query.metadata.id || reply.metadata.truncation => TxtAnswer::Failed,
        ResponseCode::NoError if texts.is_empty() => TxtAnswer::NoData,
        ResponseCode::NoError => TxtAnswer::Records(texts),
        ResponseCode::NXDomain => TxtAnswer::NxDomain,
        _ => TxtAnswer::Failed,
    })
}
