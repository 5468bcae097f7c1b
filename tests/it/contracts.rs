//! The contracts, kept by the fakes that the other tests stand on.

use tests::{contract, memory};

const DUE_SHARDS: u32 = 4;

#[tokio::test]
async fn connections_in_memory_keep_the_contract() {
    contract::connection_store_contract(&memory::InMemoryConnections::new(DUE_SHARDS)).await;
}

#[tokio::test]
async fn what_is_counted_in_memory_keeps_the_contract() {
    contract::standings_contract(&memory::InMemoryConnections::new(DUE_SHARDS)).await;
    contract::tally_store_contract(&memory::InMemoryTallies::default()).await;
}

#[tokio::test]
async fn the_key_of_cursors_and_names_of_requests_in_memory_keep_the_contract() {
    contract::cursor_key_store_contract(&memory::InMemoryCursorKey::default()).await;
    contract::request_names_contract(&memory::InMemoryRequestNames::default()).await;
}

#[tokio::test]
async fn leases_and_tokens_in_memory_keep_the_contract() {
    let store = memory::InMemoryConnections::new(DUE_SHARDS);

    contract::refresh_store_contract(&store, DUE_SHARDS).await;
}

#[tokio::test]
async fn one_time_values_in_memory_keep_the_contract() {
    contract::authorization_store_contract(&memory::InMemoryAuthorizations::default()).await;
}

#[tokio::test]
async fn api_keys_in_memory_keep_the_contract() {
    contract::api_key_store_contract(&memory::InMemoryApiKeys::default()).await;
}

#[tokio::test]
async fn users_in_memory_keep_the_contract() {
    contract::user_store_contract(&memory::InMemoryUsers::default()).await;
}

#[tokio::test]
async fn counted_calls_in_memory_keep_the_contract() {
    contract::call_counts_contract(&memory::InMemoryCallCounts::default()).await;
}

#[tokio::test]
async fn tenants_in_memory_keep_the_contract() {
    contract::tenant_store_contract(&memory::InMemoryTenants::default()).await;
}

#[tokio::test]
async fn the_history_in_memory_keeps_the_contract() {
    contract::attempt_log_contract(&memory::InMemoryAttempts::default()).await;
}

#[tokio::test]
async fn the_audit_log_in_memory_keeps_the_contract() {
    let log = memory::InMemoryAudit::default();

    contract::audit_log_contract(&log).await;

    assert_eq!(log.entries().len(), 5, "each act once");
}

#[tokio::test]
async fn breakers_in_memory_keep_the_contract() {
    contract::breaker_store_contract(&memory::InMemoryBreakers::default()).await;
}

#[tokio::test]
async fn budgets_in_memory_keep_the_contract() {
    contract::budget_store_contract(&memory::InMemoryBudgets::default()).await;
}

#[tokio::test]
async fn usage_in_memory_keeps_the_contract() {
    contract::usage_store_contract(&memory::InMemoryUsage::default()).await;
}

#[tokio::test]
async fn the_sweeps_marks_in_memory_keep_the_contract() {
    contract::sweep_log_contract(&memory::InMemorySweepLog::default()).await;
}

#[tokio::test]
async fn the_guard_of_events_in_memory_keeps_the_contract() {
    contract::idempotency_store_contract(&memory::InMemoryIdempotency::default()).await;
}

#[tokio::test]
async fn requests_under_way_in_memory_keep_the_contract() {
    contract::flights_contract(&memory::InMemoryFlights::default()).await;
}

#[tokio::test]
async fn the_log_of_deliveries_in_memory_keeps_the_contract() {
    contract::delivery_log_contract(&memory::InMemoryDeliveries::default()).await;
}

#[tokio::test]
async fn subscriptions_in_memory_keep_the_contract() {
    contract::subscriptions_contract(&memory::InMemorySubscriptions::default()).await;
}

#[tokio::test]
async fn records_in_memory_keep_the_contract() {
    let records = memory::InMemoryRecords::default();
    contract::record_store_contract(&records).await;
    contract::walk_store_contract(&records).await;
    contract::books_erasure_contract(&records).await;
}

#[tokio::test]
async fn the_log_of_jobs_in_memory_keeps_the_contract() {
    contract::job_log_contract(&memory::InMemoryJobs::default()).await;
}

#[tokio::test]
async fn leases_on_companies_in_memory_keep_the_contract() {
    contract::company_leases_contract(&memory::InMemoryLeases::default()).await;
}

#[tokio::test]
async fn data_keys_in_memory_keep_the_contract() {
    contract::data_keys_contract(&memory::InMemoryDataKeys::default()).await;
}
