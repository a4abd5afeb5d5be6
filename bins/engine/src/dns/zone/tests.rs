//! Tests of the zone file.

use super::*;

fn zone(text: &str) -> Zone {
    Zone::parse(text.as_bytes(), Path::new("zone.txt")).unwrap_or_else(|found| panic!("{found}"))
}

/// Lines and causes of the findings.
fn refused(text: &str) -> Vec<(u32, String)> {
    let found = Zone::parse(text.as_bytes(), Path::new("zone.txt")).unwrap_err();
    found
        .iter()
        .map(|finding| {
            assert_eq!((finding.code, finding.file.as_deref()), (ZONE_LINE, Some(Path::new("zone.txt"))));
            (finding.line.unwrap(), finding.cause.clone())
        })
        .collect()
}

fn texts(zone: &Zone, name: &str) -> Vec<String> {
    match zone.txt(name) {
        TxtAnswer::Records(records) => records.into_iter().map(|record| String::from_utf8(record).unwrap()).collect(),
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn rfc1035_5_1_strings_are_joined_over_lines_and_comments() {
    let zone = zone(
        "; a comment\n\
         s1._domainkey.Example.COM. 3600 IN TXT ( \"v=DKIM1; k=rsa; \" ; the first piece\n\
         \t\"p=MIIB\"\n\
         \t\"IjAN\" )\n\
         plain.example TXT word another\n\
         two.example. IN 60 TXT \"a\"\n\
         \t\tTXT \"b\" ; the same name\n",
    );
    assert_eq!(texts(&zone, "s1._domainkey.example.com"), ["v=DKIM1; k=rsa; p=MIIBIjAN"]);
    assert_eq!(texts(&zone, "S1._DomainKey.example.com."), ["v=DKIM1; k=rsa; p=MIIBIjAN"]);
    assert_eq!(texts(&zone, "plain.example"), ["wordanother"]);
    assert_eq!(texts(&zone, "two.example"), ["a", "b"]);
}

#[test]
fn rfc1035_5_1_escapes_are_resolved() {
    let zone = zone("a TXT \"q\\\"uote\" \"b\\\\s\" \"\\; \\065\\000\"\nb TXT a\\ b\\;c\r\n");
    assert_eq!(texts(&zone, "a"), ["q\"uoteb\\s; A\0"]);
    assert_eq!(texts(&zone, "b"), ["a b;c"]);
}

#[test]
fn rfc1035_5_1_origin_and_ttl_apply() {
    let zone = zone(
        "$ORIGIN example.com.\n$TTL 1h\n@ TXT top\nwww TXT rel\nabs.example.org. TXT abs\n$ORIGIN sub\n@ TXT sub\n",
    );
    assert_eq!(texts(&zone, "example.com"), ["top"]);
    assert_eq!(texts(&zone, "www.example.com"), ["rel"]);
    assert_eq!(texts(&zone, "abs.example.org"), ["abs"]);
    assert_eq!(texts(&zone, "sub.example.com"), ["sub"]);
}

#[test]
fn names_that_exist_without_txt_differ_from_names_that_do_not() {
    let zone = zone("a.b.example. TXT x\nmail.example. A 192.0.2.1\nbad.example. SERVFAIL\n");
    assert_eq!(zone.txt("b.example"), TxtAnswer::NoData);
    assert_eq!(zone.txt("example"), TxtAnswer::NoData);
    assert_eq!(zone.txt("mail.example"), TxtAnswer::NoData);
    assert_eq!(zone.txt("c.example"), TxtAnswer::NxDomain);
    assert_eq!(zone.txt("bad.example"), TxtAnswer::Failed);
    assert!(zone.has("b.example.") && !zone.has("c.example"));
}

#[test]
fn aliases_are_followed_and_loops_end() {
    let zone = zone(
        "a.example. CNAME b.example.\nb.example. CNAME c.example.\nc.example. TXT x\nl.example. CNAME l.example.\nd.example. CNAME none.example.\n",
    );
    assert_eq!(texts(&zone, "a.example"), ["x"]);
    assert_eq!(zone.txt("l.example"), TxtAnswer::Failed);
    assert_eq!(zone.txt("d.example"), TxtAnswer::NxDomain);
}

#[test]
fn errors_have_their_line_and_reading_goes_on() {
    let found = refused(
        "good.example. TXT x\n\
         lonely.example.\n\
         bad.example. TXT \"open\n\
         what.example. HINFO x\n\
         b.example. TXT )\n\
         c.example. TXT \"\\999\"\n\
         d.example. TXT\n\
         a..b TXT x\n\
         $INCLUDE other\n\
         e.example. CNAME x y\n",
    );
    let expected = [
        (2, "the line has no type"),
        (3, "a quote that nothing closes on its line"),
        (4, "unknown type `HINFO`"),
        (5, "a closing parenthesis that nothing opened"),
        (6, "`\\DDD` is not the number of an octet"),
        (7, "the TXT record has no text"),
        (8, "the name is longer than 253 octets, or a label of it is empty or longer than 63"),
        (9, "unknown directive; `$ORIGIN` and `$TTL` are read"),
        (10, "a CNAME has one name behind it"),
    ];
    let found: Vec<(u32, &str)> = found.iter().map(|(line, cause)| (*line, cause.as_str())).collect();
    assert_eq!(found, expected);
    assert_eq!(refused(" TXT x\n"), [(1, "there is no name above to repeat".to_owned())]);
    assert_eq!(refused("\n\na TXT ( x\n"), [(3, "a parenthesis that nothing closes".to_owned())]);
    assert_eq!(refused("a TXT ( ( x ) )\n"), [(1, "a parenthesis within parentheses".to_owned())]);
    assert_eq!(refused("a TXT x\na CNAME b\n"), [(2, "the name has other records as well".to_owned())]);
    assert_eq!(
        refused("a CNAME b\na TXT x\n"),
        [(2, "the name is a CNAME or fails, so it has no TXT record".to_owned())]
    );
}

#[test]
fn limits_hold() {
    assert_eq!(refused(&format!("a TXT \"{}\"\n", "x".repeat(MAX_TXT + 1))).len(), 1);
    assert!(zone(&format!("a TXT \"{}\"\n", "x".repeat(MAX_TXT))).has("a"));
    assert_eq!(refused(&"a TXT x\n".repeat(MAX_RECORDS + 1)).len(), 1);
    assert_eq!(refused(&"x\n".repeat(1000)).len(), MAX_FINDINGS);
}

#[test]
fn records_can_be_added() {
    let mut zone = Zone::default();
    zone.insert("A.example.", b"x");
    zone.insert("a.example", b"y");
    assert_eq!(texts(&zone, "a.example"), ["x", "y"]);
}

#[test]
fn what_key_publishing_writes_reads_back() {
    let text = format!("v=DKIM1; k=rsa; p={}", "A".repeat(700));
    let record = crate::keys::publish::DnsRecord { name: "s1._domainkey.example.com".into(), text: text.clone() };
    let file = crate::keys::publish::write(&[record], crate::keys::publish::Form::Bind);
    assert_eq!(texts(&zone(&file), "s1._domainkey.example.com"), [text]);
}
