//! Registered apps: who may ask for tokens, and where users may be sent back to.

use axum::http::{HeaderMap, header};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use url::Url;

use crate::options::AppOptions;

/// The registered apps; the first one signs webhooks unless told otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Apps(Vec<AppOptions>);

impl Apps {
    pub(crate) fn new(first: AppOptions) -> Self {
        Self(vec![first])
    }

    /// Registers an app, replacing the one with the same client id.
    pub(crate) fn put(&mut self, app: AppOptions) {
        match self.0.iter_mut().find(|known| known.client_id == app.client_id) {
            Some(known) => *known = app,
            None => self.0.push(app),
        }
    }

    pub(crate) fn list(&self) -> &[AppOptions] {
        &self.0
    }

    pub(crate) fn find(&self, client_id: &str) -> Option<&AppOptions> {
        self.0.iter().find(|app| app.client_id == client_id)
    }

    /// Returns the key of webhook signatures of the first app.
    pub(crate) fn verifier_token(&self) -> String {
        self.0.first().map(|app| app.verifier_token.clone()).unwrap_or_default()
    }

    /// Returns the client id that a request proves to own, by Basic authentication or by form fields.
    pub(crate) fn authenticate(&self, headers: &HeaderMap, form: &[(String, String)]) -> Option<String> {
        let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let (client_id, client_secret) = match basic(headers) {
            Some(pair) => pair,
            None => (field("client_id")?, field("client_secret")?),
        };
        let app = self.find(&client_id)?;
        (app.client_secret == client_secret).then_some(client_id)
    }
}

/// Tells whether an app may send users back to an address.
pub(crate) fn accepts_redirect(app: &AppOptions, redirect_uri: &str) -> bool {
    if app.redirect_uris.is_empty() {
        return Url::parse(redirect_uri).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    }
    app.redirect_uris.iter().any(|registered| registered == redirect_uri)
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (client_id, client_secret) = text.split_once(':')?;
    Some((client_id.to_owned(), client_secret.to_owned()))
}
