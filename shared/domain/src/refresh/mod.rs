//! The refresh engine: keeps the only valid refresh token of every connection, whatever fails.
//!
//! The story of one refresh is [`Refresher::refresh`]; what an answer means is in `verdict`, when to refresh in `policy`.

mod attempt;
mod disconnect;
mod engine;
mod join;
mod message;
pub mod policy;
mod remove_company;
mod report;
mod settle;
mod store;
mod sweep;
mod verdict;

pub use attempt::{AttemptFailure, FailureClass, RefreshAttempt, Trigger};
pub use engine::Refresher;
pub use message::{
    DisconnectAnswer, DisconnectMessage, DisconnectResult, MAX_CONNECTIONS, MESSAGE_VERSION, MessageError,
    RefreshAnswer, RefreshInvoker, RefreshMessage, RefreshResult,
};
pub use policy::RefreshPolicy;
pub use report::{RefreshOutcome, RefreshReport};
pub use store::{
    AttemptLog, DueConnection, Ending, LeaseOutcome, LeasePurpose, RefreshLease, RefreshQueue, RefreshStore,
    SettleError, Settlement, SweepLog,
};
pub use sweep::{Sweep, SweepReport};
