//! Registered apps: who may ask for tokens, and where users may be sent back to.

use axum::http::HeaderMap;

use crate::{kept::put, oauth, options::AppOptions};

/// The registered apps; the first one signs webhooks unless told otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Apps(Vec<AppOptions>);

impl Apps {
    pub(crate) fn new(first: AppOptions) -> Self {
        Self(vec![first])
    }

    /// Registers an app, replacing the one with the same client id.
    pub(crate) fn put(&mut self, app: AppOptions) {
        put(&mut self.0, app, |app| &app.client_id);
    }

    pub(crate) fn list(&self) -> &[AppOptions] {
        &self.0
    }

    pub(crate) fn find(&self, client_id: &str) -> Option<&AppOptions> {
        self.0.iter().find(|app| app.client_id == client_id)
    }

    /// Returns the webhook key of the first app.
    pub(crate) fn webhook_key(&self) -> String {
        self.0.first().map(|app| app.webhook_key.clone()).unwrap_or_default()
    }

    /// Returns the client id that a request proves to own, by Basic authentication or by form fields.
    pub(crate) fn authenticate(&self, headers: &HeaderMap, form: &[(String, String)]) -> Option<String> {
        let (client_id, client_secret) = oauth::client_credentials(headers, form)?;
        let app = self.find(&client_id)?;
        (app.client_secret == client_secret).then_some(client_id)
    }
}
