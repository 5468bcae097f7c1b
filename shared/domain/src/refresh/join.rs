//! Waiting for a refresh that another worker is at.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    RefreshOutcome, RefreshReport, Refresher, Trigger,
    policy::{JOIN, later},
};
use crate::{
    connection::{ConnectionKey, SealedTokens},
    store::StoreError,
};

/// How long somebody who finds the lease held waits for its holder.
const JOIN_WAIT: Duration = Duration::from_secs(20);
/// How often a waiter looks.
const JOIN_POLL: Duration = Duration::from_millis(250);

impl Refresher {
    /// Waits a bounded time for the worker that holds the lease.
    pub(super) async fn join(
        &self,
        key: &ConnectionKey,
        trigger: Trigger,
        started_at: Timestamp,
        until: Timestamp,
    ) -> Result<RefreshReport, StoreError> {
        let running = RefreshOutcome::Running { until };
        if !matches!(trigger, Trigger::Manual | Trigger::OnDemand) {
            return Ok(RefreshReport::new(key, None, running));
        }
        let give_up = later(started_at, JOIN_WAIT);
        loop {
            let Some(connection) = self.connections.find(key).await? else {
                return Ok(RefreshReport::new(key, None, RefreshOutcome::Missing));
            };
            let ended = connection.lease.as_ref().is_none_or(|lease| lease.expires_at <= self.clock.now());
            let outcome = match (&connection.tokens, connection.state) {
                (_, state) if !state.is_refreshable() => RefreshOutcome::NotRefreshable { state },
                (Some(tokens), _) if ended && self.is_answered(trigger, tokens, started_at) => {
                    RefreshOutcome::Fresh
                }
                _ if ended || self.clock.now() >= give_up => running.clone(),
                _ => {
                    self.clock.sleep(JOIN_POLL).await;
                    continue;
                }
            };
            return Ok(RefreshReport::new(key, Some(&connection), outcome));
        }
    }

    /// Whether the worker that was waited for brought what the waiter wanted.
    fn is_answered(&self, trigger: Trigger, tokens: &SealedTokens, started_at: Timestamp) -> bool {
        let brought = tokens.refreshed && later(tokens.issued_at, JOIN) > started_at;
        brought || (trigger == Trigger::OnDemand && !self.policy.needs_refresh(tokens, self.clock.now()))
    }
}
