//! The log of deliveries in `DynamoDB`.
//!
//! A delivery is one item. What its parts came to has an attribute for each of them, so that parts that are noted at the
//! same time replace only themselves, with one unconditional write each. The index `listing` holds all but the bodies,
//! by provider and time, as ids of deliveries are in the order of time. That is one partition for each provider, which
//! takes 1,000 parts a second: more than any of them sends.
//!
//! | attribute | type | holds |
//! |---|---|---|
//! | `listing` | S | the provider: the partition of the index |
//! | `at`, `x`, `of` | N, S, N | when it came, its correlation id, in how many parts it travels |
//! | `p1`-`p10` | B | what a part came to (packed) |
//! | `u1`-`u10` | S | what a part kept of a body that could not be read, in base64 |

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use domain::{
    id::DeliveryId,
    provider::Provider,
    refresh::policy::later,
    store::StoreError,
    webhook::{
        DELIVERY_LIFE, Delivery, DeliveryLog, DeliveryPage, DeliveryPart, DeliveryQuery, Refused,
        RefusedOnDay, Tally, Unreadable,
    },
};
use jiff::{Timestamp, tz::TimeZone};

use crate::{
    cursor,
    failure::unavailable,
    item::{Item, Reader, instant, names, number, text},
    keys::{DELIVERY_PREFIX, Key, LISTING, LISTING_INDEX, PK, REASON, SK, TTL, refused_partition},
    packed::{NotWhole, Packer, Unpacker},
    update::Update,
};

const WHAT: &str = "delivery";

const RECEIVED_AT: &str = "at";
const CORRELATION: &str = "x";
const PARTS: &str = "of";
/// What each part came to; a delivery travels in at most ten, which one call can send.
const PART: [&str; 10] = ["p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10"];
/// What each part kept of a body.
const BODY: [&str; 10] = ["u1", "u2", "u3", "u4", "u5", "u6", "u7", "u8", "u9", "u10"];
const COUNT: &str = "n";

/// Deliveries that one call looks at while it searches for a status; their entries take about half a megabyte.
const MAX_LOOKED_AT: usize = 1000;
/// Deliveries that a search asks for at once.
const SEARCHED_AT_ONCE: usize = 250;

/// The table that holds the log of deliveries.
#[derive(Clone, Debug)]
pub struct DynamoDeliveries {
    client: Client,
    table: String,
}

/// Deliveries without a gap between them, newest first.
struct Stretch {
    deliveries: Vec<Delivery>,
    /// Whether there are older ones.
    goes_on: bool,
}

impl DynamoDeliveries {
    /// Uses `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// The next deliveries of these providers that are older than `before`, at least `wanted` of them if there are.
    async fn stretch(
        &self,
        providers: &[Provider],
        before: Option<&DeliveryId>,
        wanted: usize,
    ) -> Result<Stretch, StoreError> {
        let pages = providers.iter().map(|provider| self.page(*provider, before, wanted));
        let pages = futures::future::try_join_all(pages).await?;
        // Behind the end of a page there may be more of its provider.
        let ends = pages.iter().filter(|page| page.goes_on).filter_map(|page| page.deliveries.last());
        let end = ends.map(|last| last.id.clone()).max();
        let deliveries = pages.into_iter().flat_map(|page| page.deliveries);
        let is_whole = |delivery: &Delivery| end.as_ref().is_none_or(|end| delivery.id >= *end);
        let mut deliveries: Vec<_> = deliveries.filter(is_whole).collect();
        deliveries.sort_by(|one, other| other.id.cmp(&one.id));
        Ok(Stretch { deliveries, goes_on: end.is_some() })
    }

    /// As [`Self::stretch`], of one provider.
    async fn page(
        &self,
        provider: Provider,
        before: Option<&DeliveryId>,
        wanted: usize,
    ) -> Result<Stretch, StoreError> {
        let older = if before.is_some() { format!(" AND #{PK} < :before") } else { String::new() };
        let condition = format!("#{LISTING} = :provider{older}");
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(LISTING_INDEX)
            .set_expression_attribute_names(Some(names([&condition])))
            .key_condition_expression(condition)
            .expression_attribute_values(":provider", text(provider.as_str()))
            .scan_index_forward(false)
            .limit(i32::try_from(wanted).unwrap_or(i32::MAX));
        let query = match before {
            Some(id) => query.expression_attribute_values(":before", text(format!("{DELIVERY_PREFIX}{id}"))),
            None => query,
        };
        let output = query.send().await.map_err(unavailable("list"))?;
        let deliveries = output.items().iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let goes_on = output.last_evaluated_key.is_some() && !deliveries.is_empty();
        Ok(Stretch { deliveries: deliveries.into_iter().flatten().collect(), goes_on })
    }
}

#[async_trait]
impl DeliveryLog for DynamoDeliveries {
    async fn note(&self, part: &DeliveryPart) -> Result<(), StoreError> {
        let (update, values) = write(part)?.into_expression();
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::delivery(&part.delivery).into_item()))
            .set_expression_attribute_names(Some(names([&update])))
            .set_expression_attribute_values(Some(values))
            .update_expression(update);
        request.send().await.map_err(unavailable("note"))?;
        Ok(())
    }

    async fn find(&self, id: &DeliveryId) -> Result<Option<Delivery>, StoreError> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let request = request.set_key(Some(Key::delivery(id).into_item()));
        let output = request.send().await.map_err(unavailable("find"))?;
        Ok(output.item().map(read).transpose()?.flatten())
    }

    async fn list(
        &self,
        query: DeliveryQuery,
        limit: u32,
        from: Option<&str>,
    ) -> Result<DeliveryPage, StoreError> {
        let providers = query.provider.map_or(Provider::ALL.to_vec(), |provider| vec![provider]);
        let limit = usize::try_from(limit.max(1)).unwrap_or(MAX_LOOKED_AT).min(MAX_LOOKED_AT);
        // One more than is handed out tells whether there are more.
        let wanted = if query.status.is_some() { SEARCHED_AT_ONCE.max(limit + 1) } else { limit + 1 };
        let mut from: Option<DeliveryId> = from.map(cursor::decode).transpose()?;
        let mut found: Vec<Delivery> = Vec::new();
        let mut looked_at = 0;
        loop {
            let stretch = self.stretch(&providers, from.as_ref(), wanted).await?;
            looked_at += stretch.deliveries.len();
            from = stretch.deliveries.last().map(|last| last.id.clone());
            let is_wanted =
                |delivery: &Delivery| query.status.is_none_or(|status| delivery.status() == status);
            found.extend(stretch.deliveries.into_iter().filter(is_wanted));
            if found.len() > limit {
                found.truncate(limit);
                from = found.last().map(|last| last.id.clone());
                break;
            }
            if !stretch.goes_on {
                from = None;
                break;
            }
            if looked_at >= MAX_LOOKED_AT {
                break;
            }
        }
        let next = from.map(|id| cursor::encode(id.as_str()));
        Ok(DeliveryPage { deliveries: found, next })
    }

    async fn count_refused(&self, refused: &[Refused], at: Timestamp) -> Result<(), StoreError> {
        let day = at.to_zoned(TimeZone::UTC).date().to_string();
        for Refused { provider, reason, count } in refused {
            let mut update = Update::default();
            update.sets.push((TTL, number(later(at, DELIVERY_LIFE).as_second())));
            update.sets.push((REASON, text(reason.as_str())));
            update.adds.push((COUNT, number(*count)));
            let (update, values) = update.into_expression();
            let request = self
                .client
                .update_item()
                .table_name(&self.table)
                .set_key(Some(Key::refused(*provider, &day, reason.as_str()).into_item()))
                .set_expression_attribute_names(Some(names([&update])))
                .set_expression_attribute_values(Some(values))
                .update_expression(update);
            // After a lost answer it counts twice, which such a number bears: it says whether somebody is at the door.
            request.send().await.map_err(unavailable("count_refused"))?;
        }
        Ok(())
    }

    async fn list_refused(&self, provider: Provider) -> Result<Vec<RefusedOnDay>, StoreError> {
        // All of it is one page: a few reasons, on as many days as a delivery is kept.
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression(format!("#{PK} = :of"))
            .expression_attribute_names(format!("#{PK}"), PK)
            .expression_attribute_values(":of", text(refused_partition(provider)));
        let output = query.send().await.map_err(unavailable("list_refused"))?;
        let found = output.items().iter().map(|item| read_refused(provider, item));
        let mut found = found.collect::<Result<Vec<_>, _>>()?;
        found.sort_by_key(|on_day| (std::cmp::Reverse(on_day.day), on_day.refused.reason));
        Ok(found)
    }
}

fn write(part: &DeliveryPart) -> Result<Update, StoreError> {
    let index = usize::try_from(part.part.0).ok().and_then(|number| number.checked_sub(1));
    let names = index.and_then(|index| PART.get(index).zip(BODY.get(index)));
    let Some((name, body)) = names else {
        let source = format!("part {} is none of {}", part.part.0, PART.len()).into();
        return Err(StoreError::Corrupt { what: "part of a delivery", source });
    };
    let mut update = Update {
        sets: vec![
            (LISTING, text(part.provider.as_str())),
            (RECEIVED_AT, instant(part.received_at)),
            (CORRELATION, text(part.correlation.as_str())),
            (PARTS, number(part.part.1)),
            (TTL, number(later(part.received_at, DELIVERY_LIFE).as_second())),
            (*name, pack(part).into_value()),
        ],
        ..Update::default()
    };
    update.set_or_remove(body, part.unreadable.as_ref().map(|unreadable| text(&unreadable.body)));
    Ok(update)
}

fn pack(part: &DeliveryPart) -> Packer {
    let Tally { applied, duplicate, stale, unknown_company, disconnected, unknown_type, failed, waiting } =
        part.tally;
    let counts = [applied, duplicate, stale, unknown_company, disconnected, unknown_type, failed, waiting];
    let packer = counts.into_iter().fold(Packer::default(), Packer::number);
    let packer = packer.time(part.received_at, part.noted_at).text_if(part.reason.as_deref());
    match &part.unreadable {
        Some(Unreadable { size, reason, body: _ }) => packer.number(*size).text_if(Some(reason)),
        None => packer,
    }
}

/// A delivery; none where no part of it is noted. An entry of the index has empty bodies.
fn read(item: &Item) -> Result<Option<Delivery>, StoreError> {
    let reader = Reader::new(WHAT, item);
    let mut parts = Vec::new();
    for ((name, body), number) in PART.iter().zip(BODY).zip(1..) {
        let Some(packed) = reader.bytes_if(name)? else { continue };
        let whole = DeliveryPart {
            delivery: reader.parsed_after(PK, DELIVERY_PREFIX)?,
            part: (number, reader.number(PARTS)?),
            provider: reader.parsed(LISTING)?,
            received_at: reader.instant(RECEIVED_AT)?,
            correlation: reader.parsed(CORRELATION)?,
            tally: Tally::default(),
            reason: None,
            unreadable: None,
            noted_at: Timestamp::UNIX_EPOCH,
        };
        let body = reader.text_if(body)?.unwrap_or_default();
        parts.push(unpack(whole, packed, body).map_err(|error| reader.value(name, error))?);
    }
    Ok(Delivery::of(parts))
}

/// Adds to a part what is packed of it.
fn unpack(part: DeliveryPart, packed: &[u8], body: &str) -> Result<DeliveryPart, NotWhole> {
    let mut unpacker = Unpacker::new(packed);
    let tally = Tally {
        applied: unpacker.number()?,
        duplicate: unpacker.number()?,
        stale: unpacker.number()?,
        unknown_company: unpacker.number()?,
        disconnected: unpacker.number()?,
        unknown_type: unpacker.number()?,
        failed: unpacker.number()?,
        waiting: unpacker.number()?,
    };
    let noted_at = unpacker.time(part.received_at)?;
    let reason = unpacker.text_if()?;
    let unreadable = if unpacker.is_empty() {
        None
    } else {
        let size = unpacker.number()?;
        let reason = unpacker.text_if()?.ok_or(NotWhole)?;
        Some(Unreadable { body: body.to_owned(), size, reason })
    };
    Ok(DeliveryPart { tally, reason, unreadable, noted_at, ..part })
}

fn read_refused(provider: Provider, item: &Item) -> Result<RefusedOnDay, StoreError> {
    let reader = Reader::new("refused deliveries", item);
    let (day, _) = reader.text(SK)?.split_once('#').ok_or_else(|| reader.value(SK, "another kind of key"))?;
    let day = day.parse().map_err(|error: jiff::Error| reader.value(SK, error))?;
    let refused = Refused { provider, reason: reader.word(REASON)?, count: reader.number(COUNT)? };
    Ok(RefusedOnDay { day, refused })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::{bytes, weight};

    /// What one write unit pays for, of the table and again of the index.
    const WRITE_UNIT: usize = 1024;

    /// A part of a delivery of ten, with the longest ids, a thousand events and a long reason.
    fn longest(part: u32) -> DeliveryPart {
        DeliveryPart {
            delivery: "d".repeat(64).parse().unwrap(),
            part: (part, 10),
            provider: Provider::QuickBooks,
            received_at: Timestamp::from_second(4_102_444_800).unwrap(),
            correlation: "c".repeat(128).parse().unwrap(),
            tally: Tally { applied: 100, unknown_type: 900, ..Tally::default() },
            reason: Some("r".repeat(40)),
            unreadable: None,
            noted_at: Timestamp::from_second(4_102_544_800).unwrap(),
        }
    }

    /// The item after all of its parts were noted.
    fn item() -> Item {
        let noted = (1..=10).flat_map(|part| write(&longest(part)).unwrap().sets);
        let key = Key::delivery(&longest(1).delivery).into_item();
        key.into_iter().chain(noted.map(|(name, value)| (name.to_owned(), value))).collect()
    }

    #[test]
    fn the_longest_delivery_is_one_write_unit_in_the_table_and_one_in_the_index() {
        assert!(weight(&item()) <= WRITE_UNIT, "{} bytes", weight(&item()));
        assert_eq!(read(&item()).unwrap(), Delivery::of((1..=10).map(longest).collect()));
    }

    #[test]
    fn a_part_that_is_none_of_ten_and_a_packed_value_that_is_cut_off_are_refused() {
        for part in [0, 11] {
            assert!(matches!(write(&longest(part)), Err(StoreError::Corrupt { .. })), "{part}");
        }
        let mut spoiled = item();
        spoiled.insert("p3".to_owned(), bytes(&[1, 2, 3]));
        assert!(matches!(read(&spoiled), Err(StoreError::Corrupt { what: WHAT, .. })));
        assert_eq!(read(&Item::new()).unwrap(), None);
    }
}
