//! Puts the `refresh` function together.

use std::{collections::HashMap, sync::Arc};

use aws::{
    DynamoAttempts, DynamoAudit, DynamoConnections, DynamoSweepLog, EventBridgeBus, KmsDataKeys, SdkConfig,
    SqsRefreshQueue, SqsSource, clients,
};
use domain::{
    clock::{Clock, CorrectedClock, SystemClock},
    entropy::{Entropy, SystemEntropy},
    id::Ids,
    provider::Provider,
    refresh::{Refresher, Sweep},
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
    let client = http::client()?;
    Ok(Deps {
        refresher: Arc::new(Refresher {
            store: connections.clone(),
            connections: connections.clone(),
            endpoints: token_endpoints(&config.providers, &client, &clock),
            revocations: revocations(config.providers, &client, &clock),
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
