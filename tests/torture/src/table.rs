//! The tables, as a worker reaches them: the stores in memory behind calls that may fail, and the books kept of what they
//! took.

use async_trait::async_trait;
use domain::{
    clock::Clock as _,
    connection::{Connection, ConnectionKey, ConnectionState, Due, DuePartition, Lease},
    refresh::{
        CompleteOutcome, DueIndex, DuePage, Ending, LeaseOutcome, LeasePurpose, RefreshLease, RefreshStore,
        SettleError, Settlement, SpilledTokens,
    },
    store::StoreError,
};
use jiff::Timestamp;

use crate::{
    caller::Caller,
    connect,
    faults::Service::Table,
    plan::Flaw,
    world::{index, is_busy},
};

#[async_trait]
impl RefreshStore for Caller {
    async fn take_lease(
        &self,
        key: &ConnectionKey,
        lease: &Lease,
        purpose: LeasePurpose,
    ) -> Result<LeaseOutcome, StoreError> {
        let store = &self.world.connections;
        let taken = self.call((Table, "take_lease"), || store.take_lease(key, lease, purpose)).await;
        self.world.tell(index(key), || {
            let said = match &taken {
                Ok(LeaseOutcome::Taken { lease, before }) => {
                    format!("takes lease {}, before it {:?}", lease.fence, before.lease)
                }
                Ok(LeaseOutcome::Held { until }) => format!("finds the lease held until {until}"),
                Ok(LeaseOutcome::NotRefreshable { state }) => format!("finds it {state}"),
                Ok(LeaseOutcome::Missing) => "finds nothing".to_owned(),
                Err(_) => "hears nothing of the lease".to_owned(),
            };
            format!("worker {} {said}", self.process.0)
        });
        taken
    }

    async fn settle(&self, lease: &RefreshLease, settlement: &Settlement) -> Result<(), SettleError> {
        let settled = self
            .call((Table, "settle"), || {
                Box::pin(async {
                    if self.world.has_flaw(Flaw::IgnoredFence) {
                        self.forge(lease);
                    }
                    self.world.connections.settle(lease, settlement).await?;
                    self.settled(index(&lease.key), settlement);
                    Ok(())
                })
            })
            .await;
        self.world.tell(index(&lease.key), || {
            let brought = match &settlement.ending {
                Ending::Rotated(tokens) => format!("Rotated to generation {}", tokens.generation),
                other => format!("{other:?}"),
            };
            let failure = settlement.attempt.as_ref().and_then(|attempt| attempt.last.failure.as_ref());
            let (worker, due) = (self.process.0, settlement.due);
            format!("worker {worker} settles {brought}, {failure:?}, due {due:?}: {settled:?}")
        });
        settled
    }

    async fn complete(
        &self,
        spilled: &SpilledTokens,
        due: Due,
        write_id: &str,
    ) -> Result<CompleteOutcome, StoreError> {
        let completed = self
            .call((Table, "complete"), || {
                Box::pin(async {
                    let before = self.stored(&spilled.key);
                    let outcome = self.world.connections.complete(spilled, due, write_id).await?;
                    self.completed(&before, spilled);
                    Ok(outcome)
                })
            })
            .await;
        self.world.tell(index(&spilled.key), || {
            let generation = spilled.tokens.generation;
            format!("worker {} completes generation {generation}: {completed:?}", self.process.0)
        });
        completed
    }
}

#[async_trait]
impl DueIndex for Caller {
    async fn list_due(
        &self,
        partition: DuePartition,
        times: (Timestamp, Timestamp),
        from: Option<&str>,
    ) -> Result<DuePage, StoreError> {
        let index = &self.world.connections;
        self.call((Table, "list_due"), || index.list_due(partition, times, from)).await
    }
}

impl Caller {
    /// A connection as it is, without any call.
    pub(crate) fn stored(&self, key: &ConnectionKey) -> Connection {
        connect::stored(&self.world, key)
    }

    /// What the table took.
    fn settled(&self, connection: usize, settlement: &Settlement) {
        let world = &self.world;
        {
            let mut grants = world.grants();
            let grant = &mut grants[connection];
            if grant.settled == settlement.write_id {
                return;
            }
            grant.settled.clone_from(&settlement.write_id);
        }
        match &settlement.ending {
            Ending::Rotated(tokens) => {
                let is_late = world.grants()[connection].is_stored(tokens, world.now());
                world.count(connection, |row| {
                    row.cycles += 1;
                    row.late += u64::from(is_late && is_busy(connection));
                });
            }
            Ending::Dead { .. } => connect::condemned(world, connection),
            _ => {}
        }
    }

    /// What came to the table by the recovery queue.
    fn completed(&self, before: &Connection, spilled: &SpilledTokens) {
        let connection = index(&spilled.key);
        let after = self.stored(&spilled.key);
        let generation = |of: &Connection| of.tokens.as_ref().map(|tokens| tokens.generation);
        if generation(before) == generation(&after) {
            return;
        }
        let is_late = self.world.grants()[connection].is_stored(&spilled.tokens, self.world.now());
        self.world.count(connection, |row| {
            row.cycles += 1;
            row.completed += 1;
            row.late += u64::from(is_late && is_busy(connection));
            row.taken_back += u64::from(before.state == ConnectionState::ReconnectRequired);
        });
    }

    /// Makes a lease that is lost look as if it were held.
    fn forge(&self, lease: &RefreshLease) {
        let now = self.world.now();
        self.world.connections.edit(&lease.key, |connection| {
            connection.fence = lease.fence;
            let attempt = "forged".parse().unwrap();
            let owner = "forged".to_owned();
            let forged = Lease { owner, expires_at: now, attempt, spends: String::new(), started_at: now };
            connection.lease.get_or_insert(forged);
        });
    }
}
