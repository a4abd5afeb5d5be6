//! The message as the MTA holds it, and what a filter's modifications make of it.
//!
//! [`Profile::Postfix`] is what Postfix does with them:
//!
//! - Its own Received field is first and hidden: the filter neither sees nor counts it.
//! - INSHEADER counts all fields that are there at that moment, the hidden one and those inserted before included; 0 is above everything, and
//!   beyond the end is appended.
//! - CHGHEADER counts the fields of one name from 1 (0 counts as 1) and renumbers after each deletion. Past the last, a value is appended as a new
//!   field and a deletion does nothing.
//! - A line of a value that does not begin with SP or TAB gets a TAB, so that it cannot begin a field of its own.
//! - The first piece of a new body replaces the old one, the others are appended.

use crate::header_text::{LeadingSpace, from_wire};
use crate::reply::Modification;

/// Whose behaviour the MTA's end has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Profile {
    /// Postfix 3.x.
    #[default]
    Postfix,
}

/// A header field of the message.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Field {
    /// Its name.
    pub name: Vec<u8>,
    /// Everything between the colon and the final CRLF.
    pub value: Vec<u8>,
    /// Whether the filter does not see it.
    pub is_hidden: bool,
}

impl std::fmt::Debug for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}:{}\"", self.name.escape_ascii(), self.value.escape_ascii())
    }
}

/// The message in hand: envelope, header section, and what the filter did to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MtaMessage {
    sender: Vec<u8>,
    recipients: Vec<Vec<u8>>,
    fields: Vec<Field>,
    new_body: Option<Vec<u8>>,
    quarantine: Option<Vec<u8>>,
}

/// A modification that Postfix takes for a configuration error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EmptyName;

impl MtaMessage {
    /// The envelope sender, as given by MAIL or changed by the filter.
    pub fn sender(&self) -> &[u8] {
        &self.sender
    }

    /// The recipients that were accepted, and those the filter added.
    pub fn recipients(&self) -> impl Iterator<Item = &[u8]> {
        self.recipients.iter().map(Vec::as_slice)
    }

    /// The header section from top to bottom.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The body the filter put in place of the old one.
    pub fn new_body(&self) -> Option<&[u8]> {
        self.new_body.as_deref()
    }

    /// Why the filter put the message into quarantine.
    pub fn quarantine(&self) -> Option<&[u8]> {
        self.quarantine.as_deref()
    }

    /// The whole message as it leaves the MTA; `body` is the one the client sent.
    pub fn to_octets(&self, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for Field { name, value, .. } in &self.fields {
            for part in [name.as_slice(), b":", value, b"\r\n"] {
                out.extend_from_slice(part);
            }
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(self.new_body().unwrap_or(body));
        out
    }

    pub(super) fn begin(&mut self, sender: &[u8], own_received: Option<&[u8]>) {
        *self = Self { sender: sender.to_vec(), ..Self::default() };
        if let Some(value) = own_received {
            let field = Field { name: b"Received".to_vec(), value: value.to_vec(), is_hidden: true };
            self.fields.push(field);
        }
    }

    pub(super) fn add_recipient(&mut self, address: &[u8]) {
        self.recipients.push(address.to_vec());
    }

    /// Takes the last recipient back: the filter refused it.
    pub(super) fn refuse_recipient(&mut self) {
        self.recipients.pop();
    }

    pub(super) fn push_field(&mut self, name: &[u8], value: Vec<u8>) {
        self.fields.push(Field { name: name.to_vec(), value, is_hidden: false });
    }

    pub(super) fn apply(&mut self, modification: &Modification<'_>, mode: LeadingSpace) -> Result<(), EmptyName> {
        match *modification {
            Modification::AddHeader { name, value } => self.insert(usize::MAX, name, value, mode)?,
            Modification::InsertHeader { index, name, value } => {
                self.insert(usize::try_from(index).unwrap_or(usize::MAX), name, value, mode)?;
            }
            Modification::ChangeHeader { index, name, value } => self.change(index, name, value, mode)?,
            Modification::ReplaceBody(piece) => {
                self.new_body.get_or_insert_default().extend_from_slice(piece);
            }
            Modification::AddRecipient(address) | Modification::AddRecipientWithParameters { address, .. } => {
                self.add_recipient(address);
            }
            // §11: "DELRCPT compares with the original recipient", and all that are equal go.
            Modification::DeleteRecipient(address) => {
                self.recipients.retain(|recipient| bare(recipient) != bare(address));
            }
            Modification::ChangeSender { address, .. } => self.sender = address.to_vec(),
            Modification::Quarantine(reason) => self.quarantine = Some(reason.to_vec()),
        }
        Ok(())
    }

    fn insert(&mut self, index: usize, name: &[u8], value: &[u8], mode: LeadingSpace) -> Result<(), EmptyName> {
        if name.is_empty() {
            return Err(EmptyName);
        }
        let field = Field { name: name.to_vec(), value: stored(value, mode), is_hidden: false };
        self.fields.insert(index.min(self.fields.len()), field);
        Ok(())
    }

    fn change(&mut self, index: u32, name: &[u8], value: &[u8], mode: LeadingSpace) -> Result<(), EmptyName> {
        if name.is_empty() {
            return Err(EmptyName);
        }
        let skip = usize::try_from(index.saturating_sub(1)).unwrap_or(usize::MAX);
        let of_this_name = |field: &Field| !field.is_hidden && field.name.eq_ignore_ascii_case(name);
        let found = self.fields.iter().enumerate().filter(|(_, field)| of_this_name(field)).nth(skip);
        match found.map(|(place, _)| place) {
            Some(place) if value.is_empty() => {
                self.fields.remove(place);
            }
            Some(place) => {
                if let Some(field) = self.fields.get_mut(place) {
                    *field = Field { name: name.to_vec(), value: stored(value, mode), is_hidden: false };
                }
            }
            None if value.is_empty() => {}
            None => self.insert(usize::MAX, name, value, mode)?,
        }
        Ok(())
    }
}

/// An address without its angle brackets.
fn bare(address: &[u8]) -> &[u8] {
    address.strip_prefix(b"<").and_then(|address| address.strip_suffix(b">")).unwrap_or(address)
}

/// How a value from the filter stands in the message.
fn stored(value: &[u8], mode: LeadingSpace) -> Vec<u8> {
    let mut folded = Vec::new();
    if mode == LeadingSpace::OneStripped {
        folded.push(b' ');
    }
    for (number, line) in value.split(|&octet| octet == b'\n').enumerate() {
        if number > 0 {
            folded.push(b'\n');
            if !matches!(line, [b' ' | b'\t', ..]) {
                folded.push(b'\t');
            }
        }
        folded.extend_from_slice(line);
    }
    let mut raw = Vec::new();
    from_wire(&folded, LeadingSpace::Verbatim, &mut raw);
    raw
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message with its own Received and these fields; the value of each is its number.
    fn message(names: &[&str]) -> MtaMessage {
        let mut message = MtaMessage::default();
        message.begin(b"a@example.test", Some(b" own"));
        for (number, name) in (1..).zip(names) {
            message.push_field(name.as_bytes(), format!(" {number}").into_bytes());
        }
        message
    }

    fn apply(message: &mut MtaMessage, modification: Modification<'_>) {
        message.apply(&modification, LeadingSpace::Verbatim).unwrap();
    }

    fn insert(message: &mut MtaMessage, index: u32, name: &str) {
        apply(message, Modification::InsertHeader { index, name: name.as_bytes(), value: b" new" });
    }

    fn change(message: &mut MtaMessage, index: u32, name: &str, value: &str) {
        apply(message, Modification::ChangeHeader { index, name: name.as_bytes(), value: value.as_bytes() });
    }

    fn shown(message: &MtaMessage) -> Vec<String> {
        let text = |field: &Field| String::from_utf8([&field.name[..], b":", &field.value].concat()).unwrap();
        message.fields().iter().map(text).collect()
    }

    #[test]
    fn s8_6_index_0_is_above_own_received_and_1_below() {
        let mut above = message(&["From"]);
        insert(&mut above, 0, "X");
        assert_eq!(shown(&above), ["X: new", "Received: own", "From: 1"]);
        let mut below = message(&["From"]);
        insert(&mut below, 1, "X");
        assert_eq!(shown(&below), ["Received: own", "X: new", "From: 1"]);
    }

    #[test]
    fn s8_6_index_1_after_an_index_0_insert_lands_above_received() {
        let mut message = message(&["From"]);
        insert(&mut message, 0, "A");
        insert(&mut message, 1, "B");
        insert(&mut message, 99, "C");
        insert(&mut message, u32::MAX, "D");
        assert_eq!(shown(&message), ["A: new", "B: new", "Received: own", "From: 1", "C: new", "D: new"]);
    }

    #[test]
    fn s8_8_own_received_is_not_counted_and_0_is_1() {
        let mut message = message(&["Received", "X"]);
        change(&mut message, 1, "received", " changed");
        change(&mut message, 0, "x", " changed");
        assert_eq!(shown(&message), ["Received: own", "received: changed", "x: changed"]);
    }

    #[test]
    fn s8_8_past_the_last_a_value_appends_and_a_deletion_does_nothing() {
        let mut message = message(&["X"]);
        change(&mut message, 2, "X", "");
        change(&mut message, 7, "X", " 2");
        assert_eq!(shown(&message), ["Received: own", "X: 1", "X: 2"]);
        let nameless = Modification::ChangeHeader { index: 1, name: b"", value: b"" };
        assert_eq!(message.apply(&nameless, LeadingSpace::Verbatim), Err(EmptyName));
    }

    #[test]
    fn s8_9_postfix_renumbers_after_each_deletion() {
        // "Sending delete 1, delete 2 for three fields left the original #2 on Postfix"
        let mut upward = message(&["X", "X", "X"]);
        change(&mut upward, 1, "X", "");
        change(&mut upward, 2, "X", "");
        assert_eq!(shown(&upward), ["Received: own", "X: 2"]);
        let mut downward = message(&["X", "X", "X"]);
        change(&mut downward, 2, "X", "");
        change(&mut downward, 1, "X", "");
        assert_eq!(shown(&downward), ["Received: own", "X: 3"]);
    }

    #[test]
    fn a_line_without_white_space_gets_a_tab() {
        let mut message = message(&[]);
        apply(&mut message, Modification::AddHeader { name: b"X", value: b" a\nb\n\tc" });
        assert_eq!(shown(&message).last().unwrap(), "X: a\r\n\tb\r\n\tc");
    }

    #[test]
    fn s8_2_without_leading_space_one_is_added() {
        let mut message = message(&[]);
        for value in [&b"a"[..], b" a"] {
            let added = Modification::AddHeader { name: b"X", value };
            message.apply(&added, LeadingSpace::OneStripped).unwrap();
        }
        apply(&mut message, Modification::AddHeader { name: b"X-NoSpace", value: b"nospace" });
        assert_eq!(shown(&message), ["Received: own", "X: a", "X:  a", "X-NoSpace:nospace"]);
    }

    #[test]
    fn envelope_and_body_follow_the_filter() {
        let mut message = message(&["X"]);
        for recipient in [&b"<b@example.test>"[..], b"<c@example.test>"] {
            message.add_recipient(recipient);
        }
        apply(&mut message, Modification::DeleteRecipient(b"b@example.test"));
        apply(&mut message, Modification::AddRecipient(b"<d@example.test>"));
        apply(&mut message, Modification::ChangeSender { address: b"<e@example.test>", parameters: None });
        assert_eq!(message.sender(), b"<e@example.test>");
        assert_eq!(message.recipients().collect::<Vec<_>>(), [b"<c@example.test>", b"<d@example.test>"]);
        assert_eq!(message.to_octets(b"old\r\n"), b"Received: own\r\nX: 1\r\n\r\nold\r\n");
        apply(&mut message, Modification::ReplaceBody(b"ne"));
        apply(&mut message, Modification::ReplaceBody(b"w\r\n"));
        assert_eq!(message.to_octets(b"old\r\n"), b"Received: own\r\nX: 1\r\n\r\nnew\r\n");
    }
}
