//! Puts the `api` function together.

use std::sync::Arc;

use aws::{
    DynamoApiKeys, DynamoAttempts, DynamoAudit, DynamoAuthorizations, DynamoBreakers, DynamoCallCounts,
    DynamoConnections, DynamoCursorKey, DynamoDeliveries, DynamoFlights, DynamoJobs, DynamoProbe,
    DynamoRecords, DynamoRequestNames, DynamoSweepLog, DynamoTallies, DynamoTenants, DynamoUsage,
    DynamoUsers, EventBridgeBus, KmsProbe, LambdaRefresh, SdkConfig, SqsProbe, SqsSyncQueue, clients,
};
use domain::{
    clock::{Clock, SystemClock},
    connection::ConnectionStore,
    entropy::SystemEntropy,
    event::EventBus,
    probe::{QueueProbe, TableProbe},
    proxy::Proxy,
    refresh::{Endpoint, RefreshInvoker, Tallies},
    sync::JobOrders,
};
use edge::{
    access_tokens,
    live_secrets::{LiveSecrets, SecretSource},
    shared_limits,
};
use providers::{http, proxy::HttpUpstream};

use crate::{Admission, Config, Cursors, Deps, Probes, TenancyStores, webhook_addresses};

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
    let bus: Arc<dyn EventBus> =
        Arc::new(EventBridgeBus::new(clients::eventbridge(sdk), config.proxy.event_bus.clone()));
    let proxy = proxy(&config, sdk, (&connections, &refresh), &bus)?;
    let history = (config.history_table.clone(), config.history_retention);
    let audit = Arc::new(DynamoAudit::new(dynamodb.clone(), history.0.clone(), history.1));
    let jobs = orders(&config, sdk, &clock);
    let keys = Arc::new(DynamoApiKeys::new(dynamodb.clone(), control()));
    let counts = Arc::new(DynamoCallCounts::new(dynamodb.clone(), control()));
    let tenancy = TenancyStores {
        tenants: Arc::new(DynamoTenants::new(dynamodb.clone(), control())),
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
        deliveries: Arc::new(DynamoDeliveries::new(dynamodb, config.deliveries_table)),
        webhook_addresses: LiveSecrets::new(config.webhook_addresses, source, clock.clone()),
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
