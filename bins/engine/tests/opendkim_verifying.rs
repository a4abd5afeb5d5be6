//! A daemon that runs from an `opendkim.conf`, over a socket: which signatures count, and in which words the results are told.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test helpers")]

#[allow(dead_code, reason = "each test program uses a part of it")]
mod support;

#[allow(dead_code, reason = "each test program uses a part of it")]
#[path = "support/old.rs"]
mod old;

use std::path::Path;

use engine::opendkim::MAX_SCREENED;
use milter_proto::flags::Actions;
use milter_proto::{Decision, MtaOptions};
use old::{at_end_of_headers, bad_signature, from, inserted, mail, reply, start};
use support::Daemon;

const BASE: &str = "Mode v\nAuthservID mx.example\nSocket local:@/socket\n";

/// A record beside those of `tests/keys`: another selector for the same key, with these tags.
fn key(selector: &str, tags: &str) -> String {
    let zone = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys/zone.txt")).unwrap();
    let line = zone.lines().find(|line| line.starts_with("rsa._domainkey.example.com.")).unwrap();
    let (_, text) = line.split_once(" TXT ").unwrap();
    let text = text.replacen("v=DKIM1; k=rsa;", &format!("v=DKIM1; {tags}k=rsa;"), 1);
    format!("{selector}._domainkey.example.com. TXT {text}\n")
}

/// A message of a@example.com that `rsa.pem` has signed with these lines of `opendkim.conf`; the body comes from `body`.
fn signed(lines: &str, domain: &str, body: &str) -> String {
    let daemon = start(
        &format!(
            "Mode s\nCanonicalization relaxed/relaxed\nRequireSafeKeys no\nSocket local:@/socket\nInternalHosts 192.0.2.0/24\n\
             KeyTable csl:k={domain}:@/rsa.pem\nSigningTable csl:example.com=k\n{lines}\n"
        ),
        None,
        "",
    );
    let raw = mail("a@example.com", "").replace("Hello\r\n", body);
    let answer = from(&daemon, "192.0.2.9").message("<a@example.com>", raw.as_bytes());
    let field = inserted(&answer, "DKIM-Signature")[0];
    format!("DKIM-Signature: {field}\r\n{raw}")
}

/// The results of a message from outside.
fn results(daemon: &Daemon, raw: &str) -> Vec<String> {
    let answer = from(daemon, "198.51.100.7").message("<a@example.com>", raw.as_bytes());
    inserted(&answer, "Authentication-Results").into_iter().map(str::to_owned).collect()
}

/// The same without the name and with eight characters of `b=` replaced.
fn words(daemon: &Daemon, raw: &str) -> String {
    let results = results(daemon, raw);
    assert_eq!(results.len(), 1, "{results:?}");
    let text = results[0].strip_prefix("mx.example; ").unwrap();
    let (text, b) = text.split_once(" header.b=").unwrap();
    let signature = raw.split("; b=").nth(1).unwrap();
    let b = b.trim_matches('"');
    assert!(b.len() == 8 && signature.starts_with(b), "{b}: {signature}");
    text.to_owned()
}

#[test]
fn s5_2_results_are_in_the_words_of_opendkim() {
    let records = [key("test", "t=y; "), key("hash", "h=sha1; "), key("mail", "s=tlsrpt; "), key("strict", "t=s; ")];
    let records = records.concat() + "revoked._domainkey.example.com. TXT \"v=DKIM1; p=\"\n";
    let daemon = start(BASE, None, &records);
    let properties =
        |selector: &str| format!("header.d=example.com header.i=@example.com header.a=rsa-sha256 header.s={selector}");
    let good = signed("", "example.com:rsa", "Hello\r\n");
    for (selector, said) in [
        ("rsa", "pass (2048-bit key)"),
        ("gone", "fail reason=\"key not found in DNS\""),
        ("revoked", "fail reason=\"key revoked\""),
        ("hash", "fail reason=\"signature-key hash mismatch\""),
        ("mail", "fail reason=\"not an e-mail key\""),
        ("test", "pass (2048-bit key) (test mode)"),
        ("strict", "pass (2048-bit key)"),
    ] {
        let raw = signed("", &format!("example.com:{selector}"), "Hello\r\n");
        assert_eq!(words(&daemon, &raw), format!("dkim={said} {}", properties(selector)));
    }
    for changed in [good.replace("Hello", "Hullo"), good.replace("Subject: x", "Subject: y")] {
        let said = "dkim=fail reason=\"signature verification failed\" (2048-bit key)";
        assert_eq!(words(&daemon, &changed), format!("{said} {}", properties("rsa")));
    }
    // RFC 8301 §3.1: SHA-1 verifies nothing.
    let sha1 = properties("rsa").replace("sha256", "sha1");
    assert_eq!(words(&daemon, &good.replace("a=rsa-sha256", "a=rsa-sha1")), format!("dkim=permerror {sha1}"));
    let expired = good.replacen(" t=", " x=1; t=", 1);
    assert!(results(&daemon, &expired)[0].starts_with("mx.example; dkim=permerror header.d="));
    let torn = mail("a@example.com", "DKIM-Signature: v=1; d=x(y; garbage\r\n");
    assert_eq!(results(&daemon, &torn), ["mx.example; dkim=permerror (bad message/signature format)"]);
}

#[test]
fn s1_2_small_keys_and_fields_that_are_not_signed_are_policy() {
    let daemon = start(&format!("{BASE}MinimumKeyBits 4096\nMustBeSigned X-Im\n"), None, "");
    let good = signed("", "example.com:rsa", "Hello\r\n");
    assert!(words(&daemon, &good).starts_with("dkim=policy reason=\"signing key too small\" (2048-bit key) header.d="));
    let daemon = start(&format!("{BASE}MustBeSigned X-Im\n"), None, "");
    let said = words(&daemon, &format!("X-Im: 1\r\n{good}"));
    assert!(said.starts_with("dkim=policy reason=\"unprotected header field\" (2048-bit key) header.d="), "{said}");
}

#[test]
fn rfc6008_s4_header_b_tells_signatures_apart_and_no_header_b_leaves_it_out() {
    let field = |b: &str| {
        let bh = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        format!("DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=rsa; h=from; bh={bh}; b={b}\r\n")
    };
    let raw = mail("a@example.com", &(field("AAAABBBBCCCCDDDD") + &field("AAAABBBBCCDDDDDD")));
    let both = &results(&start(BASE, None, ""), &raw)[0];
    assert!(both.contains("header.b=AAAABBBBCCC;") && both.ends_with("header.b=AAAABBBBCCD"), "{both}");
    let both = &results(&start(&format!("{BASE}NoHeaderB yes\n"), None, ""), &raw)[0];
    assert_eq!((both.matches("dkim=fail").count(), both.matches("header.b").count()), (2, 0), "{both}");
}

#[test]
fn s5_2_results_of_dkim_stand_in_one_field_with_those_of_spf_and_dmarc() {
    let opendmarc = "AuthservID mx.example\nSocket local:@/dmarc\n";
    let records = "_dmarc.example.com IN TXT \"v=DMARC1; p=none\"\nexample.com IN TXT \"v=spf1 -all\"\n";
    let daemon = start(BASE, Some(opendmarc), records);
    let said = &results(&daemon, &signed("", "example.com:rsa", "Hello\r\n"))[0];
    assert!(said.starts_with("mx.example; dkim=pass (2048-bit key) header.d=example.com "), "{said}");
    assert!(said.contains("; spf=fail ") && said.contains("; dmarc=pass "), "{said}");
    // A message without an author is told so by both, and IgnoreMalformedMail silences DKIM alone.
    let nobody = mail("nobody", "");
    let said = &results(&daemon, &nobody)[0];
    assert!(said.starts_with("mx.example; dkim=permerror (bad message/signature format); spf="), "{said}");
    assert!(said.contains("; dmarc=permerror"), "{said}");
    let daemon = start(&format!("{BASE}IgnoreMalformedMail yes\n"), Some(opendmarc), records);
    let said = &results(&daemon, &nobody)[0];
    assert!(said.starts_with("mx.example; spf=") && said.contains("; dmarc=permerror"), "{said}");
}

#[test]
fn s1_2_minimum_says_how_much_of_a_body_has_to_be_signed() {
    let part = signed("MaximumSignedBytes 3", "example.com:rsa", "Hello\r\n");
    let whole = signed("BodyLengthDB csl:*", "example.com:rsa", "Hello\r\n");
    assert!(part.contains(" l=3;") && whole.contains(" l=7;"), "{part}{whole}");
    // 93 octets more, in the last of many pieces.
    let longer = format!("{whole}{}\r\n", "x".repeat(91));
    for (minimum, expected) in [
        ("", "policy pass policy"),
        ("Minimum 3", "policy pass policy"),
        ("Minimum 7+", "policy pass policy"),
        ("Minimum 100%", "policy pass policy"),
    ] {
        let daemon = start(&format!("{BASE}{minimum}\n"), None, "");
        let said = [&part, &whole, &longer].map(|raw| words(&daemon, raw));
        let said = said.map(|text| text.split(['=', ' ']).nth(1).unwrap().to_owned()).join(" ");
        assert_eq!(said, expected, "{minimum}");
    }
    // What is added could be shown in another way unless Content-Type is signed (RFC 6376 §8.2).
    let sign = "SignHeaders *,+Content-Type\nOversignHeaders Content-Type";
    let part = signed(&format!("MaximumSignedBytes 3\n{sign}"), "example.com:rsa", "Hello\r\n");
    let whole = signed(&format!("BodyLengthDB csl:*\n{sign}"), "example.com:rsa", "Hello\r\n");
    let longer = format!("{whole}{}\r\n", "x".repeat(91));
    for (minimum, expected) in [
        ("", "policy pass policy"),
        ("Minimum 3", "pass pass pass"),
        ("Minimum 4", "policy pass pass"),
        ("Minimum 8", "policy pass policy"),
        ("Minimum 7%", "pass pass pass"),
        ("Minimum 8%", "pass pass policy"),
        ("Minimum 43%", "policy pass policy"),
        ("Minimum 0+", "policy pass policy"),
        ("Minimum 4+", "pass pass policy"),
        ("Minimum 93+", "pass pass pass"),
    ] {
        let daemon = start(&format!("{BASE}On-BadSignature accept\n{minimum}\n"), None, "");
        let said = [&part, &whole, &longer].map(|raw| words(&daemon, raw));
        let said = said.map(|text| text.split(['=', ' ']).nth(1).unwrap().to_owned()).join(" ");
        assert_eq!(said, expected, "{minimum}");
    }
    let daemon = start(&format!("{BASE}On-BadSignature reject\nMinimum 4\n"), None, "");
    let answer = from(&daemon, "198.51.100.7").message("<a@example.com>", part.as_bytes());
    assert_eq!(reply(&answer), "550 5.7.0 bad DKIM signature data");
}

#[test]
fn s1_2_signatures_of_third_parties_count_only_if_they_are_trusted() {
    let own = signed("", "example.com:rsa", "Hello\r\n");
    let third = signed("", "third.example:rsa", "Hello\r\n");
    let third_field = third.strip_suffix(&mail("a@example.com", "")).unwrap();
    let record = key("rsa", "").replace("example.com.", "third.example.");
    let first = |daemon: &Daemon, raw: &str| -> Vec<String> {
        let all = results(daemon, raw).concat();
        all.split("dkim=").skip(1).map(|result| result.split([' ', ';']).next().unwrap().to_owned()).collect()
    };
    for (list, expected) in [("third.example", ["pass", "pass"]), ("other.example", ["policy", "pass"])] {
        let daemon = start(&format!("{BASE}TrustSignaturesFrom {list}\n"), None, &record);
        assert_eq!(first(&daemon, &format!("{third_field}{own}")), expected, "{list}");
    }
    // Those of the list are always verified, and do not count.
    let many = third_field.repeat(4) + &own;
    let trusting = format!("{BASE}MaximumSignaturesToVerify 1\nTrustSignaturesFrom third.example\n");
    assert_eq!(first(&start(&trusting, None, &record), &many), ["pass"; 5]);
    let counting = format!("{BASE}MaximumSignaturesToVerify 1\n");
    assert_eq!(first(&start(&counting, None, &record), &many), ["pass", "neutral", "neutral", "neutral", "neutral"]);
    // So many are looked up, and that of the author counts wherever it stands: the message passes, though nobody trusts the third party's.
    let third_alone = third_field.repeat(MAX_SCREENED) + &mail("a@example.com", "");
    for (crowd, expected) in [
        (third_field.repeat(MAX_SCREENED + 1) + &own, "Some(Continue)"),
        (third_field.repeat(MAX_SCREENED + 1) + &mail("a@example.com", ""), "550 5.7.0 no DKIM signature data"),
        (third_alone, "550 5.7.0 no DKIM signature data"),
    ] {
        let lines = format!("{BASE}TrustSignaturesFrom x.example\nOn-Default reject\n");
        let answer = from(&start(&lines, None, &record), "198.51.100.7").message("<a@example.com>", crowd.as_bytes());
        assert_eq!(reply(&answer), expected);
    }
    // Of two authors neither is the one whose signature needs no trust.
    let two = own.replace("From: a@example.com", "From: a@example.com, b@other.example");
    let said = first(&start(&format!("{BASE}TrustSignaturesFrom third.example\n"), None, &record), &two);
    assert_eq!(said, ["policy"]);
    // A message with no other signature is as one without.
    let daemon = start(&format!("{BASE}TrustSignaturesFrom x.example\nOn-NoSignature reject\n"), None, &record);
    let answer = from(&daemon, "198.51.100.7").message("<a@example.com>", third.as_bytes());
    assert_eq!(reply(&answer), "550 5.7.0 no DKIM signature data");
    // It is aligned for DMARC, and counts for nothing there.
    let below = signed("", "mail.example.com:rsa", "Hello\r\n");
    let records = key("rsa", "").replace("example.com.", "mail.example.com.")
        + "_dmarc.example.com IN TXT \"v=DMARC1; p=none\"\n";
    let opendmarc = "AuthservID mx.example\nSocket local:@/dmarc\n";
    for (option, word) in [("", "dmarc=pass"), ("TrustSignaturesFrom x.example\n", "dmarc=fail")] {
        let daemon = start(&format!("{BASE}{option}"), Some(opendmarc), &records);
        let said = results(&daemon, &below);
        assert!(said[0].contains(word), "{option}: {said:?}");
    }
}

#[test]
fn s1_2_required_headers_refuses_at_the_end_of_the_header_section() {
    let own = format!(
        "{}Mode sv\nDomain example.com\nSelector rsa\nKeyFile @/rsa.pem\nRequireSafeKeys no\nInternalHosts 192.0.2.0/24\n\
         ExemptDomains exempt.example\nRequiredHeaders yes\n",
        BASE
    );
    let daemon = start(&own, None, "");
    let good = mail("a@example.com", "");
    for address in ["192.0.2.9", "198.51.100.7"] {
        let mut mta = from(&daemon, address);
        for (raw, text) in [
            (mail("a@example.com", "Subject: 2\r\n"), "message has multiple Subject fields"),
            (mail("a@example.com", "to: c\r\n"), "message has multiple To fields"),
            (good.replace("Date:", "X-Date:"), "message does not have exactly one Date field"),
            (mail("a@example.com", "From: b@example.com\r\n"), "message does not have exactly one From field"),
        ] {
            let Some(Decision::ReplyCode(code)) = at_end_of_headers(&mut mta, &raw) else { panic!("{raw}") };
            assert_eq!(code.to_smtp(), format!("550 5.0.0 {text}"));
        }
        assert_eq!(at_end_of_headers(&mut mta, &good), Some(Decision::Continue));
        let exempt = mail("a@exempt.example", "Subject: 2\r\n");
        assert_eq!(at_end_of_headers(&mut mta, &exempt), Some(Decision::Accept));
    }
    // Without a sender it is malformed before that.
    let nobody = results(&daemon, &good.replace("From:", "X-From:"));
    assert_eq!(nobody, ["mx.example; dkim=permerror (bad message/signature format)"]);
}

#[test]
fn s1_2_strict_headers_judges_nothing_of_a_message_that_breaks_rfc5322() {
    let good = signed("", "example.com:rsa", "Hello\r\n");
    let malformed = "mx.example; dkim=permerror (bad message/signature format)";
    let strict = format!("{BASE}On-Default reject\nStrictHeaders yes\n");
    let daemon = start(&strict, None, "");
    for more in ["Subject: 2\r\n", "Sender: a\r\nSender: b\r\n", "From: a@example.com\r\n"] {
        assert_eq!(results(&daemon, &format!("{more}{good}")), [malformed], "{more}");
        let answer = from(&daemon, "198.51.100.7").message("<a@example.com>", format!("{more}{good}").as_bytes());
        assert_eq!(answer.decision, Some(Decision::Continue), "OpenDKIM lets it pass");
    }
    assert!(words(&daemon, &format!("MIME-Version: 1\r\nMIME-Version: 2\r\n{good}")).starts_with("dkim=pass "));
    // The signature is good: what a reader is shown of the two fields it does not say.
    assert!(words(&start(BASE, None, ""), &format!("Subject: 2\r\n{good}")).starts_with("dkim=pass "));
    // Forged results go all the same.
    let forged = format!("Authentication-Results: mx.example; dkim=pass\r\nSubject: 2\r\n{good}");
    let answer = from(&daemon, "198.51.100.7").message("<a@example.com>", forged.as_bytes());
    assert!(answer.edits.contains(&"delete Authentication-Results 1".to_owned()), "{:?}", answer.edits);
    let daemon = start(&format!("{strict}IgnoreMalformedMail yes\n"), None, "");
    assert_eq!(results(&daemon, &format!("Subject: 2\r\n{good}")), [""; 0]);
    let answer = from(&daemon, "198.51.100.7").message("<a@example.com>", forged.as_bytes());
    assert_eq!(answer.edits, ["delete Authentication-Results 1"]);
}

#[test]
fn s1_2_test_dns_data_are_the_only_records_there_are() {
    let record = key("rsa", "");
    let (name, text) = record.split_once(". TXT ").unwrap();
    let text: String = text.split('"').skip(1).step_by(2).collect();
    let good = signed("", "example.com:rsa", "Hello\r\n");
    for kind in ["file", "refile"] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("records");
        std::fs::write(&file, format!("{name} {text}\n")).unwrap();
        let lines = format!("{BASE}TestDNSData {kind}:{}\n", file.display());
        let daemon = start(&lines, None, "as configured");
        assert!(words(&daemon, &good).starts_with("dkim=pass (2048-bit key) "), "{kind}");
        let gone = results(&daemon, &bad_signature("nokey.example"));
        assert!(gone[0].starts_with("mx.example; dkim=fail reason=\"key not found in DNS\" "), "{gone:?}");
        std::fs::write(&file, "*._domainkey.example.com v=DKIM1; p=\n").unwrap();
        let found = old::try_start(&lines).unwrap_err();
        assert!(found.contains("E-CONFIG-VALUE") && found.contains("is no name"), "{found}");
    }
}

#[test]
fn s1_2_capture_unknown_errors_asks_for_the_quarantine_and_puts_mail_there_after_a_mistake_of_ours() {
    // No field has room for this name, which is a mistake of ours: nothing that is sent says it.
    let name = "x".repeat(2000);
    let raw = mail("a@other.example", "Authentication-Results: mx.example; dkim=pass\r\n");
    let answer = |options: &str, may_quarantine: bool| {
        let daemon = start(&format!("{BASE}SoftwareHeader yes\nOn-InternalError tempfail\n{options}"), None, "");
        let mut offers = MtaOptions::default();
        if !may_quarantine {
            offers.offer.actions = offers.offer.actions.without(Actions::QUARANTINE);
        }
        let mut mta = daemon.connect(offers);
        let asks = mta.session.negotiated().unwrap().actions.contains(Actions::QUARANTINE);
        mta.session.set_macro("j", Some(name.as_bytes()));
        mta.greet("198.51.100.7", 40_000);
        (asks, mta.message("<a@other.example>", raw.as_bytes()))
    };
    let (asks, plain) = answer("", true);
    assert!(!asks && reply(&plain).starts_with("451 4.3.0 ") && plain.edits.is_empty(), "{plain:?}");
    let (asks, captured) = answer("CaptureUnknownErrors yes\n", true);
    assert!(asks);
    assert_eq!(captured.edits, ["delete Authentication-Results 1", "quarantine capture requested"]);
    assert_eq!(captured.decision, Some(Decision::Continue));
    let (asks, unable) = answer("CaptureUnknownErrors yes\n", false);
    assert!(!asks && reply(&unable).starts_with("451 4.3.0 "), "{unable:?}");
    assert!(answer("On-BadSignature quarantine\n", true).0, "it is put there for another reason");
}

#[test]
fn s5_3_software_header_names_this_filter_and_no_other_may_do_so() {
    let daemon = start(&format!("{BASE}SoftwareHeader yes\n"), None, "");
    let version = env!("CARGO_PKG_VERSION");
    let raw = mail(
        "a@example.com",
        "DKIM-Filter: OpenDKIM Filter v2.11.0 mx.example 4Q1\r\nDKIM-Filter: OpenDKIM Filter v2.11.0 out.example 4Q2\r\n",
    );
    let answer = from(&daemon, "198.51.100.7").message("<a@example.com>", raw.as_bytes());
    let field = format!("insert 0 DKIM-Filter: Postseal v{version} mx.example (unknown-jobid)");
    assert_eq!(answer.edits, ["delete DKIM-Filter 1".to_owned(), field]);
    // OpenDKIM adds none to mail that it cannot read.
    let answer = from(&daemon, "198.51.100.7").message("<a@example.com>", mail("nobody", "").as_bytes());
    assert!(answer.edits.len() == 1 && answer.edits[0].contains("bad message/signature format"), "{:?}", answer.edits);
    let answer = from(&start(BASE, None, ""), "198.51.100.7").message("<a@example.com>", raw.as_bytes());
    assert_eq!(answer.edits, [""; 0]);
}
