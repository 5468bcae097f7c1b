//! A settlement as an update.

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
    update::Update,
};

impl DynamoConnections {
    /// The update that stores `settlement`, on a connection that is `disconnecting` or not.
    pub(crate) fn settlement_update(
        &self,
        lease: &RefreshLease,
        settlement: &Settlement,
        disconnecting: bool,
    ) -> Update {
        let mut update = Update::default();
        update.sets.push((WRITE_ID, connection_item::write_mark(&settlement.write_id)));
        update.sets.push((USED_AT, instant(settlement.used_at)));
        update.removes.push(FORMER_WRITE);
        update.end(&settlement.ending, disconnecting);
        // Whoever marked the connection made it due for its end, which a refresh under way does not put off.
        if lease.purpose == LeasePurpose::Disconnect || !disconnecting {
            match due(settlement, disconnecting) {
                Some(due) => {
                    let owner = (lease.provider, &lease.key.connection);
                    update.sets.extend(due_index::entry(owner, due, self.due_shards));
                }
                None => update.removes.extend([DUE_AT, DUE_SHARD]),
            }
        }
        if let Some(attempt) = &settlement.attempt {
            update.count(&settlement.ending, attempt.duration_ms);
            update.keep(attempt);
        }
        update
    }
}

impl Update {
    /// What an ending does to state, tokens and lease.
    fn end(&mut self, ending: &Ending, disconnecting: bool) {
        if !matches!(ending, Ending::Unknown) {
            self.removes.extend([LEASE, LEASE_SPENDS, FORMER_LEASE, FORMER_SPENDS]);
        }
        match ending {
            Ending::Rotated(tokens) => self.sets.push((TOKENS, connection_item::write_tokens(tokens))),
            Ending::Dead { reason, .. } if !disconnecting => {
                self.copies.push((FORMER_STATE, format!("#{STATE}")));
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
        self.set_or_remove(CHAIN, connection_item::write_chain(attempt.chain));
        self.set_or_remove(CALLS, connection_item::write_calls(&attempt.calls));
        self.set_or_remove(NOTICES, connection_item::write_notices(attempt.notices));
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
