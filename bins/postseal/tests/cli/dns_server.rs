//! A DNS server on loopback that answers as it is told: names with TXT records of several strings, aliases, codes, silence.

use std::collections::HashMap;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// What a name is answered with.
#[derive(Clone)]
pub(crate) enum Reply {
    /// TXT records, each of these strings.
    Texts(Vec<Vec<Vec<u8>>>),
    /// A CNAME, and what its target is answered with.
    Alias(String),
    /// No error and no record.
    NoData,
    /// A response code.
    Code(u8),
    Silence,
}

/// Ends with its value.
pub(crate) struct DnsServer {
    pub(crate) address: String,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl DnsServer {
    /// A server for these names; all others do not exist.
    pub(crate) fn start(names: Vec<(String, Reply)>) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let (address, is_over) = (socket.local_addr().unwrap().to_string(), Arc::new(AtomicBool::new(false)));
        let (names, over): (HashMap<_, _>, _) = (names.into_iter().collect(), Arc::clone(&is_over));
        let thread = std::thread::spawn(move || {
            let mut packet = [0; 4096];
            while !over.load(Ordering::Relaxed) {
                let Ok((octets, peer)) = socket.recv_from(&mut packet) else { continue };
                if let Some(reply) = answer(&packet[..octets], &names) {
                    socket.send_to(&reply, peer).unwrap();
                }
            }
        });
        Self { address, is_over, thread: Some(thread) }
    }
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// RFC 1035 §4.1: the header, the question as it came, the answers.
fn answer(packet: &[u8], names: &HashMap<String, Reply>) -> Option<Vec<u8>> {
    let (name, end) = name_at_12(packet);
    let question = &packet[12..end + 4];
    let (mut code, mut answers, mut owner) = (0, Vec::new(), name.clone());
    loop {
        match names.get(&owner) {
            None => code = 3,
            Some(Reply::Silence) => return None,
            Some(Reply::Code(other)) => code = *other,
            Some(Reply::NoData) => {}
            Some(Reply::Alias(target)) => {
                answers.push(record(&owner, 5, &wire(target)));
                owner.clone_from(target);
                continue;
            }
            Some(Reply::Texts(texts)) => {
                for strings in texts {
                    let data: Vec<u8> = strings
                        .iter()
                        .flat_map(|string| [&[u8::try_from(string.len()).unwrap()][..], string].concat())
                        .collect();
                    answers.push(record(&owner, 16, &data));
                }
            }
        }
        break;
    }
    // A negative answer has its SOA (RFC 2308 §2).
    let soa = if answers.is_empty() && (code == 0 || code == 3) {
        vec![record("", 6, &[&[0, 0][..], &1_u32.to_be_bytes(), &[0; 12], &60_u32.to_be_bytes()].concat())]
    } else {
        Vec::new()
    };
    let counts = [1, answers.len(), soa.len(), 0].map(|count| u16::try_from(count).unwrap().to_be_bytes());
    let head = [&packet[..2], &[0x81, 0x80 | code], counts.as_flattened(), question].concat();
    Some([head, answers.concat(), soa.concat()].concat())
}

/// The name of the question, and where its octets end.
fn name_at_12(packet: &[u8]) -> (String, usize) {
    let (mut labels, mut at) = (Vec::new(), 12);
    while packet[at] != 0 {
        let end = at + 1 + usize::from(packet[at]);
        labels.push(String::from_utf8(packet[at + 1..end].to_ascii_lowercase()).unwrap());
        at = end;
    }
    (labels.join("."), at + 1)
}

fn wire(name: &str) -> Vec<u8> {
    let labels = name.split('.').filter(|label| !label.is_empty());
    let mut octets: Vec<u8> =
        labels.flat_map(|label| [&[u8::try_from(label.len()).unwrap()][..], label.as_bytes()].concat()).collect();
    octets.push(0);
    octets
}

fn record(owner: &str, kind: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap().to_be_bytes();
    [wire(owner).as_slice(), &kind.to_be_bytes(), &[0, 1, 0, 0, 0, 60], &length, data].concat()
}
