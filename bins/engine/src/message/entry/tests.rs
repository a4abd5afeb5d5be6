//! Entries of whole messages, and of what strangers write in the envelope.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use dkim_core::UnixTime;
use dkim_core::crypto::{PrivateKey, SigningKey};
use dkim_core::domain::Selector;
use proptest::prelude::*;

use super::super::envelope::Envelope;
use super::super::origin::{Client, Origin};
use super::super::tests::facts;
use super::super::{AuthservIds, Facts, Message, Rules, Verdict, guard};
use super::*;
use crate::config;
use crate::journal::MAX_RECORD;
use crate::journal::record::Content;
use crate::keys::Keys;

const NOW: UnixTime = UnixTime::from_secs(1_790_000_000);
const SEED: &[u8] = b"nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";

fn at(milliseconds: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_millis(milliseconds)).unwrap()
}

/// Rules that sign for `example.com`; nothing is asked of the DNS.
fn rules() -> Arc<Rules> {
    let text = "[[domain]]\nname = \"example.com\"\nallow_ed25519_only = true\n\
                keys = [{ selector = \"ed\", file = \"absent.pem\" }]\n";
    let (config, _) = config::parse(text, Path::new("test.toml")).unwrap();
    let mut rules = Rules::new(config, &Keys::default());
    let key: Arc<dyn SigningKey> = crate::BACKEND.signing_key(&PrivateKey::from_text(SEED).unwrap()).unwrap();
    assert!(rules.add_signer(0, &Selector::parse("ed").unwrap(), key));
    Arc::new(rules)
}

/// A message with these From fields, to its verdict.
fn verdict(facts: Facts, from: &[&str], keeps_entry: bool) -> Verdict {
    let ids = AuthservIds::new("mx.example".to_owned(), &[]);
    let mut message = Message::begin(rules(), Arc::default(), Arc::new(ids), facts);
    for value in from {
        message.header(b"From", value.as_bytes());
    }
    message.header(b"Subject", b" secret plans");
    message.header(b"DKIM-Signature", b" v=1; a=rsa-sha256; d=Sign.example; s=sel; h=from; bh=x; b=y");
    message.body(b"Hello\r\n", NOW);
    let (closing, job) = message.finish(NOW);
    let closing = if keeps_entry { closing.with_entry(at(1_790_000_000_123)) } else { closing };
    let signed = guard(|| job.run());
    closing.verdict(signed, Duration::from_millis(17), Duration::ZERO)
}

fn entry(facts: Facts, from: &[&str]) -> Record {
    *verdict(facts, from, true).entry.unwrap()
}

fn stranger() -> Facts {
    let mut facts = facts(Origin::Inbound);
    facts.queue_id = Some(b"4XyZ1".to_vec());
    facts.client = Client::Ip("2001:db8::7".parse().unwrap(), 4711);
    facts.helo = "M\u{fc}ller.example".as_bytes().to_vec();
    facts.envelope = Envelope::new("<secret.name@B\u{fc}cher.example>".as_bytes(), [], 10);
    facts.envelope.recipient(b"<private.one@Here.example>");
    facts.envelope.recipient(b"<private.two@here.EXAMPLE>");
    facts.envelope.recipient(b"private.three@there.example");
    facts
}

#[test]
fn judged_mail_has_domains_and_results_and_no_address() {
    let entry = entry(stranger(), &[" \"Hidden Name\" <hidden@Author.example>"]);
    assert_eq!(entry.at, 1_790_000_000_123);
    assert_eq!((entry.queue_id.as_str(), entry.listener.as_str()), ("4XyZ1", "unix:/socket"));
    assert_eq!((entry.origin.as_str(), entry.client), ("inbound", Some("2001:db8::7".parse().unwrap())));
    assert_eq!(entry.helo, "xn--mller-kva.example");
    assert_eq!(entry.mail_from, "xn--bcher-kva.example");
    assert_eq!(entry.rcpt_to, ["here.example", "there.example"]);
    assert_eq!((entry.recipients, entry.refused), (3, 0));
    assert_eq!((entry.header_from.clone(), entry.header_from_error.clone()), (vec!["author.example".to_owned()], None));
    let spf = entry.spf.clone().unwrap();
    // Nobody asked the DNS.
    assert_eq!((spf.mail_from.domain.as_str(), spf.mail_from.result.as_str()), ("xn--bcher-kva.example", "temperror"));
    assert_eq!((spf.helo.domain.as_str(), spf.helo.result.as_str()), ("xn--mller-kva.example", "temperror"));
    let [dkim] = &*entry.dkim else { panic!("{:?}", entry.dkim) };
    assert_eq!(
        (dkim.domain.as_str(), dkim.selector.as_str(), dkim.result.as_str()),
        ("sign.example", "sel", "permerror")
    );
    assert!(dkim.cause.is_some());
    assert_eq!((entry.action.as_str(), entry.action_reason.as_deref()), ("accept", None));
    assert_eq!((entry.size, entry.took), (7, 17));
    assert!(entry.signed.is_empty());
    let text = serde_json::to_string(&entry).unwrap();
    for private in ["secret", "private", "hidden", "Hidden", "plans", "Hello", "@"] {
        assert!(!text.contains(private), "{private}: {text}");
    }
}

#[test]
fn our_own_mail_has_its_signatures_and_no_results() {
    let mut own = facts(Origin::Submission);
    own.helo = b"[IPv6:2001:DB8::1]".to_vec();
    own.queue_id = Some(b"4X\xff\nyZ".to_vec());
    let entry = entry(own, &[" jo@example.com"]);
    assert_eq!(entry.signed, ["ed._domainkey.example.com"]);
    assert!(entry.spf.is_none() && entry.dkim.is_empty() && entry.dmarc.is_none() && entry.client.is_none());
    assert_eq!((entry.origin.as_str(), entry.helo.as_str()), ("submission", "[IPv6:2001:db8::1]"));
    assert_eq!(entry.queue_id, "4X\u{fffd}yZ");
}

#[test]
fn m6_mail_without_one_author_domain_has_what_there_is() {
    let both = ["one.example".to_owned(), "two.example".to_owned()];
    for (from, domains, error) in [
        (&[" a@one.example, b@two.example, c@ONE.example"][..], &both[..], "from-several-domains"),
        (&[" a@one.example", " b@two.example"], &both, "from-several-fields"),
        (&[" a@one.example, b@[192.0.2.1]"], &both[..1], "from-address-literal"),
        (&[" a@[192.0.2.1]"], &[], "from-address-literal"),
        (&[" a@one.example <b@two.example>"], &[], "from-malformed"),
        (&[], &[], "from-missing"),
    ] {
        let entry = entry(stranger(), from);
        assert_eq!((&*entry.header_from, entry.header_from_error.as_deref()), (domains, Some(error)), "{from:?}");
    }
}

#[test]
fn no_journal_no_entry() {
    assert!(verdict(stranger(), &[" a@one.example"], false).entry.is_none());
}

#[test]
fn a_message_refused_before_its_end_has_what_is_known() {
    let ids = AuthservIds::new("mx.example".to_owned(), &[]);
    let mut message = Message::begin(rules(), Arc::default(), Arc::new(ids), stranger());
    message.refused_recipient();
    message.refused_recipient();
    let at = Some(at(5));
    let entry = message.into_refused(Duration::from_millis(7), Duration::ZERO, at).entry.unwrap();
    assert_eq!((entry.at, entry.took, entry.refused, entry.recipients), (5, 7, 2, 3));
    assert_eq!((entry.mail_from.as_str(), &*entry.header_from), ("xn--bcher-kva.example", &[][..]));
    assert!(entry.header_from_error.is_none());
}

#[test]
fn rfc5321_s4_1_2_paths_have_one_domain_or_none() {
    for (path, domain) in [
        ("<a@B.example>", Some("b.example")),
        ("a@b.example", Some("b.example")),
        ("<a@b.example.>", Some("b.example")),
        ("<@a.example,@b.example:c@d.example>", Some("d.example")),
        ("<\"x@y.example\"@z.example>", Some("z.example")),
        ("<jo@b\u{fc}cher.example>", Some("xn--bcher-kva.example")),
        ("<postmaster>", None),
        ("<>", None),
        ("", None),
        ("<a@[192.0.2.1]>", None),
        // What stands behind these is part of a local part.
        ("<\"x@y.example\">", None),
        ("<\"x@y.example>", None),
        ("<x\\@y.example>", None),
        ("<a\"b\"@y.example>", None),
        ("<a@b c>", None),
        ("<a@>", None),
    ] {
        assert_eq!(domain_of_path(path.as_bytes()).as_ref().map(DomainName::as_str), domain, "{path}");
    }
    assert_eq!(domain_of_path(format!("<a@{}>", "x.".repeat(100_000)).as_bytes()), None);
}

#[test]
fn rfc5321_s4_5_5_the_null_sender_is_told_from_one_without_a_domain() {
    for (path, error) in [
        ("<>", None),
        ("", None),
        ("<a@b.example>", None),
        ("<root>", Some("no-domain")),
        ("root", Some("no-domain")),
        ("<a@[192.0.2.1]>", Some("address-literal")),
        ("<a@[IPv6:2001:db8::1]>", Some("address-literal")),
        ("<a@[x]>", Some("malformed")),
        ("<a@>", Some("malformed")),
        ("<a b>", Some("malformed")),
        ("<(a@b.example", Some("malformed")),
        ("<\"x@y.example\">", Some("no-domain")),
        ("<>a@b.example", Some("malformed")),
        ("< >", Some("malformed")),
    ] {
        let mut facts = stranger();
        facts.envelope = Envelope::new(path.as_bytes(), [], 10);
        let entry = entry(facts, &[" a@one.example"]);
        assert_eq!(entry.mail_from_error.as_deref(), error, "{path}");
        assert_eq!(entry.mail_from.is_empty(), path != "<a@b.example>", "{path}");
    }
}

#[test]
fn helo_is_a_domain_a_literal_or_nothing() {
    for (text, expected) in [
        ("Mail.Example.COM", "mail.example.com"),
        ("localhost", "localhost"),
        ("mail.example.com.", "mail.example.com"),
        ("[192.0.2.1]", "[192.0.2.1]"),
        ("[ipv6:2001:db8:0::1]", "[IPv6:2001:db8::1]"),
        ("[2001:db8::1]", "[IPv6:2001:db8::1]"),
        ("[IPv6:192.0.2.1]", ""),
        ("[\u{1b}[2J]", ""),
        ("jo@example.com", ""),
        ("a b", ""),
        ("", ""),
    ] {
        assert_eq!(helo(text.as_bytes()), expected, "{text}");
    }
}

#[test]
fn the_largest_record_fits_into_its_frame() {
    let label = "x".repeat(63);
    let name = |number: usize| format!("{label}.{label}.{label}.{number:050}.example");
    let mut facts = stranger();
    facts.queue_id = Some(vec![b'"'; 5000]);
    facts.helo = name(0).into_bytes();
    facts.envelope = Envelope::new(format!("<a@{}>", name(1)).as_bytes(), [], 10_000);
    for number in 0..10_000 {
        facts.envelope.recipient(format!("<a@{}>", name(number % 200)).as_bytes());
    }
    let from: Vec<String> = (0..50).map(|number| format!(" a@{}", name(number))).collect();
    let from: Vec<&str> = from.iter().map(String::as_str).collect();
    let mut entry = entry(facts, &from);
    assert_eq!(
        (entry.rcpt_to.len(), entry.header_from.len(), entry.queue_id.len()),
        (MAX_RECIPIENT_DOMAINS, MAX_AUTHORS, MAX_QUEUE_ID)
    );
    let one = Dkim { domain: name(0), selector: name(1), result: "permerror".to_owned(), cause: Some("x".repeat(100)) };
    entry.dkim = vec![one; MAX_SIGNATURES];
    entry.signed = vec![format!("{}._domainkey.{}", name(0), name(1)); 8];
    let octets = serde_json::to_vec(&Content::Message(Box::new(entry))).unwrap().len();
    // Half of the frame is left for what DMARC records have.
    assert!(octets < MAX_RECORD / 2 + MAX_RECORD / 8, "{octets}");
}

fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        &b"secret"[..],
        b"@",
        b"<",
        b">",
        b"\"",
        b"\\",
        b":",
        b",",
        b".",
        b"[",
        b"]",
        b"b.example",
        b"\x00",
        b"\xc3\xbc",
        b"\xff",
        b" ",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn whatever_the_envelope_is_its_domains_are_domains(path in hostile(), text in hostile()) {
        let mut facts = stranger();
        facts.helo = text;
        facts.envelope = Envelope::new(&path, [], 10);
        facts.envelope.recipient(&path);
        let entry = entry(facts, &[" a@one.example"]);
        for domain in [&entry.mail_from].into_iter().chain(&entry.rcpt_to).filter(|domain| !domain.is_empty()) {
            let parsed = DomainName::parse(domain).unwrap();
            prop_assert_eq!(parsed.as_str(), domain);
        }
        prop_assert!(entry.helo.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'@'), "{}", entry.helo);
    }
}
