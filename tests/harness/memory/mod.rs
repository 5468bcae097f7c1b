//! Every port in memory, deciding exactly as its adapter does; the contracts see to that.

mod api_key;
mod attempts;
mod audit;
mod authorization;
mod breakers;
mod budgets;
mod bus;
mod call_counts;
mod connections;
mod cursor_key;
mod data_keys;
mod deliveries;
mod flights;
mod idempotency;
mod invoker;
mod jobs;
mod limits;
mod probes;
mod queues;
mod records;
mod refresh;
mod request_names;
mod routes;
mod subscriptions;
mod sweep_log;
mod tallies;
mod tenants;
mod users;

pub use api_key::InMemoryApiKeys;
pub use attempts::InMemoryAttempts;
pub use audit::InMemoryAudit;
pub use authorization::InMemoryAuthorizations;
pub use breakers::InMemoryBreakers;
pub use budgets::{InMemoryBudgets, InMemoryUsage};
pub use bus::InMemoryBus;
pub use call_counts::InMemoryCallCounts;
pub use connections::InMemoryConnections;
pub use cursor_key::InMemoryCursorKey;
pub use data_keys::InMemoryDataKeys;
pub use deliveries::InMemoryDeliveries;
pub use flights::InMemoryFlights;
pub use idempotency::InMemoryIdempotency;
pub use invoker::InProcessRefresh;
pub use jobs::{InMemoryJobs, InMemoryLeases};
pub use limits::{InMemoryLimits, gate, limits};
pub use probes::Scripted;
pub use queues::{InMemoryEventQueue, InMemoryRecoveryQueue, InMemoryRefreshQueue, InMemorySyncQueue};
pub use records::InMemoryRecords;
pub use request_names::InMemoryRequestNames;
pub use subscriptions::InMemorySubscriptions;
pub use sweep_log::InMemorySweepLog;
pub use tallies::InMemoryTallies;
pub use tenants::InMemoryTenants;
pub use users::InMemoryUsers;

use domain::store::StoreError;

/// The error for a cursor that is not ours, as the adapters give it.
fn bad_cursor() -> StoreError {
    StoreError::InvalidCursor("not a cursor of this list".into())
}

/// The first `limit` of `all`, and whether there are more.
fn page<T>(mut all: Vec<T>, limit: u32) -> (Vec<T>, bool) {
    let limit = limit.max(1) as usize;
    let more = all.len() > limit;
    all.truncate(limit);
    (all, more)
}
