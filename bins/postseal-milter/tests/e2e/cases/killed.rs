//! The daemon is killed under load, again and again: what becomes of mail is what `milter_default_action` says, and nothing is lost or doubled.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::mails;
use crate::oracle;
use crate::site::daemon::Socket;
use crate::site::{Options, Site, mail};
use crate::smtp::{Reply, Smtp};

/// SMTP clients at a time.
const CLIENTS: usize = 8;

/// What became of the messages that were sent while the daemon came and went, by number.
struct Load {
    accepted: HashSet<usize>,
    refused: HashMap<usize, Reply>,
}

fn subject(number: usize) -> String {
    format!("load-{number}")
}

fn offer(site: &Site, number: usize) -> Reply {
    Smtp::offer(site.postfix.submission, &mail("", &mails::plain(&subject(number))))
}

/// Sends `count` messages of a user from several clients while the daemon is killed and started again at odd moments. Who is told to come back
/// later does so.
fn load(site: &mut Site, count: usize) -> Load {
    let (next, left) = (AtomicUsize::new(0), AtomicUsize::new(count));
    let mut kills = 0;
    let mut load = Load { accepted: HashSet::new(), refused: HashMap::new() };
    // The daemon is killed by this thread, and the clients need the rest of the site only.
    let Site { postfix, daemon, .. } = site;
    let port = postfix.submission;
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| {
                    let mut answers = Vec::new();
                    loop {
                        let number = next.fetch_add(1, Ordering::SeqCst);
                        if number >= count {
                            return answers;
                        }
                        let message = mails::plain(&subject(number));
                        let answer = loop {
                            let reply = Smtp::offer(port, &mail("", &message));
                            if reply.code / 100 != 4 {
                                break reply;
                            }
                            thread::sleep(Duration::from_millis(30));
                        };
                        answers.push((number, answer));
                        left.fetch_sub(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        // Moments that differ, the same at every run as far as the machine allows.
        for pause in [70, 150, 30, 110, 10, 190, 50, 90].iter().cycle() {
            if left.load(Ordering::SeqCst) == 0 {
                break;
            }
            thread::sleep(Duration::from_millis(*pause));
            daemon.kill();
            kills += 1;
            thread::sleep(Duration::from_millis(pause / 2));
            daemon.restart();
        }
        for (number, reply) in clients.into_iter().flat_map(|client| client.join().unwrap()) {
            if reply.code == 250 {
                assert!(load.accepted.insert(number));
            } else {
                load.refused.insert(number, reply);
            }
        }
    });
    assert!(kills >= 3, "the daemon was killed {kills} times");
    assert_eq!(load.accepted.len() + load.refused.len(), count);
    load
}

/// Each of these messages was delivered once; how many of them are signed, by both keys or not at all.
fn signed(site: &Site, numbers: &HashSet<usize>, on_hold: usize) -> usize {
    let delivered = site.postfix.mailbox.exactly(numbers.len() - on_hold);
    let mut seen = HashSet::new();
    let mut signed = 0;
    for message in delivered {
        let subject = message.only("Subject");
        let number = subject.split([' ', '-']).nth(1).unwrap().parse().unwrap();
        assert!(numbers.contains(&number) && seen.insert(number), "{subject}");
        let results = oracle::verify(&message.message, &site.zone);
        assert!(results.is_empty() || results == ["pass", "pass"], "{results:?}\n{}", message.header());
        signed += usize::from(!results.is_empty());
    }
    signed
}

fn site(default_action: &str, socket: Socket) -> Site {
    Site::start(&Options { default_action, socket, ..Options::default() })
}

#[test]
fn s12_killed_under_load_with_tempfail_no_message_is_lost_doubled_or_unsigned() {
    let mut site = site("tempfail", Socket::Unix);
    let load = load(&mut site, 200);
    assert_eq!(load.accepted.len(), 200, "{:?}", load.refused);
    assert_eq!(signed(&site, &load.accepted, 0), 200);
    site.daemon.kill();
    let reply = offer(&site, 200);
    assert_eq!((reply.code, reply.text.as_str()), (451, "4.7.1 Service unavailable - try again later"));
}

#[test]
fn s12_killed_under_load_with_shutdown_no_message_is_lost_doubled_or_unsigned() {
    let mut site = site("shutdown", Socket::Tcp);
    let load = load(&mut site, 60);
    assert_eq!(load.accepted.len(), 60, "{:?}", load.refused);
    assert_eq!(signed(&site, &load.accepted, 0), 60);
    site.daemon.kill();
    let reply = offer(&site, 60);
    assert_eq!(reply.code, 421, "{reply:?}");
}

#[test]
fn s12_killed_under_load_with_reject_what_is_accepted_is_signed_and_delivered_once() {
    let mut site = site("reject", Socket::Unix);
    let load = load(&mut site, 60);
    for reply in load.refused.values() {
        assert_eq!((reply.code, reply.text.as_str()), (550, "5.5.0 Service unavailable"));
    }
    assert_eq!(signed(&site, &load.accepted, 0), load.accepted.len());
    site.daemon.kill();
    assert_eq!(offer(&site, 60).code, 550);
}

#[test]
fn s12_killed_under_load_with_accept_every_message_is_delivered_once_and_some_unsigned() {
    let mut site = site("accept", Socket::Tcp);
    let load = load(&mut site, 60);
    assert_eq!(load.accepted.len(), 60, "{:?}", load.refused);
    let signed_under_load = signed(&site, &load.accepted, 0);
    assert!(signed_under_load > 0);
    site.daemon.kill();
    assert_eq!(offer(&site, 60).code, 250);
    assert_eq!(signed(&site, &HashSet::from([60]), 0), 0, "nobody was there to sign");
}

#[test]
fn s12_killed_under_load_with_quarantine_what_is_not_signed_is_on_hold() {
    let mut site = site("quarantine", Socket::Unix);
    let load = load(&mut site, 60);
    assert_eq!(load.accepted.len(), 60, "{:?}", load.refused);
    let on_hold = site.postfix.on_hold();
    assert_eq!(signed(&site, &load.accepted, on_hold), 60 - on_hold);
    site.daemon.kill();
    assert_eq!(offer(&site, 60).code, 250);
    assert_eq!(site.postfix.on_hold(), on_hold + 1);
}
