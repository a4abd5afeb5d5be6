//! Every command and every reply decodes to what was encoded; whatever decodes encodes again; nothing panics.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use milter_proto::flags::{Actions, Steps};
use milter_proto::{
    Answer, Command, DecodeError, DecodeErrorKind, EncodeError, Frame, FrameDecoder, MacroLists, MacroPairs,
    Modification, Offer, Peer, Reply, Strings,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// Octets without NUL.
fn text() -> impl Strategy<Value = Vec<u8>> {
    vec(1..=255u8, 0..20)
}

/// Encodes, cuts the frame out of the octets again, and hands it on.
fn frame_of<T>(encode: impl Fn(&mut Vec<u8>) -> Result<(), EncodeError>, then: impl FnOnce(Frame<'_>) -> T) -> T {
    let mut octets = b"before".to_vec();
    encode(&mut octets).unwrap();
    let mut decoder = FrameDecoder::default();
    decoder.push(octets.strip_prefix(b"before").unwrap());
    let result = then(decoder.next_frame().unwrap().unwrap());
    assert_eq!(decoder.end(), Ok(()));
    result
}

fn command_survives(command: Command<'_>) -> Result<(), TestCaseError> {
    frame_of(
        |out| command.encode(out),
        |frame| {
            prop_assert_eq!(frame.code, command.code());
            prop_assert_eq!(Command::decode(frame), Ok(command));
            Ok(())
        },
    )
}

fn reply_survives(reply: Reply<'_>) -> Result<(), TestCaseError> {
    frame_of(
        |out| reply.encode(out),
        |frame| {
            prop_assert_eq!(frame.code, reply.code());
            prop_assert_eq!(Reply::decode(frame), Ok(reply));
            Ok(())
        },
    )
}

fn slices(strings: &[Vec<u8>]) -> Vec<&[u8]> {
    strings.iter().map(Vec::as_slice).collect()
}

proptest! {
    #[test]
    fn s2_commands_with_text(a in text(), b in text(), port: u16, body: Vec<u8>) {
        for peer in [
            Peer::Unknown,
            Peer::Unix { path: &b, port },
            Peer::Inet { address: &b, port },
            Peer::Inet6 { address: &b, port },
        ] {
            command_survives(Command::Connect { hostname: &a, peer })?;
        }
        command_survives(Command::Helo(&a))?;
        command_survives(Command::Unknown(&a))?;
        command_survives(Command::Header { name: &a, value: &b })?;
        command_survives(Command::Body(&body))?;
        command_survives(Command::EndOfBody(&body))?;
    }

    #[test]
    fn s2_commands_with_lists(
        address in text(),
        parameters in vec(text(), 0..4),
        command: u8,
        macros in vec((text(), text()), 0..5),
    ) {
        let parameters = slices(&parameters);
        command_survives(Command::MailFrom { address: &address, parameters: Strings::from(&parameters[..]) })?;
        command_survives(Command::RcptTo { address: &address, parameters: Strings::from(&parameters[..]) })?;
        let pairs: Vec<(&[u8], &[u8])> = macros.iter().map(|(name, value)| (&name[..], &value[..])).collect();
        command_survives(Command::Macros { command, pairs: MacroPairs::from(&pairs[..]) })?;
    }

    #[test]
    fn s2_commands_with_numbers_or_nothing(version: u32, actions: u32, steps: u32) {
        let offer = Offer::new(version, Actions::from_bits(actions), Steps::from_bits(steps));
        command_survives(Command::Negotiate(offer))?;
        for command in
            [Command::Data, Command::EndOfHeaders, Command::Abort, Command::Quit, Command::QuitNewConnection]
        {
            command_survives(command)?;
        }
    }

    #[test]
    fn s3_modifications(index: u32, a in text(), b in text(), body: Vec<u8>) {
        for modification in [
            Modification::AddHeader { name: &a, value: &b },
            Modification::InsertHeader { index, name: &a, value: &b },
            Modification::ChangeHeader { index, name: &a, value: &b },
            Modification::ReplaceBody(&body),
            Modification::AddRecipient(&a),
            Modification::AddRecipientWithParameters { address: &a, parameters: None },
            Modification::AddRecipientWithParameters { address: &a, parameters: Some(&b) },
            Modification::DeleteRecipient(&a),
            Modification::ChangeSender { address: &a, parameters: None },
            Modification::ChangeSender { address: &a, parameters: Some(&b) },
            Modification::Quarantine(&a),
        ] {
            reply_survives(Reply::Modify(modification))?;
        }
    }

    #[test]
    fn s3_other_replies(
        version: u32,
        actions: u32,
        steps: u32,
        lists in vec((any::<u32>(), text()), 0..8),
        line in text(),
    ) {
        let lists: Vec<(u32, &[u8])> = lists.iter().map(|(number, names)| (*number, &names[..])).collect();
        let answer = Answer::new(version, Actions::from_bits(actions), Steps::from_bits(steps));
        reply_survives(Reply::Negotiate(answer.with_macro_lists(MacroLists::from(&lists[..]))))?;
        reply_survives(Reply::ReplyCode(&line))?;
        for reply in [
            Reply::Continue,
            Reply::Accept,
            Reply::Reject,
            Reply::TempFail,
            Reply::Discard,
            Reply::Shutdown,
            Reply::ConnFail,
            Reply::Skip,
            Reply::Progress,
        ] {
            reply_survives(reply)?;
        }
    }

    /// Any octets: no panic, and a second trip over the wire changes nothing any more.
    #[test]
    fn whatever_decodes_encodes_to_what_decodes_to_the_same(
        code in prop_oneof![proptest::sample::select(&b"ODCHMRTLNBEAQKU+-2bdefhilmpqsracty4"[..]), any::<u8>()],
        payload in vec(prop_oneof![Just(0u8), Just(b'4'), any::<u8>()], 0..40),
    ) {
        let frame = Frame { code, payload: &payload };
        if let Ok(command) = Command::decode(frame) {
            let mut out = Vec::new();
            match command.encode(&mut out) {
                Ok(()) => command_survives(command)?,
                // Header values keep inner NULs in decoding, and cannot carry them in encoding.
                Err(error) => {
                    prop_assert_eq!(error, EncodeError::Nul);
                    prop_assert!(out.is_empty());
                }
            }
        }
        if let Ok(reply) = Reply::decode(frame) {
            reply_survives(reply)?;
        }
    }
}

fn decode(code: u8, payload: &[u8]) -> Result<Command<'_>, DecodeError> {
    Command::decode(Frame { code, payload })
}

#[test]
fn s2_a_missing_last_nul_is_accepted() {
    assert_eq!(decode(b'H', b"client"), Ok(Command::Helo(b"client")));
    assert_eq!(decode(b'L', b"From\0a"), Ok(Command::Header { name: b"From", value: b"a" }));
    let parameters: [&[u8]; 2] = [b"SIZE=1", b"BODY=8BITMIME"];
    assert_eq!(
        decode(b'M', b"<a@b>\0SIZE=1\0BODY=8BITMIME"),
        Ok(Command::MailFrom { address: b"<a@b>", parameters: Strings::from(&parameters[..]) })
    );
    let peer = Peer::Inet { address: b"192.0.2.1", port: 0x1234 };
    assert_eq!(decode(b'C', b"h\x004\x12\x34192.0.2.1"), Ok(Command::Connect { hostname: b"h", peer }));
}

#[test]
fn x10_a_header_value_is_never_cut_at_a_nul() {
    assert_eq!(decode(b'L', b"X\0a\0b\0"), Ok(Command::Header { name: b"X", value: b"a\0b" }));
}

#[test]
fn s2_data_behind_the_last_part_is_ignored() {
    assert_eq!(decode(b'A', b"junk"), Ok(Command::Abort));
    assert_eq!(decode(b'H', b"a\0junk"), Ok(Command::Helo(b"a")));
    assert_eq!(decode(b'C', b"h\0Ujunk"), Ok(Command::Connect { hostname: b"h", peer: Peer::Unknown }));
}

#[test]
fn commands_that_lack_a_part_are_errors_with_their_offset() {
    for (code, payload, at, kind) in [
        (b'O', &b"\0\0\0\x06\0\0\x01\xff\0\x1f\xff"[..], 8, DecodeErrorKind::TooShort),
        (b'O', b"", 0, DecodeErrorKind::TooShort),
        (b'D', b"", 0, DecodeErrorKind::TooShort),
        (b'C', b"", 0, DecodeErrorKind::MissingNul),
        (b'C', b"host", 0, DecodeErrorKind::MissingNul),
        (b'C', b"host\0", 5, DecodeErrorKind::TooShort),
        (b'C', b"host\x004\x12", 6, DecodeErrorKind::TooShort),
        (b'C', b"host\x009\x12\x34x\0", 5, DecodeErrorKind::UnknownFamily),
        (b'L', b"From", 0, DecodeErrorKind::MissingNul),
        (b'?', b"x", 0, DecodeErrorKind::UnknownCode),
    ] {
        let error = decode(code, payload).unwrap_err();
        assert_eq!((error.code, error.at, error.kind), (code, at, kind), "{code} {payload:?}");
    }
}

#[test]
fn s3_replies_are_read_strictly() {
    for (code, payload, at, kind) in [
        (b'c', &b"x"[..], 0, DecodeErrorKind::Trailing),
        (b'y', b"550 no nul", 0, DecodeErrorKind::MissingNul),
        (b'y', b"550 x\0y", 6, DecodeErrorKind::Trailing),
        (b'h', b"X\0no nul", 2, DecodeErrorKind::MissingNul),
        (b'i', b"\0\0", 0, DecodeErrorKind::TooShort),
        (b'm', b"\0\0\0\x01X\0y\0z", 8, DecodeErrorKind::Trailing),
        (b'O', b"\0\0\0\x06\0\0\0\0\0\0\0\0\0\0\0", 12, DecodeErrorKind::TooShort),
        (b'O', b"\0\0\0\x06\0\0\0\0\0\0\0\0\0\0\0\x05i", 16, DecodeErrorKind::MissingNul),
        // "SETSYMLIST: only inside `O`; the char is reserved"
        (b'l', b"\0\0\0\x05i\0", 0, DecodeErrorKind::UnknownCode),
    ] {
        let error = Reply::decode(Frame { code, payload }).unwrap_err();
        assert_eq!((error.code, error.at, error.kind), (code, at, kind), "{code} {payload:?}");
    }
}

#[test]
fn a_nul_inside_a_string_is_refused_and_nothing_is_written() {
    let mut out = b"before".to_vec();
    assert_eq!(Command::Helo(b"a\0b").encode(&mut out), Err(EncodeError::Nul));
    let header = Modification::AddHeader { name: b"X", value: b"\0" };
    assert_eq!(Reply::Modify(header).encode(&mut out), Err(EncodeError::Nul));
    assert_eq!(out, b"before");
}

#[test]
fn s7_the_prefix_of_sendmail_is_no_part_of_the_address() {
    for text in ["IPv6:2001:db8::1", "ipv6:2001:db8::1", "2001:db8::1"] {
        let peer = Peer::Inet6 { address: text.as_bytes(), port: 25 };
        assert_eq!(peer.ip(), Some("2001:db8::1".parse().unwrap()), "{text}");
    }
    assert_eq!(Peer::Inet { address: b"127.0.0.1", port: 0 }.port(), Some(0));
    for peer in
        [Peer::Unknown, Peer::Unix { path: b"/run/x", port: 0 }, Peer::Inet { address: b"[192.0.2.5]", port: 1 }]
    {
        assert_eq!(peer.ip(), None);
    }
}
