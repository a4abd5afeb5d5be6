//! The message as the MTA holds it, and what a filter's modifications make of it.
//!
//! With [`Profile::Postfix`]:
//!
//! - Its own Received field is first and hidden: the filter neither sees nor counts it.
//! - INSHEADER counts all fields that are there at that moment, the hidden one and those inserted before included; 0 is above everything, and
//!   beyond the end is appended.
//! - CHGHEADER counts the fields of one name from 1 (0 counts as 1) and renumbers after each deletion. Past the last, a value is appended as a new
//!   field and a deletion does nothing.
//! - ADDHEADER appends.
//! - A line of a value that does not begin with SP or TAB gets a TAB, so that it cannot begin a field of its own.
//!
//! With [`Profile::Sendmail`] places and numbers are those of a list from which nothing is ever taken away; see [`slots`]. A line without white
//! space gets a SP.
//!
//! With both the first piece of a new body replaces the old one, and the others are appended.

use crate::header_text::{LeadingSpace, from_wire};
use crate::reply::Modification;

use super::{MtaOptions, Profile};

mod slots;

use slots::{Change, Slots};

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
    /// Where `fields` stand in the list of Sendmail; `None` with Postfix, which has no other list.
    slots: Option<Slots>,
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

    pub(super) fn begin(&mut self, sender: &[u8], options: &MtaOptions) {
        *self = Self { sender: sender.to_vec(), ..Self::default() };
        let hidden = |name: &[u8], value: &[u8]| Field { name: name.to_vec(), value: value.to_vec(), is_hidden: true };
        if let Some(value) = &options.own_received {
            self.fields.push(hidden(b"Received", value));
        }
        if options.profile == Profile::Sendmail {
            let mut slots = Slots::new(options.own_received.is_some());
            for (name, value) in &options.added_fields {
                let at = slots.add_own(name);
                self.fields.insert(at.min(self.fields.len()), hidden(name, value));
            }
            self.slots = Some(slots);
        }
    }

    pub(super) fn add_recipient(&mut self, address: &[u8]) {
        self.recipients.push(address.to_vec());
    }

    /// Takes the last recipient back: the filter refused it.
    pub(super) fn refuse_recipient(&mut self) {
        self.recipients.pop();
    }

    /// Appends a field of the client. One that Sendmail would have added itself is not added then.
    pub(super) fn push_field(&mut self, name: &[u8], value: Vec<u8>) {
        if let Some(at) = self.slots.as_mut().and_then(|slots| slots.push_clients(name)) {
            self.remove(at);
        }
        self.fields.push(Field { name: name.to_vec(), value, is_hidden: false });
    }

    /// The value of macro `{msg_id}`: that of the Message-Id field, be it the client's or the one Sendmail adds.
    pub(super) fn message_id(&self) -> Option<&[u8]> {
        let field = self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(b"Message-Id"))?;
        Some(field.value.trim_ascii())
    }

    pub(super) fn apply(&mut self, modification: &Modification<'_>, mode: LeadingSpace) -> Result<(), EmptyName> {
        match *modification {
            Modification::AddHeader { name: b"", .. }
            | Modification::InsertHeader { name: b"", .. }
            | Modification::ChangeHeader { name: b"", .. } => return Err(EmptyName),
            Modification::AddHeader { name, value } => self.add(name, value, mode),
            Modification::InsertHeader { index, name, value } => self.insert(index, name, value, mode),
            Modification::ChangeHeader { index, name, value } => self.change(index, name, value, mode),
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

    fn add(&mut self, name: &[u8], value: &[u8], mode: LeadingSpace) {
        let value = self.stored(value, mode);
        match self.slots.as_mut().map(|slots| slots.add(name)) {
            None => self.put(usize::MAX, name, value),
            Some(change) => self.follow(change, name, value),
        }
    }

    fn insert(&mut self, index: u32, name: &[u8], value: &[u8], mode: LeadingSpace) {
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        let value = self.stored(value, mode);
        match self.slots.as_mut().map(|slots| slots.insert(index, name)) {
            None => self.put(index, name, value),
            Some(at) => self.put(at, name, value),
        }
    }

    fn change(&mut self, index: u32, name: &[u8], value: &[u8], mode: LeadingSpace) {
        // §8.8: "0 is treated as 1"
        let skip = usize::try_from(index.saturating_sub(1)).unwrap_or(usize::MAX);
        let stored = self.stored(value, mode);
        if let Some(slots) = &mut self.slots {
            let change = if value.is_empty() { slots.delete(skip, name) } else { slots.change(skip, name) };
            return self.follow(change, name, stored);
        }
        let of_this_name = |field: &Field| !field.is_hidden && field.name.eq_ignore_ascii_case(name);
        let found = self.fields.iter().enumerate().filter(|(_, field)| of_this_name(field)).nth(skip);
        match found.map(|(place, _)| place) {
            Some(place) if value.is_empty() => self.remove(place),
            Some(place) => {
                if let Some(field) = self.fields.get_mut(place) {
                    *field = Field { name: name.to_vec(), value: stored, is_hidden: false };
                }
            }
            None if value.is_empty() => {}
            None => self.put(usize::MAX, name, stored),
        }
    }

    /// Does to the fields what was done to the list of Sendmail.
    fn follow(&mut self, change: Change, name: &[u8], value: Vec<u8>) {
        match change {
            Change::None => {}
            Change::Insert(at) => self.put(at, name, value),
            Change::Remove(at) => self.remove(at),
            // The name stays as it is spelled in the list.
            Change::Replace(at) => {
                if let Some(field) = self.fields.get_mut(at) {
                    field.value = value;
                    field.is_hidden = false;
                }
            }
        }
    }

    fn put(&mut self, at: usize, name: &[u8], value: Vec<u8>) {
        let field = Field { name: name.to_vec(), value, is_hidden: false };
        self.fields.insert(at.min(self.fields.len()), field);
    }

    fn remove(&mut self, at: usize) {
        if at < self.fields.len() {
            self.fields.remove(at);
        }
    }

    /// How a value from the filter stands in the message.
    fn stored(&self, value: &[u8], mode: LeadingSpace) -> Vec<u8> {
        let white_space = if self.slots.is_some() { b' ' } else { b'\t' };
        let mut folded = Vec::new();
        if mode == LeadingSpace::OneStripped {
            folded.push(b' ');
        }
        for (number, line) in value.split(|&octet| octet == b'\n').enumerate() {
            if number > 0 {
                folded.push(b'\n');
                if !matches!(line, [b' ' | b'\t', ..]) {
                    folded.push(white_space);
                }
            }
            folded.extend_from_slice(line);
        }
        let mut raw = Vec::new();
        from_wire(&folded, LeadingSpace::Verbatim, &mut raw);
        raw
    }
}

/// An address without its angle brackets.
fn bare(address: &[u8]) -> &[u8] {
    address.strip_prefix(b"<").and_then(|address| address.strip_suffix(b">")).unwrap_or(address)
}

#[cfg(test)]
mod tests;
