//! What became of events, and what that means for their message.

use std::time::Duration;

use jiff::Timestamp;

use super::Incoming;
use crate::{
    error::ErrorCode,
    sync::{LedgerError, RunError},
    webhook::{IN_PROGRESS_LIFE, Tally},
};

/// So often the queue of events hands a message out (its `maxReceiveCount`). The waits between grow from half a minute to
/// an hour, so that events outlast an outage of fifteen hours; at the last receive the message would go to the dead letters
/// without a reason, so it goes there with one.
pub const EVENT_RECEIVES: u32 = 20;
/// So often an object is asked for that fails alone, while others of its company can be had: within the three minutes until
/// then a stumbling provider stands again, and the company's other events wait no longer than that.
const OBJECT_RECEIVES: u32 = 3;
/// What waits for a provider's limits comes again when they allow it, and each time so much later at least, lest a provider
/// that throttles for long uses up the receives of a message within minutes: twenty outlast fourteen hours of it. A day's
/// limit takes three, since a message may wait for eleven hours.
const LIMIT_STEP: Duration = Duration::from_mins(5);
/// What was only not begun for want of time comes again after this: another worker has all of its own.
const SOON: Duration = Duration::from_secs(5);

/// Events were ignored, since nothing is done for their tenants at present.
const SUSPENDED: &str = "tenant_suspended";
/// The delivery had nothing that could be read.
const UNREADABLE: &str = "unreadable";

/// What became of one message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Consumed {
    /// What became of its events.
    pub tally: Tally,
    /// What is to become of it.
    pub next: Next,
}

/// What is to become of a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Next {
    /// It is done.
    Done,
    /// It is to come again.
    Again {
        /// After this time; without one it waits longer each time.
        after: Option<Duration>,
    },
    /// It is never done; it is kept for somebody to look at, with this reason.
    Bury(String),
}

/// What became of one event.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    Applied,
    Duplicate,
    Stale,
    UnknownCompany,
    Disconnected,
    /// Nothing is done for its tenants: what it told of is asked for when they work again.
    Suspended,
    UnknownType,
    Failed {
        reason: &'static str,
        entity: String,
    },
    Waiting(Wait),
}

/// Why an event is to be tried again, and when.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Wait {
    /// A stable word, or the name of an error.
    pub(super) reason: &'static str,
    /// After this time; without one it waits longer each time.
    pub(super) after: Option<Duration>,
    /// Not before this time, for until then nothing may be sent.
    pub(super) held_until: Option<Timestamp>,
    /// Whether it is this object that fails, by what the ledger says.
    pub(super) is_object: bool,
    /// Whether others of its company had their effect meanwhile.
    pub(super) is_alone: bool,
}

impl Wait {
    /// No time is left to begin.
    pub(super) const NO_TIME: Self = Self::of("no_time", Some(SOON));
    /// Another worker is at it.
    pub(super) const IN_PROGRESS: Self = Self::of("in_progress", None);
    /// The provider does not know yet what it told of.
    pub(super) const NOT_THERE_YET: Self = Self::of("not_there_yet", Some(SOON));

    const fn of(reason: &'static str, after: Option<Duration>) -> Self {
        Self { reason, after, held_until: None, is_object: false, is_alone: false }
    }

    /// For the whole company.
    pub(super) fn because(error: &RunError) -> Self {
        let (after, held_until) = match error {
            RunError::Ledger(LedgerError::Throttled { retry_after }) => (*retry_after, None),
            RunError::Ledger(LedgerError::Held(held)) => (None, Some(held.until)),
            _ => (None, None),
        };
        Self { held_until, ..Self::of(error.code().name(), after) }
    }

    /// After what time to come again, having come so often; none where it waits longer each time.
    fn until_again(&self, receives: u32, now: Timestamp) -> Option<Duration> {
        let held = self.held_until.map(|until| until.duration_since(now).try_into().unwrap_or_default());
        let after = self.after.max(held)?;
        let is_limit = self.reason == ErrorCode::ProviderRateLimit.name();
        let least = LIMIT_STEP * receives.saturating_sub(1);
        Some(if is_limit { after.max(least) } else { after })
    }

    /// What may be half done stays in progress, so that whoever has it next does and announces all of it.
    pub(super) fn half_done() -> Self {
        Self::of(ErrorCode::StorageUnavailable.name(), Some(IN_PROGRESS_LIFE))
    }
}

/// What became of a message.
pub(super) struct Verdict {
    pub(super) tally: Tally,
    pub(super) reason: Option<String>,
    pub(super) next: Next,
}

impl Verdict {
    /// Sums up the events of a message, in their order; one of which nothing is known waits.
    pub(super) fn of(incoming: &Incoming, outcomes: Vec<Option<Outcome>>, now: Timestamp) -> Self {
        let Incoming { message, receives } = incoming;
        let mut tally = Tally { unknown_type: message.unknown, ..Tally::default() };
        let (mut failed, mut waits, mut suspended) = (None, Vec::new(), false);
        let beside = outcomes.contains(&Some(Outcome::Applied));
        for (event, outcome) in message.events.iter().zip(outcomes) {
            let outcome = outcome.unwrap_or(Outcome::Waiting(Wait::IN_PROGRESS));
            match given_up(outcome, (*receives, beside), &event.entity) {
                Outcome::Applied => tally.applied += 1,
                Outcome::Duplicate => tally.duplicate += 1,
                Outcome::Stale => tally.stale += 1,
                Outcome::UnknownCompany => tally.unknown_company += 1,
                Outcome::Disconnected => tally.disconnected += 1,
                Outcome::UnknownType => tally.unknown_type += 1,
                Outcome::Suspended => {
                    tally.unknown_type += 1;
                    suspended = true;
                }
                Outcome::Failed { reason, entity } => {
                    tally.failed += 1;
                    failed.get_or_insert((reason, entity));
                }
                Outcome::Waiting(wait) => {
                    tally.waiting += 1;
                    waits.push(wait);
                }
            }
        }
        let reason = failed.as_ref().map(|(reason, _)| *reason).or(waits.first().map(|wait| wait.reason));
        let reason = reason
            .or(message.unreadable.as_ref().map(|_| UNREADABLE))
            .or(suspended.then_some(SUSPENDED))
            .or_else(|| most_telling(tally))
            .map(str::to_owned);
        // Those that wait are not buried with the one that failed: it fails once more beside them.
        let next = match (waits.is_empty(), failed) {
            (false, _) => {
                Next::Again { after: waits.iter().filter_map(|wait| wait.until_again(*receives, now)).max() }
            }
            (true, Some((reason, entity))) => Next::Bury(format!("{reason}: {entity}")),
            (true, None) => Next::Done,
        };
        Self { tally, reason, next }
    }
}

/// An event that waited often enough has failed; sooner where it is about an object that fails while others, `beside` it in
/// its message or in its company, had their effect.
fn given_up(outcome: Outcome, (receives, beside): (u32, bool), entity: &str) -> Outcome {
    let is_over = |wait: &Wait| {
        let is_alone = wait.is_object && (wait.is_alone || beside);
        receives >= if is_alone { OBJECT_RECEIVES } else { EVENT_RECEIVES }
    };
    match outcome {
        Outcome::Waiting(wait) if is_over(&wait) => {
            Outcome::Failed { reason: wait.reason, entity: entity.to_owned() }
        }
        outcome => outcome,
    }
}

/// Why not every event had its effect, where nothing failed.
fn most_telling(tally: Tally) -> Option<&'static str> {
    let counts = [
        (tally.disconnected, "disconnected"),
        (tally.unknown_company, "unknown_company"),
        (tally.stale, "stale"),
        (tally.unknown_type, "unknown_type"),
    ];
    counts.into_iter().find(|(count, _)| *count > 0).map(|(_, word)| word)
}
