//! A settlement as an update expression.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    connection::{ConnectionKey, ConnectionState},
    refresh::{Ending, Settlement},
};

use crate::{
    DynamoConnections, connection_item,
    item::{instant, number, text},
    keys::{
        self, DUE_AT, DUE_SHARD, DURATION_MS, FAILED, FAILED_IN_A_ROW, FORMER_LEASE, FORMER_SPENDS, LEASE,
        LEASE_SPENDS, REASON, STATE, SUCCEEDED, TOKENS, WRITE_ID,
    },
};

/// An update, and the values that it names: `:name` is for the attribute `name`.
pub(crate) struct SettleExpression {
    pub(crate) update: String,
    pub(crate) values: HashMap<String, AttributeValue>,
}

impl DynamoConnections {
    /// The update that stores `settlement`.
    pub(crate) fn settle_expression(&self, key: &ConnectionKey, settlement: &Settlement) -> SettleExpression {
        let mut sets = vec![(WRITE_ID, text(&settlement.write_id))];
        let mut removes = vec![];
        let mut adds = vec![];
        if !matches!(settlement.ending, Ending::Unknown) {
            removes.extend([LEASE, LEASE_SPENDS, FORMER_LEASE, FORMER_SPENDS]);
        }
        match &settlement.ending {
            Ending::Rotated(tokens) => sets.push((TOKENS, connection_item::write_tokens(tokens))),
            Ending::Dead { reason } => {
                sets.push((STATE, text(ConnectionState::ReconnectRequired.as_str())));
                sets.push((REASON, text(reason)));
            }
            Ending::Unchanged | Ending::Unknown => {}
        }
        if let Some(due_at) = due_at(settlement) {
            let shard = connection_item::shard_of(&key.connection, self.due_shards);
            sets.extend([(DUE_AT, instant(due_at)), (DUE_SHARD, text(keys::due_shard(shard)))]);
        } else {
            removes.extend([DUE_AT, DUE_SHARD]);
        }
        if let Some(duration_ms) = settlement.duration_ms {
            adds.push((DURATION_MS, number(duration_ms)));
            if matches!(settlement.ending, Ending::Rotated(_)) {
                sets.push((FAILED_IN_A_ROW, number(0)));
                adds.push((SUCCEEDED, number(1)));
            } else {
                adds.extend([(FAILED, number(1)), (FAILED_IN_A_ROW, number(1))]);
            }
        }
        let set = |(name, _): &(&str, _)| format!("#{name} = :{name}");
        let add = |(name, _): &(&str, _)| format!("#{name} :{name}");
        let clauses = [
            ("SET", sets.iter().map(set).collect::<Vec<_>>()),
            ("REMOVE", removes.iter().map(|name| format!("#{name}")).collect()),
            ("ADD", adds.iter().map(add).collect()),
        ];
        let clauses = clauses.into_iter().filter(|(_, parts)| !parts.is_empty());
        let clauses: Vec<_> = clauses.map(|(verb, parts)| format!("{verb} {}", parts.join(", "))).collect();
        let values = sets.into_iter().chain(adds).map(|(name, value)| (format!(":{name}"), value)).collect();
        SettleExpression { update: clauses.join(" "), values }
    }
}

/// A dead connection is never due: there is nothing left to do without its customer.
fn due_at(settlement: &Settlement) -> Option<jiff::Timestamp> {
    settlement.due_at.filter(|_| !matches!(settlement.ending, Ending::Dead { .. }))
}
