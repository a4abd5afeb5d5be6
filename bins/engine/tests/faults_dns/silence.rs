//! Servers that are gone, say nothing, or take their time.

use std::net::UdpSocket;
use std::thread;
use std::time::Duration;

use super::server::{Packet, Server};
use super::{SHORT, ends_in_time, honest, in_time, judge, result, signed, verifier};

#[test]
fn d23_a_closed_port_is_a_temporary_error_before_the_time_is_up() {
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let time = Duration::from_secs(5);
    let (results, took) = judge(&verifier(&[closed], time, ""), &signed(&["s"]));
    assert_eq!(results, ["temperror"]);
    // Three questions a fifth of the time apart: a server that is restarted is there again meanwhile.
    assert!(took >= time / 5 && took < time * 9 / 10, "{took:?}");
}

#[test]
fn a_server_that_comes_back_while_the_question_waits_answers_it() {
    let address = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (daemon, message) = (verifier(&[address], Duration::from_secs(5), ""), signed(&["s"]));
    let late = thread::spawn(move || {
        thread::sleep(Duration::from_millis(500));
        // Nobody else is given this port in half a second: the system hands them out at random.
        Server::at(address, |asked| vec![honest(asked)])
    });
    assert_eq!(judge(&daemon, &message).0, ["pass"]);
    drop(late.join().unwrap());
}

#[test]
fn d23_silence_is_a_temporary_error_within_the_time_of_one_question() {
    in_time(|_| vec![]);
}

/// More than half of the time and nearly all of it: an answer to the first packet counts although the question was sent again meanwhile.
#[test]
fn a_server_that_takes_one_three_or_four_and_a_half_of_five_seconds_is_waited_for() {
    thread::scope(|scope| {
        for time in [1000, 3000, 4500].map(Duration::from_millis) {
            scope.spawn(move || {
                let server = Server::start(move |asked| vec![honest(asked).after(time)]);
                let (result, took) = result(&[&server], Duration::from_secs(5));
                assert_eq!(result, "pass", "{time:?}");
                assert!(took >= time);
            });
        }
    });
}

#[test]
fn a_lost_packet_is_sent_again() {
    let server = Server::start(|asked| if asked.times < 3 { vec![] } else { vec![honest(asked)] });
    assert_eq!(result(&[&server], Duration::from_secs(2)).0, "pass");
}

#[test]
fn an_answer_after_the_time_is_no_answer() {
    let server = Server::start(|asked| vec![honest(asked).after(SHORT * 2)]);
    ends_in_time(&result(&[&server], SHORT));
}

/// One key is never told, the other at once: both are asked for together, and the result of one does not hang on the other.
#[test]
fn a_key_that_does_not_come_delays_no_other_key_and_no_other_message() {
    let server = Server::start(|asked| if asked.label() == "silent" { vec![] } else { Vec::from([honest(asked)]) });
    let daemon = verifier(&[server.address], Duration::from_secs(3), "");
    let (waiting, good) = (signed(&["silent", "good", "silent2"]), signed(&["other"]));
    thread::scope(|scope| {
        let slow = scope.spawn(|| judge(&daemon, &waiting));
        thread::sleep(Duration::from_millis(300));
        let (results, took) = judge(&daemon, &good);
        assert_eq!(results, ["pass"]);
        assert!(took < Duration::from_secs(2), "{took:?}");
        assert!(!slow.is_finished());
        let (results, took) = slow.join().unwrap();
        let passes = results.iter().filter(|result| *result == "pass").count();
        assert_eq!((passes, results.len()), (2, 3), "{results:?}");
        assert!(took < Duration::from_secs(5), "{took:?}");
    });
}

#[test]
fn a_flood_of_strange_packets_ends_with_the_time() {
    in_time(|asked| {
        let strange = asked.message.metadata.id.wrapping_add(1).to_be_bytes();
        (0..2000).map(|_| Packet::raw([&strange[..], &[0x80; 100]].concat())).collect()
    });
}
