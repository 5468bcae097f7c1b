//! Ending an attempt: what is stored, and storing it whatever the table does.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    AttemptFailure, Attempted, Budget, ChainLink, Ending, FailureClass, LeasePurpose, RefreshAttempt,
    Refresher, SPILL_VERSION, SettleError, Settlement, SpilledTokens, Trigger,
    course::{Outcome, Which},
    engine::Held,
    notice::{self, Limit},
    policy::{self, later},
    spend::Hand,
    verdict,
};
use crate::{
    connection::{ChainHead, Due, LastAttempt, PreviousRefresh, SealedTokens},
    entropy,
    sealing::{OpenedRefresh, fingerprint},
    store::{StoreError, chain},
    token::TokenSet,
};

/// The first wait between tries to store a settlement; doubled each time.
const SAVE_RETRY: Duration = Duration::from_millis(100);
/// The longest wait between tries to store a settlement.
const MAX_SAVE_RETRY: Duration = Duration::from_secs(2);
/// Tries after which a new token set goes to the recovery queue as well. Not at the end of the time that is left: a worker
/// that is killed while it tries would take the only copy with it.
const SPILL_AFTER: u32 = 2;
/// Connections that a breaker held back come again within this time after it may close, each at a time of its own.
const AFTER_OPENING: Duration = Duration::from_mins(1);

/// An attempt that has ended, as it is to be stored and told.
pub(super) struct Ended {
    pub(super) settlement: Settlement,
    pub(super) record: RefreshAttempt,
    pub(super) retry_at: Option<Timestamp>,
    pub(super) notices: Told,
}

/// Whom to tell of what, once it is stored.
pub(super) struct Told {
    /// The attempt of a worker before us that it never recorded.
    pub(super) lost: Option<RefreshAttempt>,
    /// Ends that come near.
    pub(super) near: Vec<(Limit, Timestamp)>,
    /// Whether the access token has ended meanwhile.
    pub(super) expired: bool,
    /// When the new access token ends.
    pub(super) expires_at: Option<Timestamp>,
}

impl Ended {
    /// Somebody else's attempt came first: ours goes into the history, and adds nothing to it.
    pub(super) fn lost_race(self) -> (RefreshAttempt, Told) {
        let notices = Told { lost: None, near: vec![], expired: false, expires_at: None };
        (verdict::lost_race(self.record), notices)
    }
}

impl Refresher {
    /// What an outcome means for the connection.
    pub(super) fn ended(
        &self,
        held: &Held,
        tokens: &SealedTokens,
        (outcome, out_until): (Outcome, Option<Timestamp>),
        hand: Option<Hand>,
    ) -> Ended {
        let (calls, sealed) = match (outcome, hand) {
            (Outcome::Rotated(answer, which), Some(hand)) => {
                let Hand { current, previous, calls, .. } = hand;
                let spent = match which {
                    Which::Current => current,
                    Which::Previous => previous.unwrap_or(current),
                };
                // An answer that cannot be sealed, which none of those that are read as token sets is, stays unknown.
                (calls, self.rotated(held, tokens, &spent, &answer).map_err(Outcome::Unknown))
            }
            (outcome, hand) => (hand.map(|hand| hand.calls).unwrap_or_default(), Err(outcome)),
        };
        let now = self.clock.now();
        let (ending, due, failure) = match sealed {
            Ok(rotated) => {
                let due = self.next_due(held, &rotated);
                (Ending::Rotated(Box::new(rotated)), Some(due), None)
            }
            Err(outcome) => self.unrotated(held, tokens, (outcome, out_until)),
        };
        let retry_at = match due {
            Some(Due::At(at)) if failure.is_some() => Some(at),
            _ => None,
        };
        let standing = if let Ending::Rotated(rotated) = &ending { rotated } else { tokens };
        let mut told = held.before.notices;
        let notices = Told {
            // While a provider is out there is nothing that its customers could do.
            near: if out_until.is_some() { vec![] } else { notice::near_ends(&mut told, standing, now) },
            expired: failure.is_some() && out_until.is_none() && notice::expired(&mut told, standing, now),
            expires_at: failure.is_none().then_some(standing.access_expires_at),
            lost: None,
        };
        let (lost, record) = Self::records(held, failure, now);
        // Whoever replaced the token set has told of it.
        let is_ours = !matches!(&record.failure, Some(failure) if failure.class == FailureClass::LostRace);
        let attempt = is_ours.then(|| Attempted {
            duration_ms: record.duration_ms(),
            last: LastAttempt { id: record.id.clone(), ended_at: now, failure: record.failure.clone() },
            chain: record.link.map_or(held.before.chain, |link| link.head()),
            calls: counted_calls(held, calls, now),
            notices: told,
        });
        let settlement = Settlement { attempt, ..self.settlement(held, ending, due) };
        Ended { settlement, record, retry_at, notices: Told { lost, ..notices } }
    }

    /// The attempt as it goes into the history, after the one of a worker before us that was killed before it could.
    fn records(
        held: &Held,
        failure: Option<AttemptFailure>,
        now: Timestamp,
    ) -> (Option<RefreshAttempt>, RefreshAttempt) {
        let before = &held.before;
        let linked = |head: ChainHead, attempt: RefreshAttempt| {
            let link = ChainLink::after(head, &attempt);
            RefreshAttempt { link: Some(link), ..attempt }
        };
        let attempt = RefreshAttempt {
            id: held.attempt.clone(),
            key: before.key.clone(),
            provider: before.provider,
            trigger: held.trigger,
            started_at: held.started_at,
            completed_at: now,
            failure,
            retry: before.attempts.failed_in_a_row,
            link: None,
        };
        let recorded = before.last.as_ref().map(|last| &last.id);
        let lost = before.lease.as_ref().filter(|lease| recorded != Some(&lease.attempt)).map(|lease| {
            let failure = verdict::worker_lost();
            linked(
                before.chain,
                RefreshAttempt {
                    id: lease.attempt.clone(),
                    started_at: lease.started_at,
                    completed_at: lease.expires_at,
                    trigger: Trigger::Recovery,
                    failure: Some(failure),
                    ..attempt.clone()
                },
            )
        });
        let follows = lost.as_ref().and_then(|lost| lost.link).map_or(before.chain, |link| link.head());
        (lost, linked(follows, attempt))
    }

    /// The token set to store, sealed with the keys in hand.
    fn rotated(
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
            previous: previous.filter(|previous| now < previous.usable_until),
        })
    }

    /// What a failure means for the connection, and when to try again.
    fn unrotated(
        &self,
        held: &Held,
        tokens: &SealedTokens,
        (outcome, out_until): (Outcome, Option<Timestamp>),
    ) -> (Ending, Option<Due>, Option<AttemptFailure>) {
        // What fails because its provider is out is tried when that may be back: its own failures say nothing of it.
        let retry_at = |asked: Option<Duration>| match out_until {
            Some(until) if asked.is_none() => self.after_opening(until),
            _ => self.retry_at(held, asked),
        };
        match outcome {
            Outcome::Dead(failure) => {
                let reason = failure.code.clone().unwrap_or_else(|| "invalid_grant".to_owned());
                // While the connection is being ended, this is the news that lets it end at once.
                let is_ending = held.lease.purpose == LeasePurpose::Disconnect;
                let due = is_ending.then(|| Due::At(self.clock.now()));
                (Ending::Dead { reason, generation: tokens.generation }, due, Some(failure))
            }
            Outcome::Unknown(failure) => {
                let at = held.lease_ends.max(retry_at(None));
                (Ending::Unknown, Some(Due::At(at)), Some(failure))
            }
            Outcome::Replaced(failure, stored) => {
                let next = |tokens: &SealedTokens| self.next_turn(held, tokens);
                (Ending::Unchanged, stored.as_deref().map(next), Some(failure))
            }
            // What an attempt before us came to is as unknown as it was: its intent stays, too.
            Outcome::Failed(failure, asked) if held.follows_unknown() => {
                let at = held.lease_ends.max(retry_at(asked));
                (Ending::Unknown, Some(Due::At(at)), Some(failure))
            }
            Outcome::Failed(failure, asked) => {
                (Ending::Unchanged, Some(Due::At(retry_at(asked))), Some(failure))
            }
            // The one only with a hand, and then it is no longer here; the other ends before.
            Outcome::Rotated(..) | Outcome::Untried => {
                (Ending::Unknown, Some(Due::At(held.lease_ends)), None)
            }
        }
    }

    /// Where a connection is found next whose token set is good; one that is being ended goes on at once.
    fn next_due(&self, held: &Held, tokens: &SealedTokens) -> Due {
        match held.lease.purpose {
            LeasePurpose::Disconnect => Due::At(self.clock.now()),
            LeasePurpose::Refresh => self.next_turn(held, tokens),
        }
    }

    fn next_turn(&self, held: &Held, tokens: &SealedTokens) -> Due {
        let policy = self.policy.of(&held.before);
        policy.next(&held.before.key.connection, tokens, held.used_at(), &*self.entropy)
    }

    pub(super) fn retry_at(&self, held: &Held, asked: Option<Duration>) -> Timestamp {
        let failures = held.before.attempts.failed_in_a_row.saturating_add(1);
        policy::retry_at(self.clock.now(), failures, asked, &*self.entropy)
    }

    /// When a connection comes again that an open breaker held back.
    pub(super) fn after_opening(&self, until: Timestamp) -> Timestamp {
        let spread = u64::try_from(AFTER_OPENING.as_millis()).unwrap_or(u64::MAX);
        later(until, Duration::from_millis(entropy::up_to(&*self.entropy, spread)))
    }

    /// Gives a lease back without having attempted anything.
    pub(super) async fn release(
        &self,
        held: &Held,
        due: Option<Due>,
        deadline: Timestamp,
    ) -> Result<(), StoreError> {
        let settlement = self.settlement(held, Ending::Unchanged, due);
        match self.settle(held, &settlement, held.until(deadline)).await {
            Ok(()) | Err(SettleError::LeaseLost | SettleError::Replaced) => Ok(()),
            Err(SettleError::Store(error)) => Err(error),
        }
    }

    /// A settlement of something that was no attempt to refresh.
    pub(super) fn settlement(&self, held: &Held, ending: Ending, due: Option<Due>) -> Settlement {
        Settlement { ending, due, used_at: held.used_at(), attempt: None, write_id: self.ids().write() }
    }

    /// Stores a settlement, again and again for all the time that is left; a new token set also in its second place.
    pub(super) async fn settle(
        &self,
        held: &Held,
        settlement: &Settlement,
        deadline: Timestamp,
    ) -> Result<(), SettleError> {
        let mut wait = SAVE_RETRY;
        let (mut tries, mut is_spilled) = (0, false);
        loop {
            let error = match self.store.settle(&held.lease, settlement).await {
                Err(SettleError::Store(error)) => error,
                settled => return settled,
            };
            tries += 1;
            tracing::error!(error = chain(&error), "Settlement is not stored");
            if let Ending::Rotated(tokens) = &settlement.ending
                && tries >= SPILL_AFTER
                && !is_spilled
            {
                is_spilled = self.spill(held, tokens).await;
            }
            if later(self.clock.now(), wait) >= deadline {
                return Err(SettleError::Store(error));
            }
            self.clock.sleep(wait).await;
            wait = (wait * 2).min(MAX_SAVE_RETRY);
        }
    }

    async fn spill(&self, held: &Held, tokens: &SealedTokens) -> bool {
        let spent = held.before.tokens.as_ref();
        let spilled = SpilledTokens {
            v: SPILL_VERSION,
            key: held.before.key.clone(),
            fence: held.lease.fence,
            replaces: spent.map(|spent| spent.refresh_fingerprint.clone()).unwrap_or_default(),
            tokens: tokens.clone(),
        };
        match self.recovery.spill(&spilled).await {
            Ok(()) => {
                tracing::warn!("New token set is on the recovery queue");
                true
            }
            Err(error) => {
                tracing::error!(error = chain(&error), "New token set is in neither of its places yet");
                false
            }
        }
    }
}

/// The calls that count against a provider's budget: those before, the ones of a worker that was lost, and our own.
fn counted_calls(held: &Held, ours: Vec<Timestamp>, now: Timestamp) -> Vec<Timestamp> {
    let Some(budget) = Budget::of(held.before.provider) else { return vec![] };
    let before = &held.before;
    let recorded = before.last.as_ref().map(|last| &last.id);
    let lost = before.lease.as_ref().filter(|lease| recorded != Some(&lease.attempt));
    let lost = lost.map(|lease| lease.started_at);
    let all: Vec<_> = before.calls.iter().copied().chain(lost).chain(ours).collect();
    budget.counting(&all, now)
}
