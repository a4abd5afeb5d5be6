//! A content filter as amavis is one: takes messages by SMTP, changes them, and hands them back by SMTP before it says that it has them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use crate::smtp::{Mail, Smtp};

/// What it puts under every body.
pub(crate) const DISCLAIMER: &str = "-- \r\nThis message was looked at.\r\n";

/// The field that it adds on top.
pub(crate) const FIELD: &str = "X-Looked-At: yes";

/// Takes messages at one port of 127.0.0.1 and hands them back at another, until the process ends.
pub(crate) fn start(listen: u16, hand_back: u16) {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, listen)).unwrap();
    thread::spawn(move || {
        for stream in socket.incoming() {
            let stream = stream.unwrap();
            // A session that breaks shows in the test: its message does not arrive.
            thread::spawn(move || serve(stream, hand_back));
        }
    });
}

fn serve(stream: TcpStream, hand_back: u16) {
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut lines = BufReader::new(stream);
    let say = |lines: &mut BufReader<TcpStream>, text: &str| write!(lines.get_mut(), "{text}\r\n").unwrap();
    say(&mut lines, "220 filter.example ESMTP");
    let (mut from, mut to) = (String::new(), String::new());
    loop {
        let line = read_line(&mut lines);
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        let verb = text.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" => say(&mut lines, "250-filter.example\r\n250-8BITMIME\r\n250 SMTPUTF8"),
            "MAIL" | "RCPT" => {
                let address = text.split_once('<').unwrap().1.split_once('>').unwrap().0.to_owned();
                *(if verb == "MAIL" { &mut from } else { &mut to }) = address;
                say(&mut lines, "250 2.1.0 Ok");
            }
            "DATA" => {
                say(&mut lines, "354 Go ahead");
                let message = changed(&read_message(&mut lines));
                let mail = Mail { from: &from, to: &to, parameters: "", message: &message };
                let reply = Smtp::connect(hand_back).send(&mail);
                say(&mut lines, &format!("{} {}", reply.code, reply.text));
            }
            "QUIT" | "" => return,
            _ => say(&mut lines, "250 Ok"),
        }
    }
}

fn read_line(lines: &mut BufReader<TcpStream>) -> Vec<u8> {
    let mut line = Vec::new();
    lines.read_until(b'\n', &mut line).unwrap();
    line
}

/// Up to the dot, with what dots were doubled for the way taken out again.
fn read_message(lines: &mut BufReader<TcpStream>) -> Vec<u8> {
    let mut message = Vec::new();
    loop {
        let line = read_line(lines);
        if line == b".\r\n" {
            return message;
        }
        message.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
}

fn changed(message: &[u8]) -> Vec<u8> {
    [FIELD.as_bytes(), b"\r\n", message, DISCLAIMER.as_bytes()].concat()
}
