//! Where leases are taken and token sets are replaced.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use thiserror::Error;

use super::{CompleteOutcome, RefreshAttempt, SpilledTokens};
use crate::{
    connection::{
        ChainHead, Connection, ConnectionKey, ConnectionState, Due, DuePartition, LastAttempt, Lease,
        Notices, SealedTokens,
    },
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
    /// The connection's provider.
    pub provider: Provider,
    /// The number of this lease, greater than that of every lease before it.
    pub fence: u64,
    /// What it was taken for.
    pub purpose: LeasePurpose,
}

/// What came of asking for a lease.
#[derive(Clone, Debug)]
pub enum LeaseOutcome {
    /// It is ours. The connection is as it was just before, read in the same write: its `lease` is that of the worker
    /// before us, if that one never ended its attempt.
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
    /// Where the sweep finds the connection next; none takes it out of the index.
    pub due: Option<Due>,
    /// When its tokens were last used.
    pub used_at: Timestamp,
    /// What is kept of the attempt; none when nothing was attempted.
    pub attempt: Option<Attempted>,
    /// By which this write knows itself again.
    pub write_id: String,
}

/// What the connection keeps of an attempt.
#[derive(Clone, Debug)]
pub struct Attempted {
    /// How long it took, for the counters.
    pub duration_ms: u64,
    /// The attempt itself.
    pub last: LastAttempt,
    /// The head of the history that it makes.
    pub chain: ChainHead,
    /// The calls that count against the provider's budget.
    pub calls: Vec<Timestamp>,
    /// What the tenant is told of coming ends.
    pub notices: Notices,
}

/// What an attempt came to.
#[derive(Clone, Debug)]
pub enum Ending {
    /// A new token set; the lease is released.
    Rotated(Box<SealedTokens>),
    /// Nothing was needed or nothing was committed; the tokens stay and the lease is released.
    Unchanged,
    /// The provider's verdict: the grant is dead. The lease is released. It stands only while the token set does that it
    /// was passed on.
    Dead {
        /// The provider's word for it.
        reason: String,
        /// The generation of that token set.
        generation: u64,
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
    /// The token set that was judged is no longer the one that stands.
    #[error("the token set was replaced")]
    Replaced,
    /// The store did not take it; the same settlement may be tried again.
    #[error("the settlement could not be stored")]
    Store(#[from] StoreError),
}

/// Where leases are taken and token sets are replaced.
#[async_trait]
pub trait RefreshStore: Send + Sync {
    /// Takes the lease when it is free at `lease.started_at`, raising the fence and writing the intent, in one write.
    ///
    /// The index of due connections is left alone: whoever takes a lease has left a message on the refresh queue that
    /// comes back if they do not.
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

    /// Stores a token set that came by the recovery queue, where the one that it replaces still stands; releases the lease
    /// under which it was won, and takes back a verdict that was passed on the token set before it.
    async fn complete(
        &self,
        spilled: &SpilledTokens,
        due: Due,
        write_id: &str,
    ) -> Result<CompleteOutcome, StoreError>;
}

/// One page of the index of due connections.
#[derive(Clone, Debug, Default)]
pub struct DuePage {
    /// The connections, most urgent first.
    pub keys: Vec<ConnectionKey>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// The index of due connections.
#[async_trait]
pub trait DueIndex: Send + Sync {
    /// Lists the connections of a partition from where the page before ended, as many as one answer holds; of those with a
    /// time only the ones after the first and up to the second of `times`. An entry that cannot be read is left out.
    async fn list_due(
        &self,
        partition: DuePartition,
        times: (Timestamp, Timestamp),
        from: Option<&str>,
    ) -> Result<DuePage, StoreError>;
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

    /// Lists the newest attempts on one connection, newest first.
    async fn list_of(
        &self,
        provider: Provider,
        key: &ConnectionKey,
        limit: u32,
    ) -> Result<Vec<RefreshAttempt>, StoreError>;
}

/// A message, and how long it stays invisible on the queue, in whole seconds up to [`MAX_DELAY`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Delayed {
    /// The message.
    pub message: super::RefreshMessage,
    /// The time.
    pub delay: Duration,
}

/// What SQS keeps a message invisible for at most.
pub const MAX_DELAY: Duration = Duration::from_mins(15);
/// What SQS takes in one call.
pub const MAX_BATCH: usize = 10;

/// The refresh queue.
#[async_trait]
pub trait RefreshQueue: Send + Sync {
    /// Sends up to [`MAX_BATCH`] messages in one call; on an error some may be in the queue.
    async fn send(&self, messages: &[Delayed]) -> Result<(), StoreError>;
}

/// How far the sweep came with one provider: everything up to `through` is enqueued, and of what comes after, up to
/// `target`, the first `step` partitions and the next up to `from`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SweepProgress {
    /// Up to when all is enqueued.
    pub through: Timestamp,
    /// Up to when the walk goes that is under way.
    pub target: Option<Timestamp>,
    /// Partitions of that walk that are done.
    pub step: u32,
    /// Where the next page of the partition begins that is not.
    pub from: Option<String>,
}

/// What came of claiming the walk over one provider's connections.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ClaimOutcome {
    /// It is ours, and so far it came; none before the first.
    Claimed(Option<SweepProgress>),
    /// Another sweep has it.
    Held,
}

/// Where the sweep leaves its marks.
#[async_trait]
pub trait SweepLog: Send + Sync {
    /// Notes that the sweep ran at `at`, for the health route.
    async fn note(&self, at: Timestamp) -> Result<(), StoreError>;

    /// When the sweep last ran.
    async fn last(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Claims the walk over a provider's connections until a time, if nobody has it at `now`; once more by its owner is
    /// harmless.
    async fn claim(
        &self,
        provider: Provider,
        owner: &str,
        (now, until): (Timestamp, Timestamp),
    ) -> Result<ClaimOutcome, StoreError>;

    /// Notes how far the owner of the claim came, and gives it back where it `ends`; false when it has it no longer, but
    /// for the same end again after a lost answer.
    async fn advance(
        &self,
        provider: Provider,
        owner: &str,
        (progress, ends): (&SweepProgress, bool),
    ) -> Result<bool, StoreError>;
}
