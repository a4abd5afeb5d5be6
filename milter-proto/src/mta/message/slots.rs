//! The list in which Sendmail keeps a header section: where places and numbers of a filter's modifications are counted.
//!
//! The list begins with a slot for each field that Sendmail can add of itself (the `H` lines of its configuration, Return-Path first), whether or
//! not it does. The client's fields follow. A deleted field leaves its slot, so the list only grows.
//!
//! - INSHEADER *i* goes behind slot *i*, or to the end: 0 is above the own Received, 1 below it. §8.6: Sendmail "counts hidden and deleted headers
//!   too: only 0, 1 and "very large" are portable".
//! - CHGHEADER counts the slots of one name that the filter was shown or has put there, deleted ones included. Past the last it takes the slot of
//!   an own field of that name (a hidden Date can be changed so), else a value goes where ADDHEADER would put it.
//! - ADDHEADER takes the slot of an own field of that name, else goes above the first slot of that name, else to the end. The slot of Received, a
//!   trace field, is never taken.
//!
//! A slot does not hold its field: [`MtaMessage`](super::MtaMessage) has those that are there in one vector, and [`Change`] says where in it
//! something happens.

/// The `H` lines of the configuration that comes with Sendmail. Return-Path is written at final delivery only.
const OWN: [&[u8]; 9] = [
    b"Return-Path",
    RECEIVED,
    b"Resent-Date",
    b"Date",
    b"Resent-From",
    b"From",
    b"Full-Name",
    b"Resent-Message-Id",
    b"Message-Id",
];
const RECEIVED: &[u8] = b"Received";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    /// How many of them, from the front, were there before the client's first.
    own: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Slot {
    name: Vec<u8>,
    kind: Kind,
    /// Whether there is a field in it.
    is_full: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The MTA's own Received.
    Trace,
    /// For a field that the MTA can add.
    Own,
    /// A field of the client or the filter: it counts.
    Counted,
}

/// What happens to the fields, by place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    None,
    Insert(usize),
    Replace(usize),
    Remove(usize),
}

impl Slots {
    pub(super) fn new(has_received: bool) -> Self {
        let slot = |name: &[u8]| {
            let is_received = name == RECEIVED;
            let kind = if is_received { Kind::Trace } else { Kind::Own };
            Slot { name: name.to_vec(), kind, is_full: is_received && has_received }
        };
        Self { slots: OWN.into_iter().map(slot).collect(), own: OWN.len() }
    }

    /// A field that the MTA adds: its place among the fields.
    pub(super) fn add_own(&mut self, name: &[u8]) -> usize {
        let slot = self.find(|slot| slot.kind == Kind::Own && !slot.is_full && slot.has_name(name));
        let slot = slot.unwrap_or_else(|| {
            self.slots.push(Slot { name: name.to_vec(), kind: Kind::Own, is_full: false });
            self.own = self.slots.len();
            self.own.saturating_sub(1)
        });
        self.fill(slot, Kind::Own);
        self.place(slot)
    }

    /// A field of the client goes to the end, and empties an own slot of that name: the place of the field that was in it.
    pub(super) fn push_clients(&mut self, name: &[u8]) -> Option<usize> {
        let own = self.slots.get(..self.own)?;
        let found = own.iter().position(|slot| slot.kind == Kind::Own && slot.is_full && slot.has_name(name));
        let removed = found.map(|slot| self.place(slot));
        if let Some(slot) = found.and_then(|slot| self.slots.get_mut(slot)) {
            slot.is_full = false;
        }
        self.slots.push(Slot::counted(name));
        removed
    }

    /// INSHEADER: the place of the new field.
    pub(super) fn insert(&mut self, index: usize, name: &[u8]) -> usize {
        self.insert_at(index.saturating_add(1).min(self.slots.len()), name)
    }

    /// ADDHEADER.
    pub(super) fn add(&mut self, name: &[u8]) -> Change {
        if let Some(own) = self.find(|slot| slot.kind == Kind::Own && slot.has_name(name)) {
            return self.set(own);
        }
        self.add_new(name)
    }

    /// CHGHEADER with a value, of the field that comes after `skip` others of that name.
    pub(super) fn change(&mut self, skip: usize, name: &[u8]) -> Change {
        match self.numbered(skip, name) {
            Some(slot) => self.set(slot),
            None => self.add_new(name),
        }
    }

    /// CHGHEADER without a value.
    pub(super) fn delete(&mut self, skip: usize, name: &[u8]) -> Change {
        let Some(index) = self.numbered(skip, name) else { return Change::None };
        let place = self.place(index);
        match self.slots.get_mut(index) {
            Some(slot) if slot.is_full => {
                slot.is_full = false;
                Change::Remove(place)
            }
            _ => Change::None,
        }
    }

    /// The slot that CHGHEADER means.
    fn numbered(&self, skip: usize, name: &[u8]) -> Option<usize> {
        let of_this_name = || self.slots.iter().enumerate().filter(|(_, slot)| slot.has_name(name));
        let counted = of_this_name().filter(|(_, slot)| slot.kind == Kind::Counted).nth(skip);
        // The last own one, should there be several.
        let found = counted.or_else(|| of_this_name().rfind(|(_, slot)| slot.kind == Kind::Own));
        found.map(|(index, _)| index)
    }

    /// Puts a value into a slot; from then on it counts.
    fn set(&mut self, index: usize) -> Change {
        let was_full = self.fill(index, Kind::Counted);
        let place = self.place(index);
        if was_full { Change::Replace(place) } else { Change::Insert(place) }
    }

    fn add_new(&mut self, name: &[u8]) -> Change {
        let index = self.find(|slot| slot.has_name(name)).unwrap_or(self.slots.len());
        Change::Insert(self.insert_at(index, name))
    }

    fn insert_at(&mut self, index: usize, name: &[u8]) -> usize {
        self.slots.insert(index, Slot::counted(name));
        self.place(index)
    }

    /// Whether it was full before.
    fn fill(&mut self, index: usize, kind: Kind) -> bool {
        self.slots.get_mut(index).is_some_and(|slot| {
            slot.kind = kind;
            std::mem::replace(&mut slot.is_full, true)
        })
    }

    fn find(&self, is_it: impl Fn(&Slot) -> bool) -> Option<usize> {
        self.slots.iter().position(is_it)
    }

    /// How many fields stand before a slot.
    fn place(&self, index: usize) -> usize {
        self.slots.iter().take(index).filter(|slot| slot.is_full).count()
    }
}

impl Slot {
    fn counted(name: &[u8]) -> Self {
        Self { name: name.to_vec(), kind: Kind::Counted, is_full: true }
    }

    fn has_name(&self, name: &[u8]) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}
