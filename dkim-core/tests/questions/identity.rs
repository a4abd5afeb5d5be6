//! Questions about `i=` and `d=`.

use dkim_core::key_record::KeyRecord;
use dkim_core::verify::{Outcome, PermErrorCause, VerifyPolicy};

use crate::support::{Draft, MESSAGE, NOW, Zone, key, reports};

/// The outcome of a signature with these tags; the keys of `strict.example` have `t=s`.
fn judged(tags: &str) -> Outcome {
    let template = format!(" v=1; a=ed25519-sha256; c=relaxed/relaxed; s=sel; {tags}; h=from; bh={{bh}}; b={{b}}");
    let signed = Draft { template: &template, names: "from", ..Draft::default() }.sign(MESSAGE);
    let record = KeyRecord::text_for(&*key());
    let zone = Zone::usual()
        .with("sel._domainkey.strict.example", &format!("{record}; t=s"))
        .with("sel._domainkey.xn--bcher-kva.example", &record);
    reports(&signed, &zone, &VerifyPolicy::default(), NOW)[0].outcome
}

#[test]
fn q13_i_in_a_subdomain_passes() {
    // §3.5 on i=: "The domain part of the address MUST be the same as, or a subdomain of, the value of the "d=" tag."
    for identity in
        ["@mail.example.com", "joe@a.b.example.com", "joe@MAIL.Example.COM", "joe@example.com", "@example.com"]
    {
        assert_eq!(judged(&format!("d=example.com; i={identity}")), Outcome::Pass, "{identity}");
    }
}

#[test]
fn q14_i_in_a_subdomain_with_t_s_is_permerror() {
    // §3.6.1 on t=s: "Any DKIM-Signature header fields using the "i=" tag MUST have the same domain value on the right-hand side of the "@" in the "i="
    // tag and the value of the "d=" tag."
    let strict = Outcome::PermError(PermErrorCause::KeyStrict);
    assert_eq!(judged("d=strict.example; i=@mail.strict.example"), strict);
    assert_eq!(judged("d=strict.example; i=joe@strict.example"), Outcome::Pass);
    assert_eq!(judged("d=strict.example"), Outcome::Pass);
}

#[test]
fn q15_i_in_a_foreign_domain_is_permerror() {
    // §6.1.1: "Verifiers MUST confirm that the domain specified in the "d=" tag is the same as or a parent domain of the domain part of the "i=" tag. If
    // not, the DKIM-Signature header field MUST be ignored, and the Verifier should return PERMFAIL (domain mismatch)."
    for identity in ["joe@example.net", "joe@com", "@example.com.example.net", "joe@example.com=40example.net"] {
        let expected = Outcome::PermError(PermErrorCause::DomainMismatch);
        assert_eq!(judged(&format!("d=example.com; i={identity}")), expected, "{identity}");
    }
}

#[test]
fn q16_i_that_ends_in_d_without_a_dot_is_permerror() {
    // §3.5 on i=: "the same as, or a subdomain of": a name of the DNS is made of labels, and the last two of this one are not those of d=.
    let expected = Outcome::PermError(PermErrorCause::DomainMismatch);
    assert_eq!(judged("d=example.com; i=joe@notexample.com"), expected);
    assert_eq!(judged("d=example.com; i=@mail-example.com"), expected);
}

#[test]
fn q48_d_in_u_labels_is_looked_up_in_a_labels() {
    // RFC 8616 §5 on the rule that names in d=, i= and s= are A-labels: "This rule is relaxed only for internationalized message header fields [RFC6532],
    // so IDNs SHOULD be represented as U-labels." And: "the hash MUST use the domain name in the format it occurs in the header field."
    for domain in ["b\u{fc}cher.example", "B\u{dc}CHER.example", "xn--bcher-kva.example"] {
        assert_eq!(judged(&format!("d={domain}")), Outcome::Pass, "{domain}");
        // i= may be spelled in the other way than d=.
        for identity in ["joe@b\u{fc}cher.example", "joe@mail.xn--bcher-kva.example"] {
            assert_eq!(judged(&format!("d={domain}; i={identity}")), Outcome::Pass, "{domain} {identity}");
        }
    }
    let mismatch = Outcome::PermError(PermErrorCause::DomainMismatch);
    assert_eq!(judged("d=b\u{fc}cher.example; i=joe@bucher.example"), mismatch);
    // What has no A-label is no domain.
    assert_eq!(judged("d=b\u{fc}\u{202e}cher.example"), Outcome::PermError(PermErrorCause::Domain));
}
