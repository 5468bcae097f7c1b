//! Leases and token sets in `DynamoDB`: each method one write.

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use domain::{
    connection::{ConnectionKey, ConnectionState, Lease},
    refresh::{
        DueConnection, LeaseOutcome, LeasePurpose, RefreshLease, RefreshStore, SettleError, Settlement,
    },
    store::{StoreError, chain},
};
use jiff::Timestamp;

use crate::{
    DynamoConnections, connection_item,
    failure::{Conditional, conditional, unavailable},
    item::{Item, Reader, instant, names, number, text},
    keys::{
        self, DUE_AT, DUE_SHARD, FENCE, FINGERPRINT, FORMER_LEASE, FORMER_SPENDS, FORMER_WRITE, Key, LEASE,
        LEASE_ENDS, LEASE_SPENDS, PK, STATE, TOKENS, WRITE_ID,
    },
    settlement::SettleExpression,
};

/// Takes the lease; `lease.spends` is copied from the token set that stands.
///
/// The connection is due again when its lease ends, so that the sweep finds it if its worker is killed; every settlement
/// says otherwise.
///
/// Copies, in the same write, what was there before it: after a lost answer the SDK sends the write again, and only from
/// this copy can it then be told whether the worker before us ever ended its attempt.
fn take() -> String {
    format!(
        "SET #{FORMER_LEASE} = if_not_exists(#{LEASE}, :null), \
         #{FORMER_SPENDS} = if_not_exists(#{LEASE_SPENDS}, :none), \
         #{LEASE} = :lease, \
         #{LEASE_SPENDS} = if_not_exists(#{TOKENS}.#{FINGERPRINT}, :none), \
         #{DUE_AT} = :ends, #{DUE_SHARD} = :shard, \
         #{FENCE} = #{FENCE} + :one"
    )
}

/// Only in a state of the lease's purpose.
fn may_take(purpose: LeasePurpose) -> String {
    let states = state_placeholders(purpose.states());
    format!(
        "attribute_exists(#{PK}) AND #{STATE} IN ({states}) \
         AND (attribute_not_exists(#{LEASE}) OR #{LEASE}.#{LEASE_ENDS} <= :started)"
    )
}

/// Only the lease's holder, only in these states, and only once: an ending that keeps the lease would meet the rest again
/// after a lost answer, and so would one that a change of state came upon.
fn may_settle(states: &[ConnectionState]) -> String {
    let states = state_placeholders(states);
    format!(
        "#{FENCE} = :fence AND #{STATE} IN ({states}) AND attribute_exists(#{LEASE}) \
         AND #{WRITE_ID} <> :{WRITE_ID} \
         AND (attribute_not_exists(#{FORMER_WRITE}) OR #{FORMER_WRITE} <> :{WRITE_ID})"
    )
}

/// The placeholders of states in a condition.
fn state_placeholders(states: &[ConnectionState]) -> String {
    let names: Vec<_> = states.iter().map(|state| format!(":{state}")).collect();
    names.join(", ")
}

/// The values behind [`state_placeholders`].
fn state_values(states: &[ConnectionState]) -> impl Iterator<Item = (String, AttributeValue)> {
    states.iter().map(|state| (format!(":{state}"), text(state.as_str())))
}

/// An entry of the due index; one that cannot be read is told and left out, so that it does not block its shard.
fn due_entry(item: &Item) -> Option<DueConnection> {
    let reader = Reader::new("due index", item);
    let entry = |key| Ok(DueConnection { key, due_at: reader.instant(DUE_AT)? });
    let told = |error: &StoreError| tracing::error!(error = chain(error), "Due connection is left out");
    keys::connection_key(&reader).and_then(entry).inspect_err(told).ok()
}

impl DynamoConnections {
    /// What a refused lease says of the connection as it is.
    fn not_taken(
        key: &ConnectionKey,
        lease: &Lease,
        purpose: LeasePurpose,
        item: &Item,
    ) -> Result<LeaseOutcome, StoreError> {
        if item.is_empty() {
            return Ok(LeaseOutcome::Missing);
        }
        let connection = connection_item::read(item)?;
        let is_open = purpose.states().contains(&connection.state);
        let Some(held) = connection.lease.filter(|_| is_open) else {
            return Ok(LeaseOutcome::NotRefreshable { state: connection.state });
        };
        if held.attempt != lease.attempt {
            return Ok(LeaseOutcome::Held { until: held.expires_at });
        }
        // Our own lease: the write arrived and its answer was lost.
        let lease = RefreshLease { key: key.clone(), fence: connection.fence, purpose };
        Ok(LeaseOutcome::Taken { lease, before: Box::new(connection_item::read_before_lease(item)?) })
    }

    /// Stores a settlement if the connection is in one of `states`; otherwise gives the connection as it is.
    async fn settle_in(
        &self,
        states: &[ConnectionState],
        lease: &RefreshLease,
        settlement: &Settlement,
    ) -> Result<Settled, SettleError> {
        let marked = states.contains(&ConnectionState::Disconnecting);
        let SettleExpression { update, values } = self.settle_expression(lease, settlement, marked);
        let condition = may_settle(states);
        let values = values.into_iter().chain(state_values(states)).collect();
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::connection(&lease.key).into_item()))
            .set_expression_attribute_names(Some(names([&update, &condition])))
            .set_expression_attribute_values(Some(values))
            .update_expression(update)
            .condition_expression(condition)
            .expression_attribute_values(":fence", number(lease.fence))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Conditional::Refused(item) = conditional("settle", request.send().await)? else {
            return Ok(Settled::Stored);
        };
        let reader = Reader::new("connection", &item);
        // Our own mark: the write arrived and its answer was lost.
        for mark in [WRITE_ID, FORMER_WRITE] {
            if reader.text_if(mark)? == Some(&settlement.write_id) {
                return Ok(Settled::Stored);
            }
        }
        Ok(match reader.word_if(STATE)? {
            Some(ConnectionState::Disconnecting) if !marked => Settled::Marked,
            _ => Settled::Lost,
        })
    }
}

/// What became of one write of a settlement.
enum Settled {
    /// It stands.
    Stored,
    /// It does not, and the connection was marked as disconnecting.
    Marked,
    /// It does not.
    Lost,
}

#[async_trait]
impl RefreshStore for DynamoConnections {
    async fn take_lease(
        &self,
        key: &ConnectionKey,
        lease: &Lease,
        purpose: LeasePurpose,
    ) -> Result<LeaseOutcome, StoreError> {
        let (update, condition) = (take(), may_take(purpose));
        let shard = keys::due_shard(connection_item::shard_of(&key.connection, self.due_shards));
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::connection(key).into_item()))
            .set_expression_attribute_names(Some(names([&update, &condition])))
            .set_expression_attribute_values(Some(state_values(purpose.states()).collect()))
            .update_expression(update)
            .condition_expression(condition)
            .expression_attribute_values(":lease", connection_item::write_lease(lease))
            .expression_attribute_values(":null", AttributeValue::Null(true))
            .expression_attribute_values(":none", text(""))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":started", instant(lease.started_at))
            .expression_attribute_values(":ends", instant(lease.expires_at))
            .expression_attribute_values(":shard", text(shard))
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match conditional("take_lease", request.send().await)? {
            Conditional::Written(output) => {
                let before = connection_item::read(&output.attributes.unwrap_or_default())?;
                let lease = RefreshLease { key: key.clone(), fence: before.fence + 1, purpose };
                Ok(LeaseOutcome::Taken { lease, before: Box::new(before) })
            }
            Conditional::Refused(item) => Self::not_taken(key, lease, purpose, &item),
        }
    }

    async fn settle(&self, lease: &RefreshLease, settlement: &Settlement) -> Result<(), SettleError> {
        let may_end = lease.purpose == LeasePurpose::Disconnect;
        if settlement.ending.is_of_disconnecting() && !may_end {
            return Err(SettleError::LeaseLost);
        }
        let mut settled = self.settle_in(lease.purpose.states(), lease, settlement).await?;
        if matches!(settled, Settled::Marked) {
            // The token set is stored all the same: it is what the provider is asked to end.
            settled = self.settle_in(LeasePurpose::Disconnect.states(), lease, settlement).await?;
        }
        if matches!(settled, Settled::Stored) { Ok(()) } else { Err(SettleError::LeaseLost) }
    }

    async fn list_due(
        &self,
        shard: u32,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<DueConnection>, StoreError> {
        let condition = format!("#{DUE_SHARD} = :shard AND #{DUE_AT} <= :now");
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(keys::DUE_INDEX)
            .set_expression_attribute_names(Some(names([&condition])))
            .key_condition_expression(condition)
            .expression_attribute_values(":shard", text(keys::due_shard(shard)))
            .expression_attribute_values(":now", instant(now))
            .limit(i32::try_from(limit.max(1)).unwrap_or(i32::MAX));
        let output = query.send().await.map_err(unavailable("list_due"))?;
        Ok(output.items().iter().filter_map(due_entry).collect())
    }

    async fn claim_due(&self, due: &DueConnection, until: Timestamp) -> Result<bool, StoreError> {
        let update = format!("SET #{DUE_AT} = :until");
        let condition = format!("attribute_exists(#{DUE_SHARD}) AND #{DUE_AT} = :seen");
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::connection(&due.key).into_item()))
            .set_expression_attribute_names(Some(names([&update, &condition])))
            .update_expression(update)
            .condition_expression(condition)
            .expression_attribute_values(":seen", instant(due.due_at))
            .expression_attribute_values(":until", instant(until));
        // After a lost answer this says that somebody else has it; the connection is then due again at `until`.
        let claimed = conditional("claim_due", request.send().await)?;
        Ok(matches!(claimed, Conditional::Written(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::Put as _;

    #[test]
    fn an_entry_that_cannot_be_read_does_not_hide_the_others() {
        let entry = |tenant: &str, due_at| {
            let key = Item::from([
                (PK.to_owned(), text(format!("TENANT#{tenant}"))),
                (keys::SK.to_owned(), text("CONNECTION#conn_1")),
            ]);
            key.put(DUE_AT, due_at)
        };
        let second = instant(Timestamp::UNIX_EPOCH);

        let items = [entry("no id", second.clone()), entry("acme", text("soon")), entry("acme", second)];

        let found: Vec<_> = items.iter().filter_map(due_entry).collect();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].key.tenant.as_str(), "acme");
    }
}
