//! A list that is nearly always of one: the first item lies in the list itself, so a message with one signature costs no memory for it.
//!
//! *What it does not do*: it is no replacement for `Vec`, has no slice of its items, and removes none.

/// Items in the order in which they were pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Few<T> {
    first: Option<T>,
    /// Empty as long as there is no `first`.
    more: Vec<T>,
}

impl<T> Few<T> {
    pub(crate) const fn new() -> Self {
        Self { first: None, more: Vec::new() }
    }

    pub(crate) const fn len(&self) -> usize {
        self.more.len().saturating_add(self.first.is_some() as usize)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(crate) fn push(&mut self, item: T) {
        match self.first {
            None => self.first = Some(item),
            Some(_) => self.more.push(item),
        }
    }

    pub(crate) fn get(&self, at: usize) -> Option<&T> {
        match at.checked_sub(1) {
            None => self.first.as_ref(),
            Some(at) => self.more.get(at),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.first.iter().chain(&self.more)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.first.iter_mut().chain(&mut self.more)
    }

    /// The list of what `change` makes of each item.
    pub(crate) fn map<U>(self, mut change: impl FnMut(T) -> U) -> Few<U> {
        Few { first: self.first.map(&mut change), more: self.more.into_iter().map(change).collect() }
    }
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> IntoIterator for Few<T> {
    type Item = T;
    type IntoIter = std::iter::Chain<std::option::IntoIter<T>, std::vec::IntoIter<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.first.into_iter().chain(self.more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_keep_their_order_and_their_places() {
        let mut few = Few::new();
        assert!(few.is_empty() && few.get(0).is_none());
        for number in 0..5 {
            few.push(number);
            assert_eq!(few.len(), number + 1);
            assert!((0..=number).all(|at| few.get(at) == Some(&at)) && few.get(number + 1).is_none());
        }
        few.iter_mut().for_each(|number| *number *= 2);
        assert!(few.iter().eq(&[0, 2, 4, 6, 8]));
        assert!(few.map(|number| number + 1).into_iter().eq([1, 3, 5, 7, 9]));
    }

    #[test]
    fn the_first_item_lies_in_the_list_itself() {
        let mut few = Few::new();
        few.push(1);
        assert_eq!(few.more.capacity(), 0);
    }
}
