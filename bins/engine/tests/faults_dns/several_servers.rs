//! Two name servers and more, not all of them well.

use std::net::UdpSocket;
use std::time::Duration;

use hickory_proto::op::ResponseCode;

use super::server::{Asked, Packet, Server, referral};
use super::{LONG, SHORT, ends_in_time, honest, judge, result, signed, verifier};

fn alive() -> Server {
    Server::start(|asked| vec![honest(asked)])
}

/// The second server answers in place of the first.
fn second_helps(script: impl Fn(&Asked) -> Vec<Packet> + Send + Sync + 'static) {
    let (result, took) = result(&[&Server::start(script), &alive()], LONG);
    assert_eq!(result, "pass");
    assert!(took < LONG / 2, "{took:?}");
}

#[test]
fn where_the_first_server_is_dead_the_second_is_asked() {
    let dead = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let alive = alive();
    let daemon = verifier(&[dead, alive.address], LONG, "");
    for selector in ["s", "t"] {
        let (results, took) = judge(&daemon, &signed(&[selector]));
        assert_eq!(results, ["pass"]);
        assert!(took < LONG / 5, "{took:?}");
    }
}

#[test]
fn where_the_first_server_is_silent_the_second_is_asked_and_from_then_on_first() {
    let (silent, alive) = (Server::start(|_| vec![]), alive());
    let daemon = verifier(&[silent.address, alive.address], Duration::from_secs(5), "");
    for selector in ["s", "t", "u"] {
        assert_eq!(judge(&daemon, &signed(&[selector])).0, ["pass"]);
    }
    assert!(silent.asked(None) <= 2, "for the first key alone: once, and once more while the second server was asked");
}

#[test]
fn where_the_first_server_refuses_the_second_is_asked() {
    second_helps(|asked| vec![asked.reply(ResponseCode::Refused).into()]);
}

#[test]
fn where_the_first_server_fails_the_second_is_asked() {
    second_helps(|asked| vec![asked.reply(ResponseCode::ServFail).into()]);
}

#[test]
fn where_the_first_server_sends_garbage_the_second_is_asked() {
    second_helps(|asked| vec![Packet::raw([&asked.message.metadata.id.to_be_bytes()[..], &[0x80; 30]].concat())]);
}

#[test]
fn where_the_first_server_does_not_resolve_the_second_is_asked() {
    second_helps(|asked| vec![referral(asked)]);
}

#[test]
fn a_slow_first_server_still_answers_when_the_second_is_dead() {
    let slow = Server::start(|asked| vec![honest(asked).after(Duration::from_millis(2500))]);
    let fails = Server::start(|asked| vec![asked.reply(ResponseCode::ServFail).into()]);
    assert_eq!(result(&[&slow, &fails], Duration::from_secs(5)).0, "pass");
}

#[test]
fn a_negative_answer_of_the_first_server_stands() {
    let none = Server::start(|asked| vec![asked.reply(ResponseCode::NXDomain).into()]);
    assert_eq!(result(&[&none, &alive()], LONG).0, "permerror");
}

#[test]
fn where_all_of_many_servers_are_silent_the_time_is_that_of_one_question() {
    let silent: Vec<Server> = (0..8).map(|_| Server::start(|_| vec![])).collect();
    ends_in_time(&result(&silent.iter().collect::<Vec<_>>(), SHORT));
    assert!(silent.iter().all(|server| server.asked(None) > 0), "each was asked");
}
