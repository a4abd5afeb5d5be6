//! A bounded map that forgets what was not asked for the longest.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// Values by key, at most so many, which weigh at most so much together.
#[derive(Debug)]
pub(crate) struct Lru<K, V> {
    slots: HashMap<K, Slot<V>>,
    /// By when they were last asked for.
    order: BTreeMap<u64, K>,
    clock: u64,
    weight: usize,
    max_entries: usize,
    max_weight: usize,
}

#[derive(Debug)]
struct Slot<V> {
    value: V,
    weight: usize,
    used: u64,
}

impl<K: Hash + Eq + Clone, V> Lru<K, V> {
    pub(crate) fn new(max_entries: usize, max_weight: usize) -> Self {
        Self { slots: HashMap::new(), order: BTreeMap::new(), clock: 0, weight: 0, max_entries, max_weight }
    }

    /// The value, which counts as asked for now.
    pub(crate) fn get<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let slot = self.slots.get_mut(key)?;
        self.clock = self.clock.saturating_add(1);
        if let Some(key) = self.order.remove(&slot.used) {
            self.order.insert(self.clock, key);
        }
        slot.used = self.clock;
        Some(&slot.value)
    }

    /// Keeps a value in place of the one with the same key. Others go where there is no room; one that is heavier than all may be is not kept.
    pub(crate) fn insert(&mut self, key: K, value: V, weight: usize) {
        self.remove(&key);
        if weight > self.max_weight || self.max_entries == 0 {
            return;
        }
        while self.slots.len() >= self.max_entries || self.weight.saturating_add(weight) > self.max_weight {
            let Some((_, oldest)) = self.order.pop_first() else { break };
            self.forget(&oldest);
        }
        self.clock = self.clock.saturating_add(1);
        self.weight = self.weight.saturating_add(weight);
        self.order.insert(self.clock, key.clone());
        self.slots.insert(key, Slot { value, weight, used: self.clock });
    }

    /// Forgets a value.
    pub(crate) fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        if let Some(used) = self.forget(key) {
            self.order.remove(&used);
        }
    }

    fn forget<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<u64>
    where
        K: Borrow<Q>,
    {
        let slot = self.slots.remove(key)?;
        self.weight = self.weight.saturating_sub(slot.weight);
        Some(slot.used)
    }

    pub(crate) fn clear(&mut self) {
        self.slots.clear();
        self.order.clear();
        self.weight = 0;
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_asked_for_the_longest_goes() {
        let mut kept = Lru::new(2, 100);
        kept.insert("a", 1, 1);
        kept.insert("b", 2, 1);
        assert_eq!(kept.get("a").copied(), Some(1));
        kept.insert("c", 3, 1);
        assert_eq!((kept.get("a").copied(), kept.get("b").copied(), kept.get("c").copied()), (Some(1), None, Some(3)));
        assert_eq!(kept.len(), 2);
    }

    #[test]
    fn weights_are_bounded_together_and_alone() {
        let mut kept = Lru::new(10, 10);
        kept.insert("a", 1, 6);
        kept.insert("b", 2, 5);
        assert_eq!((kept.get("a").copied(), kept.get("b").copied()), (None, Some(2)));
        kept.insert("c", 3, 11);
        assert_eq!((kept.get("b").copied(), kept.get("c").copied()), (Some(2), None));
        kept.insert("b", 4, 10);
        assert_eq!((kept.get("b").copied(), kept.len()), (Some(4), 1));
        kept.clear();
        kept.insert("d", 5, 10);
        assert_eq!((kept.get("d").copied(), kept.order.len()), (Some(5), 1));
        kept.remove("d");
        assert_eq!((kept.len(), kept.order.len(), kept.weight), (0, 0, 0));
    }
}
