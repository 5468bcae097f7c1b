//! What an instance remembers for a short time, so that the table is not asked for each call.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;

/// Entries beyond these push out all others: a few hundred bytes each, so that the memory of an instance stays bounded.
const CAPACITY: usize = 1000;

/// Values, each until a time of its own.
pub(crate) struct Memory<K, V>(Mutex<HashMap<K, (V, Timestamp)>>);

impl<K, V> Default for Memory<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Clone> Memory<K, V> {
    /// What is remembered at `now`.
    pub(crate) fn find(&self, key: &K, now: Timestamp) -> Option<V> {
        self.entries().get(key).filter(|(_, until)| now < *until).map(|(value, _)| value.clone())
    }

    /// Remembers a value until a time.
    pub(crate) fn keep(&self, key: K, value: V, (now, until): (Timestamp, Timestamp)) {
        let mut entries = self.entries();
        if entries.len() >= CAPACITY {
            entries.retain(|_, (_, until)| now < *until);
        }
        if entries.len() >= CAPACITY {
            entries.clear();
        }
        entries.insert(key, (value, until));
    }

    /// Forgets a value that has changed.
    pub(crate) fn forget(&self, key: &K) {
        self.entries().remove(key);
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<K, (V, Timestamp)>> {
        // Whatever panicked, each entry is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;
    const LATER: Timestamp = Timestamp::constant(30, 0);

    #[test]
    fn a_value_is_remembered_until_its_time_or_until_it_changes() {
        let memory = Memory::default();
        memory.keep("a", 1, (NOW, LATER));
        memory.keep("b", 2, (NOW, LATER));
        memory.forget(&"b");

        assert_eq!(memory.find(&"a", LATER - SignedDuration::from_millis(1)), Some(1));
        assert_eq!(memory.find(&"a", LATER), None);
        assert_eq!(memory.find(&"b", NOW), None);
    }

    #[test]
    fn a_flood_of_values_pushes_out_others_and_never_grows() {
        let memory = Memory::default();
        for number in 0..10 * CAPACITY {
            memory.keep(number, (), (NOW, LATER));
        }

        assert!(memory.entries().len() <= CAPACITY);
        assert_eq!(memory.find(&(10 * CAPACITY - 1), NOW), Some(()));
    }
}
