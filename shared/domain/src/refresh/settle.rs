//! Ending an attempt: what is stored, and storing it whatever the table does.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    AttemptFailure, Ending, FailureClass, LeasePurpose, Refresher, SettleError, Settlement,
    engine::Held,
    policy::{self, later},
    verdict,
};
use crate::{
    connection::{PreviousRefresh, SealedTokens},
    sealing::{OpenedRefresh, fingerprint},
    store::{StoreError, chain},
    token::TokenSet,
};

/// The first wait between tries to store a settlement; doubled each time.
const SAVE_RETRY: Duration = Duration::from_millis(100);
/// The longest wait between tries to store a settlement.
const MAX_SAVE_RETRY: Duration = Duration::from_secs(2);
impl Refresher {
    /// The token set to store, sealed with the keys in hand.
    pub(super) fn rotated(
        &self,
        held: &Held,
        tokens: &SealedTokens,
        opened: &OpenedRefresh,
        answer: &TokenSet,
    ) -> Result<SealedTokens, AttemptFailure> {
        let generation = tokens.generation + 1;
        let pair = self
            .sealer
            .reseal(&held.before, opened, generation, answer)
            .map_err(|error| verdict::own(FailureClass::Sealing, &error))?;
        let now = self.clock.now();
        let refresh_fingerprint = fingerprint(&answer.refresh);
        let previous = if refresh_fingerprint == tokens.refresh_fingerprint {
            tokens.previous.clone()
        } else {
            Some(PreviousRefresh {
                refresh: opened.envelope.clone(),
                generation: opened.generation,
                usable_until: later(now, verdict::grace(held.before.provider)),
            })
        };
        let renewed = opened.has_new_keys();
        Ok(SealedTokens {
            generation,
            access: pair.access,
            refresh: pair.refresh,
            refresh_fingerprint,
            issued_at: now,
            refreshed: true,
            access_expires_at: answer.access_expires_at,
            refresh_expires_at: answer.refresh_expires_at,
            hard_expires_at: answer.hard_expires_at.or(tokens.hard_expires_at),
            keys_made_at: if renewed { now } else { tokens.keys_made_at },
            previous,
        })
    }

    /// What a failure means for the connection, and when to try again.
    pub(super) fn failed(
        &self,
        held: &Held,
        failure: AttemptFailure,
        retry_after: Option<Duration>,
    ) -> (Ending, Option<Timestamp>, Option<AttemptFailure>) {
        match failure.class {
            FailureClass::Dead => {
                let reason = failure.code.clone().unwrap_or_else(|| "invalid_grant".to_owned());
                // While the connection is being ended, this is the news that lets it end at once.
                let due_at = (held.lease.purpose == LeasePurpose::Disconnect).then(|| self.clock.now());
                (Ending::Dead { reason }, due_at, Some(failure))
            }
            FailureClass::Unknown => (Ending::Unknown, Some(held.lease_ends), Some(failure)),
            _ => {
                let failures = held.before.attempts.failed_in_a_row.saturating_add(1);
                let retry_at = policy::retry_at(self.clock.now(), failures, retry_after, &*self.entropy);
                (Ending::Unchanged, Some(retry_at), Some(failure))
            }
        }
    }

    /// Gives a lease back without having attempted anything.
    pub(super) async fn release(
        &self,
        held: &Held,
        due_at: Option<Timestamp>,
        deadline: Timestamp,
    ) -> Result<(), StoreError> {
        let settlement =
            Settlement { ending: Ending::Unchanged, due_at, duration_ms: None, write_id: self.ids().write() };
        match self.settle(held, &settlement, deadline).await {
            Ok(()) | Err(SettleError::LeaseLost) => Ok(()),
            Err(SettleError::Store(error)) => Err(error),
        }
    }

    /// Stores a settlement, again and again for all the time that is left.
    pub(super) async fn settle(
        &self,
        held: &Held,
        settlement: &Settlement,
        deadline: Timestamp,
    ) -> Result<(), SettleError> {
        let mut wait = SAVE_RETRY;
        loop {
            match self.store.settle(&held.lease, settlement).await {
                Err(SettleError::Store(error)) if later(self.clock.now(), wait) < deadline => {
                    tracing::error!(error = chain(&error), "Settlement is not stored yet, trying again");
                    self.clock.sleep(wait).await;
                    wait = (wait * 2).min(MAX_SAVE_RETRY);
                }
                settled => return settled,
            }
        }
    }
}
