//! Leases and token sets in memory.

use async_trait::async_trait;
use domain::{
    connection::{AttemptCounters, Connection, ConnectionKey, ConnectionState, Due, DuePartition, Lease},
    refresh::{
        CompleteOutcome, DueIndex, DuePage, Ending, LeaseOutcome, LeasePurpose, RefreshLease, RefreshStore,
        SettleError, Settlement, SpilledTokens,
    },
    store::StoreError,
};
use jiff::Timestamp;

use super::{InMemoryConnections, connections::Stored};

#[async_trait]
impl RefreshStore for InMemoryConnections {
    async fn take_lease(
        &self,
        key: &ConnectionKey,
        lease: &Lease,
        purpose: LeasePurpose,
    ) -> Result<LeaseOutcome, StoreError> {
        let mut state = self.state();
        let Some(stored) = state.connections.get_mut(key) else { return Ok(LeaseOutcome::Missing) };
        let connection = &mut stored.connection;
        if !purpose.states().contains(&connection.state) {
            return Ok(LeaseOutcome::NotRefreshable { state: connection.state });
        }
        if let Some(held) = connection.lease.as_ref().filter(|held| held.expires_at > lease.started_at) {
            if held.attempt != lease.attempt {
                return Ok(LeaseOutcome::Held { until: held.expires_at });
            }
            let mut before = connection.clone();
            before.fence -= 1;
            before.lease.clone_from(&stored.former);
            return Ok(taken(purpose, before));
        }
        let before = connection.clone();
        stored.former.clone_from(&connection.lease);
        let spends = connection.tokens.as_ref().map(|tokens| tokens.refresh_fingerprint.clone());
        connection.lease = Some(Lease { spends: spends.unwrap_or_default(), ..lease.clone() });
        connection.fence += 1;
        Ok(taken(purpose, before))
    }

    async fn settle(&self, lease: &RefreshLease, settlement: &Settlement) -> Result<(), SettleError> {
        let mut state = self.state();
        let Some(stored) = state.connections.get_mut(&lease.key) else { return Err(SettleError::LeaseLost) };
        if stored.settled.as_ref() == Some(&settlement.write_id) {
            return Ok(());
        }
        let connection = &stored.connection;
        let holds = connection.fence == lease.fence && connection.lease.is_some();
        // A refresh that meets the end of its connection still stores what it brought.
        let is_open = lease.purpose.states().contains(&connection.state)
            || connection.state == ConnectionState::Disconnecting;
        let may_end = lease.purpose == LeasePurpose::Disconnect;
        if !holds || !is_open || (settlement.ending.is_of_disconnecting() && !may_end) {
            return Err(SettleError::LeaseLost);
        }
        if let Ending::Dead { generation, .. } = settlement.ending
            && connection.tokens.as_ref().is_none_or(|tokens| tokens.generation != generation)
        {
            return Err(SettleError::Replaced);
        }
        apply(stored, lease.purpose, settlement);
        Ok(())
    }

    async fn complete(
        &self,
        spilled: &SpilledTokens,
        due: Due,
        write_id: &str,
    ) -> Result<CompleteOutcome, StoreError> {
        let mut state = self.state();
        let Some(stored) = state.connections.get_mut(&spilled.key) else {
            return Ok(CompleteOutcome::Superseded);
        };
        let connection = &mut stored.connection;
        let Some(tokens) = &connection.tokens else { return Ok(CompleteOutcome::Superseded) };
        if tokens.generation == spilled.tokens.generation
            && tokens.refresh_fingerprint == spilled.tokens.refresh_fingerprint
        {
            return Ok(CompleteOutcome::Stored);
        }
        let stands = tokens.refresh_fingerprint == spilled.replaces
            && tokens.generation + 1 == spilled.tokens.generation
            && connection.state != ConnectionState::Disconnected;
        if !stands {
            return Ok(CompleteOutcome::Superseded);
        }
        connection.tokens = Some(spilled.tokens.clone());
        write_id.clone_into(&mut connection.write_id);
        if connection.state == ConnectionState::ReconnectRequired {
            connection.state = stored.before_verdict.unwrap_or(ConnectionState::Active);
            connection.reason = None;
        }
        if connection.state != ConnectionState::Disconnecting {
            connection.due = Some(due);
        }
        if connection.fence == spilled.fence {
            connection.lease = None;
            stored.former = None;
        }
        Ok(CompleteOutcome::Stored)
    }
}

#[async_trait]
impl DueIndex for InMemoryConnections {
    async fn list_due(
        &self,
        partition: DuePartition,
        (after, through): (Timestamp, Timestamp),
        _from: Option<&str>,
    ) -> Result<DuePage, StoreError> {
        let state = self.state();
        let connections = state.connections.values().map(|stored| &stored.connection);
        let mut due: Vec<_> = connections
            .filter_map(|connection| {
                let due = connection.due?;
                let of =
                    DuePartition::of(connection.provider, &connection.key.connection, due, self.due_shards);
                let at = match due {
                    Due::At(at) if at <= after || at > through => return None,
                    Due::At(at) => at,
                    Due::Slot(_) => Timestamp::MIN,
                };
                (of == partition).then(|| (at, connection.key.clone()))
            })
            .collect();
        due.sort();
        Ok(DuePage { keys: due.into_iter().map(|(_, key)| key).collect(), next: None })
    }
}

fn taken(purpose: LeasePurpose, before: Connection) -> LeaseOutcome {
    let lease =
        RefreshLease { key: before.key.clone(), provider: before.provider, fence: before.fence + 1, purpose };
    LeaseOutcome::Taken { lease, before: Box::new(before) }
}

fn apply(stored: &mut Stored, purpose: LeasePurpose, settlement: &Settlement) {
    stored.settled = Some(settlement.write_id.clone());
    let connection = &mut stored.connection;
    connection.write_id.clone_from(&settlement.write_id);
    let is_ending = connection.state == ConnectionState::Disconnecting;
    if purpose == LeasePurpose::Disconnect || !is_ending {
        connection.due = settlement.due;
    }
    if !matches!(settlement.ending, Ending::Unknown) {
        connection.lease = None;
        stored.former = None;
    }
    match &settlement.ending {
        Ending::Rotated(tokens) => connection.tokens = Some((**tokens).clone()),
        Ending::Dead { reason, .. } if !is_ending => {
            stored.before_verdict = Some(connection.state);
            connection.state = ConnectionState::ReconnectRequired;
            connection.reason = Some(reason.clone());
            connection.due = None;
        }
        Ending::Postponed { reason } => {
            connection.reason = Some(reason.clone());
            connection.attempts.failed_in_a_row += 1;
        }
        Ending::Disconnected => {
            connection.state = ConnectionState::Disconnected;
            connection.reason = None;
            connection.tokens = None;
            connection.due = None;
        }
        Ending::Dead { .. } | Ending::Unchanged | Ending::Unknown => {}
    }
    connection.used_at = settlement.used_at;
    if let Some(attempt) = &settlement.attempt {
        let rotated = matches!(settlement.ending, Ending::Rotated(_));
        let AttemptCounters { succeeded, failed, duration_ms, failed_in_a_row } = connection.attempts;
        connection.attempts = AttemptCounters {
            succeeded: succeeded + u64::from(rotated),
            failed: failed + u64::from(!rotated),
            duration_ms: duration_ms + attempt.duration_ms,
            failed_in_a_row: if rotated { 0 } else { failed_in_a_row + 1 },
        };
        connection.last = Some(attempt.last.clone());
        connection.chain = attempt.chain;
        connection.calls.clone_from(&attempt.calls);
        connection.notices = attempt.notices;
    }
}
