//! Item 6: `d=` and `i=` (D-7, D-8, D-28; RFC 6376 §3.5, §6.1.1; RFC 8616 §5).

use dkim_core::key_record::KeyRecord;
use dkim_core::verify::{Outcome, PermErrorCause, SignatureReport, VerifyPolicy};

use crate::support::{Draft, MESSAGE, NOW, Zone, key, reports};

/// The report about a signature with this text in the place of `d=…; s=…`.
fn report(tags: &str) -> SignatureReport {
    let template = format!(" v=1; a=ed25519-sha256; c=relaxed/relaxed; {tags}; h=from; bh={{bh}}; b={{b}}");
    let signed = Draft { template: &template, names: "from", ..Draft::default() }.sign(MESSAGE);
    let record = KeyRecord::text_for(&*key());
    let zone = Zone::usual()
        .with("sel._domainkey.xn--bcher-kva.example", &record)
        .with("xn--sel-8xa._domainkey.example.com", &record)
        .with("a.b._domainkey.example.com", &record)
        .with("sel._domainkey.strict.example", &format!("{record}; t=s"));
    reports(&signed, &zone, &VerifyPolicy::default(), NOW).remove(0)
}

fn refused(tags: &str, cause: PermErrorCause) {
    assert_eq!(report(tags).outcome, Outcome::PermError(cause), "{tags}");
}

/// Passes with this identity: local part and domain.
fn passes(tags: &str, local_part: &[u8], domain: &str) {
    let report = report(tags);
    assert_eq!(report.outcome, Outcome::Pass, "{tags}");
    let identity = report.identity.unwrap();
    assert_eq!((identity.local_part(), identity.domain().as_str()), (local_part, domain), "{tags}");
}

#[test]
fn case_does_not_count() {
    let report = report("d=EXAMPLE.Com; s=SEL");
    assert_eq!(report.outcome, Outcome::Pass);
    assert_eq!(report.domain.unwrap().as_str(), "example.com");
    assert_eq!(report.selector.unwrap().as_str(), "sel");
    passes("d=Example.COM; s=sel; i=Joe@exAMPLE.com", b"Joe", "example.com");
}

#[test]
fn identity_in_a_subdomain() {
    passes("d=example.com; s=sel; i=@sub.example.com", b"", "sub.example.com");
    passes("d=example.com; s=sel; i=joe@a.b.Example.com", b"joe", "a.b.example.com");
    passes("d=example.com; s=sel; i=@example.com", b"", "example.com");
}

#[test]
fn identity_elsewhere_is_a_mismatch() {
    for identity in ["@notexample.com", "joe@example.org", "@com", "@example.com.evil.example", "@xexample.com", "@e"] {
        refused(&format!("d=example.com; s=sel; i={identity}"), PermErrorCause::DomainMismatch);
    }
    // The parent of d= vouches for nothing.
    refused("d=sub.example.com; s=sel; i=@example.com", PermErrorCause::DomainMismatch);
}

#[test]
fn identity_that_is_none() {
    for identity in
        ["", "joe", "joe@", "@", "joe@.example.com", "joe@example..com", "=4", "=4G@example.com", "a=b@example.com"]
    {
        refused(&format!("d=example.com; s=sel; i={identity}"), PermErrorCause::Identity);
    }
}

#[test]
fn identity_in_quoted_printable() {
    passes("d=example.com; s=sel; i=joe=2Edoe@example.com", b"joe.doe", "example.com");
    passes("d=example.com; s=sel; i=joe=40work@example.com", b"joe@work", "example.com");
    passes("d=example.com; s=sel; i=joe=40example=2Ecom", b"joe", "example.com");
    passes("d=example.com; s=sel; i=jo=3Be@example.com", b"jo;e", "example.com");
    passes("d=example.com; s=sel; i=jo\r\n\te @example.com", b"joe", "example.com");
    // §2.11: white space may stand anywhere and means nothing.
    passes("d=example.com; s=sel; i=joe@exa mple.com", b"joe", "example.com");
    passes("d=example.com; s=sel; i==00=FF=0D=0A@example.com", b"\x00\xff\r\n", "example.com");
    // Decoding gives a domain elsewhere: the last "@" decides.
    refused("d=example.com; s=sel; i=joe@example.com=40evil.example", PermErrorCause::DomainMismatch);
    refused("d=example.com; s=sel; i=joe@evil=2Eexample", PermErrorCause::DomainMismatch);
}

#[test]
fn identity_with_percent_signs_stands_for_itself() {
    passes("d=example.com; s=sel; i=joe%2Edoe@example.com", b"joe%2Edoe", "example.com");
    passes("d=example.com; s=sel; i=%s%n%{d}@example.com", b"%s%n%{d}", "example.com");
}

#[test]
fn d28_internationalized_names_in_both_spellings() {
    for domain in ["xn--bcher-kva.example", "b\u{fc}cher.example", "B\u{dc}CHER.example"] {
        let report = report(&format!("d={domain}; s=sel"));
        assert_eq!(report.outcome, Outcome::Pass, "{domain}");
        assert_eq!(report.domain.unwrap().as_str(), "xn--bcher-kva.example");
    }
    passes(
        "d=b\u{fc}cher.example; s=sel; i=j\u{f6}@xn--bcher-kva.example",
        "j\u{f6}".as_bytes(),
        "xn--bcher-kva.example",
    );
    passes("d=xn--bcher-kva.example; s=sel; i=@sub.b\u{fc}cher.example", b"", "sub.xn--bcher-kva.example");
    refused("d=b\u{fc}cher.example; s=sel; i=@bucher.example", PermErrorCause::DomainMismatch);
    assert_eq!(
        report("d=example.com; s=s\u{eb}l").selector.map(|selector| selector.as_str().starts_with("xn--")),
        Some(true)
    );
}

#[test]
fn selectors_with_several_labels() {
    assert_eq!(report("d=example.com; s=a.b").outcome, Outcome::Pass);
    refused("d=b._domainkey.example.com; s=a", PermErrorCause::KeyNxDomain);
}

#[test]
fn d8_names_that_would_mislead_are_refused() {
    for domain in [
        "",
        ".",
        "example",
        "example.com.",
        ".example.com",
        "exa\0mple.com",
        "example.com\0.evil.example",
        "example.com(.evil.example",
        "\"example.com\"",
        "example.com'.evil.example",
        "-example.com",
        "exa mple.com",
        "example..com",
        "ex%61mple.com",
        "[192.0.2.1]",
    ] {
        let outcome = report(&format!("d={domain}; s=sel")).outcome;
        let refused = [PermErrorCause::Domain, PermErrorCause::Syntax].map(Outcome::PermError);
        assert!(refused.contains(&outcome), "d={domain:?}: {outcome:?}");
    }
    for selector in ["", ".", "sel.", ".sel", "s\0el", "s el", "s(el)", "sel@x", "s:el", "s/el"] {
        let outcome = report(&format!("d=example.com; s={selector}")).outcome;
        let refused = [PermErrorCause::Selector, PermErrorCause::Syntax].map(Outcome::PermError);
        assert!(refused.contains(&outcome), "s={selector:?}: {outcome:?}");
    }
    let long = format!("{}.example.com", "a".repeat(64));
    refused(&format!("d={long}; s=sel"), PermErrorCause::Domain);
    let deep = format!("{}example.com", "a.".repeat(119));
    refused(&format!("d={deep}; s=sel"), PermErrorCause::KeyName);
}

#[test]
fn d7_strict_key_forbids_the_subdomain() {
    assert_eq!(report("d=strict.example; s=sel").outcome, Outcome::Pass);
    passes("d=strict.example; s=sel; i=joe@STRICT.example", b"joe", "strict.example");
    refused("d=strict.example; s=sel; i=joe@sub.strict.example", PermErrorCause::KeyStrict);
}
