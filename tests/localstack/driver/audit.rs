//! The audit log as an operator reads it, item by item.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{audit::AuditEntry, id::TenantId};

use crate::stack::Stack;

/// One act: what its item says by the names of the table, without keys and time to live.
pub(crate) type Audited = BTreeMap<String, String>;

/// Every act on a tenant's books, oldest first.
pub(crate) async fn audited(tenant: &TenantId) -> Vec<Audited> {
    let stack = Stack::running();
    let output = aws::clients::dynamodb(&stack.sdk().await)
        .query()
        .table_name(stack.value("HISTORY_TABLE"))
        .key_condition_expression("pk = :pk")
        .expression_attribute_values(":pk", AttributeValue::S(format!("AUDIT#{tenant}")))
        .send()
        .await
        .unwrap();
    let text = |value: AttributeValue| match value {
        AttributeValue::S(text) | AttributeValue::N(text) => text,
        other => panic!("an attribute of an unknown type: {other:?}"),
    };
    let told = |item: std::collections::HashMap<String, AttributeValue>| {
        let attributes = item.into_iter().filter(|(name, _)| !["pk", "sk", "ttl"].contains(&name.as_str()));
        attributes.map(|(name, value)| (name, text(value))).collect()
    };
    output.items.unwrap_or_default().into_iter().map(told).collect()
}

/// What is read of `entry`.
pub(crate) fn as_audited(entry: &AuditEntry) -> Audited {
    let AuditEntry { id, at, tenant, action, actor, provider, connection, company, .. } = entry;
    let AuditEntry { subject, reason, correlation, .. } = entry;
    let always = [
        ("id", id.to_string()),
        ("at", at.as_millisecond().to_string()),
        ("action", action.as_str().to_owned()),
    ];
    let maybe = [
        ("tenant", tenant.as_ref().map(ToString::to_string)),
        ("actor", actor.as_ref().map(ToString::to_string)),
        ("provider_name", provider.as_ref().map(ToString::to_string)),
        ("connection", connection.as_ref().map(ToString::to_string)),
        ("company", company.as_ref().map(ToString::to_string)),
        ("subject", subject.clone()),
        ("reason", reason.clone()),
        ("correlation", correlation.as_ref().map(ToString::to_string)),
    ];
    let maybe = maybe.into_iter().filter_map(|(name, value)| Some((name, value?)));
    always.into_iter().chain(maybe).map(|(name, value)| (name.to_owned(), value)).collect()
}
