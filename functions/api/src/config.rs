//! What the `api` function is told by its environment.

use std::time::Duration;

use aws::SyncLanes;
use domain::{
    limits::Plans,
    refresh::{BreakerSettings, OutageSettings, RefreshPolicy},
    webhook::AddressKeys,
};
use edge::config::{ConfigError, Lookup, ScopeLists, Variables};
use providers::proxy::ApiHosts;

/// A busy day of one customer's people is a handful of links a minute; more is a loop or an attack.
const DEFAULT_CONNECT_SESSIONS: u64 = 60;
/// Ten calls a second: more than a backend needs for its people, less than a loop that ran away makes.
const DEFAULT_API_CALLS: u64 = 600;
/// One item takes a thousand writes in a second, so that no more can be counted.
const MAX_API_CALLS: u64 = 60_000;

/// The configuration of the `api` function.
#[derive(Debug)]
pub struct Config {
    /// `ENVIRONMENT`: the deployment's name.
    pub environment: String,
    /// `CONNECTIONS_TABLE`.
    pub connections_table: String,
    /// `HISTORY_TABLE`.
    pub history_table: String,
    /// `RECORDS_TABLE`.
    pub records_table: String,
    /// `DELIVERIES_TABLE`.
    pub deliveries_table: String,
    /// `CONTROL_TABLE`.
    pub control_table: String,
    /// `REFRESH_FUNCTION`: who renews tokens.
    pub refresh_function: String,
    /// `PUBLIC_URL`: where browsers reach the bundle; the gateway's own address when unset.
    pub public_url: Option<String>,
    /// `RETURN_URLS`: where a browser may be sent after connecting, exact addresses with commas between them.
    pub return_urls: Vec<String>,
    /// `QUICKBOOKS_SCOPES` and its siblings: what may be asked of each provider.
    pub scopes: ScopeLists,
    /// `ZOHO_WEBHOOK_SECRET`: what the webhook addresses of Zoho's organizations are made of, the newest first; without it
    /// there are none.
    pub webhook_addresses: AddressKeys,
    /// `PROVIDER_SECRETS_ID`: where those are fetched again.
    pub secrets_id: Option<String>,
    /// `CONNECT_SESSIONS_PER_MINUTE` (60): how many connect links one tenant may have made in a minute.
    pub connect_sessions_per_minute: u64,
    /// `API_CALLS_PER_MINUTE` (600): how often each API key may call in a minute.
    pub api_calls_per_minute: u64,
    /// `SYNC_QUEUE_HIGH_URL`, `SYNC_QUEUE_URL` and `SYNC_QUEUE_LOW_URL`.
    pub sync_lanes: SyncLanes,
    /// `REFRESH_LEAD_SECONDS` and its siblings.
    pub policy: RefreshPolicy,
    /// `HISTORY_DAYS` (400): how long acts are kept.
    pub history_retention: Duration,
    /// `OUTAGE_SHARE` and its siblings.
    pub outage: OutageSettings,
    /// What calling providers takes.
    pub proxy: ProxyConfig,
    /// `EVENTS_QUEUE_URL` and its siblings: every queue by its name in answers, with its dead-letter queue.
    pub queues: Vec<(&'static str, String, String)>,
}

/// The variables of every queue and its dead-letter queue, by the queue's name in answers.
const QUEUES: [(&str, &str, &str); 6] = [
    ("events", "EVENTS_QUEUE_URL", "EVENTS_DLQ_URL"),
    ("recovery", "RECOVERY_QUEUE_URL", "RECOVERY_DLQ_URL"),
    ("refresh", "REFRESH_QUEUE_URL", "REFRESH_DLQ_URL"),
    ("sync", "SYNC_QUEUE_URL", "SYNC_DLQ_URL"),
    ("syncHigh", "SYNC_QUEUE_HIGH_URL", "SYNC_HIGH_DLQ_URL"),
    ("syncLow", "SYNC_QUEUE_LOW_URL", "SYNC_LOW_DLQ_URL"),
];

/// What calling providers for others takes.
#[derive(Debug)]
pub struct ProxyConfig {
    /// `TOKEN_KEY_ID`: the KMS key that wraps data keys.
    pub token_key_id: String,
    /// `EVENT_BUS`.
    pub event_bus: String,
    /// `BREAKER_FAILURES` and its siblings.
    pub breakers: (BreakerSettings, OutageSettings),
    /// `QUICKBOOKS_MONTHLY_READS` and its siblings: what providers allow.
    pub plans: Plans,
    /// `QUICKBOOKS_API_BASE_URL`, `XERO_API_BASE_URL`, `ZOHO_DATA_CENTRES` and `ZOHO_LOCATION`.
    pub hosts: ApiHosts,
}

impl ProxyConfig {
    fn read(variables: &mut Variables<'_>, policy: &RefreshPolicy) -> Option<Self> {
        let (token_key_id, event_bus) = (variables.required("TOKEN_KEY_ID"), variables.required("EVENT_BUS"));
        let (breakers, plans) = (variables.breakers(policy), variables.plans());
        let quickbooks_api_base_url = variables.quickbooks_api_base_url();
        let xero_api_base_url = variables.xero_api_base_url();
        let zoho_data_centres = variables.zoho_data_centres();
        Some(Self {
            token_key_id,
            event_bus,
            breakers,
            plans,
            hosts: ApiHosts {
                quickbooks_api_base_url: quickbooks_api_base_url?,
                xero_api_base_url: xero_api_base_url?,
                zoho_data_centres: zoho_data_centres?,
            },
        })
    }
}

impl Config {
    /// Reads the configuration, or lists everything that is wrong with it.
    pub fn from_lookup(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        let mut variables = Variables::new(lookup);
        let policy = variables.refresh_policy();
        let proxy = ProxyConfig::read(&mut variables, &policy);
        let sync_lanes = SyncLanes {
            high: Some(variables.required("SYNC_QUEUE_HIGH_URL")),
            normal: Some(variables.required("SYNC_QUEUE_URL")),
            low: Some(variables.required("SYNC_QUEUE_LOW_URL")),
        };
        let queues =
            QUEUES.map(|(name, queue, dead)| (name, variables.required(queue), variables.required(dead)));
        let environment = variables.environment_name();
        let connections_table = variables.required("CONNECTIONS_TABLE");
        let history_table = variables.required("HISTORY_TABLE");
        let records_table = variables.required("RECORDS_TABLE");
        let deliveries_table = variables.required("DELIVERIES_TABLE");
        let control_table = variables.required("CONTROL_TABLE");
        let refresh_function = variables.required("REFRESH_FUNCTION");
        let public_url = variables.public_url();
        let return_urls = variables.urls("RETURN_URLS");
        let scopes = variables.scope_lists();
        let webhook_addresses = address_keys(&mut variables);
        let secrets_id = variables.optional("PROVIDER_SECRETS_ID");
        let connect_sessions_per_minute =
            variables.parsed("CONNECT_SESSIONS_PER_MINUTE", DEFAULT_CONNECT_SESSIONS, "a whole number");
        let api_calls_per_minute =
            variables.within("API_CALLS_PER_MINUTE", DEFAULT_API_CALLS, 1..=MAX_API_CALLS);
        let history_retention = variables.history_retention();
        variables.finish(proxy.map(|proxy| Self {
            environment,
            connections_table,
            history_table,
            records_table,
            deliveries_table,
            control_table,
            refresh_function,
            public_url,
            return_urls,
            scopes,
            webhook_addresses,
            secrets_id,
            connect_sessions_per_minute,
            api_calls_per_minute,
            sync_lanes,
            policy,
            history_retention,
            outage: proxy.breakers.1,
            proxy,
            queues: queues.into(),
        }))
    }
}

/// Reads the keys of addresses alone, as they are when they are fetched again.
pub fn webhook_addresses(lookup: Lookup<'_>) -> Result<AddressKeys, ConfigError> {
    let mut variables = Variables::new(lookup);
    let keys = address_keys(&mut variables);
    variables.finish(Some(keys))
}

fn address_keys(variables: &mut Variables<'_>) -> AddressKeys {
    AddressKeys::new(variables.live_secrets("ZOHO_WEBHOOK_SECRET"))
}
