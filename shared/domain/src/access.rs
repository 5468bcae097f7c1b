//! Access tokens for those who use them: a warm one is read and opened, a due one is renewed by the `refresh` function.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use thiserror::Error;

use crate::{
    clock::Clock,
    connection::{Connection, ConnectionKey, ConnectionState, ConnectionStore},
    id::Location,
    refresh::{RefreshInvoker, RefreshMessage, RefreshPolicy, RefreshResult, Trigger, policy::later},
    sealing::{TokenSealer, UnsealError},
    secret::AccessToken,
    store::{StoreError, chain},
};

/// How long a user of a token waits for a refresh; it goes on when the waiter gives up.
const WAIT: Duration = Duration::from_secs(20);
/// A token with more time left is used as it is: the sweep renews it meanwhile, and an outage of the provider then keeps
/// nobody waiting who has a good token in hand.
const RENEW_LEFT: Duration = Duration::from_mins(5);
/// A use is noted this long after the one before: a connection that is used once a day or more stays warm.
const USE_NOTED: Duration = Duration::from_hours(6);
/// A token with less time left is not handed out: a request may take that long.
pub(crate) const MIN_LEFT: Duration = Duration::from_mins(1);

/// Why there is no access token.
#[derive(Debug, Error)]
pub enum AccessError {
    /// There is no such connection.
    #[error("there is no such connection")]
    Missing,
    /// The connection is in a state without valid tokens.
    #[error("the connection is {0}")]
    NotUsable(ConnectionState),
    /// The token has ended and could not be renewed in time.
    #[error("the access token has ended and is not renewed yet")]
    Expired,
    /// The sealed token could not be opened.
    #[error("the sealed access token could not be opened")]
    Unseal(#[from] UnsealError),
    /// The store did not answer.
    #[error("the connection could not be read")]
    Store(#[from] StoreError),
}

/// What calling a provider's API takes.
#[derive(Clone, Debug)]
pub struct Access {
    /// A valid access token.
    pub token: AccessToken,
    /// The data center that holds the grant, where the provider has several.
    pub location: Option<Location>,
    /// What the grant allows.
    pub scopes: Vec<String>,
    /// When the token ends.
    pub expires_at: Timestamp,
}

/// Gives out access tokens.
pub struct AccessTokens {
    /// Where connections are.
    pub connections: Arc<dyn ConnectionStore>,
    /// Opens access tokens, with a cache of their data keys.
    pub sealer: TokenSealer,
    /// The one room where tokens are refreshed.
    pub refresh: Arc<dyn RefreshInvoker>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// When a token is due.
    pub policy: RefreshPolicy,
}

impl AccessTokens {
    /// A valid access token of the connection: one read and, when its data key is warm, no other call.
    pub async fn access_token(&self, key: &ConnectionKey) -> Result<Access, AccessError> {
        let connection = self.connections.find(key).await?.ok_or(AccessError::Missing)?;
        let now = self.clock.now();
        let is_due = connection.tokens.as_ref().is_some_and(|tokens| {
            self.policy.needs_refresh(tokens, now) && later(now, RENEW_LEFT) >= tokens.access_expires_at
        });
        if !is_due {
            let opened = self.open(&connection).await?;
            self.note_use(&connection, now).await;
            return Ok(access(opened, connection));
        }
        self.renew(key, Trigger::OnDemand).await;
        let connection = self.connections.find(key).await?.ok_or(AccessError::Missing)?;
        Ok(access(self.open(&connection).await?, connection))
    }

    /// Notes that the connection is used, which keeps it warm, a few times a day and not with each read; a refresh on
    /// demand notes it by itself.
    async fn note_use(&self, connection: &Connection, now: Timestamp) {
        if now < later(connection.used_at, USE_NOTED) {
            return;
        }
        if let Err(error) = self.connections.mark_used(&connection.key, now).await {
            tracing::warn!(error = chain(&error), "Use of the connection is not noted");
        }
    }

    /// Another access token in place of one that the provider just refused: the stored one, if somebody renewed it
    /// meanwhile, or a new one.
    pub async fn replacement(
        &self,
        key: &ConnectionKey,
        refused: &AccessToken,
    ) -> Result<AccessToken, AccessError> {
        let connection = self.connections.find(key).await?.ok_or(AccessError::Missing)?;
        let stored = self.open(&connection).await;
        if let Ok((stored, _)) = stored
            && stored.expose() != refused.expose()
        {
            return Ok(stored);
        }
        self.renew(key, Trigger::Manual).await;
        let connection = self.connections.find(key).await?.ok_or(AccessError::Missing)?;
        Ok(self.open(&connection).await?.0)
    }

    async fn renew(&self, key: &ConnectionKey, trigger: Trigger) {
        let message = RefreshMessage::new(vec![key.clone()], trigger);
        match self.refresh.invoke(&message, WAIT).await {
            Ok(Some(answers)) => {
                let renewed = |result| matches!(result, RefreshResult::Refreshed | RefreshResult::Fresh);
                if !answers.iter().any(|answer| renewed(answer.result)) {
                    tracing::warn!(?answers, "Token is not renewed");
                }
            }
            Ok(None) => tracing::warn!("Refresh takes longer than its waiter"),
            Err(error) => tracing::warn!(error = chain(&error), "Refresh could not be asked for"),
        }
    }

    /// The token, and when it ends.
    async fn open(&self, connection: &Connection) -> Result<(AccessToken, Timestamp), AccessError> {
        let tokens = connection.tokens.as_ref().filter(|_| connection.state.is_usable());
        let tokens = tokens.ok_or(AccessError::NotUsable(connection.state))?;
        if later(self.clock.now(), MIN_LEFT) >= tokens.access_expires_at {
            return Err(AccessError::Expired);
        }
        Ok((self.sealer.open_access(connection, tokens).await?, tokens.access_expires_at))
    }
}

fn access((token, expires_at): (AccessToken, Timestamp), connection: Connection) -> Access {
    Access { token, location: connection.location, scopes: connection.scopes, expires_at }
}
