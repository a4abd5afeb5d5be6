//! SPF under a real Postfix with a real DNS server: what stands in the delivered message, and what is refused.

use crate::mailbox::Delivered;
use crate::mails;
use crate::results::{Method, Results};
use crate::site::{Options, Site, own_results};
use crate::smtp::{Mail, Reply, Smtp};

/// Domains whose policies are about the client 192.0.2.10, which every other test sends from.
const RECORDS: &str = "pass.example. TXT \"v=spf1 ip4:192.0.2.10 ip6:2001:db8::/32 -all\"
fail.example. TXT \"v=spf1 ip4:203.0.113.1 -all exp=why.%{d}\"
why.fail.example. TXT \"%{i} is no host of %{d}, ask %{s}\"
soft.example. TXT \"v=spf1 ip4:203.0.113.1 ~all\"
neutral.example. TXT \"v=spf1 ?all\"
syntax.example. TXT \"v=spf1 ipv4:192.0.2.10 -all\"
two.example. TXT \"v=spf1 -all\"
two.example. TXT \"v=spf1 +all\"
other.example. TXT \"not for SPF\"
mail.pass.example. TXT \"v=spf1 a -all\"
mail.pass.example. A 192.0.2.10
mx.example. TXT \"v=spf1 mx -all\"
mx.example. MX 10 mail.pass.example.
mx.example. MX 20 second.pass.example.
second.pass.example. A 192.0.2.11
long.example. CNAME include.example.
include.example. TXT \"v=spf1 include:pass.example -all\"
exists.example. TXT \"v=spf1 exists:%{ir}.list.example -all\"
10.2.0.192.list.example. A 127.0.0.2
ptr.example. TXT \"v=spf1 ptr:pass.example -all\"
10.2.0.192.in-addr.arpa. PTR mail.pass.example.
loop.example. TXT \"v=spf1 include:loop.example -all\"
void.example. TXT \"v=spf1 a:1.void.example a:2.void.example a:3.void.example +all\"
relay.example. TXT \"v=spf1 ip4:198.51.100.7 -all\"
";

const CLIENT: &str = "ADDR=192.0.2.10 PORT=40000 NAME=out.example";

/// A site with the records above and these lines in `[spf]`.
fn site(spf: &str) -> Site {
    Site::start(&Options { spf, records: RECORDS, ..Options::default() })
}

fn mail<'a>(from: &'a str, message: &'a [u8]) -> Mail<'a> {
    Mail { from, to: "reader@reader.example", parameters: "", message }
}

/// A client with these XCLIENT attributes sends a message, which is delivered.
fn receive_from(site: &Site, client: &str, from: &str, message: &[u8]) -> Delivered {
    let reply = Smtp::connect_as(site.postfix.inbound, client).send(&mail(from, message));
    assert_eq!(reply.code, 250, "{reply:?}");
    site.postfix.mailbox.next()
}

/// The client says this in HELO.
fn receive_after(site: &Site, helo: &str, from: &str) -> Results {
    let mut session = Smtp::connect_as(site.postfix.inbound, CLIENT);
    assert_eq!(session.command(&format!("HELO {helo}")).code, 250);
    let reply = session.send(&mail(from, &mails::plain("helo")));
    assert_eq!(reply.code, 250, "{reply:?}");
    own_results(&site.postfix.mailbox.next())
}

/// What the daemon finds out about a sender.
fn judge(site: &Site, client: &str, from: &str) -> Results {
    own_results(&receive_from(site, client, from, &mails::plain("spf")))
}

/// The replies to MAIL and RCPT.
fn envelope(site: &Site, client: &str, from: &str) -> [Reply; 2] {
    let mut session = Smtp::connect_as(site.postfix.inbound, client);
    let mail = session.command(&format!("MAIL FROM:<{from}>"));
    [mail, session.command("RCPT TO:<reader@reader.example>")]
}

/// The result for MAIL FROM with its domain.
fn mail_from(results: &Results) -> (&str, &str) {
    let found: Vec<&Method> =
        results.of("spf").into_iter().filter(|method| method.properties.contains_key("smtp.mailfrom")).collect();
    assert_eq!(found.len(), 1, "{results:?}");
    (&found[0].result, found[0].property("smtp.mailfrom"))
}

#[test]
fn s1_each_result_of_a_policy_is_reported_with_its_domain() {
    let site = site("");
    for (domain, result) in [
        ("pass.example", "pass"),
        ("fail.example", "fail"),
        ("soft.example", "softfail"),
        ("neutral.example", "neutral"),
        ("other.example", "none"),
        ("no-such-name.example", "none"),
        ("syntax.example", "permerror"),
        ("two.example", "permerror"),
    ] {
        let results = judge(&site, CLIENT, &format!("jo@{domain}"));
        assert_eq!(mail_from(&results), (result, domain));
    }
}

#[test]
fn rfc7208_s5_mechanisms_ask_the_name_server_for_every_kind_of_record() {
    let site = site("");
    for domain in
        ["mail.pass.example", "mx.example", "include.example", "long.example", "exists.example", "ptr.example"]
    {
        assert_eq!(mail_from(&judge(&site, CLIENT, &format!("jo@{domain}"))), ("pass", domain));
        let elsewhere = CLIENT.replace("192.0.2.10", "192.0.2.99");
        assert_eq!(mail_from(&judge(&site, &elsewhere, &format!("jo@{domain}"))), ("fail", domain));
    }
}

#[test]
fn a_policy_that_does_not_fit_into_a_packet_is_read_over_tcp() {
    let networks: Vec<String> = (1..=200).map(|number| format!("\"ip4:203.0.113.{number} \"")).collect();
    let records = format!("long.example. TXT \"v=spf1 \" {} \"ip4:192.0.2.10 -all\"\n", networks.concat());
    let site = Site::start(&Options { records: &records, ..Options::default() });
    assert_eq!(mail_from(&judge(&site, CLIENT, "jo@long.example")), ("pass", "long.example"));
}

#[test]
fn s9_a_policy_that_asks_too_much_is_a_permanent_error() {
    let site = site("");
    for domain in ["loop.example", "void.example"] {
        let results = judge(&site, CLIENT, &format!("jo@{domain}"));
        assert_eq!(mail_from(&results), ("permerror", domain));
        assert!(results.of("spf")[0].property("reason").starts_with("too many "), "{results:?}");
    }
}

#[test]
fn s4_a_name_server_that_is_down_is_a_temporary_error_and_mail_is_delivered() {
    let mut site = site("");
    site.dns.stop();
    assert_eq!(mail_from(&judge(&site, CLIENT, "jo@pass.example")), ("temperror", "pass.example"));
}

#[test]
fn s4_a_temporary_error_puts_mail_off_where_that_is_wanted() {
    let mut site = site("on_temperror = \"tempfail\"");
    site.dns.stop();
    let [mail, rcpt] = envelope(&site, CLIENT, "jo@pass.example");
    assert_eq!((mail.code, rcpt.code), (250, 451), "{rcpt:?}");
    assert!(rcpt.text.starts_with("4.7.24 "), "{rcpt:?}");
}

#[test]
fn s2_helo_has_a_result_of_its_own() {
    let site = site("");
    let results = receive_after(&site, "mail.pass.example", "jo@fail.example");
    assert_eq!(mail_from(&results), ("fail", "fail.example"));
    assert_eq!(results.words("spf"), ["fail", "pass"]);
    assert_eq!(results.of("spf")[1].property("smtp.helo"), "mail.pass.example");
}

#[test]
fn rfc7208_s2_4_the_null_sender_is_postmaster_at_the_name_in_helo() {
    let site = site("");
    for (helo, result) in [("mail.pass.example", "pass"), ("fail.example", "fail"), ("other.example", "none")] {
        let results = receive_after(&site, helo, "");
        assert_eq!(mail_from(&results), (result, helo));
        assert_eq!(results.of("spf")[1].property("smtp.helo"), helo);
    }
}

#[test]
fn rfc7208_s5_6_a_client_with_an_ipv6_address() {
    let options = Options { records: RECORDS, main_cf: "inet_protocols = all", ..Options::default() };
    let site = Site::start(&options);
    for (address, result) in [("2001:db8::10", "pass"), ("2001:db9::10", "fail"), ("::ffff:192.0.2.10", "pass")] {
        let client = CLIENT.replace("ADDR=", "ADDR=IPV6:").replace("192.0.2.10", address);
        assert_eq!(mail_from(&judge(&site, &client, "jo@pass.example")), (result, "pass.example"), "{address}");
    }
}

#[test]
fn mail_of_our_own_has_no_result() {
    let site = site("reject = [\"*\"]");
    let message = mails::plain("own");
    let authenticated = format!("{CLIENT} LOGIN=jo@fail.example");
    receive_from(&site, &authenticated, "jo@fail.example", &message).has_no_results();
    let reply = Smtp::connect(site.postfix.submission).send(&mail("jo@fail.example", &message));
    assert_eq!(reply.code, 250, "{reply:?}");
    site.postfix.mailbox.next().has_no_results();
    let text = String::from_utf8(message).unwrap().replace("\r\n", "\n");
    site.postfix.sendmail("jo@fail.example", "reader@reader.example", text.as_bytes());
    site.postfix.mailbox.next().has_no_results();
}

#[test]
fn rfc7208_s8_4_a_failure_is_rejected_at_rcpt_with_code_and_explanation() {
    let site = site("reject = [\"fail.example\"]");
    let [mail, rcpt] = envelope(&site, CLIENT, "jo@fail.example");
    assert_eq!((mail.code, rcpt.code), (250, 550), "{rcpt:?}");
    let lines: Vec<&str> = rcpt.text.lines().collect();
    assert_eq!(lines[0], "5.7.23 SPF check of MAIL FROM failed: 192.0.2.10 may not send for fail.example");
    assert!(
        lines[1]
            .ends_with("The domain fail.example explains: 192.0.2.10 is no host of fail.example, ask jo@fail.example"),
        "{rcpt:?}"
    );
    // Nobody else is refused, and the session goes on.
    for sender in ["jo@pass.example", "jo@soft.example", "jo@two.example", "jo@two.fail.example", ""] {
        assert_eq!(envelope(&site, CLIENT, sender).map(|reply| reply.code), [250, 250], "{sender}");
    }
}

#[test]
fn rfc7208_s8_4_a_failure_is_rejected_at_mail_where_that_is_wanted() {
    let site = site("reject = [\"*\"]\nreject_at = \"mail\"");
    let [mail, _] = envelope(&site, CLIENT, "jo@fail.example");
    assert_eq!(mail.code, 550, "{mail:?}");
    assert!(mail.text.starts_with("5.7.23 "), "{mail:?}");
}

#[test]
fn s18_allowed_clients_are_not_rejected_and_the_result_says_so() {
    let site = site("reject = [\"*\"]\nallow_networks = [\"192.0.2.0/24\"]");
    let delivered = receive_from(&site, CLIENT, "jo@fail.example", &mails::plain("allowed"));
    assert_eq!(mail_from(&own_results(&delivered)), ("fail", "fail.example"));
    assert!(delivered.all("Authentication-Results")[0].contains("(allowed by local policy)"), "{}", delivered.header());
    let [_, rcpt] = envelope(&site, &CLIENT.replace("192.0.2.10", "198.51.100.7"), "jo@fail.example");
    assert_eq!(rcpt.code, 550, "{rcpt:?}");
}

/// The field is the one that Postfix wrote when the message came to it the first time; then Postfix plays the relay's next host.
#[test]
fn behind_a_relay_the_client_of_the_relay_is_checked() {
    let site = site("relays = [\"192.0.2.25\"]\nreject = [\"fail.example\"]");
    let relay = "ADDR=192.0.2.25 PORT=40000 NAME=relay.example";
    let outside = |address: &str| CLIENT.replace("192.0.2.10", address);
    // A sender who would like to be 198.51.100.7.
    let forged =
        "Received: from out.example (out.example [198.51.100.7]) by relay.example (Postfix) with ESMTP id 1\r\n";
    let message = mails::with_fields(forged, &mails::plain("relayed"));
    for (address, result) in [("198.51.100.7", "pass"), ("198.51.100.8", "fail")] {
        let relayed = receive_from(&site, &outside(address), "jo@relay.example", &message);
        let results = own_results(&receive_from(&site, relay, "jo@relay.example", &relayed.message));
        assert_eq!(mail_from(&results), (result, "relay.example"), "{address}");
    }
    // The relay has accepted the message: a rejection would have it bounce to a sender who is not the one.
    let relayed = receive_from(&site, &outside("203.0.113.1"), "jo@fail.example", &mails::plain("as-allowed"));
    let text = String::from_utf8(relayed.message).unwrap().replace("203.0.113.1", "203.0.113.2");
    let results = own_results(&receive_from(&site, relay, "jo@fail.example", text.as_bytes()));
    assert_eq!(mail_from(&results), ("fail", "fail.example"));
    let line = site.daemon.log_line("spf_client=203.0.113.2");
    for word in ["spf=fail", "spf_policy=would-reject", "action=accept"] {
        assert!(line.contains(word), "{word} in {line}");
    }
}

#[test]
fn behind_a_relay_that_tells_no_client_nobody_is_checked() {
    let site = site("relays = [\"192.0.2.25\"]\nreject = [\"*\"]");
    let relay = "ADDR=192.0.2.25 PORT=40000 NAME=relay.example";
    for field in ["", "Received: by relay.example (Postfix, from userid 0) id 1\r\n", "Received: from x (y) by z\r\n"] {
        let message = mails::with_fields(field, &mails::plain("untold"));
        let results = own_results(&receive_from(&site, relay, "jo@fail.example", &message));
        assert_eq!(mail_from(&results), ("none", "fail.example"), "{field}");
    }
}

#[test]
fn m17_results_that_come_with_a_message_are_not_believed() {
    let site = site("");
    let fields = "Received-SPF: pass (mx.example: domain of fail.example designates 192.0.2.10 as permitted sender) \
         client-ip=192.0.2.10; envelope-from=\"jo@fail.example\"; helo=out.example;\r\n\
         Authentication-Results: mx.example; spf=pass smtp.mailfrom=fail.example\r\n";
    let delivered =
        receive_from(&site, CLIENT, "jo@fail.example", &mails::with_fields(fields, &mails::plain("forged")));
    assert_eq!(mail_from(&own_results(&delivered)), ("fail", "fail.example"));
    assert_eq!(delivered.all("Authentication-Results").len(), 1, "{}", delivered.header());
    assert_eq!(delivered.all("Received-SPF").len(), 1, "the field of somebody else stays where it was");
}

#[test]
fn rfc7208_s9_1_a_received_spf_field_is_added_where_it_is_wanted() {
    let site = site("received_spf = true");
    let delivered = receive_from(&site, CLIENT, "jo@fail.example", &mails::plain("received-spf"));
    let field = delivered.only("Received-SPF");
    assert!(field.starts_with("fail "), "{field}");
    for pair in ["client-ip=192.0.2.10;", "envelope-from=\"jo@fail.example\";", "helo=client.example;"] {
        assert!(field.contains(pair), "{pair} in {field}");
    }
}

impl Delivered {
    /// Mail of our own carries no results.
    fn has_no_results(&self) {
        for name in ["Authentication-Results", "Received-SPF"] {
            assert!(self.all(name).is_empty(), "{}", self.header());
        }
    }
}
