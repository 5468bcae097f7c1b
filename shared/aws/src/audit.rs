//! The audit log in `DynamoDB`, beside the history of refresh attempts.
//!
//! An act about a tenant is kept twice, in the tenant's log and in that of all, which has a partition for each month; both
//! are written side by side. Recording needs no order and no condition: an entry's id is its own, says when it was made,
//! and its content never changes.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use domain::{
    audit::{AuditEntry, AuditLog, AuditPage, RECORD_WITHIN},
    id::{AuditId, TenantId},
    refresh::policy::{earlier, later},
    store::StoreError,
};
use futures::future::try_join_all;
use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};

use crate::{
    cursor,
    failure::unavailable,
    item::{Item, Put as _, Reader, instant, names, number, text},
    keys::{self, Key, PK, SK, TTL},
};

const ID: &str = "id";
const AT: &str = "at";
const TENANT: &str = "tenant";
const ACTION: &str = "action";
const ACTOR: &str = "actor";
/// Not `provider`: that is the key of the attempts' index, where an entry would pass for an attempt.
const PROVIDER: &str = "provider_name";
const CONNECTION: &str = "connection";
const COMPANY: &str = "company";
const SUBJECT: &str = "subject";
const REASON: &str = "reason";
const CORRELATION: &str = "correlation";

/// The table that holds the audit log.
#[derive(Clone, Debug)]
pub struct DynamoAudit {
    client: Client,
    table: String,
    retention: Duration,
}

/// A stretch of a partition.
struct Stretch<'a> {
    partition: String,
    after: Option<&'a AuditId>,
    before: &'a AuditId,
}

impl DynamoAudit {
    /// Uses `table`, where entries are kept for as long as attempts.
    #[must_use]
    pub fn new(client: Client, table: String, retention: Duration) -> Self {
        Self { client, table, retention }
    }

    /// The first entries of a stretch, and whether those are all.
    async fn read(&self, stretch: Stretch<'_>, limit: usize) -> Result<(Vec<AuditEntry>, bool), StoreError> {
        let Stretch { partition, after, before } = stretch;
        if after.is_some_and(|after| after.as_str() >= before.as_str()) {
            return Ok((vec![], true));
        }
        let start = after.map(|after| {
            let item = Item::new().put(PK, text(partition.clone()));
            item.put(SK, text(keys::audit_sort_key(after)))
        });
        let condition = format!("#{PK} = :pk AND #{SK} < :before");
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .set_expression_attribute_names(Some(names([&condition])))
            .key_condition_expression(condition)
            .expression_attribute_values(":pk", text(partition))
            .expression_attribute_values(":before", text(keys::audit_sort_key(before)))
            // Not earlier than what a page before showed, which an older copy of the table could still lack.
            .consistent_read(true)
            .set_exclusive_start_key(start)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let output = query.send().await.map_err(unavailable("list"))?;
        let entries = output.items().iter().map(read).collect::<Result<_, _>>()?;
        Ok((entries, output.last_evaluated_key.is_none()))
    }

    async fn list_of_tenant(
        &self,
        tenant: &TenantId,
        before: &AuditId,
        limit: usize,
        from: Option<&str>,
    ) -> Result<AuditPage, StoreError> {
        let after = from.map(cursor::decode::<AuditId>).transpose()?;
        let stretch = Stretch { partition: keys::audit_partition(tenant), after: after.as_ref(), before };
        let (entries, _) = self.read(stretch, limit).await?;
        let end = entries.last().map(|entry| entry.id.clone()).or(after);
        Ok(AuditPage { next: end.map(|end| cursor::encode(end.as_str())), entries })
    }

    /// Month by month, from the oldest that may have entries.
    async fn list_of_all(
        &self,
        until: Timestamp,
        limit: usize,
        from: Option<&str>,
    ) -> Result<AuditPage, StoreError> {
        let (before, last) = (AuditId::first_at(until), month(until));
        let (mut at, mut after) = match from {
            Some(from) => cursor::decode_month(from)?,
            None => (month(earlier(until, self.retention)), None),
        };
        let mut entries: Vec<AuditEntry> = vec![];
        loop {
            let partition = keys::audit_month_partition(&month_text(at));
            let stretch = Stretch { partition, after: after.as_ref(), before: &before };
            let (found, is_end) = self.read(stretch, limit - entries.len()).await?;
            after = found.last().map(|entry| entry.id.clone()).or(after);
            entries.extend(found);
            // The month is left when nothing can be added to it any more, since the next has begun and has settled.
            if !is_end || at >= last || entries.len() >= limit {
                break;
            }
            (at, after) = (at.saturating_add(1.month()), None);
        }
        let is_begun = from.is_some() || !entries.is_empty();
        let next = is_begun.then(|| cursor::encode_month(&month_text(at), after.as_ref()));
        Ok(AuditPage { entries, next })
    }
}

/// The first day of the month, by which months are told apart.
fn month(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date().first_of_month()
}

/// As in `2026-11`.
fn month_text(month: Date) -> String {
    month.strftime("%Y-%m").to_string()
}

#[async_trait]
impl AuditLog for DynamoAudit {
    async fn record(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        let month = month_text(month(entry.id.made_at().unwrap_or(entry.at)));
        let of_tenant = entry.tenant.as_ref().map(|tenant| Key::audit(tenant, &entry.id));
        let keys = [Some(Key::audit_of_all(&month, &entry.id)), of_tenant].into_iter().flatten();
        // Two puts and not one batch: the right to a batch is also one to delete.
        let puts = keys.map(async |key| {
            let item = write(key, entry, self.retention);
            let request = self.client.put_item().table_name(&self.table).set_item(Some(item));
            request.send().await.map_err(unavailable("record"))
        });
        // Who lists the log counts on that nothing is recorded any later.
        let recorded = tokio::time::timeout(RECORD_WITHIN, try_join_all(puts)).await;
        recorded.map_err(unavailable("record"))??;
        Ok(())
    }

    async fn list(
        &self,
        tenant: Option<&TenantId>,
        before: Timestamp,
        limit: u32,
        from: Option<&str>,
    ) -> Result<AuditPage, StoreError> {
        let limit = usize::try_from(limit.max(1)).unwrap_or(usize::MAX);
        match tenant {
            Some(tenant) => self.list_of_tenant(tenant, &AuditId::first_at(before), limit, from).await,
            None => self.list_of_all(before, limit, from).await,
        }
    }
}

fn write(key: Key, entry: &AuditEntry, retention: Duration) -> Item {
    key.into_item()
        .put(ID, text(entry.id.as_str()))
        .put(AT, instant(entry.at))
        .put_if(TENANT, entry.tenant.as_ref().map(|tenant| text(tenant.as_str())))
        .put(ACTION, text(entry.action.as_str()))
        .put_if(ACTOR, entry.actor.as_ref().map(|actor| text(actor.as_str())))
        .put_if(PROVIDER, entry.provider.map(|provider| text(provider.as_str())))
        .put_if(CONNECTION, entry.connection.as_ref().map(|connection| text(connection.as_str())))
        .put_if(COMPANY, entry.company.as_ref().map(|company| text(company.as_str())))
        .put_if(SUBJECT, entry.subject.as_ref().map(text))
        .put_if(REASON, entry.reason.as_ref().map(text))
        .put_if(CORRELATION, entry.correlation.as_ref().map(|correlation| text(correlation.as_str())))
        .put(TTL, number(later(entry.at, retention).as_second()))
}

fn read(item: &Item) -> Result<AuditEntry, StoreError> {
    let reader = Reader::new("audit entry", item);
    Ok(AuditEntry {
        id: reader.parsed(ID)?,
        at: reader.instant(AT)?,
        tenant: reader.parsed_if(TENANT)?,
        action: reader.parsed(ACTION)?,
        actor: reader.parsed_if(ACTOR)?,
        provider: reader.parsed_if(PROVIDER)?,
        connection: reader.parsed_if(CONNECTION)?,
        company: reader.parsed_if(COMPANY)?,
        subject: reader.owned_if(SUBJECT)?,
        reason: reader.owned_if(REASON)?,
        correlation: reader.parsed_if(CORRELATION)?,
    })
}
