//! The course of one attempt: pure transitions, each of which consumes the state before it.
//!
//! ```text
//! Send current ── token set ─────────────────────────────► End(Rotated)
//!      │ ├─────── failure that proves nothing committed ──► Wait, then Send again; after three tries End(Failed)
//!      │ ├─────── answer lost ────────────────────────────► End(Unknown)
//!      │ └─────── throttled, app refused ─────────────────► End(Failed)
//!      └ refused ► Reread ── replaced meanwhile ──────────► End(Replaced)
//!                     ├──── previous within its grace ────► Send previous ── as above; refused ► Judge
//!                     └──── neither ► Judge ── outage ────► End(Failed)
//!                                        └─ otherwise ────► End(Dead)
//! ```
//!
//! A verdict is out of reach by any shorter way: only `Refused` leads to it, only the provider's own refusal of the current
//! token makes one, and what it becomes depends on what the table says then.

use std::time::Duration;

use jiff::Timestamp;

use super::{AttemptFailure, FailureClass, verdict};
use crate::{
    connection::SealedTokens,
    store::chain,
    token::{TokenEndpointError, TokenSet},
};

/// Tries within one attempt; what three do not bring within seconds, more would not, and the schedule tries on.
const TRIES: u32 = 3;
/// The first wait between tries; doubled each time, with up to a second of jitter.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// A provider that asks for more patience than this is asked again by schedule, not while a function waits.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// Which refresh token is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Which {
    /// The stored one.
    Current,
    /// The one before, within its grace.
    Previous,
}

/// What is to be done next.
#[derive(Debug)]
pub(super) enum Step {
    /// Send a refresh token.
    Send(Sending),
    /// Wait, and send it again.
    Wait(Sending, Duration),
    /// Read the connection again.
    Reread(Refused),
    /// Ask whether the provider is out.
    Judge(Condemned),
    /// Store this.
    End(Outcome),
}

/// What an attempt came to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// A new token set, and which token brought it.
    Rotated(Box<TokenSet>, Which),
    /// Another worker, or a token set from the recovery queue, replaced what was refused: by this.
    Replaced(AttemptFailure, Option<Box<SealedTokens>>),
    /// The grant is dead.
    Dead(AttemptFailure),
    /// The provider may have committed.
    Unknown(AttemptFailure),
    /// Nothing was committed.
    Failed(AttemptFailure, Option<Duration>),
    /// Nothing was sent, since no time was left to hear the answer.
    Untried,
}

/// About to send a token.
#[derive(Debug)]
pub(super) struct Sending {
    which: Which,
    tries: u32,
    refused: Option<AttemptFailure>,
}

/// The provider refused the current token.
#[derive(Debug)]
pub(super) struct Refused {
    failure: AttemptFailure,
}

/// The provider refused every token that it may still know.
#[derive(Debug)]
pub(super) struct Condemned {
    failure: AttemptFailure,
}

impl Sending {
    /// The beginning of every attempt.
    pub(super) fn first() -> Step {
        Step::Send(Self { which: Which::Current, tries: 0, refused: None })
    }

    /// Which token is to be sent.
    pub(super) fn which(&self) -> Which {
        self.which
    }

    /// The provider answered, or did not.
    pub(super) fn heard(self, answer: Result<TokenSet, TokenEndpointError>, jitter: Duration) -> Step {
        let error = match answer {
            Ok(tokens) => return Step::End(Outcome::Rotated(Box::new(tokens), self.which)),
            Err(error) => error,
        };
        tracing::warn!(error = chain(&error), which = ?self.which, tries = self.tries, "Provider gave no token set");
        let (failure, asked) = verdict::of(&error);
        match failure.class {
            FailureClass::Dead => match self.refused {
                // The refusal of the current token is the one that counts.
                Some(failure) => Step::Judge(Condemned { failure }),
                None => Step::Reread(Refused { failure }),
            },
            FailureClass::Unknown => Step::End(Outcome::Unknown(failure)),
            FailureClass::Transient | FailureClass::Throttled => self.again(failure, asked, jitter),
            FailureClass::Configuration | FailureClass::LostRace | FailureClass::Sealing => {
                Step::End(Outcome::Failed(failure, asked))
            }
        }
    }

    /// Once more, while that makes sense.
    fn again(self, failure: AttemptFailure, asked: Option<Duration>, jitter: Duration) -> Step {
        let doubled = FIRST_WAIT * (1 << self.tries.min(TRIES));
        let is_asked_for_more = match failure.class {
            // A provider that throttles and does not say for how long means it.
            FailureClass::Throttled => asked.is_none_or(|asked| asked > MAX_WAIT),
            _ => asked.is_some_and(|asked| asked > MAX_WAIT),
        };
        let tries = self.tries + 1;
        if tries >= TRIES || is_asked_for_more {
            return Step::End(Outcome::Failed(failure, asked));
        }
        Step::Wait(Self { tries, ..self }, asked.unwrap_or_default().max(doubled) + jitter)
    }

    /// There is no time left to hear the answer of what would be sent now.
    pub(super) fn too_late(self, failure: AttemptFailure) -> Step {
        let is_first = self.tries == 0 && self.refused.is_none();
        if is_first { Step::End(Outcome::Untried) } else { self.given_up(failure) }
    }

    /// Nothing can be sent any more, for a reason of our own.
    pub(super) fn given_up(self, failure: AttemptFailure) -> Step {
        // The refusal of the current token is no verdict while the previous one could not be tried.
        let Self { refused, .. } = self;
        let code = refused.and_then(|refused| refused.code).or(failure.code);
        Step::End(Outcome::Failed(AttemptFailure { code, ..failure }, None))
    }
}

impl Refused {
    /// The connection was read again: `spent` is the token set that was refused, `stored` the one that stands.
    pub(super) fn found(self, spent: &SealedTokens, stored: Option<&SealedTokens>, now: Timestamp) -> Step {
        if stored.is_none_or(|stored| stored.generation != spent.generation) {
            let failure = AttemptFailure { class: FailureClass::LostRace, ..self.failure };
            return Step::End(Outcome::Replaced(failure, stored.cloned().map(Box::new)));
        }
        if spent.previous.as_ref().is_some_and(|previous| now < previous.usable_until) {
            return Step::Send(Sending { which: Which::Previous, tries: 0, refused: Some(self.failure) });
        }
        Step::Judge(Condemned { failure: self.failure })
    }
}

impl Condemned {
    /// The verdict, unless so much fails at once that it is the provider's doing.
    pub(super) fn judged(self, is_outage: bool) -> Step {
        if is_outage {
            let failure = AttemptFailure { class: FailureClass::Transient, ..self.failure };
            return Step::End(Outcome::Failed(failure, None));
        }
        Step::End(Outcome::Dead(self.failure))
    }
}
