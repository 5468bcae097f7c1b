//! What the `api` function is told by its environment.

use domain::refresh::RefreshPolicy;
use edge::config::{ConfigError, Lookup, Variables};

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
    /// `CONTROL_TABLE`.
    pub control_table: String,
    /// `REFRESH_FUNCTION`: who renews tokens.
    pub refresh_function: String,
    /// `PUBLIC_URL`: where browsers reach the bundle; the gateway's own address when unset.
    pub public_url: Option<String>,
    /// `RETURN_URLS`: where a browser may be sent after connecting, exact addresses with commas between them.
    pub return_urls: Vec<String>,
    /// `REFRESH_LEAD_SECONDS` and its siblings.
    pub policy: RefreshPolicy,
}

impl Config {
    /// Reads the configuration, or lists everything that is wrong with it.
    pub fn from_lookup(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        let mut variables = Variables::new(lookup);
        let config = Self {
            environment: variables.environment_name(),
            connections_table: variables.required("CONNECTIONS_TABLE"),
            history_table: variables.required("HISTORY_TABLE"),
            records_table: variables.required("RECORDS_TABLE"),
            control_table: variables.required("CONTROL_TABLE"),
            refresh_function: variables.required("REFRESH_FUNCTION"),
            public_url: variables.public_url(),
            return_urls: variables.urls("RETURN_URLS"),
            policy: variables.refresh_policy(),
        };
        variables.finish(Some(config))
    }
}
