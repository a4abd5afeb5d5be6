//! The parts without the daemon: what the other tests build on works by itself.

use crate::site::dns::{Answer, Dns, ask_txt, zone_text};
use crate::site::postfix::Postfix;
use crate::site::work;
use crate::smtp::{Mail, Smtp};

#[test]
fn postfix_delivers_what_it_was_given() {
    let folder = work::folder();
    let postfix = Postfix::start(folder.path(), "", 6, "tempfail");
    let message =
        b"From: <a@author.example>\r\nSubject: parts\r\nMessage-ID: <1@author.example>\r\n\r\n.dot\r\n\r\nend\r\n";
    let mail = Mail { from: "a@author.example", to: "b@reader.example", parameters: "", message };

    let reply = Smtp::connect_as(postfix.inbound, "ADDR=192.0.2.10 NAME=out.example HELO=out.example").send(&mail);
    assert_eq!(reply.code, 250, "{reply:?}");
    let delivered = postfix.mailbox.next();
    assert_eq!(delivered.only("Subject"), "parts");
    assert_eq!(delivered.body(), b".dot\r\n\r\nend\r\n");
    assert!(delivered.only("Received").contains("192.0.2.10"), "{}", delivered.header());

    postfix.sendmail("a@author.example", "b@reader.example", b"Subject: pickup\n\nlocal\n");
    let delivered = postfix.mailbox.next();
    assert_eq!(delivered.only("Subject"), "pickup");
    assert_eq!(delivered.body(), b"local\r\n");

    Smtp::connect(postfix.filtered).send(&mail);
    assert_eq!(
        postfix.mailbox.next().all("Received").len(),
        2,
        "the first smtpd, and the second one behind the content filter"
    );
    assert!(!postfix.mailbox.has_more());
}

#[test]
fn the_name_server_knows_its_records_and_nothing_else() {
    let folder = work::folder();
    let long = "x".repeat(600);
    let records = zone_text(&[("k._domainkey.author.example".to_owned(), long)]);
    let mut dns = Dns::start(folder.path(), &records);
    let found = Answer { code: 0, records: 1, authoritative: true };
    assert_eq!(ask_txt(dns.port, "k._domainkey.author.example"), Some(found));
    let unknown = Answer { code: 3, records: 0, authoritative: true };
    assert_eq!(ask_txt(dns.port, "l._domainkey.author.example"), Some(unknown));
    dns.stop();
}
