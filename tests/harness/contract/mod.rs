//! What every implementation of a port keeps: run on the fakes and on LocalStack, so that the fakes can be trusted.
//!
//! Each contract makes its own tenants, so that all of them can share one set of tables with each other and with a
//! running stack.

mod attempts;
mod audit;
mod authorization;
mod batches;
mod breakers;
mod changes;
mod connections;
mod control;
mod data_keys;
mod deliveries;
mod disconnect;
mod due;
mod endings;
mod flights;
mod idempotency;
mod jobs;
mod keys;
mod lease;
mod leases;
mod limits;
mod records;
mod routes;
mod settle;
mod spill;
mod subscriptions;
mod sweep;
mod tally;
mod transitions;
mod walks;

use domain::{
    connection::ConnectionStore,
    refresh::{DueIndex, RefreshStore},
};

pub use attempts::attempt_log_contract;
pub use audit::audit_log_contract;
pub use authorization::authorization_store_contract;
pub use breakers::breaker_store_contract;
pub use connections::connection_store_contract;
pub use control::{cursor_key_store_contract, request_names_contract, tenant_store_contract};
pub use data_keys::data_keys_contract;
pub use deliveries::delivery_log_contract;
pub use endings::books_erasure_contract;
pub use flights::flights_contract;
pub use idempotency::idempotency_store_contract;
pub use jobs::job_log_contract;
pub use keys::{api_key_store_contract, call_counts_contract, user_store_contract};
pub use leases::company_leases_contract;
pub use limits::{budget_store_contract, usage_store_contract};
pub use records::record_store_contract;
pub use subscriptions::subscriptions_contract;
pub use sweep::sweep_log_contract;
pub use tally::{standings_contract, tally_store_contract};
pub use walks::walk_store_contract;

/// How many take part in a race.
const RACERS: usize = 10;

/// One store seen through all of its ports.
#[derive(Clone, Copy)]
struct Stores<'a> {
    refresh: &'a dyn RefreshStore,
    connections: &'a dyn ConnectionStore,
    due: &'a dyn DueIndex,
    due_shards: u32,
}

/// What a store of leases, token sets and due times keeps, with `due_shards` shards.
pub async fn refresh_store_contract(
    store: &(impl RefreshStore + ConnectionStore + DueIndex),
    due_shards: u32,
) {
    let stores = Stores { refresh: store, connections: store, due: store, due_shards };
    lease::contract(stores).await;
    settle::contract(stores).await;
    spill::contract(stores).await;
    disconnect::contract(stores).await;
    due::contract(stores).await;
}
