//! Where leases are taken and token sets are replaced.

use async_trait::async_trait;
use jiff::Timestamp;
use thiserror::Error;

use super::RefreshAttempt;
use crate::{
    connection::{Connection, ConnectionKey, ConnectionState, Lease, SealedTokens},
    id::TenantId,
    provider::Provider,
    store::StoreError,
};

/// What a lease is taken for, which is also in which states it can be had.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LeasePurpose {
    /// Keeping the connection alive, while it is pending or active.
    Refresh,
    /// Ending it, while it is disconnecting.
    Disconnect,
}

impl LeasePurpose {
    /// The states in which a lease is given for this purpose.
    #[must_use]
    pub fn states(self) -> &'static [ConnectionState] {
        match self {
            Self::Refresh => &[ConnectionState::Pending, ConnectionState::Active],
            Self::Disconnect => &[ConnectionState::Disconnecting],
        }
    }
}

/// The right to write the tokens of one connection, as a value: no write of tokens is possible without it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RefreshLease {
    /// The connection.
    pub key: ConnectionKey,
    /// The number of this lease, greater than that of every lease before it.
    pub fence: u64,
    /// What it was taken for.
    pub purpose: LeasePurpose,
}

/// What came of asking for a lease.
#[derive(Clone, Debug)]
pub enum LeaseOutcome {
    /// It is ours. The connection is as it was just before, read in the same write: its `lease` is that of the worker
    /// before us, if that one never ended its attempt. Only its `due_at` may be the end of our own lease already, when
    /// the first answer was lost.
    Taken {
        /// The lease.
        lease: RefreshLease,
        /// The connection as it was.
        before: Box<Connection>,
    },
    /// Another worker holds it.
    Held {
        /// Until when.
        until: Timestamp,
    },
    /// The connection is in a state in which no lease is given for this purpose.
    NotRefreshable {
        /// That state.
        state: ConnectionState,
    },
    /// There is no such connection.
    Missing,
}

/// How an attempt ends, in one conditional write under its lease.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// What happened.
    pub ending: Ending,
    /// When the sweep looks again; none takes the connection out of the index.
    pub due_at: Option<Timestamp>,
    /// How long the attempt took, for the counters; none when nothing was attempted.
    pub duration_ms: Option<u64>,
    /// By which this write knows itself again.
    pub write_id: String,
}

/// What an attempt came to.
#[derive(Clone, Debug)]
pub enum Ending {
    /// A new token set; the lease is released.
    Rotated(Box<SealedTokens>),
    /// Nothing was needed or nothing was committed; the tokens stay and the lease is released.
    Unchanged,
    /// The provider's verdict: the grant is dead. The lease is released.
    Dead {
        /// The provider's word for it.
        reason: String,
    },
    /// The outcome is unknown: the lease and its intent stay until the lease runs out.
    Unknown,
    /// The grant has not ended at the provider yet, and why; the lease is released. It counts for the backoff, and as no
    /// attempt to refresh. Only under a lease for [`LeasePurpose::Disconnect`].
    Postponed {
        /// A stable word.
        reason: String,
    },
    /// The grant has ended at the provider: token set and wrapped data keys are destroyed, and nothing is due any more.
    /// Only under a lease for [`LeasePurpose::Disconnect`].
    Disconnected,
}

impl Ending {
    /// Whether only a lease for [`LeasePurpose::Disconnect`] may bring it.
    #[must_use]
    pub fn is_of_disconnecting(&self) -> bool {
        matches!(self, Self::Postponed { .. } | Self::Disconnected)
    }
}

/// Why a settlement was not stored.
#[derive(Debug, Error)]
pub enum SettleError {
    /// The lease is no longer ours, or the connection left the state in which tokens are written.
    #[error("the lease is no longer held")]
    LeaseLost,
    /// The store did not take it; the same settlement may be tried again.
    #[error("the settlement could not be stored")]
    Store(#[from] StoreError),
}

/// A connection that the due index lists.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DueConnection {
    /// The connection.
    pub key: ConnectionKey,
    /// When it was due.
    pub due_at: Timestamp,
}

/// Where leases are taken and token sets are replaced.
#[async_trait]
pub trait RefreshStore: Send + Sync {
    /// Takes the lease when it is free at `lease.started_at`, raising the fence and writing the intent, in one write.
    ///
    /// The same write makes the connection due when the lease ends, so that the sweep drives it again if its worker is
    /// killed before it settles; every settlement replaces that time.
    ///
    /// `lease.spends` is ignored: the store copies the fingerprint of the stored refresh token.
    async fn take_lease(
        &self,
        key: &ConnectionKey,
        lease: &Lease,
        purpose: LeasePurpose,
    ) -> Result<LeaseOutcome, StoreError>;

    /// Ends an attempt, if the fence is still the lease's; knows its own write again after a lost answer, and neither
    /// applies nor counts it twice, whatever the ending.
    ///
    /// A lease for [`LeasePurpose::Refresh`] whose connection was marked as disconnecting meanwhile stores a token set and
    /// releases the lease as ever, and leaves state, reason and due time as they are. Under a lease for
    /// [`LeasePurpose::Disconnect`] the state stays too, whatever the ending, except with [`Ending::Disconnected`].
    async fn settle(&self, lease: &RefreshLease, settlement: &Settlement) -> Result<(), SettleError>;

    /// Lists connections of one shard that are due at `now`, most urgent first; an entry that cannot be read is left out.
    async fn list_due(
        &self,
        shard: u32,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<DueConnection>, StoreError>;

    /// Moves a due time forward if nobody else has; false when somebody has.
    async fn claim_due(&self, due: &DueConnection, until: Timestamp) -> Result<bool, StoreError>;
}

/// Where attempts are recorded.
#[async_trait]
pub trait AttemptLog: Send + Sync {
    /// Records one attempt; recording it again changes nothing.
    async fn record(&self, attempt: &RefreshAttempt) -> Result<(), StoreError>;

    /// Lists attempts on connections of a provider, of one tenant or of all, newest first.
    async fn list(
        &self,
        provider: Provider,
        tenant: Option<&TenantId>,
        limit: u32,
    ) -> Result<Vec<RefreshAttempt>, StoreError>;
}

/// Where the sweep puts the connections that are due.
#[async_trait]
pub trait RefreshQueue: Send + Sync {
    /// Sends one message that names these connections.
    async fn send(&self, message: &super::RefreshMessage) -> Result<(), StoreError>;
}

/// Where the sweep leaves its mark, for the health route.
#[async_trait]
pub trait SweepLog: Send + Sync {
    /// Notes that the sweep ran at `at`.
    async fn note(&self, at: Timestamp) -> Result<(), StoreError>;

    /// When the sweep last ran.
    async fn last(&self) -> Result<Option<Timestamp>, StoreError>;
}
