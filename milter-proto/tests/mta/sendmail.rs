//! What Sendmail does and Postfix does not.

use milter_proto::{FrameDecoder, Profile, ReplyCode};

use super::*;

/// The packets in short: code, and for macros that of their stage.
fn codes(octets: &[u8]) -> String {
    let mut decoder = FrameDecoder::default();
    decoder.push(octets);
    let mut codes = Vec::new();
    while let Some(frame) = decoder.next_frame().unwrap() {
        let stage = if frame.code == b'D' { &frame.payload[..1] } else { b"" };
        codes.push(String::from_utf8([&[frame.code], stage].concat()).unwrap());
    }
    assert_eq!(decoder.end(), Ok(()));
    codes.join(" ")
}

/// Numbers of stages and names of macros.
type Lists<'a> = &'a [(u32, &'a [u8])];

/// A session whose filter has answered with these lists.
fn with_lists(lists: Lists<'_>, steps: Steps) -> MtaSession {
    let mut mta = MtaSession::new(MtaOptions::sendmail());
    mta.negotiate(&mut Vec::new()).unwrap();
    let answer = Answer::new(6, ALL_ACTIONS, steps).with_macro_lists(MacroLists::from(lists));
    hear(&mut mta, Reply::Negotiate(answer)).unwrap();
    mta
}

fn sendmail_at(stage: Stage) -> MtaSession {
    waiting_with(MtaOptions::sendmail(), stage, ALL_ACTIONS, Steps::NONE)
}

/// The octets of one call.
fn written(call: impl FnOnce(&mut Vec<u8>) -> Result<Sent, UsageError>) -> Vec<u8> {
    let mut out = Vec::new();
    call(&mut out).unwrap();
    out
}

/// Sends these stages and has each continued; what was written.
fn run(mta: &mut MtaSession, stages: &[Stage]) -> Vec<u8> {
    let out = &mut Vec::new();
    for stage in stages {
        let sent = match stage {
            Stage::Connect => mta.connect(b"h", Peer::Unknown, out),
            Stage::Helo => mta.helo(b"h", out),
            Stage::Mail => mta.mail(b"<a@example.test>", &[], out),
            Stage::Rcpt => mta.rcpt(b"<b@example.test>", &[], out),
            Stage::Data => mta.data(out),
            Stage::Header => mta.header(b"X", b" y", out),
            Stage::EndOfHeaders => mta.end_of_headers(out),
            Stage::Body => mta.body(b"Hello\r\n", out),
            Stage::EndOfBody => mta.end_of_body(out),
            _ => mta.unknown(b"FOO", out),
        };
        if sent.unwrap() == Sent::AwaitReply {
            hear(mta, Reply::Continue).unwrap();
        }
    }
    std::mem::take(out)
}

const SESSION: [Stage; 9] = [
    Stage::Connect,
    Stage::Helo,
    Stage::Mail,
    Stage::Rcpt,
    Stage::Data,
    Stage::Header,
    Stage::EndOfHeaders,
    Stage::Body,
    Stage::EndOfBody,
];

#[test]
fn s15_the_offer_is_that_of_postfix() {
    let offer = written(|out| MtaSession::new(MtaOptions::sendmail()).negotiate(out));
    assert_eq!(offer, b"\0\0\0\x0dO\0\0\0\x06\0\0\x01\xff\0\x1f\xff\xff");
    assert_eq!(MtaOptions::sendmail().profile, Profile::Sendmail);
}

#[test]
fn s4_an_answer_beyond_the_offer_is_refused() {
    for (version, actions, steps, violation) in [
        (7, 0, 0, Violation::Version { offered: 6, answered: 7 }),
        (1, 0, 0, Violation::Version { offered: 6, answered: 1 }),
        (6, 0x200, 0, Violation::ActionsNotOffered(Actions::from_bits(0x200))),
        (6, 0, 0x20_0000, Violation::StepsNotOffered(Steps::from_bits(0x20_0000))),
        (6, 0, 1 << 29, Violation::StepsNotOffered(Steps::DATA_1M)),
    ] {
        let mut mta = MtaSession::new(MtaOptions::sendmail());
        mta.negotiate(&mut Vec::new()).unwrap();
        let answer = Answer::new(version, Actions::from_bits(actions), Steps::from_bits(steps));
        assert_eq!(hear(&mut mta, Reply::Negotiate(answer)), Err(violation));
        assert_eq!(written(|out| mta.quit(out)), b"", "the socket is closed without QUIT");
    }
}

#[test]
fn s6_macros_come_when_sendmail_sends_them() {
    let default = "DC C DH H DM M DR R T L N B DE E";
    let none = Steps::NONE;
    let cases: &[(Lists<'_>, Steps, &str)] = &[
        (&[], none, default),
        // "before T, N when a list is set"
        (&[(4, b"i")], none, "DC C DH H DM M DR R DT T L N B DE E"),
        (&[(6, b"i"), (5, b"i")], none, "DC C DH H DM M DR R T L DN N B DE E"),
        // An empty list has no packet, with Postfix it has an empty one.
        (&[(0, b""), (1, b" , "), (3, b"")], none, "C H DM M R T L N B DE E"),
        // §4.4: with a list of end of headers alone there is none for end of message.
        (&[(6, b"i")], none, "DC C DH H DM M DR R T L DN N B E"),
        // Masked events keep their macros, but for end of headers.
        (&[(4, b"i"), (5, b"i"), (6, b"i")], Steps::NO_DATA | Steps::NO_HELO, "DC C DH DM M DR R DT L DN N B DE E"),
        (&[(5, b"i"), (6, b"i")], Steps::NO_END_OF_HEADERS, "DC C DH H DM M DR R T L B DE E"),
        // What follows a number of no stage is not read.
        (&[(4, b"i"), (7, b"i"), (0, b"")], none, "DC C DH H DM M DR R DT T L N B DE E"),
    ];
    for (lists, steps, expected) in cases {
        let mut mta = with_lists(lists, *steps);
        assert_eq!(codes(&run(&mut mta, &SESSION)), *expected, "{lists:?}");
    }
}

#[test]
fn s4_the_list_of_end_of_message_needs_one_of_end_of_headers() {
    let lists: [Lists<'_>; 3] = [&[(5, b"i {x}")], &[(5, b"i,{x}"), (6, b"i")], &[(6, b"i"), (5, b"")]];
    let packets: [&[u8]; 3] = [b"\0\0\0\x0fDE{msg_id}\0<1>\0", b"\0\0\0\x0dDEi\0Q1\0{x}\0y\0", b""];
    for (lists, expected) in lists.into_iter().zip(packets) {
        let mut mta = with_lists(lists, Steps::NONE);
        for (name, value) in [("i", "Q1"), ("{x}", "y"), ("msg_id", "<1>")] {
            mta.set_macro(name, Some(value.as_bytes()));
        }
        run(&mut mta, &SESSION[..8]);
        let end = written(|out| mta.end_of_body(out));
        assert_eq!(end.strip_suffix(b"\0\0\0\x01E").unwrap(), expected, "{lists:?}");
    }
}

#[test]
fn s4_of_a_list_sendmail_takes_fifty_names() {
    let list = vec!["i"; 60].join(" ");
    let mut mta = with_lists(&[(2, list.as_bytes())], Steps::NONE);
    mta.set_macro("i", Some(b"Q"));
    let mail = run(&mut mta, &SESSION[..3]);
    assert_eq!(mail.windows(4).filter(|pair| pair == b"i\0Q\0").count(), 50);
}

#[test]
fn s6_hosts_end_in_a_dot() {
    for (value, sent) in [
        ("example.test", "example.test."),
        ("example.test.", "example.test."),
        ("[192.0.2.1]", "[192.0.2.1]"),
        ("", ""),
    ] {
        let mut mta = with_lists(&[(3, b"{rcpt_host}"), (2, b"mail_host j")], Steps::NONE);
        for name in ["{mail_host}", "rcpt_host", "j"] {
            mta.set_macro(name, Some(value.as_bytes()));
        }
        let octets = String::from_utf8(run(&mut mta, &SESSION[..4])).unwrap();
        assert!(octets.contains(&format!("DMmail_host\0{sent}\0j\0{value}\0")), "{octets:?}");
        assert!(octets.contains(&format!("DR{{rcpt_host}}\0{sent}\0")), "{octets:?}");
    }
}

#[test]
fn s8_13_the_message_id_that_is_added_is_told_by_its_macro() {
    let mut options = MtaOptions::sendmail();
    options.added_fields = vec![(b"Message-Id".to_vec(), b" <made@mx>".to_vec())];
    for (field, set, expected) in
        [(&b"X"[..], None, "<made@mx>"), (b"message-ID", None, "<theirs@client>"), (b"X", Some(&b"<set>"[..]), "<set>")]
    {
        let mut mta = negotiated(options.clone(), ALL_ACTIONS, Steps::NONE);
        run(&mut mta, &SESSION[..5]);
        mta.set_macro("msg_id", set);
        mta.header(field, b" <theirs@client>", &mut Vec::new()).unwrap();
        hear(&mut mta, Reply::Continue).unwrap();
        run(&mut mta, &[Stage::EndOfHeaders]);
        let end = String::from_utf8(written(|out| mta.end_of_body(out))).unwrap();
        assert!(end.contains(&format!("DE{{msg_id}}\0{expected}\0")), "{end:?}");
    }
}

#[test]
fn s7_the_address_of_a_client_is_spelled_as_sendmail_does() {
    let inet6 = |address| Peer::Inet6 { address, port: 25 };
    for (peer, expected) in [
        (inet6(b"2001:db8::1"), &b"h\x006\0\x19IPv6:2001:db8::1\0"[..]),
        (inet6(b"IPv6:2001:db8::1"), b"h\x006\0\x19IPv6:2001:db8::1\0"),
        (inet6(b"ipv6:::1"), b"h\x006\0\x19ipv6:::1\0"),
        (inet6(b"::ffff:192.0.2.1"), b"h\x004\0\x19192.0.2.1\0"),
        (Peer::Inet { address: b"192.0.2.1", port: 25 }, b"h\x004\0\x19192.0.2.1\0"),
        (Peer::Unix { path: b"/run/x", port: 0 }, b"h\0L\0\0/run/x\0"),
        (Peer::Unknown, b"h\0U"),
    ] {
        for (options, same) in [(MtaOptions::sendmail(), false), (MtaOptions::default(), true)] {
            let mut mta = negotiated(options, ALL_ACTIONS, Steps::NONE);
            let octets = written(|out| mta.connect(b"h", peer, out));
            let verbatim = octets.ends_with(&[b"h\0", &encoded(peer)[..]].concat());
            assert!(if same { verbatim } else { octets.ends_with(expected) }, "{peer:?} {octets:?}");
        }
    }
}

/// Family, port and address on the wire.
fn encoded(peer: Peer<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    milter_proto::Command::Connect { hostname: b"", peer }.encode(&mut out).unwrap();
    out.split_off(6)
}

#[test]
fn s5_abort_only_for_a_message_that_was_begun_and_not_ended() {
    // A decision at a stage, and what RSET (`end_message`) and the next MAIL write after it.
    let cases = [
        (Stage::Mail, Reply::Continue, "A", "DM M"),
        (Stage::Mail, Reply::Reject, "", "DM M"),
        (Stage::Mail, Reply::Accept, "", "DM M"),
        (Stage::Rcpt, Reply::Reject, "A", "DM M"),
        (Stage::Rcpt, Reply::Discard, "A", "DM M"),
        (Stage::Data, Reply::TempFail, "A", "DM M"),
        (Stage::Data, Reply::Accept, "", "DM M"),
        (Stage::Header, Reply::Continue, "A", "DM M"),
        (Stage::Header, Reply::Reject, "", "DM M"),
        (Stage::EndOfHeaders, Reply::Discard, "", "DM M"),
        (Stage::Body, Reply::TempFail, "", "DM M"),
        (Stage::EndOfBody, Reply::Continue, "", "DM M"),
        (Stage::EndOfBody, Reply::Reject, "", "DM M"),
    ];
    for (stage, reply, reset, mail) in cases {
        let mut mta = sendmail_at(stage);
        hear(&mut mta, reply).unwrap();
        let mut without_reset = mta.clone();
        assert_eq!(codes(&written(|out| mta.end_message(out))), reset, "{stage} {reply:?}");
        assert_eq!(codes(&written(|out| mta.end_message(out))), "", "once");
        assert_eq!(codes(&run(&mut mta, &[Stage::Mail])), mail, "{stage} {reply:?}");
        // Without RSET, MAIL and HELO write the ABORT themselves.
        let expected = if reset.is_empty() { mail.to_owned() } else { format!("{reset} {mail}") };
        let mut at_helo = without_reset.clone();
        assert_eq!(codes(&run(&mut without_reset, &[Stage::Mail])), expected, "{stage} {reply:?}");
        assert_eq!(codes(&run(&mut at_helo, &[Stage::Helo])), expected.replace('M', "H"), "{stage} {reply:?}");
    }
}

#[test]
fn a_filter_that_does_not_answer_mail_has_a_message_only_with_its_content() {
    for (steps, after_rcpt, after_header) in [(Steps::NO_REPLY_MAIL, "", "A"), (Steps::NO_MAIL, "", "A")] {
        let mut mta = negotiated(MtaOptions::sendmail(), ALL_ACTIONS, steps);
        run(&mut mta, &SESSION[..4]);
        assert_eq!(codes(&written(|out| mta.clone().end_message(out))), after_rcpt);
        run(&mut mta, &SESSION[4..6]);
        assert_eq!(codes(&written(|out| mta.end_message(out))), after_header);
    }
}

#[test]
fn s5_messages_follow_each_other_without_abort() {
    let mut mta = negotiated(MtaOptions::sendmail(), ALL_ACTIONS, Steps::NONE);
    let out = run(&mut mta, &[&SESSION[..], &SESSION[2..]].concat());
    let message = "DM M DR R T L N B DE E";
    assert_eq!(codes(&out), format!("DC C DH H {message} {message}"));
    assert_eq!(codes(&written(|out| mta.quit(out))), "Q");
}

#[test]
fn s2_no_unknown_command_is_sent_after_a_finished_message() {
    let mut mta = negotiated(MtaOptions::sendmail(), ALL_ACTIONS, Steps::NONE);
    run(&mut mta, &SESSION[..2]);
    assert_eq!(codes(&run(&mut mta, &[Stage::Unknown])), "U", "and no macros before it");
    run(&mut mta, &SESSION[2..]);
    assert_eq!(codes(&run(&mut mta, &[Stage::Unknown])), "");
    assert_eq!(codes(&run(&mut mta, &[Stage::Helo, Stage::Unknown])), "DH H U");
}

#[test]
fn s9_at_connect_and_helo_the_class_counts_and_quit_follows() {
    let code = |text| Reply::ReplyCode(text);
    let text = ReplyCode::parse(b"550 5.7.1 no").unwrap();
    for (stage, reply, decision) in [
        (Stage::Connect, Reply::Accept, Decision::Accept),
        (Stage::Connect, Reply::Reject, Decision::Reject),
        (Stage::Connect, code(b"421 4.7.0 bye"), Decision::Shutdown),
        (Stage::Connect, code(b"451 4.7.1 later"), Decision::TempFail),
        (Stage::Connect, code(b"550 5.7.1 no"), Decision::Reject),
        (Stage::Connect, code(b"250 ok"), Decision::Reject),
        (Stage::Helo, code(b"550 5.7.1 no"), Decision::ReplyCode(text)),
        (Stage::Helo, Reply::TempFail, Decision::TempFail),
    ] {
        let mut mta = sendmail_at(stage);
        assert_eq!(hear(&mut mta, reply).unwrap(), format!("{:?}", Heard::Decision(decision)), "{stage}");
        assert!(mta.is_over());
        assert_eq!(run(&mut mta, &[Stage::Helo]), b"");
        assert_eq!(codes(&written(|out| mta.quit(out))), "Q");
        assert_eq!(codes(&written(|out| mta.quit(out))), "", "once");
    }
    // Postfix closes at once.
    let mut mta = waiting_at(Stage::Connect, ALL_ACTIONS, Steps::NONE);
    hear(&mut mta, Reply::Reject).unwrap();
    assert_eq!(written(|out| mta.quit(out)), b"");
}

#[test]
fn s3_discard_outside_a_message_costs_the_filter_at_connect_only() {
    for (stage, violation) in [(Stage::Connect, Violation::DiscardAtConnect), (Stage::Helo, Violation::DiscardIgnored)]
    {
        let mut mta = sendmail_at(stage);
        assert_eq!(hear(&mut mta, Reply::Discard), Err(violation));
        assert_eq!(mta.is_over(), violation.is_fatal());
        assert_eq!(codes(&written(|out| mta.quit(out))), "Q");
    }
}

#[test]
fn s3_progress_shutdown_and_skip_where_sendmail_knows_them() {
    let stages = [Stage::Connect, Stage::Mail, Stage::Rcpt, Stage::Header, Stage::Body, Stage::EndOfBody];
    for stage in stages {
        for (reply, is_known) in [
            (Reply::Progress, stage == Stage::EndOfBody),
            (Reply::Shutdown, false),
            (Reply::Skip, stage == Stage::Body),
        ] {
            let mut mta = waiting_with(MtaOptions::sendmail(), stage, ALL_ACTIONS, Steps::SKIP);
            let heard = hear(&mut mta, reply);
            if is_known {
                assert!(heard.is_ok(), "{stage} {reply:?}: {heard:?}");
            } else {
                assert_eq!(heard, Err(Violation::Unexpected { code: reply.code() }), "{stage}");
                assert_eq!(written(|out| mta.quit(out)), b"");
            }
        }
    }
}

#[test]
fn s9_bad_text_is_replaced_by_the_standard_reply() {
    let replaced = |at, error| Some((at, Violation::ReplyCode(error)));
    let helo: &[u8] = b"550 Command rejected";
    let early: &[u8] = b"550 5.7.1 Command rejected";
    let late: &[u8] = b"554 5.7.1 Command rejected";
    type Replaced<'a> = Option<(&'a [u8], Violation)>;
    let cases: &[(Stage, &[u8], Replaced<'_>)] = &[
        (Stage::Rcpt, b"550 5.7.1 fine 100%%\0", None),
        (Stage::EndOfBody, b"550-5.7.1 a\r\n550 5.7.1 b\0", None),
        (Stage::EndOfBody, b"550 5.7.1 100% bad 50%% sure\0", replaced(late, ReplyCodeError::Percent { at: 13 })),
        (Stage::EndOfBody, b"250 2.0.0 ok\0", replaced(late, ReplyCodeError::Class { at: 0 })),
        (Stage::Body, b"250 2.0.0 ok\0", replaced(late, ReplyCodeError::Class { at: 0 })),
        (Stage::Mail, b"x50 no\0", replaced(early, ReplyCodeError::NoCode { at: 0 })),
        (Stage::Rcpt, b"55\0", replaced(early, ReplyCodeError::NoCode { at: 0 })),
        (Stage::Data, b"\0", replaced(early, ReplyCodeError::NoCode { at: 0 })),
        (Stage::Helo, b"550 5.7.1 %\0", replaced(helo, ReplyCodeError::Percent { at: 10 })),
        // A percent sign voids a text that would otherwise break the dialogue.
        (Stage::Rcpt, b"550 a\nb 5%\0", replaced(early, ReplyCodeError::NotPrintable { at: 5 })),
    ];
    for (stage, text, expected) in cases {
        let mut mta = sendmail_at(*stage);
        let own = text.strip_suffix(b"\0").unwrap();
        let (shown, reason) = expected.map_or((own, None), |(standard, reason)| (standard, Some(reason)));
        let decision = Decision::ReplyCode(ReplyCode::parse(shown).unwrap());
        let heard = hear_raw(&mut mta, b'y', text).unwrap();
        assert_eq!(heard, format!("{:?}", Heard::Decision(decision)), "{stage}");
        assert_eq!(mta.replaced_reply(), reason, "{stage}");
    }
    // "no NUL": replaced by Sendmail, while Postfix reads beyond the packet.
    for text in [&b"550 5.7.1 no nul"[..], b"550 5.7.1 a\0b\0", b""] {
        let mut mta = sendmail_at(Stage::EndOfBody);
        let standard = Decision::ReplyCode(ReplyCode::parse(late).unwrap());
        assert_eq!(hear_raw(&mut mta, b'y', text).unwrap(), format!("{:?}", Heard::Decision(standard)));
        assert!(matches!(mta.replaced_reply(), Some(Violation::Malformed(_))));
    }
}

#[test]
fn s9_text_that_would_break_the_dialogue_is_a_violation_with_sendmail_too() {
    for (text, error) in [
        (&b"550 a\nb\0"[..], ReplyCodeError::NotPrintable { at: 5 }),
        (b"550 a\r\n\0", ReplyCodeError::Continuation { at: 0 }),
        (b"550-a\r\n551 b\0", ReplyCodeError::CodesDiffer { at: 7 }),
    ] {
        let mut mta = sendmail_at(Stage::Rcpt);
        assert_eq!(hear_raw(&mut mta, b'y', text), Err(Violation::ReplyCode(error)));
        assert_eq!(mta.replaced_reply(), None);
    }
}

#[test]
fn s1_a_packet_above_the_cap_is_not_sent() {
    for (bit, cap) in [(0, 65_535), (1 << 28, 262_143), (1 << 29, 1_048_575)] {
        let mut options = MtaOptions::sendmail();
        options.offer.steps = Steps::from_bits(options.offer.steps.bits() | bit);
        let mut mta = negotiated(options, ALL_ACTIONS, Steps::from_bits(bit | Steps::LEADING_SPACE.bits()));
        run(&mut mta, &SESSION[..5]);
        assert_eq!(mta.max_data(), cap);
        let out = &mut Vec::new();
        // Name, value and their NULs.
        let value = vec![b'x'; cap - 2];
        assert_eq!(mta.header(b"X", &value, out), Err(UsageError::TooLong(cap + 1)));
        assert!(out.is_empty() && mta.message().fields().is_empty());
        assert_eq!(mta.header(b"X", &value[1..], out), Ok(Sent::AwaitReply));
        assert_eq!(out.len(), cap + 5);
        hear(&mut mta, Reply::Continue).unwrap();
        run(&mut mta, &[Stage::EndOfHeaders]);
        let body = vec![b'x'; cap + 1];
        for call in [MtaSession::body, MtaSession::end_of_body_with] {
            assert_eq!(call(&mut mta, &body, out), Err(UsageError::TooLong(cap + 1)));
        }
        assert_eq!(mta.body(&body[1..], out), Ok(Sent::AwaitReply));
    }
    // A macro that is too long keeps its command back as well.
    let mut mta = negotiated(MtaOptions::sendmail(), ALL_ACTIONS, Steps::NONE);
    run(&mut mta, &SESSION[..2]);
    mta.set_macro("i", Some(&[b'x'; 65_535]));
    let out = &mut Vec::new();
    assert_eq!(mta.mail(b"<a>", &[], out), Err(UsageError::TooLong(65_539)));
    assert!(out.is_empty());
}

#[test]
fn s2_a_last_piece_of_the_body_in_end_of_message() {
    for (steps, expected) in [(Steps::NONE, &b"\0\0\0\x06Etail\n"[..]), (Steps::NO_BODY, b"\0\0\0\x01E")] {
        let mut mta = negotiated(MtaOptions::sendmail(), ALL_ACTIONS, steps);
        run(&mut mta, &SESSION[..7]);
        let out = written(|out| mta.end_of_body_with(b"tail\n", out));
        assert_eq!(out.strip_prefix(b"\0\0\0\x02DE"), Some(expected));
    }
    // After SKIP the filter does not get the tail either.
    let mut mta = waiting_with(MtaOptions::sendmail(), Stage::Body, ALL_ACTIONS, Steps::SKIP);
    hear(&mut mta, Reply::Skip).unwrap();
    assert!(written(|out| mta.end_of_body_with(b"tail\n", out)).ends_with(b"\0\0\0\x01E"));
    // Postfix never does this.
    let mut mta = waiting_at(Stage::Body, ALL_ACTIONS, Steps::NONE);
    hear(&mut mta, Reply::Continue).unwrap();
    let out = &mut Vec::new();
    let not_allowed = UsageError::NotAllowed(Waiting::Event(Stage::EndOfBody));
    assert_eq!(mta.end_of_body_with(b"tail", out), Err(not_allowed));
    assert_eq!(mta.end_of_body(out), Ok(Sent::AwaitReply));
}

#[test]
fn s10_the_body_may_be_replaced_in_two_runs() {
    let mut mta = sendmail_at(Stage::EndOfBody);
    for modification in [
        Modification::ReplaceBody(b"a"),
        Modification::AddHeader { name: b"X", value: b" y" },
        Modification::ReplaceBody(b"b"),
    ] {
        hear(&mut mta, Reply::Modify(modification)).unwrap();
    }
    assert_eq!(mta.message().new_body(), Some(&b"ab"[..]));
}

#[test]
fn sendmail_never_says_quit_nc() {
    let mut mta = negotiated(MtaOptions::sendmail(), ALL_ACTIONS, Steps::NONE);
    run(&mut mta, &SESSION);
    assert_eq!(mta.quit_new_connection(&mut Vec::new()), Ok(Sent::NotSent));
    assert_eq!(codes(&written(|out| mta.quit(out))), "Q");
}

#[test]
fn s8_a_field_is_not_cut_and_its_leading_space_is_as_agreed() {
    let mut mta = negotiated(MtaOptions::sendmail(), ALL_ACTIONS, Steps::NONE);
    run(&mut mta, &SESSION[..5]);
    let value = [b" ", &[b'x'; 65_000][..]].concat();
    let out = written(|out| mta.header(b"Subject ", &value, out));
    assert_eq!(out.len(), 5 + "Subject\0".len() + 65_000 + 1);
    assert_eq!(mta.message().fields()[0].value, value);
}
