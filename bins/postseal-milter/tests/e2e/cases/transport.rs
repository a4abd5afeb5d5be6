//! Every way in which Postfix can talk to the daemon: protocol versions, kinds of sockets; and the end of the daemon.

use std::time::Duration;

use crate::cases::both_pass;
use crate::mails;
use crate::oracle;
use crate::site::daemon::Socket;
use crate::site::{DOMAIN, Options, Site, own_results, timed};
use crate::smtp::Smtp;

/// Signs, verifies and removes, all of which need other steps of the protocol.
fn works(options: &Options<'_>) {
    let site = Site::start(options);
    let delivered = site.submit(&mails::plain("transport"));
    both_pass(&site, &delivered, DOMAIN);
    let forged = "Authentication-Results: mx.example; dkim=pass header.d=forged.example\r\n";
    let judged = site.receive(&mails::with_fields(forged, &mails::plain("transport")));
    assert_eq!(own_results(&judged).words("dkim"), ["none"]);
    assert!(!judged.header().contains("forged"), "{}", judged.header());
}

#[test]
fn milter_protocol_2_works() {
    works(&Options { protocol: 2, ..Options::default() });
}

#[test]
fn milter_protocol_3_works() {
    works(&Options { protocol: 3, ..Options::default() });
}

#[test]
fn milter_protocol_4_works() {
    works(&Options { protocol: 4, ..Options::default() });
}

#[test]
fn milter_protocol_6_works() {
    works(&Options { protocol: 6, ..Options::default() });
}

#[test]
fn a_unix_socket_works() {
    works(&Options { socket: Socket::Unix, ..Options::default() });
}

#[test]
fn the_daemon_stops_within_a_second_while_an_idle_session_is_connected() {
    let mut site = Site::start(&Options::default());
    let mut session = Smtp::connect(site.postfix.submission);
    site.deliver(&mut session, "", &mails::plain("before-the-end"));
    let (time, status) = timed(|| {
        site.daemon.terminate();
        site.daemon.wait()
    });
    assert!(time < Duration::from_secs(1), "{time:?}");
    assert!(status.success(), "{status:?}\n{}", site.daemon.log());
}

#[test]
fn a_message_in_flight_is_signed_before_the_daemon_stops() {
    let mut site = Site::start(&Options::default());
    let mut session = Smtp::connect(site.postfix.submission);
    assert_eq!(session.command("MAIL FROM:<sender@author.example>").code, 250);
    assert_eq!(session.command("RCPT TO:<reader@reader.example>").code, 250);
    assert_eq!(session.command("DATA").code, 354);
    site.daemon.terminate();
    std::thread::sleep(Duration::from_millis(500));
    let reply = session.finish_data(&mails::plain("in-flight"));
    assert_eq!(reply.code, 250, "{reply:?}");
    let delivered = site.postfix.mailbox.next();
    assert_eq!(oracle::verify(&delivered.message, &site.zone), ["pass", "pass"], "{}", delivered.header());
    assert!(site.daemon.wait().success(), "{}", site.daemon.log());
}
