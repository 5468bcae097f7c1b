//! Puts the `oauth` function together.

use std::sync::Arc;

use aws::{
    DynamoAuthorizations, DynamoConnections, EventBridgeBus, KmsDataKeys, SdkConfig, SqsSyncQueue, SyncLanes,
    clients,
};
use domain::{
    authorization::Connector,
    clock::{Clock, SystemClock},
    entropy::{Entropy, SystemEntropy},
    sealing::TokenSealer,
};
use providers::{
    http,
    quickbooks::{QuickBooksCompanies, QuickBooksTokenEndpoint},
};

use crate::{Config, Deps};

/// Builds everything the function works with, once per process; nothing is called yet.
pub fn wire(config: Config, sdk: &SdkConfig) -> Result<Deps, http::ClientError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let dynamodb = clients::dynamodb(sdk);
    let requests = Arc::new(DynamoAuthorizations::new(dynamodb.clone(), config.control_table));
    let keys = Arc::new(KmsDataKeys::new(clients::kms(sdk), config.token_key_id));
    let quickbooks = Arc::new(config.quickbooks);
    let lanes = SyncLanes { low: Some(config.sync_queue_low_url), ..SyncLanes::default() };
    let client = http::client()?;
    Ok(Deps {
        connector: Connector {
            requests: requests.clone(),
            connections: Arc::new(DynamoConnections::new(
                dynamodb,
                config.connections_table,
                config.due_shards,
            )),
            companies: Arc::new(QuickBooksCompanies::new(client.clone(), quickbooks.api_base_url.clone())),
            endpoint: Arc::new(QuickBooksTokenEndpoint::new(client, quickbooks.clone(), clock.clone())),
            sealer: TokenSealer::new(config.environment, keys, entropy.clone()),
            queue: Arc::new(SqsSyncQueue::new(clients::sqs(sdk), lanes)),
            bus: Arc::new(EventBridgeBus::new(clients::eventbridge(sdk), config.event_bus)),
            clock: clock.clone(),
            entropy: entropy.clone(),
            policy: config.policy,
        },
        requests,
        quickbooks,
        public_url: config.public_url,
        clock,
        entropy,
    })
}
