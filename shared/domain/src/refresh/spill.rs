//! The second durable place of a new token set, for when the table does not take it: sealed, on the recovery queue.

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{
    connection::{ConnectionKey, PreviousRefresh, SealedTokens},
    store::StoreError,
};

/// The version of the message written here.
pub const SPILL_VERSION: u32 = 1;

/// A new token set that the table did not take, as sealed as it would be there.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SpilledTokens {
    /// The version of this shape.
    pub v: u32,
    /// Whose connection, and which.
    #[serde(rename = "recover")]
    pub key: ConnectionKey,
    /// The number of the lease under which it was won.
    pub fence: u64,
    /// The fingerprint of the refresh token that it replaces: only where this one still stands, the new one belongs.
    pub replaces: String,
    /// The token set.
    #[serde(with = "wire")]
    pub tokens: SealedTokens,
}

/// What became of a spilled token set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CompleteOutcome {
    /// It is stored, since now or before.
    Stored,
    /// A newer token set stands, or the connection has ended.
    Superseded,
}

/// The recovery queue.
#[async_trait]
pub trait RecoveryQueue: Send + Sync {
    /// Puts a token set into the queue; when this returns, it is durable.
    async fn spill(&self, spilled: &SpilledTokens) -> Result<(), StoreError>;
}

/// A sealed token set as JSON: envelopes in base64.
mod wire {
    use super::*;

    #[derive(Deserialize, Serialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Tokens {
        generation: u64,
        access: String,
        refresh: String,
        refresh_fingerprint: String,
        issued_at: Timestamp,
        refreshed: bool,
        access_expires_at: Timestamp,
        refresh_expires_at: Option<Timestamp>,
        hard_expires_at: Option<Timestamp>,
        keys_made_at: Timestamp,
        previous: Option<Previous>,
    }

    #[derive(Deserialize, Serialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Previous {
        refresh: String,
        generation: u64,
        usable_until: Timestamp,
    }

    pub(super) fn serialize<S: Serializer>(tokens: &SealedTokens, serializer: S) -> Result<S::Ok, S::Error> {
        Tokens {
            generation: tokens.generation,
            access: STANDARD.encode(&tokens.access),
            refresh: STANDARD.encode(&tokens.refresh),
            refresh_fingerprint: tokens.refresh_fingerprint.clone(),
            issued_at: tokens.issued_at,
            refreshed: tokens.refreshed,
            access_expires_at: tokens.access_expires_at,
            refresh_expires_at: tokens.refresh_expires_at,
            hard_expires_at: tokens.hard_expires_at,
            keys_made_at: tokens.keys_made_at,
            previous: tokens.previous.as_ref().map(|previous| Previous {
                refresh: STANDARD.encode(&previous.refresh),
                generation: previous.generation,
                usable_until: previous.usable_until,
            }),
        }
        .serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SealedTokens, D::Error> {
        let tokens = Tokens::deserialize(deserializer)?;
        let bytes = |text: &str| STANDARD.decode(text).map_err(D::Error::custom);
        let previous = |previous: &Previous| {
            Ok(PreviousRefresh {
                refresh: bytes(&previous.refresh)?,
                generation: previous.generation,
                usable_until: previous.usable_until,
            })
        };
        Ok(SealedTokens {
            generation: tokens.generation,
            access: bytes(&tokens.access)?,
            refresh: bytes(&tokens.refresh)?,
            previous: tokens.previous.as_ref().map(previous).transpose()?,
            refresh_fingerprint: tokens.refresh_fingerprint,
            issued_at: tokens.issued_at,
            refreshed: tokens.refreshed,
            access_expires_at: tokens.access_expires_at,
            refresh_expires_at: tokens.refresh_expires_at,
            hard_expires_at: tokens.hard_expires_at,
            keys_made_at: tokens.keys_made_at,
        })
    }
}
