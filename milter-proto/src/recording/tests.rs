//! Lines that are read, lines that are not, and the limits.

use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Result<Vec<Packet>, RecordingError> {
    Reader::new(text.as_bytes()).collect()
}

fn one(text: &str) -> Packet {
    let packets = read(text).unwrap();
    assert_eq!(packets.len(), 1, "{text}");
    packets[0].clone()
}

fn line(packet: &Packet) -> String {
    let mut out = Vec::new();
    packet.write_line(&mut out);
    String::from_utf8(out).unwrap()
}

fn packet(from: End, code: u8, payload: &[u8]) -> Packet {
    Packet::new(from, Frame { code, payload })
}

#[test]
fn a_line_says_what_the_packet_is() {
    let helo = packet(End::Mta, b'H', b"client.example\0").with_time(Duration::from_micros(1250));
    assert_eq!(line(&helo), "{\"from\":\"mta\",\"code\":\"H\",\"data\":\"client.example\\u0000\",\"at_us\":1250}\n");
    assert_eq!(line(&packet(End::Filter, b'c', b"")), "{\"from\":\"filter\",\"code\":\"c\"}\n");
    let octets = packet(End::Mta, 0xff, b"\"\\\r\n\t\0\x7f\x80\xff ~");
    assert_eq!(
        line(&octets),
        "{\"from\":\"mta\",\"code\":\"\\u00ff\",\"data\":\"\\\"\\\\\\r\\n\\t\\u0000\\u007f\\u0080\\u00ff ~\"}\n"
    );
}

#[test]
fn reading_is_tolerant_where_json_is() {
    let expected = packet(End::Mta, b'H', b"a/\xe4\n");
    for text in [
        r#"{"from":"mta","code":"H","data":"a/ä\n"}"#,
        "\n \t\r\n{\"from\":\"mta\",\"code\":\"H\",\"data\":\"a/ä\\n\"}\r\n\n",
        r#" { "data" : "a\/\u00E4\u000a" , "code" : "\u0048" , "from" : "mta" } "#,
        r#"{"note":"x\ud83d\ude00 ä \b\f","n":-1.5e+3,"o":{"a":[],"b":[1,{}]},"t":true,"z":null,"from":"mta","code":"H","data":"a/ä\n"}"#,
        r#"{"\u0066rom":"mta","code":"H","data":"a/ä\n","from_":"x","fro":0,"data2":1,"a_long_name_that_begins_with_from":2}"#,
    ] {
        assert_eq!(one(text), expected, "{text}");
    }
    assert_eq!(one(r#"{"from":"filter","code":"c","at_us":0}"#).at, Some(Duration::ZERO));
    assert_eq!(read("").unwrap(), []);
}

#[test]
fn errors_name_the_line_and_the_place() {
    use RecordingErrorKind::*;
    let good = "{\"from\":\"mta\",\"code\":\"T\"}\n";
    for (text, at, kind) in [
        ("x", 0, Syntax),
        ("[]", 0, Syntax),
        ("{}", 2, Missing("from")),
        (r#"{"from":"mta"}"#, 14, Missing("code")),
        (r#"{"code":"T"}"#, 12, Missing("from")),
        (r#"{"from":"mta","code":"T"} x"#, 26, Syntax),
        (r#"{"from":"mta","code":"T",}"#, 25, Syntax),
        (r#"{"from":"mta" "code":"T"}"#, 14, Syntax),
        (r#"{"from":"mta","from":"mta"}"#, 21, Twice("from")),
        (r#"{"code":"T","code":"T"}"#, 19, Twice("code")),
        (r#"{"data":"","data":""}"#, 18, Twice("data")),
        (r#"{"at_us":1,"at_us":1}"#, 19, Twice("at_us")),
        (r#"{"from":"me"}"#, 12, Value("from")),
        (r#"{"from":"filters"}"#, 16, Value("from")),
        (r#"{"from":1}"#, 8, Syntax),
        (r#"{"code":""}"#, 10, Value("code")),
        (r#"{"code":"TT"}"#, 11, Value("code")),
        (r#"{"code":"€"}"#, 12, NotAnOctet),
        (r#"{"data":"\u0100"}"#, 15, NotAnOctet),
        (r#"{"data":"\ud83d\ude00"}"#, 15, NotAnOctet),
        (r#"{"data":"\x"}"#, 11, Syntax),
        (r#"{"data":"\u12"}"#, 11, Syntax),
        (r#"{"data":"\u+123"}"#, 11, Syntax),
        ("{\"data\":\"a\tb\"}", 11, Syntax),
        (r#"{"data":"open}"#, 14, Syntax),
        (r#"{"at_us":-1}"#, 11, Value("at_us")),
        (r#"{"at_us":1.5}"#, 12, Value("at_us")),
        (r#"{"at_us":18446744073709551616}"#, 29, Value("at_us")),
        (r#"{"at_us":"1"}"#, 9, Value("at_us")),
        (r#"{"n":01}"#, 6, Syntax),
        (r#"{"n":1.}"#, 7, Syntax),
        (r#"{"n":tru}"#, 5, Syntax),
        (r#"{"n":[1 2]}"#, 8, Syntax),
        (r#"{"n":{1:2}}"#, 6, Syntax),
    ] {
        let result = read(&format!("{good}\n{text}\n{good}"));
        assert_eq!(result, Err(RecordingError { line: 3, at, kind }), "{text}");
    }
    let result: Result<Vec<Packet>, _> = Reader::new(b"{\"data\":\"\xff\"}").collect();
    assert_eq!(result, Err(RecordingError { line: 1, at: 9, kind: NotUtf8 }));
    assert_eq!(result.unwrap_err().to_string(), "line 1, offset 9: not utf-8");
}

#[test]
fn after_an_error_there_is_nothing_more() {
    let mut reader = Reader::new(b"x\n{\"from\":\"mta\",\"code\":\"T\"}\n");
    assert!(reader.next().unwrap().is_err());
    assert_eq!(reader.next(), None);
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        read(&format!(r#"{{"from":"mta","code":"T","n":{open}{close}}}"#)).map(|packets| packets.len())
    };
    assert_eq!(nested(16), Ok(1));
    assert_eq!(nested(17).map_err(|error| error.kind), Err(RecordingErrorKind::TooDeep));
    assert_eq!(nested(1_000_000).map_err(|error| error.kind), Err(RecordingErrorKind::TooDeep));
}

#[test]
fn lines_packets_and_their_number_are_bounded() {
    let text = "{\"from\":\"mta\",\"code\":\"B\",\"data\":\"abc\"}\n".repeat(3);
    let line = text.len() / 3 - 1;
    for (max_line, max_frame, max_packets, expected) in [
        (line, 4, 3, None),
        (line - 1, 4, 3, Some((1, line - 1, RecordingErrorKind::LineTooLong))),
        (line, 3, 3, Some((1, 36, RecordingErrorKind::PacketTooLong))),
        (line, 4, 2, Some((3, 0, RecordingErrorKind::TooManyPackets))),
    ] {
        let limits = ReaderLimits { max_line, max_frame, max_packets };
        let result: Result<Vec<Packet>, _> = Reader::with_limits(text.as_bytes(), limits).collect();
        let expected = expected.map(|(line, at, kind)| RecordingError { line, at, kind });
        assert_eq!(result.err(), expected);
    }
}

#[test]
fn a_packet_of_one_mebibyte_of_escapes_has_a_line_that_is_read() {
    let longest = packet(End::Mta, b'B', &vec![0; (1 << 20) - 1]);
    assert_eq!(one(&line(&longest)), longest);
}

#[test]
fn a_recording_does_not_exceed_its_limit() {
    let octets = b"\0\0\0\x01T".repeat(3);
    let length = line(&packet(End::Mta, b'T', b"")).len();
    for (max, lines) in [(0, 0), (length - 1, 0), (length, 1), (length * 3 - 1, 2), (length * 3, 3)] {
        let (mut recorder, mut out) = (Recorder::new(max), Vec::new());
        let result = recorder.octets(End::Mta, &octets, None, &mut out);
        assert_eq!(out.len(), lines * length);
        let error = Err(RecorderError::Full { max });
        assert_eq!(result, if lines < 3 { error } else { Ok(()) });
        assert_eq!(recorder.octets(End::Filter, b"\0\0\0\x01c", None, &mut out), error);
        assert_eq!(out.len(), lines * length);
    }
}

#[test]
fn a_stream_without_packets_ends_the_recording() {
    let (mut recorder, mut out) = (Recorder::default(), Vec::new());
    recorder.octets(End::Mta, b"\0\0\0\x01T\0\0\0\0", None, &mut out).unwrap_err();
    assert_eq!(out, line(&packet(End::Mta, b'T', b"")).as_bytes());
    let error = Err(RecorderError::Frame(FrameError::Empty { offset: 5 }));
    assert_eq!(recorder.octets(End::Filter, b"\0\0\0\x01c", None, &mut out), error);
}

fn packets() -> impl Strategy<Value = Vec<Packet>> {
    let payload = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..40),
        proptest::collection::vec(proptest::sample::select(&b"\0\"\\\n\r\tn/u \x7f\x80"[..]), 0..20),
    ];
    let one = (any::<bool>(), any::<u8>(), payload, proptest::option::of(any::<u64>()));
    let one = one.prop_map(|(is_mta, code, payload, at)| Packet {
        from: if is_mta { End::Mta } else { End::Filter },
        code,
        payload,
        at: at.map(Duration::from_micros),
    });
    proptest::collection::vec(one, 0..20)
}

proptest! {
    #[test]
    fn what_is_written_is_read(packets in packets()) {
        let text: String = packets.iter().map(line).collect();
        prop_assert!(text.is_ascii());
        prop_assert_eq!(text.lines().count(), packets.len());
        prop_assert_eq!(read(&text).unwrap(), packets);
    }

    /// Both directions cut anywhere: the packets come out as they went in, each direction in its order.
    #[test]
    fn a_recorder_sees_the_packets_whatever_the_cuts(packets in packets(), cuts in proptest::collection::vec(1usize..9, 1..9)) {
        let (mut recorder, mut out) = (Recorder::default(), Vec::new());
        for packet in &packets {
            let mut octets = Vec::new();
            packet.frame().encode(&mut octets).unwrap();
            let mut rest = &octets[..];
            for cut in cuts.iter().cycle() {
                let (piece, tail) = rest.split_at((*cut).min(rest.len()));
                recorder.octets(packet.from, piece, packet.at, &mut out).unwrap();
                rest = tail;
                if rest.is_empty() {
                    break;
                }
            }
        }
        let read: Vec<Packet> = Reader::new(&out).collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(read, packets);
    }

    #[test]
    fn any_text_gives_packets_or_an_error_in_one_of_its_lines(text in "([{}\\[\\]:,\"\\\\a-z0-9ä \n]|\"from\":\"mta\"|\"code\":\"T\"|\"data\":\"x\"){0,40}") {
        for result in Reader::new(text.as_bytes()) {
            if let Err(error) = result {
                let line = text.split('\n').nth(error.line.checked_sub(1).unwrap()).unwrap();
                prop_assert!(error.at <= line.len());
            }
        }
    }
}
