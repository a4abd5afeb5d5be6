//! Targets of `milter-proto`: each end against a peer that sends what it likes, and recordings of dialogues.
//!
//! The inputs of `milter_filter` and `milter_mta` are what the peer writes to the socket, so a recorded stream is a seed. An input whose first
//! octet is not 0 (no frame under the limit begins so) gives that octet away: it chooses what is negotiated, and which MTA it is.

use milter_proto::flags::{Actions, Steps};
use milter_proto::header_text::{from_wire, to_wire};
use milter_proto::recording::{End, Reader, Recorder};
use milter_proto::{
    Command, Decision, Edits, Event, FilterSession, FrameDecoder, Heard, LeadingSpace, MAX_DATA, Modification,
    MtaOptions, MtaSession, Peer, Place, Profile, Reply, ReplyCode, Stage, Wants,
};

use crate::Target;

/// The targets of this module.
pub const TARGETS: &[Target] =
    &[("milter_filter", milter_filter), ("milter_mta", milter_mta), ("milter_recording", milter_recording)];

/// The most a filter writes for one event here: a new header field, a body of one packet, and the reply.
const MAX_OUTPUT: usize = MAX_DATA + 20_000;

/// Commands of an MTA → decoder → filter, which replies to each event.
///
/// Checked: every event that expects a reply gets one frame, a silent one nothing; output is bounded; what was written decodes as replies; the
/// same octets in other pieces give the same output; a command that decodes encodes to one that decodes to the same; header values go to the
/// message and back unchanged.
pub fn milter_filter(data: &[u8]) {
    let (choice, stream) = split_choice(data);
    let whole = run_filter(choice, [stream]);
    assert_eq!(whole, run_filter(choice, stream.chunks(7)), "cut in pieces");
}

/// Replies of a filter → decoder → MTA in the middle of a dialogue.
///
/// Checked: nothing hangs (each step ends with a decision, a violation or the end of the input); what comes of the message is bounded by what was
/// sent; reply text that is accepted cannot break an SMTP dialogue; a reply that decodes encodes to one that decodes to the same.
pub fn milter_mta(data: &[u8]) {
    let (choice, stream) = split_choice(data);
    let mut options = MtaOptions::for_version([6, 4, 3, 2][usize::from(choice % 4)]);
    options.own_received = Some(b" from client by mx".to_vec());
    if choice & 4 != 0 {
        options.profile = Profile::Sendmail;
        options.added_fields = vec![(b"Date".to_vec(), b" today".to_vec()), (b"X".to_vec(), b" own".to_vec())];
    }
    let mut mta = MtaSession::new(options);
    let mut decoder = FrameDecoder::default();
    decoder.push(stream);
    let mut out = Vec::new();
    mta.negotiate(&mut out).unwrap();
    if !listen(&mut mta, &mut decoder) {
        return;
    }
    for step in [Stage::Connect, Stage::Helo] {
        if !say(&mut mta, &mut decoder, step, &mut out) {
            return;
        }
    }
    for _ in 0..3 {
        for step in Stage::ALL.iter().copied().filter(|stage| stage.is_in_message()) {
            if !say(&mut mta, &mut decoder, step, &mut out) {
                return;
            }
        }
        let octets = mta.message().to_octets(b"Hello\r\n");
        // A line of a value may cost a CR and a TAB, a field its colon, space and line end.
        assert!(octets.len() <= 4 * stream.len() + 1000, "{} octets from {}", octets.len(), stream.len());
        mta.end_message(&mut out).unwrap();
    }
    mta.quit(&mut out).unwrap();
    assert!(mta.is_over());
}

/// A text → reader → packets; and the same octets as those of one end → recorder → text.
///
/// Checked: an error stands in a line of the text; packets that were read are written as lines that give the same packets; a recorder that sees
/// them in pieces writes the same lines; what it makes of any octets is read again and is what these octets hold; a session takes the packets.
pub fn milter_recording(data: &[u8]) {
    let mut packets = Vec::new();
    for result in Reader::new(data) {
        match result {
            Ok(packet) => packets.push(packet),
            Err(error) => {
                let line = data.split(|&octet| octet == b'\n').nth(error.line - 1).unwrap();
                assert!(error.at <= line.len(), "{error}");
            }
        }
    }
    let (mut written, mut recorded) = (Vec::new(), Vec::new());
    let mut recorder = Recorder::default();
    for packet in &packets {
        packet.write_line(&mut written);
        let mut octets = Vec::new();
        packet.frame().encode(&mut octets).unwrap();
        for piece in octets.chunks(octets.len().div_ceil(3)) {
            recorder.octets(packet.from, piece, packet.at, &mut recorded).unwrap();
        }
    }
    assert_eq!(written, recorded);
    assert_eq!(Reader::new(&written).collect::<Result<Vec<_>, _>>().as_ref(), Ok(&packets));

    let mut session = FilterSession::new(wants(0));
    let mut out = Vec::new();
    for packet in packets.iter().filter(|packet| packet.from == End::Mta) {
        if session.receive(packet.frame()).is_err() {
            break;
        }
        if session.awaits_decision() {
            session.reply(&Decision::Continue, &mut out).unwrap();
        }
    }

    let (mut recorder, mut text, mut octets) = (Recorder::default(), Vec::new(), Vec::new());
    let is_whole = recorder.octets(End::Filter, data, None, &mut text).is_ok();
    for packet in Reader::new(&text) {
        packet.unwrap().frame().encode(&mut octets).unwrap();
    }
    assert!(data.starts_with(&octets));
    let rest = &data[octets.len()..];
    let length = rest.first_chunk().map(|prefix| u32::from_be_bytes(*prefix));
    assert!(!is_whole || length.is_none_or(|length| length as usize > rest.len() - 4));
}

fn split_choice(data: &[u8]) -> (u8, &[u8]) {
    match data {
        [choice, stream @ ..] if *choice != 0 => (*choice, stream),
        stream => (0, stream),
    }
}

fn wants(choice: u8) -> Wants {
    let mut wants = Wants::default();
    wants.actions = Actions::ALL;
    let silent = Steps::NO_REPLY_CONNECT | Steps::NO_REPLY_MAIL | Steps::NO_REPLY_RCPT;
    for (bit, steps) in [
        (1, silent),
        (2, Steps::NO_CONNECT | Steps::NO_MAIL),
        (4, Steps::NO_RCPT | Steps::NO_HEADERS | Steps::NO_END_OF_HEADERS),
    ] {
        if choice & bit != 0 {
            wants.steps |= steps;
        }
    }
    if choice & 8 != 0 {
        wants.steps = wants.steps.without(Steps::NO_REPLY_BODY | Steps::LEADING_SPACE);
    }
    wants
}

fn run_filter<'a>(choice: u8, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut session = FilterSession::new(wants(choice));
    let mut decoder = FrameDecoder::default();
    let mut out = Vec::new();
    let mut number: u8 = choice;
    'stream: for piece in pieces {
        decoder.push(piece);
        loop {
            let frame = match decoder.next_frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(_) => break 'stream,
            };
            if let Ok(command) = Command::decode(frame) {
                command_survives(&command);
            }
            let Ok(event) = session.receive(frame) else { break 'stream };
            number = number.wrapping_add(1);
            let before = out.len();
            let expects = session.awaits_reply();
            if session.awaits_decision() {
                answer(&mut session, &event, number, &mut out);
            }
            assert_eq!(out.len() > before, expects, "{event:?}");
            assert!(out.len() - before <= MAX_OUTPUT, "{event:?}");
            assert!(!session.awaits_decision());
        }
    }
    let mut written = FrameDecoder::default();
    written.push(&out);
    while let Some(frame) = written.next_frame().unwrap() {
        let reply = Reply::decode(frame).unwrap();
        if let Reply::ReplyCode(text) = reply {
            ReplyCode::parse(text).unwrap();
        }
    }
    written.end().unwrap();
    out
}

fn answer(session: &mut FilterSession, event: &Event<'_>, number: u8, out: &mut Vec<u8>) {
    match event {
        Event::Header { name, value } => {
            for mode in [LeadingSpace::Verbatim, LeadingSpace::OneStripped] {
                value_survives(value, mode);
            }
            // Header octets of the peer in an edit: refused, or harmless.
            let mut edits = Edits::new();
            let _ = edits.insert(Place::Top, name, value);
            let _ = edits.delete(name, u32::from(number));
        }
        Event::EndOfBody(last) => {
            session.keep_alive(out);
            let mut edits = Edits::new();
            edits.delete(b"X", 2).unwrap();
            edits.insert(Place::Top, b"X", b" one\r\n\ttwo").unwrap();
            // Where the actions were not offered, nothing is written.
            let _ = edits.write(session, out);
            let body = last.get(..last.len().min(MAX_DATA)).unwrap_or_default();
            let _ = session.modify(&Modification::ReplaceBody(body), out);
            let _ = session.modify(&Modification::Quarantine(last), out);
        }
        _ => {}
    }
    let text = match event {
        Event::Helo(text) | Event::Unknown(text) | Event::RcptTo { address: text, .. } => text,
        _ => &b"no"[..],
    };
    let decision = match number % 16 {
        1 => Decision::ReplyCode(ReplyCode::builder(550).unwrap().enhanced(7, 1).text(text).build()),
        5 => Decision::Accept,
        9 => Decision::TempFail,
        11 => Decision::Discard,
        13 => Decision::Skip,
        _ => Decision::Continue,
    };
    if session.reply(&decision, out).is_err() {
        // Not allowed at this stage: the event still waits.
        session.reply(&Decision::Continue, out).unwrap();
    }
}

/// A command survives the way over the wire, unless a header value holds a NUL.
fn command_survives(command: &Command<'_>) {
    let mut octets = Vec::new();
    if command.encode(&mut octets).is_err() {
        assert!(matches!(command, Command::Header { .. }), "{command:?}");
        return;
    }
    let mut decoder = FrameDecoder::new(u32::MAX);
    decoder.push(&octets);
    assert_eq!(Command::decode(decoder.next_frame().unwrap().unwrap()).as_ref(), Ok(command));
}

fn value_survives(value: &[u8], mode: LeadingSpace) {
    let (mut raw, mut back) = (Vec::new(), Vec::new());
    from_wire(value, mode, &mut raw);
    assert!(raw.len() <= 2 * value.len() + 1);
    if to_wire(&raw, mode, &mut back).is_ok() {
        let without_cr: Vec<u8> = value.iter().copied().filter(|&octet| octet != b'\r').collect();
        assert_eq!(back, without_cr);
    }
}

/// Sends the event of a stage and listens; whether the dialogue goes on.
fn say(mta: &mut MtaSession, decoder: &mut FrameDecoder, stage: Stage, out: &mut Vec<u8>) -> bool {
    let peer = Peer::Inet { address: b"192.0.2.1", port: 25 };
    let result = match stage {
        Stage::Connect => mta.connect(b"client.example", peer, out),
        Stage::Helo => mta.helo(b"client.example", out),
        Stage::Mail => mta.mail(b"<a@example.test>", &[b"SIZE=9"], out),
        Stage::Rcpt => mta.rcpt(b"<b@example.test>", &[], out),
        Stage::Data => mta.data(out),
        Stage::Header => mta.header(b"X", b" one\r\n two", out),
        Stage::EndOfHeaders => mta.end_of_headers(out),
        Stage::Body => mta.body(b"Hello\r\n", out),
        Stage::EndOfBody => mta.end_of_body(out),
        _ => mta.unknown(b"FOO", out),
    };
    result.unwrap();
    listen(mta, decoder)
}

/// Takes frames until nothing is waited for; `false` if the input or the session is over.
fn listen(mta: &mut MtaSession, decoder: &mut FrameDecoder) -> bool {
    while mta.awaiting().is_some() {
        let Ok(Some(frame)) = decoder.next_frame() else { return false };
        if let Ok(reply) = Reply::decode(frame) {
            reply_survives(&reply);
        }
        match mta.receive(frame) {
            Ok(Heard::Decision(Decision::ReplyCode(code))) => {
                let text = code.to_smtp();
                assert!(text.is_ascii() && text.split("\r\n").all(|line| !line.contains(['\r', '\n', '\0'])));
            }
            Ok(_) => {}
            Err(violation) => assert_eq!(violation.is_fatal(), mta.is_over()),
        }
    }
    !mta.is_over()
}

fn reply_survives(reply: &Reply<'_>) {
    let mut octets = Vec::new();
    reply.encode(&mut octets).unwrap();
    let mut decoder = FrameDecoder::new(u32::MAX);
    decoder.push(&octets);
    assert_eq!(Reply::decode(decoder.next_frame().unwrap().unwrap()).as_ref(), Ok(reply));
}
