//! The section `[dmarc]` of the configuration file.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panic")]

use std::path::Path;

use dmarc_core::record::Policy;
use engine::config::{self, Config, Diagnostic, Diagnostics, Dmarc, Enforcement, OnFailure, OrgDomains};

fn parse(text: &str) -> Result<(Config, Diagnostics), Diagnostics> {
    config::parse(&format!("[dmarc]\n{text}"), Path::new("/etc/postseal/postseal.toml"))
}

fn accepted(text: &str) -> Dmarc {
    match parse(text) {
        Ok((config, found)) if found.is_empty() => config.dmarc,
        Ok((_, found)) | Err(found) => panic!("{found}"),
    }
}

/// The only finding, be it an error or a warning.
fn finding(text: &str) -> Diagnostic {
    let found = match parse(text) {
        Ok((_, found)) | Err(found) => found,
    };
    assert_eq!(found.len(), 1, "{found}");
    found.iter().next().unwrap().clone()
}

#[test]
fn m21_mail_is_judged_and_nothing_is_done_unless_it_is_written() {
    let dmarc = accepted("");
    assert_eq!(dmarc, Dmarc::default());
    assert!(dmarc.enabled && dmarc.overrides.is_empty() && !dmarc.remove_bimi);
    assert_eq!((dmarc.mode, dmarc.multiple_from), (Enforcement::Observe, Enforcement::Observe));
    assert_eq!((dmarc.mailing_lists, dmarc.seldom_seen), (Enforcement::Quarantine, Enforcement::Quarantine));
    assert_eq!((dmarc.method, dmarc.on_temperror), (OrgDomains::TreeWalk, OnFailure::Accept));
}

#[test]
fn m6_where_policies_are_applied_a_second_from_field_is_no_way_around_them() {
    for (text, multiple_from) in [
        ("mode = \"tag\"", Enforcement::Tag),
        ("mode = \"quarantine\"", Enforcement::Quarantine),
        ("mode = \"reject\"", Enforcement::Quarantine),
        ("mode = \"reject\"\nmultiple_from = \"observe\"", Enforcement::Observe),
        ("mode = \"reject\"\nmultiple_from = \"reject\"", Enforcement::Reject),
    ] {
        assert_eq!(accepted(text).multiple_from, multiple_from, "{text}");
    }
}

#[test]
fn every_key_is_read() {
    let dmarc = accepted(
        "enabled = true\nmode = \"reject\"\nshare = 25\nmethod = \"public-suffix-list\"\npublic_suffix_list = \"list.dat\"\n\
         on_temperror = \"tempfail\"\nmultiple_from = \"reject\"\nmailing_lists = \"tag\"\nseldom_seen = \"tag\"\nknown_after = 3\n\
         trusted_forwarders = [\"192.0.2.0/24\"]\ntag_header = \"X-Junk\"\nreject_code = \"5.7.1\"\nreject_text = \"{domain}: {url}\"\n\
         reject_url = \"https://mx.example/\"\nremove_bimi = true\n\
         [[dmarc.override]]\nsender = [\"a.example\"]\nrecipient = [\"*.b.example\"]\nmode = \"tag\"\npolicy = \"none\"\nshare = 1\n\
         reason = \"why\"\nuntil = 2999-12-31\n\
         [[dmarc.override]]\nsender = [\"*\"]\nmode = \"observe\"\nreason = \"rest\"\nuntil = \"2999-12-31\"\n",
    );
    assert_eq!((dmarc.mode, dmarc.share, dmarc.method), (Enforcement::Reject, 25, OrgDomains::PublicSuffixList));
    assert_eq!(dmarc.public_suffix_list.unwrap(), Path::new("/etc/postseal/list.dat"));
    assert_eq!((dmarc.on_temperror, dmarc.multiple_from), (OnFailure::Tempfail, Enforcement::Reject));
    assert_eq!((dmarc.mailing_lists, dmarc.seldom_seen, dmarc.known_after), (Enforcement::Tag, Enforcement::Tag, 3));
    assert!(dmarc.trusted_forwarders.contains("192.0.2.7".parse().unwrap()) && dmarc.remove_bimi);
    assert_eq!((dmarc.tag_header.as_str(), dmarc.reply.code), ("X-Junk", (7, 1)));
    assert_eq!(
        (dmarc.reply.text.to_string().as_str(), dmarc.reply.url.as_str()),
        ("{domain}: {url}", "https://mx.example/")
    );
    let [one, rest] = &dmarc.overrides[..] else { panic!("{:?}", dmarc.overrides) };
    assert_eq!((one.mode, one.policy, one.share), (Some(Enforcement::Tag), Some(Policy::None), Some(1)));
    assert!(one.senders.contains("a.example") && one.recipients.contains("x.b.example"));
    assert_eq!((one.reason.as_str(), one.until, one.until), ("why", rest.until, Some("2999-12-31".parse().unwrap())));
}

#[test]
fn what_makes_no_sense_is_told_with_its_place_and_its_mend() {
    let long = format!("reject_text = \"{}\"\n", "x".repeat(300));
    for (text, code, line, cause) in [
        ("mode = \"block\"\n", "E-CONFIG-VALUE", 2, "unknown word `block`"),
        ("share = 0\n", "E-CONFIG-RANGE", 2, "0 is outside"),
        ("share = 101\n", "E-CONFIG-RANGE", 2, "101 is outside"),
        ("share = 50\n", "W-CONFIG-UNUSED", 2, "with `mode = \"observe\"` nothing is done"),
        ("mode = \"observe\"\nshare = 50\n", "W-CONFIG-UNUSED", 3, "with `mode = \"observe\"` nothing is done"),
        (
            "[[dmarc.override]]\nsender = [\"a.example\"]\nmode = \"observe\"\nshare = 5\nreason = \"x\"\n",
            "W-CONFIG-UNUSED",
            5,
            "with `mode = \"observe\"` nothing is done",
        ),
        ("seldom_seen = \"reject\"\nknown_after = 3\n", "W-CONFIG-UNUSED", 3, "as to that of all others"),
        ("known_after = 0\nseldom_seen = \"tag\"\n", "W-CONFIG-UNUSED", 3, "every domain is known"),
        ("method = \"public-suffix-list\"\n", "E-CONFIG-MISSING", 2, "needs a list"),
        ("public_suffix_list = \"x\"\n", "W-CONFIG-UNUSED", 2, "tree walk needs no list"),
        ("trusted_forwarders = [\"0.0.0.0/0\"]\n", "E-TRUST-EVERYONE", 2, "nothing would be done to any mail"),
        ("tag_header = \"Subject\"\n", "E-CONFIG-CONFLICT", 2, "incoming fields of this name are removed"),
        ("tag_header = \"X Y\"\n", "E-CONFIG-VALUE", 2, "is not the name of a header field"),
        ("reject_code = \"5.1.1\"\n", "E-CONFIG-VALUE", 2, "no code for this"),
        ("reject_text = \"{domian}\"\n", "E-CONFIG-VALUE", 2, "`{domian}` stands for nothing"),
        ("reject_text = \"a\\r\\n250 ok\"\n", "E-CONFIG-VALUE", 2, "cannot stand in a reply"),
        (&long, "E-CONFIG-VALUE", 2, "longer than 240 octets"),
        ("reject_url = \"https://a.example/\"\n", "W-CONFIG-UNUSED", 2, "has no `{url}`"),
        ("reject_text = \"{url}\"\nreject_url = \"javascript:x\"\n", "E-CONFIG-VALUE", 3, "not the address of a page"),
        ("enabled = false\nmode = \"reject\"\n", "W-CONFIG-UNUSED", 3, "no effect"),
        ("mode = \"reject\"\n[spf]\nenabled = false\n", "E-CONFIG-CONFLICT", 2, "passes by SPF alone"),
        (
            "[[dmarc.override]]\nsender = [\"a.example\"]\nmode = \"tag\"\n",
            "E-CONFIG-MISSING",
            2,
            "`reason` is missing",
        ),
        ("[[dmarc.override]]\nsender = [\"a.example\"]\nreason = \"x\"\n", "E-CONFIG-MISSING", 2, "changes nothing"),
        ("[[dmarc.override]]\nmode = \"tag\"\nreason = \"x\"\n", "E-CONFIG-MISSING", 2, "for all mail"),
        ("[[dmarc.override]]\nsender = []\nmode = \"tag\"\nreason = \"x\"\n", "E-CONFIG-VALUE", 3, "list is empty"),
        (
            "[[dmarc.override]]\nsender = [\"a.example\"]\nmode = \"tag\"\nreason = \"x\"\nuntil = \"2020-01-01\"\n",
            "W-CONFIG-UNUSED",
            6,
            "2020-01-01 is over",
        ),
        (
            "[[dmarc.override]]\nsender = [\"a.example\"]\nmode = \"tag\"\nreason = \"x\"\nuntil = 2999-01-01T10:00:00Z\n",
            "E-CONFIG-VALUE",
            6,
            "is no day",
        ),
        (
            "[[dmarc.override]]\nsender = [\"a.example\"]\npolicy = \"refuse\"\nreason = \"x\"\n",
            "E-CONFIG-VALUE",
            4,
            "unknown word `refuse`",
        ),
    ] {
        let found = match parse(text) {
            Ok((_, found)) | Err(found) => found,
        };
        let hit = found.iter().find(|it| it.code.as_str() == code && it.cause.contains(cause));
        let hit = hit.unwrap_or_else(|| panic!("{text}: {found}"));
        assert_eq!(hit.line, Some(line), "{text}: {hit}");
        assert!(!hit.fix.is_empty());
    }
    assert!(finding("mode = \"rejct\"\n").cause.contains("reject"), "the word that was meant is named");
}

#[test]
fn what_has_an_effect_is_no_finding() {
    for text in [
        "share = 100\n",
        "mode = \"tag\"\nshare = 50\n",
        "seldom_seen = \"reject\"\n",
        "known_after = 0\n",
        "known_after = 3\nseldom_seen = \"tag\"\n",
        // It counts for a ramp.
        "[[dmarc.override]]\nsender = [\"a.example\"]\nshare = 5\nreason = \"x\"\n",
    ] {
        let (_, found) = parse(text).unwrap();
        assert_eq!(found.iter().count(), 0, "{text}: {found}");
    }
}
