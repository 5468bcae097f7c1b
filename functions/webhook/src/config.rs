//! What the `webhook` function is told by its environment.

use domain::secret::WebhookSecret;
use edge::config::{ConfigError, Lookup, Variables};

/// The configuration of the `webhook` function.
#[derive(Debug)]
pub struct Config {
    /// `EVENTS_QUEUE_URL`.
    pub events_queue_url: String,
    /// `QUICKBOOKS_WEBHOOK_SECRET`: the verifier token; two may be live, with a comma between them.
    pub quickbooks_secrets: Vec<WebhookSecret>,
}

/// While one secret replaces another, both are live; a third would only be one that somebody forgot.
const MAX_LIVE_SECRETS: usize = 2;

impl Config {
    /// Reads the configuration, or lists everything that is wrong with it.
    pub fn from_lookup(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        let mut variables = Variables::new(lookup);
        let events_queue_url = variables.required("EVENTS_QUEUE_URL");
        let quickbooks_secrets: Vec<_> =
            variables.list("QUICKBOOKS_WEBHOOK_SECRET").into_iter().map(WebhookSecret::new).collect();
        if quickbooks_secrets.is_empty() {
            variables.refuse("QUICKBOOKS_WEBHOOK_SECRET", "is not set");
        }
        if quickbooks_secrets.len() > MAX_LIVE_SECRETS {
            variables.refuse("QUICKBOOKS_WEBHOOK_SECRET", "must hold one or two secrets");
        }
        variables.finish(Some(Self { events_queue_url, quickbooks_secrets }))
    }
}
