//! The contracts, kept by the adapters on the running stack: the same that the fakes keep.

mod lost_answers;
mod lost_of_sync;
mod messages;
mod shared_marks;
mod storage;

use aws::{
    DEFAULT_RETENTION, DynamoApiKeys, DynamoAttempts, DynamoAudit, DynamoAuthorizations, DynamoCallCounts,
    DynamoConnections, DynamoCursorKey, DynamoFlights, DynamoIdempotency, DynamoJobs, DynamoLeases,
    DynamoRecords, DynamoRequestNames, DynamoSubscriptions, DynamoTallies, DynamoTenants, DynamoUsers,
    KmsDataKeys, SdkConfig, clients,
};
use aws_config::Region;
use aws_sdk_dynamodb::{
    Client,
    config::{Credentials, SharedCredentialsProvider},
};
use tests::contract;

use crate::{
    driver::{as_audited, audited},
    stack::Stack,
};

const DUE_SHARDS: u32 = 4;

/// The configuration that the functions run with, timeouts and retries included, pointed at the stack.
async fn sdk(stack: &Stack) -> SdkConfig {
    sdk_at(stack, stack.value("AWS_ENDPOINT_URL")).await
}

/// As [`sdk`], by another way to the stack.
async fn sdk_at(stack: &Stack, endpoint: &str) -> SdkConfig {
    let credentials = Credentials::new("test", "test", None, None, "stack");
    let config = aws::sdk_config().await.into_builder();
    config
        .endpoint_url(endpoint)
        .region(Region::new(stack.value("AWS_REGION").to_owned()))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

/// A client of the stack's tables, and the name of one of them.
async fn table(name: &str) -> (Client, String) {
    let stack = Stack::running();
    (clients::dynamodb(&sdk(&stack).await), stack.value(name).to_owned())
}

async fn connections() -> DynamoConnections {
    let (client, table) = table("CONNECTIONS_TABLE").await;
    DynamoConnections::new(client, table, DUE_SHARDS)
}

#[tokio::test]
async fn connections_in_dynamodb_keep_the_contract() {
    contract::connection_store_contract(&connections().await).await;
}

#[tokio::test]
async fn what_is_counted_in_dynamodb_keeps_the_contract() {
    let (client, table) = table("CONTROL_TABLE").await;

    contract::standings_contract(&connections().await).await;
    contract::tally_store_contract(&DynamoTallies::new(client, table)).await;
}

#[tokio::test]
async fn the_key_of_cursors_and_names_of_requests_in_dynamodb_keep_the_contract() {
    let (client, table) = table("CONTROL_TABLE").await;

    contract::cursor_key_store_contract(&DynamoCursorKey::new(client.clone(), table.clone())).await;
    contract::request_names_contract(&DynamoRequestNames::new(client, table)).await;
}

#[tokio::test]
async fn leases_and_tokens_in_dynamodb_keep_the_contract() {
    let store = connections().await;

    contract::refresh_store_contract(&store, DUE_SHARDS).await;
}

#[tokio::test]
async fn one_time_values_in_dynamodb_keep_the_contract() {
    let (client, table) = table("CONTROL_TABLE").await;

    contract::authorization_store_contract(&DynamoAuthorizations::new(client, table)).await;
}

#[tokio::test]
async fn api_keys_in_dynamodb_keep_the_contract() {
    let (client, table) = table("CONTROL_TABLE").await;

    contract::api_key_store_contract(&DynamoApiKeys::new(client, table)).await;
}

#[tokio::test]
async fn users_in_dynamodb_keep_the_contract() {
    let (client, table) = table("CONTROL_TABLE").await;

    contract::user_store_contract(&DynamoUsers::new(client, table)).await;
}

#[tokio::test]
async fn counted_calls_in_dynamodb_keep_the_contract() {
    let (client, table) = table("CONTROL_TABLE").await;

    contract::call_counts_contract(&DynamoCallCounts::new(client, table)).await;
}

#[tokio::test]
async fn tenants_in_dynamodb_keep_the_contract() {
    let (client, table) = table("CONTROL_TABLE").await;

    contract::tenant_store_contract(&DynamoTenants::new(client, table)).await;
}

#[tokio::test]
async fn the_history_in_dynamodb_keeps_the_contract() {
    let (client, table) = table("HISTORY_TABLE").await;

    contract::attempt_log_contract(&DynamoAttempts::new(client, table, DEFAULT_RETENTION)).await;
}

#[tokio::test]
async fn the_audit_log_in_dynamodb_keeps_the_contract() {
    let (client, table) = table("HISTORY_TABLE").await;

    let (tenant, entries) =
        contract::audit_log_contract(&DynamoAudit::new(client, table, DEFAULT_RETENTION)).await;

    assert_eq!(audited(&tenant).await, entries.iter().map(as_audited).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_guard_of_events_in_dynamodb_keeps_the_contract() {
    let (client, table) = table("DELIVERIES_TABLE").await;

    contract::idempotency_store_contract(&DynamoIdempotency::new(client, table)).await;
}

#[tokio::test]
async fn requests_under_way_in_dynamodb_keep_the_contract() {
    let (client, table) = table("CONTROL_TABLE").await;

    contract::flights_contract(&DynamoFlights::new(client, table)).await;
}

#[tokio::test]
async fn subscriptions_in_dynamodb_keep_the_contract() {
    let (client, table) = table("DELIVERIES_TABLE").await;

    contract::subscriptions_contract(&DynamoSubscriptions::new(client, table)).await;
}

#[tokio::test]
async fn records_in_dynamodb_keep_the_contract() {
    let (client, table) = table("RECORDS_TABLE").await;

    let records = DynamoRecords::new(client, table);
    contract::record_store_contract(&records).await;
    contract::walk_store_contract(&records).await;
    contract::books_erasure_contract(&records).await;
}

#[tokio::test]
async fn the_log_of_jobs_in_dynamodb_keeps_the_contract() {
    let (client, table) = table("RECORDS_TABLE").await;

    contract::job_log_contract(&DynamoJobs::new(client, table)).await;
}

#[tokio::test]
async fn leases_on_companies_in_dynamodb_keep_the_contract() {
    let (client, table) = table("RECORDS_TABLE").await;

    contract::company_leases_contract(&DynamoLeases::new(client, table)).await;
}

#[tokio::test]
async fn data_keys_in_kms_keep_the_contract() {
    let stack = Stack::running();
    let keys = KmsDataKeys::new(clients::kms(&sdk(&stack).await), stack.value("TOKEN_KEY_ID").to_owned());

    contract::data_keys_contract(&keys).await;
}
