//! The bundle as it is deployed on the local stack, used over HTTP and AWS only; `stack.rs` says what is needed.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod bus;
mod callback;
mod connect;
mod contracts;
mod driver;
mod keys;
mod refresh;
mod schedule;
mod sealing;
mod secrets;
mod stack;
mod token_api;
mod webhook;
mod workers;
