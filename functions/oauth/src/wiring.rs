//! Puts the `oauth` function together.

use std::{collections::HashMap, sync::Arc};

use aws::{
    DynamoAudit, DynamoAuthorizations, DynamoConnections, DynamoJobs, DynamoTenants, EventBridgeBus,
    KmsDataKeys, SdkConfig, SqsSyncQueue, SyncLanes, clients,
};
use domain::{
    authorization::{AuthorizationServer, Companies, Connector},
    clock::{Clock, SystemClock},
    entropy::{Entropy, SystemEntropy},
    provider::Provider,
    sealing::TokenSealer,
    sync::JobOrders,
};
use edge::{config::ProviderSettings, token_endpoints};
use providers::{http, quickbooks::QuickBooksCompanies, xero::XeroCompanies, zoho::ZohoCompanies};

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
    let jobs = JobOrders {
        log: Arc::new(DynamoJobs::new(dynamodb.clone(), config.records_table)),
        queue: Arc::new(SqsSyncQueue::new(clients::sqs(sdk), lanes)),
        clock: clock.clone(),
    };
    Ok(Deps {
        connector: Connector {
            requests: requests.clone(),
            tenants: Arc::new(DynamoTenants::new(dynamodb.clone(), config.control_table)),
            connections: Arc::new(connections),
            servers: servers(&config.providers, &http::client()?, &clock),
            sealer: TokenSealer::new(config.environment, keys, entropy.clone()),
            jobs,
            bus: Arc::new(EventBridgeBus::new(clients::eventbridge(sdk), config.event_bus)),
            audit: Arc::new(DynamoAudit::new(
                dynamodb.clone(),
                config.history_table,
                config.history_retention,
            )),
            clock: clock.clone(),
            entropy: entropy.clone(),
            policy: config.policy,
            shared_companies: config.shared_companies,
            return_urls: config.return_urls,
        },
        requests,
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
    let endpoints = token_endpoints(settings, client, clock).into_iter();
    let server = |(provider, endpoint)| {
        let companies = companies(settings, client, provider)?;
        Some((provider, AuthorizationServer { endpoint, companies }))
    };
    endpoints.filter_map(server).collect()
}

/// Who tells which companies a grant of this provider is for.
fn companies(
    settings: &ProviderSettings,
    client: &http::Client,
    provider: Provider,
) -> Option<Arc<dyn Companies>> {
    let client = client.clone();
    Some(match provider {
        Provider::QuickBooks => {
            let app = settings.quickbooks.as_ref()?;
            Arc::new(QuickBooksCompanies::new(client, app.api_base_url.clone()))
        }
        Provider::Xero => {
            Arc::new(XeroCompanies::new(client, settings.xero.as_ref()?.connections_url.clone()))
        }
        Provider::Zoho => Arc::new(ZohoCompanies::new(client, settings.zoho.as_ref()?.data_centres.clone())),
    })
}
