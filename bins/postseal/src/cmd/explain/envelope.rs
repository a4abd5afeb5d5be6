//! Who gave us the message: from the options, else guessed from what the file tells of its own delivery.

use std::net::IpAddr;

use dkim_core::UnixTime;
use dkim_core::header::HeaderBlock;

use super::Args;
use crate::delivered::Delivered;
use crate::exit::{Exit, Failure};
use crate::mail::{Mail, now};

/// A port as clients have it: 0 would be Postfix's pickup.
pub(super) const PORT: u16 = 40_000;

/// Everything about a message but its body.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) client: IpAddr,
    pub(super) is_authenticated: bool,
    pub(super) helo: Vec<u8>,
    /// In angle brackets.
    pub(super) mail_from: Vec<u8>,
    pub(super) rcpt_to: Vec<Vec<u8>>,
    pub(super) at: UnixTime,
    /// Without what was put on top of it at delivery.
    pub(super) headers: HeaderBlock,
    /// What nobody said.
    pub(super) assumed: Vec<&'static str>,
}

impl Envelope {
    /// Joins the options with what the file tells.
    pub(super) fn of(args: &Args, mail: &Mail) -> Result<Self, Failure> {
        let delivered = Delivered::of(&mail.headers);
        // What the field says is about its client and no other.
        let named = delivered.named().filter(|named| args.ip.is_none_or(|given| given == named.address));
        let mut assumed = Vec::new();
        let client = match (args.ip, named) {
            (Some(given), _) => given,
            (None, Some(named)) => {
                assumed.push("client: from the topmost Received field of an MTA");
                named.address
            }
            (None, None) => {
                let why = match &delivered.client {
                    Some(Err(error)) => error.to_string(),
                    _ => "the file has no Received field".to_owned(),
                };
                return Err(unknown("the address of the client", "--ip", &why));
            }
        };
        let helo = match (&args.helo, named.and_then(|named| named.helo.as_ref())) {
            (Some(given), _) => given.clone().into_bytes(),
            (None, Some(helo)) => {
                assumed.push("HELO: from the same field");
                helo.clone()
            }
            (None, None) => {
                let why = "no Received field on top says it of this client";
                return Err(unknown("what the client says in HELO", "--helo", why));
            }
        };
        let mail_from = match (&args.from, &delivered.mail_from) {
            (Some(given), _) => path(given.as_bytes()),
            (None, Some(found)) => {
                assumed.push("MAIL FROM: from Return-Path");
                path(found)
            }
            (None, None) => {
                return Err(unknown("the sender (MAIL FROM)", "--from", "the file has no Return-Path on top"));
            }
        };
        let rcpt_to = match (args.rcpt.as_slice(), &delivered.rcpt_to) {
            ([], Some(found)) => {
                assumed.push("RCPT TO: from X-Original-To or Delivered-To");
                vec![path(found)]
            }
            ([], None) => Vec::new(),
            (given, _) => given.iter().map(|address| path(address.as_bytes())).collect(),
        };
        let at = match (args.at, named.and_then(|named| named.at)) {
            (Some(given), _) => given,
            (None, Some(at)) => {
                assumed.push("time: from the Received field");
                at
            }
            (None, None) => now(),
        };
        let headers = match named {
            Some(_) => delivered.as_it_came(&mail.headers),
            None => (*mail.headers).clone(),
        };
        if headers.len() < mail.headers.len() {
            assumed.push("the fields down to that one were added at delivery, and are not looked at");
        }
        let is_authenticated = named.is_some_and(|named| named.is_authenticated);
        Ok(Self { client, is_authenticated, helo, mail_from, rcpt_to, at, headers, assumed })
    }
}

fn path(address: &[u8]) -> Vec<u8> {
    if address.starts_with(b"<") { address.to_vec() } else { [b"<", address, b">"].concat() }
}

fn unknown(what: &str, option: &str, why: &str) -> Failure {
    Failure::new(Exit::Usage, format!("{what} is not known: {why}"), format!("say it with `{option}`"))
}
