//! Puts the `sync` function together.

use std::{collections::HashMap, sync::Arc, time::Duration};

use aws::{
    DynamoApiKeys, DynamoAudit, DynamoConnections, DynamoDeliveries, DynamoIdempotency, DynamoJobs,
    DynamoLeases, DynamoRecords, DynamoSubscriptions, DynamoTenants, DynamoUsage, DynamoUsers,
    EventBridgeBus, LambdaRefresh, SdkConfig, SqsSource, SqsSyncQueue, SyncLanes, clients,
};
use domain::{
    clock::{Clock, SystemClock},
    connection::ConnectionStore,
    entropy::SystemEntropy,
    erasure::Eraser,
    event::EventBus,
    provider::Provider,
    refresh::RefreshInvoker,
    sync::{CatchUp, EventConsumer, Heard, JobOrders, Ledger, SilenceWatch, SyncRunner},
    tenant::TenantStore,
};
use edge::{access_tokens, shared_limits};
use providers::{
    http,
    quickbooks::QuickBooksLedger,
    xero::XeroLedger,
    zoho::{DataCentres, ZohoLedger},
};
use url::Url;

use crate::{Config, Deps, LaneQueue};

/// Builds everything the function works with, once per process; nothing is called yet.
pub fn wire(config: Config, sdk: &SdkConfig) -> Result<Deps, http::ClientError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (dynamodb, sqs) = (clients::dynamodb(sdk), clients::sqs(sdk));
    let connections: Arc<dyn ConnectionStore> =
        Arc::new(DynamoConnections::without_due_index(dynamodb.clone(), config.connections_table));
    let refresh: Arc<dyn RefreshInvoker> =
        Arc::new(LambdaRefresh::new(&clients::lambda(sdk), config.refresh_function));
    let names = (config.environment, config.token_key_id);
    let access = access_tokens(sdk, names, (&connections, refresh.clone()), (&clock, config.policy));
    let ledgers =
        ledgers((config.quickbooks_api_base_url, config.xero_api_base_url, config.zoho_data_centres))?;
    let stored = Arc::new(DynamoRecords::new(dynamodb.clone(), config.records_table.clone()));
    let bus: Arc<dyn EventBus> = Arc::new(EventBridgeBus::new(clients::eventbridge(sdk), config.event_bus));
    let tenants: Arc<dyn TenantStore> =
        Arc::new(DynamoTenants::new(dynamodb.clone(), config.control_table.clone()));
    let limits =
        shared_limits(sdk, (config.control_table.clone(), config.breakers, config.plans), (&clock, &bus));
    let subscriptions = Arc::new(DynamoSubscriptions::new(dynamodb.clone(), config.deliveries_table.clone()));
    let jobs = orders(sdk, (config.records_table.clone(), &config.lanes), &clock);
    let tables = (config.control_table, (config.history_table, config.history_retention));
    let eraser = eraser(sdk, tables, refresh, (&tenants, &connections), (&stored, &jobs));
    let source = |LaneQueue { lane, url, dlq_url }| (lane, SqsSource::new(sqs.clone(), url, dlq_url));
    Ok(Deps {
        eraser,
        consumer: EventConsumer {
            tenants: tenants.clone(),
            access: access.clone(),
            connections: connections.clone(),
            ledgers: ledgers.clone(),
            limits: limits.clone(),
            records: stored.clone(),
            seen: Arc::new(DynamoIdempotency::new(dynamodb.clone(), config.deliveries_table.clone())),
            log: Arc::new(DynamoDeliveries::new(dynamodb.clone(), config.deliveries_table)),
            subscriptions: subscriptions.clone(),
            bus: bus.clone(),
            clock: clock.clone(),
            entropy: Arc::new(SystemEntropy),
            max_age: config.webhook_max_age,
            heard: Heard::default(),
        },
        runner: SyncRunner {
            tenants: tenants.clone(),
            access,
            connections: connections.clone(),
            ledgers,
            limits,
            records: stored.clone(),
            walks: stored,
            leases: Arc::new(DynamoLeases::new(dynamodb, config.records_table)),
            jobs: jobs.log.clone(),
            queue: jobs.queue.clone(),
            silence: SilenceWatch { subscriptions, bus: bus.clone(), clock: clock.clone() },
            bus,
            clock: clock.clone(),
            entropy: Arc::new(SystemEntropy),
        },
        catch_up: CatchUp { tenants, connections, jobs, clock: clock.clone() },
        events: SqsSource::new(sqs.clone(), config.events_queue_url, config.events_dlq_url),
        lanes: config.lanes.map(source).into(),
        clock,
    })
}

/// Where jobs are made.
fn orders(
    sdk: &SdkConfig,
    (records_table, lanes): (String, &[LaneQueue; 3]),
    clock: &Arc<dyn Clock>,
) -> JobOrders {
    let [high, normal, low] = lanes.each_ref().map(|lane| Some(lane.url.clone()));
    JobOrders {
        log: Arc::new(DynamoJobs::new(clients::dynamodb(sdk), records_table)),
        queue: Arc::new(SqsSyncQueue::new(clients::sqs(sdk), SyncLanes { high, normal, low })),
        clock: clock.clone(),
    }
}

/// The end of tenants.
fn eraser(
    sdk: &SdkConfig,
    (control, (history, retention)): (String, (String, Duration)),
    refresh: Arc<dyn RefreshInvoker>,
    (tenants, connections): (&Arc<dyn TenantStore>, &Arc<dyn ConnectionStore>),
    (books, jobs): (&Arc<DynamoRecords>, &JobOrders),
) -> Eraser {
    let dynamodb = clients::dynamodb(sdk);
    Eraser {
        tenants: tenants.clone(),
        connections: connections.clone(),
        refresh,
        books: books.clone(),
        jobs: jobs.log.clone(),
        keys: Arc::new(DynamoApiKeys::new(dynamodb.clone(), control.clone())),
        users: Arc::new(DynamoUsers::new(dynamodb.clone(), control.clone())),
        usage: Arc::new(DynamoUsage::new(dynamodb.clone(), control)),
        queue: jobs.queue.clone(),
        audit: Arc::new(DynamoAudit::new(dynamodb, history, retention)),
        clock: jobs.clock.clone(),
        entropy: Arc::new(SystemEntropy),
    }
}

/// The books of each provider.
fn ledgers(
    (quickbooks, xero, zoho): (Url, Url, DataCentres),
) -> Result<HashMap<Provider, Arc<dyn Ledger>>, http::ClientError> {
    let http = http::client()?;
    Ok(HashMap::from([
        (Provider::QuickBooks, Arc::new(QuickBooksLedger::new(http.clone(), quickbooks)) as _),
        (Provider::Xero, Arc::new(XeroLedger::new(http.clone(), xero)) as _),
        (Provider::Zoho, Arc::new(ZohoLedger::new(http, zoho)) as _),
    ]))
}
