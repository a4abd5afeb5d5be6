//! Recordings under `transcripts/`: both ends still say what stands there, and a filter that gets a recording does what it did.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::time::Duration;

use milter_proto::flags::Actions;
use milter_proto::recording::{End, Packet, Reader, Recorder};
use milter_proto::{
    Decision, Edits, Event, FilterSession, FrameDecoder, MtaOptions, MtaSession, Peer, Place, Reply, ReplyCode, Sent,
    UsageError, Wants,
};

/// Dialogues between our two ends, as [`Dialogue::run`] has them.
const OWN: [(&str, &str); 2] = [
    ("postfix", include_str!("transcripts/edits-postfix.jsonl")),
    ("sendmail", include_str!("transcripts/edits-sendmail.jsonl")),
];

/// What MTAs said to a filter that asks for nothing and goes on.
const MTAS: [&str; 3] = [
    include_str!("transcripts/postfix-3.7.11.jsonl"),
    include_str!("transcripts/sendmail-8.17.1.9.jsonl"),
    include_str!("transcripts/postfix-pickup.jsonl"),
];

/// What real MTAs and the daemon said to one another: a message given up, one with forged fields and two signatures, one more.
const DAEMON: [(&str, &str); 2] = [
    ("postfix", include_str!("transcripts/daemon-postfix-3.7.11.jsonl")),
    ("sendmail", include_str!("transcripts/daemon-sendmail-8.17.1.9.jsonl")),
];

/// Both ends in memory, and a recorder beside them.
struct Dialogue {
    mta: MtaSession,
    filter: FilterSession,
    to_filter: FrameDecoder,
    to_mta: FrameDecoder,
    recorder: Recorder,
    text: Vec<u8>,
    events: Vec<String>,
    /// Whether the filter has seen a message from the null sender, which it drops at DATA.
    is_null_sender: bool,
    /// A clock that ticks with each step.
    now: Duration,
}

fn wants() -> Wants {
    let mut wants = Wants::default();
    wants.actions |= Actions::CHANGE_BODY;
    wants
}

fn options(mta: &str) -> MtaOptions {
    let mut options = if mta == "sendmail" { MtaOptions::sendmail() } else { MtaOptions::default() };
    options.own_received = Some(b" from client.example by mx.example.test".to_vec());
    options.added_fields = vec![(b"Message-Id".to_vec(), b" <made@mx.example.test>".to_vec())];
    options
}

/// One call of the MTA.
type Step<'a> = &'a dyn Fn(&mut MtaSession, &mut Vec<u8>) -> Result<Sent, UsageError>;

impl Dialogue {
    fn run(mta: &str) -> Self {
        let mut dialogue = Self {
            mta: MtaSession::new(options(mta)),
            filter: FilterSession::new(wants()),
            to_filter: FrameDecoder::default(),
            to_mta: FrameDecoder::default(),
            recorder: Recorder::default(),
            text: Vec::new(),
            events: Vec::new(),
            is_null_sender: false,
            now: Duration::ZERO,
        };
        dialogue.session(mta);
        dialogue
    }

    /// A client with two messages: one whose header section the filter edits, one that it drops at DATA.
    fn session(&mut self, mta: &str) {
        for (name, value) in [
            ("j", "mx.example.test"),
            ("v", if mta == "sendmail" { "8.17.1.9" } else { "Postfix 3.7.11" }),
            ("i", "Q1"),
            ("{mail_host}", "example.test"),
            ("{auth_authen}", ""),
        ] {
            self.mta.set_macro(name, Some(value.as_bytes()));
        }
        self.step(&|mta, out| mta.negotiate(out));
        let peer = Peer::Inet6 { address: b"2001:db8::1", port: 40_000 };
        self.step(&|mta, out| mta.connect(b"client.example", peer, out));
        self.step(&|mta, out| mta.helo(b"client.example", out));
        self.step(&|mta, out| mta.mail(b"<a@example.test>", &[b"SIZE=100", b"BODY=8BITMIME"], out));
        self.step(&|mta, out| mta.rcpt(b"<nobody@example.test>", &[], out));
        self.step(&|mta, out| mta.rcpt(b"<b@example.test>", &[], out));
        self.step(&|mta, out| mta.data(out));
        let fields: [(&[u8], &[u8]); 6] = [
            (b"Authentication-Results", b" mx.example.test; dkim=pass"),
            (b"From", b" a@example.test"),
            (b"Subject", b" one\r\n\ttwo \xe4\xff"),
            (b"authentication-results", b" other.example; none"),
            (b"Authentication-Results", b"mx.example.test; spf=pass"),
            (b"X-Tab", b"\tt"),
        ];
        for (name, value) in fields {
            self.step(&|mta, out| mta.header(name, value, out));
        }
        self.step(&|mta, out| mta.end_of_headers(out));
        self.step(&|mta, out| mta.body(b"Hello\r", out));
        self.step(&|mta, out| mta.body(b"\n\0\x80\"quoted\" \\ \xff\r\n", out));
        self.step(&|mta, out| mta.end_of_body(out));
        self.step(&|mta, out| mta.end_message(out));
        self.step(&|mta, out| mta.mail(b"<>", &[], out));
        self.step(&|mta, out| mta.rcpt(b"<b@example.test>", &[], out));
        self.step(&|mta, out| mta.data(out));
        self.step(&|mta, out| mta.end_message(out));
        self.step(&|mta, out| mta.quit(out));
    }

    fn step(&mut self, step: Step<'_>) {
        self.now = self.now.saturating_add(Duration::from_micros(100));
        let (mut there, mut back) = (Vec::new(), Vec::new());
        step(&mut self.mta, &mut there).unwrap();
        self.recorder.octets(End::Mta, &there, Some(self.now), &mut self.text).unwrap();
        self.to_filter.push(&there);
        while let Some(frame) = self.to_filter.next_frame().unwrap() {
            let event = self.filter.receive(frame).unwrap();
            self.events.push(format!("{event:?} {:?}", self.filter.macros()));
            if let Event::MailFrom { address, .. } = event {
                self.is_null_sender = address == b"<>";
            }
            if self.filter.awaits_decision() {
                let decision = decide(&event, self.is_null_sender, &mut self.filter, &mut back);
                self.filter.reply(&decision, &mut back).unwrap();
            }
        }
        self.recorder.octets(End::Filter, &back, Some(self.now), &mut self.text).unwrap();
        self.to_mta.push(&back);
        while let Some(frame) = self.to_mta.next_frame().unwrap() {
            self.mta.receive(frame).unwrap();
        }
        assert_eq!(self.mta.awaiting(), None);
    }
}

/// The filter of these dialogues.
fn decide(event: &Event<'_>, is_null_sender: bool, session: &mut FilterSession, out: &mut Vec<u8>) -> Decision {
    match event {
        Event::RcptTo { address: b"<nobody@example.test>", .. } => {
            Decision::ReplyCode(ReplyCode::builder(550).unwrap().enhanced(1, 1).text("100% unknown\nsorry").build())
        }
        Event::Data if is_null_sender => Decision::Discard,
        Event::EndOfBody(_) => {
            session.keep_alive(out);
            let mut edits = Edits::new();
            edits.delete(b"Authentication-Results", 1).unwrap();
            edits.delete(b"Authentication-Results", 3).unwrap();
            edits.change(b"Subject", 1, b" [tag] one").unwrap();
            edits.insert(Place::Top, b"Authentication-Results", b" mx.example.test;\r\n\tnone").unwrap();
            edits.insert(Place::BelowReceived, b"X-Below", b" b").unwrap();
            edits.quarantine(b"dmarc").unwrap();
            edits.write(session, out).unwrap();
            Decision::Accept
        }
        _ => Decision::Continue,
    }
}

fn read(text: &str) -> Vec<Packet> {
    Reader::new(text.as_bytes()).collect::<Result<_, _>>().unwrap()
}

/// The octets of one direction.
fn stream(packets: &[Packet], from: End) -> Vec<u8> {
    let mut out = Vec::new();
    for packet in packets.iter().filter(|packet| packet.from == from) {
        packet.frame().encode(&mut out).unwrap();
    }
    out
}

/// Gives the MTA's packets to a filter, which replies as recorded: its events and what it wrote.
fn replay(wants: Wants, packets: &[Packet]) -> (Vec<String>, Vec<u8>) {
    let mut session = FilterSession::new(wants);
    let (mut events, mut out) = (Vec::new(), Vec::new());
    for packet in packets {
        match packet.from {
            End::Mta => {
                let event = session.receive(packet.frame()).unwrap();
                events.push(format!("{event:?} {:?}", session.macros()));
                if session.awaits_decision() && !session.awaits_reply() {
                    session.reply(&Decision::Continue, &mut out).unwrap();
                }
            }
            End::Filter => match Reply::decode(packet.frame()).unwrap() {
                Reply::Modify(modification) => session.modify(&modification, &mut out).unwrap(),
                Reply::Progress => assert!(session.keep_alive(&mut out)),
                reply => session.reply(&decision(reply), &mut out).unwrap(),
            },
        }
    }
    (events, out)
}

fn decision(reply: Reply<'_>) -> Decision {
    match reply {
        Reply::Accept => Decision::Accept,
        Reply::Discard => Decision::Discard,
        Reply::ReplyCode(text) => Decision::ReplyCode(ReplyCode::parse(text).unwrap()),
        other => {
            assert!(matches!(other, Reply::Continue | Reply::Negotiate(_)), "not in these recordings: {other:?}");
            Decision::Continue
        }
    }
}

#[test]
fn s14_both_ends_say_what_they_said_when_it_was_recorded() {
    for (mta, recorded) in OWN {
        let text = String::from_utf8(Dialogue::run(mta).text).unwrap();
        for (number, (now, then)) in text.lines().zip(recorded.lines()).enumerate() {
            assert_eq!(now, then, "{mta}, line {}", number + 1);
        }
        assert_eq!(text.len(), recorded.len(), "{mta}");
    }
}

#[test]
fn s14_a_filter_that_gets_a_recording_has_the_same_events_and_writes_the_same() {
    for (mta, recorded) in OWN {
        let packets = read(recorded);
        let (events, out) = replay(wants(), &packets);
        assert_eq!(events, Dialogue::run(mta).events, "{mta}");
        assert_eq!(out, stream(&packets, End::Filter), "{mta}");
    }
    for recorded in MTAS {
        let packets = read(recorded);
        let (events, out) = replay(Wants::nothing(), &packets);
        assert_eq!(events.len(), packets.iter().filter(|packet| packet.from == End::Mta).count());
        assert!(!events.iter().any(|event| event.starts_with("OutOfOrder")), "{events:#?}");
        assert_eq!(out, stream(&packets, End::Filter));
    }
}

#[test]
fn s14_the_half_of_the_daemon_in_real_dialogues_comes_out_again() {
    let mut wants = Wants::default();
    wants.actions = Actions::ADD_HEADERS | Actions::CHANGE_HEADERS | Actions::SET_MACRO_LIST;
    wants.required = Actions::ADD_HEADERS | Actions::CHANGE_HEADERS;
    for (mta, recorded) in DAEMON {
        let packets = read(recorded);
        let (events, out) = replay(wants.clone(), &packets);
        assert_eq!(out, stream(&packets, End::Filter), "{mta}");
        assert!(!events.iter().any(|event| event.starts_with("OutOfOrder")), "{mta}: {events:#?}");
        let of = |kind: &str| events.iter().filter(|event| event.starts_with(kind)).collect::<Vec<_>>();
        assert_eq!((of("Connect").len(), of("MailFrom").len(), of("EndOfBody").len()), (1, 3, 2), "{mta}");
        // §5: Postfix says ABORT after each message as well, and Sendmail only for the one that was given up.
        assert_eq!(of("Abort").len(), if mta == "sendmail" { 1 } else { 5 }, "{mta}");
        let authenticated = of("MailFrom").iter().map(|event| event.contains("{auth_authen}")).collect::<Vec<_>>();
        assert_eq!(authenticated, [false, false, mta == "sendmail"], "{mta}: {events:#?}");
    }
}

#[test]
fn s14_recordings_stand_as_they_are_written() {
    for recorded in OWN.into_iter().chain(DAEMON).map(|(_, recorded)| recorded).chain(MTAS) {
        let mut text = Vec::new();
        for packet in read(recorded) {
            packet.write_line(&mut text);
        }
        assert_eq!(String::from_utf8(text).unwrap(), recorded);
    }
}
