//! Leases and token sets in `DynamoDB`: each method one write.

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use domain::{
    connection::{Connection, ConnectionKey, ConnectionState, Due, Lease},
    refresh::{
        CompleteOutcome, Ending, LeaseOutcome, LeasePurpose, RefreshLease, RefreshStore, SettleError,
        Settlement, SpilledTokens,
    },
    store::StoreError,
};

use crate::{
    DynamoConnections, connection_item,
    failure::{Conditional, conditional},
    item::{Item, Reader, instant, names, number, text},
    keys::{
        FENCE, FINGERPRINT, FORMER_LEASE, FORMER_SPENDS, FORMER_WRITE, GENERATION, Key, LEASE, LEASE_ENDS,
        LEASE_SPENDS, PK, STATE, TOKENS, WRITE_ID, WRITE_PREFIX,
    },
};

/// Takes the lease; `lease.spends` is copied from the token set that stands.
///
/// Copies, in the same write, what was there before it: after a lost answer the SDK sends the write again, and only from
/// this copy can it then be told whether the worker before us ever ended its attempt.
fn take() -> String {
    format!(
        "SET #{FORMER_LEASE} = if_not_exists(#{LEASE}, :null), \
         #{FORMER_SPENDS} = if_not_exists(#{LEASE_SPENDS}, :none), \
         #{LEASE} = :lease, \
         #{LEASE_SPENDS} = if_not_exists(#{TOKENS}.#{FINGERPRINT}, :none), \
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
/// after a lost answer, and so would one that a change of state came upon. A verdict only on the token set that stands.
fn may_settle(states: &[ConnectionState], ending: &Ending) -> String {
    let states = state_placeholders(states);
    let judged = match ending {
        Ending::Dead { .. } => format!(" AND #{TOKENS}.#{GENERATION} = :judged"),
        _ => String::new(),
    };
    format!(
        "#{FENCE} = :fence AND #{STATE} IN ({states}) AND attribute_exists(#{LEASE}) \
         AND #{WRITE_ID} <> :{WRITE_ID} \
         AND (attribute_not_exists(#{FORMER_WRITE}) OR #{FORMER_WRITE} <> :{WRITE_ID}){judged}"
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

impl DynamoConnections {
    /// Stores a settlement if the connection is in one of `states`; otherwise gives the connection as it is.
    async fn settle_in(
        &self,
        states: &[ConnectionState],
        lease: &RefreshLease,
        settlement: &Settlement,
    ) -> Result<Settled, SettleError> {
        let marked = states.contains(&ConnectionState::Disconnecting);
        let (update, values) = self.settlement_update(lease, settlement, marked).into_expression();
        let condition = may_settle(states, &settlement.ending);
        let judged = match settlement.ending {
            Ending::Dead { generation, .. } => Some((":judged".to_owned(), number(generation))),
            _ => None,
        };
        let values = values.into_iter().chain(state_values(states)).chain(judged).collect();
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
            if reader.hexed_if(mark, WRITE_PREFIX)?.as_ref() == Some(&settlement.write_id) {
                return Ok(Settled::Stored);
            }
        }
        let state = reader.word_if(STATE)?;
        if state == Some(ConnectionState::Disconnecting) && !marked {
            return Ok(Settled::Marked);
        }
        let is_held = reader.number_if(FENCE)? == Some(lease.fence)
            && item.contains_key(LEASE)
            && state.is_some_and(|state| states.contains(&state));
        Ok(if is_held { Settled::Replaced } else { Settled::Lost })
    }
}

/// What a refused lease says of the connection as it is.
fn not_taken(lease: &Lease, purpose: LeasePurpose, item: &Item) -> Result<LeaseOutcome, StoreError> {
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
    Ok(taken(purpose, connection_item::read_before_lease(item)?))
}

/// The lease that was taken on a connection as it was `before`.
fn taken(purpose: LeasePurpose, before: Connection) -> LeaseOutcome {
    let lease =
        RefreshLease { key: before.key.clone(), provider: before.provider, fence: before.fence + 1, purpose };
    LeaseOutcome::Taken { lease, before: Box::new(before) }
}

/// What became of one write of a settlement.
enum Settled {
    /// It stands.
    Stored,
    /// It does not, and the connection was marked as disconnecting.
    Marked,
    /// It does not, since the token set that was judged is another by now.
    Replaced,
    /// It does not, since the lease is no longer held.
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
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match conditional("take_lease", request.send().await)? {
            Conditional::Written(output) => {
                Ok(taken(purpose, connection_item::read(&output.attributes.unwrap_or_default())?))
            }
            Conditional::Refused(item) => not_taken(lease, purpose, &item),
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
        match settled {
            Settled::Stored => Ok(()),
            Settled::Replaced => Err(SettleError::Replaced),
            Settled::Marked | Settled::Lost => Err(SettleError::LeaseLost),
        }
    }

    async fn complete(
        &self,
        spilled: &SpilledTokens,
        due: Due,
        write_id: &str,
    ) -> Result<CompleteOutcome, StoreError> {
        self.complete_spilled(spilled, due, write_id).await
    }
}
