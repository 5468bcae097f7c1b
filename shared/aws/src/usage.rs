//! What each tenant used of the providers, in `DynamoDB`.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use domain::{
    id::TenantId,
    limits::{USAGE_KEPT_DAYS, Usage, UsageStore},
    provider::Provider,
    store::{BoxError, StoreError},
};
use jiff::{ToSpan as _, civil::Date, tz::TimeZone};

use crate::{
    erase,
    failure::unavailable,
    item::{Reader, names, number, text},
    keys::{Key, PK, SK, TTL, usage_partition},
    update::Update,
};

const CALLS: &str = "calls";
const BYTES: &str = "bytes";
/// Sorts behind the name of every provider.
const LAST: char = '~';

/// The table that holds usage.
#[derive(Clone, Debug)]
pub struct DynamoUsage {
    client: Client,
    table: String,
}

impl DynamoUsage {
    /// Uses `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }
}

#[async_trait]
impl UsageStore for DynamoUsage {
    async fn add(
        &self,
        tenant: &TenantId,
        (provider, day): (Provider, Date),
        usage: &Usage,
    ) -> Result<(), StoreError> {
        let update = Update {
            sets: vec![(TTL, number(forgotten_at(day)))],
            adds: vec![(CALLS, number(usage.calls)), (BYTES, number(usage.bytes))],
            ..Update::default()
        };
        let (update, values) = update.into_expression();
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::usage(tenant, day, provider).into_item()))
            .set_expression_attribute_names(Some(names([&update])))
            .set_expression_attribute_values(Some(values))
            .update_expression(update);
        // After a lost answer it counts twice, which is rare, and a meter is no invoice.
        request.send().await.map_err(unavailable("add"))?;
        Ok(())
    }

    async fn list(
        &self,
        tenant: &TenantId,
        (first, last): (Date, Date),
    ) -> Result<Vec<(Date, Provider, Usage)>, StoreError> {
        let condition = format!("#{PK} = :tenant AND #{SK} BETWEEN :first AND :last");
        let pages = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .set_expression_attribute_names(Some(names([&condition])))
            .key_condition_expression(condition)
            .expression_attribute_values(":tenant", text(usage_partition(tenant)))
            .expression_attribute_values(":first", text(first.to_string()))
            .expression_attribute_values(":last", text(format!("{last}#{LAST}")))
            .into_paginator()
            .items()
            .send();
        let mut pages = pages;
        let mut used = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(unavailable("list"))?;
            let reader = Reader::new("usage", &item);
            let (day, provider) = place(&reader)?;
            used.push((day, provider, Usage { calls: reader.number(CALLS)?, bytes: reader.number(BYTES)? }));
        }
        Ok(used)
    }

    async fn erase(&self, tenant: &TenantId) -> Result<(), StoreError> {
        let table = (&self.client, self.table.as_str());
        let query = erase::partition(table, usage_partition(tenant));
        while !erase::page(table, query.clone(), "erase").await? {}
        Ok(())
    }
}

/// The day and the provider in a sort key.
fn place(reader: &Reader<'_>) -> Result<(Date, Provider), StoreError> {
    let refused = |error: BoxError| reader.value(SK, error);
    let (day, provider) = reader.text(SK)?.split_once('#').ok_or_else(|| refused("no day".into()))?;
    let day = day.parse().map_err(|error: jiff::Error| refused(error.into()))?;
    let provider =
        provider.parse().map_err(|error: domain::provider::UnknownProvider| refused(error.into()))?;
    Ok((day, provider))
}

/// When the usage of a day is forgotten, in seconds since 1970.
fn forgotten_at(day: Date) -> i64 {
    let last = day.saturating_add(i64::from(USAGE_KEPT_DAYS).days());
    last.to_zoned(TimeZone::UTC).map_or(i64::MAX, |at| at.timestamp().as_second())
}
