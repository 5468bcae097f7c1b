//! Puts the `refresh` function together.

use std::{collections::HashMap, sync::Arc};

use aws::{
    DynamoAttempts, DynamoAudit, DynamoBreakers, DynamoConnections, DynamoSweepLog, EventBridgeBus,
    KmsDataKeys, SdkConfig, SqsRecoveryQueue, SqsRefreshQueue, SqsSource, clients,
};
use domain::{
    clock::{Clock, CorrectedClock, SystemClock},
    entropy::{Entropy, SystemEntropy},
    event::EventBus,
    id::Ids,
    provider::Provider,
    refresh::{Breakers, Endpoint, RefreshQueue, Refresher, Sweep},
    sealing::TokenSealer,
    token::Revocation,
};
use edge::{config::ProviderSettings, token_endpoints};
use providers::{http, quickbooks::QuickBooksRevocation, xero::XeroRevocation, zoho::ZohoRevocation};

use crate::{Config, Deps};

/// Builds everything the function works with, once per process; nothing is called yet.
pub fn wire(config: Config, sdk: &SdkConfig) -> Result<Deps, http::ClientError> {
    // Whoever judges a lease goes by the clock of the table that keeps it.
    let clock = Arc::new(CorrectedClock::new(Arc::new(SystemClock)));
    let (dynamodb, sqs) = (clients::dynamodb_observed(sdk, &clock), clients::sqs(sdk));
    let clock: Arc<dyn Clock> = clock;
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let owner = Ids::new(&*clock, &*entropy).write();
    let connections =
        Arc::new(DynamoConnections::new(dynamodb.clone(), config.connections_table, config.due_shards));
    let keys = Arc::new(KmsDataKeys::new(clients::kms(sdk), config.token_key_id));
    let bus: Arc<dyn EventBus> = Arc::new(EventBridgeBus::new(clients::eventbridge(sdk), config.event_bus));
    let health =
        Arc::new(DynamoBreakers::new(dynamodb.clone(), config.control_table.clone(), Endpoint::Token));
    let queue: Arc<dyn RefreshQueue> =
        Arc::new(SqsRefreshQueue::new(sqs.clone(), config.refresh_queue_url.clone()));
    let (history, retention) = (config.history_table, config.history_retention);
    let client = http::client()?;
    Ok(Deps {
        refresher: Arc::new(Refresher {
            store: connections.clone(),
            connections: connections.clone(),
            endpoints: token_endpoints(&config.providers, &client, &clock),
            revocations: revocations(config.providers, &client, &clock),
            breakers: Breakers::new(health, clock.clone(), bus.clone(), config.breakers),
            sealer: TokenSealer::new(config.environment, keys, entropy.clone()),
            queue: queue.clone(),
            recovery: Arc::new(SqsRecoveryQueue::new(sqs.clone(), config.recovery_queue_url.clone())),
            attempts: Arc::new(DynamoAttempts::new(dynamodb.clone(), history.clone(), retention)),
            bus,
            audit: Arc::new(DynamoAudit::new(dynamodb.clone(), history, retention)),
            clock: clock.clone(),
            entropy,
            policy: config.policy,
            owner: owner.clone(),
        }),
        sweep: Sweep {
            index: connections,
            queue,
            log: Arc::new(DynamoSweepLog::new(dynamodb, config.control_table)),
            clock,
            shards: config.due_shards,
            owner,
        },
        queue: SqsSource::new(sqs.clone(), config.refresh_queue_url, config.refresh_dlq_url),
        recovery: SqsSource::new(sqs, config.recovery_queue_url, config.recovery_dlq_url),
    })
}

/// How each provider that is configured ends a grant, over one client.
fn revocations(
    settings: ProviderSettings,
    client: &http::Client,
    clock: &Arc<dyn Clock>,
) -> HashMap<Provider, Arc<dyn Revocation>> {
    let mut revocations: HashMap<_, Arc<dyn Revocation>> = HashMap::new();
    if let Some(app) = settings.quickbooks.map(Arc::new) {
        let revocation = QuickBooksRevocation::new(client.clone(), app, clock.clone());
        revocations.insert(Provider::QuickBooks, Arc::new(revocation));
    }
    if let Some(app) = settings.xero.map(Arc::new) {
        let revocation = XeroRevocation::new(client.clone(), app, clock.clone());
        revocations.insert(Provider::Xero, Arc::new(revocation));
    }
    if let Some(app) = settings.zoho.map(Arc::new) {
        let revocation = ZohoRevocation::new(client.clone(), app, clock.clone());
        revocations.insert(Provider::Zoho, Arc::new(revocation));
    }
    revocations
}
