//! A deterministic model test of the refresh engine, and, in [`webhooks`], one of webhooks.
//!
//! The real engine runs in a modeled world: providers that rotate their tokens strictly or with a grace, tables, queues and
//! keys that fail, workers that are killed wherever they wait and whose clocks are wrong. Time is virtual and everything
//! that is left to chance comes from one seed, so that a run of a month takes minutes and can be repeated step by step.
//!
//! What must hold in the end: no connection is lost that could be saved. With a grace none is; without one only those whose
//! new refresh token was destroyed before anybody could save it, by a lost answer or a killed worker.

#![expect(clippy::unwrap_used, reason = "a model that contradicts itself ends the run")]

mod caller;
mod chance;
pub mod cli;
mod connect;
mod endpoint;
mod executor;
mod faults;
mod marks;
mod plan;
mod provider;
mod queue;
mod report;
mod run;
mod table;
mod traffic;
pub mod webhooks;
mod worker;
mod world;

pub use faults::FaultKind;
pub use plan::{Flaw, Plan};
pub use provider::Kind;
pub use report::{MAX_CALLS, Report, Row, Totals};
pub use run::run;
