//! Connections: one OAuth grant each, with its state, its sealed tokens and its companies.

mod due;
mod store;

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    id::{AttemptId, CompanyId, ConnectionId, Location, ProviderCompanyId, TenantId},
    provider::Provider,
    refresh::{AttemptFailure, Warmth},
};

pub use due::{Due, DuePartition, Slot, WHEELS};
pub use store::{
    ConfirmOutcome, ConnectOutcome, ConnectionPage, ConnectionStore, MAX_COMPANIES, MarkOutcome,
    NewConnection, PlacedCompany, Replaces, Route, count_live, keep_warm,
};

/// Whose connection, and which.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionKey {
    /// The tenant that owns the connection.
    #[serde(rename = "tenantId")]
    pub tenant: TenantId,
    /// The connection.
    #[serde(rename = "connectionId")]
    pub connection: ConnectionId,
}

/// The life cycle of a connection.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionState {
    /// Consented, but not yet confirmed by the product's backend.
    Pending,
    /// Working.
    Active,
    /// The grant is dead: the customer must connect again.
    ReconnectRequired,
    /// Being revoked at the provider.
    Disconnecting,
    /// Revoked; tokens and keys are gone.
    Disconnected,
}

impl ConnectionState {
    /// Whether the tokens of a connection in this state may be used: not before the product's backend has confirmed it.
    #[must_use]
    pub fn is_usable(self) -> bool {
        self == Self::Active
    }

    /// Whether it has ended, or is about to.
    #[must_use]
    pub fn is_ended(self) -> bool {
        matches!(self, Self::Disconnecting | Self::Disconnected)
    }

    /// Whether tokens of a connection in this state are refreshed.
    #[must_use]
    pub fn is_refreshable(self) -> bool {
        matches!(self, Self::Pending | Self::Active)
    }

    /// The name in answers and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::ReconnectRequired => "reconnect_required",
            Self::Disconnecting => "disconnecting",
            Self::Disconnected => "disconnected",
        }
    }
}

impl fmt::Display for ConnectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One OAuth grant that a tenant gave for one provider.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Connection {
    /// Whose, and which.
    pub key: ConnectionKey,
    /// The provider that granted it.
    pub provider: Provider,
    /// Where in its life cycle it is.
    pub state: ConnectionState,
    /// What is wrong with it, as a stable word (`invalid_grant`, `insufficient_scope`).
    pub reason: Option<String>,
    /// The scopes granted.
    pub scopes: Vec<String>,
    /// The data centre that holds the grant, where the provider has several.
    pub location: Option<Location>,
    /// When it was first made.
    pub created_at: Timestamp,
    /// The sealed token set; none once disconnected.
    pub tokens: Option<SealedTokens>,
    /// The number that rises with every lease.
    pub fence: u64,
    /// Who may refresh it now, and what they are about to do.
    pub lease: Option<Lease>,
    /// When the sweep looks at it; none when nothing is to be done.
    pub due: Option<Due>,
    /// When its tokens were last used, as far as it was noted: a few hours late at most.
    pub used_at: Timestamp,
    /// Whether it is always kept warm, where its tenant says so; else as the deployment has it.
    pub warmth: Option<Warmth>,
    /// Counters of all attempts so far.
    pub attempts: AttemptCounters,
    /// The newest attempt.
    pub last: Option<LastAttempt>,
    /// The head of its history's hash chain.
    pub chain: ChainHead,
    /// Calls to the token endpoint that still count against a budget; empty where the provider sets none.
    pub calls: Vec<Timestamp>,
    /// What its tenant was told of coming ends.
    pub notices: Notices,
    /// The mark of the last conditional write, by which its writer knows it again.
    pub write_id: String,
}

/// A token set as it is stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SealedTokens {
    /// Rises with each token set; part of the sealing context, so that an old ciphertext cannot be put back.
    pub generation: u64,
    /// The access token's envelope.
    pub access: Vec<u8>,
    /// The refresh token's envelope.
    pub refresh: Vec<u8>,
    /// Names the refresh token without revealing it.
    pub refresh_fingerprint: String,
    /// When the token set was issued.
    pub issued_at: Timestamp,
    /// Whether a refresh brought it; false for the token set of a fresh connect.
    pub refreshed: bool,
    /// When the access token ends.
    pub access_expires_at: Timestamp,
    /// When the refresh token ends unless it is used.
    pub refresh_expires_at: Option<Timestamp>,
    /// When the grant ends whatever is done.
    pub hard_expires_at: Option<Timestamp>,
    /// When the two data keys were made.
    pub keys_made_at: Timestamp,
    /// The refresh token before this one, for recovery.
    pub previous: Option<PreviousRefresh>,
}

/// The refresh token before the current one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PreviousRefresh {
    /// Its envelope as it was.
    pub refresh: Vec<u8>,
    /// Its generation.
    pub generation: u64,
    /// Until when the provider may still accept it.
    pub usable_until: Timestamp,
}

/// The right of one worker to refresh one connection until a time, with its intent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Lease {
    /// The worker that holds it.
    pub owner: String,
    /// When it runs out.
    pub expires_at: Timestamp,
    /// The attempt it was taken for.
    pub attempt: AttemptId,
    /// The fingerprint of the refresh token about to be spent.
    pub spends: String,
    /// When the attempt began.
    pub started_at: Timestamp,
}

/// What all attempts of a connection came to; kept by the write that settles each attempt.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct AttemptCounters {
    /// Attempts that stored a new token set.
    pub succeeded: u64,
    /// Attempts that did not.
    pub failed: u64,
    /// The sum of the durations of all attempts, in milliseconds.
    pub duration_ms: u64,
    /// Failures since the last success; the backoff grows with it.
    pub failed_in_a_row: u32,
}

/// The newest attempt of a connection, as far as its next one and an explanation need it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LastAttempt {
    /// The attempt.
    pub id: AttemptId,
    /// When it ended.
    pub ended_at: Timestamp,
    /// How it failed; none when it succeeded.
    pub failure: Option<AttemptFailure>,
}

/// The head of a connection's history: of how many entries it consists, and the hash of the newest, which covers all.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ChainHead {
    /// The number of the newest entry; 0 before the first.
    pub sequence: u64,
    /// Its SHA-256; zeros before the first.
    pub hash: [u8; 32],
}

/// When a tenant was last told of each end that comes near.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Notices {
    /// That the refresh token will end.
    pub refresh: Option<Timestamp>,
    /// That the grant will end whatever is done.
    pub grant: Option<Timestamp>,
    /// That the access token has ended and could not be replaced.
    pub expired: Option<Timestamp>,
}

/// The books behind a connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Company {
    /// Our id.
    pub id: CompanyId,
    /// The provider's id.
    pub provider_id: ProviderCompanyId,
    /// The name that the provider shows.
    pub name: String,
}
