//! Whole messages through the machine: what their DNS says goes in, field, reply and record come out.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dkim_core::UnixTime;
use dkim_core::verify::KeyAnswer;
use spf_core::dns::Answer;

use super::*;
use crate::config::{self, Listener};
use crate::keys::Keys;
use crate::logging::Value;
use crate::message::envelope::Envelope;
use crate::message::origin::{Client, Origin, OriginRule};
use crate::message::tests::facts;
use crate::message::verdict::Action;
use crate::message::{Answered, AuthservIds, Facts, Lookup, Message, Rules, Verdict, guard};

const NOW: UnixTime = UnixTime::from_secs(1_790_000_000);

/// A stranger at 192.0.2.1 with this MAIL FROM.
fn stranger(sender: &str) -> Facts {
    let mut facts = facts(Origin::Inbound);
    facts.client = Client::Ip("192.0.2.1".parse().unwrap(), 4711);
    facts.helo = b"mail.bank.test".to_vec();
    facts.envelope = Envelope::new(sender.as_bytes(), [], 10);
    facts
}

fn rules(text: &str) -> Arc<Rules> {
    let (config, _) = config::parse(text, Path::new("test.toml")).unwrap_or_else(|found| panic!("{found}"));
    Arc::new(Rules::new(config, &Keys::default()))
}

/// TXT records by name; `FAILED` for a name that gets no answer.
struct Dns(HashMap<&'static str, &'static str>);

impl Dns {
    /// `bank.test` with this DMARC record, and an SPF record that lets `192.0.2.1` send for `bank.test`, `news.bank.test` and `elsewhere.test`.
    fn with(record: &'static str) -> Self {
        let spf = "v=spf1 ip4:192.0.2.1 -all";
        Self(HashMap::from([
            ("_dmarc.bank.test", record),
            ("bank.test", "v=spf1 -all"),
            ("news.bank.test", spf),
            ("mail.bank.test", spf),
            ("elsewhere.test", spf),
        ]))
    }

    fn txt(&self, name: &str) -> TxtAnswer {
        match self.0.get(name) {
            Some(&"FAILED") => TxtAnswer::Failed,
            Some(text) => TxtAnswer::Records(vec![text.as_bytes().to_vec()]),
            None => TxtAnswer::NxDomain,
        }
    }

    fn spf(&self, question: &spf_core::dns::Question) -> Answer {
        match self.txt(question.name.as_str()) {
            TxtAnswer::Records(records) => Answer::txt(records),
            TxtAnswer::Failed => Answer::Failed,
            _ => Answer::NxDomain,
        }
    }

    fn run(&self, lookup: Lookup) -> Answered {
        match lookup {
            Lookup::Helo(progress) => Answered::Helo(progress.run(|question| self.spf(question))),
            Lookup::MailFrom(progress) => Answered::MailFrom(progress.run(|question| self.spf(question))),
            Lookup::Discovery(progress) => {
                Answered::Discovery(Box::new(progress.run(|question| self.txt(question.name.as_str()))))
            }
            Lookup::Key(name) => {
                let answer = KeyAnswer::parse(&self.txt(&name), crate::BACKEND);
                Answered::Key(name, answer)
            }
        }
    }
}

/// The verdict on a message of these fields.
fn verdict(rules: &Arc<Rules>, facts: Facts, fields: &[(&str, &str)], dns: &Dns) -> Verdict {
    let ids = AuthservIds::new("mx.example".to_owned(), &[]);
    let mut message = Message::begin(Arc::clone(rules), Arc::new(Listener::default()), Arc::new(ids), facts);
    for (name, value) in fields {
        message.header(name.as_bytes(), format!(" {value}").as_bytes());
    }
    message.end_of_headers(NOW);
    for lookup in message.take_lookups() {
        message.answer(dns.run(lookup));
    }
    let (mut closing, job) = message.finish(NOW);
    while let Some(name) = closing.question().map(|question| question.name.to_string()) {
        closing.answer(&dns.txt(&name));
    }
    let closing = closing.with_entry(std::time::SystemTime::UNIX_EPOCH);
    closing.verdict(guard(|| job.run()), Duration::ZERO, Duration::ZERO)
}

fn field(verdict: &Verdict, name: &str) -> String {
    match verdict.record.get(name) {
        Some(Value::Text(text)) => String::from_utf8_lossy(text).into_owned(),
        Some(Value::Number(number)) => number.to_string(),
        None => String::new(),
    }
}

fn reply(verdict: &Verdict) -> String {
    match &verdict.reply {
        milter_proto::Decision::ReplyCode(code) => code.to_smtp(),
        other => format!("{other:?}"),
    }
}

const FROM_BANK: [(&str, &str); 1] = [("From", "Bank <jo@bank.test>")];

const STRICT: &str = "[dmarc]\nmode = \"reject\"\nseldom_seen = \"reject\"";

#[test]
fn m21_p_reject_is_observed_by_default_and_refused_where_that_is_configured() {
    let dns = Dns::with("v=DMARC1; p=reject");
    let observed = verdict(&rules(""), stranger("<jo@bank.test>"), &FROM_BANK, &dns);
    assert_eq!(observed.action, Action::Accept);
    assert_eq!((field(&observed, "dmarc"), field(&observed, "dmarc_would")), ("fail".into(), "quarantine".into()));
    let refused = verdict(&rules(STRICT), stranger("<jo@bank.test>"), &FROM_BANK, &dns);
    assert_eq!(refused.action, Action::Reject(crate::message::verdict::RejectCause::Dmarc));
    assert_eq!(reply(&refused), "550 5.7.26 Email rejected per DMARC policy for bank.test");
    assert_eq!(field(&refused, "dmarc_policy"), "p=reject d=bank.test");
    let custom = format!(
        "{STRICT}\nreject_code = \"5.7.1\"\nreject_text = \"{{code}} {{domain}} {{url}}\"\nreject_url = \"https://a.test/\""
    );
    let refused = verdict(&rules(&custom), stranger("<jo@bank.test>"), &FROM_BANK, &dns);
    assert_eq!(reply(&refused), "550 5.7.1 5.7.1 bank.test https://a.test/");
}

#[test]
fn m17_spf_of_mail_from_aligns_and_spf_of_helo_never_does() {
    let dns = Dns::with("v=DMARC1; p=reject");
    for (sender, result) in [
        // Another domain of the same organization.
        ("<jo@news.bank.test>", "pass"),
        // It passes, and it is a stranger's. HELO, which is mail.bank.test and passes, makes no difference.
        ("<jo@elsewhere.test>", "fail"),
        ("<jo@bank.test>", "fail"),
        // The null path is postmaster@HELO (RFC 7208 §2.4): that is MAIL FROM.
        ("<>", "pass"),
    ] {
        let verdict = verdict(&rules(STRICT), stranger(sender), &FROM_BANK, &dns);
        assert_eq!(field(&verdict, "dmarc"), result, "{sender}");
    }
}

#[test]
fn own_mail_and_mail_that_was_judged_before_is_never_judged() {
    let dns = Dns::with("v=DMARC1; p=reject");
    for (origin, rule) in [(Origin::Submission, OriginRule::Authenticated), (Origin::Inbound, OriginRule::JudgedBefore)]
    {
        let mut facts = stranger("<jo@bank.test>");
        (facts.origin, facts.rule) = (origin, rule);
        let verdict = verdict(&rules(STRICT), facts, &FROM_BANK, &dns);
        assert_eq!((verdict.action, field(&verdict, "dmarc")), (Action::Accept, String::new()), "{rule:?}");
    }
    let off = verdict(&rules("[dmarc]\nenabled = false"), stranger("<jo@bank.test>"), &FROM_BANK, &dns);
    assert_eq!((off.action, field(&off, "dmarc")), (Action::Accept, String::new()));
}

#[test]
fn m6_mail_without_one_author_has_its_result_and_its_own_policy() {
    let dns = Dns::with("v=DMARC1; p=reject");
    let strict = format!("{STRICT}\nmultiple_from = \"reject\"");
    for (fields, result, cause) in [
        (&[][..], "permerror", "from-missing"),
        (&[("From", "a@bank.test"), ("From", "a@bank.test")], "permerror", "from-several-fields"),
        (&[("From", "a@bank.test, b@elsewhere.test")], "permerror", "from-several-domains"),
        (&[("From", "undisclosed:;")], "permerror", "from-no-address"),
        (&[("From", "<a@bank.test> <b@elsewhere.test>")], "permerror", "from-malformed"),
        (&[("From", "a@[192.0.2.1]")], "none", "from-address-literal"),
    ] {
        let observed = verdict(&rules(""), stranger("<jo@elsewhere.test>"), fields, &dns);
        assert_eq!(observed.action, Action::Accept, "{cause}");
        let held = verdict(&rules(STRICT), stranger("<jo@elsewhere.test>"), fields, &dns);
        assert_eq!(held.action, Action::Quarantine(crate::message::verdict::RejectCause::Dmarc), "{cause}");
        assert_eq!((field(&observed, "dmarc"), field(&observed, "dmarc_cause")), (result.into(), cause.into()));
        assert_eq!(field(&observed, "dmarc_would"), "reject", "{cause}");
        let refused = verdict(&rules(&strict), stranger("<jo@elsewhere.test>"), fields, &dns);
        assert!(reply(&refused).starts_with("550 5.7.1 message refused: "), "{cause}: {}", reply(&refused));
    }
    // Several addresses of one domain are one author.
    let one = verdict(&rules(&strict), stranger("<a@news.bank.test>"), &[("From", "a@bank.test, b@bank.test")], &dns);
    assert_eq!((one.action, field(&one, "dmarc")), (Action::Accept, "pass".into()));
}

#[test]
fn m16_without_an_answer_mail_passes_or_is_put_off_and_never_fails() {
    let dns = Dns::with("FAILED");
    let accepted = verdict(&rules(STRICT), stranger("<jo@elsewhere.test>"), &FROM_BANK, &dns);
    assert_eq!((accepted.action, field(&accepted, "dmarc")), (Action::Accept, "temperror".into()));
    let defer = rules(&format!("{STRICT}\non_temperror = \"tempfail\""));
    let deferred = verdict(&defer, stranger("<jo@elsewhere.test>"), &FROM_BANK, &dns);
    assert_eq!(reply(&deferred), "451 4.7.5 DMARC policy of bank.test cannot be checked now, try again later");
    // A relay would bounce in the end.
    let mut relayed = stranger("<jo@elsewhere.test>");
    relayed.rule = OriginRule::Upstream;
    assert_eq!(verdict(&defer, relayed, &FROM_BANK, &dns).action, Action::Accept);
    // Nobody answers the lookups at all.
    let ids = AuthservIds::new("mx.example".to_owned(), &[]);
    let facts = stranger("<jo@bank.test>");
    let mut message = Message::begin(rules(STRICT), Arc::new(Listener::default()), Arc::new(ids), facts);
    message.header(b"From", b" jo@bank.test");
    message.end_of_headers(NOW);
    assert!(message.take_lookups().len() == 3 && message.waits_for_answers());
    let (closing, job) = message.finish(NOW);
    let lost = closing.verdict(guard(|| job.run()), Duration::ZERO, Duration::ZERO);
    assert_eq!((lost.action, field(&lost, "dmarc")), (Action::Accept, "temperror".into()));
}

#[test]
fn a_domain_is_known_when_its_mail_passed_often_enough() {
    let dns = Dns::with("v=DMARC1; p=reject");
    let rules = rules("[dmarc]\nmode = \"reject\"\nknown_after = 3");
    let action = |sender, id| verdict(&rules, stranger(sender), &[FROM_BANK[0], ("Message-ID", id)], &dns).action;
    assert_eq!(action("<x@elsewhere.test>", "<0@x>"), Action::Quarantine(crate::message::verdict::RejectCause::Dmarc));
    // One message that is put off behind us, and comes again.
    for id in ["<1@x>", "<1@x>", "<1@x>", "<2@x>"] {
        assert_eq!(action("<x@news.bank.test>", id), Action::Accept);
    }
    assert_eq!(
        action("<x@elsewhere.test>", "<0@x>"),
        Action::Quarantine(crate::message::verdict::RejectCause::Dmarc),
        "two messages passed, one of them often"
    );
    assert_eq!(action("<x@news.bank.test>", "<3@x>"), Action::Accept);
    assert_eq!(action("<x@elsewhere.test>", "<0@x>"), Action::Reject(crate::message::verdict::RejectCause::Dmarc));
}

/// `h=` of a message of bank.test as its own server signs it.
fn signed_of_bank() -> (Vec<(String, String)>, &'static str) {
    let text = "[[domain]]\nname = \"bank.test\"\nallow_ed25519_only = true\nkeys = [{ selector = \"ed\", file = \"absent.pem\" }]\n";
    let (config, _) = config::parse(text, Path::new("test.toml")).unwrap();
    let mut signing = Rules::new(config, &Keys::default());
    let key = crate::message::tests::key();
    let record: &'static str = dkim_core::key_record::KeyRecord::text_for(&*key).leak();
    assert!(signing.add_signer(0, &dkim_core::domain::Selector::parse("ed").unwrap(), key));
    let mut facts = stranger("<x@bank.test>");
    (facts.origin, facts.rule) = (Origin::Submission, OriginRule::Authenticated);
    let verdict = verdict(&Arc::new(signing), facts, &FROM_BANK, &Dns::with("v=DMARC1; p=reject"));
    let mut edits = verdict.edits.inserted();
    let (name, value) = edits.next().unwrap();
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    let fields = vec![(text(name), text(value)), (FROM_BANK[0].0.to_owned(), FROM_BANK[0].1.to_owned())];
    (fields, record)
}

#[test]
fn a_signed_message_that_is_sent_again_in_other_envelopes_counts_once() {
    let (fields, record) = signed_of_bank();
    let mut dns = Dns::with("v=DMARC1; p=reject");
    dns.0.insert("ed._domainkey.bank.test", record);
    let rules = rules("[dmarc]\nmode = \"reject\"");
    for number in 0..20 {
        let (sender, id) = (format!("<x{number}@elsewhere.test>"), format!("<{number}@x>"));
        let mut all: Vec<(&str, &str)> = vec![("Message-ID", &id)];
        all.extend(fields.iter().map(|(name, value)| (name.as_str(), value.trim_start())));
        let verdict = verdict(&rules, stranger(&sender), &all, &dns);
        assert_eq!((verdict.action, field(&verdict, "dmarc")), (Action::Accept, "pass".into()));
    }
    assert_eq!(rules.known_domains().count("bank.test"), 1);
}

#[test]
fn what_passes_and_is_not_taken_makes_no_domain_known() {
    // DMARC passes by DKIM or SPF, and the message is put off for a key that does not answer, or refused for its sender.
    let mut dns = Dns::with("v=DMARC1; p=reject");
    dns.0.insert("x._domainkey.bank.test", "FAILED");
    dns.0.insert("_dmarc.elsewhere.test", "v=DMARC1; p=reject");
    let put_off = rules("[policy]\non_dns_failure = \"tempfail\"\n[dmarc]\nmode = \"reject\"");
    let signature = (
        "DKIM-Signature",
        "v=1; a=rsa-sha256; d=bank.test; s=x; h=from; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=YQ==",
    );
    let verdict_of = |rules: &Arc<Rules>| {
        let fields = [FROM_BANK[0], signature, ("Authentication-Results", "mx.example; dmarc=pass")];
        verdict(rules, stranger("<x@news.bank.test>"), &fields, &dns)
    };
    let tempfailed = verdict_of(&put_off);
    assert_eq!((tempfailed.action.as_str(), field(&tempfailed, "dmarc")), ("tempfail", "pass".into()));
    assert_eq!(tempfailed.entry.as_ref().unwrap().dmarc.as_ref().unwrap().mark, None);
    assert_eq!(put_off.known_domains().count("bank.test"), 0);
    // Nobody reads an edit of a message that is not delivered.
    assert_eq!((tempfailed.edits.is_empty(), field(&tempfailed, "removed")), (true, "0".into()));
    let taken = rules("[dmarc]\nmode = \"reject\"");
    let accepted = verdict_of(&taken);
    assert_eq!((accepted.action, field(&accepted, "dmarc")), (Action::Accept, "pass".into()));
    assert_eq!((accepted.edits.deleted().count(), field(&accepted, "removed")), (1, "1".into()));
    let mark = accepted.entry.as_ref().unwrap().dmarc.as_ref().unwrap().mark;
    assert!(mark.is_some() && mark == verdict_of(&taken).entry.unwrap().dmarc.unwrap().mark);
    assert_eq!(taken.known_domains().count("bank.test"), 1);
    // A rejection by DMARC carries none either.
    let refused = verdict(
        &rules(STRICT),
        stranger("<x@elsewhere.test>"),
        &[FROM_BANK[0], ("Authentication-Results", "mx.example; dmarc=pass"), ("X-Postseal-DMARC", "none")],
        &dns,
    );
    assert!(reply(&refused).starts_with("550 ") && refused.edits.is_empty());
}

#[test]
fn list_mail_is_at_most_quarantined_and_has_its_reason() {
    let dns = Dns::with("v=DMARC1; p=reject");
    let fields = [FROM_BANK[0], ("List-Id", "<x.elsewhere.test>")];
    let verdict = verdict(&rules(STRICT), stranger("<x@elsewhere.test>"), &fields, &dns);
    assert_eq!(verdict.action, Action::Quarantine(crate::message::verdict::RejectCause::Dmarc));
    assert_eq!(field(&verdict, "dmarc_override"), "mailing_list: List-Id field");
}

#[test]
fn behind_a_relay_nothing_is_refused() {
    let dns = Dns::with("v=DMARC1; p=reject");
    let mut facts = stranger("<x@elsewhere.test>");
    facts.rule = OriginRule::Upstream;
    let strict = format!("{STRICT}\nmultiple_from = \"reject\"");
    assert_eq!(
        verdict(&rules(&strict), facts.clone(), &FROM_BANK, &dns).action,
        Action::Quarantine(crate::message::verdict::RejectCause::Dmarc)
    );
    assert_eq!(
        verdict(&rules(&strict), facts, &[], &dns).action,
        Action::Quarantine(crate::message::verdict::RejectCause::Dmarc)
    );
}

#[test]
fn our_own_people_behind_a_relay_are_never_judged_and_forwarders_there_are_known() {
    let dns = Dns::with("v=DMARC1; p=reject");
    let text = format!("{STRICT}\ntrusted_forwarders = [\"203.0.113.5\"]\n[spf]\nrelays = [\"192.0.2.1\"]");
    for (received, action) in [
        ("from x ([198.51.100.7]) by relay.example with ESMTPSA id 1; x", Action::Accept),
        ("from x ([203.0.113.5]) by relay.example with ESMTPS id 1; x", Action::Accept),
        (
            "from x ([198.51.100.7]) by relay.example with ESMTPS id 1; x",
            Action::Quarantine(crate::message::verdict::RejectCause::Dmarc),
        ),
    ] {
        let fields = [("Received", received), FROM_BANK[0]];
        let verdict = verdict(&rules(&text), stranger("<jo@bank.test>"), &fields, &dns);
        assert_eq!((verdict.action, field(&verdict, "dmarc")), (action, "fail".into()), "{received}");
    }
}

#[test]
fn a_header_section_over_the_limit_hides_nobody() {
    let text = format!("[limits]\nheader_fields = 100\n{STRICT}\nmultiple_from = \"reject\"");
    let mut fields = vec![("X-Filler", "x"); 100];
    fields.push(FROM_BANK[0]);
    let verdict = verdict(&rules(&text), stranger("<x@elsewhere.test>"), &fields, &Dns::with("v=DMARC1; p=reject"));
    assert_eq!(field(&verdict, "dmarc_cause"), "too-many-header-fields");
    assert!(reply(&verdict).starts_with("550 5.7.1 "), "{}", reply(&verdict));
}

#[test]
fn rfc9990_s3_1_1_the_journal_has_what_a_report_needs() {
    let dns = Dns::with(
        "v=DMARC1; p=reject; sp=quarantine; adkim=s; fo=1:d; t=y; rua=mailto:d@bank.test; ruf=mailto:f@bank.test",
    );
    let verdict = verdict(&rules(STRICT), stranger("<jo@elsewhere.test>"), &FROM_BANK, &dns);
    let dmarc = verdict.entry.unwrap().dmarc.unwrap();
    assert_eq!((dmarc.result.as_str(), dmarc.spf_aligned, dmarc.dkim_aligned), ("fail", false, false));
    assert_eq!((dmarc.requested.as_str(), dmarc.disposition.as_str(), dmarc.would), ("quarantine", "quarantine", None));
    assert_eq!(dmarc.counts_for, "bank.test");
    let reasons: Vec<_> = dmarc.reasons.iter().map(|reason| reason.kind.as_str()).collect();
    assert_eq!(reasons, ["policy_test_mode"]);
    let published = dmarc.published.unwrap();
    assert_eq!((published.domain.as_str(), published.discovery_method.as_str()), ("bank.test", "treewalk"));
    assert_eq!((published.p.as_str(), published.sp.as_deref(), published.np), ("reject", Some("quarantine"), None));
    assert_eq!((published.adkim.as_str(), published.aspf.as_str(), published.testing), ("s", "r", true));
    assert_eq!(published.fo.as_deref(), Some("1:d"));
    assert_eq!(
        (published.rua, published.ruf),
        (vec!["mailto:d@bank.test".to_owned()], vec!["mailto:f@bank.test".to_owned()])
    );
}

#[test]
fn a_record_of_64_kib_is_no_reason_to_lose_a_journal_entry() {
    let uris = (0..16)
        .map(|number| format!("mailto:{}@bank.test", format!("{number:x}").repeat(3000)))
        .collect::<Vec<_>>()
        .join(",");
    let record: &'static str = Box::leak(format!("v=DMARC1; p=none; rua={uris}").into_boxed_str());
    let verdict = verdict(&rules(""), stranger("<jo@elsewhere.test>"), &FROM_BANK, &Dns::with(record));
    let entry = verdict.entry.unwrap();
    assert_eq!(entry.dmarc.as_ref().map(|dmarc| dmarc.result.as_str()), Some("fail"));
    assert!(serde_json::to_vec(&entry).unwrap().len() < crate::journal::MAX_RECORD / 4);
}
