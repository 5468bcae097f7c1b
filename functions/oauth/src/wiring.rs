//! Puts the `oauth` function together.

use std::{collections::HashMap, sync::Arc};

use aws::{
    DynamoAudit, DynamoAuthorizations, DynamoConnections, DynamoTenants, EventBridgeBus, KmsDataKeys,
    SdkConfig, SqsSyncQueue, SyncLanes, clients,
};
use domain::{
    authorization::{AuthorizationServer, Connector},
    clock::{Clock, SystemClock},
    entropy::{Entropy, SystemEntropy},
    provider::Provider,
    sealing::TokenSealer,
};
use edge::config::ProviderSettings;
use providers::{
    http,
    quickbooks::{QuickBooksCompanies, QuickBooksTokenEndpoint},
    xero::{XeroCompanies, XeroTokenEndpoint},
    zoho::{ZohoCompanies, ZohoTokenEndpoint},
};

use crate::{Config, Deps};

/// Builds everything the function works with, once per process; nothing is called yet.
pub fn wire(config: Config, sdk: &SdkConfig) -> Result<Deps, http::ClientError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let dynamodb = clients::dynamodb(sdk);
    let connections = DynamoConnections::new(dynamodb.clone(), config.connections_table, config.due_shards);
    let requests = Arc::new(DynamoAuthorizations::new(dynamodb.clone(), config.control_table.clone()));
    let keys = Arc::new(KmsDataKeys::new(clients::kms(sdk), config.token_key_id));
    let lanes = SyncLanes { low: Some(config.sync_queue_low_url), ..SyncLanes::default() };
    Ok(Deps {
        connector: Connector {
            requests: requests.clone(),
            connections: Arc::new(connections),
            servers: servers(&config.providers, &http::client()?, &clock),
            sealer: TokenSealer::new(config.environment, keys, entropy.clone()),
            queue: Arc::new(SqsSyncQueue::new(clients::sqs(sdk), lanes)),
            bus: Arc::new(EventBridgeBus::new(clients::eventbridge(sdk), config.event_bus)),
            audit: Arc::new(DynamoAudit::new(dynamodb.clone(), config.history_table)),
            clock: clock.clone(),
            entropy: entropy.clone(),
            policy: config.policy,
            shared_companies: config.shared_companies,
        },
        requests,
        tenants: Arc::new(DynamoTenants::new(dynamodb, config.control_table)),
        providers: config.providers,
        public_url: config.public_url,
        clock,
        entropy,
    })
}

/// Every provider that is configured, over one client.
fn servers(
    settings: &ProviderSettings,
    client: &http::Client,
    clock: &Arc<dyn Clock>,
) -> HashMap<Provider, AuthorizationServer> {
    let mut servers = HashMap::new();
    if let Some(app) = settings.quickbooks.clone().map(Arc::new) {
        let companies = QuickBooksCompanies::new(client.clone(), app.api_base_url.clone());
        let endpoint = QuickBooksTokenEndpoint::new(client.clone(), app, clock.clone());
        let server = AuthorizationServer { endpoint: Arc::new(endpoint), companies: Arc::new(companies) };
        servers.insert(Provider::QuickBooks, server);
    }
    if let Some(app) = settings.xero.clone().map(Arc::new) {
        let companies = XeroCompanies::new(client.clone(), app.connections_url.clone());
        let endpoint = XeroTokenEndpoint::new(client.clone(), app, clock.clone());
        let server = AuthorizationServer { endpoint: Arc::new(endpoint), companies: Arc::new(companies) };
        servers.insert(Provider::Xero, server);
    }
    if let Some(app) = settings.zoho.clone().map(Arc::new) {
        let companies = ZohoCompanies::new(client.clone(), app.data_centres.clone());
        let endpoint = ZohoTokenEndpoint::new(client.clone(), app, clock.clone());
        let server = AuthorizationServer { endpoint: Arc::new(endpoint), companies: Arc::new(companies) };
        servers.insert(Provider::Zoho, server);
    }
    servers
}
