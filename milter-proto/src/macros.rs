//! Macros: what the MTA says about a session beside the commands, and how long it stays true.
//!
//! A macro packet precedes its command and belongs to that command's [`Stage`]. A packet replaces all macros of its stage and clears those of
//! later stages. A command clears the macros of later stages as well, and those of its own stage if they stood there for an earlier command
//! (so the second recipient never shows the macros of the first). Macros of MAIL and later die with the message, those of CONNECT and HELO live
//! as long as the SMTP session.
//!
//! *Tolerances.* An empty packet is normal; a name without value at the end of a packet is ignored; packets for commands that have no stage are
//! ignored. Names compare without their braces, because Postfix sends long names as they were typed in its configuration. What is beyond
//! [`MAX_MACRO_OCTETS`] in one packet is ignored (Sendmail and libmilter never send more).

use std::fmt;

use crate::error::{DecodeError, EncodeError};
use crate::stage::Stage;
use crate::wire::{Reader, split_string, write_string, write_u32};

/// Octets of one macro packet that are kept: the largest packet that Sendmail and libmilter know.
pub const MAX_MACRO_OCTETS: usize = 65_535;

/// Names and values of one macro packet, borrowed from the frame or from a slice of pairs.
#[derive(Clone, Copy)]
pub struct MacroPairs<'a>(Pairs<'a>);

#[derive(Clone, Copy)]
enum Pairs<'a> {
    Wire(&'a [u8]),
    Slice(&'a [(&'a [u8], &'a [u8])]),
}

impl<'a> MacroPairs<'a> {
    /// The pairs in the data of a macro packet, after its command code.
    pub(crate) fn from_wire(data: &'a [u8]) -> Self {
        Self(Pairs::Wire(data))
    }

    /// Names and values in the order of the packet.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let (mut wire, slice) = match self.0 {
            Pairs::Wire(data) => (data, [].iter()),
            Pairs::Slice(pairs) => (&[][..], pairs.iter()),
        };
        let from_wire = std::iter::from_fn(move || {
            let (name, rest) = split_string(wire)?;
            // A name with nothing after it is the odd end of a list; a value may lack its NUL.
            if rest.is_empty() {
                return None;
            }
            let (value, rest) = split_string(rest).unwrap_or((rest, &[]));
            wire = rest;
            Some((name, value))
        });
        from_wire.chain(slice.copied())
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.iter().try_for_each(|(name, value)| {
            write_string(out, name)?;
            write_string(out, value)
        })
    }
}

impl<'a> From<&'a [(&'a [u8], &'a [u8])]> for MacroPairs<'a> {
    fn from(pairs: &'a [(&'a [u8], &'a [u8])]) -> Self {
        Self(Pairs::Slice(pairs))
    }
}

impl PartialEq for MacroPairs<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for MacroPairs<'_> {}

impl fmt::Debug for MacroPairs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(name, value)| (Text(name), Text(value)))).finish()
    }
}

/// Shows octets as text in debug output.
pub(crate) struct Text<'a>(pub(crate) &'a [u8]);

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// The macro lists in a filter's answer to the option negotiation: for each stage the names it wants, separated by one space.
#[derive(Clone, Copy)]
pub struct MacroLists<'a>(Lists<'a>);

#[derive(Clone, Copy)]
enum Lists<'a> {
    Wire(&'a [u8]),
    Slice(&'a [(u32, &'a [u8])]),
}

impl<'a> MacroLists<'a> {
    /// No list.
    pub const NONE: Self = Self(Lists::Slice(&[]));

    /// Reads lists strictly: each a stage number and a string with its NUL.
    pub(crate) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let data = reader.peek_rest();
        while !reader.is_empty() {
            reader.u32()?;
            reader.string()?;
        }
        Ok(Self(Lists::Wire(data)))
    }

    /// Stage numbers (`SMFIM_*`, see [`Stage::from_macro_list`]) and names.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &'a [u8])> + use<'a> {
        let (mut wire, slice) = match self.0 {
            Lists::Wire(data) => (data, [].iter()),
            Lists::Slice(lists) => (&[][..], lists.iter()),
        };
        let from_wire = std::iter::from_fn(move || {
            let (number, rest) = wire.split_first_chunk()?;
            let (names, rest) = split_string(rest)?;
            wire = rest;
            Some((u32::from_be_bytes(*number), names))
        });
        from_wire.chain(slice.copied())
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.iter().try_for_each(|(number, names)| {
            write_u32(out, number);
            write_string(out, names)
        })
    }
}

impl<'a> From<&'a [(u32, &'a [u8])]> for MacroLists<'a> {
    fn from(lists: &'a [(u32, &'a [u8])]) -> Self {
        Self(Lists::Slice(lists))
    }
}

impl PartialEq for MacroLists<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for MacroLists<'_> {}

impl fmt::Debug for MacroLists<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(number, names)| (number, Text(names)))).finish()
    }
}

/// The macros of a session that are in force.
#[derive(Clone, Default)]
pub struct Macros {
    /// One packet a stage, in the order of [`Stage::ALL`]. Buffers are reused: a packet for each header field allocates nothing.
    scopes: [Scope; Stage::ALL.len()],
}

#[derive(Clone, Default)]
struct Scope {
    data: Vec<u8>,
    /// Whether the command of this stage has come since the packet.
    used: bool,
}

impl Macros {
    /// The value of a macro, from the latest stage that has it. Braces around the name are optional on both sides.
    ///
    /// A macro that is set and empty gives `Some(b"")`; one that the MTA did not send gives `None`.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let name = without_braces(name.as_bytes());
        self.iter().find(|(candidate, _)| without_braces(candidate) == name).map(|(_, value)| value)
    }

    /// The value of a macro as text; `None` also if it is not UTF-8.
    pub fn get_str(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// All macros in force, those of later stages first; a name may come more than once.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.scopes.iter().rev().flat_map(|scope| MacroPairs::from_wire(&scope.data).iter())
    }

    /// Takes the macro packet for a command.
    pub(crate) fn packet(&mut self, command: u8, pairs: &MacroPairs<'_>) {
        let Some(stage) = Stage::from_code(command) else { return };
        self.clear_after(stage);
        let Some(scope) = self.scope(stage) else { return };
        scope.data.clear();
        scope.used = false;
        for (name, value) in pairs.iter() {
            let octets = name.len().saturating_add(value.len()).saturating_add(2);
            if scope.data.len().saturating_add(octets) > MAX_MACRO_OCTETS {
                break;
            }
            for part in [name, value] {
                scope.data.extend_from_slice(part);
                scope.data.push(0);
            }
        }
    }

    /// Takes notice of a command.
    pub(crate) fn command(&mut self, stage: Stage) {
        self.clear_after(stage);
        if let Some(scope) = self.scope(stage) {
            if scope.used {
                scope.data.clear();
            }
            scope.used = true;
        }
    }

    /// Forgets the macros of the message.
    pub(crate) fn end_message(&mut self) {
        self.clear_after(Stage::Helo);
    }

    /// Forgets everything: another client comes on the same connection.
    pub(crate) fn end_session(&mut self) {
        self.scopes.iter_mut().for_each(|scope| scope.data.clear());
    }

    fn scope(&mut self, stage: Stage) -> Option<&mut Scope> {
        Stage::ALL.iter().zip(&mut self.scopes).find(|(candidate, _)| **candidate == stage).map(|(_, scope)| scope)
    }

    fn clear_after(&mut self, stage: Stage) {
        // A command that the MTA does not know says nothing about the others.
        if stage == Stage::Unknown {
            return;
        }
        for (candidate, scope) in Stage::ALL.iter().zip(&mut self.scopes) {
            if *candidate > stage {
                scope.data.clear();
            }
        }
    }
}

impl fmt::Debug for Macros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(name, value)| (Text(name), Text(value)))).finish()
    }
}

/// `{auth_type}` and `auth_type` are one name.
pub(crate) fn without_braces(name: &[u8]) -> &[u8] {
    name.strip_prefix(b"{").and_then(|name| name.strip_suffix(b"}")).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(macros: &mut Macros, stage: Stage, data: &[u8]) {
        macros.packet(stage.code(), &MacroPairs::from_wire(data));
    }

    #[test]
    fn s6_braces_are_optional_on_both_sides() {
        let mut macros = Macros::default();
        packet(&mut macros, Stage::Mail, b"i\0Q1\0{auth_type}\0PLAIN\0auth_authen\0u\0");
        for (name, value) in [("i", "Q1"), ("{i}", "Q1"), ("auth_type", "PLAIN"), ("{auth_authen}", "u")] {
            assert_eq!(macros.get_str(name), Some(value), "{name}");
        }
        assert_eq!(macros.get("{auth"), None);
    }

    #[test]
    fn s6_set_but_empty_is_not_unset() {
        let mut macros = Macros::default();
        packet(&mut macros, Stage::Mail, b"{mail_addr}\0\0{mail_host}\0mx.example.test\0");
        assert_eq!(macros.get("mail_addr"), Some(&b""[..]));
        assert_eq!(macros.get("mail_host"), Some(&b"mx.example.test"[..]));
        assert_eq!(macros.get("auth_type"), None);
    }

    #[test]
    fn s2_an_empty_or_odd_list_is_no_error() {
        let mut macros = Macros::default();
        packet(&mut macros, Stage::Helo, b"");
        assert_eq!(macros.iter().count(), 0);
        packet(&mut macros, Stage::Helo, b"a\0b\0odd\0");
        assert_eq!(macros.get("odd"), None);
        assert_eq!(macros.get("a"), Some(&b"b"[..]));
        packet(&mut macros, Stage::Helo, b"a\0b\0c\0no nul");
        assert_eq!(macros.get("c"), Some(&b"no nul"[..]));
        macros.packet(b'?', &MacroPairs::from_wire(b"a\0x\0"));
        assert_eq!(macros.get("a"), Some(&b"b"[..]));
    }

    #[test]
    fn s6_a_command_of_an_earlier_stage_clears_later_ones() {
        let mut macros = Macros::default();
        packet(&mut macros, Stage::Connect, b"j\0mx\0");
        macros.command(Stage::Connect);
        packet(&mut macros, Stage::Helo, b"{tls_version}\0TLSv1.3\0");
        macros.command(Stage::Helo);
        packet(&mut macros, Stage::Mail, b"i\0Q1\0");
        macros.command(Stage::Mail);
        packet(&mut macros, Stage::Rcpt, b"{rcpt_addr}\0a\0");
        macros.command(Stage::Rcpt);
        macros.command(Stage::Helo);
        assert_eq!(macros.get("i"), None);
        assert_eq!(macros.get("rcpt_addr"), None);
        assert_eq!(macros.get("j"), Some(&b"mx"[..]));
        // The HELO after STARTTLS came without macros of its own: those of the first one are not its macros.
        assert_eq!(macros.get("tls_version"), None);
    }

    #[test]
    fn s6_the_second_recipient_does_not_inherit_from_the_first() {
        let mut macros = Macros::default();
        packet(&mut macros, Stage::Rcpt, b"{rcpt_addr}\0a\0");
        macros.command(Stage::Rcpt);
        assert_eq!(macros.get("rcpt_addr"), Some(&b"a"[..]));
        macros.command(Stage::Rcpt);
        assert_eq!(macros.get("rcpt_addr"), None);
    }

    #[test]
    fn s6_message_macros_die_and_connection_macros_stay() {
        let mut macros = Macros::default();
        packet(&mut macros, Stage::Connect, b"j\0mx\0");
        packet(&mut macros, Stage::Helo, b"{cipher}\0x\0");
        packet(&mut macros, Stage::Mail, b"i\0Q1\0");
        packet(&mut macros, Stage::EndOfBody, b"{msg_id}\0<1>\0");
        macros.end_message();
        assert_eq!((macros.get("i"), macros.get("msg_id")), (None, None));
        assert_eq!((macros.get_str("j"), macros.get_str("cipher")), (Some("mx"), Some("x")));
        macros.end_session();
        assert_eq!(macros.iter().count(), 0);
    }

    #[test]
    fn s6_the_latest_stage_wins() {
        let mut macros = Macros::default();
        packet(&mut macros, Stage::Connect, b"{daemon_name}\0first\0");
        packet(&mut macros, Stage::Mail, b"{daemon_name}\0second\0");
        assert_eq!(macros.get_str("daemon_name"), Some("second"));
    }

    #[test]
    fn an_unknown_command_leaves_the_message_alone() {
        let mut macros = Macros::default();
        packet(&mut macros, Stage::Mail, b"i\0Q1\0");
        packet(&mut macros, Stage::Unknown, b"x\0y\0");
        macros.command(Stage::Unknown);
        assert_eq!((macros.get_str("i"), macros.get_str("x")), (Some("Q1"), Some("y")));
    }

    #[test]
    fn a_macro_packet_of_a_mebibyte_is_kept_in_part() {
        let mut macros = Macros::default();
        let big = b"{a}\0bcdefghijk\0".repeat(70_000);
        packet(&mut macros, Stage::Mail, &big);
        assert_eq!(macros.iter().count(), MAX_MACRO_OCTETS / 15);
        assert_eq!(macros.get_str("a"), Some("bcdefghijk"));
    }
}
