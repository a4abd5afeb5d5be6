//! Verifies a file with a nameserver, blocking: `verify_blocking 127.0.0.1:53 FILE`. Exit code 0 if a signature passes. Not shown: asking again,
//! TCP for a truncated answer, a cache.

use std::error::Error;
use std::net::{SocketAddr, UdpSocket};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dkim_core::UnixTime;
use dkim_core::body_hash::BodyHashPlan;
use dkim_core::crypto::Backend;
use dkim_core::dns::TxtAnswer;
use dkim_core::header::{HeaderBlock, HeaderLimits};
use dkim_core::verify::{KeyAnswer, Verification, VerifyPolicy};
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordData, RecordType, rdata::TXT};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [server, file] = &args[..] else { return Err("usage: verify_blocking ADDRESS:PORT FILE".into()) };
    let message = std::fs::read(file)?;
    let (headers, body) = HeaderBlock::parse(&message, HeaderLimits::default())?;
    let now = UnixTime::from_secs(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs());
    let mut plan = BodyHashPlan::new(Backend::default());
    let mut verification = Verification::start(Arc::new(headers), now, &VerifyPolicy::default(), &mut plan);
    for (id, name) in verification.key_queries().map(|query| (query.id, query.name())).collect::<Vec<_>>() {
        let answer = lookup(server.parse()?, &name).unwrap_or(TxtAnswer::Failed);
        verification.provide_key(id, KeyAnswer::parse(&answer, Backend::default()));
    }
    let mut hasher = plan.start();
    hasher.update(message.get(body..).unwrap_or_default());
    let reports = verification.finish(&hasher.finish());
    for report in &reports {
        println!("dkim={} ({}) header.b={}", report.outcome.result(), report.outcome, report.b_start);
    }
    Ok(ExitCode::from(u8::from(!reports.iter().any(|report| report.outcome.result() == "pass"))))
}

fn lookup(server: SocketAddr, name: &str) -> Result<TxtAnswer, Box<dyn Error>> {
    let mut question = Message::query();
    question.add_query(Query::query(Name::from_ascii(name)?, RecordType::TXT)).metadata.recursion_desired = true;
    let socket = UdpSocket::bind(if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    socket.connect(server)?;
    socket.send(&question.to_vec()?)?;
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer)?;
    let reply = Message::from_vec(buffer.get(..length).unwrap_or_default())?;
    let texts = reply.answers.iter().filter_map(|record| TXT::try_borrow(&record.data));
    Ok(match (reply.metadata.response_code, texts.map(|text| text.txt_data.concat()).collect::<Vec<_>>()) {
        _ if reply.metadata.id != question.metadata.id || reply.metadata.truncation => TxtAnswer::Failed,
        (ResponseCode::NoError, records) if records.is_empty() => TxtAnswer::NoData,
        (ResponseCode::NoError, records) => TxtAnswer::Records(records),
        (ResponseCode::NXDomain, _) => TxtAnswer::NxDomain,
        _ => TxtAnswer::Failed,
    })
}
