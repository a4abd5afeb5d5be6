//! Received fields as MTAs write them, and as their clients would like them to.

use super::*;

/// Address, HELO and protocol.
fn read(value: &str) -> Result<(String, String, String), ReceivedError> {
    client_of(value.as_bytes()).map(|from| {
        let helo = String::from_utf8(from.helo.unwrap_or_else(|| b"-".to_vec())).unwrap();
        (from.client.to_string(), helo, from.protocol.unwrap_or_else(|| "-".to_owned()))
    })
}

fn reads(value: &str, client: &str, helo: &str, protocol: &str) {
    assert_eq!(read(value), Ok((client.to_owned(), helo.to_owned(), protocol.to_owned())), "{value}");
}

fn fails(value: &str, error: ReceivedError) {
    assert_eq!(read(value), Err(error), "{value}");
}

#[test]
fn rfc5321_s4_4_fields_of_postfix() {
    reads(
        " from mail.example.org (mail.example.org [198.51.100.7])\r\n\tby mx.example.com (Postfix) with ESMTP id 4XyZ0123\r\n\tfor <jo@example.com>; Tue, 24 Nov 2026 13:00:00 +0000 (UTC)",
        "198.51.100.7",
        "mail.example.org",
        "ESMTP",
    );
    reads(
        "from laptop (unknown [IPv6:2001:db8::7])\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\n\t key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256)\n\t(Client CN \"mail (of \\\"us\\\")\", Issuer \"CA\" (verified OK))\n\tby mx.example.com (Postfix) with UTF8SMTPS id 1; now",
        "2001:db8::7",
        "laptop",
        "UTF8SMTPS",
    );
    reads(
        "from [192.168.1.5] (host.example.net [198.51.100.8]) (Authenticated sender: jo) by mx (Postfix) with ESMTPSA id 1",
        "198.51.100.8",
        "[192.168.1.5]",
        "ESMTPSA",
    );
    reads("from localhost (localhost [127.0.0.1]) by mx (Postfix) with ESMTP id 1;", "127.0.0.1", "localhost", "ESMTP");
}

#[test]
fn rfc5321_s4_4_fields_of_sendmail() {
    for comment in [
        "mail.example.org [198.51.100.7]",
        "mail.example.org [198.51.100.7] (may be forged)",
        "[198.51.100.7]",
        "[198.51.100.7] (may be forged)",
        "jo@mail.example.org [198.51.100.7]",
        "IDENT:jo@mail.example.org [198.51.100.7] (may be forged)",
        // A name that the client's own zone gives it.
        "helo [198.51.100.7] (may be forged)",
    ] {
        let field = format!(
            "from mail.example.org ({comment})\n\tby mx.example.com (8.18.1/8.18.1/Debian-6) with ESMTPS id 6AOD0; Tue"
        );
        reads(&field, "198.51.100.7", "mail.example.org", "ESMTPS");
    }
    reads("from h ([IPv6:2001:db8::7]) by mx (8.18.1) with SMTP id x;", "2001:db8::7", "h", "SMTP");
}

#[test]
fn rfc5321_s4_4_fields_of_exim() {
    let behind = "\n\tby mx.example.com with esmtps (TLS1.3) tls TLS_AES_256_GCM_SHA384\n\t(Exim 4.96)\n\t(envelope-from <jo@example.org>)\n\tid 1abc-0001\n\tfor us@example.com;\n\tTue";
    for (before, client, helo) in [
        ("mail.example.org ([198.51.100.7])", "198.51.100.7", "mail.example.org"),
        ("mail.example.org ([198.51.100.7] helo=other.example.org)", "198.51.100.7", "other.example.org"),
        ("mail.example.org ([198.51.100.7]:51234 helo=other ident=mail)", "198.51.100.7", "other"),
        ("mail.example.org ([198.51.100.7]:51234)", "198.51.100.7", "mail.example.org"),
        ("mail.example.org ([2001:db8::7] helo=[2001:db8::9])", "2001:db8::7", "[2001:db8::9]"),
        ("[198.51.100.7] (helo=mail.example.org)", "198.51.100.7", "mail.example.org"),
        ("[198.51.100.7] (port=51234 helo=[192.168.0.1])", "198.51.100.7", "[192.168.0.1]"),
        ("[2001:db8::7] (helo=a ident=b)", "2001:db8::7", "a"),
        ("[198.51.100.7] (port=51234)", "198.51.100.7", "-"),
        ("[198.51.100.7]", "198.51.100.7", "-"),
    ] {
        reads(&format!("from {before}{behind}"), client, helo, "esmtps");
    }
}

#[test]
fn rfc5321_s4_4_fields_of_exchange_and_google() {
    reads(
        "from mail.example.org (198.51.100.7) by\r\n AM1EUR02FT012.mail.protection.outlook.com (10.152.8.100) with Microsoft SMTP\r\n Server (version=TLS1_3, cipher=TLS_AES_256_GCM_SHA384) id 15.20.8158.14 via\r\n Frontend Transport; Tue",
        "198.51.100.7",
        "mail.example.org",
        "Microsoft",
    );
    reads(
        "from AM0PR01MB1.eurprd01.prod.exchangelabs.com (2603:10a6:208:1::1) by h with Microsoft SMTP Server id 15;",
        "2603:10a6:208:1::1",
        "AM0PR01MB1.eurprd01.prod.exchangelabs.com",
        "Microsoft",
    );
    reads(
        "from mail-sor-f41.google.com (mail-sor-f41.google.com. [209.85.220.41])\r\n        by mx.google.com with SMTPS id a1-2sor3\r\n        for <jo@example.com>\r\n        (Google Transport Security);\r\n        Tue",
        "209.85.220.41",
        "mail-sor-f41.google.com",
        "SMTPS",
    );
    reads(
        "from [10.0.0.1] ([198.51.100.7]) by smtp.gmail.com with ESMTPSA id x;",
        "198.51.100.7",
        "[10.0.0.1]",
        "ESMTPSA",
    );
}

#[test]
fn rfc7208_s5_a_mapped_address_is_the_one_in_it() {
    for literal in ["[::ffff:198.51.100.7]", "[IPv6:::ffff:198.51.100.7]", "[ipv6:::FFFF:c633:6407]"] {
        reads(&format!("from h ({literal}) by mx with SMTP id 1"), "198.51.100.7", "h", "SMTP");
    }
}

/// What a client can say, as Postfix writes it: spaces, parentheses, angles, quotes, `@`, `;` and `\` are "?" (`NEUTER_CHARACTERS`).
#[test]
fn s9_an_address_in_helo_is_not_the_client() {
    for helo in [
        "[192.0.2.1]",
        "[IPv6:2001:db8::1]",
        "helo=[192.0.2.1]",
        "by",
        "from",
        "with",
        "[192.0.2.1]:25",
        "[",
        "]",
        "[[192.0.2.1]]",
    ] {
        for comment in [
            "unknown [198.51.100.7]",
            "mail.example.org [198.51.100.7]",
            "[198.51.100.7]",
            "[198.51.100.7] (may be forged)",
        ] {
            reads(&format!("from {helo} ({comment}) by mx (Postfix) with SMTP id 1"), "198.51.100.7", helo, "SMTP");
        }
        // Exim with a name and without.
        reads(
            &format!("from mail ([198.51.100.7] helo={helo}) by mx with esmtp (Exim 4.96)"),
            "198.51.100.7",
            helo,
            "esmtp",
        );
        reads(
            &format!("from [198.51.100.7] (helo={helo}) by mx with esmtp (Exim 4.96)"),
            "198.51.100.7",
            helo,
            "esmtp",
        );
    }
}

#[test]
fn s9_what_can_be_read_in_two_ways_names_no_client() {
    use ReceivedError::{Ambiguous, Malformed, NoAddress};
    // Exim, where helo_accept_junk_hosts lets every text through.
    fails("from mail ([198.51.100.7] helo=x [192.0.2.1]) by mx with esmtp (Exim 4.96)", Ambiguous);
    fails("from [198.51.100.7] (helo=x [192.0.2.1]) by mx with esmtp (Exim 4.96)", Ambiguous);
    // Two answers of ident, or an ident that looks like Exim.
    fails("from [192.0.2.1] (helo=x@mail [198.51.100.7]) by mx (8.18.1) with SMTP id 1", Ambiguous);
    fails("from x (mail [192.0.2.1] [198.51.100.7]) by mx with SMTP id 1", NoAddress);
    // An MTA that writes HELO as it came.
    fails("from x (y [192.0.2.1]) by z with SMTP (mail [198.51.100.7]) by mx with SMTP id 1", Ambiguous);
    fails("from x (y [192.0.2.1]) by z from mail (mail [198.51.100.7]) by mx with SMTP id 1", Ambiguous);
    fails("from x y (mail [192.0.2.1]) by mx with SMTP id 1", Malformed);
    fails("from x (y [192.0.2.1]) z (mail [198.51.100.7]) by mx with SMTP id 1", Malformed);
    fails("from x (y [192.0.2.1]", Malformed);
    fails("from x (y [192.0.2.1])", Malformed);
    fails("from x (y [192.0.2.1]); by mx", Ambiguous);
    fails("from x) (y [192.0.2.1]) by mx", Malformed);
    // qmail writes HELO in a comment of its own.
    fails("from unknown (HELO [192.0.2.1]) (jo@198.51.100.7) by mx with SMTP", NoAddress);
    fails("from unknown (HELO mail) (jo@198.51.100.7) by mx with SMTP", NoAddress);
    fails("from unknown (HELO [192.0.2.1]) (198.51.100.7) by mx with SMTP", Ambiguous);
    fails("from unknown (HELO mail) (198.51.100.7) by mx with SMTP", Ambiguous);
    // CommuniGate.
    fails("from [198.51.100.7] (HELO [192.0.2.1]) by mx (CommuniGate Pro SMTP 6.2.15) with ESMTP id 1; d", NoAddress);
    fails("from [198.51.100.7] (EHLO [192.0.2.1]) by mx with ESMTP id 1; d", NoAddress);
    fails("from unknown (192.0.2.1) (198.51.100.7) by mx with SMTP; d", Ambiguous);
    // A literal alone is HELO, unless Exim wrote it.
    fails("from [192.0.2.1] by mx with SMTP id 1", NoAddress);
    fails("from mail by mx with esmtp (Exim 4.96) id 1", NoAddress);
}

/// What a client at 198.51.100.7 can say to an MTA that writes HELO as it comes, for SPF to see 192.0.2.1.
#[test]
fn s9_a_helo_that_looks_like_the_field_names_no_client() {
    for helo in [
        "h([192.0.2.1])by",
        "h([192.0.2.1])by;",
        "h([192.0.2.1])by\tx;",
        "h([192.0.2.1])by\tx\twith\tESMTP;",
        "h\t([192.0.2.1])\tby\tx\twith\tESMTP;",
        "h\t(x\t[192.0.2.1])\tby\tx\twith\tESMTP\tid\t1;",
        "h\r([192.0.2.1])\rby\rx;",
        "h  ([192.0.2.1]) by x;",
        "h ([192.0.2.1])by x;",
        // With spaces, as no MTA of the table writes it.
        "h ([192.0.2.1]) by",
        "h ([192.0.2.1]) by by",
        "h ([192.0.2.1]) by x",
        "h ([192.0.2.1]) by x;",
        "h (192.0.2.1) by x with SMTP id",
        "h ([192.0.2.1]) by x with ESMTP id",
        "h ([192.0.2.1]) by x with ESMTP id 1; Tue, for",
        // What hides the rest, without end and with the end that another line brings.
        "h ([192.0.2.1]) by x for <\"",
        "h ([192.0.2.1]) by x; \"",
        "h ([192.0.2.1]) by x; (",
        "h ([192.0.2.1]) by x (envelope-from <",
        "h ([192.0.2.1]) by x (envelope-from <\"",
        "h ([192.0.2.1]) by x (envelope-from <a\\",
        // An Exim without a comment.
        "[192.0.2.1]\tby\tx\t(Exim 4.96);",
        "[192.0.2.1] by x (Exim 4.96);",
        "\"h",
        "\"",
        "h\\",
    ] {
        for comment in ["evil [198.51.100.7]", "[198.51.100.7]", "198.51.100.7"] {
            for behind in
                ["", "\r\n\t(envelope-from <\"\">)", "\r\n\t(envelope-from <\"\\\"\">)\r\n\tfor <\"a)\"@example.com>"]
            {
                let value = format!(
                    " from {helo} ({comment})\r\n\tby relay.example.com (8.18.1) with ESMTP id 7{behind};\r\n\tTue, 24 Nov 2026 13:00:00 +0000 (UTC)"
                );
                let found = read(&value);
                assert!(
                    matches!(found, Err(ReceivedError::Ambiguous | ReceivedError::Malformed)),
                    "{value:?}: {found:?}"
                );
            }
        }
    }
    fails(" from h([192.0.2.1])by (evil [198.51.100.7])\r\n\tby relay with ESMTP id 1; Tue", ReceivedError::Ambiguous);
    fails(" from h([192.0.2.1])by; (evil [198.51.100.7])\r\n\tby relay with ESMTP id 1; Tue", ReceivedError::Ambiguous);
}

#[test]
fn s9_behind_by_is_a_host_and_behind_the_name_one_space_or_a_fold() {
    use ReceivedError::{Ambiguous, Malformed};
    for space in [" ", "\r\n ", "\n\t", "\r\n\t "] {
        reads(&format!("from h{space}([198.51.100.7]) by mx with SMTP"), "198.51.100.7", "h", "SMTP");
    }
    for space in ["", "\t", "  ", "\r", "\r ", " \r\n ", "\r\n\r\n ", "\r\n"] {
        fails(&format!("from h{space}([198.51.100.7]) by mx with SMTP"), Ambiguous);
    }
    for host in ["by", "from", "BY", "From mx"] {
        fails(&format!("from h ([198.51.100.7]) by {host} with SMTP"), Ambiguous);
    }
    for host in ["", ";", "(mx)", "; mx"] {
        fails(&format!("from h ([198.51.100.7]) by {host}"), Malformed);
    }
    // The addresses of the relay itself, as Exchange writes them, and what a certificate or a sender says.
    for behind in [
        "(Client CN \"x [192.0.2.1]\", Issuer \"[192.0.2.1]\" (not verified)) by mx with SMTP",
        "by mx (192.0.2.25) with SMTP",
        "by mx ([fe80::1%4]) with SMTP",
        "by mx with SMTP (envelope-from <jo@[192.0.2.1]>)",
        "by mx with SMTP for <jo@[192.0.2.25]>",
    ] {
        reads(&format!("from h ([198.51.100.7]) {behind}; Tue (UTC)"), "198.51.100.7", "h", "SMTP");
    }
    for behind in [
        "([192.0.2.1]) by mx",
        "(192.0.2.1) by mx",
        "by mx (x [192.0.2.1])",
        "by mx; ([IPv6:2001:db8::1])",
        "by mx; from",
    ] {
        fails(&format!("from h ([198.51.100.7]) {behind}"), Ambiguous);
    }
}

/// RFC 5321 §4.1.2: the local part of a sender may be a quoted string, and Exim writes it into a comment as it is.
#[test]
fn s9_a_sender_that_looks_like_the_field_takes_nothing_from_the_client() {
    for sender in [
        "\"a) from b\"@bank.example",
        "\"a) by b\"@bank.example",
        "\"a\\\") by b\"@bank.example",
        "\"a>) from b\"@bank.example",
        "\"([192.0.2.1]\"@bank.example",
        "\") ([192.0.2.1]) (\"@bank.example",
        "\" [192.0.2.1]\"@bank.example",
        "\"[192.0.2.1]\"@bank.example",
        "\"; from\"@bank.example",
        "\"a\x01 from b\"@bank.example",
        "a\\)\\ from\\ b@bank.example",
        "a\\\"@bank.example",
        "a\\>@bank.example",
        "jo@[192.0.2.1]",
        "",
    ] {
        for before in ["mail ([198.51.100.7] helo=h)", "[198.51.100.7] (helo=h)"] {
            let value = format!(
                " from {before}\r\n\tby mx.example.com with esmtp\r\n\t(Exim 4.96)\r\n\t(envelope-from <{sender}>)\r\n\tid 1abc-0001\r\n\tfor us@example.com;\r\n\tTue"
            );
            reads(&value, "198.51.100.7", "h", "esmtp");
        }
    }
}

#[test]
fn fields_without_a_client_say_why() {
    use ReceivedError::{Malformed, NoAddress, NoFrom, TooLong};
    for value in [
        "",
        " ",
        "; Tue",
        "by mx (Postfix, from userid 1000) id 1; Tue",
        "(from root@localhost) by mx (8.18.1) id 1",
        "x",
    ] {
        fails(value, NoFrom);
    }
    for comment in [
        "unknown [unknown]",
        "",
        "mail",
        "[UNIX: localhost]",
        "[fe80::1%eth0]",
        "[IPv6:192.0.2.1]",
        "[192.0.2.1",
        "192.0.2.1]",
        "[192.0.2.1]x",
        "[192.0.2.1]:",
        "[192.0.2.1]:123456",
        "[192.0.2.01]",
        "[192.0.2.256]",
        "a b c d e f g h i",
        "(192.0.2.1)",
    ] {
        fails(&format!("from h ({comment}) by mx with SMTP id 1"), NoAddress);
    }
    fails("from h\0 ([192.0.2.1]) by mx with SMTP id 1", Malformed);
    fails("from h ([192.0.2.1]\x7f) by mx with SMTP id 1", Malformed);
    fails(&format!("from {} ([192.0.2.1]) by mx", "h".repeat(MAX_RECEIVED)), TooLong);
}

#[test]
fn what_stands_far_behind_the_client_takes_nothing_from_it() {
    for behind in [
        "for <\"a b",
        "for <a(b@example.com>",
        "id )",
        "for <\"by by from\"@example.com>",
        "(never ending",
        "for <\"by\\\" from) ([192.0.2.1]\"@example.com>",
    ] {
        reads(&format!("from h ([198.51.100.7]) by mx with ESMTP {behind}"), "198.51.100.7", "h", "ESMTP");
    }
    reads("from h ([198.51.100.7]) by mx; Tue", "198.51.100.7", "h", "-");
    reads("FROM h ([198.51.100.7]) BY mx WITH e(x)smtp", "198.51.100.7", "h", "e");
    reads("from h ([198.51.100.7]) by mx with <script>", "198.51.100.7", "h", "-");
}

#[test]
fn a_value_as_long_as_may_be_is_read_and_one_of_odd_pieces_names_no_client() {
    let fill = MAX_RECEIVED - 100;
    reads(&format!("from {} ([198.51.100.7]) by mx", "h".repeat(fill)), "198.51.100.7", &"h".repeat(fill), "-");
    for text in ["(", "((", "()", "[", "\"", "x ", "(x"] {
        for before in ["", "from ", "from h ", "from h (", "from h ([192.0.2.1]", "from h ([192.0.2.1]) by mx "] {
            let value = format!("{before}{}", text.repeat(fill / text.len()));
            assert!(client_of(value.as_bytes()).is_err() || before.ends_with("mx "), "{before} {text}");
        }
    }
    // Sixteen comments within each other, and one more.
    let nested = |depth| format!("from h ([198.51.100.7] {}{}) by mx", "(".repeat(depth), ")".repeat(depth));
    reads(&nested(15), "198.51.100.7", "h", "-");
    fails(&nested(16), ReceivedError::Malformed);
}

fn postfix(client: &str) -> String {
    format!("from h (h [{client}]) by r (Postfix) with ESMTP id 1")
}

/// The sender behind the relays 192.0.2.0/24.
fn sender(fields: &[String]) -> Result<String, RelayError> {
    let ours = |address: IpAddr| address.to_string().starts_with("192.0.2.");
    sender_of(fields.iter().map(String::as_bytes), ours).map(|from| from.client.to_string())
}

#[test]
fn the_first_client_outside_is_the_sender_and_nothing_below_it_counts() {
    assert_eq!(sender(&[postfix("198.51.100.7")]).as_deref(), Ok("198.51.100.7"));
    for loopback in ["127.0.0.1", "IPv6:::1", "::ffff:127.0.0.1"] {
        let fields = ["192.0.2.1", loopback, "198.51.100.7"].map(postfix);
        assert_eq!(sender(&fields), Err(RelayError::Loopback { number: 2 }), "{loopback}");
        let found = sender_of(fields.iter().map(String::as_bytes), |address| {
            address.is_loopback() || address.to_string() == "192.0.2.1"
        });
        assert_eq!(found.unwrap().client.to_string(), "198.51.100.7");
    }
    let fields = ["192.0.2.1", "192.0.2.2", "198.51.100.7", "203.0.113.9"].map(postfix);
    assert_eq!(sender(&fields).as_deref(), Ok("198.51.100.7"));
    // What the sender wrote itself is not looked at.
    let forged = [postfix("198.51.100.7"), "from \0".to_owned(), postfix("192.0.2.9")];
    assert_eq!(sender(&forged).as_deref(), Ok("198.51.100.7"));
}

#[test]
fn relays_without_end_and_fields_that_do_not_tell_have_their_own_names() {
    assert_eq!(sender(&[]), Err(RelayError::NoOutsider));
    assert_eq!(sender(&[postfix("192.0.2.1")]), Err(RelayError::NoOutsider));
    let mut many = vec![postfix("192.0.2.1"); MAX_HOPS];
    assert_eq!(sender(&many), Err(RelayError::NoOutsider));
    many.push(postfix("198.51.100.7"));
    assert_eq!(sender(&many), Err(RelayError::TooManyHops));
    many.remove(0);
    assert_eq!(sender(&many).as_deref(), Ok("198.51.100.7"));
    let local = [postfix("192.0.2.1"), "by r (Postfix, from userid 0) id 1".to_owned(), postfix("198.51.100.7")];
    let error = sender(&local).unwrap_err();
    assert_eq!(error, RelayError::Unreadable { number: 2, cause: ReceivedError::NoFrom });
    assert_eq!(
        (error.to_string().as_str(), error.code()),
        ("Received field 2: Received field names no client", "received-unreadable")
    );
}

proptest::proptest! {
    #[test]
    fn any_bytes_give_a_result(value in proptest::collection::vec(proptest::sample::select(
        b"from by[]()19.:;=\\\" \r\n\t\0\xc3".to_vec()), 0..80))
    {
        let _ = client_of(&value);
        let _ = client_of(&[b"from ", value.as_slice()].concat());
    }
}

#[test]
fn rfc5322_s3_2_1_a_backslash_hides_no_control_character() {
    for value in [&b" from h (h\\\x00 [192.0.2.1]) by r.example; x"[..], b" from h (h\\"] {
        assert!(client_of(value).is_err(), "{}", value.escape_ascii());
    }
}
