//! Intuit's token endpoint.

use std::sync::Arc;

use async_trait::async_trait;
use domain::{
    clock::Clock,
    id::Location,
    secret::RefreshToken,
    token::{CodeGrant, TokenEndpoint, TokenEndpointError, TokenSet},
};
use reqwest::{
    Client,
    header::{HeaderName, HeaderValue},
};

use super::TRACE_HEADER;
use crate::{
    oauth::{self, BASE_APP_ERRORS, Dialect, ExpiresIn},
    settings::QuickBooksSettings,
};

/// Asks for `x_refresh_token_hard_expires_in`, the end of the grant whatever is done.
const HARD_EXPIRY_HEADER: HeaderName = HeaderName::from_static("x-include-refresh-token-hard-expires-in");

/// How Intuit answers.
pub(crate) static DIALECT: Dialect = Dialect {
    dead: "invalid_grant",
    dead_statuses: &[400],
    app_errors: BASE_APP_ERRORS,
    throttle: None,
    expires_in: ExpiresIn::Seconds,
    names_token_type: true,
    trace: Some(TRACE_HEADER),
};

/// Intuit's token endpoint over HTTP.
pub struct QuickBooksTokenEndpoint {
    http: Client,
    settings: Arc<QuickBooksSettings>,
    clock: Arc<dyn Clock>,
}

impl QuickBooksTokenEndpoint {
    /// Talks to the endpoint of `settings` over the bounded client.
    #[must_use]
    pub fn new(http: Client, settings: Arc<QuickBooksSettings>, clock: Arc<dyn Clock>) -> Self {
        Self { http, settings, clock }
    }

    async fn grant(
        &self,
        form: &[(&str, &str)],
        kept: Option<&RefreshToken>,
    ) -> Result<TokenSet, TokenEndpointError> {
        let settings = &self.settings;
        let request = self
            .http
            .post(settings.token_url.clone())
            .basic_auth(&settings.client_id, Some(settings.client_secret.expose()))
            .header(HARD_EXPIRY_HEADER, HeaderValue::from_static("true"))
            .timeout(settings.post_timeout)
            .form(form);
        Ok(oauth::grant(request, &*self.clock, &DIALECT, kept).await?.tokens)
    }
}

#[async_trait]
impl TokenEndpoint for QuickBooksTokenEndpoint {
    async fn exchange(&self, grant: CodeGrant<'_>) -> Result<TokenSet, TokenEndpointError> {
        self.grant(&oauth::exchange_form(&grant), None).await
    }

    async fn refresh(
        &self,
        token: &RefreshToken,
        _location: Option<&Location>,
    ) -> Result<TokenSet, TokenEndpointError> {
        // A server that rotates says so; one that does not may leave the token out (RFC 6749 section 6).
        self.grant(&oauth::refresh_form(token), Some(token)).await
    }
}
