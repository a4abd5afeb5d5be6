//! Changes to a message's header section, collected in any order and sent in the one that means the same on every MTA.
//!
//! Postfix renumbers the fields of a name after each deletion, Sendmail does not; both number fields as the filter was shown them only until an
//! insertion. Hence the order of [`Edits::write`]:
//!
//! 1. deletions and changes, for each name the highest occurrence first: what is done never moves what is still to be done;
//! 2. insertions below the MTA's own Received (index 1), in reverse, since a new field goes above an older one at the same index;
//! 3. insertions at the top (index 0), in reverse;
//! 4. insertions at the bottom, in order;
//! 5. new recipients, in order;
//! 6. quarantine.
//!
//! So fields inserted at one [`Place`] stand in the message from top to bottom as the caller named them, on Postfix and on Sendmail.
//!
//! *Refused* when they are collected, not when they are sent: names that are none, values that [`to_wire`](crate::header_text::to_wire) refuses,
//! lines above 998 octets, fields above one packet, and (unless the message is internationalized mail) octets above 127, because Postfix would
//! then demand SMTPUTF8 of the next hop.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::error::UsageError;
use crate::filter::{FilterSession, MAX_DATA, check_name};
use crate::flags::Actions;
use crate::header_text::{self, UnsafeFold, to_wire};
use crate::reply::Modification;

/// An index beyond any header section: every MTA appends.
const BOTTOM: u32 = 1_000_000;
/// RFC 5322 §2.1.1: "Each line of characters MUST be no more than 998 characters […] excluding the CRLF."
const MAX_LINE: usize = 998;
/// An index and the NULs of two strings.
const FRAME_OVERHEAD: usize = 6;

/// Where a new field goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Place {
    /// Above everything, the MTA's own Received included: for Authentication-Results and other trace fields.
    Top,
    /// Directly below the MTA's own Received. Where the MTA has none (mail picked up locally), below the first field.
    BelowReceived,
    /// At the end of the header section.
    Bottom,
}

/// Why an edit is refused. Offsets are into the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// A field name that is empty or not printable ASCII without colon.
    #[error("invalid header field name")]
    Name,
    /// A value that would break the header section.
    #[error("unsafe header field value")]
    Value(#[from] UnsafeFold),
    /// A value without any text: an MTA takes it for a deletion or leaves out the field.
    #[error("empty header field value")]
    EmptyValue,
    /// An octet above 127, which was not allowed.
    #[error("octet above 127 at offset {at}")]
    NotAscii {
        /// Offset of the octet.
        at: usize,
    },
    /// A line of more than 998 octets, the name counted in the first.
    #[error("line at offset {at} is longer than 998 octets")]
    LineTooLong {
        /// Where the line begins.
        at: usize,
    },
    /// A field that does not fit one packet.
    #[error("field of {0} octets does not fit a packet")]
    FieldTooLong(usize),
    /// Occurrences are counted from 1.
    #[error("occurrence 0: fields of a name are counted from 1")]
    ZeroOccurrence,
    /// The same field is to be changed twice, or changed and deleted.
    #[error("two edits of the same field")]
    Conflict,
    /// A reason for quarantine with a line break, a NUL, or an octet above 127, or one that does not fit a packet.
    #[error("reason for quarantine is not one line of ascii text that fits a packet")]
    Reason,
    /// A recipient that is empty or not one line of ASCII without spaces.
    #[error("recipient is not one word of ascii text that fits a packet")]
    Recipient,
}

/// What is to be done to a header section.
///
/// Values are raw text as in the message: everything after the colon up to the final CRLF, so usually with a leading space, folds as CRLF.
/// Occurrences count the fields of one name (compared without case) from 1, as the filter was shown them.
///
/// ```
/// use milter_proto::{Edits, Place};
///
/// let mut edits = Edits::new();
/// edits.delete(b"Authentication-Results", 1)?;
/// edits.delete(b"Authentication-Results", 3)?;
/// edits.insert(Place::Top, b"Authentication-Results", b" mx.example.org;\r\n\tdkim=none")?;
/// // at end of message: edits.write(&mut session, &mut out)?;
/// # Ok::<(), milter_proto::EditError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits {
    /// By lower-case name and falling occurrence: the order in which they are sent.
    existing: BTreeMap<(Vec<u8>, Reverse<u32>), Existing>,
    inserted: Vec<Inserted>,
    recipients: Vec<Vec<u8>>,
    quarantine: Option<Vec<u8>>,
    allows_non_ascii: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Existing {
    name: Vec<u8>,
    /// `None` deletes.
    value: Option<Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Inserted {
    place: Place,
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Edits {
    /// No edits, ASCII only.
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows octets above 127 in values from here on: for internationalized mail (SMTPUTF8) only.
    pub fn allow_non_ascii(&mut self) {
        self.allows_non_ascii = true;
    }

    /// Deletes a field. Deleting it twice is deleting it once.
    ///
    /// # Errors
    /// [`EditError::Name`], [`EditError::FieldTooLong`] for a name that fits no packet, [`EditError::ZeroOccurrence`], [`EditError::Conflict`] if it
    /// is to be changed.
    pub fn delete(&mut self, name: &[u8], occurrence: u32) -> Result<(), EditError> {
        check_length(name, b"")?;
        self.add_existing(name, occurrence, None)
    }

    /// Gives a field another value.
    ///
    /// # Errors
    /// [`EditError`], see the variants.
    pub fn change(&mut self, name: &[u8], occurrence: u32, value: &[u8]) -> Result<(), EditError> {
        self.check_value(name, value)?;
        self.add_existing(name, occurrence, Some(value))
    }

    /// Inserts a new field, below those that were inserted at this place before.
    ///
    /// # Errors
    /// [`EditError`], see the variants.
    pub fn insert(&mut self, place: Place, name: &[u8], value: &[u8]) -> Result<(), EditError> {
        check_name(name).map_err(|_| EditError::Name)?;
        self.check_value(name, value)?;
        self.inserted.push(Inserted { place, name: name.to_vec(), value: value.to_vec() });
        Ok(())
    }

    /// Puts the message into quarantine. The last reason counts.
    ///
    /// # Errors
    /// [`EditError::Reason`].
    pub fn quarantine(&mut self, reason: &[u8]) -> Result<(), EditError> {
        if reason.len() >= MAX_DATA || !reason.iter().all(|octet| matches!(octet, b' '..=b'~')) {
            return Err(EditError::Reason);
        }
        self.quarantine = Some(reason.to_vec());
        Ok(())
    }

    /// Adds a recipient of the envelope.
    ///
    /// # Errors
    /// [`EditError::Recipient`].
    pub fn add_recipient(&mut self, address: &[u8]) -> Result<(), EditError> {
        if address.is_empty() || address.len() >= MAX_DATA || !address.iter().all(u8::is_ascii_graphic) {
            return Err(EditError::Recipient);
        }
        self.recipients.push(address.to_vec());
        Ok(())
    }

    /// Name and value of the fields that are inserted, in the order in which they were asked for.
    pub fn inserted(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.inserted.iter().map(|field| (&*field.name, &*field.value))
    }

    /// Name and occurrence number of the fields that are deleted.
    pub fn deleted(&self) -> impl Iterator<Item = (&[u8], u32)> {
        let gone = self.existing.iter().filter(|(_, existing)| existing.value.is_none());
        gone.map(|((_, Reverse(occurrence)), existing)| (&*existing.name, *occurrence))
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.existing.is_empty() && self.inserted.is_empty() && self.recipients.is_empty() && self.quarantine.is_none()
    }

    /// The actions that must have been negotiated.
    pub fn actions(&self) -> Actions {
        let mut actions = Actions::NONE;
        if !self.existing.is_empty() {
            actions |= Actions::CHANGE_HEADERS;
        }
        if !self.inserted.is_empty() {
            actions |= Actions::ADD_HEADERS;
        }
        if !self.recipients.is_empty() {
            actions |= Actions::ADD_RCPT;
        }
        if self.quarantine.is_some() {
            actions |= Actions::QUARANTINE;
        }
        actions
    }

    /// Writes all edits at end of message, in the order of the module's page.
    ///
    /// # Errors
    /// [`UsageError`] outside end of message or if [`actions`](Self::actions) were not all negotiated; nothing is written then.
    pub fn write(&self, session: &mut FilterSession, out: &mut Vec<u8>) -> Result<(), UsageError> {
        let negotiated = session.negotiated().map_or(Actions::NONE, |agreed| agreed.actions);
        let missing = self.actions().without(negotiated);
        if !missing.is_empty() {
            return Err(UsageError::NotNegotiated(missing));
        }
        let start = out.len();
        let result = self.write_all(session, out);
        if result.is_err() {
            out.truncate(start);
        }
        result
    }

    fn write_all(&self, session: &mut FilterSession, out: &mut Vec<u8>) -> Result<(), UsageError> {
        let mode = session.leading_space();
        let mut wire = Vec::new();
        for ((_, Reverse(index)), Existing { name, value }) in &self.existing {
            wire.clear();
            value.as_ref().map_or(Ok(()), |value| to_wire(value, mode, &mut wire))?;
            session.modify(&Modification::ChangeHeader { index: *index, name, value: &wire }, out)?;
        }
        let at = |place| self.inserted.iter().filter(move |field| field.place == place);
        let below = at(Place::BelowReceived).rev().map(|field| (1, field));
        let top = at(Place::Top).rev().map(|field| (0, field));
        let bottom = at(Place::Bottom).map(|field| (BOTTOM, field));
        for (index, Inserted { name, value, .. }) in below.chain(top).chain(bottom) {
            wire.clear();
            to_wire(value, mode, &mut wire)?;
            session.modify(&Modification::InsertHeader { index, name, value: &wire }, out)?;
        }
        for address in &self.recipients {
            session.modify(&Modification::AddRecipient(address), out)?;
        }
        self.quarantine.as_ref().map_or(Ok(()), |reason| session.modify(&Modification::Quarantine(reason), out))
    }

    fn add_existing(&mut self, name: &[u8], occurrence: u32, value: Option<&[u8]>) -> Result<(), EditError> {
        check_name(name).map_err(|_| EditError::Name)?;
        if occurrence == 0 {
            return Err(EditError::ZeroOccurrence);
        }
        let edit = Existing { name: name.to_vec(), value: value.map(<[u8]>::to_vec) };
        let key = (name.to_ascii_lowercase(), Reverse(occurrence));
        let present = self.existing.entry(key).or_insert_with(|| edit.clone());
        if present.value == edit.value { Ok(()) } else { Err(EditError::Conflict) }
    }

    fn check_value(&self, name: &[u8], value: &[u8]) -> Result<(), EditError> {
        header_text::check(value)?;
        if value.trim_ascii().is_empty() {
            return Err(EditError::EmptyValue);
        }
        if let Some(at) = value.iter().position(|octet| !octet.is_ascii()).filter(|_| !self.allows_non_ascii) {
            return Err(EditError::NotAscii { at });
        }
        check_length(name, value)?;
        let mut at: usize = 0;
        let mut before = name.len().saturating_add(1);
        for line in value.split(|&octet| octet == b'\n') {
            if line.strip_suffix(b"\r").unwrap_or(line).len().saturating_add(before) > MAX_LINE {
                return Err(EditError::LineTooLong { at });
            }
            at = at.saturating_add(line.len()).saturating_add(1);
            before = 0;
        }
        Ok(())
    }
}

/// Whether a field fits a packet.
fn check_length(name: &[u8], value: &[u8]) -> Result<(), EditError> {
    let field = name.len().saturating_add(value.len());
    if field.saturating_add(FRAME_OVERHEAD) > MAX_DATA { Err(EditError::FieldTooLong(field)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Decision, Frame, Wants};

    #[test]
    fn s8_11_values_are_ascii_unless_told() {
        let mut edits = Edits::new();
        let value = " ä".as_bytes();
        assert_eq!(edits.insert(Place::Top, b"X", value), Err(EditError::NotAscii { at: 1 }));
        edits.allow_non_ascii();
        assert_eq!(edits.insert(Place::Top, b"X", value), Ok(()));
    }

    #[test]
    fn s8_11_lines_stay_below_998_octets() {
        let mut edits = Edits::new();
        let fits = [b" ".to_vec(), vec![b'a'; 998 - 3]].concat();
        assert_eq!(edits.insert(Place::Top, b"X", &fits), Ok(()));
        assert_eq!(edits.insert(Place::Top, b"XY", &fits), Err(EditError::LineTooLong { at: 0 }));
        let second = [b" a\r\n ".to_vec(), vec![b'a'; 998]].concat();
        assert_eq!(edits.insert(Place::Top, b"X", &second), Err(EditError::LineTooLong { at: 4 }));
        let long = b" aaaaaaa\r\n".repeat(7000);
        let long = long.strip_suffix(b"\r\n").unwrap();
        assert!(matches!(edits.insert(Place::Top, b"X", long), Err(EditError::FieldTooLong(_))));
    }

    #[test]
    fn values_that_to_wire_refuses_are_refused() {
        let mut edits = Edits::new();
        assert_eq!(
            edits.insert(Place::Top, b"X", b" a\r\nBcc: all"),
            Err(EditError::Value(UnsafeFold::NotFolded { at: 3 }))
        );
        assert_eq!(edits.change(b"X", 1, b" a\rb"), Err(EditError::Value(UnsafeFold::BareCr { at: 2 })));
        assert!(edits.is_empty());
    }

    #[test]
    fn recipients_are_one_word_and_need_their_action() {
        let mut edits = Edits::new();
        for address in [&b""[..], b"a b@example.org", b"a@example.org\r\nX: y", b"a\0@b", b"\xc3\xa4@b"] {
            assert_eq!(edits.add_recipient(address), Err(EditError::Recipient));
        }
        assert!(edits.is_empty());
        edits.add_recipient(b"<a@example.org>").unwrap();
        assert!(!edits.is_empty());
        assert_eq!(edits.actions(), Actions::ADD_RCPT);
    }

    #[test]
    fn s8_9_a_change_that_would_delete_is_refused() {
        let mut edits = Edits::new();
        for value in [&b""[..], b" ", b" \r\n\t"] {
            assert_eq!(edits.change(b"Subject", 1, value), Err(EditError::EmptyValue));
        }
    }

    #[test]
    fn names_and_occurrences_are_checked() {
        let mut edits = Edits::new();
        for name in [&b""[..], b"a b", b"a:", b"a\r\nb", "ä".as_bytes()] {
            assert_eq!(edits.delete(name, 1), Err(EditError::Name));
            assert_eq!(edits.insert(Place::Top, name, b" x"), Err(EditError::Name));
        }
        // §8.8: "0 is treated as 1" by Postfix, which nobody who counts from 0 wants.
        assert_eq!(edits.delete(b"X", 0), Err(EditError::ZeroOccurrence));
    }

    #[test]
    fn what_fits_no_packet_is_refused_when_it_is_collected() {
        // Names come from messages, where they may be as long as a frame; refused at the end, one would cost all the other edits.
        let mut edits = Edits::new();
        let (fits, long) = ([b'X'; MAX_DATA - FRAME_OVERHEAD], [b'X'; MAX_DATA - FRAME_OVERHEAD + 1]);
        assert_eq!(edits.delete(&fits, 1), Ok(()));
        assert_eq!(edits.delete(&long, 1), Err(EditError::FieldTooLong(long.len())));
        assert_eq!(edits.quarantine(&[b'x'; MAX_DATA]), Err(EditError::Reason));
        assert_eq!(edits.quarantine(&[b'x'; MAX_DATA - 1]), Ok(()));
        let mut session = FilterSession::new(Wants::default());
        let mut out = Vec::new();
        let offer = b"\0\0\0\x06\0\0\x01\xff\0\x1f\xff\xff";
        for (code, payload) in [(b'O', &offer[..]), (b'C', b"x\0U"), (b'M', b"<>\0"), (b'R', b"<a>\0")] {
            session.receive(Frame { code, payload }).unwrap();
            session.reply(&Decision::Continue, &mut out).unwrap();
        }
        session.receive(Frame { code: b'E', payload: b"" }).unwrap();
        assert_eq!(edits.write(&mut session, &mut out), Ok(()));
    }

    #[test]
    fn one_field_is_edited_once() {
        let mut edits = Edits::new();
        edits.delete(b"X", 2).unwrap();
        edits.delete(b"x", 2).unwrap();
        assert_eq!(edits.change(b"X", 2, b" a"), Err(EditError::Conflict));
        assert_eq!(edits.existing.len(), 1);
        assert_eq!(edits.quarantine(b"two\nlines"), Err(EditError::Reason));
        edits.quarantine(b"dmarc").unwrap();
        assert_eq!(edits.actions(), Actions::CHANGE_HEADERS | Actions::QUARANTINE);
        edits.insert(Place::Top, b"Y", b" new").unwrap();
        edits.change(b"Z", 1, b" other").unwrap();
        assert_eq!(edits.deleted().collect::<Vec<_>>(), [(&b"X"[..], 2)]);
        assert_eq!(edits.inserted().collect::<Vec<_>>(), [(&b"Y"[..], &b" new"[..])]);
    }
}
