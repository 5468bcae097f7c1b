//! Tests without a stack: every port in memory, the functions called directly with the sample events.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod api_world;
mod aws_endpoint;
mod batches;
mod breakers;
mod catch_up;
mod clock;
mod companies;
mod connect;
mod connect_sessions;
mod consistency;
mod consume;
mod contracts;
mod deliveries;
mod disconnect;
mod events;
mod explain;
mod functions;
mod history;
mod job_desk;
mod jobs_api;
mod ledger;
mod oauth;
mod outage;
mod partial_batches;
mod proxy;
mod recovery;
mod refresh;
mod refresh_queues;
mod retries;
mod sealing;
mod secrets;
mod shared_companies;
mod standards;
mod start;
mod sweep;
mod sync;
mod tampering;
mod verdicts;
mod walks;
mod warmth;
mod webhook_door;
mod webhook_secrets;
mod world;
