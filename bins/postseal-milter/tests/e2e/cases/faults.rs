//! DNS that fails is said to have failed, in time, and mail goes on.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use crate::mails;
use crate::site::{Options, Site, mail, own_results, timed};

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

#[test]
fn a_name_server_that_is_down_puts_mail_off_where_that_is_wanted() {
    let mut site = Site::start(&Options { policy: "on_dns_failure = \"tempfail\"", ..Options::default() });
    let signed = site.submit(&mails::plain("put-off"));
    site.dns.stop();
    let reply = site.outside().send(&mail("", &signed.message));
    assert_eq!(reply.code, 451, "{reply:?}");
    assert!(reply.text.starts_with("4.7.5 "), "{reply:?}");
    // Mail that needs no DNS goes on, and mail of our own leaves signed.
    assert_eq!(own_results(&site.receive(&mails::plain("unsigned"))).words("dkim"), ["none"]);
    assert_eq!(site.submit(&mails::plain("own")).all("DKIM-Signature").len(), 2);
}

/// More than any peer takes: what is beyond the limits is said to be, and the rest is judged.
#[test]
fn s19_ten_thousand_header_fields_and_a_thousand_signatures_get_a_verdict_and_no_4xx() {
    let site = Site::start(&Options::default());
    let signed = site.submit(&mails::plain("many-fields"));
    let fields: String = (0..10_000).map(|number| format!("X-Filler-{}: value\r\n", number % 7)).collect();
    let delivered = site.receive(&mails::with_fields(&fields, &signed.message));
    assert_eq!(own_results(&delivered).words("dkim"), ["pass", "pass"]);
    assert_eq!(delivered.fields().len(), signed.fields().len() + 10_000 + 2, "ours, and Postfix's Received");

    let signature = "DKIM-Signature: v=1; a=rsa-sha256; d=junk.example; s=none; h=from;\r\n \
        bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=YWJjZGVmZ2hpamtsbW5vcA==\r\n";
    let delivered = site.receive(&mails::with_fields(&signature.repeat(1000), &signed.message));
    let results = own_results(&delivered);
    assert_eq!(results.words("dkim")[..10], ["permerror"; 10]);
    assert!(results.words("dkim")[10..].iter().all(|word| *word == "policy"), "{results:?}");

    let deep = format!("From: {}sender@author.example\r\n", "(".repeat(50_000));
    let message = String::from_utf8(mails::plain("deep")).unwrap();
    let message = message.replace("From: A Sender <sender@author.example>\r\n", &deep);
    assert_eq!(own_results(&site.receive(message.as_bytes())).words("dkim"), ["none"]);
}
