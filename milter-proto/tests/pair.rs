//! Filter and MTA talk in memory: whole dialogues with every version, and with every set of steps.
#![expect(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "helpers of tests fail by panicking")]

use milter_proto::flags::{Actions, Steps};
use milter_proto::{
    Decision, Edits, Event, FilterSession, FrameDecoder, Heard, LeadingSpace, Modification, MtaOptions, MtaSession,
    Peer, Place, Profile, ReplyCode, Sent, UsageError, Wants,
};
use proptest::prelude::*;

/// What a filter does with an event.
type Filter<'a> = dyn FnMut(&Event<'_>, &mut FilterSession, &mut Vec<u8>) -> Decision + 'a;

/// Both ends, and what has been heard.
struct Pair {
    mta: MtaSession,
    filter: FilterSession,
    to_filter: FrameDecoder,
    to_mta: FrameDecoder,
    decisions: Vec<Decision>,
    modifications: usize,
    events: Vec<String>,
}

type Step<'a> = &'a dyn Fn(&mut MtaSession, &mut Vec<u8>) -> Result<Sent, UsageError>;

impl Pair {
    fn new(options: MtaOptions, wants: Wants) -> Self {
        Self {
            mta: MtaSession::new(options),
            filter: FilterSession::new(wants),
            to_filter: FrameDecoder::default(),
            to_mta: FrameDecoder::default(),
            decisions: Vec::new(),
            modifications: 0,
            events: Vec::new(),
        }
    }

    /// One call of the MTA, carried to the filter and back.
    fn step(&mut self, decide: &mut Filter<'_>, step: Step<'_>) -> Sent {
        let (mut there, mut back) = (Vec::new(), Vec::new());
        let sent = step(&mut self.mta, &mut there).unwrap();
        self.to_filter.push(&there);
        while let Some(frame) = self.to_filter.next_frame().unwrap() {
            let event = self.filter.receive(frame).unwrap();
            assert!(!matches!(event, Event::OutOfOrder { .. }), "{event:?}");
            self.events.push(format!("{event:?}").chars().take_while(|c| c.is_alphabetic()).collect());
            if self.filter.awaits_decision() {
                let decision = decide(&event, &mut self.filter, &mut back);
                self.filter.reply(&decision, &mut back).unwrap();
            }
        }
        assert_eq!(sent == Sent::AwaitReply, !back.is_empty(), "{:?}", self.events.last());
        self.to_mta.push(&back);
        while let Some(frame) = self.to_mta.next_frame().unwrap() {
            match self.mta.receive(frame).unwrap() {
                Heard::Decision(decision) => self.decisions.push(decision),
                Heard::Modification(_) => self.modifications += 1,
                _ => {}
            }
        }
        assert_eq!(self.mta.awaiting(), None, "the filter owes a reply");
        sent
    }

    fn open(&mut self, decide: &mut Filter<'_>) {
        self.step(decide, &|mta, out| mta.negotiate(out));
        let peer = Peer::Inet6 { address: b"2001:db8::1", port: 25 };
        self.step(decide, &|mta, out| mta.connect(b"client.example", peer, out));
        self.step(decide, &|mta, out| mta.helo(b"client.example", out));
    }

    fn message(&mut self, decide: &mut Filter<'_>, fields: &[(&str, &str)], body: &[u8]) {
        self.step(decide, &|mta, out| mta.mail(b"<a@example.test>", &[b"SIZE=1"], out));
        self.step(decide, &|mta, out| mta.rcpt(b"<b@example.test>", &[], out));
        self.step(decide, &|mta, out| mta.rcpt(b"<c@example.test>", &[], out));
        self.step(decide, &|mta, out| mta.data(out));
        for (name, value) in fields {
            self.step(decide, &|mta, out| mta.header(name.as_bytes(), value.as_bytes(), out));
        }
        self.step(decide, &|mta, out| mta.end_of_headers(out));
        for piece in body.chunks(65_535) {
            self.step(decide, &|mta, out| mta.body(piece, out));
        }
        self.step(decide, &|mta, out| mta.end_of_body(out));
    }

    fn header_section(&self) -> String {
        let octets = self.mta.message().to_octets(b"");
        String::from_utf8(octets).unwrap().trim_end().replace("\r\n", "|")
    }

    fn count(&self, event: &str) -> usize {
        self.events.iter().filter(|name| *name == event).count()
    }
}

fn go_on(_: &Event<'_>, _: &mut FilterSession, _: &mut Vec<u8>) -> Decision {
    Decision::Continue
}

/// Writes these edits at end of message.
fn editing(edits: &Edits) -> impl FnMut(&Event<'_>, &mut FilterSession, &mut Vec<u8>) -> Decision {
    |event, session, out| {
        if matches!(event, Event::EndOfBody(_)) {
            edits.write(session, out).unwrap();
        }
        Decision::Continue
    }
}

fn with_received() -> MtaOptions {
    let mut options = MtaOptions::default();
    options.own_received = Some(b" from client by mx".to_vec());
    options
}

const FIELDS: [(&str, &str); 3] = [("From", " a@example.test"), ("To", "b@example.test"), ("X-Fold", " a\r\n\tb")];

#[test]
fn every_protocol_version_carries_a_message() {
    for version in [2, 3, 4, 6] {
        let mut pair = Pair::new(MtaOptions::for_version(version), Wants::default());
        let mut values = Vec::new();
        let mut decide = |event: &Event<'_>, session: &mut FilterSession, _: &mut Vec<u8>| {
            if let Event::Header { value, .. } = event {
                let mut raw = Vec::new();
                milter_proto::header_text::from_wire(value, session.leading_space(), &mut raw);
                values.push(String::from_utf8(raw).unwrap());
            }
            Decision::Continue
        };
        pair.open(&mut decide);
        pair.message(&mut decide, &FIELDS, b"Hello\r\n");
        pair.step(&mut decide, &|mta, out| mta.end_message(out));
        let agreed = pair.filter.negotiated().copied().unwrap();
        assert_eq!(pair.mta.negotiated().copied(), Some(agreed));
        assert_eq!(agreed.version, version);
        assert_eq!(pair.count("Data"), usize::from(version >= 4));
        // §8.2: without the leading space `To:b` and `To: b` look the same.
        let to = if agreed.leading_space() == LeadingSpace::Verbatim { "b@example.test" } else { " b@example.test" };
        assert_eq!(values, [" a@example.test", to, " a\r\n\tb"], "{version}");
    }
}

#[test]
fn s5_unknown_commands_exist_since_version_3() {
    for (version, sent) in [(2, Sent::NotSent), (3, Sent::AwaitReply), (6, Sent::AwaitReply)] {
        let mut pair = Pair::new(MtaOptions::for_version(version), Wants::nothing());
        pair.open(&mut go_on);
        assert_eq!(pair.step(&mut go_on, &|mta, out| mta.unknown(b"FOO", out)), sent);
    }
}

#[test]
fn s5_messages_follow_each_other_with_and_without_abort() {
    for with_abort in [true, false] {
        let mut pair = Pair::new(MtaOptions::default(), Wants::default());
        pair.open(&mut go_on);
        for _ in 0..3 {
            pair.message(&mut go_on, &FIELDS, b"");
            if with_abort {
                pair.step(&mut go_on, &|mta, out| mta.end_message(out));
            }
        }
        pair.step(&mut go_on, &|mta, out| mta.quit(out));
        assert!(pair.mta.is_over());
        assert_eq!(pair.count("EndOfBody"), 3);
        assert_eq!(pair.count("Body"), 0, "an empty body has no packet");
    }
}

#[test]
fn s6_the_mta_sends_the_macros_that_were_asked_for() {
    let mut wants = Wants::default();
    wants.set_macros(milter_proto::Stage::EndOfBody, &["i", "{my_own}"]).unwrap();
    let mut pair = Pair::new(MtaOptions::default(), wants);
    for (name, value) in [("{auth_authen}", "user"), ("i", "Q1"), ("my_own", "x"), ("{client_ptr}", "ptr"), ("v", "V")]
    {
        pair.mta.set_macro(name, Some(value.as_bytes()));
    }
    let mut seen = Vec::new();
    let mut decide = |event: &Event<'_>, session: &mut FilterSession, _: &mut Vec<u8>| {
        let get = |name| session.macros().get_str(name).map(str::to_owned);
        match event {
            Event::Connect { .. } => seen.extend([get("client_ptr"), get("auth_authen")]),
            Event::MailFrom { .. } => seen.extend([get("auth_authen"), get("my_own")]),
            Event::EndOfBody(_) => seen.extend([get("{my_own}"), get("i"), get("v")]),
            _ => {}
        }
        Decision::Continue
    };
    pair.open(&mut decide);
    pair.message(&mut decide, &FIELDS, b"x");
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(seen, [some("ptr"), None, some("user"), None, some("x"), some("Q1"), some("V")]);
}

#[test]
fn s8_inserted_fields_stand_as_they_were_named_above_and_below_received() {
    let mut edits = Edits::new();
    for name in ["Top-1", "Top-2"] {
        edits.insert(Place::Top, name.as_bytes(), b" t").unwrap();
    }
    for name in ["End-1", "End-2"] {
        edits.insert(Place::Bottom, name.as_bytes(), b" e").unwrap();
    }
    for name in ["Below-1", "Below-2"] {
        edits.insert(Place::BelowReceived, name.as_bytes(), b" b\r\n\tb").unwrap();
    }
    let mut pair = Pair::new(with_received(), Wants::default());
    let decide = &mut editing(&edits);
    pair.open(decide);
    pair.message(decide, &[("From", " a")], b"");
    assert_eq!(
        pair.header_section(),
        "Top-1: t|Top-2: t|Received: from client by mx|Below-1: b|\tb|Below-2: b|\tb|From: a|End-1: e|End-2: e"
    );
}

#[test]
fn s8_9_of_three_fields_the_right_two_are_deleted() {
    let mut edits = Edits::new();
    edits.delete(b"Authentication-Results", 1).unwrap();
    edits.delete(b"AUTHENTICATION-RESULTS", 2).unwrap();
    edits.change(b"Subject", 1, b" [tag] hi").unwrap();
    edits.insert(Place::Top, b"Authentication-Results", b" ours").unwrap();
    edits.quarantine(b"dmarc").unwrap();
    let fields = [
        ("Authentication-Results", " 1"),
        ("Subject", " hi"),
        ("authentication-results", " 2"),
        ("Authentication-Results", " 3"),
    ];
    let mut pair = Pair::new(with_received(), Wants::default());
    let decide = &mut editing(&edits);
    pair.open(decide);
    pair.message(decide, &fields, b"");
    assert_eq!(
        pair.header_section(),
        "Authentication-Results: ours|Received: from client by mx|Subject: [tag] hi|Authentication-Results: 3"
    );
    assert_eq!(pair.mta.message().quarantine(), Some(&b"dmarc"[..]));
    assert_eq!(pair.decisions.last(), Some(&Decision::Continue));
}

#[test]
fn edits_that_were_not_all_negotiated_are_not_written_in_part() {
    let mut edits = Edits::new();
    edits.insert(Place::Top, b"X", b" y").unwrap();
    edits.quarantine(b"why").unwrap();
    let mut wants = Wants::default();
    wants.actions = Actions::ADD_HEADERS;
    let mut pair = Pair::new(MtaOptions::default(), wants);
    let mut results = Vec::new();
    let mut decide = |event: &Event<'_>, session: &mut FilterSession, out: &mut Vec<u8>| {
        if matches!(event, Event::EndOfBody(_)) {
            results.push(edits.write(session, out));
        }
        Decision::Continue
    };
    pair.open(&mut decide);
    pair.message(&mut decide, &FIELDS, b"");
    assert_eq!(results, [Err(UsageError::NotNegotiated(Actions::QUARANTINE))]);
    assert_eq!(pair.modifications, 0);
}

#[test]
fn s5_decisions_before_the_end_spare_the_rest_of_the_message() {
    let refused = Decision::ReplyCode(ReplyCode::builder(550).unwrap().enhanced(7, 23).text("100% no").build());
    for decision in [Decision::Accept, Decision::Discard, refused] {
        let mut wants = Wants::default();
        wants.steps = Steps::LEADING_SPACE;
        let mut pair = Pair::new(MtaOptions::default(), wants);
        let mut decide = |event: &Event<'_>, _: &mut FilterSession, _: &mut Vec<u8>| {
            if matches!(event, Event::Data) { decision.clone() } else { Decision::Continue }
        };
        pair.open(&mut decide);
        pair.message(&mut decide, &FIELDS, b"x");
        assert_eq!(pair.decisions.last(), Some(&decision));
        assert_eq!(pair.count("Header") + pair.count("EndOfBody"), 0);
        pair.step(&mut decide, &|mta, out| mta.end_message(out));
        pair.message(&mut decide, &FIELDS, b"x");
        assert_eq!(pair.count("MailFrom"), 2);
    }
}

#[test]
fn s5_a_rejection_at_rcpt_is_about_one_recipient() {
    let mut pair = Pair::new(MtaOptions::default(), Wants::default());
    let mut decide = |event: &Event<'_>, _: &mut FilterSession, _: &mut Vec<u8>| match event {
        Event::RcptTo { address: b"<b@example.test>", .. } => Decision::Reject,
        _ => Decision::Continue,
    };
    pair.open(&mut decide);
    pair.message(&mut decide, &FIELDS, b"x");
    assert_eq!(pair.mta.message().recipients().collect::<Vec<_>>(), [b"<c@example.test>"]);
    assert_eq!(pair.count("EndOfBody"), 1);
}

#[test]
fn s5_a_decision_at_connect_ends_the_session() {
    for decision in [Decision::Accept, Decision::Reject, Decision::TempFail, Decision::Shutdown] {
        let mut pair = Pair::new(MtaOptions::default(), Wants::default());
        let mut decide = |event: &Event<'_>, _: &mut FilterSession, _: &mut Vec<u8>| {
            if matches!(event, Event::Connect { .. }) { decision.clone() } else { Decision::Continue }
        };
        pair.open(&mut decide);
        assert!(pair.mta.is_over());
        assert_eq!(pair.count("Helo"), 0);
    }
}

#[test]
fn s3_skip_spares_the_rest_of_the_body_of_this_message() {
    let mut wants = Wants::default();
    wants.steps = Steps::SKIP;
    let mut pair = Pair::new(MtaOptions::default(), wants);
    let mut decide = |event: &Event<'_>, _: &mut FilterSession, _: &mut Vec<u8>| {
        if matches!(event, Event::Body(_)) { Decision::Skip } else { Decision::Continue }
    };
    pair.open(&mut decide);
    let body = vec![b'x'; 200_000];
    pair.message(&mut decide, &FIELDS, &body);
    assert_eq!(pair.count("Body"), 1);
    pair.message(&mut decide, &FIELDS, &body);
    assert_eq!(pair.count("Body"), 2);
    assert_eq!(pair.count("EndOfBody"), 2);
}

#[test]
fn s10_the_whole_body_is_replaced() {
    let mut wants = Wants::default();
    wants.actions = Actions::CHANGE_BODY;
    let mut pair = Pair::new(MtaOptions::default(), wants);
    let body = vec![b'y'; 200_000];
    let mut decide = |event: &Event<'_>, session: &mut FilterSession, out: &mut Vec<u8>| {
        if matches!(event, Event::EndOfBody(_)) {
            session.modify(&Modification::ReplaceBody(&body), out).unwrap();
        }
        Decision::Continue
    };
    pair.open(&mut decide);
    pair.message(&mut decide, &FIELDS, b"old");
    assert_eq!(pair.mta.message().new_body(), Some(&body[..]));
}

#[test]
fn s5_quit_nc_carries_several_clients_over_one_connection() {
    let mut pair = Pair::new(MtaOptions::default(), Wants::default());
    pair.open(&mut go_on);
    pair.message(&mut go_on, &FIELDS, b"x");
    assert_eq!(pair.step(&mut go_on, &|mta, out| mta.quit_new_connection(out)), Sent::NoReply);
    pair.step(&mut go_on, &|mta, out| mta.connect(b"other", Peer::Unknown, out));
    pair.message(&mut go_on, &FIELDS, b"x");
    assert_eq!(pair.count("Connect"), 2);
}

#[test]
fn s8_12_a_field_is_cut_at_60000_octets_at_a_line_if_that_loses_little() {
    let folded = " x".repeat(25) + "\r\n";
    for (value, expected) in [(" ".to_owned() + &"x".repeat(70_000), 59_998), (folded.repeat(2000), 59_975)] {
        let mut pair = Pair::new(MtaOptions::default(), Wants::default());
        let mut lengths = Vec::new();
        let mut decide = |event: &Event<'_>, _: &mut FilterSession, _: &mut Vec<u8>| {
            if let Event::Header { value, .. } = event {
                lengths.push(value.len());
            }
            Decision::Continue
        };
        pair.open(&mut decide);
        pair.message(&mut decide, &[("X", &value)], b"");
        assert_eq!(lengths, [expected]);
    }
}

/// Both MTAs with a Received of their own; Sendmail adds a Date and a Message-Id as well.
fn both_mtas() -> [MtaOptions; 2] {
    let mut sendmail = MtaOptions::sendmail();
    sendmail.own_received = with_received().own_received;
    sendmail.added_fields = [("Date", " today"), ("Message-Id", " <1@mx>")]
        .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
        .to_vec();
    [with_received(), sendmail]
}

#[test]
fn s5_two_messages_and_the_same_decisions_with_both_mtas() {
    for options in both_mtas() {
        let mut pair = Pair::new(options, Wants::default());
        let mut decide = |event: &Event<'_>, _: &mut FilterSession, _: &mut Vec<u8>| match event {
            Event::RcptTo { address: b"<b@example.test>", .. } => Decision::TempFail,
            _ => Decision::Continue,
        };
        pair.open(&mut decide);
        for _ in 0..2 {
            pair.message(&mut decide, &FIELDS, b"Hello\r\n");
            pair.step(&mut decide, &|mta, out| mta.end_message(out));
            assert_eq!(pair.mta.message().recipients().collect::<Vec<_>>(), [b"<c@example.test>"]);
        }
        pair.step(&mut decide, &|mta, out| mta.quit(out));
        assert_eq!((pair.count("EndOfBody"), pair.count("Header")), (2, 6));
    }
}

#[test]
fn shutdown_is_said_so_that_both_mtas_close() {
    let in_words = ReplyCode::parse(b"421 4.7.0 Service not available, closing transmission channel").unwrap();
    for (options, version, heard) in [
        (MtaOptions::default(), Some("Postfix 3.7.11"), Decision::Shutdown),
        (MtaOptions::default(), None, Decision::ReplyCode(in_words.clone())),
        (MtaOptions::sendmail(), Some("8.17.1.9"), Decision::ReplyCode(in_words)),
    ] {
        let mut pair = Pair::new(options, Wants::default());
        pair.mta.set_macro("v", version.map(str::as_bytes));
        let mut decide = |event: &Event<'_>, _: &mut FilterSession, _: &mut Vec<u8>| {
            if matches!(event, Event::Data) { Decision::Shutdown } else { Decision::Continue }
        };
        pair.open(&mut decide);
        pair.message(&mut decide, &FIELDS, b"x");
        assert_eq!(pair.decisions.last(), Some(&heard));
        assert_eq!(pair.count("Header"), 0);
    }
}

proptest! {
    /// The same edits leave the same header section on an MTA that renumbers and on one that does not.
    #[test]
    fn s8_9_edits_mean_the_same_on_both_mtas(
        names in proptest::collection::vec(proptest::sample::select(&["A", "a", "B", "Date", "Received"][..]), 1..12),
        actions in proptest::collection::vec(0u8..3, 12),
        inserts in proptest::collection::vec(
            (
                proptest::sample::select(&[Place::Top, Place::BelowReceived, Place::Bottom][..]),
                proptest::sample::select(&["N", "A", "Message-Id"][..]),
            ),
            0..4,
        ),
        is_stripped: bool,
    ) {
        let fields: Vec<(String, String)> =
            names.iter().zip(0..).map(|(name, number)| ((*name).to_owned(), format!(" {number}"))).collect();
        let mut edits = Edits::new();
        let mut expected = Vec::new();
        for (index, (name, value)) in fields.iter().enumerate() {
            let same = |other: &&(String, String)| other.0.eq_ignore_ascii_case(name);
            let occurrence = u32::try_from(fields[..=index].iter().filter(same).count()).unwrap();
            match actions[index] {
                0 => edits.delete(name.as_bytes(), occurrence).unwrap(),
                1 => {
                    edits.change(name.as_bytes(), occurrence, b" changed").unwrap();
                    expected.push((name.clone(), " changed".to_owned()));
                }
                _ => expected.push((name.clone(), value.clone())),
            }
        }
        let (mut top, mut below) = (Vec::new(), Vec::new());
        for (number, (place, name)) in inserts.iter().enumerate() {
            let field = ((*name).to_owned(), format!(" new\r\n\t{number}"));
            edits.insert(*place, field.0.as_bytes(), field.1.as_bytes()).unwrap();
            match place {
                Place::Top => top.push(field),
                Place::BelowReceived => below.push(field),
                _ => expected.push(field),
            }
        }
        let own = vec![("Received".to_owned(), " from client by mx".to_owned())];
        let expected = [top, own, below, expected].concat();

        for mut options in both_mtas() {
            if is_stripped {
                options.offer.steps = options.offer.steps.without(Steps::LEADING_SPACE);
            }
            let mut pair = Pair::new(options, Wants::default());
            let decide = &mut editing(&edits);
            pair.open(decide);
            let borrowed: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (&name[..], &value[..])).collect();
            pair.message(decide, &borrowed, b"");
            // What Sendmail adds between its Received and the client's first field is its own affair.
            let is_added = |name: &[u8]| name == b"Date" || name == b"Message-Id";
            let left: Vec<(String, String)> = pair.mta.message().fields().iter()
                .filter(|field| !(field.is_hidden && is_added(&field.name)))
                .map(|field| {
                    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
                    (text(&field.name), text(&field.value))
                })
                .collect();
            prop_assert_eq!(&left, &expected);
        }
    }

    /// Whatever is offered and wanted, whatever the filter decides: no violation, no hang, no event out of order (checked in `Pair::step`).
    #[test]
    fn any_agreement_carries_any_dialogue(
        version in proptest::sample::select(&[2u32, 3, 4, 6][..]),
        offered: u32,
        wanted: u32,
        decisions in proptest::collection::vec(0u8..12, 1..40),
        aborts: [bool; 3],
        is_sendmail: bool,
    ) {
        let mut options = MtaOptions::for_version(version);
        if is_sendmail {
            options.profile = Profile::Sendmail;
        }
        options.offer.steps = options.offer.steps & Steps::from_bits(offered);
        let mut wants = Wants::default();
        wants.steps = Steps::from_bits(wanted);
        let mut pair = Pair::new(options, wants);
        let mut next = decisions.into_iter().cycle();
        let mut decide = |event: &Event<'_>, session: &mut FilterSession, _: &mut Vec<u8>| {
            let steps = session.negotiated().unwrap().steps;
            match (event, next.next()) {
                (Event::Negotiate(_), _) => Decision::Continue,
                (Event::Connect { .. } | Event::Helo(_), Some(0)) => Decision::Accept,
                (Event::Connect { .. } | Event::Helo(_), _) => Decision::Continue,
                (_, Some(0)) => Decision::Accept,
                (_, Some(1)) => Decision::Reject,
                (_, Some(2)) => Decision::TempFail,
                (_, Some(3)) => Decision::Discard,
                (Event::Body(_), Some(4)) if steps.contains(Steps::SKIP) => Decision::Skip,
                _ => Decision::Continue,
            }
        };
        pair.open(&mut decide);
        for abort in aborts {
            pair.message(&mut decide, &FIELDS, b"Hello\r\n");
            if abort {
                pair.step(&mut decide, &|mta, out| mta.end_message(out));
            }
        }
        pair.step(&mut decide, &|mta, out| mta.quit(out));
        prop_assert!(pair.mta.is_over());
    }
}
