//! Finds the policies of several author domains at once with a nameserver, on tokio: `evaluate_tokio 127.0.0.1:53 AUTHOR-DOMAIN...`.

use std::{error::Error, net::SocketAddr, time::Duration};

use dmarc_core::discovery::{Discovery, Finding, discover};
use dmarc_core::dns::{Question, TxtAnswer};
use dmarc_core::org_domain::OrgDomainMethod::TreeWalk;
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::rdata::TXT;
use hickory_proto::rr::{Name, RecordData, RecordType};
use tokio::{net::UdpSocket, time::timeout};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [server, authors @ ..] = &args[..] else { return Err("usage: SERVER:PORT AUTHOR-DOMAIN...".into()) };
    let server: SocketAddr = server.parse()?;
    let ask = move |question: Question| async move {
        let answer = timeout(Duration::from_secs(2), lookup(server, question)).await;
        answer.ok().and_then(Result::ok).unwrap_or(TxtAnswer::Failed)
    };
    let mut tasks = Vec::new();
    for author in authors {
        let progress = discover(&author.parse()?, TreeWalk);
        tasks.push(tokio::spawn(progress.run_async(ask)));
    }
    for task in tasks {
        println!("{}", line(&task.await?));
    }
    Ok(())
}

fn line(discovery: &Discovery) -> String {
    let author = &discovery.author;
    match &discovery.finding {
        Finding::Policy(found) => {
            format!("{author}: {} of {} says {}", found.tag.as_str(), found.domain, found.policy)
        }
        Finding::NoPolicy => format!("{author}: no policy"),
        Finding::PermError { domain, .. } => format!("{author}: no usable policy at {domain}"),
        Finding::TempError { .. } => format!("{author}: not known, the DNS does not answer"),
    }
}

async fn lookup(server: SocketAddr, question: Question) -> Result<TxtAnswer, Box<dyn Error + Send + Sync>> {
    let mut query = Message::query();
    let name = Name::from_ascii(question.name.as_str())?;
    query.add_query(Query::query(name, RecordType::TXT)).metadata.recursion_desired = true;
    let socket = UdpSocket::bind(if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }).await?;
    socket.connect(server).await?;
    socket.send(&query.to_vec()?).await?;
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).await?;
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
