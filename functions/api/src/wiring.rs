//! Puts the `api` function together.

use std::sync::Arc;

use aws::{
    DynamoApiKeys, DynamoAttempts, DynamoAudit, DynamoAuthorizations, DynamoBreakers, DynamoCallCounts,
    DynamoConnections, DynamoDeliveries, DynamoFlights, DynamoJobs, DynamoRecords, DynamoSweepLog,
    DynamoTenants, DynamoUsage, DynamoUsers, EventBridgeBus, LambdaRefresh, SdkConfig, SqsSyncQueue, clients,
};
use domain::{
    clock::{Clock, SystemClock},
    connection::ConnectionStore,
    entropy::SystemEntropy,
    event::EventBus,
    proxy::Proxy,
    refresh::{Endpoint, RefreshInvoker},
    sync::JobOrders,
};
use edge::{
    access_tokens,
    live_secrets::{LiveSecrets, SecretSource},
    shared_limits,
};
use providers::{http, proxy::HttpUpstream};

use crate::{Admission, Config, Deps, TenancyStores, webhook_addresses};

/// Builds everything the function works with, once per process; nothing is called yet.
pub fn wire(config: Config, sdk: &SdkConfig) -> Result<Deps, http::ClientError> {
    let dynamodb = clients::dynamodb(sdk);
    let control = || config.control_table.clone();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let source =
        config.secrets_id.clone().map(|id| (SecretSource { sdk: sdk.clone(), id }, webhook_addresses as _));
    let connections: Arc<dyn ConnectionStore> =
        Arc::new(DynamoConnections::without_due_index(dynamodb.clone(), config.connections_table.clone()));
    let refresh: Arc<dyn RefreshInvoker> =
        Arc::new(LambdaRefresh::new(&clients::lambda(sdk), config.refresh_function.clone()));
    let jobs = JobOrders {
        log: Arc::new(DynamoJobs::new(dynamodb.clone(), config.records_table.clone())),
        queue: Arc::new(SqsSyncQueue::new(clients::sqs(sdk), config.sync_lanes.clone())),
        clock: clock.clone(),
    };
    let job_log = jobs.log.clone();
    let keys = Arc::new(DynamoApiKeys::new(dynamodb.clone(), control()));
    let counts = Arc::new(DynamoCallCounts::new(dynamodb.clone(), control()));
    let bus: Arc<dyn EventBus> =
        Arc::new(EventBridgeBus::new(clients::eventbridge(sdk), config.proxy.event_bus.clone()));
    let tenancy = TenancyStores {
        tenants: Arc::new(DynamoTenants::new(dynamodb.clone(), control())),
        users: Arc::new(DynamoUsers::new(dynamodb.clone(), control())),
        usage: Arc::new(DynamoUsage::new(dynamodb.clone(), control())),
        counts: counts.clone(),
        keys: keys.clone(),
        attempts: Arc::new(DynamoAttempts::new(
            dynamodb.clone(),
            config.history_table.clone(),
            config.history_retention,
        )),
        records: Arc::new(DynamoRecords::new(dynamodb.clone(), config.records_table.clone())),
        connections: connections.clone(),
        jobs,
    };
    let proxy = proxy(&config, sdk, (&connections, &refresh), &bus)?;
    Ok(Deps {
        admission: Admission::new(keys, counts, config.api_calls_per_minute),
        bus,
        tenancy: tenancy.into(),
        authorizations: Arc::new(DynamoAuthorizations::new(dynamodb.clone(), control())),
        breakers: Arc::new(DynamoBreakers::new(dynamodb.clone(), control(), Endpoint::Token)),
        books_breakers: Arc::new(DynamoBreakers::new(dynamodb.clone(), control(), Endpoint::Books)),
        sweeps: Arc::new(DynamoSweepLog::new(dynamodb.clone(), control())),
        audit: Arc::new(DynamoAudit::new(dynamodb.clone(), config.history_table, config.history_retention)),
        deliveries: Arc::new(DynamoDeliveries::new(dynamodb, config.deliveries_table)),
        webhook_addresses: LiveSecrets::new(config.webhook_addresses, source, clock.clone()),
        refresh,
        job_log,
        proxy,
        environment: config.environment,
        public_url: config.public_url,
        return_urls: config.return_urls,
        scopes: config.scopes,
        connect_sessions_per_minute: config.connect_sessions_per_minute,
        policy: config.policy,
        outage: config.outage,
        clock,
        entropy: Arc::new(SystemEntropy),
    })
}

/// Calls of providers with the tokens of connections.
fn proxy(
    config: &Config,
    sdk: &SdkConfig,
    (connections, refresh): (&Arc<dyn ConnectionStore>, &Arc<dyn RefreshInvoker>),
    bus: &Arc<dyn EventBus>,
) -> Result<Proxy, http::ClientError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let names = (config.environment.clone(), config.proxy.token_key_id.clone());
    let access = access_tokens(sdk, names, (connections, refresh.clone()), (&clock, config.policy));
    let upstream = HttpUpstream {
        http: http::client()?,
        quickbooks_api_base_url: config.proxy.quickbooks_api_base_url.clone(),
        xero_api_base_url: config.proxy.xero_api_base_url.clone(),
        zoho_data_centres: config.proxy.zoho_data_centres.clone(),
    };
    let budgets = (config.control_table.clone(), config.proxy.breakers, config.proxy.plans.clone());
    Ok(Proxy {
        access,
        limits: shared_limits(sdk, budgets, (&clock, bus)),
        upstream: Arc::new(upstream),
        flights: Arc::new(DynamoFlights::new(clients::dynamodb(sdk), config.control_table.clone())),
        clock,
        entropy: Arc::new(SystemEntropy),
    })
}
