//! Puts the `refresh` function together.

use std::{collections::HashMap, sync::Arc};

use aws::{
    DynamoAttempts, DynamoConnections, DynamoSweepLog, EventBridgeBus, KmsDataKeys, SdkConfig,
    SqsRefreshQueue, SqsSource, clients,
};
use domain::{
    clock::{Clock, SystemClock},
    entropy::{Entropy, SystemEntropy},
    id::Ids,
    provider::Provider,
    refresh::{Refresher, Sweep},
    sealing::TokenSealer,
    token::TokenEndpoint,
};
use providers::{http, quickbooks::QuickBooksTokenEndpoint};

use crate::{Config, Deps};

/// Builds everything the function works with, once per process; nothing is called yet.
pub fn wire(config: Config, sdk: &SdkConfig) -> Result<Deps, http::ClientError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let owner = Ids::new(&*clock, &*entropy).write();
    let (dynamodb, sqs) = (clients::dynamodb(sdk), clients::sqs(sdk));
    let connections =
        Arc::new(DynamoConnections::new(dynamodb.clone(), config.connections_table, config.due_shards));
    let keys = Arc::new(KmsDataKeys::new(clients::kms(sdk), config.token_key_id));
    let quickbooks: Arc<dyn TokenEndpoint> =
        Arc::new(QuickBooksTokenEndpoint::new(http::client()?, Arc::new(config.quickbooks), clock.clone()));
    Ok(Deps {
        refresher: Arc::new(Refresher {
            store: connections.clone(),
            connections: connections.clone(),
            endpoints: HashMap::from([(Provider::QuickBooks, quickbooks)]),
            sealer: TokenSealer::new(config.environment, keys, entropy.clone()),
            attempts: Arc::new(DynamoAttempts::new(dynamodb.clone(), config.history_table)),
            bus: Arc::new(EventBridgeBus::new(clients::eventbridge(sdk), config.event_bus)),
            clock: clock.clone(),
            entropy,
            policy: config.policy,
            owner,
        }),
        sweep: Sweep {
            store: connections,
            queue: Arc::new(SqsRefreshQueue::new(sqs.clone(), config.refresh_queue_url.clone())),
            log: Arc::new(DynamoSweepLog::new(dynamodb, config.control_table)),
            clock,
            shards: config.due_shards,
        },
        queue: SqsSource::new(sqs, config.refresh_queue_url, config.refresh_dlq_url),
    })
}
