//! One refresh, from lease to release.

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{
    AttemptFailure, AttemptLog, Ending, FailureClass, LeaseOutcome, LeasePurpose, RefreshAttempt,
    RefreshLease, RefreshOutcome, RefreshPolicy, RefreshReport, RefreshStore, SettleError, Settlement,
    Trigger,
    policy::{JOIN, LEASE_MARGIN, earlier, later},
    verdict,
};
use crate::{
    audit::AuditLog,
    clock::Clock,
    connection::{Connection, ConnectionKey, ConnectionState, ConnectionStore, Lease, SealedTokens},
    entropy::Entropy,
    event::{Event, EventBus, EventKind, announce},
    id::{AttemptId, Ids},
    provider::Provider,
    sealing::{KeyError, MAX_KEY_AGE, OpenedRefresh, TokenSealer, UnsealError},
    store::{StoreError, chain},
    token::{Revocation, TokenEndpoint, TokenEndpointError, TokenSet},
};

/// Refreshes connections.
pub struct Refresher {
    /// Where leases and tokens are.
    pub store: Arc<dyn RefreshStore>,
    /// Where a waiter looks.
    pub connections: Arc<dyn ConnectionStore>,
    /// The token endpoint of each provider that is configured.
    pub endpoints: HashMap<Provider, Arc<dyn TokenEndpoint>>,
    /// How each provider that is configured ends a grant.
    pub revocations: HashMap<Provider, Arc<dyn Revocation>>,
    /// Opens and seals.
    pub sealer: TokenSealer,
    /// The history.
    pub attempts: Arc<dyn AttemptLog>,
    /// The bus.
    pub bus: Arc<dyn EventBus>,
    /// The audit log.
    pub audit: Arc<dyn AuditLog>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// The times that govern refreshing.
    pub policy: RefreshPolicy,
    /// Names this worker in leases.
    pub owner: String,
}

/// A lease in hand, with what it was taken for.
pub(super) struct Held {
    pub(super) lease: RefreshLease,
    pub(super) lease_ends: Timestamp,
    pub(super) attempt: AttemptId,
    pub(super) started_at: Timestamp,
    pub(super) trigger: Trigger,
    pub(super) before: Connection,
}

/// Why there is no lease.
pub(super) enum Unleased {
    /// Another worker holds it.
    Held {
        /// Until when.
        until: Timestamp,
    },
    /// The connection is in a state in which none is given for this purpose.
    NotRefreshable {
        /// That state.
        state: ConnectionState,
    },
    /// There is no such connection.
    Missing,
}

impl Held {
    /// The end of the time for working under this lease.
    pub(super) fn until(&self, deadline: Timestamp) -> Timestamp {
        deadline.min(earlier(self.lease_ends, LEASE_MARGIN))
    }

    /// The attempt as it goes into the history.
    fn record(&self, completed_at: Timestamp, failure: Option<AttemptFailure>) -> RefreshAttempt {
        RefreshAttempt {
            id: self.attempt.clone(),
            key: self.before.key.clone(),
            provider: self.before.provider,
            trigger: self.trigger,
            started_at: self.started_at,
            completed_at,
            failure,
            retry: self.before.attempts.failed_in_a_row,
        }
    }
}

impl Refresher {
    /// Refreshes one connection if it needs it, and leaves it settled before `deadline`.
    ///
    /// Never returns with a refresh pending: the caller may stop right after.
    pub async fn refresh(
        &self,
        key: &ConnectionKey,
        trigger: Trigger,
        deadline: Timestamp,
    ) -> Result<RefreshReport, StoreError> {
        let started_at = self.clock.now();
        let held = match self.lease(key, trigger, LeasePurpose::Refresh).await? {
            Ok(held) => held,
            Err(Unleased::Held { until }) => return self.join(key, trigger, started_at, until).await,
            Err(Unleased::NotRefreshable { state }) => {
                return Ok(RefreshReport::new(key, None, RefreshOutcome::NotRefreshable { state }));
            }
            Err(Unleased::Missing) => return Ok(RefreshReport::new(key, None, RefreshOutcome::Missing)),
        };
        let Some(tokens) = held.before.tokens.clone() else {
            self.release(&held, None, deadline).await?;
            let state = held.before.state;
            return Ok(RefreshReport::new(key, Some(&held.before), RefreshOutcome::NotRefreshable { state }));
        };
        if held.trigger != Trigger::Recovery && !self.is_wanted(trigger, &tokens, started_at) {
            let due_at = self.policy.due_at(tokens.issued_at, tokens.access_expires_at, &*self.entropy);
            self.release(&held, Some(due_at), deadline).await?;
            return Ok(RefreshReport::new(key, Some(&held.before), RefreshOutcome::Fresh));
        }
        self.attempt(&held, &tokens, deadline).await
    }

    /// Takes the lease for a purpose, or says why it cannot be had.
    pub(super) async fn lease(
        &self,
        key: &ConnectionKey,
        trigger: Trigger,
        purpose: LeasePurpose,
    ) -> Result<Result<Held, Unleased>, StoreError> {
        let started_at = self.clock.now();
        let lease = Lease {
            owner: self.owner.clone(),
            expires_at: later(started_at, self.policy.lease),
            attempt: self.ids().attempt(),
            spends: String::new(),
            started_at,
        };
        Ok(match self.store.take_lease(key, &lease, purpose).await? {
            LeaseOutcome::Taken { lease: taken, before } => {
                // A worker before us that wrote its intent and never ended may have spent its token, or not.
                let trigger = if before.lease.is_some() { Trigger::Recovery } else { trigger };
                let (attempt, lease_ends) = (lease.attempt, lease.expires_at);
                Ok(Held { lease: taken, lease_ends, attempt, started_at, trigger, before: *before })
            }
            LeaseOutcome::Held { until } => Err(Unleased::Held { until }),
            LeaseOutcome::NotRefreshable { state } => Err(Unleased::NotRefreshable { state }),
            LeaseOutcome::Missing => Err(Unleased::Missing),
        })
    }

    /// Opens, posts, saves; then tells of it.
    pub(super) async fn attempt(
        &self,
        held: &Held,
        tokens: &SealedTokens,
        deadline: Timestamp,
    ) -> Result<RefreshReport, StoreError> {
        // Whatever is stored is stored before anybody else may take the lease.
        let deadline = held.until(deadline);
        let answer = self.spend(held, tokens, deadline).await;
        // Nothing may come between the provider's answer and this write.
        let (ending, due_at, failure) = match answer {
            Ok((opened, answer)) => match self.rotated(held, tokens, &opened, &answer) {
                Ok(rotated) => {
                    let due =
                        self.policy.due_at(rotated.issued_at, rotated.access_expires_at, &*self.entropy);
                    (Ending::Rotated(Box::new(rotated)), Some(due), None)
                }
                Err(failure) => (Ending::Unknown, Some(held.lease_ends), Some(failure)),
            },
            Err(AttemptError { failure, retry_after }) => self.failed(held, failure, retry_after),
        };
        let completed_at = self.clock.now();
        let record = held.record(completed_at, failure.clone());
        let expires_at = match &ending {
            Ending::Rotated(rotated) => rotated.access_expires_at,
            _ => tokens.access_expires_at,
        };
        let settlement = Settlement {
            ending,
            due_at,
            duration_ms: Some(record.duration_ms()),
            write_id: self.ids().write(),
        };
        let settled = self.settle(held, &settlement, deadline).await;
        let record = match settled {
            Ok(()) => record,
            Err(SettleError::LeaseLost) => RefreshAttempt {
                failure: Some(AttemptFailure { class: FailureClass::LostRace, code: None, trace_id: None }),
                ..record
            },
            Err(SettleError::Store(error)) => return Err(error),
        };
        self.tell(held, &record, expires_at).await;
        Ok(RefreshReport {
            key: held.before.key.clone(),
            provider: Some(held.before.provider),
            expires_at: Some(expires_at),
            duration_ms: Some(record.duration_ms()),
            outcome: match record.failure {
                None => RefreshOutcome::Refreshed,
                Some(failure) => RefreshOutcome::Failed { failure, retry_at: due_at },
            },
        })
    }

    /// Spends the current refresh token; where it is refused, the previous one within its grace.
    async fn spend(
        &self,
        held: &Held,
        tokens: &SealedTokens,
        deadline: Timestamp,
    ) -> Result<(OpenedRefresh, TokenSet), AttemptError> {
        let connection = &held.before;
        let endpoint = self.endpoints.get(&connection.provider).ok_or_else(AttemptError::not_configured)?;
        let mut opened = self
            .sealer
            .open_refresh(connection, tokens)
            .await
            .map_err(|error| AttemptError::unseal(&error))?;
        if self.clock.now() >= later(tokens.keys_made_at, MAX_KEY_AGE) {
            let renewed = self.sealer.renew_keys(connection, opened).await;
            opened = renewed.map_err(|error| AttemptError::unseal(&UnsealError::Key(error)))?;
        }
        self.has_time(deadline)?;
        let location = connection.location.as_ref();
        let refused = match endpoint.refresh(&opened.token, location).await {
            Ok(answer) => return Ok((opened, answer)),
            Err(error) => error,
        };
        let previous_usable =
            tokens.previous.as_ref().is_some_and(|previous| self.clock.now() < previous.usable_until);
        if !matches!(refused, TokenEndpointError::GrantRefused(_)) || !previous_usable {
            return Err(AttemptError::provider(&refused));
        }
        // Without having tried `previous` a verdict would lack evidence.
        self.has_time(deadline)?;
        let Some(previous) = self
            .sealer
            .open_previous(connection, tokens)
            .await
            .map_err(|error| AttemptError::unseal(&error))?
        else {
            return Err(AttemptError::provider(&refused));
        };
        match endpoint.refresh(&previous.token, location).await {
            Ok(answer) => Ok((previous, answer)),
            Err(TokenEndpointError::GrantRefused(_)) => Err(AttemptError::provider(&refused)),
            Err(error) => Err(AttemptError::provider(&error)),
        }
    }

    /// Refuses to send what there is no time left to hear the answer of.
    pub(super) fn has_time(&self, deadline: Timestamp) -> Result<(), AttemptError> {
        if later(self.clock.now(), self.policy.post_timeout) <= deadline {
            return Ok(());
        }
        tracing::warn!("No time is left for a request to the provider");
        Err(AttemptError::passing("no_time_left"))
    }

    /// Whether a stored token set calls for a refresh, or a person's wish does.
    fn is_wanted(&self, trigger: Trigger, tokens: &SealedTokens, now: Timestamp) -> bool {
        let needs_refresh = match trigger {
            Trigger::Scheduled => self.policy.is_due(tokens, now),
            _ => self.policy.needs_refresh(tokens, now),
        };
        let just_refreshed = tokens.refreshed && now < later(tokens.issued_at, JOIN);
        tracing::debug!(needs_refresh, just_refreshed, trigger = trigger.as_str(), "Refresh decision");
        needs_refresh || (trigger == Trigger::Manual && !just_refreshed)
    }

    /// History and events, after everything that matters is stored; their failure is logged and nothing more.
    async fn tell(&self, held: &Held, record: &RefreshAttempt, expires_at: Timestamp) {
        if let Err(error) = self.attempts.record(record).await {
            tracing::error!(error = chain(&error), "Attempt is not in the history");
        }
        let class = record.failure.as_ref().map(|failure| failure.class);
        let mut kinds = vec![match class {
            None => EventKind::TokenRefreshed,
            Some(_) => EventKind::TokenRefreshFailed,
        }];
        // Nobody is asked to connect again what is being ended.
        if class == Some(FailureClass::Dead) && held.lease.purpose == LeasePurpose::Refresh {
            kinds.push(EventKind::ConnectionReconnectRequired);
        }
        for kind in kinds {
            let mut event = Event::new(kind, &record.key, record.provider, record.completed_at);
            event.expires_at = class.is_none().then_some(expires_at);
            event.error_code = class.map(|class| class.as_str().to_owned());
            announce(&*self.bus, &event).await;
        }
    }

    pub(super) fn ids(&self) -> Ids<'_> {
        Ids::new(&*self.clock, &*self.entropy)
    }
}

/// Why no token set was had, already judged.
pub(super) struct AttemptError {
    pub(super) failure: AttemptFailure,
    pub(super) retry_after: Option<Duration>,
}

impl AttemptError {
    fn provider(error: &TokenEndpointError) -> Self {
        tracing::warn!(error = chain(error), "Provider gave no token set");
        let (failure, retry_after) = verdict::of(error);
        Self { failure, retry_after }
    }

    pub(super) fn unseal(error: &UnsealError) -> Self {
        if let UnsealError::Key(KeyError::Unavailable(_)) = error {
            tracing::warn!(error = chain(error), "Key service did not answer");
            return Self::passing("key_service_unavailable");
        }
        Self { failure: verdict::own(FailureClass::Sealing, error), retry_after: None }
    }

    /// A failure of our own side that will pass; nothing was sent.
    pub(super) fn passing(code: &str) -> Self {
        Self::ours(FailureClass::Transient, code)
    }

    /// The provider is not configured here, which says nothing about its grants.
    pub(super) fn not_configured() -> Self {
        Self::ours(FailureClass::Configuration, "provider_not_configured")
    }

    fn ours(class: FailureClass, code: &str) -> Self {
        let failure = AttemptFailure { class, code: Some(code.to_owned()), trace_id: None };
        Self { failure, retry_after: None }
    }
}
