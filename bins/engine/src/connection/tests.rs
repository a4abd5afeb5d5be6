//! What needs a look inside: signs of life, and the last reply after a fault.

use std::path::Path;

use milter_proto::{Command, Frame, MtaOptions, MtaSession, Offer, Peer, Strings, flags};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UdpSocket, UnixStream};

use super::*;
use crate::config;
use crate::keys::Keys;

fn setup(text: &str) -> Arc<Setup> {
    let (config, _) = config::parse(text, Path::new("test.toml")).unwrap();
    let resolver = Resolver::new(&config.dns, crate::BACKEND).unwrap();
    Arc::new(Setup { rules: Arc::new(Rules::new(config, &Keys::default())), resolver })
}

fn surroundings() -> Surroundings {
    Surroundings {
        logger: Logger::disabled(),
        journal: Journal::disabled(),
        pool: CryptoPool::new(1),
        host_name: "host.example".into(),
        progress: Duration::from_millis(50),
        told_about_spaces: Arc::default(),
    }
}

const SIGNATURE: &[u8] = b" v=1; a=rsa-sha256; d=example.com; s=sel; h=from; \
    bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=YWJjZGVmZ2hpamtsbW5vcA==";

#[tokio::test]
async fn s12_the_mta_gets_signs_of_life_while_dns_is_slow() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let server = silent.local_addr().unwrap();
    let setup = setup(&format!("[dns]\nnameservers = [\"{server}\"]\ntimeout = \"20s\"\ndeadline = \"400ms\"\n"));
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let (_stopping, stop) = watch::channel(false);
    let connection = Connection::new(Stream::Unix(ours), setup, Arc::default(), surroundings(), stop, None);
    let serving = tokio::spawn(connection.serve());

    let mut mta = MtaSession::new(MtaOptions::default());
    let mut decoder = FrameDecoder::default();
    let mut heard = Vec::new();
    for step in 0..9 {
        let mut out = Vec::new();
        let sent = match step {
            0 => mta.negotiate(&mut out),
            1 => mta.connect(b"c", Peer::Inet { address: b"192.0.2.1", port: 9 }, &mut out),
            2 => mta.helo(b"c", &mut out),
            3 => mta.mail(b"<a@b.example>", &[], &mut out),
            4 => mta.rcpt(b"<a@b.example>", &[], &mut out),
            5 => mta.data(&mut out),
            6 => mta.header(b"DKIM-Signature", SIGNATURE, &mut out),
            7 => mta.end_of_headers(&mut out),
            _ => mta.end_of_body(&mut out),
        };
        theirs.write_all(&out).await.unwrap();
        if sent != Ok(milter_proto::Sent::AwaitReply) {
            continue;
        }
        heard.clear();
        while mta.awaiting().is_some() {
            match decoder.next_frame().unwrap() {
                Some(frame) => {
                    heard.push(frame.code);
                    mta.receive(frame).unwrap();
                }
                None => {
                    let octets = theirs.read(decoder.space()).await.unwrap();
                    decoder.filled(octets);
                }
            }
        }
    }
    let signs = heard.iter().filter(|code| **code == b'p').count();
    assert!((3..=8).contains(&signs), "{heard:?}");
    assert_eq!(heard[signs..], *b"ic", "then the results and the decision");
    drop(theirs);
    serving.await.unwrap();
}

fn dialogue(policy: &str) -> Dialogue {
    let setup = setup(&format!("[dns]\nnameservers = [\"127.0.0.1:9\"]\n[policy]\non_internal_error = \"{policy}\"\n"));
    let mut dialogue = Dialogue::new(setup, Arc::default(), "host.example".into(), false);
    let offer = Offer::new(6, flags::Actions::ALL, flags::Steps::ALL);
    for command in [
        Command::Negotiate(offer),
        Command::Connect { hostname: b"c", peer: Peer::Unknown },
        Command::MailFrom { address: b"<a@b.example>", parameters: Strings::NONE },
    ] {
        let mut wire = Vec::new();
        command.encode(&mut wire).unwrap();
        let frame = Frame { code: wire[4], payload: &wire[5..] };
        assert_eq!(dialogue.take(frame, &mut Vec::new()), Ok(Next::Continue));
    }
    dialogue
}

#[tokio::test]
async fn m27_after_a_fault_of_the_session_itself_the_event_has_its_reply() {
    for (policy, code, expected) in [
        ("tempfail", b'R', &[0, 0, 0, 1, b't'][..]),
        ("accept", b'R', &[0, 0, 0, 1, b'a']),
        ("tempfail", b'E', &[0, 0, 0, 1, b't']),
        // No reply was agreed for these, and none is ever due to those: octets now would be taken for the next answer.
        ("tempfail", b'L', &[]),
        ("tempfail", b'B', &[]),
        ("tempfail", b'A', &[]),
    ] {
        let mut out = Vec::new();
        dialogue(policy).answer_fault(code, &mut out);
        assert_eq!(out, expected, "{}", char::from(code));
    }
}

#[tokio::test]
async fn m27_after_a_fault_behind_an_event_that_was_taken_it_has_its_reply() {
    for (policy, expected) in [("tempfail", b't'), ("accept", b'a')] {
        for (commands, code) in [(&[mail(b"<a@fail.example>")][..], b'M'), (&[mail(b"<a@other.example>"), RCPT], b'R')]
        {
            let at = if code == b'M' { "mail" } else { "rcpt" };
            let text = format!("reject = [\"*\"]\nreject_at = \"{at}\"\n[policy]\non_internal_error = \"{policy}\"");
            let (mut connection, mut theirs) = connection(&text, FAILING).await;
            for command in commands {
                assert!(connection.out.is_empty() || code == b'R');
                connection.out.clear();
                let mut wire = Vec::new();
                command.encode(&mut wire).unwrap();
                let frame = Frame { code: wire[4], payload: &wire[5..] };
                let next = connection.dialogue.take(frame, &mut connection.out).unwrap();
                assert_eq!(next == Next::EnvelopeStep, command == commands.last().unwrap());
            }
            let worked = guarded(pin!(async { panic!("on purpose") })).await;
            let end = connection.unless_fault::<()>(code, worked).await;
            assert!(matches!(end, Err(End::Fault)), "{end:?}");
            drop(connection);
            let mut heard = Vec::new();
            theirs.read_to_end(&mut heard).await.unwrap();
            assert_eq!(heard, [0, 0, 0, 1, expected], "{} {policy}", char::from(code));
        }
    }
}

#[tokio::test]
async fn m26_our_id_is_the_name_of_the_mta_and_only_else_that_of_the_host() {
    for (name, id) in [(&b"mx.example"[..], "mx.example"), (b"mx.example.", "mx.example"), (b"", "host.example")] {
        let setup = setup("[dns]\nnameservers = [\"127.0.0.1:9\"]\n");
        let mut dialogue = Dialogue::new(setup, Arc::default(), "host.example".into(), false);
        let offer = Offer::new(6, flags::Actions::ALL, flags::Steps::ALL);
        let pairs: &[(&[u8], &[u8])] = &[(b"j", name)];
        for command in [
            Command::Negotiate(offer),
            Command::Macros { command: b'C', pairs: pairs.into() },
            Command::Connect { hostname: b"c", peer: Peer::Unknown },
        ] {
            let mut wire = Vec::new();
            command.encode(&mut wire).unwrap();
            let frame = Frame { code: wire[4], payload: &wire[5..] };
            assert_eq!(dialogue.take(frame, &mut Vec::new()), Ok(Next::Continue));
        }
        assert_eq!(dialogue.authserv_ids().own(), id);
    }
}

/// What the dialogue answers to commands; a step that waits is answered by what is known at once.
async fn answers(connection: &mut Connection, commands: &[Command<'_>]) -> String {
    let mut codes = String::new();
    for command in commands {
        let mut wire = Vec::new();
        command.encode(&mut wire).unwrap();
        let next = connection.dialogue.take(Frame { code: wire[4], payload: &wire[5..] }, &mut connection.out).unwrap();
        connection.start_lookups().await;
        if next == Next::EnvelopeStep {
            connection.envelope_step().await.unwrap();
        }
        let mut decoder = FrameDecoder::default();
        decoder.push(&connection.out);
        while let Some(frame) = decoder.next_frame().unwrap() {
            codes.push(char::from(frame.code));
        }
        connection.out.clear();
    }
    codes
}

fn mail(address: &[u8]) -> Command<'_> {
    Command::MailFrom { address, parameters: Strings::NONE }
}

const RCPT: Command<'static> = Command::RcptTo { address: b"<jo@example.com>", parameters: Strings::NONE };

/// A connection whose DNS is these records, after HELO.
async fn connection(spf: &str, zone: &str) -> (Connection, UnixStream) {
    let (config, _) = config::parse(&format!("[spf]\n{spf}\n"), Path::new("test.toml")).unwrap();
    let zone = crate::dns::Zone::parse(zone.as_bytes(), Path::new("zone.txt")).unwrap();
    let resolver = Resolver::offline(zone, crate::BACKEND);
    let setup = Arc::new(Setup { rules: Arc::new(Rules::new(config, &Keys::default())), resolver });
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (_stopping, stop) = watch::channel(false);
    let mut connection = Connection::new(Stream::Unix(ours), setup, Arc::default(), surroundings(), stop, None);
    let peer = Peer::Inet { address: b"192.0.2.10", port: 9 };
    let hello = [
        Command::Negotiate(Offer::new(6, flags::Actions::ALL, flags::Steps::ALL)),
        Command::Connect { hostname: b"c", peer },
        Command::Helo(b"client.example"),
    ];
    assert_eq!(answers(&mut connection, &hello).await, "Occ");
    (connection, theirs)
}

const FAILING: &str = "fail.example. TXT \"v=spf1 -all\"\n";

#[tokio::test]
async fn s18_after_a_refused_mail_the_next_one_begins_a_message_with_or_without_abort() {
    for between in [&[][..], &[Command::Abort], &[Command::Helo(b"client.example")]] {
        let (mut connection, _mta) = connection("reject = [\"*\"]\nreject_at = \"mail\"", FAILING).await;
        assert_eq!(answers(&mut connection, &[mail(b"<a@fail.example>")]).await, "y");
        assert!(!connection.dialogue.is_busy());
        let after = answers(&mut connection, between).await;
        assert_eq!(after.len(), between.iter().filter(|command| matches!(command, Command::Helo(_))).count());
        let next = [mail(b"<a@other.example>"), RCPT, Command::Data, Command::EndOfHeaders];
        assert_eq!(answers(&mut connection, &next).await, "ccc");
        assert!(connection.dialogue.is_busy());
    }
}

#[tokio::test]
async fn s18_a_recipient_for_a_message_that_was_refused_at_mail_is_put_off_and_never_accepted() {
    let (mut connection, _mta) = connection("reject = [\"*\"]\nreject_at = \"mail\"", FAILING).await;
    assert_eq!(answers(&mut connection, &[mail(b"<a@fail.example>"), RCPT, Command::Data]).await, "ytt");
}

#[tokio::test]
async fn s18_a_refused_recipient_leaves_the_message_open_and_the_next_mail_ends_it() {
    let (mut connection, _mta) = connection("reject = [\"fail.example\"]", FAILING).await;
    assert_eq!(answers(&mut connection, &[mail(b"<a@fail.example>"), RCPT, RCPT]).await, "cyy");
    assert!(connection.dialogue.is_busy());
    // Sendmail sends no ABORT between two messages.
    assert_eq!(answers(&mut connection, &[mail(b"<a@other.example>"), RCPT]).await, "cc");
    // It would not send the content of a message without recipients; were it to, it is refused as well.
    let content = [mail(b"<a@fail.example>"), RCPT, Command::Data, Command::EndOfHeaders];
    assert_eq!(answers(&mut connection, &content).await, "cyc");
    let (closing, job, ..) = connection.dialogue.close_message().unwrap();
    let verdict = closing.verdict(guard(|| job.run()), Duration::ZERO, Duration::ZERO);
    assert_eq!(verdict.action.cause(), Some("spf-fail"));
}

#[tokio::test]
async fn a_budget_of_zero_waits_for_nothing_and_takes_what_is_known() {
    let spf = "reject = [\"*\"]\nbudget = \"0\"";
    let (mut known, _mta) = connection(spf, FAILING).await;
    assert_eq!(answers(&mut known, &[mail(b"<a@fail.example>"), RCPT]).await, "cy");
}
