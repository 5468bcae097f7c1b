//! Pages: where one begins, what its objects are, and how far a walk came with it.

use std::time::Duration;

use domain::sync::{Entity, LedgerPage, Record};
use jiff::Timestamp;

/// How much earlier than wanted a provider is asked that may mean "later than" by "since", and counts in seconds.
const SINCE_MARGIN: Duration = Duration::from_secs(1);

/// The numbered page, from 1, of `size` objects on which those after the first `skip` begin, and how many of its own first
/// are among the skipped.
pub(crate) fn numbered(skip: u64, size: u64) -> (u64, u64) {
    ((skip / size).saturating_add(1), skip % size)
}

/// Takes an object of a page, which may be of several kinds, of another kind, or not readable.
pub(crate) fn take(page: &mut LedgerPage, entity: Entity, read: Option<Vec<Record>>) {
    match read.map(|records| records.into_iter().find(|record| record.entity == entity)) {
        Some(Some(record)) => page.records.push(record),
        Some(None) => page.passed_over += 1,
        None => page.unreadable += 1,
    }
}

/// The second in which the last object of a page changed; none unless all are in the order of change, for then what is not
/// on the page may have changed earlier.
pub(crate) fn newest_in_order(records: &[Record]) -> Option<Timestamp> {
    let is_in_order = records.is_sorted_by_key(|record| record.updated_at);
    records.last().filter(|_| is_in_order).map(|record| to_the_second(record.updated_at))
}

/// A moment without its fraction, so that nothing within the second is left out where a provider counts in whole ones.
pub(crate) fn to_the_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// The moment since which to ask for what changed at or after another.
pub(crate) fn well_before(after: Timestamp) -> Timestamp {
    to_the_second(after).saturating_sub(SINCE_MARGIN).unwrap_or(after)
}
