//! Each mode with each policy, for mail that passes and mail that fails in every way.

use super::{CLIENT, Fate, fate_of, is_judged, start, tags};
use crate::mails;
use crate::signer;
use crate::site::Site;
use crate::site::shared::Shared;
use crate::smtp::Mail;

static OBSERVE: Shared = Shared::new(|| start("", ""));
static TAG: Shared = Shared::new(|| start("mode = \"tag\"\nseldom_seen = \"reject\"", ""));
static QUARANTINE: Shared = Shared::new(|| start("mode = \"quarantine\"\nseldom_seen = \"reject\"", ""));
static REJECT: Shared = Shared::new(|| start("mode = \"reject\"\nseldom_seen = \"reject\"", ""));

/// What becomes of mail of a domain with this policy: what passes is delivered, whatever the mode, and what fails has this fate.
fn holds(site: &Site, policy: &str, fate: &str, tag: Option<&str>) {
    let domain = format!("{policy}.example");
    let (aligned, strange) = (format!("a@{domain}"), "a@other.example");
    let plain = mails::from(&domain);
    let offer = |from: &str, message: &[u8]| {
        fate_of(site, CLIENT, &Mail { from, to: "reader@reader.example", parameters: "", message })
    };
    let signed = signer::sign(&domain, &plain);
    let broken = String::from_utf8(signed.clone()).unwrap().replace("regards", "REGARDS").into_bytes();
    for (from, message) in [(aligned.as_str(), &plain), (strange, &signed), (aligned.as_str(), &broken)] {
        let delivered = offer(from, message).delivered();
        is_judged(&delivered, "pass", &domain, policy);
        assert_eq!(tags(&delivered), [""; 0]);
    }
    let foreign = signer::sign("other.example", &plain);
    for message in [&plain, &foreign, &broken] {
        let found = offer(strange, message);
        assert_eq!(found.word(), fate, "{found:?}");
        match found {
            Fate::Refused(_) => found.is_refused_for(&domain),
            Fate::Delivered(delivered) | Fate::Held(delivered) => {
                is_judged(&delivered, "fail", &domain, policy);
                let tag = tag.map(|word| format!("{word} (dmarc=fail header.from={domain})"));
                assert_eq!(tags(&delivered), tag.into_iter().collect::<Vec<_>>(), "{}", delivered.header());
            }
        }
    }
}

#[test]
fn mode_observe_policy_none() {
    OBSERVE.with(|site| holds(site, "none", "delivered", None));
}

#[test]
fn mode_observe_policy_quarantine() {
    OBSERVE.with(|site| holds(site, "quarantine", "delivered", None));
}

#[test]
fn mode_observe_policy_reject() {
    OBSERVE.with(|site| {
        holds(site, "reject", "delivered", None);
        // What would have been done is in the log; little mail of the domain has come yet, so not all that is asked for.
        let line = site.daemon.log_line("dmarc_would=quarantine");
        assert!(line.contains("dmarc=fail") && line.contains("action=accept"), "{line}");
    });
}

#[test]
fn mode_tag_policy_none() {
    TAG.with(|site| holds(site, "none", "delivered", None));
}

#[test]
fn mode_tag_policy_quarantine() {
    TAG.with(|site| holds(site, "quarantine", "delivered", Some("quarantine")));
}

#[test]
fn mode_tag_policy_reject() {
    TAG.with(|site| holds(site, "reject", "delivered", Some("reject")));
}

#[test]
fn mode_quarantine_policy_none() {
    QUARANTINE.with(|site| holds(site, "none", "delivered", None));
}

#[test]
fn mode_quarantine_policy_quarantine() {
    QUARANTINE.with(|site| holds(site, "quarantine", "held", Some("quarantine")));
}

#[test]
fn mode_quarantine_policy_reject() {
    QUARANTINE.with(|site| holds(site, "reject", "held", Some("reject")));
}

#[test]
fn mode_reject_policy_none() {
    REJECT.with(|site| holds(site, "none", "delivered", None));
}

#[test]
fn mode_reject_policy_quarantine() {
    REJECT.with(|site| holds(site, "quarantine", "held", Some("quarantine")));
}

#[test]
fn mode_reject_policy_reject() {
    REJECT.with(|site| holds(site, "reject", "refused", None));
}
