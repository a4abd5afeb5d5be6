//! DNS that fails is said to have failed, in time, and mail goes on.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use crate::mails;
use crate::site::{Options, Site, own_results, timed};

#[test]
fn a_name_server_that_is_down_gives_a_temporary_error_and_mail_is_delivered() {
    let mut site = Site::start(&Options::default());
    let signed = site.submit(&mails::plain("no-server"));
    site.dns.stop();
    let (time, delivered) = timed(|| site.receive(&signed.message));
    assert_eq!(own_results(&delivered).words("dkim"), ["temperror", "temperror"]);
    assert!(time < Duration::from_secs(10), "{time:?}");
}

/// Two questions that are never answered take the time of one, since they are asked together.
#[test]
fn a_name_server_that_says_nothing_holds_mail_no_longer_than_one_question_takes() {
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let nameserver = Some(silent.local_addr().unwrap().port());
    let site = Site::start(&Options { nameserver, dns: "timeout = \"3s\"\ndeadline = \"4s\"", ..Options::default() });
    let signed = site.submit(&mails::plain("silent-server"));
    let (time, delivered) = timed(|| site.receive(&signed.message));
    assert_eq!(own_results(&delivered).words("dkim"), ["temperror", "temperror"]);
    assert!(time >= Duration::from_secs(2), "the server was asked: {time:?}");
    assert!(time < Duration::from_secs(5), "{time:?}");
}
