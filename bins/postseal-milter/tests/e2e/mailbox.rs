//! Reads what Postfix delivered into a Maildir.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A Maildir; each message is given out once.
pub(crate) struct Mailbox {
    folder: PathBuf,
    seen: Mutex<HashSet<PathBuf>>,
}

impl Mailbox {
    /// The Maildir at `folder`, which need not exist yet.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, seen: Mutex::default() }
    }

    /// The next message, waited for up to a minute; messages that arrive together come in no particular order.
    pub(crate) fn next(&self) -> Delivered {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(message) = self.unseen().pop() {
                self.seen.lock().unwrap().insert(message.clone());
                return Delivered::read(&fs::read(message).unwrap());
            }
            assert!(Instant::now() < deadline, "no message was delivered within a minute");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for so many messages more, and whether others come behind them for a moment.
    pub(crate) fn exactly(&self, count: usize) -> Vec<Delivered> {
        let delivered = (0..count).map(|_| self.next()).collect();
        std::thread::sleep(Duration::from_millis(500));
        assert!(!self.has_more(), "more than {count} messages were delivered");
        delivered
    }

    /// Whether a message is there that was not given out yet.
    pub(crate) fn has_more(&self) -> bool {
        !self.unseen().is_empty()
    }

    fn unseen(&self) -> Vec<PathBuf> {
        let seen = self.seen.lock().unwrap();
        let Ok(entries) = fs::read_dir(self.folder.join("new")) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().path()).filter(|path| !seen.contains(path)).collect()
    }
}

/// A delivered message.
pub(crate) struct Delivered {
    /// With CRLF line ends again, without the lines that the delivery agent put on top: as it was when the milter had edited it.
    pub(crate) message: Vec<u8>,
}

impl std::fmt::Debug for Delivered {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "a message with the header\n{}", self.header())
    }
}

impl Delivered {
    /// A file of the Maildir: its lines end in LF, and `virtual(8)` puts three fields on top.
    fn read(file: &[u8]) -> Self {
        let mut message = Vec::new();
        let mut on_top = true;
        for line in file.split_inclusive(|&octet| octet == b'\n') {
            let names: [&[u8]; 3] = [b"Return-Path:", b"X-Original-To:", b"Delivered-To:"];
            on_top = on_top && names.iter().any(|name| line.starts_with(name));
            if !on_top {
                message.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
                message.extend_from_slice(b"\r\n");
            }
        }
        Self { message }
    }

    /// Header fields in order, as name and value with its folds taken out.
    pub(crate) fn fields(&self) -> Vec<(String, String)> {
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in self.header().split("\r\n").filter(|line| !line.is_empty()) {
            match fields.last_mut() {
                Some((_, value)) if line.starts_with([' ', '\t']) => value.push_str(line),
                _ => {
                    let (name, value) = line.split_once(':').unwrap();
                    fields.push((name.to_owned(), value.trim_start().to_owned()));
                }
            }
        }
        fields
    }

    /// The values of all fields of a name, from the top.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        let named = |(field, value): (String, String)| field.eq_ignore_ascii_case(name).then_some(value);
        self.fields().into_iter().filter_map(named).collect()
    }

    /// The value of the only field of a name.
    pub(crate) fn only(&self, name: &str) -> String {
        let mut values = self.all(name);
        assert_eq!(values.len(), 1, "{name} in\n{}", self.header());
        values.remove(0)
    }

    /// The header section as text.
    pub(crate) fn header(&self) -> String {
        String::from_utf8_lossy(&self.message[..self.header_end()]).into_owned()
    }

    /// What stands behind the empty line.
    pub(crate) fn body(&self) -> &[u8] {
        &self.message[self.header_end() + 2..]
    }

    /// Where the empty line stands that ends the header section.
    fn header_end(&self) -> usize {
        self.message.windows(4).position(|octets| octets == b"\r\n\r\n").unwrap() + 2
    }
}
