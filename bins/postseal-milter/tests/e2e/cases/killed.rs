//! The daemon is killed under load, again and again: what becomes of mail is what `milter_default_action` says, and nothing is lost or doubled.

use std::collections::{HashMap, HashSet};
use std::fs;
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

/// How often the daemon is killed at least.
const KILLS: usize = 4;

/// What became of the messages that were sent while the daemon came and went, by number.
struct Load {
    sent: usize,
    accepted: HashSet<usize>,
    refused: HashMap<usize, Reply>,
}

fn subject(number: usize) -> String {
    format!("load-{number}")
}

fn offer(site: &Site, number: usize) -> Reply {
    Smtp::offer(site.postfix.submission, &mail("", &mails::plain(&subject(number))))
}

/// Sends `count` messages of a user and more from several clients while the daemon is killed and started again at odd moments. Who is told to
/// come back later does so.
fn load(site: &mut Site, count: usize) -> Load {
    let (next, kills, working) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(CLIENTS));
    let mut load = Load { sent: 0, accepted: HashSet::new(), refused: HashMap::new() };
    // The daemon is killed by this thread, and the clients need the rest of the site only.
    let Site { postfix, daemon, .. } = site;
    let port = postfix.submission;
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| {
                    let mut answers = Vec::new();
                    loop {
                        if next.load(Ordering::SeqCst) >= count && kills.load(Ordering::SeqCst) >= KILLS {
                            working.fetch_sub(1, Ordering::SeqCst);
                            return answers;
                        }
                        let number = next.fetch_add(1, Ordering::SeqCst);
                        let message = mails::plain(&subject(number));
                        let answer = loop {
                            let reply = Smtp::offer(port, &mail("", &message));
                            if reply.code / 100 != 4 {
                                break reply;
                            }
                            thread::sleep(Duration::from_millis(30));
                        };
                        answers.push((number, answer));
                    }
                })
            })
            .collect();
        // Moments that differ, the same at every run as far as the machine allows.
        for pause in [70, 130, 30, 100, 10, 160, 50, 90].iter().cycle() {
            thread::sleep(Duration::from_millis(*pause));
            if working.load(Ordering::SeqCst) == 0 {
                break;
            }
            daemon.kill();
            thread::sleep(Duration::from_millis(pause / 2));
            daemon.restart();
            kills.fetch_add(1, Ordering::SeqCst);
        }
        for (number, reply) in clients.into_iter().flat_map(|client| client.join().unwrap()) {
            if reply.code == 250 {
                assert!(load.accepted.insert(number));
            } else {
                load.refused.insert(number, reply);
            }
        }
    });
    load.sent = next.into_inner();
    assert_eq!(load.accepted.len() + load.refused.len(), load.sent);
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
    assert_eq!(load.accepted.len(), load.sent, "{:?}", load.refused);
    assert_eq!(signed(&site, &load.accepted, 0), load.sent);
    site.daemon.kill();
    let reply = offer(&site, load.sent);
    assert_eq!((reply.code, reply.text.as_str()), (451, "4.7.1 Service unavailable - try again later"));
    // A local program has nobody to come again: its mail stays where `postdrop` put it.
    site.postfix.sendmail("sender@author.example", "reader@reader.example", b"Subject: local\n\nlocal\n");
    thread::sleep(Duration::from_secs(2));
    assert_eq!(fs::read_dir(site.folder.path().join("spool/maildrop")).unwrap().count(), 1, "{}", site.postfix.log());
    assert!(!site.postfix.mailbox.has_more());
}

#[test]
fn s12_killed_under_load_with_shutdown_no_message_is_lost_doubled_or_unsigned() {
    let mut site = site("shutdown", Socket::Tcp);
    let load = load(&mut site, 60);
    assert_eq!(load.accepted.len(), load.sent, "{:?}", load.refused);
    assert_eq!(signed(&site, &load.accepted, 0), load.sent);
    site.daemon.kill();
    let reply = offer(&site, load.sent);
    // A Postfix that does not know the word, such as 3.7, puts mail off for that reason.
    let is_unknown = site.postfix.log().contains("unrecognized default action: shutdown");
    assert_eq!(reply.code, if is_unknown { 451 } else { 421 }, "{reply:?}");
}

#[test]
fn s12_killed_under_load_with_reject_what_is_accepted_is_signed_and_delivered_once() {
    let mut site = site("reject", Socket::Unix);
    let load = load(&mut site, 60);
    for reply in load.refused.values() {
        // Where the daemon was away when they connected, clients are told 554 in place of a greeting.
        assert!(matches!(reply.code, 550 | 554), "{reply:?}");
    }
    assert_eq!(signed(&site, &load.accepted, 0), load.accepted.len());
    site.daemon.kill();
    assert_eq!(offer(&site, load.sent).code, 554);
}

#[test]
fn s12_killed_under_load_with_accept_every_message_is_delivered_once_and_some_unsigned() {
    let mut site = site("accept", Socket::Tcp);
    let load = load(&mut site, 60);
    assert_eq!(load.accepted.len(), load.sent, "{:?}", load.refused);
    let signed_under_load = signed(&site, &load.accepted, 0);
    assert!(signed_under_load > 0);
    site.daemon.kill();
    assert_eq!(offer(&site, load.sent).code, 250);
    assert_eq!(signed(&site, &HashSet::from([load.sent]), 0), 0, "nobody was there to sign");
}

#[test]
fn s12_killed_under_load_with_quarantine_what_is_not_signed_is_on_hold() {
    let mut site = site("quarantine", Socket::Unix);
    let load = load(&mut site, 60);
    assert_eq!(load.accepted.len(), load.sent, "{:?}", load.refused);
    let on_hold = site.postfix.on_hold();
    assert_eq!(signed(&site, &load.accepted, on_hold), load.sent - on_hold);
    site.daemon.kill();
    assert_eq!(offer(&site, load.sent).code, 250);
    assert_eq!(site.postfix.on_hold(), on_hold + 1);
}
