//! What the `refresh` function is told by its environment.

use std::time::Duration;

use domain::refresh::{BreakerSettings, OutageSettings, RefreshPolicy};
use edge::config::{ConfigError, Lookup, ProviderSettings, Variables};

/// The configuration of the `refresh` function.
#[derive(Debug)]
pub struct Config {
    /// `ENVIRONMENT`: the deployment's name.
    pub environment: String,
    /// `CONNECTIONS_TABLE`.
    pub connections_table: String,
    /// `HISTORY_TABLE`.
    pub history_table: String,
    /// `CONTROL_TABLE`.
    pub control_table: String,
    /// `REFRESH_QUEUE_URL`.
    pub refresh_queue_url: String,
    /// `REFRESH_DLQ_URL`.
    pub refresh_dlq_url: String,
    /// `RECOVERY_QUEUE_URL`.
    pub recovery_queue_url: String,
    /// `RECOVERY_DLQ_URL`.
    pub recovery_dlq_url: String,
    /// `EVENT_BUS`.
    pub event_bus: String,
    /// `TOKEN_KEY_ID`: the KMS key that wraps data keys.
    pub token_key_id: String,
    /// `DUE_SHARDS` (4).
    pub due_shards: u32,
    /// `REFRESH_POLICY` (adaptive), `KEEP_ALIVE_HOURS` (24), `REFRESH_LEAD_SECONDS` (1800),
    /// `REFRESH_POST_TIMEOUT_SECONDS` (45), `REFRESH_LEASE_SECONDS` (105).
    pub policy: RefreshPolicy,
    /// `BREAKER_FAILURES` (3), `BREAKER_RESET_SECONDS` (60), `OUTAGE_SHARE` (0.5), `OUTAGE_MINIMUM` (10),
    /// `OUTAGE_WINDOW_SECONDS` (300).
    pub breakers: (BreakerSettings, OutageSettings),
    /// `HISTORY_DAYS` (400): how long attempts and acts are kept.
    pub history_retention: Duration,
    /// `QUICKBOOKS_CLIENT_ID` and its siblings, for each provider that is configured.
    pub providers: ProviderSettings,
}

impl Config {
    /// Reads the configuration, or lists everything that is wrong with it.
    pub fn from_lookup(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        let mut variables = Variables::new(lookup);
        let policy = variables.refresh_policy();
        let breakers = variables.breakers(&policy);
        let history_retention = variables.history_retention();
        let providers = variables.providers(policy.post_timeout);
        let environment = variables.environment_name();
        let connections_table = variables.required("CONNECTIONS_TABLE");
        let history_table = variables.required("HISTORY_TABLE");
        let control_table = variables.required("CONTROL_TABLE");
        let refresh_queue_url = variables.required("REFRESH_QUEUE_URL");
        let refresh_dlq_url = variables.required("REFRESH_DLQ_URL");
        let recovery_queue_url = variables.required("RECOVERY_QUEUE_URL");
        let recovery_dlq_url = variables.required("RECOVERY_DLQ_URL");
        let event_bus = variables.required("EVENT_BUS");
        let token_key_id = variables.required("TOKEN_KEY_ID");
        let due_shards = variables.due_shards();
        variables.finish(providers.map(|providers| Self {
            environment,
            connections_table,
            history_table,
            control_table,
            refresh_queue_url,
            refresh_dlq_url,
            recovery_queue_url,
            recovery_dlq_url,
            event_bus,
            token_key_id,
            due_shards,
            policy,
            breakers,
            history_retention,
            providers,
        }))
    }
}
