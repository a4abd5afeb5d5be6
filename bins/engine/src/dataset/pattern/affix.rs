//! Globs found by what they end in, or begin with: one pass over the text, one look-up at each place where such a text can begin.

use hashbrown::HashTable;

use super::super::fold_hash::Folding;

/// The rows with one affix: a chain in the order of the file, through `Chains`.
#[derive(Debug, Clone, Copy)]
struct Group {
    first: u32,
    last: u32,
}

/// From a row to the next one with the same affix.
#[derive(Debug, Default)]
pub(super) struct Chains(Vec<u32>);

const END: u32 = u32::MAX;

impl Chains {
    pub(super) fn new(rows: usize) -> Self {
        Self(vec![END; rows])
    }

    fn link(&mut self, from: u32, to: u32) {
        if let Some(next) = usize::try_from(from).ok().and_then(|from| self.0.get_mut(from)) {
            *next = to;
        }
    }

    fn next(&self, row: u32) -> Option<u32> {
        usize::try_from(row).ok().and_then(|row| self.0.get(row)).copied().filter(|next| *next != END)
    }
}

/// Which end of a text is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Start,
    End,
}

/// Rows by affix.
#[derive(Debug)]
pub(super) struct AffixIndex {
    side: Side,
    folding: Folding,
    table: HashTable<Group>,
    /// Whether there is an affix of so many octets.
    lengths: Vec<bool>,
    /// Whether there is an affix whose innermost octet, the last one hashed, is this.
    edges: [bool; 256],
}

impl AffixIndex {
    pub(super) fn new(side: Side, folding: Folding) -> Self {
        Self { side, folding, table: HashTable::new(), lengths: Vec::new(), edges: [false; 256] }
    }

    fn hash(&self, affix: &[u8]) -> u64 {
        match self.side {
            Side::Start => self.folding.of(affix.iter().copied()),
            Side::End => self.folding.of(affix.iter().rev().copied()),
        }
    }

    /// Adds a row; rows come in the order of the file. `affix` tells the affix of a row, which is not empty.
    pub(super) fn add<'a>(&mut self, row: u32, affix: impl Fn(u32) -> &'a [u8], chains: &mut Chains) {
        let text = affix(row);
        let edge = match self.side {
            Side::Start => text.last(),
            Side::End => text.first(),
        };
        let Some(edge) = edge else { return };
        if let Some(seen) = self.edges.get_mut(usize::from(self.folding.octet(*edge))) {
            *seen = true;
        }
        if self.lengths.len() <= text.len() {
            self.lengths.resize(text.len().saturating_add(1), false);
        }
        if let Some(seen) = self.lengths.get_mut(text.len()) {
            *seen = true;
        }
        let (hash, folding) = (self.hash(text), self.folding);
        match self.table.find_mut(hash, |group| folding.same(affix(group.first), text)) {
            Some(group) => {
                chains.link(group.last, row);
                group.last = row;
            }
            None => {
                let mut table = std::mem::take(&mut self.table);
                table.insert_unique(hash, Group { first: row, last: row }, |group| self.hash(affix(group.first)));
                self.table = table;
            }
        }
    }

    /// Hands each row whose affix `text` has to `take`, one affix after the other, in the order of the file within each; `take` says whether it wants
    /// further rows of the same affix.
    pub(super) fn each<'a>(
        &self,
        text: &[u8],
        affix: impl Fn(u32) -> &'a [u8],
        chains: &Chains,
        mut take: impl FnMut(u32) -> bool,
    ) {
        if self.table.is_empty() {
            return;
        }
        let mut hash = self.folding.start();
        // An affix is never empty: the first length is 1.
        for (index, known) in self.lengths.iter().skip(1).enumerate() {
            let length = index.saturating_add(1);
            let octet = match self.side {
                Side::Start => text.get(index),
                Side::End => text.len().checked_sub(length).and_then(|at| text.get(at)),
            };
            let Some(octet) = octet.map(|octet| self.folding.octet(*octet)) else { return };
            hash = Folding::add(hash, octet);
            if !*known || self.edges.get(usize::from(octet)) != Some(&true) {
                continue;
            }
            let candidate = match self.side {
                Side::Start => text.get(..length),
                Side::End => text.len().checked_sub(length).and_then(|at| text.get(at..)),
            };
            let Some(candidate) = candidate else { return };
            let group = self.table.find(Folding::end(hash), |group| self.folding.same(affix(group.first), candidate));
            let Some(group) = group else { continue };
            let mut row = group.first;
            // The end is known without the chain, which for most is in no cache of the processor.
            while take(row) && row != group.last {
                let Some(next) = chains.next(row) else { break };
                row = next;
            }
        }
    }
}
