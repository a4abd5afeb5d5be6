//! Commands out of order, where libmilter says nothing and the MTA hangs: an answer, or the end of the connection.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use milter_proto::FrameDecoder;

use super::{PATIENCE, daemon, dialogue, port, still_serves};

/// Whether a packet of this code has a reply when everything is in order: our daemon asks for silence (NR) at header fields, end of headers
/// and body.
fn is_answered(code: u8) -> bool {
    matches!(code, b'O' | b'C' | b'H' | b'M' | b'R' | b'T' | b'E' | b'U')
}

struct Mta {
    stream: TcpStream,
    decoder: FrameDecoder,
}

impl Mta {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream, decoder: FrameDecoder::default() }
    }

    fn send(&mut self, packet: &[u8]) {
        self.stream.write_all(packet).unwrap();
    }

    /// The code of the final reply; `None` when the connection was closed.
    fn reply(&mut self) -> Option<u8> {
        loop {
            // Header edits and signs of life come before it.
            while let Some(frame) = self.decoder.next_frame().unwrap() {
                if !matches!(frame.code, b'm' | b'i' | b'h' | b'p') {
                    return Some(frame.code);
                }
            }
            match self.stream.read(self.decoder.space()) {
                Ok(0) => return None,
                Ok(octets) => self.decoder.filled(octets),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("neither a reply nor an end: {error}"),
            }
        }
    }
}

/// A connection on which the first packets of the dialogue have passed, with all their replies.
fn at(address: SocketAddr, packets: &[Vec<u8>]) -> Mta {
    let mut mta = Mta::connect(address);
    for packet in packets {
        mta.send(packet);
        if is_answered(packet[4]) {
            assert!(mta.reply().is_some(), "no reply to `{}`", char::from(packet[4]));
        }
    }
    mta
}

/// Each packet of the dialogue, and some more, after each beginning of it.
#[test]
fn s19_every_command_in_every_state_is_answered_or_ends_the_connection() {
    let daemon = daemon("");
    let dialogue = dialogue();
    let mut commands = dialogue.clone();
    for code in *b"UK" {
        commands.push(vec![0, 0, 0, 6, code, b'N', b'O', b'O', b'P', 0]);
    }
    let mut states = 0;
    // Not behind QUIT: nobody reads there any more.
    for length in 0..dialogue.len() {
        for command in &commands {
            let mut mta = at(port(&daemon), &dialogue[..length]);
            mta.send(command);
            if is_answered(command[4]) {
                // Whatever it is. `read` fails after a while where there is none.
                mta.reply();
            }
            states += 1;
        }
    }
    assert_eq!(states, 16 * 18);
    still_serves(&daemon);
}

#[test]
fn s19_a_length_of_zero_ends_the_connection_in_every_state() {
    let daemon = daemon("");
    let dialogue = dialogue();
    for length in 0..dialogue.len() {
        let mut mta = at(port(&daemon), &dialogue[..length]);
        mta.send(&[0; 4]);
        assert_eq!(mta.reply(), None, "after {length} packets");
    }
    still_serves(&daemon);
}

/// After a mistake of the MTA its session can go on.
#[test]
fn a_session_goes_on_after_commands_out_of_order() {
    let daemon = daemon("");
    let dialogue = dialogue();
    let mut mta = at(port(&daemon), &dialogue[..4]);
    for wrong in [13, 7, 6, 13] {
        mta.send(&dialogue[wrong]);
        assert_eq!(mta.reply(), Some(b't'), "packet {wrong}");
    }
    for packet in &dialogue[4..14] {
        mta.send(packet);
        if is_answered(packet[4]) {
            assert_eq!(mta.reply(), Some(b'c'), "`{}`", char::from(packet[4]));
        }
    }
}

/// What would be the end of a body without a message is no message.
#[test]
fn an_mta_that_pushes_content_into_a_finished_message_is_stopped() {
    let daemon = daemon("[limits]\nidle = \"2s\"\n");
    let dialogue = dialogue();
    let mut mta = at(port(&daemon), &dialogue[..14]);
    for _ in 0..1000 {
        mta.send(&dialogue[8]);
        mta.send(&dialogue[12]);
    }
    mta.send(&dialogue[13]);
    assert!(mta.reply().is_none_or(|code| code == b't'));
    std::thread::sleep(Duration::from_millis(50));
    still_serves(&daemon);
}
