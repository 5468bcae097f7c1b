//! How values are kept: lists in which a key stands once, lists of the newest, secrets until they expire.

use std::collections::HashMap;

use jiff::Timestamp;

/// Codes or access tokens above which expired ones are forgotten.
const MAX_REMEMBERED: usize = 100_000;

/// Puts a value in the place of the one with the same key, or at the end.
pub(crate) fn put<T>(list: &mut Vec<T>, value: T, key: fn(&T) -> &str) {
    match list.iter_mut().find(|known| key(known) == key(&value)) {
        Some(known) => *known = value,
        None => list.push(value),
    }
}

/// Adds a value at the end of a list; the oldest one goes when there are too many.
pub(crate) fn keep_newest<T>(list: &mut Vec<T>, value: T, most: usize) {
    if list.len() >= most {
        list.remove(0);
    }
    list.push(value);
}

/// Makes room for one more secret, if it is time to.
pub(crate) fn forget_expired<T>(
    secrets: &mut HashMap<String, T>,
    now: Timestamp,
    expires_at: fn(&T) -> Timestamp,
) {
    if secrets.len() >= MAX_REMEMBERED {
        secrets.retain(|_, secret| expires_at(secret) > now);
    }
}
