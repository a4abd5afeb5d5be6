//! What a stored message tells of its own delivery: who gave it to our MTA, from whom, for whom, and when.
//!
//! ```text
//!  Return-Path, Delivered-To, results      written at delivery            ┐
//!  Received: … with LMTP                   local delivery, passed over    │ was not there when the filter
//!  Received: from localhost …              a content filter, passed over  │ saw the message
//!  Received: from HELO (NAME [ADDRESS])    our MTA's: the client          ┘
//!  Received, DKIM-Signature, From …        the message as it came
//! ```
//!
//! All of it is a guess: nothing in a file says which MTA wrote it. A file that was never delivered here tells what somebody else found.

use std::net::IpAddr;

use dkim_core::UnixTime;
use dkim_core::header::{Field, HeaderBlock, HeaderLimits};
use engine::message::received::{self, MAX_HOPS, ReceivedError};
use jiff::fmt::rfc2822::DateTimeParser;

/// What the fields on top say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Delivered {
    /// The client that our MTA's Received field names, or why none is named.
    pub(crate) client: Option<Result<FromReceived, ReceivedError>>,
    /// Return-Path, as it stands there.
    pub(crate) mail_from: Option<Vec<u8>>,
    /// X-Original-To or Delivered-To.
    pub(crate) rcpt_to: Option<Vec<u8>>,
    /// Fields from the top that were not there yet when the message came.
    fields: usize,
}

/// What our MTA's Received field says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FromReceived {
    pub(crate) address: IpAddr,
    pub(crate) helo: Option<Vec<u8>>,
    pub(crate) is_authenticated: bool,
    pub(crate) at: Option<UnixTime>,
}

impl Delivered {
    /// Reads the fields on top of a header section.
    pub(crate) fn of(headers: &HeaderBlock) -> Self {
        let mut delivered = Self::default();
        let mut hops = 0_usize;
        for (number, field) in (1..).zip(headers) {
            if field.is_named("Return-Path") && delivered.mail_from.is_none() {
                delivered.mail_from = Some(address(field.value));
            } else if field.is_named("X-Original-To") || (field.is_named("Delivered-To") && delivered.rcpt_to.is_none())
            {
                delivered.rcpt_to = Some(address(field.value));
            }
            if !field.is_named("Received") {
                continue;
            }
            hops = hops.saturating_add(1);
            match received::client_of(field.value) {
                Ok(from) if from.client.is_loopback() && hops < MAX_HOPS => {}
                Err(_) if is_local_delivery(field.value) && hops < MAX_HOPS => {}
                Ok(from) => {
                    delivered.fields = number;
                    delivered.client = Some(Ok(FromReceived {
                        address: from.client,
                        is_authenticated: from.is_authenticated(),
                        helo: from.helo,
                        at: date(field.value),
                    }));
                    return delivered;
                }
                Err(error) => {
                    delivered.client = Some(Err(error));
                    return delivered;
                }
            }
        }
        delivered
    }

    /// The client that is named.
    pub(crate) fn named(&self) -> Option<&FromReceived> {
        self.client.as_ref()?.as_ref().ok()
    }

    /// The header section as it was when the message came from the client that is named.
    pub(crate) fn as_it_came(&self, headers: &HeaderBlock) -> HeaderBlock {
        let mut builder = HeaderBlock::builder(HeaderLimits::default());
        for Field { name, value, .. } in headers.iter().skip(self.fields) {
            // Fields of a block fit a block.
            let _ = builder.push(name, value);
        }
        builder.finish()
    }
}

/// `by HOST with LMTP`: from our MTA to our mail store.
fn is_local_delivery(value: &[u8]) -> bool {
    let words: Vec<&[u8]> = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
    let is_lmtp = |pair: &[&[u8]]| matches!(pair, [with, how] if *with == b"with" && how.starts_with(b"LMTP"));
    words.windows(2).any(is_lmtp)
}

/// An address as it stands in a field.
fn address(value: &[u8]) -> Vec<u8> {
    value.trim_ascii().to_vec()
}

/// The date behind the last semicolon.
fn date(value: &[u8]) -> Option<UnixTime> {
    let at = value.iter().rposition(|octet| *octet == b';')?;
    let text = std::str::from_utf8(value.get(at.saturating_add(1)..)?).ok()?;
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    time(&words.join(" "))
}

/// A date of RFC 5322.
pub(crate) fn time(text: &str) -> Option<UnixTime> {
    static PARSER: DateTimeParser = DateTimeParser::new().relaxed_weekday(true);
    let time = PARSER.parse_timestamp(text).ok()?;
    u64::try_from(time.as_second()).ok().map(UnixTime::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(text: &str) -> HeaderBlock {
        HeaderBlock::parse(format!("{}\r\n\r\n", text.replace('\n', "\r\n")).as_bytes(), HeaderLimits::default())
            .unwrap()
            .0
    }

    #[test]
    fn what_was_written_at_delivery_tells_the_client_and_is_taken_off() {
        let stored = headers(
            "Return-Path: <jo@example.com>\nDelivered-To: ann@local.example\nX-Original-To: sales@example.net\n\
             Received: from mx.example.net\n\tby store.example.net with LMTP\n\tid abc; Tue, 24 Nov 2026 12:00:03 +0000\n\
             Received: from localhost (localhost [127.0.0.1])\n\tby mx.example.net (Postfix) with ESMTP id 2;\n\tTue, 24 Nov 2026 12:00:02 +0000\n\
             Authentication-Results: mx.example.net; spf=pass\n\
             Received: from mail.example.com (mail.example.com [192.0.2.1])\n\tby mx.example.net (Postfix) with ESMTPS id 1\n\tfor <sales@example.net>; Tue, 24 Nov 2026 13:00:01 +0100 (CET)\n\
             Received: from desk ([198.51.100.7]) by mail.example.com; Tue, 24 Nov 2026 11:59:00 +0000\nFrom: jo@example.com",
        );
        let delivered = Delivered::of(&stored);
        let named = delivered.named().unwrap();
        assert_eq!(named.address.to_string(), "192.0.2.1");
        assert_eq!(named.helo.as_deref(), Some(&b"mail.example.com"[..]));
        assert_eq!(named.at, Some(UnixTime::from_secs(1_795_521_601)));
        assert_eq!(delivered.mail_from.as_deref(), Some(&b"<jo@example.com>"[..]));
        assert_eq!(delivered.rcpt_to.as_deref(), Some(&b"sales@example.net"[..]));
        let came = delivered.as_it_came(&stored);
        let names: Vec<_> = came.iter().map(|field| String::from_utf8_lossy(field.name).into_owned()).collect();
        assert_eq!(names, ["Received", "From"]);
    }

    #[test]
    fn a_file_that_was_never_delivered_tells_nothing_and_stays_as_it_is() {
        let stored = headers("From: jo@example.com\nReturn-Path: <late@example.com>");
        let delivered = Delivered::of(&stored);
        assert_eq!(delivered.client, None);
        assert_eq!(delivered.as_it_came(&stored), stored);
        let stored = headers(
            "Received: by mx.example.net (Postfix, from userid 0) id 1; x\nReturn-Path: <no@example.com>\nFrom: jo@example.com",
        );
        let delivered = Delivered::of(&stored);
        assert_eq!((delivered.client, delivered.mail_from), (Some(Err(ReceivedError::NoFrom)), None));
    }

    #[test]
    fn a_client_that_authenticated_is_told_and_dates_without_sense_are_none() {
        let stored = headers("Received: from desk ([192.0.2.9]) by mx with ESMTPSA id 1; yesterday\nFrom: a@b.example");
        let delivered = Delivered::of(&stored);
        let named = delivered.named().unwrap();
        assert_eq!((named.is_authenticated, named.at), (true, None));
        for text in ["", "Tue", "Tue, 99 Nov 2026 12:00:00 +0000", "Mon, 01 Jan 0001 00:00:00 +0000"] {
            assert_eq!(time(text), None, "{text}");
        }
    }
}
