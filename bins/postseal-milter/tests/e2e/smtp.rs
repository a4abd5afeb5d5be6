//! A plain SMTP client: sends exactly the octets it is given.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// The server's answer to one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    /// Of three digits.
    pub(crate) code: u16,
    /// All lines, without the code, joined by LF.
    pub(crate) text: String,
}

/// Who sends what to whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mail<'a> {
    /// Envelope sender without angle brackets.
    pub(crate) from: &'a str,
    /// Envelope recipient without angle brackets.
    pub(crate) to: &'a str,
    /// ESMTP parameters of MAIL, such as `SMTPUTF8`; may be empty.
    pub(crate) parameters: &'a str,
    /// Header and body, lines ending in CRLF.
    pub(crate) message: &'a [u8],
}

/// One SMTP session.
pub(crate) struct Smtp {
    stream: BufReader<TcpStream>,
}

impl Smtp {
    /// Connects and says EHLO.
    pub(crate) fn connect(port: u16) -> Self {
        Self::begin(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap())
    }

    /// Connects from this address, one of 127.0.0.0/8, and says EHLO.
    pub(crate) fn connect_from(source: Ipv4Addr, port: u16) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
        socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into()).unwrap();
        Self::begin(socket.into())
    }

    fn begin(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut smtp = Self { stream: BufReader::new(stream) };
        smtp.expect(220);
        smtp.hello();
        smtp
    }

    /// Connects and makes Postfix believe that a client outside does: XCLIENT with these attributes.
    pub(crate) fn connect_as(port: u16, attributes: &str) -> Self {
        let mut smtp = Self::connect(port);
        let reply = smtp.command(&format!("XCLIENT {attributes}"));
        assert_eq!(reply.code, 220, "{reply:?}");
        smtp.hello();
        smtp
    }

    /// Sends one command and reads its reply.
    pub(crate) fn command(&mut self, line: &str) -> Reply {
        self.write(format!("{line}\r\n").as_bytes());
        self.reply()
    }

    /// Sends one mail and returns what the server says to it.
    pub(crate) fn send(&mut self, mail: &Mail<'_>) -> Reply {
        self.send_all(std::slice::from_ref(mail)).remove(0)
    }

    /// Sends mails one after the other in this session, pipelined as RFC 2920 allows: the end of a message and the envelope of the next go
    /// out in one write. Returns what the server says to each message.
    pub(crate) fn send_all(&mut self, mails: &[Mail<'_>]) -> Vec<Reply> {
        let mut replies = Vec::new();
        let mut output = Vec::new();
        for (index, mail) in mails.iter().enumerate() {
            output.extend_from_slice(format!("MAIL FROM:<{}> {}", mail.from, mail.parameters).trim_end().as_bytes());
            output.extend_from_slice(format!("\r\nRCPT TO:<{}>\r\nDATA\r\n", mail.to).as_bytes());
            self.write(&output);
            output.clear();
            if index > 0 {
                replies.push(self.reply());
            }
            self.expect(250);
            self.expect(250);
            self.expect(354);
            stuff_dots(mail.message, &mut output);
        }
        self.write(&output);
        replies.push(self.reply());
        replies
    }

    /// Sends a message after the server's 354, and its end.
    pub(crate) fn finish_data(&mut self, message: &[u8]) -> Reply {
        let mut output = Vec::new();
        stuff_dots(message, &mut output);
        self.write(&output);
        self.reply()
    }

    /// Sends one mail in a session of its own, as far as the server lets it: the first refusal, or the answer to the message. A server that
    /// hangs up said 421.
    pub(crate) fn offer(port: u16, mail: &Mail<'_>) -> Reply {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        let mut smtp = Self { stream: BufReader::new(stream) };
        let commands = [
            String::new(),
            "EHLO client.example\r\n".to_owned(),
            format!("MAIL FROM:<{}>\r\n", mail.from),
            format!("RCPT TO:<{}>\r\n", mail.to),
            "DATA\r\n".to_owned(),
        ];
        for command in commands {
            let reply = smtp.try_command(command.as_bytes());
            if reply.code >= 400 {
                return reply;
            }
        }
        let mut output = Vec::new();
        stuff_dots(mail.message, &mut output);
        smtp.try_command(&output)
    }

    fn try_command(&mut self, octets: &[u8]) -> Reply {
        let hung_up = |error: std::io::Error| Reply { code: 421, text: error.to_string() };
        self.stream.get_mut().write_all(octets).and_then(|()| self.try_reply()).unwrap_or_else(hung_up)
    }

    /// Sends octets as they are and waits for nothing.
    pub(crate) fn write_part(&mut self, octets: &[u8]) {
        self.write(octets);
    }

    fn hello(&mut self) {
        let reply = self.command("EHLO client.example");
        assert_eq!(reply.code, 250, "{reply:?}");
    }

    fn write(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
    }

    fn expect(&mut self, code: u16) {
        let reply = self.reply();
        assert_eq!(reply.code, code, "{reply:?}");
    }

    fn reply(&mut self) -> Reply {
        self.try_reply().unwrap()
    }

    fn try_reply(&mut self) -> std::io::Result<Reply> {
        let mut text = String::new();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            let line = line.trim_end();
            if line.len() < 3 {
                return Err(std::io::Error::other(format!("the server hung up: {text:?} {line:?}")));
            }
            text.push_str(line.get(4..).unwrap_or_default());
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(Reply { code: line[..3].parse().unwrap(), text });
            }
            text.push('\n');
        }
    }
}

/// RFC 5321 §4.5.2: a line that begins with a dot gets another one, and a dot alone ends the message.
fn stuff_dots(message: &[u8], output: &mut Vec<u8>) {
    assert!(message.ends_with(b"\r\n"), "a message ends with a line end");
    for line in message.split_inclusive(|&octet| octet == b'\n') {
        if line.starts_with(b".") {
            output.push(b'.');
        }
        output.extend_from_slice(line);
    }
    output.extend_from_slice(b".\r\n");
}
