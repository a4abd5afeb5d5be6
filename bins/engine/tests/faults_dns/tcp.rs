//! Answers that are too large for UDP, and servers whose TCP does not work.

use super::server::{Server, Tcp};
use super::{LONG, SHORT, at_once, ends_in_time, honest, key, result};

/// UDP says "truncated"; TCP behaves like this.
fn with(tcp: Tcp) -> Server {
    Server::with_tcp(tcp, |asked| vec![if asked.over_tcp { honest(asked) } else { asked.truncated().into() }])
}

fn fails_at_once(tcp: Tcp) {
    let (result, took) = result(&[&with(tcp)], LONG);
    assert_eq!(result, "temperror");
    assert!(took < LONG / 2, "{took:?}");
}

#[test]
fn a_truncated_answer_is_fetched_over_tcp() {
    let (result, took) = result(&[&with(Tcp::Served)], LONG);
    assert_eq!(result, "pass");
    assert!(took < LONG / 2, "{took:?}");
}

/// More over UDP than we said that we take: what there is room for is no whole answer.
#[test]
fn a_packet_that_is_too_large_is_fetched_over_tcp() {
    at_once("pass", |asked| {
        vec![if asked.over_tcp { honest(asked) } else { asked.text(&[&[b'x'; 255][..]; 20]).into() }]
    });
}

#[test]
fn d23_a_truncated_answer_without_tcp_is_a_temporary_error() {
    fails_at_once(Tcp::Closed);
}

#[test]
fn d23_tcp_that_closes_is_a_temporary_error() {
    fails_at_once(Tcp::Closing);
}

#[test]
fn d23_tcp_that_sends_half_an_answer_is_a_temporary_error() {
    fails_at_once(Tcp::Half);
}

#[test]
fn d23_tcp_that_accepts_and_says_nothing_is_a_temporary_error_within_the_time_of_one_question() {
    ends_in_time(&result(&[&with(Tcp::Silent)], SHORT));
}

#[test]
fn d23_an_answer_truncated_over_tcp_too_is_a_temporary_error() {
    at_once("temperror", |asked| vec![asked.truncated().into()]);
}

/// No key, but an answer: 64 KiB are read and looked at.
#[test]
fn d23_64_kib_of_text_are_a_permanent_error() {
    at_once("permerror", |asked| {
        vec![if asked.over_tcp { asked.text(&[&[b'x'; 255][..]; 254]).into() } else { asked.truncated().into() }]
    });
}

#[test]
fn a_key_in_thousands_of_strings_is_read() {
    at_once("pass", |asked| {
        let long =
            [b"v=DKIM1; n=".to_vec(), vec![b'x'; 20_000], b";".to_vec(), key().split_off("v=DKIM1;".len())].concat();
        let strings: Vec<&[u8]> = long.chunks(1).collect();
        vec![if asked.over_tcp { asked.text(&strings).into() } else { asked.truncated().into() }]
    });
}
