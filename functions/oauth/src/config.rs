//! What the `oauth` function is told by its environment.

use std::time::Duration;

use domain::refresh::RefreshPolicy;
use edge::config::{ConfigError, Lookup, ProviderSettings, Variables};

/// The configuration of the `oauth` function.
#[derive(Debug)]
pub struct Config {
    /// `ENVIRONMENT`: the deployment's name.
    pub environment: String,
    /// `CONNECTIONS_TABLE`.
    pub connections_table: String,
    /// `CONTROL_TABLE`.
    pub control_table: String,
    /// `HISTORY_TABLE`, which holds the audit log.
    pub history_table: String,
    /// `RECORDS_TABLE`, which holds the log of jobs.
    pub records_table: String,
    /// `SYNC_QUEUE_LOW_URL`.
    pub sync_queue_low_url: String,
    /// `EVENT_BUS`.
    pub event_bus: String,
    /// `TOKEN_KEY_ID`: the KMS key that wraps data keys.
    pub token_key_id: String,
    /// `PUBLIC_URL`: where providers and browsers reach the bundle; the gateway's own address when unset.
    pub public_url: Option<String>,
    /// `DUE_SHARDS` (4).
    pub due_shards: u32,
    /// `REFRESH_LEAD_SECONDS` and its siblings.
    pub policy: RefreshPolicy,
    /// `HISTORY_DAYS` (400): how long acts are kept.
    pub history_retention: Duration,
    /// `ALLOW_SHARED_COMPANIES` (false): whether several tenants may be connected to one company.
    pub shared_companies: bool,
    /// `RETURN_URLS`: where a browser may be sent after connecting, beside the addresses of its tenant.
    pub return_urls: Vec<String>,
    /// `QUICKBOOKS_CLIENT_ID` and its siblings, for each provider that is configured.
    pub providers: ProviderSettings,
}

impl Config {
    /// Reads the configuration, or lists everything that is wrong with it.
    pub fn from_lookup(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        let mut variables = Variables::new(lookup);
        let policy = variables.refresh_policy();
        let history_retention = variables.history_retention();
        let providers = variables.providers(EXCHANGE_TIMEOUT.min(policy.post_timeout));
        let environment = variables.environment_name();
        let connections_table = variables.required("CONNECTIONS_TABLE");
        let control_table = variables.required("CONTROL_TABLE");
        let history_table = variables.required("HISTORY_TABLE");
        let records_table = variables.required("RECORDS_TABLE");
        let sync_queue_low_url = variables.required("SYNC_QUEUE_LOW_URL");
        let event_bus = variables.required("EVENT_BUS");
        let token_key_id = variables.required("TOKEN_KEY_ID");
        let public_url = variables.public_url();
        let due_shards = variables.due_shards();
        let shared_companies = variables.parsed("ALLOW_SHARED_COMPANIES", false, "true or false");
        let return_urls = variables.urls("RETURN_URLS");
        variables.finish(providers.map(|providers| Self {
            environment,
            connections_table,
            control_table,
            history_table,
            records_table,
            sync_queue_low_url,
            event_bus,
            token_key_id,
            public_url,
            due_shards,
            policy,
            history_retention,
            shared_companies,
            return_urls,
            providers,
        }))
    }
}

/// A person waits, and the gateway gives up after 29 seconds: the exchange and what follows must fit.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(15);
