//! A settlement as an update expression.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    connection::{ConnectionState, Due},
    refresh::{Attempted, Ending, LeasePurpose, RefreshLease, Settlement},
};

use crate::{
    DynamoConnections, connection_item, due_index,
    item::{instant, number, text},
    keys::{
        CALLS, CHAIN, DUE_AT, DUE_SHARD, DURATION_MS, FAILED, FAILED_IN_A_ROW, FORMER_LEASE, FORMER_SPENDS,
        FORMER_STATE, FORMER_WRITE, LAST, LEASE, LEASE_SPENDS, NOTICES, REASON, STATE, SUCCEEDED, TOKENS,
        USED_AT, WRITE_ID,
    },
};

/// An update, and the values that it names: `:name` is for the attribute `name`.
pub(crate) struct SettleExpression {
    pub(crate) update: String,
    pub(crate) values: HashMap<String, AttributeValue>,
}

/// The clauses of an update, as they come together.
#[derive(Default)]
struct Clauses {
    sets: Vec<(&'static str, AttributeValue)>,
    /// Attributes that take the value that another had.
    copies: Vec<(&'static str, &'static str)>,
    removes: Vec<&'static str>,
    adds: Vec<(&'static str, AttributeValue)>,
}

impl DynamoConnections {
    /// The update that stores `settlement`, on a connection that is `disconnecting` or not.
    pub(crate) fn settle_expression(
        &self,
        lease: &RefreshLease,
        settlement: &Settlement,
        disconnecting: bool,
    ) -> SettleExpression {
        let mut clauses = Clauses::default();
        clauses.sets.push((WRITE_ID, connection_item::write_mark(&settlement.write_id)));
        clauses.sets.push((USED_AT, instant(settlement.used_at)));
        clauses.removes.push(FORMER_WRITE);
        clauses.end(&settlement.ending, disconnecting);
        // Whoever marked the connection made it due for its end, which a refresh under way does not put off.
        if lease.purpose == LeasePurpose::Disconnect || !disconnecting {
            match due(settlement, disconnecting) {
                Some(due) => {
                    let owner = (lease.provider, &lease.key.connection);
                    clauses.sets.extend(due_index::entry(owner, due, self.due_shards));
                }
                None => clauses.removes.extend([DUE_AT, DUE_SHARD]),
            }
        }
        if let Some(attempt) = &settlement.attempt {
            clauses.count(&settlement.ending, attempt.duration_ms);
            clauses.keep(attempt);
        }
        clauses.into_expression()
    }
}

impl Clauses {
    /// What an ending does to state, tokens and lease.
    fn end(&mut self, ending: &Ending, disconnecting: bool) {
        if !matches!(ending, Ending::Unknown) {
            self.removes.extend([LEASE, LEASE_SPENDS, FORMER_LEASE, FORMER_SPENDS]);
        }
        match ending {
            Ending::Rotated(tokens) => self.sets.push((TOKENS, connection_item::write_tokens(tokens))),
            Ending::Dead { reason, .. } if !disconnecting => {
                self.copies.push((FORMER_STATE, STATE));
                self.sets.push((STATE, text(ConnectionState::ReconnectRequired.as_str())));
                self.sets.push((REASON, text(reason)));
            }
            Ending::Postponed { reason } => {
                self.sets.push((REASON, text(reason)));
                self.adds.push((FAILED_IN_A_ROW, number(1)));
            }
            Ending::Disconnected => {
                self.sets.push((STATE, text(ConnectionState::Disconnected.as_str())));
                // Both wrapped data keys lie inside the token set's envelopes and nowhere else, so this destroys them
                // too: only a restored table, which has them as they were, could open a ciphertext of this grant.
                self.removes.extend([TOKENS, REASON]);
            }
            Ending::Dead { .. } | Ending::Unchanged | Ending::Unknown => {}
        }
    }

    /// Counts an attempt.
    fn count(&mut self, ending: &Ending, duration_ms: u64) {
        self.adds.push((DURATION_MS, number(duration_ms)));
        if matches!(ending, Ending::Rotated(_)) {
            self.sets.push((FAILED_IN_A_ROW, number(0)));
            self.adds.push((SUCCEEDED, number(1)));
        } else {
            self.adds.extend([(FAILED, number(1)), (FAILED_IN_A_ROW, number(1))]);
        }
    }

    /// Keeps what the connection keeps of an attempt.
    fn keep(&mut self, attempt: &Attempted) {
        self.sets.push((LAST, connection_item::write_last(&attempt.last)));
        for (name, value) in [
            (CHAIN, connection_item::write_chain(attempt.chain)),
            (CALLS, connection_item::write_calls(&attempt.calls)),
            (NOTICES, connection_item::write_notices(attempt.notices)),
        ] {
            match value {
                Some(value) => self.sets.push((name, value)),
                None => self.removes.push(name),
            }
        }
    }

    fn into_expression(self) -> SettleExpression {
        let Self { sets, copies, removes, adds } = self;
        let set = |(name, _): &(&str, _)| format!("#{name} = :{name}");
        let copy = |(name, from): &(&str, &str)| format!("#{name} = #{from}");
        let add = |(name, _): &(&str, _)| format!("#{name} :{name}");
        let clauses = [
            ("SET", sets.iter().map(set).chain(copies.iter().map(copy)).collect::<Vec<_>>()),
            ("REMOVE", removes.iter().map(|name| format!("#{name}")).collect()),
            ("ADD", adds.iter().map(add).collect()),
        ];
        let clauses = clauses.into_iter().filter(|(_, parts)| !parts.is_empty());
        let clauses: Vec<_> = clauses.map(|(verb, parts)| format!("{verb} {}", parts.join(", "))).collect();
        let values = sets.into_iter().chain(adds).map(|(name, value)| (format!(":{name}"), value)).collect();
        SettleExpression { update: clauses.join(" "), values }
    }
}

/// A dead connection is never due, since there is nothing left to do without its customer, unless it is being ended; nor
/// is one that has ended.
fn due(settlement: &Settlement, disconnecting: bool) -> Option<Due> {
    let is_over = match settlement.ending {
        Ending::Dead { .. } => !disconnecting,
        Ending::Disconnected => true,
        Ending::Rotated(_) | Ending::Unchanged | Ending::Unknown | Ending::Postponed { .. } => false,
    };
    settlement.due.filter(|_| !is_over)
}
