//! Storing a token set that came by the recovery queue.

use aws_sdk_dynamodb::{
    operation::update_item::builders::UpdateItemFluentBuilder, types::ReturnValuesOnConditionCheckFailure,
};
use domain::{
    connection::{Connection, ConnectionState, Due},
    refresh::{CompleteOutcome, SpilledTokens},
    store::StoreError,
};

use crate::{
    DynamoConnections, connection_item, due_index,
    failure::{Conditional, conditional, unavailable},
    item::{names, number, text},
    keys::{
        FENCE, FINGERPRINT, FORMER_LEASE, FORMER_SPENDS, FORMER_STATE, FORMER_WRITE, GENERATION, Key, LEASE,
        LEASE_SPENDS, REASON, STATE, TOKENS, WRITE_ID,
    },
    update::Update,
};

/// How often a connection that changes under our hands is looked at again; whoever changes it that often is at work on it,
/// and the message comes again.
const TRIES: usize = 4;

impl DynamoConnections {
    /// Stores a spilled token set: one read, which no worker waits for, and one write that stands only on what was read.
    /// After a lost answer the next look finds the token set in its place, as does a second delivery.
    pub(crate) async fn complete_spilled(
        &self,
        spilled: &SpilledTokens,
        due: Due,
        write_id: &str,
    ) -> Result<CompleteOutcome, StoreError> {
        let mut seen = self.find_item(&spilled.key, "complete").await?.unwrap_or_default();
        for _ in 0..TRIES {
            if seen.is_empty() {
                return Ok(CompleteOutcome::Superseded);
            }
            let found = connection_item::read(&seen)?;
            if let Some(outcome) = outcome(&found, spilled) {
                return Ok(outcome);
            }
            let request = self.completion(&found, spilled, (due, write_id));
            match conditional("complete", request.send().await)? {
                Conditional::Written(_) => return Ok(CompleteOutcome::Stored),
                Conditional::Refused(item) => seen = item,
            }
        }
        Err(unavailable("complete")("the connection changed each time that it was read"))
    }

    /// The write, where the connection still is as it was `found`. It needs no lease, so it keeps the mark of a settlement
    /// that it comes upon.
    fn completion(
        &self,
        found: &Connection,
        spilled: &SpilledTokens,
        (due, write_id): (Due, &str),
    ) -> UpdateItemFluentBuilder {
        let mut update = Update::default();
        update.sets.push((TOKENS, connection_item::write_tokens(&spilled.tokens)));
        update.sets.push((WRITE_ID, connection_item::write_mark(write_id)));
        update.copies.push((FORMER_WRITE, format!("if_not_exists(#{FORMER_WRITE}, #{WRITE_ID})")));
        let is_condemned = found.state == ConnectionState::ReconnectRequired;
        if is_condemned {
            update.copies.push((STATE, format!("if_not_exists(#{FORMER_STATE}, :active)")));
            update.removes.extend([REASON, FORMER_STATE]);
        }
        if found.state != ConnectionState::Disconnecting {
            let owner = (found.provider, &spilled.key.connection);
            update.sets.extend(due_index::entry(owner, due, self.due_shards));
        }
        if found.fence == spilled.fence {
            update.removes.extend([LEASE, LEASE_SPENDS, FORMER_LEASE, FORMER_SPENDS]);
        }
        let (update, mut values) = update.into_expression();
        let active = (":active".to_owned(), text(ConnectionState::Active.as_str()));
        values.extend(is_condemned.then_some(active));
        let condition = format!(
            "#{STATE} = :state AND #{FENCE} = :fence \
             AND #{TOKENS}.#{FINGERPRINT} = :replaces AND #{TOKENS}.#{GENERATION} = :generation"
        );
        self.client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::connection(&spilled.key).into_item()))
            .set_expression_attribute_names(Some(names([&update, &condition])))
            .set_expression_attribute_values(Some(values))
            .update_expression(update)
            .condition_expression(condition)
            .expression_attribute_values(":state", text(found.state.as_str()))
            .expression_attribute_values(":fence", number(found.fence))
            .expression_attribute_values(":replaces", connection_item::write_fingerprint(&spilled.replaces))
            .expression_attribute_values(":generation", number(spilled.tokens.generation.saturating_sub(1)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }
}

/// What became of a spilled token set, as far as the connection says so; none where the token set belongs there now.
fn outcome(found: &Connection, spilled: &SpilledTokens) -> Option<CompleteOutcome> {
    let new = &spilled.tokens;
    match &found.tokens {
        Some(stored)
            if stored.generation == new.generation
                && stored.refresh_fingerprint == new.refresh_fingerprint =>
        {
            Some(CompleteOutcome::Stored)
        }
        Some(stored)
            if stored.generation + 1 == new.generation
                && stored.refresh_fingerprint == spilled.replaces
                && found.state != ConnectionState::Disconnected =>
        {
            None
        }
        _ => Some(CompleteOutcome::Superseded),
    }
}
