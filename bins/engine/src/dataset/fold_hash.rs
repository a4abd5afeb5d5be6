//! A hash that can be taken of every suffix of a text in one pass, and tables of row numbers that use it.
//!
//! The tables are the operator's, so nobody chooses their collisions; what is looked up in them may be a stranger's, and costs no more than a compare.

use std::hash::{BuildHasher, Hasher as _, RandomState};

use hashbrown::HashTable;

const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// The bit in which the cases of an ASCII letter differ, in each octet.
const LOWER: u64 = 0x2020_2020_2020_2020;

/// How octets become a hash: with or without regard to the case of ASCII letters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Folding {
    /// Whether `A` and `a` are the same.
    pub(super) ignores_case: bool,
    seed: u64,
}

impl Folding {
    pub(super) fn new(ignores_case: bool) -> Self {
        Self { ignores_case, seed: RandomState::new().build_hasher().finish() }
    }

    /// The octet as it is compared.
    pub(super) fn octet(self, octet: u8) -> u8 {
        if self.ignores_case { octet.to_ascii_lowercase() } else { octet }
    }

    pub(super) fn same(self, a: &[u8], b: &[u8]) -> bool {
        if self.ignores_case { a.eq_ignore_ascii_case(b) } else { a == b }
    }

    /// A hash of nothing, to [`add`](Self::add) to.
    pub(super) fn start(self) -> u64 {
        self.seed
    }

    /// The hash with one octet more, which is as [`octet`](Self::octet) made it.
    pub(super) fn add(hash: u64, octet: u8) -> u64 {
        (hash ^ u64::from(octet)).wrapping_mul(FACTOR)
    }

    /// What a table is asked with.
    pub(super) fn end(hash: u64) -> u64 {
        let mixed = (hash ^ (hash >> 32)).wrapping_mul(FACTOR);
        mixed ^ (mixed >> 29)
    }

    /// The hash of octets in their order.
    pub(super) fn of(self, octets: impl IntoIterator<Item = u8>) -> u64 {
        Self::end(octets.into_iter().fold(self.start(), |hash, octet| Self::add(hash, self.octet(octet))))
    }

    /// The hash of a whole text, eight octets at a time; never compared with the others. Letters of both cases, and a few other pairs, are the same in it, which
    /// the comparison tells apart.
    fn of_whole(self, octets: &[u8]) -> u64 {
        let hash = self.start() ^ u64::try_from(octets.len()).unwrap_or(u64::MAX);
        let (words, rest) = octets.as_chunks::<8>();
        let hash = words.iter().fold(hash, |hash, word| Self::add_word(hash, *word));
        let mut last = [0; 8];
        last.iter_mut().zip(rest).for_each(|(to, octet)| *to = *octet);
        Self::end(Self::add_word(hash, last))
    }

    fn add_word(hash: u64, word: [u8; 8]) -> u64 {
        let mixed = (hash ^ (u64::from_le_bytes(word) | LOWER)).wrapping_mul(FACTOR);
        mixed ^ (mixed >> 32)
    }
}

/// Rows by key: each key once, with the first row that has it.
#[derive(Debug)]
pub(super) struct ExactIndex {
    folding: Folding,
    table: HashTable<u32>,
}

impl ExactIndex {
    /// An index of `rows`; `key` tells the key of a row. Rows whose key was there before are handed to `twice`, with the first row.
    pub(super) fn new<'a>(
        folding: Folding,
        rows: impl ExactSizeIterator<Item = u32>,
        key: impl Fn(u32) -> &'a str,
        mut twice: impl FnMut(u32, u32),
    ) -> Self {
        let mut table = HashTable::with_capacity(rows.len());
        let hash = |row: u32| folding.of_whole(key(row).as_bytes());
        for row in rows {
            let text = key(row).as_bytes();
            match table.find(hash(row), |other| folding.same(key(*other).as_bytes(), text)) {
                Some(first) => twice(row, *first),
                None => {
                    table.insert_unique(hash(row), row, |other| hash(*other));
                }
            }
        }
        Self { folding, table }
    }

    /// The row with this key.
    pub(super) fn find<'a>(&self, text: &str, key: impl Fn(u32) -> &'a str) -> Option<u32> {
        let hash = self.folding.of_whole(text.as_bytes());
        self.table.find(hash, |row| self.folding.same(key(*row).as_bytes(), text.as_bytes())).copied()
    }
}
