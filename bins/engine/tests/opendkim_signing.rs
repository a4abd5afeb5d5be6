//! A daemon that runs from an `opendkim.conf`, over a socket: what is signed, and what becomes of fields that are there.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test helpers")]

#[allow(dead_code, reason = "each test program uses a part of it")]
mod support;

#[allow(dead_code, reason = "each test program uses a part of it")]
#[path = "support/old.rs"]
mod old;

use milter_proto::Decision;
use old::{from, inserted, mail, reply, start};
use support::{Answer, Daemon};

const BASE: &str = "Mode sv\nAuthservID mx.example\nSocket local:@/socket\nRequireSafeKeys no\nCanonicalization relaxed/simple\n\
    Domain example.com\nSelector rsa\nKeyFile @/rsa.pem\nInternalHosts 192.0.2.0/24\n";

fn sent(daemon: &Daemon, raw: &str) -> Answer {
    from(daemon, "192.0.2.9").message("<a@example.com>", raw.as_bytes())
}

/// Whether this message with the signature that was made for another one verifies.
fn passes(daemon: &Daemon, signature: &str, raw: &str) -> bool {
    let raw = format!("DKIM-Signature: {signature}\r\n{raw}");
    let answer = from(daemon, "198.51.100.7").message("<a@example.com>", raw.as_bytes());
    inserted(&answer, "Authentication-Results")[0].contains("dkim=pass ")
}

#[test]
fn s1_2_remove_old_signatures_leaves_the_new_one_alone() {
    let old = |selector: &str| {
        let bh = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        format!("DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s={selector}; h=from; bh={bh}; b=AAAA\r\n")
    };
    let daemon = start(&format!("{BASE}RemoveOldSignatures yes\nSignHeaders From,DKIM-Signature\n"), None, "");
    let raw = mail("a@example.com", &[old("a"), old("b"), old("c")].concat());
    let answer = sent(&daemon, &raw);
    // The highest first: no deletion moves what is still to be deleted, whether the MTA renumbers or not.
    let (removed, rest) = answer.edits.split_at(3);
    assert_eq!(removed, ["delete DKIM-Signature 3", "delete DKIM-Signature 2", "delete DKIM-Signature 1"]);
    let signature = inserted(&answer, "DKIM-Signature")[0];
    assert!(rest.len() == 1 && signature.contains(" h=From;"), "nothing is signed that goes: {rest:?}");
    // One of our own that is still good is made anew, and those of others stay where nothing is signed.
    let again = format!("DKIM-Signature: {}\r\n{}", signature, mail("a@example.com", ""));
    let answer = sent(&daemon, &again);
    assert_eq!(answer.edits[0], "delete DKIM-Signature 1");
    assert_eq!(inserted(&answer, "DKIM-Signature").len(), 1);
    let other = mail("a@other.example", &old("a"));
    let answer = sent(&daemon, &other);
    assert!(answer.edits.iter().all(|edit| !edit.contains("DKIM-Signature")), "{:?}", answer.edits);
    let answer = sent(&start(BASE, None, ""), &raw);
    assert_eq!((answer.edits.len(), inserted(&answer, "DKIM-Signature").len()), (1, 1));
}

#[test]
fn s1_2_replace_rules_sign_what_relays_make_of_fields() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules");
    std::fs::write(&rules, "# masquerading\n@[a-z]*\\.example\\.com\t@example.com\n").unwrap();
    let with = format!("{BASE}ReplaceRules {}\n", rules.display());
    let daemon = start(&with, None, "");
    let raw = mail("a@host.example.com", "Cc: c@other.example.com\r\n");
    let answer = sent(&daemon, &raw);
    // The domain that signs is that of the field as it will be, and the message stays as it is.
    let signature = inserted(&answer, "DKIM-Signature")[0];
    assert!(answer.edits.len() == 1 && signature.contains(" d=example.com;"), "{:?}", answer.edits);
    let signature = signature.to_owned();
    let masqueraded = raw.replace("host.example.com", "example.com").replace("other.example.com", "example.com");
    assert!(passes(&daemon, &signature, &masqueraded) && !passes(&daemon, &signature, &raw));
    // Mail of others is verified as it came: a signature over what the rule would change is good.
    let daemon_of_host = start(&BASE.replace("Domain example.com", "Domain *"), None, "");
    let theirs = mail("a@example.com", "Cc: c@other.example.com\r\n");
    let signature = inserted(&sent(&daemon_of_host, &theirs), "DKIM-Signature")[0].to_owned();
    assert!(passes(&daemon, &signature, &theirs));
    // ReplaceHeaders names the fields that are meant.
    let daemon = start(&format!("{with}ReplaceHeaders from\n"), None, "");
    let signature = inserted(&sent(&daemon, &raw), "DKIM-Signature")[0].to_owned();
    let masqueraded = raw.replace("host.example.com", "example.com");
    assert!(passes(&daemon, &signature, &masqueraded));
    // Mail that comes again is known by the copy.
    let answer = sent(&daemon, &format!("DKIM-Signature: {signature}\r\n{masqueraded}"));
    assert_eq!(answer.edits, [""; 0]);
}

#[test]
fn s1_2_a_message_that_rules_make_too_large_is_not_signed() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules");
    std::fs::write(&rules, "q\tX\n").unwrap();
    let with = format!("{BASE}ReplaceRules {}\n", rules.display());
    let many = mail("a@example.com", &format!("Cc: {}\r\n", "q".repeat(1001)));
    let answer = sent(&start(&with, None, ""), &many);
    assert_eq!(reply(&answer), "550 5.7.0 DKIM signing error");
    let answer = sent(&start(&format!("{with}On-SignatureError accept\n"), None, ""), &many);
    assert_eq!((answer.decision, answer.edits.len()), (Some(Decision::Continue), 0));
    std::fs::write(&rules, "no tab\n").unwrap();
    let found = old::try_start(&with).unwrap_err();
    assert!(found.contains("rules:1") && found.contains("E-DATASET-PATTERN"), "{found}");
}

#[test]
fn s1_2_strict_headers_signs_nothing_that_breaks_rfc5322() {
    let daemon = start(&format!("{BASE}StrictHeaders yes\n"), None, "");
    let answer = sent(&daemon, &mail("a@example.com", "Subject: 2\r\n"));
    let malformed = "insert 0 Authentication-Results: mx.example; dkim=permerror (bad message/signature format)";
    assert_eq!(answer.edits, [malformed]);
    assert_eq!(inserted(&sent(&daemon, &mail("a@example.com", "")), "DKIM-Signature").len(), 1);
}

#[test]
fn s5_3_software_header_stands_above_the_signature() {
    let daemon = start(&format!("{BASE}SoftwareHeader yes\n"), None, "");
    let answer = sent(&daemon, &mail("a@example.com", ""));
    let names: Vec<&str> = answer.edits.iter().map(|edit| edit.split(':').next().unwrap()).collect();
    // The last one that is inserted at the top stands above.
    assert_eq!(names, ["insert 0 DKIM-Signature", "insert 0 DKIM-Filter"]);
}
