//! Verifies a file with a nameserver, on tokio: `verify_tokio 127.0.0.1:53 FILE`. All keys are asked for at once, and the body is read meanwhile.

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{error::Error, net::SocketAddr, sync::Arc};

use dkim_core::crypto::Backend;
use dkim_core::dns::TxtAnswer;
use dkim_core::header::{HeaderBlock, HeaderLimits};
use dkim_core::verify::{KeyAnswer, Verification, VerifyPolicy};
use dkim_core::{UnixTime, body_hash::BodyHashPlan};
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordData, RecordType, rdata::TXT};
use tokio::{net::UdpSocket, task::JoinSet, time::timeout};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [server, file] = &args[..] else { return Err("usage: verify_tokio ADDRESS:PORT FILE".into()) };
    let server: SocketAddr = server.parse()?;
    let message = tokio::fs::read(file).await?;
    let (headers, body) = HeaderBlock::parse(&message, HeaderLimits::default())?;
    let now = UnixTime::from_secs(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs());
    let mut plan = BodyHashPlan::new(Backend::default());
    let mut verification = Verification::start(Arc::new(headers), now, &VerifyPolicy::default(), &mut plan);
    let mut lookups: JoinSet<_> = (verification.key_queries().map(|query| (query.id, query.name())))
        .map(|(id, name)| async move { (id, timeout(Duration::from_secs(2), lookup(server, name)).await) })
        .collect();
    let mut hasher = plan.start();
    for chunk in message.get(body..).unwrap_or_default().chunks(65_536) {
        hasher.update(chunk);
        tokio::task::yield_now().await;
    }
    while let Some(Ok((id, answer))) = lookups.join_next().await {
        let answer = answer.ok().and_then(Result::ok).unwrap_or(TxtAnswer::Failed);
        verification.provide_key(id, KeyAnswer::parse(&answer, Backend::default()));
    }
    for report in verification.finish(&hasher.finish()) {
        println!("dkim={} ({}) header.b={}", report.outcome.result(), report.outcome, report.b_start);
    }
    Ok(())
}

async fn lookup(server: SocketAddr, name: String) -> Result<TxtAnswer, Box<dyn Error + Send + Sync>> {
    let mut question = Message::query();
    question.add_query(Query::query(Name::from_ascii(name)?, RecordType::TXT)).metadata.recursion_desired = true;
    let socket = UdpSocket::bind(if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }).await?;
    socket.connect(server).await?;
    socket.send(&question.to_vec()?).await?;
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).await?;
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
