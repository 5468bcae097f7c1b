//! Changes of a connection that need no lease.
//!
//! A change of state may come between a settlement and its second try after a lost answer, so it keeps the settlement's mark
//! beside its own: the settlement then still knows itself again.

use aws_sdk_dynamodb::{
    operation::update_item::builders::UpdateItemFluentBuilder, types::ReturnValuesOnConditionCheckFailure,
};
use domain::{
    connection::{ConfirmOutcome, Connection, ConnectionKey, ConnectionState, Due, MarkOutcome},
    refresh::Warmth,
    store::StoreError,
};
use jiff::Timestamp;

use crate::{
    DynamoConnections, connection_item, due_index,
    failure::{Conditional, conditional},
    item::{instant, names, text},
    keys::{DUE_AT, DUE_SHARD, FORMER_WRITE, Key, PK, REASON, STATE, USED_AT, WARMTH, WRITE_ID},
};

impl DynamoConnections {
    /// A change of state to `:to`, with whatever `also` changes, where `condition` holds.
    fn transition(
        &self,
        key: &ConnectionKey,
        (to, also): (ConnectionState, &str),
        condition: &str,
        write_id: &str,
    ) -> UpdateItemFluentBuilder {
        let update = format!(
            "SET #{STATE} = :to, #{FORMER_WRITE} = if_not_exists(#{FORMER_WRITE}, #{WRITE_ID}), \
             #{WRITE_ID} = :write_id{also}"
        );
        let condition = format!("attribute_exists(#{PK}) AND {condition}");
        self.client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::connection(key).into_item()))
            .set_expression_attribute_names(Some(names([&update, &condition])))
            .update_expression(update)
            .condition_expression(condition)
            .expression_attribute_values(":to", text(to.as_str()))
            .expression_attribute_values(":write_id", connection_item::write_mark(write_id))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    /// Makes a pending connection active. After a lost answer the second try finds it active, which is the same outcome.
    pub(crate) async fn activate(
        &self,
        key: &ConnectionKey,
        write_id: &str,
    ) -> Result<ConfirmOutcome, StoreError> {
        let to = (ConnectionState::Active, "");
        let request = self
            .transition(key, to, &format!("#{STATE} = :pending"), write_id)
            .expression_attribute_values(":pending", text(ConnectionState::Pending.as_str()));
        Ok(match conditional("confirm", request.send().await)? {
            Conditional::Written(_) => ConfirmOutcome::Active,
            Conditional::Refused(item) if item.is_empty() => ConfirmOutcome::Missing,
            Conditional::Refused(item) => match connection_item::read(&item)?.state {
                ConnectionState::Active => ConfirmOutcome::Active,
                state => ConfirmOutcome::NotPending(state),
            },
        })
    }

    /// Marks a connection as disconnecting; after a lost answer the second try knows the mark as its own.
    pub(crate) async fn mark(
        &self,
        seen: &Connection,
        now: Timestamp,
        write_id: &str,
    ) -> Result<MarkOutcome, StoreError> {
        let key = &seen.key;
        let also = format!(", #{DUE_SHARD} = :{DUE_SHARD}, #{DUE_AT} = :{DUE_AT} REMOVE #{REASON}");
        let due = due_index::entry((seen.provider, &key.connection), Due::At(now), self.due_shards);
        let to = (ConnectionState::Disconnecting, also.as_str());
        let condition = format!("#{STATE} <> :ended AND #{WRITE_ID} = :seen");
        let request = self
            .transition(key, to, &condition, write_id)
            .expression_attribute_values(":ended", text(ConnectionState::Disconnected.as_str()))
            .expression_attribute_values(":seen", connection_item::write_mark(&seen.write_id));
        let request = due.into_iter().fold(request, |request, (name, value)| {
            request.expression_attribute_values(format!(":{name}"), value)
        });
        Ok(match conditional("mark_disconnecting", request.send().await)? {
            Conditional::Written(_) => MarkOutcome::Disconnecting,
            Conditional::Refused(item) if item.is_empty() => MarkOutcome::Missing,
            Conditional::Refused(item) => {
                let found = connection_item::read(&item)?;
                match found.state {
                    ConnectionState::Disconnected => MarkOutcome::Disconnected,
                    _ if found.write_id == write_id => MarkOutcome::Disconnecting,
                    _ => MarkOutcome::Changed,
                }
            }
        })
    }

    /// Notes the wish of the tenant, which touches nothing else and so leaves no mark; after a lost answer the second try
    /// writes the same.
    pub(crate) async fn note_warmth(
        &self,
        key: &ConnectionKey,
        warmth: Option<Warmth>,
    ) -> Result<(), StoreError> {
        let update = match warmth {
            Some(_) => format!("SET #{WARMTH} = :warmth"),
            None => format!("REMOVE #{WARMTH}"),
        };
        let condition = format!("attribute_exists(#{PK})");
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::connection(key).into_item()))
            .set_expression_attribute_names(Some(names([&update, &condition])))
            .update_expression(update)
            .condition_expression(condition);
        let request = match warmth {
            Some(warmth) => request.expression_attribute_values(":warmth", text(warmth.as_str())),
            None => request,
        };
        conditional("set_warmth", request.send().await)?;
        Ok(())
    }

    /// Notes a use. Touches the one attribute that whoever uses tokens may write, and so leaves no mark; after a lost answer
    /// the second try writes the same.
    pub(crate) async fn note_use(&self, key: &ConnectionKey, at: Timestamp) -> Result<(), StoreError> {
        let update = format!("SET #{USED_AT} = :at");
        let condition = format!("attribute_exists(#{PK})");
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::connection(key).into_item()))
            .set_expression_attribute_names(Some(names([&update, &condition])))
            .update_expression(update)
            .condition_expression(condition)
            .expression_attribute_values(":at", instant(at));
        conditional("mark_used", request.send().await)?;
        Ok(())
    }
}
