//! Cursors of lists: where a page ended, as a text without meaning to its holder.
//!
//! A cursor is neither secret nor proven: it only says where to go on. The partition comes from the caller's own scope,
//! so a forged cursor shows nothing that its caller could not list anyway. One that does not read as ours is
//! [`StoreError::InvalidCursor`], since an empty page would pass for the end of the list.

use std::str::FromStr;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{
    connection::ConnectionKey,
    id::{AuditId, RecordId},
    store::{BoxError, StoreError},
};
use jiff::{Timestamp, civil::Date};
use serde_json::json;

/// What cannot be part of any id.
const SEPARATOR: char = '#';

/// The cursor behind one id.
pub(crate) fn encode(id: &str) -> String {
    URL_SAFE_NO_PAD.encode(id)
}

/// The id of a cursor.
pub(crate) fn decode<T>(cursor: &str) -> Result<T, StoreError>
where
    T: FromStr<Err: Into<BoxError>>,
{
    text(cursor)?.parse().map_err(invalid)
}

/// The cursor behind one connection.
pub(crate) fn encode_connection(key: &ConnectionKey) -> String {
    encode(&format!("{}{SEPARATOR}{}", key.tenant, key.connection))
}

/// The connection of a cursor.
pub(crate) fn decode_connection(cursor: &str) -> Result<ConnectionKey, StoreError> {
    let text = text(cursor)?;
    let (tenant, connection) = text.split_once(SEPARATOR).ok_or_else(|| invalid("not of two ids"))?;
    Ok(ConnectionKey {
        tenant: tenant.parse().map_err(invalid)?,
        connection: connection.parse().map_err(invalid)?,
    })
}

/// The cursor behind a record in a list by time of change.
pub(crate) fn encode_change(at: Timestamp, id: &RecordId) -> String {
    encode(&format!("{}{SEPARATOR}{id}", at.as_millisecond()))
}

/// The time and record of a cursor.
pub(crate) fn decode_change(cursor: &str) -> Result<(Timestamp, RecordId), StoreError> {
    let text = text(cursor)?;
    let (at, id) = text.split_once(SEPARATOR).ok_or_else(|| invalid("not of a time and an id"))?;
    let at = Timestamp::from_millisecond(at.parse().map_err(invalid)?).map_err(invalid)?;
    Ok((at, id.parse().map_err(invalid)?))
}

/// The cursor behind an act of a month, or before its first; the month as in `2026-11`.
pub(crate) fn encode_month(month: &str, after: Option<&AuditId>) -> String {
    encode(&format!("{month}{SEPARATOR}{}", after.map(AuditId::as_str).unwrap_or_default()))
}

/// The first day of the month, and the act.
pub(crate) fn decode_month(cursor: &str) -> Result<(Date, Option<AuditId>), StoreError> {
    let text = text(cursor)?;
    let (month, after) = text.split_once(SEPARATOR).ok_or_else(|| invalid("not of a month and an id"))?;
    let after = if after.is_empty() { None } else { Some(after.parse().map_err(invalid)?) };
    Ok((format!("{month}-01").parse().map_err(invalid)?, after))
}

/// The cursor behind something that several texts name.
pub(crate) fn encode_parts(parts: [&str; 3]) -> String {
    encode(&json!(parts).to_string())
}

/// The texts of a cursor.
pub(crate) fn decode_parts(cursor: &str) -> Result<[String; 3], StoreError> {
    serde_json::from_str(&text(cursor)?).map_err(invalid)
}

/// The error for a cursor of another list.
pub(crate) fn foreign() -> StoreError {
    invalid("of another list")
}

fn text(cursor: &str) -> Result<String, StoreError> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(invalid)?;
    String::from_utf8(bytes).map_err(invalid)
}

fn invalid(source: impl Into<BoxError>) -> StoreError {
    StoreError::InvalidCursor(source.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_as_what_it_was_made_of() {
        let key = ConnectionKey { tenant: "acme".parse().unwrap(), connection: "conn_1".parse().unwrap() };

        assert_eq!(decode_connection(&encode_connection(&key)).unwrap(), key);
        assert_eq!(decode::<RecordId>(&encode("12:3")).unwrap().as_str(), "12:3");
        let (at, id) = (Timestamp::from_millisecond(1_763_689_000_123).unwrap(), "12:3".parse().unwrap());
        assert_eq!(decode_change(&encode_change(at, &id)).unwrap(), (at, id));
        let (month, act) = (jiff::civil::date(2026, 11, 1), "aud_1".parse().unwrap());
        for after in [None, Some(act)] {
            let cursor = encode_month("2026-11", after.as_ref());
            assert_eq!(decode_month(&cursor).unwrap(), (month, after));
        }
    }

    #[test]
    fn a_cursor_of_another_making_is_refused() {
        for cursor in ["", "%%", "YQ", &encode("a#b#c"), &encode("#"), &URL_SAFE_NO_PAD.encode([0xff])] {
            assert!(decode_connection(cursor).is_err(), "{cursor}");
            assert!(decode_change(cursor).is_err(), "{cursor}");
            assert!(decode_month(cursor).is_err(), "{cursor}");
        }
    }
}
