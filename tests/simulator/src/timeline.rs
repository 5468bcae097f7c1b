//! When the objects that a seed makes were last changed.

use jiff::{SignedDuration, Timestamp};

/// Of so many objects in a row, one after the other, some share a second, as imports and payments of several invoices do.
const GROUP_EVERY: usize = 250;
/// The first of those that share it.
const GROUP_FROM: usize = 40;
/// How many share it.
const GROUP_SIZE: usize = 5;

/// One object every half hour, the last one half an hour ago, but for a few that share a second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeline {
    total: usize,
    now: Timestamp,
}

impl Timeline {
    pub(crate) fn new(total: usize, now: Timestamp) -> Self {
        Self { total, now }
    }

    /// When the object with this index was changed.
    pub(crate) fn of(self, index: usize) -> Timestamp {
        let within = index % GROUP_EVERY;
        let is_in_group = (GROUP_FROM..GROUP_FROM + GROUP_SIZE).contains(&within);
        let index = if is_in_group { index - within + GROUP_FROM } else { index };
        let half_hours = i64::try_from(self.total - index.min(self.total)).unwrap_or(i64::MAX / 60);
        self.now.checked_sub(SignedDuration::from_mins(30 * half_hours)).unwrap_or(self.now)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn objects_changed_one_after_the_other_but_for_a_few_in_the_same_second() {
        let timeline = Timeline::new(600, Timestamp::UNIX_EPOCH);
        let times: Vec<Timestamp> = (0..600).map(|index| timeline.of(index)).collect();
        let mut sharing = BTreeMap::new();
        for time in &times {
            *sharing.entry(time).or_insert(0) += 1;
        }

        assert!(times.is_sorted());
        assert_eq!(sharing.values().filter(|count| **count == 5).count(), 3);
        assert_eq!(sharing.values().filter(|count| **count == 1).count(), 600 - 15);
        assert_eq!(times[599], Timestamp::UNIX_EPOCH - SignedDuration::from_mins(30));
    }
}
