//! One refresh, from lease to release.

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;

use super::{
    AttemptLog, Breakers, Budget, LeaseOutcome, LeasePurpose, RecoveryQueue, RefreshLease, RefreshOutcome,
    RefreshPolicy, RefreshQueue, RefreshReport, RefreshStore, Trigger,
    policy::{JOIN, LEASE_MARGIN, earlier, later},
};
use crate::{
    audit::AuditLog,
    clock::Clock,
    connection::{Connection, ConnectionKey, ConnectionState, ConnectionStore, Due, Lease, SealedTokens},
    entropy::Entropy,
    event::EventBus,
    id::{AttemptId, Ids},
    provider::Provider,
    sealing::TokenSealer,
    store::StoreError,
    token::{Revocation, TokenEndpoint},
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
    /// What all workers know of each provider.
    pub breakers: Breakers,
    /// Opens and seals.
    pub sealer: TokenSealer,
    /// Where a message waits that comes back if this worker does not.
    pub queue: Arc<dyn RefreshQueue>,
    /// Where a token set goes that the table does not take.
    pub recovery: Arc<dyn RecoveryQueue>,
    /// The history.
    pub attempts: Arc<dyn AttemptLog>,
    /// The bus.
    pub bus: Arc<dyn EventBus>,
    /// The audit log.
    pub audit: Arc<dyn AuditLog>,
    /// Time, as near to the table's as can be: leases are judged by it.
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
    /// What set the attempt off, as the history has it: whoever follows a worker that never ended recovers.
    pub(super) trigger: Trigger,
    /// What the caller asked for.
    pub(super) asked: Trigger,
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

    /// When the next call is within the provider's budget for one refresh token; none when it is now.
    fn over_budget(&self) -> Option<Timestamp> {
        Budget::of(self.before.provider)?.free_at(&self.before.calls, self.started_at)
    }

    /// Whether the attempt before this one never ended, so that its token may have been spent.
    pub(super) fn follows_unknown(&self) -> bool {
        self.lease.purpose == LeasePurpose::Refresh && self.before.lease.is_some()
    }

    /// When the tokens were last used, now that this refresh is wanted.
    pub(super) fn used_at(&self) -> Timestamp {
        match self.asked {
            Trigger::OnDemand | Trigger::Manual => self.started_at,
            Trigger::Scheduled | Trigger::Recovery => self.before.used_at,
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
        if trigger == Trigger::Recovery
            && let Some(outcome) = self.not_to_recover(key).await?
        {
            return Ok(RefreshReport::new(key, None, outcome));
        }
        if !self.has_time(deadline) {
            return Ok(RefreshReport::new(key, None, RefreshOutcome::NoTime));
        }
        let held = match self.lease(key, trigger, LeasePurpose::Refresh).await? {
            Ok(held) => held,
            Err(Unleased::Held { until }) => return self.join(key, trigger, started_at, until).await,
            Err(Unleased::NotRefreshable { state }) => {
                return Ok(RefreshReport::new(key, None, RefreshOutcome::NotRefreshable { state }));
            }
            Err(Unleased::Missing) => return Ok(RefreshReport::new(key, None, RefreshOutcome::Missing)),
        };
        let report = |outcome| Ok(RefreshReport::new(key, Some(&held.before), outcome));
        let Some(tokens) = held.before.tokens.clone() else {
            self.release(&held, None, deadline).await?;
            return report(RefreshOutcome::NotRefreshable { state: held.before.state });
        };
        if !self.is_wanted(&held, &tokens) {
            let due = self.due_unchanged(&held, &tokens);
            self.release(&held, Some(due), deadline).await?;
            return report(RefreshOutcome::Fresh);
        }
        if let Some(until) = held.over_budget() {
            tracing::info!("Calls for this refresh token are spent for now");
            self.release(&held, Some(Due::At(until)), deadline).await?;
            return report(RefreshOutcome::OverBudget { until });
        }
        if let Some(until) = self.breakers.held_back(held.before.provider).await {
            let retry_at = self.after_opening(until);
            self.release(&held, Some(Due::At(retry_at)), deadline).await?;
            return report(RefreshOutcome::HeldBack { until: retry_at });
        }
        self.attempt(&held, &tokens, deadline).await
    }

    /// Puts the clock right where no answer of the table has yet: by a clock that is wrong a lease of another worker may
    /// look as if it had ended, and the time that is left as if there were more of it.
    pub async fn set_clock(&self) -> Result<(), StoreError> {
        if self.clock.is_set() {
            return Ok(());
        }
        // Any read will do, and this one is of use to the refreshes that follow.
        self.breakers.health(Provider::QuickBooks).await;
        if self.clock.is_set() {
            return Ok(());
        }
        Err(StoreError::Unavailable {
            operation: "set_clock",
            source: "the table did not say what time it is".into(),
        })
    }

    /// Takes the lease for a purpose, or says why it cannot be had.
    pub(super) async fn lease(
        &self,
        key: &ConnectionKey,
        trigger: Trigger,
        purpose: LeasePurpose,
    ) -> Result<Result<Held, Unleased>, StoreError> {
        self.set_clock().await?;
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
                let asked = trigger;
                let trigger = if before.lease.is_some() { Trigger::Recovery } else { asked };
                let (attempt, lease_ends) = (lease.attempt, lease.expires_at);
                Ok(Held { lease: taken, lease_ends, attempt, started_at, trigger, asked, before: *before })
            }
            LeaseOutcome::Held { until } => Err(Unleased::Held { until }),
            LeaseOutcome::NotRefreshable { state } => Err(Unleased::NotRefreshable { state }),
            LeaseOutcome::Missing => Err(Unleased::Missing),
        })
    }

    /// Why there is nothing to recover, or not yet: a read, so that the message that watches over a refresh costs no write
    /// where all went well, and an intent stays while its provider cannot be asked.
    async fn not_to_recover(&self, key: &ConnectionKey) -> Result<Option<RefreshOutcome>, StoreError> {
        let Some(connection) = self.connections.find(key).await?.filter(|found| found.lease.is_some()) else {
            return Ok(Some(RefreshOutcome::Fresh));
        };
        let now = self.clock.now();
        let open_until = self.breakers.health(connection.provider).await.breaker.state.until();
        Ok(open_until.filter(|until| *until > now).map(|until| RefreshOutcome::Running { until }))
    }

    /// Whether the stored token set calls for a refresh, or a person's wish does.
    fn is_wanted(&self, held: &Held, tokens: &SealedTokens) -> bool {
        let (now, before) = (held.started_at, &held.before);
        let wanted = match held.trigger {
            // Another worker may have recovered it since it was looked at.
            Trigger::Recovery => before.lease.is_some(),
            Trigger::Scheduled => self.policy.of(before).is_due(before.due, tokens, before.used_at, now),
            Trigger::OnDemand => self.policy.needs_refresh(tokens, now),
            Trigger::Manual => !tokens.refreshed || now >= later(tokens.issued_at, JOIN),
        };
        tracing::debug!(wanted, trigger = held.trigger.as_str(), "Refresh decision");
        wanted
    }

    /// Where a connection is found next that needed nothing: where it was, unless nobody uses it any more, or nothing says
    /// when.
    fn due_unchanged(&self, held: &Held, tokens: &SealedTokens) -> Due {
        let before = &held.before;
        let policy = self.policy.of(before);
        let is_warm = policy.is_warm(held.used_at(), held.started_at);
        match before.due {
            Some(Due::Slot(_)) if !is_warm => {
                let at = policy.keep_alive_at(tokens, &*self.entropy);
                // One that fell idle long after its last refresh is not kept waiting for the past.
                Due::At(at.max(later(held.started_at, JOIN)))
            }
            Some(due) => due,
            None => policy.next(&before.key.connection, tokens, held.used_at(), &*self.entropy),
        }
    }

    /// Whether there is time to hear the answer of what is sent now.
    pub(super) fn has_time(&self, deadline: Timestamp) -> bool {
        later(self.clock.now(), self.policy.post_timeout) <= deadline
    }

    pub(super) fn ids(&self) -> Ids<'_> {
        Ids::new(&*self.clock, &*self.entropy)
    }
}
