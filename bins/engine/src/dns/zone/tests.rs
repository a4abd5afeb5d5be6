//! Tests of the zone file.

use super::records::MAX_RECORDS;
use super::*;
use crate::dns::MAX_TXT;

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
        [(2, "the name is a CNAME or fails, so it has no other record".to_owned())]
    );
}

#[test]
fn what_is_shown_of_a_line_holds_no_control_character() {
    assert_eq!(refused("a. FOO\x1b[32m x\n"), [(1, "unknown type `FOO\\u{1b}[32M`".to_owned())]);
}

#[test]
fn only_a_file_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).unwrap();
    for path in [pipe.as_path(), folder.path(), Path::new("/dev/zero")] {
        let found = Zone::load(path).unwrap_err().to_string();
        assert!(found.contains("E-ZONE-READ") && found.contains("not a regular file"), "{found}");
    }
}

#[test]
fn limits_hold() {
    assert_eq!(refused(&format!("a TXT \"{}\"\n", "x".repeat(MAX_TXT + 1))).len(), 1);
    assert!(zone(&format!("a TXT \"{}\"\n", "x".repeat(MAX_TXT))).has("a"));
    for record in ["TXT x", "A 192.0.2.1", "AAAA 2001:db8::1", "MX 10 b", "PTR b", "SPF x"] {
        let line = format!("a {record}\n");
        assert_eq!(refused(&line.repeat(MAX_RECORDS + 1)).len(), 1, "{record}");
        assert!(zone(&line.repeat(MAX_RECORDS)).has("a"), "{record}");
    }
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

#[test]
fn rfc7208_s5_addresses_exchanges_and_pointers_are_answered() {
    let zone = zone(
        "$ORIGIN example.com.\n@ 300 IN A 192.0.2.1\n A 192.0.2.2\n AAAA 2001:DB8::1\n MX 10 Mail\n MX 20 mx.example.net.\n TXT \"v=spf1 mx\"\n\
         1.2.0.192.in-addr.arpa. PTR Mail.Example.COM.\nnone MX 0 .\nwww CNAME @\nonly NS ns\n",
    );
    use RecordKind::{A, Aaaa, Mx, Ptr, Txt};
    for name in ["example.com", "Example.COM.", "www.example.com"] {
        assert_eq!(zone.answer(name, A), Answer::a([[192, 0, 2, 1].into(), [192, 0, 2, 2].into()]));
        assert_eq!(zone.answer(name, Aaaa), Answer::aaaa(["2001:db8::1".parse().unwrap()]));
        assert_eq!(zone.answer(name, Mx), Answer::mx([(10, "mail.example.com"), (20, "mx.example.net")]));
        assert_eq!(zone.answer(name, Txt), Answer::txt(["v=spf1 mx"]));
        assert_eq!(zone.answer(name, Ptr), Answer::NoData);
    }
    assert_eq!(zone.answer("1.2.0.192.in-addr.arpa", Ptr), Answer::ptr(["mail.example.com"]));
    // RFC 7505: the root is no host that can be asked about.
    assert_eq!(zone.answer("none.example.com", Mx), Answer::mx([(0, "")]));
    assert_eq!(zone.answer("only.example.com", A), Answer::NoData);
    assert_eq!(zone.answer("in-addr.arpa", Ptr), Answer::NoData);
    assert_eq!(zone.answer("other.example.com", A), Answer::NxDomain);
}

#[test]
fn names_that_fail_fail_for_every_kind() {
    let zone = zone("a.example. SERVFAIL\nb.example. TIMEOUT\nc.example. CNAME a.example.\n");
    for name in ["a.example", "b.example", "c.example"] {
        for kind in [RecordKind::Txt, RecordKind::A, RecordKind::Aaaa, RecordKind::Mx, RecordKind::Ptr] {
            assert_eq!(zone.answer(name, kind), Answer::Failed, "{name} {kind}");
        }
    }
    assert_eq!(zone.follow("b.example").1, Err(Missing::Timeout));
}

#[test]
fn eight_aliases_are_followed_and_no_more() {
    let chain: String = (0..9).map(|n| format!("n{n}. CNAME n{}.\n", n + 1)).collect();
    let zone = zone(&format!("{chain}n9. TXT x\n"));
    assert_eq!(texts(&zone, "n1"), ["x"]);
    assert_eq!(zone.txt("n0"), TxtAnswer::Failed);
    let (aliases, found) = zone.follow("n1");
    assert_eq!((aliases.len(), aliases.last(), found.is_ok()), (8, Some(&"n9"), true));
}

#[test]
fn errors_of_addresses_and_exchanges_say_how_they_are_written() {
    let a = "behind A stands one IPv4 address, as `A 192.0.2.1`";
    let aaaa = "behind AAAA stands one IPv6 address, as `AAAA 2001:db8::1`";
    let mx = "behind MX stand a preference and a host, as `MX 10 mail`";
    for (line, cause) in [
        ("A", a),
        ("A 192.0.2", a),
        ("A 192.0.2.1 192.0.2.2", a),
        ("A 2001:db8::1", a),
        ("A \\255", a),
        ("AAAA 192.0.2.1", aaaa),
        ("AAAA fe80::1%eth0", aaaa),
        ("MX mail", mx),
        ("MX 10", mx),
        ("MX 10 mail other", mx),
        ("MX 65536 mail", "the preference of an MX is a number up to 65535"),
        ("MX ten mail", "the preference of an MX is a number up to 65535"),
        ("MX 10 a..b", "the name is longer than 253 octets, or a label of it is empty or longer than 63"),
        ("PTR", "a PTR has one name behind it"),
        ("PTR a b", "a PTR has one name behind it"),
        ("SPF", "the SPF record has no text"),
    ] {
        assert_eq!(refused(&format!("\nx.example. {line}\n")), [(2, cause.to_owned())], "{line}");
    }
    let found = Zone::parse(b"x A y\n", Path::new("zone.txt")).unwrap_err();
    assert!(found.iter().next().unwrap().fix.contains("NAME A 192.0.2.1"));
    assert_eq!(refused("x SERVFAIL\nx A 192.0.2.1\n").len(), 1);
}
