//! The filter's end against an MTA that sends what it likes: order, scopes, silent steps, and callers' mistakes.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use milter_proto::flags::{Actions, Steps};
use milter_proto::{
    Command, Decision, DecodeErrorKind, Event, FilterSession, Frame, Modification, Peer, ProtocolError, ReplyCode,
    Stage, Strings, UsageError, Waiting, Wants,
};
use proptest::prelude::*;

const PEER: Peer<'_> = Peer::Inet { address: b"192.0.2.1", port: 25 };
const CONNECT: Command<'_> = Command::Connect { hostname: b"h", peer: PEER };
const HELO: Command<'_> = Command::Helo(b"h");
const MAIL: Command<'_> = Command::MailFrom { address: b"<a@example.test>", parameters: Strings::NONE };
const RCPT: Command<'_> = Command::RcptTo { address: b"<b@example.test>", parameters: Strings::NONE };
const DATA: Command<'_> = Command::Data;
const HEADER: Command<'_> = Command::Header { name: b"From", value: b" a" };
const EOH: Command<'_> = Command::EndOfHeaders;
const BODY: Command<'_> = Command::Body(b"Hello\r\n");
const EOB: Command<'_> = Command::EndOfBody(b"");
const MESSAGE: [Command<'_>; 7] = [MAIL, RCPT, DATA, HEADER, EOH, BODY, EOB];

/// A session with what it has written.
struct Filter {
    session: FilterSession,
    out: Vec<u8>,
}

impl Filter {
    /// After the negotiation with an MTA that offers everything.
    fn new(steps: Steps) -> Self {
        let mut wants = Wants::nothing();
        wants.steps = steps;
        wants.actions = Actions::ALL.without(Actions::SET_MACRO_LIST);
        let mut filter = Self { session: FilterSession::new(wants), out: Vec::new() };
        let payload = b"\0\0\0\x06\0\0\x01\xff\0\x1f\xff\xff";
        filter.session.receive(Frame { code: b'O', payload }).unwrap();
        filter.session.reply(&Decision::Continue, &mut filter.out).unwrap();
        filter.out.clear();
        filter
    }

    /// After these commands, all continued.
    fn after(steps: Steps, commands: &[Command<'_>]) -> Self {
        let mut filter = Self::new(steps);
        for command in commands {
            filter.step(*command, &Decision::Continue);
        }
        filter
    }

    fn receive(&mut self, command: Command<'_>) -> String {
        let mut octets = Vec::new();
        command.encode(&mut octets).unwrap();
        let (head, payload) = octets.split_at(5);
        let frame = Frame { code: *head.last().unwrap(), payload };
        format!("{:?}", self.session.receive(frame))
    }

    fn reply(&mut self, decision: &Decision) -> Result<String, UsageError> {
        self.out.clear();
        self.session.reply(decision, &mut self.out).map(|()| self.codes())
    }

    /// Takes a command and replies, if it has a reply at all; gives the codes of what was written.
    fn step(&mut self, command: Command<'_>, decision: &Decision) -> String {
        self.receive(command);
        if self.session.awaits_decision() { self.reply(decision).unwrap() } else { String::new() }
    }

    fn codes(&self) -> String {
        let mut decoder = milter_proto::FrameDecoder::default();
        decoder.push(&self.out);
        let mut codes = String::new();
        while let Some(frame) = decoder.next_frame().unwrap() {
            codes.push(char::from(frame.code));
        }
        codes
    }

    fn is_out_of_order(&mut self, command: Command<'_>) -> bool {
        self.receive(command).contains("OutOfOrder")
    }
}

fn reject() -> Decision {
    Decision::ReplyCode(ReplyCode::builder(550).unwrap().enhanced(7, 1).text("no").build())
}

#[test]
fn s5_a_whole_session_in_order() {
    let mut filter = Filter::new(Steps::NONE);
    for command in [&[CONNECT, HELO][..], &MESSAGE, &[Command::Abort], &MESSAGE, &MESSAGE].concat() {
        let event = filter.receive(command);
        assert!(!event.contains("OutOfOrder") && event.starts_with("Ok"), "{event}");
        if filter.session.awaits_decision() {
            assert_eq!(filter.reply(&Decision::Continue).unwrap(), "c");
        }
    }
    assert_eq!(filter.receive(Command::Quit), "Ok(Quit)");
    assert!(filter.receive(HELO).contains("Closed"));
}

#[test]
fn s5_events_out_of_order_get_tempfail_and_do_not_hang() {
    for (before, command) in [
        (&[][..], HELO),
        (&[], MAIL),
        (&[CONNECT], CONNECT),
        (&[CONNECT], RCPT),
        (&[CONNECT, HELO], DATA),
        (&[CONNECT, HELO], HEADER),
        (&[CONNECT, HELO], BODY),
        (&[CONNECT, HELO], EOB),
        (&[CONNECT, MAIL], DATA),
        (&[CONNECT, MAIL, RCPT, DATA], RCPT),
        (&[CONNECT, MAIL, RCPT, DATA], BODY),
        (&[CONNECT, MAIL, RCPT, DATA, HEADER], EOB),
        (&[CONNECT, MAIL, RCPT, DATA, HEADER, EOH], HEADER),
        (&[CONNECT, MAIL, RCPT, DATA, HEADER, EOH, BODY], EOH),
        (&[CONNECT, MAIL, RCPT, DATA, HEADER, EOH, BODY], Command::Unknown(b"FOO")),
        (&[CONNECT, HELO, MAIL, RCPT, DATA, HEADER, EOH, BODY, EOB], BODY),
    ] {
        let mut filter = Filter::after(Steps::NONE, before);
        assert!(filter.is_out_of_order(command), "{before:?} {command:?}");
        assert!(filter.session.awaits_reply());
        assert_eq!(filter.reply(&Decision::Accept).unwrap(), "t", "{before:?} {command:?}");
    }
}

#[test]
fn s5_after_an_event_out_of_order_the_message_is_over_and_the_session_goes_on() {
    let mut filter = Filter::after(Steps::NONE, &[CONNECT, HELO, MAIL, RCPT, DATA]);
    assert_eq!(filter.step(BODY, &Decision::Continue), "t");
    assert!(filter.is_out_of_order(EOB));
    assert_eq!(filter.reply(&Decision::Continue).unwrap(), "t");
    for command in MESSAGE {
        assert_eq!(filter.step(command, &Decision::Continue), "c", "{command:?}");
    }
}

#[test]
fn a_silent_event_out_of_order_costs_the_message_at_its_next_reply() {
    let steps = Steps::NO_REPLY_HEADERS | Steps::NO_REPLY_BODY;
    let mut filter = Filter::after(steps, &[CONNECT, HELO, MAIL, RCPT, DATA, EOH, BODY]);
    assert!(filter.is_out_of_order(HEADER));
    assert!(!filter.session.awaits_reply());
    assert_eq!(filter.reply(&Decision::Continue).unwrap(), "");
    assert!(filter.is_out_of_order(BODY));
    assert_eq!(filter.step(EOB, &Decision::Accept), "t");
}

#[test]
fn s5_abort_may_come_twice_and_outside_a_message() {
    let mut filter = Filter::after(Steps::NONE, &[CONNECT, HELO, Command::Abort, MAIL]);
    assert_eq!(filter.receive(Command::Abort), "Ok(Abort)");
    assert_eq!(filter.receive(Command::Abort), "Ok(Abort)");
    assert_eq!(filter.session.reply(&Decision::Continue, &mut Vec::new()), Err(UsageError::NothingToAnswer));
    assert_eq!(filter.step(MAIL, &Decision::Continue), "c");
}

/// go-milter #11, #12, #19: ABORT dropped what belongs to the connection.
#[test]
fn s16_after_abort_mail_comes_without_connect_and_finds_the_macros_of_the_connection() {
    let macros: [(&[u8], &[u8]); 1] = [(b"j", b"mx.example.test")];
    let of = |command: u8| Command::Macros { command, pairs: (&macros[..]).into() };
    let mut filter = Filter::new(Steps::NONE);
    for command in [of(b'C'), CONNECT, HELO, MAIL, Command::Abort] {
        filter.step(command, &Decision::Continue);
    }
    assert!(!filter.is_out_of_order(MAIL));
    assert_eq!(filter.session.macros().get_str("j"), Some("mx.example.test"));
}

/// rspamd #1740, #2005: an empty macro list was an error.
#[test]
fn s16_an_empty_macro_list_is_normal() {
    let mut filter = Filter::after(Steps::NONE, &[CONNECT]);
    assert_eq!(filter.session.receive(Frame { code: b'D', payload: b"H" }), Ok(Event::Macros { command: b'H' }));
    // Also for a stage that is masked, for none at all, and with a tail that is no pair.
    for payload in [&b"R"[..], b"?", b"Todd\0", b"Ei\0Q1\0x"] {
        assert!(filter.session.receive(Frame { code: b'D', payload }).is_ok());
    }
    assert_eq!(filter.session.macros().get_str("i"), Some("Q1"));
}

/// go-milter: a length of zero, no bound, a missing NUL in CONNECT, an offer that is not read.
#[test]
fn s16_frames_that_broke_go_milter_are_errors() {
    let mut filter = Filter::new(Steps::NONE);
    let error = filter.session.receive(Frame { code: b'C', payload: b"no nul" }).unwrap_err();
    assert!(matches!(error, ProtocolError::Malformed(error) if error.kind == DecodeErrorKind::MissingNul));
    assert_eq!(filter.session.receive(Frame { code: b'A', payload: b"" }), Err(ProtocolError::Closed));
    let mut session = FilterSession::new(Wants::default());
    let error = session.receive(Frame { code: b'O', payload: b"\0\0\0\x06" }).unwrap_err();
    assert!(matches!(error, ProtocolError::Malformed(error) if error.kind == DecodeErrorKind::TooShort));
}

#[test]
fn s2_an_unknown_command_byte_ends_the_session() {
    for code in [b'?', 0, b'c', 255] {
        let mut filter = Filter::after(Steps::NONE, &[CONNECT]);
        assert!(matches!(filter.session.receive(Frame { code, payload: b"" }), Err(ProtocolError::Malformed(_))));
        assert!(filter.receive(HELO).contains("Closed"));
    }
}

#[test]
fn s5_helo_repeats_and_mail_may_come_without_it() {
    let mut filter = Filter::after(Steps::NONE, &[CONNECT, HELO]);
    assert_eq!(filter.step(HELO, &Decision::Continue), "c");
    assert!(!Filter::after(Steps::NONE, &[CONNECT]).is_out_of_order(MAIL));
    // HELO inside a message ends it.
    filter.step(MAIL, &Decision::Continue);
    assert_eq!(filter.step(HELO, &Decision::Continue), "c");
    assert!(filter.is_out_of_order(RCPT));
}

#[test]
fn s5_an_unknown_command_leaves_the_session_where_it_is() {
    let unknown = Command::Unknown(b"FOO bar");
    let mut filter = Filter::after(Steps::NONE, &[CONNECT, unknown, HELO, unknown, MAIL, unknown, RCPT]);
    assert_eq!(filter.step(unknown, &Decision::Reject), "r");
    assert_eq!(filter.step(RCPT, &Decision::Continue), "c");
    assert_eq!(filter.step(DATA, &Decision::Continue), "c");
}

#[test]
fn s5_quit_nc_brings_another_client_without_negotiation() {
    let macros: [(&[u8], &[u8]); 1] = [(b"j", b"mx")];
    let of_connect = Command::Macros { command: b'C', pairs: (&macros[..]).into() };
    let mut filter = Filter::after(Steps::NONE, &[of_connect, CONNECT, HELO, MAIL]);
    assert_eq!(filter.receive(Command::QuitNewConnection), "Ok(QuitNewConnection)");
    assert_eq!(filter.session.macros().get("j"), None);
    assert!(filter.session.negotiated().is_some());
    assert!(filter.is_out_of_order(MAIL));
    assert_eq!(filter.reply(&Decision::Continue).unwrap(), "t");
    assert_eq!(filter.step(CONNECT, &Decision::Continue), "c");
    assert_eq!(filter.step(MAIL, &Decision::Continue), "c");
}

#[test]
fn s5_masked_events_are_transparent() {
    let steps = Steps::NO_CONNECT | Steps::NO_HELO | Steps::NO_RCPT | Steps::NO_HEADERS | Steps::NO_END_OF_HEADERS;
    let mut filter = Filter::new(steps);
    for command in [MAIL, DATA, BODY, EOB, MAIL, DATA, EOB] {
        assert_eq!(filter.step(command, &Decision::Continue), "c", "{command:?}");
    }
}

#[test]
fn with_mail_masked_the_first_recipient_begins_the_message() {
    let mut filter = Filter::after(Steps::NO_MAIL | Steps::NO_REPLY_DATA, &[CONNECT, HELO, RCPT]);
    filter.step(DATA, &Decision::TempFail);
    // TEMPFAIL at the header field has ended the message; the next recipient begins another, without the decision of the first.
    for (command, expected) in [(HEADER, "t"), (RCPT, "c"), (DATA, ""), (EOH, "c")] {
        assert_eq!(filter.step(command, &Decision::Continue), expected, "{command:?}");
    }
}

#[test]
fn s5_a_decision_on_a_message_ends_it_but_not_at_rcpt() {
    for decision in [Decision::Accept, Decision::Reject, Decision::TempFail, Decision::Discard, reject()] {
        let mut filter = Filter::after(Steps::NONE, &[CONNECT, HELO]);
        filter.step(MAIL, &decision);
        assert!(filter.is_out_of_order(RCPT), "{decision:?}");
    }
    for decision in [Decision::Reject, Decision::TempFail, reject()] {
        let mut filter = Filter::after(Steps::NONE, &[CONNECT, HELO, MAIL]);
        filter.step(RCPT, &decision);
        assert_eq!(filter.step(RCPT, &Decision::Continue), "c", "{decision:?}");
    }
}

#[test]
fn silent_steps_write_nothing_and_their_decision_is_given_at_the_next_reply() {
    let steps = Steps::NO_REPLY_HEADERS | Steps::NO_REPLY_END_OF_HEADERS | Steps::NO_REPLY_BODY;
    let mut filter = Filter::after(steps, &[CONNECT, HELO, MAIL, RCPT, DATA]);
    assert_eq!(filter.step(HEADER, &reject()), "");
    assert_eq!(filter.session.kept_decision(), Some(&reject()));
    // The first decision counts: after a rejection there would have been no second one.
    assert_eq!(filter.step(HEADER, &Decision::Accept), "");
    assert_eq!(filter.step(EOH, &Decision::Continue), "");
    // Nobody has to answer a silent step.
    filter.receive(BODY);
    filter.receive(BODY);
    assert_eq!(filter.step(EOB, &Decision::Accept), "y");
    assert!(filter.out.ends_with(b"550 5.7.1 no\0"));
    assert_eq!(filter.session.kept_decision(), None);
    assert_eq!(filter.step(MAIL, &Decision::Continue), "c");
}

#[test]
fn a_kept_decision_dies_with_its_message() {
    let steps = Steps::NO_REPLY_HEADERS;
    for next in [&[Command::Abort, MAIL][..], &[MAIL], &[Command::Abort, Command::Abort, HELO, MAIL]] {
        let mut filter = Filter::after(steps, &[CONNECT, HELO, MAIL, RCPT, DATA]);
        filter.step(HEADER, &Decision::Discard);
        for command in next {
            filter.step(*command, &Decision::Continue);
        }
        assert_eq!(filter.step(RCPT, &Decision::Continue), "c", "{next:?}");
    }
}

#[test]
fn a_decision_kept_at_connect_holds_for_every_message_until_the_client_goes() {
    let mut filter = Filter::new(Steps::NO_REPLY_CONNECT | Steps::NO_REPLY_HELO | Steps::NO_REPLY_MAIL);
    assert_eq!(filter.step(CONNECT, &reject()), "");
    for command in [HELO, MAIL] {
        assert_eq!(filter.step(command, &Decision::Continue), "");
    }
    // At RCPT a rejection is about one recipient: every one gets it.
    for command in [RCPT, RCPT, DATA] {
        assert_eq!(filter.step(command, &Decision::Continue), "y");
    }
    filter.step(Command::Abort, &Decision::Continue);
    filter.step(MAIL, &Decision::Continue);
    assert_eq!(filter.step(RCPT, &Decision::Accept), "y");
    for command in [Command::QuitNewConnection, CONNECT, MAIL] {
        assert_eq!(filter.step(command, &Decision::Continue), "");
    }
    assert_eq!(filter.step(RCPT, &Decision::Continue), "c");
}

#[test]
fn a_decision_kept_at_helo_is_about_that_helo() {
    let mut filter = Filter::after(Steps::NO_REPLY_HELO, &[CONNECT]);
    filter.step(HELO, &Decision::TempFail);
    filter.step(HELO, &Decision::Continue);
    assert_eq!(filter.step(MAIL, &Decision::Continue), "c");
}

#[test]
fn s3_discard_is_not_allowed_outside_a_message() {
    let unknown = Command::Unknown(b"X");
    for (command, stage) in [(CONNECT, Stage::Connect), (HELO, Stage::Helo), (unknown, Stage::Unknown)] {
        let before: &[Command<'_>] = if stage == Stage::Connect { &[] } else { &[CONNECT] };
        let mut filter = Filter::after(Steps::NONE, before);
        filter.receive(command);
        assert_eq!(filter.reply(&Decision::Discard), Err(UsageError::NotAllowed(Waiting::Event(stage))));
        assert!(filter.out.is_empty());
        assert_eq!(filter.reply(&Decision::Continue).unwrap(), "c");
    }
}

#[test]
fn s3_skip_only_at_body_and_only_if_agreed() {
    let before = [CONNECT, MAIL, RCPT, DATA, HEADER, EOH];
    let mut filter = Filter::after(Steps::NONE, &before);
    filter.receive(BODY);
    assert_eq!(filter.reply(&Decision::Skip), Err(UsageError::SkipNotNegotiated));
    let mut filter = Filter::after(Steps::SKIP, &before);
    assert_eq!(filter.step(BODY, &Decision::Skip), "s");
    filter.receive(EOB);
    let at_end = UsageError::NotAllowed(Waiting::Event(Stage::EndOfBody));
    assert_eq!(filter.reply(&Decision::Skip), Err(at_end));
}

#[test]
fn s3_modifications_only_at_end_of_message() {
    let edit = Modification::AddHeader { name: b"X", value: b" y" };
    let mut filter = Filter::new(Steps::NONE);
    for command in [&[CONNECT, HELO][..], &MESSAGE[..6]].concat() {
        filter.receive(command);
        assert_eq!(filter.session.modify(&edit, &mut filter.out), Err(UsageError::NotAtEndOfMessage), "{command:?}");
        filter.reply(&Decision::Continue).unwrap();
    }
    filter.receive(EOB);
    filter.out.clear();
    filter.session.modify(&edit, &mut filter.out).unwrap();
    filter.session.reply(&Decision::Continue, &mut filter.out).unwrap();
    assert_eq!(filter.codes(), "hc");
    assert_eq!(filter.session.modify(&edit, &mut filter.out), Err(UsageError::NotAtEndOfMessage));
}

#[test]
fn s3_modifications_only_if_negotiated() {
    let wants = Wants::nothing();
    let mut session = FilterSession::new(wants);
    let mut out = Vec::new();
    for (code, payload) in [
        (b'O', &b"\0\0\0\x06\0\0\x01\xff\0\x1f\xff\xff"[..]),
        (b'C', b"h\0U"),
        (b'M', b"<>\0"),
        (b'R', b"<b>\0"),
        (b'E', b""),
    ] {
        session.receive(Frame { code, payload }).unwrap();
        if code != b'E' {
            session.reply(&Decision::Continue, &mut out).unwrap();
        }
    }
    out.clear();
    for modification in [
        Modification::AddHeader { name: b"X", value: b" y" },
        Modification::ChangeHeader { index: 1, name: b"X", value: b"" },
        Modification::ReplaceBody(b""),
        Modification::AddRecipient(b"a"),
        Modification::AddRecipientWithParameters { address: b"a", parameters: None },
        Modification::DeleteRecipient(b"a"),
        Modification::ChangeSender { address: b"a", parameters: None },
        Modification::Quarantine(b"a"),
    ] {
        let expected = Err(UsageError::NotNegotiated(modification.action()));
        assert_eq!(session.modify(&modification, &mut out), expected);
    }
    assert!(out.is_empty());
}

fn at_end_of_message() -> Filter {
    let mut filter = Filter::after(Steps::NONE, &[&[CONNECT, HELO][..], &MESSAGE[..6]].concat());
    filter.receive(EOB);
    filter.out.clear();
    filter
}

#[test]
fn modifications_that_would_break_the_message_are_refused() {
    let mut filter = at_end_of_message();
    for (name, value) in [
        (&b""[..], &b" y"[..]),
        (b"X Y", b" y"),
        (b"X:", b" y"),
        (b"X", b" y\nBcc: z"),
        (b"X", b" y\r\n z"),
        (b"X", b" y\n"),
        (b"X", b" \0"),
    ] {
        let edit = Modification::InsertHeader { index: 0, name, value };
        let error = filter.session.modify(&edit, &mut filter.out).unwrap_err();
        assert!(matches!(error, UsageError::HeaderName | UsageError::HeaderValue(_)), "{error}");
    }
    for text in [&b"a\r\nRCPT TO:<b>"[..], b"a\nb", b"a\0"] {
        for edit in [Modification::AddRecipient(text), Modification::Quarantine(text)] {
            assert_eq!(filter.session.modify(&edit, &mut filter.out), Err(UsageError::UnsafeText));
        }
    }
    let value = [b' '; 65_531];
    let edit = Modification::AddHeader { name: b"XXX", value: &value };
    assert_eq!(filter.session.modify(&edit, &mut filter.out), Err(UsageError::TooLong(65_536)));
    assert!(filter.out.is_empty());
    filter.session.modify(&Modification::AddHeader { name: b"XX", value: &value }, &mut filter.out).unwrap();
}

#[test]
fn s10_a_new_body_is_one_run_of_packets() {
    let mut filter = at_end_of_message();
    let body = vec![b'x'; 150_000];
    filter.session.modify(&Modification::ReplaceBody(&body), &mut filter.out).unwrap();
    filter.session.modify(&Modification::ReplaceBody(b""), &mut filter.out).unwrap();
    filter.session.modify(&Modification::Quarantine(b"why"), &mut filter.out).unwrap();
    let resumed = filter.session.modify(&Modification::ReplaceBody(b"y"), &mut filter.out);
    assert_eq!(resumed, Err(UsageError::BodyReplacementResumed));
    assert_eq!(filter.codes(), "bbbbq");
    // The next message has a body of its own.
    filter.session.reply(&Decision::Continue, &mut filter.out).unwrap();
    for command in MESSAGE {
        filter.receive(command);
        if command != EOB {
            filter.reply(&Decision::Continue).unwrap();
        }
    }
    assert_eq!(filter.session.modify(&Modification::ReplaceBody(b""), &mut filter.out), Ok(()));
}

#[test]
fn s3_progress_at_end_of_message_and_elsewhere_only_for_postfix() {
    let mut filter = at_end_of_message();
    assert!(filter.session.keep_alive(&mut filter.out));
    assert!(filter.session.keep_alive(&mut filter.out));
    filter.session.reply(&Decision::Continue, &mut filter.out).unwrap();
    assert!(!filter.session.keep_alive(&mut filter.out));
    assert_eq!(filter.codes(), "ppc");

    for (version, expected) in [(&b"Postfix 3.7.11"[..], "p"), (b"8.17.1.9", "")] {
        let pairs: [(&[u8], &[u8]); 1] = [(b"v", version)];
        let of_connect = Command::Macros { command: b'C', pairs: (&pairs[..]).into() };
        let mut filter = Filter::after(Steps::NO_REPLY_RCPT, &[of_connect, CONNECT, HELO]);
        filter.out.clear();
        filter.receive(MAIL);
        assert_eq!(filter.session.keep_alive(&mut filter.out), !expected.is_empty());
        assert_eq!(filter.codes(), expected);
        filter.step(MAIL, &Decision::Continue);
        filter.reply(&Decision::Continue).unwrap_err();
        filter.receive(RCPT);
        assert!(!filter.session.keep_alive(&mut filter.out), "a silent step");
    }
}

#[test]
fn a_caller_that_does_not_answer_is_told_and_loses_nothing() {
    let mut filter = Filter::new(Steps::NONE);
    filter.receive(CONNECT);
    let stage = Waiting::Event(Stage::Connect);
    let frame = Frame { code: b'H', payload: b"h\0" };
    assert_eq!(filter.session.receive(frame), Err(ProtocolError::Unanswered { stage }));
    assert_eq!(filter.reply(&Decision::Continue).unwrap(), "c");
    assert_eq!(filter.session.receive(frame), Ok(Event::Helo(b"h")));
    assert_eq!(filter.session.receive(Frame { code: b'Q', payload: b"" }), Ok(Event::Quit));
}

/// Any sequence of commands, replied to at random.
fn commands() -> impl Strategy<Value = Vec<(u8, u8)>> {
    proptest::collection::vec((proptest::sample::select(&b"CHMRTLNBEAKUDMRTLNBE"[..]), 0u8..8), 0..60)
}

proptest! {
    /// An event that expects a reply gets exactly one, a silent one none, whatever comes in whatever order.
    #[test]
    fn every_event_gets_what_it_expects(script in commands(), steps: u32) {
        let mut filter = Filter::new(Steps::from_bits(steps));
        let agreed = *filter.session.negotiated().unwrap();
        for (code, decision) in script {
            let payload: &[u8] = if code == b'C' { b"h\x004\0\x19192.0.2.1\0" } else { b"x\0y\0" };
            filter.session.receive(Frame { code, payload }).unwrap();
            let decision = match decision {
                0 => Decision::Accept,
                1 => Decision::Reject,
                2 => Decision::TempFail,
                3 => reject(),
                _ => Decision::Continue,
            };
            let expected = Stage::from_code(code).filter(|stage| !agreed.is_silent(*stage));
            prop_assert_eq!(filter.session.awaits_reply(), expected.is_some());
            let written = if filter.session.awaits_decision() { filter.reply(&decision).unwrap() } else { String::new() };
            prop_assert_eq!(written.len(), usize::from(expected.is_some()));
        }
    }
}
