//! Puts the `refresh` function together.

use std::{collections::HashMap, sync::Arc};

use aws::{
    DynamoAttempts, DynamoAudit, DynamoConnections, DynamoSweepLog, EventBridgeBus, KmsDataKeys, SdkConfig,
    SqsRefreshQueue, SqsSource, clients,
};
use domain::{
    clock::{Clock, SystemClock},
    entropy::{Entropy, SystemEntropy},
    id::Ids,
    provider::Provider,
    refresh::{Refresher, Sweep},
    sealing::TokenSealer,
    token::{Revocation, TokenEndpoint},
};
use edge::config::ProviderSettings;
use providers::{
    http,
    quickbooks::{QuickBooksRevocation, QuickBooksTokenEndpoint},
    xero::{XeroRevocation, XeroTokenEndpoint},
    zoho::{ZohoRevocation, ZohoTokenEndpoint},
};

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
    let (endpoints, revocations) = servers(config.providers, &http::client()?, &clock);
    Ok(Deps {
        refresher: Arc::new(Refresher {
            store: connections.clone(),
            connections: connections.clone(),
            endpoints,
            revocations,
            sealer: TokenSealer::new(config.environment, keys, entropy.clone()),
            attempts: Arc::new(DynamoAttempts::new(dynamodb.clone(), config.history_table.clone())),
            audit: Arc::new(DynamoAudit::new(dynamodb.clone(), config.history_table)),
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

type Endpoints = HashMap<Provider, Arc<dyn TokenEndpoint>>;
type Revocations = HashMap<Provider, Arc<dyn Revocation>>;

/// Every provider that is configured, over one client.
fn servers(
    settings: ProviderSettings,
    client: &http::Client,
    clock: &Arc<dyn Clock>,
) -> (Endpoints, Revocations) {
    let (mut endpoints, mut revocations) = (Endpoints::new(), Revocations::new());
    if let Some(app) = settings.quickbooks.map(Arc::new) {
        let endpoint = QuickBooksTokenEndpoint::new(client.clone(), app.clone(), clock.clone());
        endpoints.insert(Provider::QuickBooks, Arc::new(endpoint));
        let revocation = QuickBooksRevocation::new(client.clone(), app, clock.clone());
        revocations.insert(Provider::QuickBooks, Arc::new(revocation));
    }
    if let Some(app) = settings.xero.map(Arc::new) {
        let endpoint = XeroTokenEndpoint::new(client.clone(), app.clone(), clock.clone());
        endpoints.insert(Provider::Xero, Arc::new(endpoint));
        let revocation = XeroRevocation::new(client.clone(), app, clock.clone());
        revocations.insert(Provider::Xero, Arc::new(revocation));
    }
    if let Some(app) = settings.zoho.map(Arc::new) {
        let endpoint = ZohoTokenEndpoint::new(client.clone(), app.clone(), clock.clone());
        endpoints.insert(Provider::Zoho, Arc::new(endpoint));
        let revocation = ZohoRevocation::new(client.clone(), app, clock.clone());
        revocations.insert(Provider::Zoho, Arc::new(revocation));
    }
    (endpoints, revocations)
}
