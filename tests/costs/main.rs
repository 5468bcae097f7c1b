//! What the engine costs, counted: each call to AWS that the functions' own wiring makes on the running stack, and the
//! capacity that `DynamoDB` charges for it. `make bench` prints the tables and goes to full size; `make test` keeps them
//! from growing.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod access;
mod batch;
mod capacity;
mod killed;
mod measured;
mod meter;
mod prices;
mod refresh;
#[path = "../localstack/stack.rs"]
mod stack;
mod status;
mod sweep;
mod sync;
mod table;
mod webhook;

/// Whether this is `make bench`, which takes the time for full sizes and for many rounds.
fn is_full() -> bool {
    edge::config::environment("BENCH").is_some()
}
