//! Which fields an `h=` list means.
//!
//! §5.4.2: "The Signer MUST include the header field name in the "h=" tag once for each instance […] in the order of the physically last instance
//! of the header field in the header block, then the penultimate, and so on". Names and fields are chosen by whoever wrote the message, so looking
//! for each name anew would cost their product; here the fields are chained by name once, and each name of a list takes one step along its chain.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};

use crate::header::{Field, HeaderBlock};

/// The fields of a header block by their names, built in one walk and good for every signature of the message.
///
/// Names are compared in any case (ASCII), white space at their end does not count. The table is keyed by a random hash, so a message cannot be made
/// slow by its choice of names.
#[derive(Debug)]
pub struct FieldIndex<'h> {
    headers: &'h HeaderBlock,
    /// The number of each name, in order of first appearance.
    names: HashMap<Name<'h>, usize>,
    /// For each name its lowest field.
    lowest: Vec<usize>,
    /// For each field the next one above it of the same name.
    above: Vec<Option<usize>>,
}

impl<'h> FieldIndex<'h> {
    /// Walks the block once.
    #[must_use]
    pub fn new(headers: &'h HeaderBlock) -> Self {
        let mut index = Self {
            headers,
            names: HashMap::with_capacity(headers.len()),
            lowest: Vec::with_capacity(headers.len()),
            above: Vec::with_capacity(headers.len()),
        };
        for (at, field) in headers.iter().enumerate() {
            let number = *index.names.entry(Name(field.trimmed_name())).or_insert(index.lowest.len());
            match index.lowest.get_mut(number) {
                Some(lowest) => index.above.push(Some(std::mem::replace(lowest, at))),
                None => {
                    index.lowest.push(at);
                    index.above.push(None);
                }
            }
        }
        index
    }

    /// The block it was made of.
    #[must_use]
    pub const fn headers(&self) -> &'h HeaderBlock {
        self.headers
    }

    /// All fields of this name with their places counted from the top, the lowest field first.
    pub fn named<'i>(&'i self, name: &[u8]) -> impl Iterator<Item = (usize, Field<'h>)> + use<'i, 'h> {
        let lowest = self.number(name).and_then(|number| self.lowest.get(number)).copied();
        std::iter::successors(lowest, |at| self.above_of(*at)).filter_map(|at| Some((at, self.headers.get(at)?)))
    }

    fn number(&self, name: &[u8]) -> Option<usize> {
        // Only the lifetime differs: the map is asked with a name that lives as long as this call.
        self.names.get(&Name(trim_name(name))).copied()
    }

    fn above_of(&self, at: usize) -> Option<usize> {
        self.above.get(at).copied().flatten()
    }
}

/// Takes fields for the names of one `h=` list, bottom-up, each at most once.
///
/// Making one costs a copy of one number for each distinct name of the message, each [`select`](Self::select) the length of the name.
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
    /// For each name the field to take next.
    next: Vec<Option<usize>>,
    excluded: Option<usize>,
}

impl<'i, 'h> FieldSelector<'i, 'h> {
    /// A selector that has taken nothing yet.
    #[must_use]
    pub fn new(index: &'i FieldIndex<'h>) -> Self {
        Self { index, next: index.lowest.iter().copied().map(Some).collect(), excluded: None }
    }

    /// A selector that passes over one field, counted from the top: the signature that is being verified.
    ///
    /// §3.5 on `h=`: "The field MUST NOT include the DKIM-Signature header field that is being created or verified but may include others."
    #[must_use]
    pub fn excluding(index: &'i FieldIndex<'h>, field: usize) -> Self {
        Self { excluded: Some(field), ..Self::new(index) }
    }

    /// Begins anew for another list, in the memory of the former one.
    pub fn restart(&mut self, excluded: Option<usize>) {
        self.next.clear();
        self.next.extend(self.index.lowest.iter().copied().map(Some));
        self.excluded = excluded;
    }

    /// The lowest field of this name that was not taken yet; `None`, which stands for the null string, when there is none left.
    pub fn select(&mut self, name: &[u8]) -> Option<Field<'h>> {
        let next = self.next.get_mut(self.index.number(name)?)?;
        let mut at = (*next)?;
        if self.excluded == Some(at) {
            *next = self.index.above_of(at);
            at = (*next)?;
        }
        *next = self.index.above_of(at);
        self.index.headers.get(at)
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
