//! The refresh engine: keeps the only valid refresh token of every connection, whatever fails.
//!
//! The story of one refresh is [`Refresher::refresh`]: it takes a lease, goes the course of an attempt (`course` decides,
//! `spend` acts), and settles. What an answer means is in `verdict`, when to refresh in `policy`, what all workers know of
//! a provider in `breakers`, and who is looked at in [`Sweep`].

mod attempt;
mod breaker;
mod breakers;
mod budget;
pub mod chain;
mod course;
mod disconnect;
mod engine;
mod explain;
mod health;
mod join;
mod message;
mod notice;
mod outage;
pub mod policy;
mod remove_company;
mod report;
mod settle;
mod spend;
mod spill;
mod store;
mod sweep;
mod tally;
mod tell;
mod verdict;

pub use attempt::{AttemptFailure, FailureClass, RefreshAttempt, Trigger};
pub use breaker::{
    Admission, Breaker, BreakerSettings, BreakerState, DEFAULT_FAILURES, DEFAULT_RESET, Endpoint,
};
pub use breakers::{BreakerStore, Breakers, ProviderHealth};
pub use budget::Budget;
pub use chain::{ChainLink, ChainReport};
pub use engine::Refresher;
pub use explain::{
    ActionKind, AttemptSeen, BreakerSeen, Explanation, LeaseSeen, NextAction, NextAttempt, explain,
};
pub use health::TokenHealth;
pub use message::{
    DisconnectAnswer, DisconnectMessage, DisconnectResult, MAX_CONNECTIONS, MESSAGE_VERSION, MessageError,
    RefreshAnswer, RefreshInvoker, RefreshMessage, RefreshResult,
};
pub use outage::{DEFAULT_MINIMUM, DEFAULT_SHARE, DEFAULT_WINDOW, OutageSettings, Tally};
pub use policy::{RefreshPolicy, Warmth};
pub use report::{RefreshOutcome, RefreshReport};
pub use spill::{CompleteOutcome, RecoveryQueue, SPILL_VERSION, SpilledTokens};
pub use store::{
    AttemptLog, Attempted, ClaimOutcome, Delayed, DueIndex, DuePage, Ending, LeaseOutcome, LeasePurpose,
    MAX_BATCH, MAX_DELAY, RefreshLease, RefreshQueue, RefreshStore, SettleError, Settlement, SweepLog,
    SweepProgress,
};
pub use sweep::{Sweep, SweepReport};
pub use tally::{
    AttemptTotals, Counted, KeptTally, PartTally, Standing, StandingPage, Standings, Tallies, TallyStore,
    TokenTally, WholeTally,
};
