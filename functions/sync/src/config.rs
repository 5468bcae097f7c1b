//! What the `sync` function is told by its environment.

use std::time::Duration;

use domain::{
    limits::Plans,
    refresh::{BreakerSettings, OutageSettings, RefreshPolicy},
    sync::{DEFAULT_MAX_AGE, Lane},
};
use edge::config::{ConfigError, Lookup, Variables};
use providers::zoho::DataCentres;
use url::Url;

const DAY: Duration = Duration::from_hours(24);
/// The greatest age of events in days: a completed event is remembered for four days more, and Xero keeps no events that
/// are older.
const MAX_AGE_DAYS: u64 = 31;

/// One lane of the sync queue.
#[derive(Debug)]
pub struct LaneQueue {
    /// Which lane.
    pub lane: Lane,
    /// The queue's address.
    pub url: String,
    /// The address of its dead-letter queue.
    pub dlq_url: String,
}

/// The configuration of the `sync` function.
#[derive(Debug)]
pub struct Config {
    /// `ENVIRONMENT`: the deployment's name.
    pub environment: String,
    /// `CONNECTIONS_TABLE`.
    pub connections_table: String,
    /// `DELIVERIES_TABLE`.
    pub deliveries_table: String,
    /// `CONTROL_TABLE`: tenants, budgets, usage and breakers.
    pub control_table: String,
    /// `HISTORY_TABLE`, which holds the audit log.
    pub history_table: String,
    /// `HISTORY_DAYS` (400): how long acts are kept.
    pub history_retention: Duration,
    /// `RECORDS_TABLE`.
    pub records_table: String,
    /// `EVENTS_QUEUE_URL`.
    pub events_queue_url: String,
    /// `EVENTS_DLQ_URL`.
    pub events_dlq_url: String,
    /// `SYNC_QUEUE_HIGH_URL`, `SYNC_QUEUE_URL`, `SYNC_QUEUE_LOW_URL` and `SYNC_HIGH_DLQ_URL`, `SYNC_DLQ_URL`,
    /// `SYNC_LOW_DLQ_URL`.
    pub lanes: [LaneQueue; 3],
    /// `EVENT_BUS`.
    pub event_bus: String,
    /// `TOKEN_KEY_ID`: the KMS key that wraps data keys.
    pub token_key_id: String,
    /// `REFRESH_FUNCTION`: who renews tokens.
    pub refresh_function: String,
    /// `REFRESH_LEAD_SECONDS` and its siblings.
    pub policy: RefreshPolicy,
    /// `BREAKER_FAILURES` and its siblings.
    pub breakers: (BreakerSettings, OutageSettings),
    /// `QUICKBOOKS_MONTHLY_READS` and its siblings: what providers allow.
    pub plans: Plans,
    /// `WEBHOOK_MAX_AGE_DAYS`: events that are older when they come are not applied.
    pub webhook_max_age: Duration,
    /// `QUICKBOOKS_API_BASE_URL`.
    pub quickbooks_api_base_url: Url,
    /// `XERO_API_BASE_URL`.
    pub xero_api_base_url: Url,
    /// `ZOHO_DATA_CENTRES` and `ZOHO_LOCATION`.
    pub zoho_data_centres: DataCentres,
}

impl Config {
    /// Reads the configuration, or lists everything that is wrong with it.
    pub fn from_lookup(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        let mut variables = Variables::new(lookup);
        let quickbooks_api_base_url = variables.quickbooks_api_base_url();
        let xero_api_base_url = variables.xero_api_base_url();
        let zoho_data_centres = variables.zoho_data_centres();
        let environment = variables.environment_name();
        let connections_table = variables.required("CONNECTIONS_TABLE");
        let deliveries_table = variables.required("DELIVERIES_TABLE");
        let control_table = variables.required("CONTROL_TABLE");
        let history_table = variables.required("HISTORY_TABLE");
        let history_retention = variables.history_retention();
        let records_table = variables.required("RECORDS_TABLE");
        let events_queue_url = variables.required("EVENTS_QUEUE_URL");
        let events_dlq_url = variables.required("EVENTS_DLQ_URL");
        let lanes = [
            (Lane::High, "SYNC_QUEUE_HIGH_URL", "SYNC_HIGH_DLQ_URL"),
            (Lane::Normal, "SYNC_QUEUE_URL", "SYNC_DLQ_URL"),
            (Lane::Low, "SYNC_QUEUE_LOW_URL", "SYNC_LOW_DLQ_URL"),
        ]
        .map(|(lane, url, dlq_url)| LaneQueue {
            lane,
            url: variables.required(url),
            dlq_url: variables.required(dlq_url),
        });
        let event_bus = variables.required("EVENT_BUS");
        let token_key_id = variables.required("TOKEN_KEY_ID");
        let refresh_function = variables.required("REFRESH_FUNCTION");
        let policy = variables.refresh_policy();
        let breakers = variables.breakers(&policy);
        let plans = variables.plans();
        let default_days = DEFAULT_MAX_AGE.as_secs() / DAY.as_secs();
        let max_age_days = variables.within("WEBHOOK_MAX_AGE_DAYS", default_days, 1..=MAX_AGE_DAYS);
        let webhook_max_age = Duration::from_secs(max_age_days * DAY.as_secs());
        let books = quickbooks_api_base_url.zip(xero_api_base_url).zip(zoho_data_centres);
        variables.finish(books.map(|((quickbooks_api_base_url, xero_api_base_url), zoho_data_centres)| {
            Self {
                environment,
                connections_table,
                deliveries_table,
                control_table,
                history_table,
                history_retention,
                records_table,
                events_queue_url,
                events_dlq_url,
                lanes,
                event_bus,
                token_key_id,
                refresh_function,
                policy,
                breakers,
                plans,
                webhook_max_age,
                quickbooks_api_base_url,
                xero_api_base_url,
                zoho_data_centres,
            }
        }))
    }
}
