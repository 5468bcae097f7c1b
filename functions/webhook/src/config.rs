//! What the `webhook` function is told by its environment.

use std::time::Duration;

use domain::webhook::WebhookSecrets;
use edge::config::{ConfigError, Lookup, Variables};

/// The configuration of the `webhook` function.
#[derive(Debug)]
pub struct Config {
    /// `EVENTS_QUEUE_URL`.
    pub events_queue_url: String,
    /// `QUICKBOOKS_WEBHOOK_SECRET` (the verifier token), `XERO_WEBHOOK_SECRET` (the signing key) and `ZOHO_WEBHOOK_SECRET`
    /// (the key that addresses are derived from): of each none, one, or two with a comma between them.
    pub secrets: WebhookSecrets,
    /// `PROVIDER_SECRETS_ID`: where the secrets are fetched again.
    pub secrets_id: Option<String>,
    /// `WEBHOOK_SEND_MILLISECONDS`: how long the queue may take.
    pub send_timeout: Duration,
}

/// Most of the function's ten seconds: a provider that waits no longer than three (Intuit) sends again what came through
/// late, and it has its effect once; one that never sends again (Zoho) would lose it.
const SEND_MILLISECONDS: u64 = 8_000;

impl Config {
    /// Reads the configuration, or lists everything that is wrong with it.
    pub fn from_lookup(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        let mut variables = Variables::new(lookup);
        let events_queue_url = variables.required("EVENTS_QUEUE_URL");
        let secrets = variables.webhook_secrets();
        let secrets_id = variables.optional("PROVIDER_SECRETS_ID");
        let send_timeout = variables.within("WEBHOOK_SEND_MILLISECONDS", SEND_MILLISECONDS, 1_000..=9_000);
        let send_timeout = Duration::from_millis(send_timeout);
        variables.finish(Some(Self { events_queue_url, secrets, secrets_id, send_timeout }))
    }
}

/// Reads the secrets alone, as they are when they are fetched again.
pub fn secrets(lookup: Lookup<'_>) -> Result<WebhookSecrets, ConfigError> {
    let mut variables = Variables::new(lookup);
    let secrets = variables.webhook_secrets();
    variables.finish(Some(secrets))
}
