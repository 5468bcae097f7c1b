//! Black-box tests of the simulator: over HTTP, each against a simulator of its own.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod batches;
mod bulk;
mod clock_and_log;
mod consent;
mod faults;
mod harness;
mod program;
mod queries;
mod receiver;
mod refused_calls;
mod tokens;
mod webhooks;
mod writes;
mod xero;
mod zoho;
