//! What the `api` function is told by its environment.

use std::time::Duration;

use domain::{
    refresh::{OutageSettings, RefreshPolicy},
    webhook::AddressKeys,
};
use edge::config::{ConfigError, Lookup, ScopeLists, Variables};

/// A busy day of one customer's people is a handful of links a minute; more is a loop or an attack.
const DEFAULT_CONNECT_SESSIONS: u64 = 60;

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
    /// `SYNC_QUEUE_LOW_URL`.
    pub sync_queue_low_url: String,
    /// `REFRESH_LEAD_SECONDS` and its siblings.
    pub policy: RefreshPolicy,
    /// `HISTORY_DAYS` (400): how long acts are kept.
    pub history_retention: Duration,
    /// `OUTAGE_SHARE` and its siblings.
    pub outage: OutageSettings,
}

impl Config {
    /// Reads the configuration, or lists everything that is wrong with it.
    pub fn from_lookup(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        let mut variables = Variables::new(lookup);
        let policy = variables.refresh_policy();
        let (_, outage) = variables.breakers(&policy);
        let config = Self {
            environment: variables.environment_name(),
            connections_table: variables.required("CONNECTIONS_TABLE"),
            history_table: variables.required("HISTORY_TABLE"),
            records_table: variables.required("RECORDS_TABLE"),
            deliveries_table: variables.required("DELIVERIES_TABLE"),
            control_table: variables.required("CONTROL_TABLE"),
            refresh_function: variables.required("REFRESH_FUNCTION"),
            public_url: variables.public_url(),
            return_urls: variables.urls("RETURN_URLS"),
            scopes: variables.scope_lists(),
            webhook_addresses: address_keys(&mut variables),
            secrets_id: variables.optional("PROVIDER_SECRETS_ID"),
            connect_sessions_per_minute: variables.parsed(
                "CONNECT_SESSIONS_PER_MINUTE",
                DEFAULT_CONNECT_SESSIONS,
                "a whole number",
            ),
            sync_queue_low_url: variables.required("SYNC_QUEUE_LOW_URL"),
            history_retention: variables.history_retention(),
            policy,
            outage,
        };
        variables.finish(Some(config))
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
