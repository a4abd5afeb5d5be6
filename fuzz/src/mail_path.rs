//! Targets of the parsers on the mail path of `engine`: the author domain, Received fields, stored mail.

use std::io::BufReader;
use std::net::IpAddr;

use engine::message::author::author_domain;
use engine::message::received::{MAX_RECEIVED, client_of, sender_of};
use engine::stored::mbox::{FromLine, Item, Mbox};

use crate::Target;

/// The targets of this module.
pub const TARGETS: &[Target] = &[("author_domain", author_domain_of), ("mbox", mbox), ("received", received)];

/// A From value: the author domain, where there is one, was written there and is found again in the plainest address that holds it.
pub fn author_domain_of(data: &[u8]) {
    let Ok(domain) = author_domain(data) else { return };
    let text = data.to_ascii_lowercase();
    for label in domain.as_str().split('.').filter(|label| !label.starts_with("xn--")) {
        // A label of a U-label domain may be written in another form that IDNA maps to ASCII.
        let is_there = text.windows(label.len()).any(|window| window == label.as_bytes());
        assert!(is_there || !data.is_ascii(), "{label:?} of {domain} is not in the value");
    }
    assert_eq!(author_domain(format!(" <someone@{domain}>").as_bytes()).as_ref(), Ok(&domain));
}

/// A Received value: no address comes out that is not written in it. And a HELO: whatever it is, the client is the one that the MTA saw.
pub fn received(data: &[u8]) {
    if let Ok(from) = client_of(data) {
        // Each octet of an IPv4 address stands there; an IPv6 address has many spellings.
        if let (IpAddr::V4(address), true) = (from.client, data.is_ascii()) {
            let text = String::from_utf8_lossy(data);
            let is_mapped = text.to_ascii_lowercase().contains("ffff:");
            assert!(is_mapped || text.contains(&address.to_string()), "{address} is not in the value");
        }
        assert!(from.helo.is_none_or(|helo| helo.len() < data.len()));
    }
    let _ = sender_of(data.split(|octet| *octet == b'\n'), |address| address.is_ipv6());
    // What Postfix leaves of a HELO (NEUTER_CHARACTERS of its smtpd.c).
    let is_left = |octet: &u8| octet.is_ascii_graphic() && !b" <>()\\\";@".contains(octet);
    let helo: Vec<u8> = data.iter().map(|octet| if is_left(octet) { *octet } else { b'?' }).collect();
    if helo.is_empty() || helo.len() > MAX_RECEIVED / 2 {
        return;
    }
    let client = IpAddr::from([198, 51, 100, 7]);
    for (before, behind) in [
        ("from ", " (unknown [198.51.100.7]) by mx (Postfix) with SMTP id 1"),
        ("from ", " ([198.51.100.7] (may be forged)) by mx (8.18.1) with SMTP id 1"),
        ("from mail ([198.51.100.7] helo=", ") by mx with smtp (Exim 4.96) id 1"),
        ("from [198.51.100.7] (helo=", ") by mx with smtp (Exim 4.96) id 1"),
        ("from ", " (198.51.100.7) by mx (192.0.2.1) with Microsoft SMTP Server id 1"),
    ] {
        let from = client_of(&[before.as_bytes(), &helo, behind.as_bytes()].concat()).unwrap();
        assert_eq!((from.client, from.helo.as_deref()), (client, Some(helo.as_slice())));
    }
}

/// An mbox, read in pieces of any size: it ends, gives back no more than there is, and the same however it is read. What is written as a message of an
/// mbox comes back.
pub fn mbox(data: &[u8]) {
    const SEPARATOR: &[u8] = b"From x@example.com Tue Nov 24 12:00:00 2026\n";
    let read = |text: &[u8], capacity: usize| {
        let mut mbox = Mbox::with_limit(BufReader::with_capacity(capacity, text), 4096);
        let mut messages = Vec::new();
        while let Ok(Some(item)) = mbox.next_message() {
            messages.push(match item {
                Item::Message { octets, .. } => Some(octets),
                Item::TooLarge => None,
            });
        }
        messages
    };
    let messages = read(data, 8192);
    assert_eq!(messages, read(data, 3));
    let octets: usize = messages.iter().flatten().map(Vec::len).sum();
    assert!(octets <= data.len() && messages.len() <= data.len() / 20 + 1);
    let _ = FromLine::parse(data);
    if data.len() > 2000 {
        return;
    }
    let mut written = SEPARATOR.to_vec();
    for line in data.split_inclusive(|octet| *octet == b'\n') {
        let marks = line.iter().take_while(|octet| **octet == b'>').count();
        if line[marks..].starts_with(b"From ") {
            written.push(b'>');
        }
        written.extend_from_slice(line);
    }
    let ends_in_line = !data.is_empty() && !data.ends_with(b"\n");
    written.extend_from_slice(if ends_in_line { b"\n\n" } else { b"\n" });
    written.extend_from_slice(SEPARATOR);
    let messages = read(&written, 4096);
    let expected = [data, if ends_in_line { b"\n" } else { b"" }].concat();
    assert_eq!(messages, [Some(expected), Some(Vec::new())]);
}
