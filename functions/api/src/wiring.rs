//! Puts the `api` function together.

use std::{collections::HashMap, sync::Arc};

use aws::{
    DynamoApiKeys, DynamoAttempts, DynamoAudit, DynamoAuthorizations, DynamoBreakers, DynamoCallCounts,
    DynamoConnections, DynamoCursorKey, DynamoDeliveries, DynamoFlights, DynamoJobs, DynamoProbe,
    DynamoRecords, DynamoRequestNames, DynamoSweepLog, DynamoTallies, DynamoTenants, DynamoUsage,
    DynamoUsers, EventBridgeBus, KmsDataKeys, KmsProbe, LambdaRefresh, SdkConfig, SqsProbe, SqsSyncQueue,
    clients,
};
use domain::{
    audit::AuditLog,
    authorization::{Companies, Placer},
    clock::{Clock, SystemClock},
    connection::ConnectionStore,
    entropy::{Entropy, SystemEntropy},
    event::EventBus,
    import::{Importer, Locations},
    probe::{QueueProbe, TableProbe},
    provider::Provider,
    proxy::Proxy,
    refresh::{Endpoint, RefreshInvoker, Tallies},
    sealing::TokenSealer,
    sync::JobOrders,
    tenant::TenantStore,
    webhook::AddressKeys,
};
use edge::{
    access_tokens,
    live_secrets::{LiveSecrets, SecretSource},
    shared_limits,
};
use providers::{
    http,
    proxy::{ApiHosts, HttpUpstream},
    quickbooks::QuickBooksCompanies,
    xero::XeroCompanies,
    zoho::ZohoCompanies,
};

use crate::{
    Admission, Config, Cursors, Deps, Probes, TenancyStores, config::ProxyConfig, webhook_addresses,
};

/// Builds everything the function works with, once per process; nothing is called yet.
pub fn wire(config: Config, sdk: &SdkConfig) -> Result<Deps, http::ClientError> {
    let dynamodb = clients::dynamodb(sdk);
    let control = || config.control_table.clone();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let connections = connections(&config, sdk);
    let refresh: Arc<dyn RefreshInvoker> =
        Arc::new(LambdaRefresh::new(&clients::lambda(sdk), config.refresh_function.clone()));
    let bus: Arc<dyn EventBus> =
        Arc::new(EventBridgeBus::new(clients::eventbridge(sdk), config.proxy.event_bus.clone()));
    let proxy = proxy(&config, sdk, (&connections, &refresh), &bus)?;
    let history = (config.history_table.clone(), config.history_retention);
    let audit: Arc<dyn AuditLog> = Arc::new(DynamoAudit::new(dynamodb.clone(), history.0.clone(), history.1));
    let jobs = orders(&config, sdk, &clock);
    let keys = Arc::new(DynamoApiKeys::new(dynamodb.clone(), control()));
    let counts = Arc::new(DynamoCallCounts::new(dynamodb.clone(), control()));
    let tenants: Arc<dyn TenantStore> = Arc::new(DynamoTenants::new(dynamodb.clone(), control()));
    let importer = importer(&config, sdk, (&connections, &tenants), (&refresh, &audit), &bus)?;
    let tenancy = TenancyStores {
        tenants,
        users: Arc::new(DynamoUsers::new(dynamodb.clone(), control())),
        usage: Arc::new(DynamoUsage::new(dynamodb.clone(), control())),
        counts: counts.clone(),
        keys: keys.clone(),
        attempts: Arc::new(DynamoAttempts::new(dynamodb.clone(), history.0, history.1)),
        records: Arc::new(DynamoRecords::new(dynamodb.clone(), config.records_table.clone())),
        connections,
        jobs: jobs.clone(),
        tallies: tallies(&config, sdk, &clock),
        access: proxy.access.clone(),
        acts: audit.clone(),
        importer,
    };
    let cursor_key = Arc::new(DynamoCursorKey::new(dynamodb.clone(), control()));
    Ok(Deps {
        admission: Admission::new(keys, counts, config.api_calls_per_minute),
        bus,
        tenancy: tenancy.into(),
        authorizations: Arc::new(DynamoAuthorizations::new(dynamodb.clone(), control())),
        breakers: Arc::new(DynamoBreakers::new(dynamodb.clone(), control(), Endpoint::Token)),
        books_breakers: Arc::new(DynamoBreakers::new(dynamodb.clone(), control(), Endpoint::Books)),
        sweeps: Arc::new(DynamoSweepLog::new(dynamodb.clone(), control())),
        audit,
        probes: probes(&config, sdk),
        cursors: Cursors::new(cursor_key, config.environment.clone(), Arc::new(SystemEntropy)),
        request_names: Arc::new(DynamoRequestNames::new(dynamodb.clone(), control())),
        api_hosts: config.proxy.hosts.clone(),
        deliveries: Arc::new(DynamoDeliveries::new(dynamodb, config.deliveries_table.clone())),
        webhook_addresses: addresses(&config, sdk, &clock),
        refresh,
        job_log: jobs.log,
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

/// What the webhook addresses of Zoho's organizations are made of, fetched again while the function runs.
fn addresses(config: &Config, sdk: &SdkConfig, clock: &Arc<dyn Clock>) -> LiveSecrets<AddressKeys> {
    let source =
        config.secrets_id.clone().map(|id| (SecretSource { sdk: sdk.clone(), id }, webhook_addresses as _));
    LiveSecrets::new(config.webhook_addresses.clone(), source, clock.clone())
}

fn connections(config: &Config, sdk: &SdkConfig) -> Arc<dyn ConnectionStore> {
    let table = config.connections_table.clone();
    Arc::new(DynamoConnections::new(clients::dynamodb(sdk), table, config.import.due_shards))
}

/// Where jobs are made.
fn orders(config: &Config, sdk: &SdkConfig, clock: &Arc<dyn Clock>) -> JobOrders {
    JobOrders {
        log: Arc::new(DynamoJobs::new(clients::dynamodb(sdk), config.records_table.clone())),
        queue: Arc::new(SqsSyncQueue::new(clients::sqs(sdk), config.sync_lanes.clone())),
        clock: clock.clone(),
    }
}

/// How connections stand, counted.
fn tallies(config: &Config, sdk: &SdkConfig, clock: &Arc<dyn Clock>) -> Tallies {
    let dynamodb = clients::dynamodb(sdk);
    let connections =
        DynamoConnections::without_due_index(dynamodb.clone(), config.connections_table.clone());
    Tallies {
        standings: Arc::new(connections),
        store: Arc::new(DynamoTallies::new(dynamodb, config.control_table.clone())),
        policy: config.policy,
        clock: clock.clone(),
        entropy: Arc::new(SystemEntropy),
    }
}

/// What the deployment stands on.
fn probes(config: &Config, sdk: &SdkConfig) -> Probes {
    let dynamodb = clients::dynamodb(sdk);
    let table = |(name, table): (&'static str, &String)| {
        (name, Arc::new(DynamoProbe::new(dynamodb.clone(), table.clone())) as Arc<dyn TableProbe>)
    };
    let tables = [
        ("connections", &config.connections_table),
        ("control", &config.control_table),
        ("deliveries", &config.deliveries_table),
        ("history", &config.history_table),
        ("records", &config.records_table),
    ];
    let sqs = clients::sqs(sdk);
    let queue = |(name, queue, dead): &(&'static str, String, String)| {
        (*name, Arc::new(SqsProbe::new(sqs.clone(), queue.clone(), dead.clone())) as Arc<dyn QueueProbe>)
    };
    Probes {
        tables: tables.into_iter().map(table).collect(),
        key: Arc::new(KmsProbe::new(clients::kms(sdk), config.proxy.token_key_id.clone())),
        queues: config.queues.iter().map(queue).collect(),
    }
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
    let upstream = HttpUpstream { http: http::client()?, hosts: config.proxy.hosts.clone() };
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

/// Brings connections in from other systems.
fn importer(
    config: &Config,
    sdk: &SdkConfig,
    (connections, tenants): (&Arc<dyn ConnectionStore>, &Arc<dyn TenantStore>),
    (refresh, audit): (&Arc<dyn RefreshInvoker>, &Arc<dyn AuditLog>),
    bus: &Arc<dyn EventBus>,
) -> Result<Importer, http::ClientError> {
    let ProxyConfig { token_key_id, hosts, .. } = &config.proxy;
    let ApiHosts { quickbooks_api_base_url, zoho_data_centres, .. } = hosts;
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let keys = Arc::new(KmsDataKeys::new(clients::kms(sdk), token_key_id.clone()));
    let client = http::client()?;
    let quickbooks = QuickBooksCompanies::new(client.clone(), quickbooks_api_base_url.clone());
    let xero = XeroCompanies::new(client.clone(), config.import.xero_connections_url.clone());
    let zoho = ZohoCompanies::new(client, zoho_data_centres.clone());
    Ok(Importer {
        placer: Placer {
            tenants: tenants.clone(),
            connections: connections.clone(),
            sealer: TokenSealer::new(config.environment.clone(), keys, entropy.clone()),
            audit: audit.clone(),
            clock: Arc::new(SystemClock),
            entropy,
            policy: config.policy,
            shared_companies: config.import.shared_companies,
        },
        companies: HashMap::from([
            (Provider::QuickBooks, Arc::new(quickbooks) as Arc<dyn Companies>),
            (Provider::Xero, Arc::new(xero)),
            (Provider::Zoho, Arc::new(zoho)),
        ]),
        refresh: refresh.clone(),
        bus: bus.clone(),
        locations: Locations {
            known: zoho_data_centres.locations().cloned().collect(),
            default: zoho_data_centres.beginning().location.clone(),
        },
    })
}
