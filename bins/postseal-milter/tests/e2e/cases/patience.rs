//! The MTA hears from the daemon before it loses patience.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::mails;
use crate::site::work::port;
use crate::site::{Options, Site, own_results, timed};

/// How late every answer comes.
const LATE: Duration = Duration::from_secs(13);

/// A name server that passes questions on to another one and answers late, until the process ends.
fn late_name_server(listen: u16, server: u16) {
    let socket = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, listen)).unwrap());
    thread::spawn(move || {
        let mut question = [0; 4096];
        loop {
            let (octets, client) = socket.recv_from(&mut question).unwrap();
            let (socket, question) = (Arc::clone(&socket), question[..octets].to_vec());
            thread::spawn(move || pass_on(&socket, client, &question, server));
        }
    });
}

fn pass_on(socket: &UdpSocket, client: SocketAddr, question: &[u8], server: u16) {
    thread::sleep(LATE);
    let asking = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    asking.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    asking.send_to(question, (Ipv4Addr::LOCALHOST, server)).unwrap();
    let mut answer = [0; 4096];
    // When the test is over first, nobody waits for this any more.
    if let Ok(octets) = asking.recv(&mut answer) {
        let _ = socket.send_to(&answer[..octets], client);
    }
}

/// Postfix gives up after twelve seconds without a sign of life; the answer of the DNS takes thirteen. The signs come every ten.
#[test]
fn s12_a_slow_name_server_takes_longer_than_the_patience_of_the_mta_and_mail_is_judged_all_the_same() {
    let nameserver = port();
    let site = Site::start(&Options {
        nameserver: Some(nameserver),
        // The keys are not looked up but for the message, so that no answer is there before.
        dns: "timeout = \"50s\"\ndeadline = \"40s\"\n[keys]\ncheck_interval = \"0\"",
        main_cf: "milter_content_timeout = 12s",
        ..Options::default()
    });
    late_name_server(nameserver, site.dns.port);
    let signed = site.submit(&mails::plain("slow-server"));
    let (time, delivered) = timed(|| site.receive(&signed.message));
    assert!(time >= LATE, "{time:?}");
    assert_eq!(own_results(&delivered).words("dkim"), ["pass", "pass"], "{}", site.postfix.log());
    assert!(!site.postfix.log().contains("timeout"), "{}", site.postfix.log());
}
