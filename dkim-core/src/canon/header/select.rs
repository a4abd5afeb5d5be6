//! Which fields an `h=` list means.
//!
//! §5.4.2: "The Signer MUST include the header field name in the "h=" tag once for each instance […] in the order of the physically last instance
//! of the header field in the header block, then the penultimate, and so on". Names and fields are chosen by whoever wrote the message, so looking
//! for each name anew would cost their product. Here fields are chained once and each name of a list walks one chain. The header of nearly every message
//! has few fields ([`FEW`]): its chains are of the fields whose names have the same mark, one octet that depends on a random key, and lie in the index
//! itself. In a larger one they are of the fields with the same name, under a table.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, Hasher, RandomState};
use std::sync::LazyLock;

use crate::header::{Field, HeaderBlock};
use crate::swar::{short_word, splat};

/// Fields of a header that are not worth a table: as many as a register has bits.
const FEW: usize = 64;

/// The fields of a header block by their names, built in one walk and good for every signature of the message.
///
/// Names are compared in any case (ASCII), white space at their end does not count. The table of a large header is keyed by a random hash, so a
/// message cannot be made slow by its choice of names.
#[derive(Debug)]
pub struct FieldIndex<'h> {
    headers: &'h HeaderBlock,
    names: Names<'h>,
}

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one a message, on the stack: a box would be the heap call that this saves"
)]
enum Names<'h> {
    Few(Marks),
    Many(Table<'h>),
}

/// Random for each process, so that a message cannot choose names that have the same mark: marks are never shown.
static KEY: LazyLock<u64> = LazyLock::new(|| RandomState::new().build_hasher().finish());

/// Chains of few fields.
#[derive(Debug)]
struct Marks {
    /// For each mark the lowest field whose name has it, counted from 1; 0 if there is none.
    lowest: [u8; 256],
    /// For each field the next one above it whose name has the same mark, in the same way.
    above: [u8; FEW],
    /// [`KEY`].
    key: u64,
}

impl<'h> FieldIndex<'h> {
    /// Walks the block once.
    #[must_use]
    pub fn new(headers: &'h HeaderBlock) -> Self {
        let names =
            if headers.len() > FEW { Names::Many(Table::new(headers)) } else { Names::Few(Marks::new(headers)) };
        Self { headers, names }
    }

    /// The block it was made of.
    #[must_use]
    pub const fn headers(&self) -> &'h HeaderBlock {
        self.headers
    }

    /// All fields of this name with their places counted from the top, the lowest field first.
    pub fn named<'i>(&'i self, name: &[u8]) -> impl Iterator<Item = (usize, Field<'h>)> + use<'i, 'h> {
        let lowest = match &self.names {
            Names::Few(marks) => marks.find(self.headers, trim_name(name), marks.lowest(trim_name(name)), 0),
            Names::Many(table) => table.number(name).and_then(|number| table.lowest.get(number)).copied(),
        };
        std::iter::successors(lowest, |at| self.above(*at)).filter_map(|at| Some((at, self.headers.get(at)?)))
    }

    /// The next field above this one with the same name.
    fn above(&self, at: usize) -> Option<usize> {
        match &self.names {
            Names::Few(marks) => marks.find(self.headers, self.headers.get(at)?.trimmed_name(), marks.above(at), 0),
            Names::Many(table) => table.above_of(at),
        }
    }
}

/// Takes fields for the names of one `h=` list, bottom-up, each at most once.
///
/// Making one costs a copy of one number for each distinct name of a message with many fields and nothing for another, each
/// [`select`](Self::select) the length of the name.
///
/// ```
/// use dkim_core::canon::header::{FieldIndex, FieldSelector};
/// use dkim_core::header::{HeaderBlock, HeaderLimits};
///
/// let (headers, _) = HeaderBlock::parse(b"To: first\r\nCc: x\r\nto: second\r\n\r\n", HeaderLimits::default())?;
/// let index = FieldIndex::new(&headers);
/// let mut selector = FieldSelector::new(&index);
/// assert_eq!(selector.select(b"TO").map(|field| field.value), Some(&b" second"[..]));
/// assert_eq!(selector.select(b"to").map(|field| field.value), Some(&b" first"[..]));
/// assert_eq!(selector.select(b"To"), None);
/// # Ok::<(), dkim_core::header::HeaderError>(())
/// ```
#[derive(Clone, Debug)]
pub struct FieldSelector<'i, 'h> {
    index: &'i FieldIndex<'h>,
    /// Of few fields: a bit for each that was taken or is passed over, the first field in the lowest.
    taken: u64,
    /// Of many fields: for each name the field to take next.
    next: Vec<Option<usize>>,
    /// Of many fields: the one that is passed over.
    excluded: Option<usize>,
}

impl<'i, 'h> FieldSelector<'i, 'h> {
    /// A selector that has taken nothing yet.
    #[must_use]
    pub fn new(index: &'i FieldIndex<'h>) -> Self {
        let mut selector = Self { index, taken: 0, next: Vec::new(), excluded: None };
        selector.restart(None);
        selector
    }

    /// A selector that passes over one field, counted from the top: the signature that is being verified.
    ///
    /// §3.5 on `h=`: "The field MUST NOT include the DKIM-Signature header field that is being created or verified but may include others."
    #[must_use]
    pub fn excluding(index: &'i FieldIndex<'h>, field: usize) -> Self {
        let mut selector = Self::new(index);
        selector.restart(Some(field));
        selector
    }

    /// Begins anew for another list, in the memory of the former one.
    pub fn restart(&mut self, excluded: Option<usize>) {
        self.taken = excluded.map_or(0, bit);
        self.excluded = excluded;
        self.next.clear();
        if let Names::Many(table) = &self.index.names {
            self.next.extend(table.lowest.iter().copied().map(Some));
        }
    }

    /// The lowest field of this name that was not taken yet; `None`, which stands for the null string, when there is none left.
    pub fn select(&mut self, name: &[u8]) -> Option<Field<'h>> {
        self.select_place(name).and_then(|at| self.index.headers.get(at))
    }

    /// As [`select`](Self::select), as the text of the field with its final CRLF.
    pub(super) fn select_text(&mut self, name: &[u8]) -> Option<&'h [u8]> {
        self.select_place(name).and_then(|at| self.index.headers.text_of(at))
    }

    fn select_place(&mut self, name: &[u8]) -> Option<usize> {
        match &self.index.names {
            Names::Few(marks) => self.select_of_few(marks, trim_name(name)),
            Names::Many(table) => self.select_of_many(table, name),
        }
    }

    fn select_of_few(&mut self, marks: &Marks, name: &[u8]) -> Option<usize> {
        let headers = self.index.headers;
        let at = marks.find(headers, name, marks.lowest(name), self.taken)?;
        self.taken |= bit(at);
        Some(at)
    }

    fn select_of_many(&mut self, table: &Table<'h>, name: &[u8]) -> Option<usize> {
        let next = self.next.get_mut(table.number(name)?)?;
        let mut at = (*next)?;
        if self.excluded == Some(at) {
            *next = table.above_of(at);
            at = (*next)?;
        }
        *next = table.above_of(at);
        Some(at)
    }
}

/// The bit of one of few fields; none for a place beyond them.
fn bit(at: usize) -> u64 {
    u32::try_from(at).ok().and_then(|at| 1_u64.checked_shl(at)).unwrap_or(0)
}

impl Marks {
    /// Chains at most [`FEW`] fields.
    fn new(headers: &HeaderBlock) -> Self {
        let mut marks = Self { lowest: [0; 256], above: [0; FEW], key: *KEY };
        let key = marks.key;
        for ((number, field), above) in (1..).zip(headers).zip(&mut marks.above) {
            if let Some(lowest) = marks.lowest.get_mut(usize::from(mark_of(field.trimmed_name(), key))) {
                *above = std::mem::replace(lowest, number);
            }
        }
        marks
    }

    /// The lowest field whose name has the mark of this one.
    fn lowest(&self, name: &[u8]) -> Option<usize> {
        place(self.lowest.get(usize::from(mark_of(name, self.key))))
    }

    /// The next field in the chain of this one.
    fn above(&self, at: usize) -> Option<usize> {
        place(self.above.get(at))
    }

    /// The lowest field with this name, from `at` on along its chain, that has no bit in `passed`.
    fn find(&self, headers: &HeaderBlock, name: &[u8], at: Option<usize>, passed: u64) -> Option<usize> {
        let is_named = |at: &usize| headers.get(*at).is_some_and(|field| field.is_named_in_octets(name));
        std::iter::successors(at, |at| self.above(*at)).filter(|at| passed & bit(*at) == 0).find(is_named)
    }
}

/// The place that a number counted from 1 means.
fn place(number: Option<&u8>) -> Option<usize> {
    number.and_then(|number| usize::from(*number).checked_sub(1))
}

/// One octet that is the same for the same name in any case, and differs for most others. Which names share one depends on the key.
///
/// Of a long name the first and the last eight octets count: enough to tell names apart, and a constant cost.
fn mark_of(name: &[u8], key: u64) -> u8 {
    let word = |octets: &[u8; 8]| u64::from_le_bytes(*octets) | splat(0x20);
    let length = u64::try_from(name.len()).unwrap_or(u64::MAX);
    let octets = match (name.first_chunk(), name.last_chunk()) {
        (Some(first), Some(last)) => word(first) ^ word(last).rotate_left(29),
        _ => short_word(name) | splat(0x20),
    };
    let product = (octets ^ key.wrapping_add(length)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let [.., high] = (product ^ (product << 29)).to_le_bytes();
    high
}

/// Chains of fields by their names.
#[derive(Debug)]
struct Table<'h> {
    /// The number of each name, in order of first appearance.
    names: HashMap<Name<'h>, usize>,
    /// For each name its lowest field.
    lowest: Vec<usize>,
    /// For each field the next one above it of the same name.
    above: Vec<Option<usize>>,
}

impl<'h> Table<'h> {
    fn new(headers: &'h HeaderBlock) -> Self {
        let mut table = Self {
            names: HashMap::with_capacity(headers.len()),
            lowest: Vec::with_capacity(headers.len()),
            above: Vec::with_capacity(headers.len()),
        };
        for (at, field) in headers.iter().enumerate() {
            let number = *table.names.entry(Name(field.trimmed_name())).or_insert(table.lowest.len());
            match table.lowest.get_mut(number) {
                Some(lowest) => table.above.push(Some(std::mem::replace(lowest, at))),
                None => {
                    table.lowest.push(at);
                    table.above.push(None);
                }
            }
        }
        table
    }

    fn number(&self, name: &[u8]) -> Option<usize> {
        // Only the lifetime differs: the map is asked with a name that lives as long as this call.
        self.names.get(&Name(trim_name(name))).copied()
    }

    fn above_of(&self, at: usize) -> Option<usize> {
        self.above.get(at).copied().flatten()
    }
}

/// A field name that compares and hashes without regard to case.
#[derive(Clone, Copy, Debug)]
struct Name<'a>(&'a [u8]);

impl PartialEq for Name<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(other.0)
    }
}

impl Eq for Name<'_> {}

impl Hash for Name<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Folded in small blocks: a name can be as long as the header, and one write for each octet is slow.
        for block in self.0.chunks(32) {
            let mut folded = [0; 32];
            for (to, from) in folded.iter_mut().zip(block) {
                *to = from.to_ascii_lowercase();
            }
            state.write(folded.get(..block.len()).unwrap_or_default());
        }
        state.write_u8(0xff);
    }
}

/// The name without white space at its end, as [`Field::trimmed_name`].
fn trim_name(name: &[u8]) -> &[u8] {
    Field::new(name, b"").trimmed_name()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::header::HeaderLimits;

    /// What the few and the many do must be the same, so the same header is also looked at with more fields than a register has bits above it.
    fn select_all(prefix: usize, names: &[String], wanted: &[String], excluded: Option<usize>) -> Vec<Option<String>> {
        let mut builder = HeaderBlock::builder(HeaderLimits::default());
        for number in 0..prefix {
            builder.push(format!("Y-{number}").as_bytes(), b"").unwrap();
        }
        for (at, name) in names.iter().enumerate() {
            builder.push(name.as_bytes(), at.to_string().as_bytes()).unwrap();
        }
        let headers = builder.finish();
        let index = FieldIndex::new(&headers);
        let mut selector = match excluded {
            None => FieldSelector::new(&index),
            Some(at) => FieldSelector::excluding(&index, prefix.saturating_add(at)),
        };
        let value = |field: Field<'_>| String::from_utf8(field.value.to_vec()).unwrap();
        let selected = wanted.iter().map(|name| selector.select(name.as_bytes()).map(value)).collect();
        for name in wanted {
            let all: Vec<usize> = index.named(name.as_bytes()).map(|(at, _)| at).collect();
            let same = |field: &(usize, Field<'_>)| field.1.is_named(name);
            let expected: Vec<usize> = headers.iter().enumerate().filter(same).map(|(at, _)| at).collect();
            assert!(all.iter().rev().eq(&expected), "{name}: {all:?}");
        }
        selected
    }

    proptest! {
        #[test]
        fn s5_4_2_a_small_header_and_a_large_one_select_the_same(
            names in proptest::collection::vec("[abAB]{1,2} ?|From|X-Mailer", 0..64),
            wanted in proptest::collection::vec("[abAB]{1,2}|from|X-MAILER|none", 0..40),
            excluded in proptest::option::of(0..64_usize),
        ) {
            let few = select_all(0, &names, &wanted, excluded);
            prop_assert_eq!(few, select_all(FEW, &names, &wanted, excluded));
        }
    }
}
