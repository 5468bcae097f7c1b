//! The audit log in `DynamoDB`, beside the history of refresh attempts.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use domain::{
    audit::{AuditEntry, AuditLog},
    refresh::policy::later,
    store::StoreError,
};

use crate::{
    failure::unavailable,
    item::{Item, Put as _, instant, number, text},
    keys::{Key, TTL},
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

impl DynamoAudit {
    /// Uses `table`, where entries are kept for as long as attempts.
    #[must_use]
    pub fn new(client: Client, table: String, retention: Duration) -> Self {
        Self { client, table, retention }
    }
}

#[async_trait]
impl AuditLog for DynamoAudit {
    /// An entry's id is its own and its content never changes, so that writing it again needs no condition.
    async fn record(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        let request =
            self.client.put_item().table_name(&self.table).set_item(Some(write(entry, self.retention)));
        request.send().await.map_err(unavailable("record"))?;
        Ok(())
    }
}

fn write(entry: &AuditEntry, retention: Duration) -> Item {
    Key::audit(entry.tenant.as_ref(), &entry.id)
        .into_item()
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
