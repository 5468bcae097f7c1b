//! The index of due connections in `DynamoDB`.
//!
//! A connection that stays in its slot is written with the same index key at every refresh, which costs the index nothing.

use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    connection::{ConnectionKey, Due, DuePartition, Slot},
    id::ConnectionId,
    provider::Provider,
    refresh::{DueIndex, DuePage},
    store::{StoreError, chain},
};
use jiff::Timestamp;

use crate::{
    DynamoConnections, cursor,
    failure::unavailable,
    item::{Item, Reader, instant, names, number, text},
    keys::{self, DUE_AT, DUE_SHARD, PK, SK},
};

/// The two attributes that put a connection into the index, in an index of `shards` shards.
pub(crate) fn entry(
    (provider, connection): (Provider, &ConnectionId),
    due: Due,
    shards: u32,
) -> [(&'static str, AttributeValue); 2] {
    let at = match due {
        Due::At(at) => instant(at),
        Due::Slot(_) => number(0),
    };
    let partition = DuePartition::of(provider, connection, due, shards);
    [(DUE_SHARD, text(partition.to_string())), (DUE_AT, at)]
}

/// When a connection is due, from the same two attributes.
pub(crate) fn read(reader: &Reader<'_>) -> Result<Option<Due>, StoreError> {
    let Some(partition) = reader.text_if(DUE_SHARD)? else { return Ok(None) };
    let mut parts = partition.split('#');
    let due = match [parts.next(), parts.next(), parts.next(), parts.next(), parts.next()] {
        [Some("T"), Some(_), Some(_), None, None] => Some(Due::At(reader.instant(DUE_AT)?)),
        [Some("S"), Some(_), Some(period), Some(minute), None] => period
            .parse()
            .ok()
            .and_then(|period| minute.parse().ok().map(|minute| Due::Slot(Slot { period, minute }))),
        _ => None,
    };
    due.map(Some).ok_or_else(|| reader.value(DUE_SHARD, "no partition of the due index"))
}

/// An entry; one that cannot be read is told and left out, so that it does not block its partition.
fn readable(item: &Item) -> Option<ConnectionKey> {
    let told = |error: &StoreError| tracing::error!(error = chain(error), "Due connection is left out");
    keys::connection_key(&Reader::new("due index", item)).inspect_err(told).ok()
}

/// The cursor behind the last entry of a page: its whole key, as it stands, since it may be one that cannot be read.
fn next(last: &Item) -> Result<String, StoreError> {
    let reader = Reader::new("last key", last);
    Ok(cursor::encode_parts([reader.text(PK)?, reader.text(SK)?, &reader.number::<i64>(DUE_AT)?.to_string()]))
}

/// Where the page after a cursor begins.
fn start(partition: &str, cursor: &str) -> Result<Item, StoreError> {
    let [pk, sk, at] = cursor::decode_parts(cursor)?;
    let at = at.parse::<i64>().map_err(|_| cursor::foreign())?;
    let key = [(PK, text(pk)), (SK, text(sk)), (DUE_SHARD, text(partition)), (DUE_AT, number(at))];
    Ok(key.map(|(name, value)| (name.to_owned(), value)).into())
}

#[async_trait]
impl DueIndex for DynamoConnections {
    /// Without a limit of our own: a page is what fits in one answer of `DynamoDB`, several thousand entries.
    async fn list_due(
        &self,
        partition: DuePartition,
        (after, through): (Timestamp, Timestamp),
        from: Option<&str>,
    ) -> Result<DuePage, StoreError> {
        let is_timed = matches!(partition, DuePartition::Timed { .. });
        // Whole milliseconds are stored, so after one is from the next on.
        let (first, last) = (after.as_millisecond() + 1, through.as_millisecond());
        if is_timed && first > last {
            return Ok(DuePage::default());
        }
        let partition = partition.to_string();
        let condition = if is_timed {
            format!("#{DUE_SHARD} = :partition AND #{DUE_AT} BETWEEN :first AND :last")
        } else {
            format!("#{DUE_SHARD} = :partition")
        };
        let start = from.map(|cursor| start(&partition, cursor)).transpose()?;
        let mut query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(keys::DUE_INDEX)
            .set_expression_attribute_names(Some(names([&condition])))
            .key_condition_expression(condition)
            .expression_attribute_values(":partition", text(partition))
            .set_exclusive_start_key(start);
        if is_timed {
            query = query.expression_attribute_values(":first", number(first));
            query = query.expression_attribute_values(":last", number(last));
        }
        let output = query.send().await.map_err(unavailable("list_due"))?;
        let keys = output.items().iter().filter_map(readable).collect();
        Ok(DuePage { keys, next: output.last_evaluated_key().map(next).transpose()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::Put as _;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn an_entry_that_cannot_be_read_does_not_hide_the_others() {
        let entry = |tenant: &str| {
            let key = [(PK, format!("TENANT#{tenant}")), (SK, "CONNECTION#conn_1".to_owned())];
            Item::from(key.map(|(name, value)| (name.to_owned(), text(value))))
        };

        let found: Vec<_> = [entry("no id"), entry("acme")].iter().filter_map(readable).collect();

        assert_eq!(found.iter().map(|key| key.tenant.as_str()).collect::<Vec<_>>(), ["acme"]);
    }

    #[test]
    fn a_due_time_and_a_slot_read_as_they_were_written() {
        let connection = "conn_1".parse().unwrap();
        for due in [Due::At(at(0)), Due::At(at(-1)), Due::Slot(Slot { period: 40, minute: 39 })] {
            let item = Item::from(
                entry((Provider::Xero, &connection), due, 4).map(|(name, value)| (name.to_owned(), value)),
            );

            assert_eq!(read(&Reader::new("x", &item)).unwrap(), Some(due));
        }
        assert_eq!(read(&Reader::new("x", &Item::new())).unwrap(), None);
    }

    #[test]
    fn a_place_that_is_none_is_refused() {
        for partition in
            ["", "T", "T#xero", "T#xero#1#2", "S#xero#40", "S#xero#forty#1", "S#xero#40#1#2", "D#1"]
        {
            let item = Item::new().put(DUE_SHARD, text(partition)).put(DUE_AT, number(0));

            assert!(read(&Reader::new("x", &item)).is_err(), "{partition}");
        }
        let item = Item::new().put(DUE_SHARD, text("T#xero#1"));
        assert!(read(&Reader::new("x", &item)).is_err(), "without its time");
    }

    #[test]
    fn the_entry_of_a_slot_says_nothing_that_changes() {
        let connection = "conn_1".parse().unwrap();
        let slot = Due::Slot(Slot { period: 40, minute: 7 });

        let entry = entry((Provider::Xero, &connection), slot, 4);

        assert_eq!(entry, [(DUE_SHARD, text("S#xero#40#7")), (DUE_AT, number(0))]);
    }

    #[test]
    fn a_cursor_begins_where_its_page_ended_whatever_stood_there() {
        let last = Item::new().put(PK, text("TENANT#no id")).put(SK, text("\"")).put(DUE_AT, number(7));
        let cursor = next(&last).unwrap();

        assert_eq!(start("T#xero#1", &cursor).unwrap(), last.put(DUE_SHARD, text("T#xero#1")));
        for cursor in ["", "%", "YQ", &cursor::encode("acme")] {
            assert!(matches!(start("T#xero#1", cursor), Err(StoreError::InvalidCursor(_))), "{cursor}");
        }
    }
}
