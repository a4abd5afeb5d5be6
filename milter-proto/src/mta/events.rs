//! How the events of the MTA are written, and where the session then stands.

use std::net::Ipv6Addr;

use crate::command::{Command, Peer};
use crate::error::{UsageError, Waiting};
use crate::filter::Replacement;
use crate::flags::Steps;
use crate::order::Position;
use crate::stage::Stage;

use super::{MtaSession, Sent, Standing};

impl MtaSession {
    /// Writes macros and command of an event, unless the filter does not want it.
    pub(super) fn event(&mut self, stage: Stage, command: &Command<'_>, out: &mut Vec<u8>) -> Result<Sent, UsageError> {
        if let Some(waiting) = self.awaiting {
            return Err(UsageError::AwaitingReply(waiting));
        }
        if self.position == Position::Closed {
            return Ok(Sent::NotSent);
        }
        let agreed = self.agreed.ok_or(UsageError::OutOfOrder(Waiting::Event(stage)))?;
        // Every event is announced here, masked or not: the order is that of a session in which nothing is masked. Before version 4 there is
        // no DATA, and the table allows that as well.
        let begins_anew = matches!(stage, Stage::Helo | Stage::Mail);
        let ends_open_message = self.position.is_in_message() && begins_anew && !self.is_sendmail();
        if ends_open_message || !self.position.allows(stage, Steps::NONE) {
            return Err(UsageError::OutOfOrder(Waiting::Event(stage)));
        }
        let is_decided = stage.is_in_message() && stage != Stage::Mail && self.is_decided;
        let is_done = self.is_sendmail() && self.standing == Standing::Done && !begins_anew;
        let is_wanted = !is_decided && !is_done && self.skipped != Some(stage) && exists_in(agreed.version, stage);
        let start = out.len();
        let mut sent = Sent::NotSent;
        if is_wanted {
            self.write_event(stage, command, out).inspect_err(|_| out.truncate(start))?;
            if !agreed.is_masked(stage) {
                sent = if agreed.is_silent(stage) { Sent::NoReply } else { Sent::AwaitReply };
            }
        }
        self.advance(stage, sent);
        if sent == Sent::AwaitReply {
            self.awaiting = Some(Waiting::Event(stage));
        }
        Ok(sent)
    }

    /// Writes a command that is no event, if there is one to write.
    pub(super) fn leave(
        &mut self,
        command: Option<Command<'_>>,
        out: &mut Vec<u8>,
        then: impl FnOnce(&mut Self),
    ) -> Result<Sent, UsageError> {
        if let Some(waiting) = self.awaiting {
            return Err(UsageError::AwaitingReply(waiting));
        }
        match self.position {
            Position::Start => Err(UsageError::OutOfOrder(Waiting::Negotiation)),
            Position::Closed => Ok(Sent::NotSent),
            Position::BeforeConnect | Position::Idle | Position::Message(_) => {
                command.map_or(Ok(()), |command| command.encode(out))?;
                then(self);
                Ok(if command.is_some() { Sent::NoReply } else { Sent::NotSent })
            }
        }
    }

    pub(super) fn forget_message(&mut self) {
        self.skipped = None;
        self.is_decided = false;
        self.replacement = Replacement::NotBegun;
        self.modifications = 0;
        self.modified_octets = 0;
    }

    fn write_event(&self, stage: Stage, command: &Command<'_>, out: &mut Vec<u8>) -> Result<(), UsageError> {
        let is_masked = self.agreed.is_some_and(|agreed| agreed.is_masked(stage));
        if self.is_sendmail() && self.standing == Standing::InMessage && matches!(stage, Stage::Helo | Stage::Mail) {
            Command::Abort.encode(out)?;
        }
        let start = out.len();
        // §6: macros come "even [for] events the filter masked out"; Sendmail leaves out those of end of headers then.
        if !(self.is_sendmail() && is_masked && stage == Stage::EndOfHeaders) {
            let message_id = if self.is_sendmail() { self.message.message_id() } else { None };
            self.macros.write(stage, message_id.filter(|_| stage == Stage::EndOfBody), out)?;
            self.check_length(start, out)?;
        }
        if !is_masked {
            let start = out.len();
            command.encode(out)?;
            self.check_length(start, out)?;
        }
        Ok(())
    }

    /// Refuses a packet that Sendmail would not send: it gives up the connection instead.
    fn check_length(&self, start: usize, out: &[u8]) -> Result<(), UsageError> {
        let data = out.len().saturating_sub(start).saturating_sub(5);
        if self.is_sendmail() && data > self.max_data() { Err(UsageError::TooLong(data)) } else { Ok(()) }
    }

    fn advance(&mut self, stage: Stage, sent: Sent) {
        match stage {
            Stage::Connect | Stage::Helo | Stage::Mail => self.standing = Standing::Open,
            // The filter has the message when it gets its content; before that when it goes on at MAIL, see `decide`.
            Stage::Header | Stage::EndOfHeaders | Stage::Body | Stage::EndOfBody if sent != Sent::NotSent => {
                self.standing = Standing::InMessage;
            }
            _ => {}
        }
        match stage {
            Stage::Unknown => {}
            Stage::Connect | Stage::Helo => {
                self.forget_message();
                self.position = Position::Idle;
            }
            Stage::Mail => {
                self.forget_message();
                self.position = Position::Message(stage);
            }
            // A message that was decided on before has no end of its own to wait for.
            Stage::EndOfBody if sent == Sent::NotSent => self.position = Position::Idle,
            _ => self.position = Position::Message(stage),
        }
    }
}

/// Whether a version has an event at all (§4.5: "Version ≤ 2: no UNKNOWN, ≤ 3: no DATA, whatever the bits say").
fn exists_in(version: u32, stage: Stage) -> bool {
    match stage {
        Stage::Unknown => version >= 3,
        Stage::Data => version >= 4,
        _ => true,
    }
}

/// A value as an MTA sends it with its leading space: lines joined by LF, and cut to `max` octets, at a line boundary if less than a tenth is
/// lost by that (§8.12).
pub(super) fn wire_value(value: &[u8], max: usize) -> Vec<u8> {
    let mut wire = Vec::new();
    for line in value.split_inclusive(|&octet| octet == b'\n') {
        match line.strip_suffix(b"\r\n") {
            Some(text) => {
                wire.extend_from_slice(text);
                wire.push(b'\n');
            }
            None => wire.extend_from_slice(line),
        }
    }
    if wire.len() > max {
        wire.truncate(max);
        if let Some(end) =
            wire.iter().rposition(|&octet| octet == b'\n').filter(|&end| end.saturating_mul(10) > max.saturating_mul(9))
        {
            wire.truncate(end);
        }
    }
    wire
}

/// The address of a client as Sendmail spells it, with `text` as its buffer. §7: "IPv6 prefixed `IPv6:`"
pub(super) fn sendmail_peer<'a>(peer: Peer<'a>, text: &'a mut Vec<u8>) -> Peer<'a> {
    let Peer::Inet6 { address, port } = peer else { return peer };
    let parsed = std::str::from_utf8(address).ok().and_then(|address| address.parse::<Ipv6Addr>().ok());
    if let Some(mapped) = parsed.and_then(|address| address.to_ipv4_mapped()) {
        text.extend_from_slice(mapped.to_string().as_bytes());
        return Peer::Inet { address: text, port };
    }
    if address.first_chunk::<5>().is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"IPv6:")) {
        return peer;
    }
    text.extend_from_slice(b"IPv6:");
    text.extend_from_slice(address);
    Peer::Inet6 { address: text, port }
}
