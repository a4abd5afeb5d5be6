//! Checks both identities at once with a nameserver, on tokio: `check_tokio 127.0.0.1:53 CLIENT HELO SENDER`.

use std::{error::Error, net::SocketAddr, time::Duration};

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, MX, PTR, TXT};
use hickory_proto::rr::{Name, RecordData, RecordType};
use spf_core::check::{check_helo, check_mail_from};
use spf_core::dns::{Answer, Question, RecordKind as Kind};
use spf_core::identity::{Sender, Session};
use spf_core::limits::Limits;
use tokio::{net::UdpSocket, time::timeout};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [server, client, helo, sender] = &args[..] else { return Err("usage: SERVER:PORT CLIENT HELO SENDER".into()) };
    let server: SocketAddr = server.parse()?;
    let session = Session::new(client.parse()?, helo);
    let ask = |question: Question| async move {
        let answer = timeout(Duration::from_secs(2), lookup(server, question)).await;
        answer.ok().and_then(Result::ok).unwrap_or(Answer::Failed)
    };
    let limits = Limits::default();
    let helo = check_helo(&session, &limits).run_async(ask);
    let mail_from = check_mail_from(&session, &Sender::from_reverse_path(sender.as_bytes()), &limits).run_async(ask);
    let (helo, mail_from) = tokio::join!(helo, mail_from);
    println!("helo: spf={} ({})", helo.result, helo.cause);
    println!("mailfrom: spf={} ({})", mail_from.result, mail_from.cause);
    Ok(())
}

async fn lookup(server: SocketAddr, question: Question) -> Result<Answer, Box<dyn Error + Send + Sync>> {
    let kind: RecordType = question.kind.to_string().parse()?;
    let mut query = Message::query();
    let name = Name::from_labels(question.name.labels().map(str::as_bytes))?;
    query.add_query(Query::query(name, kind)).metadata.recursion_desired = true;
    let socket = UdpSocket::bind(if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }).await?;
    socket.connect(server).await?;
    socket.send(&query.to_vec()?).await?;
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).await?;
    let reply = Message::from_vec(buffer.get(..length).unwrap_or_default())?;
    let data = reply.answers.iter().map(|record| &record.data);
    Ok(match reply.metadata.response_code {
        _ if reply.metadata.id != query.metadata.id || reply.metadata.truncation => Answer::Failed,
        ResponseCode::NoError => match question.kind {
            Kind::Txt => Answer::txt(data.filter_map(TXT::try_borrow).map(|text| text.txt_data.concat())),
            Kind::A => Answer::a(data.filter_map(A::try_borrow).map(|address| address.0)),
            Kind::Aaaa => Answer::aaaa(data.filter_map(AAAA::try_borrow).map(|address| address.0)),
            Kind::Mx => Answer::mx(data.filter_map(MX::try_borrow).map(|mx| (mx.preference, mx.exchange.to_ascii()))),
            Kind::Ptr => Answer::ptr(data.filter_map(PTR::try_borrow).map(|name| name.0.to_ascii())),
        },
        ResponseCode::NXDomain => Answer::NxDomain,
        _ => Answer::Failed,
    })
}
