//! The daemon away, slow, or with a no of its own: what the client of Sendmail is told.

use std::io::Read as _;
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::time::Duration;

use super::both_pass;
use crate::mails;
use crate::site::daemon::Socket;
use crate::site::sendmail::server::Setup;
use crate::site::sendmail::tap::replies;
use crate::site::sendmail::{Options, SendmailSite};
use crate::site::{own_results, timed};
use crate::smtp::Smtp;

fn with(on_failure: &str) -> SendmailSite {
    SendmailSite::start(&Options { sendmail: Setup { on_failure, ..Setup::default() }, ..Options::default() })
}

fn stop(site: &mut SendmailSite) {
    site.daemon.terminate();
    assert!(site.daemon.wait().success(), "{}", site.daemon.log());
}

/// A name server that answers nothing: its socket, to be kept, and its port.
fn silent() -> (UdpSocket, u16) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

#[test]
fn with_f_t_mail_is_put_off_while_the_daemon_is_away_and_taken_when_it_is_back() {
    let mut site = with("T");
    stop(&mut site);
    let mut session = Smtp::connect(site.sendmail.submission);
    let reply = session.command("MAIL FROM:<sender@author.example>");
    assert_eq!(reply.code, 451, "{reply:?}");
    site.daemon.restart();
    both_pass(&site, &site.submit(&mails::plain("back")));
}

/// The daemon goes while a session is open: its dialogue is lost, and with it the mail of this session, not the session after it.
#[test]
fn with_f_t_an_open_session_is_put_off_when_the_daemon_goes() {
    let mut site = with("T");
    let mut session = site.user();
    site.deliver(&mut session, &mails::plain("first"));
    stop(&mut site);
    let reply = session.command("MAIL FROM:<sender@author.example>");
    assert_eq!(reply.code, 451, "{reply:?}");
    site.daemon.restart();
    both_pass(&site, &site.submit(&mails::plain("second")));
    assert!(!site.sendmail.mailbox.has_more());
}

#[test]
fn with_f_r_mail_is_refused_while_the_daemon_is_away() {
    let mut site = with("R");
    stop(&mut site);
    // Sendmail asks the filter before it greets.
    let mut greeting = [0; 4];
    TcpStream::connect((Ipv4Addr::LOCALHOST, site.sendmail.submission)).unwrap().read_exact(&mut greeting).unwrap();
    assert_eq!(&greeting, b"554 ");
}

/// What docs/operations.md warns of.
#[test]
fn without_f_mail_goes_on_unsigned_and_with_forged_fields_while_the_daemon_is_away() {
    let mut site = with("");
    stop(&mut site);
    let forged = "Authentication-Results: mx.example; dkim=pass header.d=forged.example\r\n";
    let delivered = site.submit(&mails::with_fields(forged, &mails::plain("unfiltered")));
    assert_eq!(delivered.all("DKIM-Signature").len(), 0, "{}", delivered.header());
    assert!(delivered.header().contains("forged"), "{}", delivered.header());
}

#[test]
fn a_temporary_no_of_the_daemon_reaches_the_client() {
    let policy = "on_dns_failure = \"tempfail\"";
    let mut site = SendmailSite::start(&Options { policy, ..Options::default() });
    let signed = site.submit(&mails::plain("no-server"));
    site.dns.stop();
    let mut session = site.outside();
    let reply = session.send(&crate::site::mail("", &signed.message));
    assert_eq!(reply.code, 451, "{reply:?}");
    // The session goes on: a message that needs no DNS is taken.
    assert_eq!(own_results(&site.deliver(&mut session, &mails::plain("next"))).words("dkim"), ["none"]);
    assert!(!site.sendmail.mailbox.has_more(), "what was put off went on");
}

/// Sendmail waits 10 seconds for a reply (`R:10s`) unless told otherwise, less than DNS may take here: a sign of life restarts that time.
#[test]
fn a_name_server_that_says_nothing_does_not_make_sendmail_give_up() {
    let (_socket, port) = silent();
    let site = SendmailSite::start(&Options {
        is_tapped: true,
        nameserver: Some(port),
        dns: "timeout = \"12s\"\ndeadline = \"12s\"",
        ..Options::default()
    });
    let signed = site.submit(&mails::plain("silent-server"));
    let mut session = site.outside();
    let (time, delivered) = timed(|| site.deliver(&mut session, &signed.message));
    assert_eq!(own_results(&delivered).words("dkim"), ["temperror", "temperror"]);
    assert!(time >= Duration::from_secs(11), "{time:?}");
    drop(session);
    let dialogues = site.tap().dialogues();
    // After the one in which the message was signed.
    let said = replies(&dialogues[1]);
    assert!(said.contains('p'), "{said}");
}

/// `E:` is the time for the whole answer to the end of a message, which no sign of life restarts.
#[test]
fn a_name_server_slower_than_e_allows_puts_mail_off() {
    let (_socket, port) = silent();
    let site = SendmailSite::start(&Options {
        nameserver: Some(port),
        dns: "timeout = \"8s\"\ndeadline = \"8s\"",
        sendmail: Setup { times: "S:3s;R:3s;E:3s", ..Setup::default() },
        ..Options::default()
    });
    let signed = site.submit(&mails::plain("too-slow"));
    // The daemon would have it taken, five seconds later.
    let reply = site.outside().send(&crate::site::mail("", &signed.message));
    assert_eq!(reply.code, 451, "{reply:?}");
    // The daemon is ready for others, such as mail of our own, which asks nobody.
    let own = site.submit(&mails::plain("not-too-slow"));
    assert!(own.header().contains("DKIM-Signature:"), "{}", own.header());
}

#[test]
fn a_unix_socket_works() {
    let site = SendmailSite::start(&Options { socket: Socket::Unix, ..Options::default() });
    both_pass(&site, &site.submit(&mails::plain("unix")));
}

#[test]
fn five_megabytes_are_signed_and_verified() {
    let site = SendmailSite::start(&Options::default());
    let delivered = site.submit(&mails::large(5 << 20));
    assert!(delivered.message.len() > 5 << 20);
    both_pass(&site, &delivered);
}
