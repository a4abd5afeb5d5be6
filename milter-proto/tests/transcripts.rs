//! What Postfix and Sendmail send, octet by octet (`transcripts/README.md`), through both ends.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail by panicking")]

use milter_proto::{
    Command, Decision, Event, FilterSession, Frame, FrameDecoder, LeadingSpace, MacroPairs, MtaOptions, MtaSession,
    Peer, Reply, Sent, Wants, recording,
};
use proptest::prelude::*;

const TRANSCRIPTS: [(&str, &str); 3] = [
    ("postfix", include_str!("transcripts/postfix-3.7.11.txt")),
    ("sendmail", include_str!("transcripts/sendmail-8.17.1.9.txt")),
    ("pickup", include_str!("transcripts/postfix-pickup.txt")),
];

/// The same as recordings.
const RECORDINGS: [&str; 3] = [
    include_str!("transcripts/postfix-3.7.11.jsonl"),
    include_str!("transcripts/sendmail-8.17.1.9.jsonl"),
    include_str!("transcripts/postfix-pickup.jsonl"),
];

/// One packet of a transcript.
struct Packet {
    from_mta: bool,
    code: u8,
    data: Vec<u8>,
}

impl Packet {
    fn frame(&self) -> Frame<'_> {
        Frame { code: self.code, payload: &self.data }
    }
}

fn packets(transcript: &str) -> Vec<Packet> {
    let lines = transcript.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let data = line.get(4..).unwrap_or_default();
            Packet { from_mta: line.starts_with("> "), code: line.as_bytes()[2], data: unescape(data) }
        })
        .collect()
}

fn unescape(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            octets.push(u8::try_from(character).unwrap());
            continue;
        }
        octets.push(match characters.next().unwrap() {
            '0' => 0,
            'r' => b'\r',
            'n' => b'\n',
            't' => b'\t',
            '\\' => b'\\',
            'x' => u8::from_str_radix(&characters.by_ref().take(2).collect::<String>(), 16).unwrap(),
            other => panic!("escape {other}"),
        });
    }
    octets
}

/// The octets of one direction.
fn stream(packets: &[Packet], from_mta: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for packet in packets.iter().filter(|packet| packet.from_mta == from_mta) {
        packet.frame().encode(&mut out).unwrap();
    }
    out
}

/// A filter that goes on at every event: what it wrote, and its events with the macros that were in force.
fn run_filter<'a>(wants: Wants, pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, Vec<String>) {
    let mut session = FilterSession::new(wants);
    let mut decoder = FrameDecoder::default();
    let (mut out, mut events) = (Vec::new(), Vec::new());
    for piece in pieces {
        decoder.push(piece);
        while let Some(frame) = decoder.next_frame().unwrap() {
            let event = format!("{:?}", session.receive(frame).unwrap());
            if session.awaits_decision() {
                session.reply(&Decision::Continue, &mut out).unwrap();
            }
            events.push(format!("{event} {:?}", session.macros()));
        }
    }
    decoder.end().unwrap();
    (out, events)
}

#[test]
fn s15_the_filter_understands_every_packet_and_answers_as_recorded() {
    for (name, transcript) in TRANSCRIPTS {
        let packets = packets(transcript);
        let (out, events) = run_filter(Wants::nothing(), [&stream(&packets, true)[..]]);
        assert_eq!(out, stream(&packets, false), "{name}");
        assert!(!events.iter().any(|event| event.starts_with("OutOfOrder")), "{name}: {events:#?}");
    }
}

#[test]
fn s14_recordings_hold_the_packets_of_the_transcripts() {
    for ((name, transcript), recording) in TRANSCRIPTS.into_iter().zip(RECORDINGS) {
        let recorded: Vec<recording::Packet> =
            recording::Reader::new(recording.as_bytes()).collect::<Result<_, _>>().unwrap();
        let packets = packets(transcript);
        assert_eq!(recorded.len(), packets.len(), "{name}");
        for (recorded, packet) in recorded.iter().zip(&packets) {
            assert_eq!(recorded.frame(), packet.frame(), "{name}");
            assert_eq!(recorded.from == recording::End::Mta, packet.from_mta, "{name}");
        }
    }
}

#[test]
fn s15_every_packet_decodes_and_encodes_to_itself() {
    for (name, transcript) in TRANSCRIPTS {
        for packet in packets(transcript) {
            let (mut recorded, mut encoded) = (Vec::new(), Vec::new());
            packet.frame().encode(&mut recorded).unwrap();
            if packet.from_mta {
                Command::decode(packet.frame()).unwrap().encode(&mut encoded).unwrap();
            } else {
                Reply::decode(packet.frame()).unwrap().encode(&mut encoded).unwrap();
            }
            assert_eq!(encoded, recorded, "{name}");
        }
    }
}

#[test]
fn s15_silent_steps_write_nothing() {
    for (name, transcript) in TRANSCRIPTS {
        let stream = stream(&packets(transcript), true);
        let (out, _) = run_filter(Wants::default(), [&stream[..]]);
        let mut decoder = FrameDecoder::default();
        decoder.push(&out);
        let mut codes = Vec::new();
        while let Some(frame) = decoder.next_frame().unwrap() {
            codes.push(frame.code);
        }
        // The answer, then one reply each for connect, HELO, and MAIL, RCPT, DATA, end of message of each message.
        let expected: &[u8] = match name {
            "postfix" => b"Occccccccccc",
            "sendmail" => b"Occcccccccc",
            _ => b"Occcccc",
        };
        assert_eq!(codes, expected, "{name}");
    }
}

#[test]
fn every_cut_of_the_stream_gives_the_same_events() {
    for (_, transcript) in TRANSCRIPTS {
        let stream = stream(&packets(transcript), true);
        let whole = run_filter(Wants::default(), [&stream[..]]);
        assert_eq!(run_filter(Wants::default(), stream.chunks(1)), whole);
        for cut in 0..=stream.len() {
            let (head, tail) = stream.split_at(cut);
            assert_eq!(run_filter(Wants::default(), [head, tail]), whole, "cut at {cut}");
        }
    }
}

proptest! {
    #[test]
    fn random_cuts_of_the_stream_give_the_same_events(sizes in proptest::collection::vec(1usize..90, 1..40)) {
        let stream = stream(&packets(TRANSCRIPTS[0].1), true);
        let whole = run_filter(Wants::default(), [&stream[..]]);
        let mut pieces = Vec::new();
        let mut rest = &stream[..];
        for size in sizes.iter().cycle() {
            let (piece, tail) = rest.split_at(rest.len().min(*size));
            pieces.push(piece);
            rest = tail;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(run_filter(Wants::default(), pieces), whole);
    }
}

/// The MTA's end, told the same things, sends the same octets.
#[test]
fn s15_the_mta_end_sends_what_postfix_and_sendmail_sent() {
    for (name, transcript) in TRANSCRIPTS {
        let packets = packets(transcript);
        let is_sendmail = name == "sendmail";
        let mut mta = MtaSession::new(if is_sendmail { MtaOptions::sendmail() } else { MtaOptions::default() });
        let mut out = Vec::new();
        for packet in &packets {
            if !packet.from_mta {
                mta.receive(packet.frame()).unwrap();
                continue;
            }
            let sent = send(&mut mta, Command::decode(packet.frame()).unwrap(), &mut out);
            assert_ne!(sent, Some(Sent::NotSent));
        }
        assert_eq!(out, stream(&packets, true), "{name}");
    }
}

/// Sendmail spells hosts with a dot at the end and knows the Message-Id: told without both, its end sends the same octets.
#[test]
fn s15_what_sendmail_makes_of_macros_itself_is_what_it_sent() {
    let packets = packets(TRANSCRIPTS[1].1);
    let mut options = MtaOptions::sendmail();
    let id =
        |queue_id: &str| (b"Message-Id".to_vec(), format!(" <202611240215.{queue_id}@sm.example.test>").into_bytes());
    options.added_fields = vec![id("6AO2FQ6g021139")];
    let mut mta = MtaSession::new(options);
    let mut out = Vec::new();
    let until = packets.iter().position(|packet| packet.code == b'E').unwrap();
    let first: Vec<Packet> = packets.into_iter().take(until + 1).collect();
    for packet in &first {
        if !packet.from_mta {
            mta.receive(packet.frame()).unwrap();
            continue;
        }
        send(&mut mta, Command::decode(packet.frame()).unwrap(), &mut out);
        mta.set_macro("msg_id", None);
        for host in ["mail_host", "rcpt_host"] {
            mta.set_macro(host, Some(b"example.test"));
        }
    }
    assert_eq!(out, stream(&first, true));
}

fn send(mta: &mut MtaSession, command: Command<'_>, out: &mut Vec<u8>) -> Option<Sent> {
    let strings = |strings: milter_proto::Strings<'_>| strings.iter().map(<[u8]>::to_vec).collect::<Vec<_>>();
    let sent = match command {
        Command::Negotiate(_) => mta.negotiate(out),
        Command::Macros { pairs, .. } => {
            set_macros(mta, pairs);
            return None;
        }
        Command::Connect { hostname, peer } => mta.connect(hostname, peer, out),
        Command::Helo(argument) => mta.helo(argument, out),
        Command::MailFrom { address, parameters } => {
            let parameters = strings(parameters);
            mta.mail(address, &parameters.iter().map(Vec::as_slice).collect::<Vec<_>>(), out)
        }
        Command::RcptTo { address, parameters } => {
            let parameters = strings(parameters);
            mta.rcpt(address, &parameters.iter().map(Vec::as_slice).collect::<Vec<_>>(), out)
        }
        Command::Data => mta.data(out),
        // The transcript was made without leading space.
        Command::Header { name, value } => mta.header(name, &[b" ", value].concat(), out),
        Command::EndOfHeaders => mta.end_of_headers(out),
        Command::Body(octets) => mta.body(octets, out),
        Command::EndOfBody(b"") => mta.end_of_body(out),
        Command::EndOfBody(piece) => mta.end_of_body_with(piece, out),
        Command::Abort => mta.end_message(out),
        Command::Quit => mta.quit(out),
        other => panic!("not in these transcripts: {other:?}"),
    };
    Some(sent.unwrap())
}

/// Sets these macros, and unsets all others that are in the transcripts.
fn set_macros(mta: &mut MtaSession, pairs: MacroPairs<'_>) {
    for name in "j daemon_name daemon_addr if_name v _ i mail_addr mail_host mail_mailer msg_id".split(' ') {
        mta.set_macro(name, None);
    }
    for (name, value) in pairs.iter() {
        mta.set_macro(std::str::from_utf8(name).unwrap(), Some(value));
    }
}

/// Runs a session up to an event and hands it out there.
fn session_at(transcript: &str, stop: impl Fn(&Event<'_>) -> bool) -> FilterSession {
    let mut session = FilterSession::new(Wants::nothing());
    for packet in packets(transcript).iter().filter(|packet| packet.from_mta) {
        let event = session.receive(packet.frame()).unwrap();
        if stop(&event) {
            return session;
        }
        if session.awaits_decision() {
            session.reply(&Decision::Continue, &mut Vec::new()).unwrap();
        }
    }
    panic!("no such event");
}

#[test]
fn s6_the_queue_id_is_absent_at_mail_and_there_at_end_of_message() {
    let (_, postfix) = TRANSCRIPTS[0];
    let at_mail = session_at(postfix, |event| matches!(event, Event::MailFrom { .. }));
    assert_eq!(at_mail.macros().get("i"), None);
    assert_eq!(at_mail.macros().get_str("{mail_addr}"), Some("a@example.test"));
    let at_end = session_at(postfix, |event| matches!(event, Event::EndOfBody(_)));
    assert_eq!(at_end.macros().get_str("i"), Some("747C39BC2FB"));
    assert_eq!(at_end.macros().get_str("j"), Some("mx.example.test"));
    assert_eq!(at_end.leading_space(), LeadingSpace::OneStripped);
}

#[test]
fn s5_abort_keeps_what_belongs_to_the_connection() {
    let second = session_at(TRANSCRIPTS[0].1, |event| matches!(event, Event::MailFrom { address: b"<>", .. }));
    assert_eq!(second.macros().get_str("v"), Some("Postfix 3.7.11"));
    assert_eq!(second.macros().get_str("mail_addr"), Some(""));
    assert_eq!(second.macros().get("i"), None);
}

#[test]
fn s5_without_abort_mail_itself_begins_the_next_message() {
    let second = session_at(TRANSCRIPTS[1].1, |event| matches!(event, Event::MailFrom { address: b"<>", .. }));
    assert_eq!(second.macros().get_str("i"), Some("6AO2FQ6h021139"));
    assert_eq!(second.macros().get("msg_id"), None);
    assert_eq!(second.macros().get("rcpt_addr"), None);
    assert_eq!(second.macros().get_str("j"), Some("sm.example.test"));
}

#[test]
fn s13_local_pickup_has_port_0_and_no_angle_brackets() {
    let port = |event: &Event<'_>| match event {
        Event::Connect { peer, .. } => *peer == (Peer::Inet { address: b"127.0.0.1", port: 0 }),
        _ => false,
    };
    session_at(TRANSCRIPTS[2].1, port);
    session_at(TRANSCRIPTS[2].1, |event| matches!(event, Event::MailFrom { address: b"root@example.test", .. }));
}
