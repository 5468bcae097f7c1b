//! One attempt with its effects: opens, posts, saves; then tells of it. What follows from what is in `course`.

use std::time::Duration;

use futures::future;
use jiff::Timestamp;

use super::{
    AttemptFailure, Delayed, Ending, FailureClass, RefreshMessage, RefreshOutcome, RefreshReport, Refresher,
    SettleError, Trigger,
    breakers::Heard,
    course::{Outcome, Sending, Step, Which},
    engine::Held,
    policy::later,
    verdict,
};
use crate::{
    connection::{ConnectionKey, SealedTokens},
    entropy,
    sealing::{KeyError, MAX_KEY_AGE, OpenedRefresh, UnsealError},
    store::{StoreError, chain},
    token::{TokenEndpointError, TokenSet},
};

/// Jitter of the waits between tries, in milliseconds.
const TRY_JITTER_MS: u64 = 1000;
/// How long after its lease the message comes that watches over a refresh.
const WATCH_AFTER: Duration = Duration::from_secs(5);
/// The refresh tokens of one attempt in the clear, for as long as it takes.
pub(super) struct Hand {
    pub(super) current: OpenedRefresh,
    pub(super) previous: Option<OpenedRefresh>,
    /// When something was sent.
    pub(super) calls: Vec<Timestamp>,
    /// Whether the provider failed, rather than refused.
    failed: bool,
    /// Whether this attempt is counted among those that failed at the provider.
    pub(super) counted: bool,
}

impl Refresher {
    /// Opens, posts, saves; then tells of it.
    pub(super) async fn attempt(
        &self,
        held: &Held,
        tokens: &SealedTokens,
        deadline: Timestamp,
    ) -> Result<RefreshReport, StoreError> {
        // Whatever is stored is stored before anybody else may take the lease.
        let deadline = held.until(deadline);
        let (outcome, hand) = match self.open(held, tokens).await {
            Ok(current) => {
                let mut hand = Hand { current, previous: None, calls: vec![], failed: false, counted: false };
                (self.spend(held, tokens, &mut hand, deadline).await, Some(hand))
            }
            Err(AttemptError { failure, retry_after }) => (Outcome::Failed(failure, retry_after), None),
        };
        // Nothing may come between the provider's answer and this write.
        if let Outcome::Untried = outcome {
            self.release(held, held.before.due, deadline).await?;
            return Ok(RefreshReport::new(&held.before.key, Some(&held.before), RefreshOutcome::NoTime));
        }
        let out_until = match outcome {
            Outcome::Rotated(..) => None,
            _ => self.breakers.out_until(held.before.provider).await,
        };
        let counts = hand.as_ref().is_some_and(|hand| !hand.calls.is_empty() && !hand.counted);
        let ended = self.ended(held, tokens, (outcome, out_until), hand);
        let saved = self.settle(held, &ended.settlement, deadline).await;
        let (expires_at, retry_at) = (ended.notices.expires_at, ended.retry_at);
        if matches!(ended.settlement.ending, Ending::Unknown) && held.asked == Trigger::Scheduled {
            // The message that brought us is done with this attempt, and a grace may be over before the sweep comes by.
            self.watch(&held.before.key).await;
        }
        let (record, told) = match saved {
            Err(SettleError::Store(error)) => return Err(error),
            Ok(()) if ended.settlement.attempt.is_some() => (ended.record, ended.notices),
            Ok(()) | Err(SettleError::LeaseLost | SettleError::Replaced) => ended.lost_race(),
        };
        self.tell(held, (&record, told), counts).await;
        Ok(RefreshReport {
            key: held.before.key.clone(),
            provider: Some(held.before.provider),
            expires_at: Some(expires_at.unwrap_or(tokens.access_expires_at)),
            duration_ms: Some(record.duration_ms()),
            replaced_left: record
                .failure
                .is_none()
                .then(|| tokens.access_expires_at.duration_since(record.completed_at)),
            outcome: match record.failure {
                None => RefreshOutcome::Refreshed,
                Some(AttemptFailure { class: FailureClass::LostRace, .. }) => RefreshOutcome::Fresh,
                Some(failure) => RefreshOutcome::Failed { failure, retry_at },
            },
        })
    }

    /// Goes the course of an attempt to its end.
    async fn spend(
        &self,
        held: &Held,
        tokens: &SealedTokens,
        hand: &mut Hand,
        deadline: Timestamp,
    ) -> Outcome {
        let provider = held.before.provider;
        let _place = self.breakers.place(provider).await;
        let mut step = Sending::first();
        loop {
            step = match step {
                Step::Send(sending) if !self.has_time(deadline) => {
                    tracing::warn!("No time is left for a request to the provider");
                    sending.too_late(AttemptError::passing("no_time_left").failure)
                }
                Step::Send(sending) => match self.token(held, tokens, hand, sending.which()).await {
                    Ok(()) => {
                        let answer = self.post(held, hand, sending.which()).await;
                        let jitter = entropy::up_to(&*self.entropy, TRY_JITTER_MS);
                        sending.heard(answer, Duration::from_millis(jitter))
                    }
                    Err(AttemptError { failure, .. }) => sending.given_up(failure),
                },
                Step::Wait(sending, wait) => {
                    self.clock.sleep(wait).await;
                    let is_open = self.breakers.held_back(provider).await.is_some();
                    if is_open {
                        sending.given_up(AttemptError::passing("circuit_open").failure)
                    } else {
                        Step::Send(sending)
                    }
                }
                Step::Reread(refused) => match self.connections.find(&held.before.key).await {
                    Ok(found) => {
                        let stored = found.as_ref().and_then(|connection| connection.tokens.as_ref());
                        refused.found(tokens, stored, self.clock.now())
                    }
                    Err(error) => {
                        tracing::warn!(error = chain(&error), "Connection could not be read again");
                        Step::End(Outcome::Failed(AttemptError::passing("store_unavailable").failure, None))
                    }
                },
                Step::Judge(condemned) => {
                    hand.counted = true;
                    let connection = &held.before.key.connection;
                    condemned.judged(self.breakers.is_outage(provider, connection).await)
                }
                Step::End(outcome) => break outcome,
            };
        }
    }

    /// Opens the current refresh token, with keys to seal the answer with, and leaves a message behind that comes back if
    /// this worker does not: where the queue sent us, it brings its own message again.
    async fn open(&self, held: &Held, tokens: &SealedTokens) -> Result<OpenedRefresh, AttemptError> {
        self.endpoint(held)?;
        let connection = &held.before;
        let opening = async {
            let opened = self.sealer.open_refresh(connection, tokens).await.map_err(AttemptError::from)?;
            if self.clock.now() < later(tokens.keys_made_at, MAX_KEY_AGE) {
                return Ok(opened);
            }
            let renewed = self.sealer.renew_keys(connection, opened).await;
            renewed.map_err(|error| UnsealError::Key(error).into())
        };
        let watching = async {
            if held.asked != Trigger::Scheduled {
                self.watch(&connection.key).await;
            }
        };
        let (opened, ()) = future::join(opening, watching).await;
        opened
    }

    /// Leaves a message behind that comes when our lease has ended, and goes on with what we did not end.
    pub(super) async fn watch(&self, key: &ConnectionKey) {
        let message = RefreshMessage::new(vec![key.clone()], Trigger::Recovery);
        let delay = self.policy.lease + WATCH_AFTER;
        if let Err(error) = self.queue.send(&[Delayed { message, delay }]).await {
            // The sweep comes by in any case, only later.
            tracing::warn!(error = chain(&error), "Nothing watches over this worker");
        }
    }

    /// Puts the token that is to be sent into the hand.
    async fn token(
        &self,
        held: &Held,
        tokens: &SealedTokens,
        hand: &mut Hand,
        which: Which,
    ) -> Result<(), AttemptError> {
        if which == Which::Previous && hand.previous.is_none() {
            hand.previous =
                self.sealer.open_previous(&held.before, tokens).await.map_err(AttemptError::from)?;
        }
        Ok(())
    }

    /// Sends a refresh token. What the answer says of the provider is told at once only where nothing waits to be saved.
    async fn post(&self, held: &Held, hand: &mut Hand, which: Which) -> Result<TokenSet, TokenEndpointError> {
        let opened = match which {
            Which::Current => &hand.current,
            Which::Previous => hand.previous.as_ref().unwrap_or(&hand.current),
        };
        let endpoint = &self.endpoints[&held.before.provider];
        hand.calls.push(self.clock.now());
        let answer = endpoint.refresh(&opened.token, held.before.location.as_ref()).await;
        match &answer {
            Err(error) if !error.is_of_provider() => {
                self.breakers.heard(held.before.provider, Heard::Answer).await;
            }
            // Once an attempt, so that one connection which the provider cannot digest does not stop all others.
            Err(_) if !hand.failed => {
                hand.failed = true;
                self.breakers.heard(held.before.provider, Heard::Failure).await;
            }
            Ok(_) | Err(_) => {}
        }
        answer
    }

    fn endpoint(&self, held: &Held) -> Result<(), AttemptError> {
        let is_configured = self.endpoints.contains_key(&held.before.provider);
        is_configured.then_some(()).ok_or_else(AttemptError::not_configured)
    }
}

/// Why nothing was sent, or no more, already judged.
pub(super) struct AttemptError {
    pub(super) failure: AttemptFailure,
    pub(super) retry_after: Option<Duration>,
}

impl From<UnsealError> for AttemptError {
    fn from(error: UnsealError) -> Self {
        if let UnsealError::Key(KeyError::Unavailable(_)) = &error {
            tracing::warn!(error = chain(&error), "Key service did not answer");
            return Self::passing("key_service_unavailable");
        }
        Self { failure: verdict::own(FailureClass::Sealing, &error), retry_after: None }
    }
}

impl AttemptError {
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
