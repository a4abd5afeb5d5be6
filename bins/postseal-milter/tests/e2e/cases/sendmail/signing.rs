//! Mail of our own leaves Sendmail signed.

use super::both_pass;
use crate::mails;
use crate::oracle;
use crate::site::mail;
use crate::site::sendmail::sasl::AUTH_COMMAND;
use crate::site::sendmail::server::Setup;
use crate::site::sendmail::{Options, SendmailSite};
use crate::smtp::Smtp;

#[test]
fn submitted_mail_is_signed_by_both_keys_and_verifies_when_it_comes_back() {
    let site = SendmailSite::start(&Options::default());
    let delivered = site.submit(&mails::plain("submission"));
    assert_eq!(delivered.all("Authentication-Results").len(), 0, "nobody judges mail of our own");
    assert_eq!(delivered.all("DKIM-Signature").len(), 2, "{}", delivered.header());
    both_pass(&site, &delivered);
    assert!(site.daemon.log_line("origin=submission").contains("rule=daemon-name"), "{}", site.daemon.log());
}

#[test]
fn mail_of_an_authenticated_client_is_signed() {
    let site = SendmailSite::start(&Options::default());
    let mut session = site.outside();
    let reply = session.command(AUTH_COMMAND);
    assert_eq!(reply.code, 235, "{reply:?}");
    both_pass(&site, &site.deliver(&mut session, &mails::plain("authenticated")));
    assert!(site.daemon.log_line("origin=submission").contains("rule=authenticated"), "{}", site.daemon.log());
}

#[test]
fn mail_of_a_client_in_a_trusted_network_is_signed() {
    let site = SendmailSite::start(&Options::default());
    let mut session = Smtp::connect(site.sendmail.inbound);
    both_pass(&site, &site.deliver(&mut session, &mails::plain("trusted")));
    assert!(site.daemon.log_line("origin=local").contains("rule=loopback"), "{}", site.daemon.log());
}

/// The program `sendmail` takes mail to the daemon's port, from this host; without that detour no milter sees it.
#[test]
fn mail_of_a_local_program_is_signed_unless_it_goes_past_the_port() {
    let site = SendmailSite::start(&Options::default());
    let text = String::from_utf8(mails::plain("program")).unwrap().replace("\r\n", "\n");
    site.sendmail.sendmail("-Ac", text.as_bytes());
    both_pass(&site, &site.sendmail.mailbox.next());
    site.sendmail.sendmail("-Am", text.as_bytes());
    let past = site.sendmail.mailbox.next();
    assert_eq!(past.all("DKIM-Signature").len(), 0, "{}", past.header());
}

/// Octets that `simple` signs: white space behind the colon, folds, trailing blanks, long lines, 8-bit text.
const ODD_FIELDS: &str = "Reply-To:nobody@author.example\r\n\
    In-Reply-To:   <odd@author.example>\r\n\
    References:\t<a@author.example>\r\n\t<b@author.example>\r\n    <c@author.example>\r\n\
    List-Help: trailing blanks  \t \r\n\
    Comments: Gr\u{fc}\u{df}e, \u{65e5}\u{672c}\r\n\
    Keywords:\r\n folded, at once\r\n";

/// A message with one address in each address field: what Sendmail does to lists of them is another test.
fn plain_to_one(body: &str) -> Vec<u8> {
    format!(
        "From:  A Sender <sender@author.example>\r\nTo:reader@reader.example\r\nSubject: one\r\n\
         Date: Tue, 24 Nov 2026 10:00:00 +0000\r\nMessage-ID: <one@author.example>\r\n\r\n{body}"
    )
    .into_bytes()
}

#[test]
fn simple_canonicalization_survives_sendmail_to_the_octet() {
    let signing = "canonicalization = \"simple/simple\"\n\
        sign_headers = [\"From\", \"Reply-To\", \"Subject\", \"In-Reply-To\", \"References\", \"List-Help\", \"Comments\", \
        \"Keywords\", \"X-Long\", \"Date\", \"To\"]";
    let site = SendmailSite::start(&Options { signing, ..Options::default() });
    let long = format!("{ODD_FIELDS}X-Long: {}\r\n\t{}\r\n", "w".repeat(900), "more words ".repeat(80));
    let delivered = site.submit(&mails::with_fields(&long, &plain_to_one("text \r\n")));
    for value in delivered.all("DKIM-Signature") {
        let value = value.replace([' ', '\t'], "").to_lowercase();
        assert!(value.contains("c=simple"), "{value}");
        for name in ["in-reply-to", "references", "list-help", "comments", "keywords", "x-long", "to"] {
            assert!(value.contains(&format!(":{name}:")), "{name} in {value}");
        }
    }
    both_pass(&site, &delivered);
}

#[test]
fn bodies_of_every_kind_are_signed_as_they_leave() {
    for canonicalization in ["relaxed/relaxed", "simple/simple"] {
        let signing = format!("canonicalization = \"{canonicalization}\"");
        let site = SendmailSite::start(&Options { signing: &signing, ..Options::default() });
        let mut session = site.user();
        for body in [
            "",
            "\r\n",
            "\r\n\r\n\r\n",
            ".\r\n..\r\n.a\r\n",
            "trailing \t \r\n \r\n\t\r\n",
            "Gr\u{fc}\u{df}e\r\n\u{65e5}\u{672c}\r\n",
            "From the start of a line\r\n>From\r\n",
        ] {
            let delivered = site.deliver(&mut session, &plain_to_one(body));
            assert_eq!(String::from_utf8_lossy(delivered.body()), body);
            both_pass(&site, &delivered);
        }
    }
}

/// Sendmail adds Received, Date and Message-Id between the filter's fields and the client's, and the filter does not see them; and it removes fields.
#[test]
fn fields_that_sendmail_adds_and_removes_do_not_break_the_signature() {
    let site = SendmailSite::start(&Options::default());
    let delivered = site.submit(
        b"Return-Path: <old@author.example>\r\nFrom: <sender@author.example>\r\nTo: a@reader.example\r\nBcc: b@reader.example\r\n\
        Content-Length: 6\r\nSubject: bare\r\n\r\ntext\r\n",
    );
    let names: Vec<String> = delivered.fields().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["DKIM-Signature", "DKIM-Signature", "Received", "Date", "Message-Id", "From", "To", "Subject"]);
    both_pass(&site, &delivered);
}

/// Sendmail writes lists of addresses anew after the filter: `relaxed` does not see new folds, and `simple` breaks.
#[test]
fn a_list_of_addresses_that_sendmail_folds_anew_passes_with_relaxed() {
    let site = SendmailSite::start(&Options::default());
    let list: Vec<String> = (0..20).map(|n| format!("Reader Number {n} <reader{n}@reader.example>")).collect();
    let message =
        mails::with_fields(&format!("To: {}\r\n", list.join(",\r\n ")), b"From: sender@author.example\r\n\r\n");
    let delivered = site.submit(&message);
    assert!(delivered.header().contains("reader0@reader.example>,\r\n        Reader"), "{}", delivered.header());
    both_pass(&site, &delivered);
}

/// Traps that docs/operations.md names: what Sendmail changes after the filter breaks every signature. When one of these passes, the page is wrong.
#[test]
fn what_sendmail_rewrites_after_the_filter_breaks_signatures() {
    let signed =
        "From: sender@author.example\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@author.example>\r\n";
    for (what, mc, fields, body) in [
        ("no blank between addresses", "", "To: a@reader.example,b@reader.example\r\n", String::new()),
        ("an address without domain", "", "To: reader\r\n", String::new()),
        ("a line beyond L= of the mailer", "", "To: a@reader.example\r\n", format!("{}\r\n", "x".repeat(2041))),
        (
            "masquerading",
            "MASQUERADE_AS(`new.example')\nMASQUERADE_DOMAIN(`author.example')",
            "To: a@reader.example\r\n",
            String::new(),
        ),
    ] {
        let site = SendmailSite::start(&Options { sendmail: Setup { mc, ..Setup::default() }, ..Options::default() });
        let delivered = site.submit(format!("{signed}{fields}\r\n{body}").as_bytes());
        let results = oracle::verify(&delivered.message, &site.zone);
        assert_eq!(results, ["fail", "fail"], "{what}: {}", delivered.header());
    }
}

/// What docs/operations.md advises against the first of these.
#[test]
fn a_list_of_addresses_that_is_not_signed_may_be_rewritten() {
    let signing =
        "sign_headers = [\"From\", \"Subject\", \"Date\"]\noversign_headers = [\"From\", \"Subject\", \"Date\"]";
    let site = SendmailSite::start(&Options { signing, ..Options::default() });
    let message =
        mails::with_fields("To: a@reader.example,b@reader.example\r\n", b"From: sender@author.example\r\n\r\n");
    let delivered = site.submit(&message);
    assert_eq!(delivered.only("To"), "a@reader.example, b@reader.example");
    both_pass(&site, &delivered);
}

/// The next hop does not offer 8BITMIME: Sendmail encodes the body. The log said that this might happen.
#[test]
fn an_8_bit_body_breaks_on_a_next_hop_of_seven_bits_and_the_log_names_the_risk() {
    // The mailer `relay` sends eight bits whatever the next hop says.
    let setup =
        Setup { next_hop_takes_8bit: false, mc: "define(`SMART_HOST', `esmtp:[127.0.0.1]')dnl", ..Setup::default() };
    let site = SendmailSite::start(&Options { sendmail: setup, ..Options::default() });
    let fields = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n";
    let delivered = site.submit(&mails::with_fields(fields, &plain_to_one("Gr\u{fc}\u{df}e\r\n")));
    assert_eq!(delivered.only("Content-Transfer-Encoding"), "base64");
    assert_eq!(oracle::verify(&delivered.message, &site.zone), ["fail", "fail"], "{}", delivered.header());
    assert!(site.daemon.log_line("origin=submission").contains("8bit-body"), "{}", site.daemon.log());
}

/// Sendmail refuses a bare LF in DATA with 421 and hangs up; a message without one is signed as before.
#[test]
fn a_bare_line_feed_ends_the_session_and_the_next_one_works() {
    let site = SendmailSite::start(&Options::default());
    let mut session = site.user();
    let reply = session.send(&mail("", &plain_to_one("bare\nline feed\r\n")));
    assert_eq!(reply.code, 421, "{reply:?}");
    both_pass(&site, &site.submit(&plain_to_one("text\r\n")));
    assert!(!site.sendmail.mailbox.has_more());
}
