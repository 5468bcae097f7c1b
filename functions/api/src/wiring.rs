//! Puts the `api` function together.

use std::sync::Arc;

use aws::{
    DynamoApiKeys, DynamoAttempts, DynamoAudit, DynamoAuthorizations, DynamoBreakers, DynamoConnections,
    DynamoDeliveries, DynamoRecords, DynamoSweepLog, DynamoTenants, LambdaRefresh, SdkConfig, SqsSyncQueue,
    SyncLanes, clients,
};
use domain::{
    clock::{Clock, SystemClock},
    entropy::SystemEntropy,
    refresh::Endpoint,
};
use edge::live_secrets::{LiveSecrets, SecretSource};

use crate::{Config, Deps, webhook_addresses};

/// Builds everything the function works with, once per process; nothing is called yet.
#[must_use]
pub fn wire(config: Config, sdk: &SdkConfig) -> Deps {
    let dynamodb = clients::dynamodb(sdk);
    let lanes = SyncLanes { low: Some(config.sync_queue_low_url), ..SyncLanes::default() };
    let control = || config.control_table.clone();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let source = config.secrets_id.map(|id| (SecretSource { sdk: sdk.clone(), id }, webhook_addresses as _));
    Deps {
        keys: Arc::new(DynamoApiKeys::new(dynamodb.clone(), control())),
        tenants: Arc::new(DynamoTenants::new(dynamodb.clone(), control())),
        authorizations: Arc::new(DynamoAuthorizations::new(dynamodb.clone(), control())),
        breakers: Arc::new(DynamoBreakers::new(dynamodb.clone(), control(), Endpoint::Token)),
        books_breakers: Arc::new(DynamoBreakers::new(dynamodb.clone(), control(), Endpoint::Books)),
        sweeps: Arc::new(DynamoSweepLog::new(dynamodb.clone(), control())),
        connections: Arc::new(DynamoConnections::without_due_index(
            dynamodb.clone(),
            config.connections_table,
        )),
        attempts: Arc::new(DynamoAttempts::new(
            dynamodb.clone(),
            config.history_table.clone(),
            config.history_retention,
        )),
        audit: Arc::new(DynamoAudit::new(dynamodb.clone(), config.history_table, config.history_retention)),
        records: Arc::new(DynamoRecords::new(dynamodb.clone(), config.records_table)),
        deliveries: Arc::new(DynamoDeliveries::new(dynamodb, config.deliveries_table)),
        webhook_addresses: LiveSecrets::new(config.webhook_addresses, source, clock.clone()),
        refresh: Arc::new(LambdaRefresh::new(&clients::lambda(sdk), config.refresh_function)),
        sync_queue: Arc::new(SqsSyncQueue::new(clients::sqs(sdk), lanes)),
        environment: config.environment,
        public_url: config.public_url,
        return_urls: config.return_urls,
        scopes: config.scopes,
        connect_sessions_per_minute: config.connect_sessions_per_minute,
        policy: config.policy,
        outage: config.outage,
        clock,
        entropy: Arc::new(SystemEntropy),
    }
}
