//! Sort keys that order what they name, or by which some items of a partition are asked for.

use domain::{connection::ConnectionKey, id::JobId};

/// The sort key of a minute's tally: ten digits, in which text sorts as the numbers do, and before the breaker.
pub(crate) fn tally_sort_key(minute: i64) -> String {
    format!("MINUTE#{:010}", minute.max(0))
}

/// The sort key of what a walk saw on one page: ten digits, in which text sorts as the numbers do.
pub(crate) fn seen_sort_key(walk: &JobId, page: u64) -> String {
    format!("SEEN#{walk}#{page:010}")
}

/// What the sort keys of a connection's companies begin with.
pub(crate) fn companies_prefix(key: &ConnectionKey) -> String {
    format!("COMPANY#{}#", key.connection)
}

/// What the sort keys begin with of the companies that left a connection.
pub(crate) fn left_prefix(key: &ConnectionKey) -> String {
    format!("LEFT#{}#", key.connection)
}
