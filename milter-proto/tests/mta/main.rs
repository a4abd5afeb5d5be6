//! The MTA's end against a filter that sends what it likes: every mistake is a value, and callers' mistakes write nothing.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail by panicking")]

use milter_proto::flags::{Actions, Steps};
use milter_proto::{
    Answer, Decision, Frame, Heard, MacroLists, Modification, MtaOptions, MtaSession, Peer, Reply, ReplyCodeError,
    Sent, Stage, UsageError, Violation, Waiting,
};
use proptest::prelude::*;

mod sendmail;

const ALL_ACTIONS: Actions = Actions::ALL;

/// A session whose filter has answered.
fn negotiated(options: MtaOptions, actions: Actions, steps: Steps) -> MtaSession {
    let version = options.offer.version;
    let mut mta = MtaSession::new(options);
    mta.negotiate(&mut Vec::new()).unwrap();
    hear(&mut mta, Reply::Negotiate(Answer::new(version, actions, steps))).unwrap();
    mta
}

fn hear(mta: &mut MtaSession, reply: Reply<'_>) -> Result<String, Violation> {
    let mut octets = Vec::new();
    reply.encode(&mut octets).unwrap();
    hear_raw(mta, octets[4], &octets[5..])
}

fn hear_raw(mta: &mut MtaSession, code: u8, payload: &[u8]) -> Result<String, Violation> {
    mta.receive(Frame { code, payload }).map(|heard| format!("{heard:?}"))
}

fn send(mta: &mut MtaSession, stage: Stage) -> Sent {
    let out = &mut Vec::new();
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
    sent.unwrap()
}

/// A session that waits for the reply of a stage, with everything before it continued.
fn waiting_at(stage: Stage, actions: Actions, steps: Steps) -> MtaSession {
    waiting_with(MtaOptions::default(), stage, actions, steps)
}

fn waiting_with(options: MtaOptions, stage: Stage, actions: Actions, steps: Steps) -> MtaSession {
    let mut mta = negotiated(options, actions, steps);
    for before in Stage::ALL.iter().copied().filter(|before| (Stage::Connect..=stage).contains(before)) {
        assert_eq!(send(&mut mta, before), Sent::AwaitReply);
        if before != stage {
            hear(&mut mta, Reply::Continue).unwrap();
        }
    }
    mta
}

fn at_end(actions: Actions) -> MtaSession {
    waiting_at(Stage::EndOfBody, actions, Steps::NONE)
}

#[test]
fn s4_an_answer_outside_the_offer_is_a_violation() {
    for (version, actions, steps, violation) in [
        (7, 0, 0, Violation::Version { offered: 6, answered: 7 }),
        (1, 0, 0, Violation::Version { offered: 6, answered: 1 }),
        (6, 0x200, 0, Violation::ActionsNotOffered(Actions::from_bits(0x200))),
        (6, 0, 1 << 28, Violation::StepsNotOffered(Steps::DATA_256K)),
    ] {
        let mut mta = MtaSession::new(MtaOptions::default());
        mta.negotiate(&mut Vec::new()).unwrap();
        let answer = Answer::new(version, Actions::from_bits(actions), Steps::from_bits(steps));
        assert_eq!(hear(&mut mta, Reply::Negotiate(answer)), Err(violation));
        assert!(mta.is_over());
        assert_eq!(send(&mut mta, Stage::Connect), Sent::NotSent);
    }
}

#[test]
fn s4_macro_lists_need_their_action_in_the_offer() {
    let mut options = MtaOptions::default();
    options.offer.actions = ALL_ACTIONS.without(Actions::SET_MACRO_LIST);
    let mut mta = MtaSession::new(options);
    mta.negotiate(&mut Vec::new()).unwrap();
    let lists: [(u32, &[u8]); 1] = [(5, b"i")];
    let answer = Answer::new(6, Actions::NONE, Steps::NONE).with_macro_lists(MacroLists::from(&lists[..]));
    assert_eq!(hear(&mut mta, Reply::Negotiate(answer)), Err(Violation::MacroListsNotOffered));
}

#[test]
fn s3_modifications_outside_end_of_message_are_violations() {
    let edit = Reply::Modify(Modification::AddHeader { name: b"X", value: b" y" });
    for stage in [Stage::Connect, Stage::Mail, Stage::Rcpt, Stage::Header, Stage::Body] {
        let mut mta = waiting_at(stage, ALL_ACTIONS, Steps::NONE);
        assert_eq!(hear(&mut mta, edit), Err(Violation::Unexpected { code: b'h' }), "{stage}");
        assert!(mta.is_over());
    }
}

#[test]
fn s3_modifications_that_were_not_negotiated_are_violations() {
    let mut mta = at_end(ALL_ACTIONS.without(Actions::CHANGE_HEADERS));
    let edit = Modification::ChangeHeader { index: 1, name: b"X", value: b"" };
    let violation = Violation::ActionNotNegotiated(Actions::CHANGE_HEADERS);
    assert_eq!(hear(&mut mta, Reply::Modify(edit)), Err(violation));
}

#[test]
fn s3_a_reply_nobody_waits_for_is_a_violation() {
    let mut mta = negotiated(MtaOptions::default(), ALL_ACTIONS, Steps::NO_REPLY_CONNECT);
    assert_eq!(send(&mut mta, Stage::Connect), Sent::NoReply);
    assert_eq!(hear(&mut mta, Reply::Continue), Err(Violation::Unexpected { code: b'c' }));
    assert_eq!(hear(&mut mta, Reply::Continue), Err(Violation::Closed));
}

#[test]
fn s3_data_after_a_reply_that_takes_none_is_a_violation() {
    let mut mta = waiting_at(Stage::Mail, ALL_ACTIONS, Steps::NONE);
    assert!(matches!(hear_raw(&mut mta, b'c', b"x"), Err(Violation::Malformed(_))));
    assert!(mta.is_over());
}

#[test]
fn s3_connection_failure_and_a_second_answer_are_violations() {
    for reply in [Reply::ConnFail, Reply::Negotiate(Answer::new(6, Actions::NONE, Steps::NONE))] {
        let mut mta = waiting_at(Stage::Mail, ALL_ACTIONS, Steps::NONE);
        assert_eq!(hear(&mut mta, reply), Err(Violation::Unexpected { code: reply.code() }));
    }
    let mut mta = MtaSession::new(MtaOptions::default());
    mta.negotiate(&mut Vec::new()).unwrap();
    assert_eq!(hear(&mut mta, Reply::Continue), Err(Violation::Unexpected { code: b'c' }));
}

#[test]
fn s3_discard_outside_a_message_is_ignored_and_reported() {
    let mut mta = waiting_at(Stage::Helo, ALL_ACTIONS, Steps::NONE);
    let violation = hear(&mut mta, Reply::Discard).unwrap_err();
    assert_eq!((violation, violation.is_fatal()), (Violation::DiscardIgnored, false));
    assert_eq!(send(&mut mta, Stage::Mail), Sent::AwaitReply);
}

#[test]
fn s3_skip_needs_its_agreement_and_a_repeatable_event() {
    let mut mta = waiting_at(Stage::Body, ALL_ACTIONS, Steps::NONE);
    assert_eq!(hear(&mut mta, Reply::Skip), Err(Violation::SkipNotNegotiated));
    let mut mta = waiting_at(Stage::Data, ALL_ACTIONS, Steps::SKIP);
    assert_eq!(hear(&mut mta, Reply::Skip), Err(Violation::Unexpected { code: b's' }));
    let mut mta = waiting_at(Stage::Header, ALL_ACTIONS, Steps::SKIP);
    assert_eq!(hear(&mut mta, Reply::Skip).unwrap(), "Decision(Skip)");
    assert_eq!(send(&mut mta, Stage::Header), Sent::NotSent);
    assert_eq!(send(&mut mta, Stage::EndOfHeaders), Sent::AwaitReply);
}

#[test]
fn s9_reply_codes_that_postfix_does_not_pass_on_are_violations() {
    for (text, error) in [
        (&b"250 ok\0"[..], ReplyCodeError::Class { at: 0 }),
        (b"550 off 100% bad\0", ReplyCodeError::Percent { at: 11 }),
        (b"550 100 times\0", ReplyCodeError::OtherClass { at: 0 }),
        (b"550 a\nb\0", ReplyCodeError::NotPrintable { at: 5 }),
        (b"550 a\r\n\0", ReplyCodeError::Continuation { at: 0 }),
    ] {
        let mut mta = waiting_at(Stage::Rcpt, ALL_ACTIONS, Steps::NONE);
        assert_eq!(hear_raw(&mut mta, b'y', text), Err(Violation::ReplyCode(error)));
    }
    let mut mta = waiting_at(Stage::Rcpt, ALL_ACTIONS, Steps::NONE);
    assert!(matches!(hear_raw(&mut mta, b'y', b"550 no nul"), Err(Violation::Malformed(_))));
}

#[test]
fn s10_body_replacement_is_one_run() {
    let mut mta = at_end(ALL_ACTIONS);
    for modification in [
        Modification::ReplaceBody(b"a"),
        Modification::ReplaceBody(b""),
        Modification::AddHeader { name: b"X", value: b" y" },
    ] {
        hear(&mut mta, Reply::Modify(modification)).unwrap();
    }
    let resumed = hear(&mut mta, Reply::Modify(Modification::ReplaceBody(b"b")));
    assert_eq!(resumed, Err(Violation::BodyReplacementResumed));
}

#[test]
fn s8_8_a_header_change_without_a_name_is_a_violation() {
    for modification in [
        Modification::ChangeHeader { index: 1, name: b"", value: b"x" },
        Modification::InsertHeader { index: 1, name: b"", value: b"x" },
    ] {
        let mut mta = at_end(ALL_ACTIONS);
        assert_eq!(hear(&mut mta, Reply::Modify(modification)), Err(Violation::EmptyHeaderName));
    }
}

#[test]
fn a_filter_cannot_make_the_message_grow_without_end() {
    let mut options = MtaOptions::default();
    options.max_modifications = 3;
    let mut mta = waiting_with(options, Stage::EndOfBody, ALL_ACTIONS, Steps::NONE);
    let edit = Reply::Modify(Modification::AddHeader { name: b"X", value: b" y" });
    for _ in 0..3 {
        hear(&mut mta, edit).unwrap();
    }
    assert_eq!(hear(&mut mta, edit), Err(Violation::TooMuch));

    let mut options = MtaOptions::default();
    options.max_modified_octets = 100;
    let mut mta = waiting_with(options, Stage::EndOfBody, ALL_ACTIONS, Steps::NONE);
    let piece = Reply::Modify(Modification::ReplaceBody(&[b'x'; 60]));
    hear(&mut mta, piece).unwrap();
    assert_eq!(hear(&mut mta, piece), Err(Violation::TooMuch));
}

#[test]
fn s3_progress_is_no_decision() {
    for stage in [Stage::Mail, Stage::EndOfBody] {
        let mut mta = waiting_at(stage, ALL_ACTIONS, Steps::NONE);
        for _ in 0..3 {
            assert_eq!(hear(&mut mta, Reply::Progress).unwrap(), "Progress");
        }
        assert_eq!(mta.awaiting(), Some(Waiting::Event(stage)));
        hear(&mut mta, Reply::Continue).unwrap();
        assert_eq!(mta.awaiting(), None);
    }
}

#[test]
fn s6_masked_events_are_not_sent_but_their_macros_are() {
    let mut mta = negotiated(MtaOptions::default(), ALL_ACTIONS, Steps::NO_HELO);
    mta.set_macro("{tls_version}", Some(b"TLSv1.3"));
    send(&mut mta, Stage::Connect);
    hear(&mut mta, Reply::Continue).unwrap();
    let mut out = Vec::new();
    assert_eq!(mta.helo(b"h", &mut out), Ok(Sent::NotSent));
    assert_eq!(out, b"\0\0\0\x18DH{tls_version}\0TLSv1.3\0");
}

#[test]
fn callers_mistakes_write_nothing() {
    let out = &mut Vec::new();
    let mut mta = MtaSession::new(MtaOptions::default());
    let early = Err(UsageError::OutOfOrder(Waiting::Event(Stage::Helo)));
    assert_eq!(mta.helo(b"h", out), early);
    assert_eq!(mta.quit(out), Err(UsageError::OutOfOrder(Waiting::Negotiation)));
    assert!(out.is_empty());

    let mut mta = waiting_at(Stage::Mail, ALL_ACTIONS, Steps::NONE);
    let waiting = UsageError::AwaitingReply(Waiting::Event(Stage::Mail));
    assert_eq!(mta.rcpt(b"<b>", &[], out), Err(waiting));
    assert_eq!(mta.end_message(out), Err(waiting));
    hear(&mut mta, Reply::Continue).unwrap();
    for (result, stage) in [(mta.mail(b"<>", &[], out), Stage::Mail), (mta.helo(b"h", out), Stage::Helo)] {
        assert_eq!(result, Err(UsageError::OutOfOrder(Waiting::Event(stage))), "a message is open");
    }
    assert_eq!(mta.body(&[0; 65_536], out), Err(UsageError::TooLong(65_536)));
    assert!(matches!(mta.rcpt(b"<b\0>", &[], out), Err(UsageError::Encode(_))));
    assert!(out.is_empty());
    assert_eq!(send(&mut mta, Stage::Rcpt), Sent::AwaitReply);
}

#[test]
fn decisions_are_reported_as_they_were_given() {
    for (reply, decision) in [
        (Reply::Accept, Decision::Accept),
        (Reply::Reject, Decision::Reject),
        (Reply::TempFail, Decision::TempFail),
        (Reply::Discard, Decision::Discard),
        (Reply::Shutdown, Decision::Shutdown),
        (Reply::Continue, Decision::Continue),
    ] {
        let mut mta = at_end(ALL_ACTIONS);
        assert_eq!(hear(&mut mta, reply).unwrap(), format!("{:?}", Heard::Decision(decision.clone())));
        assert_eq!(mta.is_over(), decision == Decision::Shutdown);
    }
}

proptest! {
    /// Any octets from a filter at end of message: values, and a message within the limits.
    #[test]
    fn whatever_a_filter_sends_is_a_value(
        is_sendmail: bool,
        frames in proptest::collection::vec(
            (
                proptest::sample::select(&b"himb+2-eqpcartdyf4sOl?"[..]),
                proptest::collection::vec(prop_oneof![Just(0u8), Just(1), Just(b'X'), any::<u8>()], 0..20),
            ),
            0..30,
        ),
    ) {
        let options = if is_sendmail { MtaOptions::sendmail() } else { MtaOptions::default() };
        let mut mta = waiting_with(options, Stage::EndOfBody, ALL_ACTIONS, Steps::NONE);
        let mut given_up = false;
        for (code, payload) in &frames {
            match mta.receive(Frame { code: *code, payload }) {
                Ok(_) => prop_assert!(!given_up),
                Err(violation) => given_up |= violation.is_fatal(),
            }
        }
        prop_assert!(mta.message().fields().len() <= frames.len().saturating_add(1));
    }
}
