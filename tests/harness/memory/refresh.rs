//! Leases and token sets in memory.

use async_trait::async_trait;
use domain::{
    connection::{AttemptCounters, Connection, ConnectionKey, ConnectionState, Lease},
    id::ConnectionId,
    refresh::{
        DueConnection, Ending, LeaseOutcome, LeasePurpose, RefreshLease, RefreshStore, SettleError,
        Settlement,
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
            return Ok(taken((key, purpose), connection.fence, before));
        }
        let before = connection.clone();
        stored.former.clone_from(&connection.lease);
        let spends = connection.tokens.as_ref().map(|tokens| tokens.refresh_fingerprint.clone());
        connection.lease = Some(Lease { spends: spends.unwrap_or_default(), ..lease.clone() });
        connection.fence += 1;
        connection.due_at = Some(lease.expires_at);
        Ok(taken((key, purpose), connection.fence, before))
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
        apply(stored, lease.purpose, settlement);
        Ok(())
    }

    async fn list_due(
        &self,
        shard: u32,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<DueConnection>, StoreError> {
        let state = self.state();
        let connections = state.connections.values().map(|stored| &stored.connection);
        let entry = |connection: &Connection| {
            let due_at = connection.due_at.filter(|due_at| *due_at <= now)?;
            let mine = shard_of(&connection.key.connection, self.due_shards) == shard;
            mine.then(|| DueConnection { key: connection.key.clone(), due_at })
        };
        let mut due: Vec<_> = connections.filter_map(entry).collect();
        due.sort_by_key(|entry| entry.due_at);
        due.truncate(limit.max(1) as usize);
        Ok(due)
    }

    async fn claim_due(&self, due: &DueConnection, until: Timestamp) -> Result<bool, StoreError> {
        let mut state = self.state();
        let stored = state.connections.get_mut(&due.key);
        let Some(stored) = stored.filter(|stored| stored.connection.due_at == Some(due.due_at)) else {
            return Ok(false);
        };
        stored.connection.due_at = Some(until);
        Ok(true)
    }
}

fn taken((key, purpose): (&ConnectionKey, LeasePurpose), fence: u64, before: Connection) -> LeaseOutcome {
    LeaseOutcome::Taken { lease: RefreshLease { key: key.clone(), fence, purpose }, before: Box::new(before) }
}

fn apply(stored: &mut Stored, purpose: LeasePurpose, settlement: &Settlement) {
    stored.settled = Some(settlement.write_id.clone());
    let connection = &mut stored.connection;
    connection.write_id.clone_from(&settlement.write_id);
    let is_ending = connection.state == ConnectionState::Disconnecting;
    if purpose == LeasePurpose::Disconnect || !is_ending {
        connection.due_at = settlement.due_at;
    }
    if !matches!(settlement.ending, Ending::Unknown) {
        connection.lease = None;
        stored.former = None;
    }
    match &settlement.ending {
        Ending::Rotated(tokens) => connection.tokens = Some((**tokens).clone()),
        Ending::Dead { reason } if !is_ending => {
            connection.state = ConnectionState::ReconnectRequired;
            connection.reason = Some(reason.clone());
            connection.due_at = None;
        }
        Ending::Postponed { reason } => {
            connection.reason = Some(reason.clone());
            connection.attempts.failed_in_a_row += 1;
        }
        Ending::Disconnected => {
            connection.state = ConnectionState::Disconnected;
            connection.reason = None;
            connection.tokens = None;
            connection.due_at = None;
        }
        Ending::Dead { .. } | Ending::Unchanged | Ending::Unknown => {}
    }
    if let Some(duration_ms) = settlement.duration_ms {
        let rotated = matches!(settlement.ending, Ending::Rotated(_));
        let AttemptCounters { succeeded, failed, duration_ms: sum, failed_in_a_row } = connection.attempts;
        connection.attempts = AttemptCounters {
            succeeded: succeeded + u64::from(rotated),
            failed: failed + u64::from(!rotated),
            duration_ms: sum + duration_ms,
            failed_in_a_row: if rotated { 0 } else { failed_in_a_row + 1 },
        };
    }
}

fn shard_of(connection: &ConnectionId, shards: u32) -> u32 {
    connection.as_str().bytes().map(u32::from).sum::<u32>() % shards.max(1)
}
