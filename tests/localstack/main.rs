//! The bundle as it is deployed on the local stack, used over HTTP and AWS only; `stack.rs` says what is needed.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod breaker;
mod broken_answers;
mod bus;
mod callback;
mod connect;
mod contracts;
mod disconnect;
mod driver;
mod jobs;
mod keys;
mod killed;
mod lifecycle;
mod links;
mod openapi;
mod proxy;
mod refresh;
mod schedule;
mod sealing;
mod secrets;
mod spill;
mod stack;
mod states;
mod storm;
mod sync;
mod tenants;
mod token_api;
mod webhooks;
mod workers;
mod xero;
mod zoho;
