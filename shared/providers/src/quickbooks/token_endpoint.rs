//! Intuit's token endpoint.

use std::sync::Arc;

use async_trait::async_trait;
use domain::{
    clock::Clock,
    secret::{AuthorizationCode, RefreshToken},
    store::BoxError,
    token::{Refusal, TokenEndpoint, TokenEndpointError, TokenSet},
};
use reqwest::{
    Client, Response, StatusCode,
    header::{ACCEPT, HeaderName, HeaderValue},
};

use super::{TRACE_HEADER, token_answer::TokenAnswer};
use crate::{
    http::{self, BodyError, TOKEN_BODY_MAX},
    settings::QuickBooksSettings,
};

/// Asks for `x_refresh_token_hard_expires_in`, the end of the grant whatever is done.
const HARD_EXPIRY_HEADER: HeaderName = HeaderName::from_static("x-include-refresh-token-hard-expires-in");

/// Intuit's token endpoint over HTTP.
///
/// A request is sent once: whether it may be sent again depends on what the answer proves, which is the engine's to judge.
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

    async fn grant(&self, form: &[(&str, &str)]) -> Result<TokenSet, TokenEndpointError> {
        // Lives are counted from before the request, so that a token is never believed to live longer than it does.
        let sent_at = self.clock.now();
        let response = self.post(form).await?;
        let status = response.status();
        let trace_id = http::trace_id(response.headers(), &TRACE_HEADER);
        let retry_after = http::retry_after(response.headers(), self.clock.now());
        let body = match http::read_bounded(response, TOKEN_BODY_MAX).await {
            Ok(body) => body,
            // Nothing is lost of an error whose text is not read to its end.
            Err(BodyError::TooLong { .. }) if !status.is_success() => Vec::new(),
            Err(error) => return Err(unknown(Some(status), trace_id, error.into())),
        };
        TokenAnswer { status, body: &body, trace_id, retry_after }.judge(sent_at, &self.settings.scopes)
    }

    async fn post(&self, form: &[(&str, &str)]) -> Result<Response, TokenEndpointError> {
        let settings = &self.settings;
        let request = self
            .http
            .post(settings.token_url.clone())
            .basic_auth(&settings.client_id, Some(settings.client_secret.expose()))
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .header(HARD_EXPIRY_HEADER, HeaderValue::from_static("true"))
            .timeout(settings.post_timeout)
            .form(form);
        request.send().await.map_err(|error| {
            // A connection that never came up carried nothing; everything else may have arrived.
            if error.is_connect() || error.is_builder() {
                return TokenEndpointError::Unreached(error.without_url().into());
            }
            unknown(None, None, error.without_url().into())
        })
    }
}

#[async_trait]
impl TokenEndpoint for QuickBooksTokenEndpoint {
    async fn exchange(
        &self,
        code: &AuthorizationCode,
        redirect_uri: &str,
    ) -> Result<TokenSet, TokenEndpointError> {
        self.grant(&[
            ("grant_type", "authorization_code"),
            ("code", code.expose()),
            ("redirect_uri", redirect_uri),
        ])
        .await
    }

    async fn refresh(&self, token: &RefreshToken) -> Result<TokenSet, TokenEndpointError> {
        self.grant(&[("grant_type", "refresh_token"), ("refresh_token", token.expose())]).await
    }
}

fn unknown(status: Option<StatusCode>, trace_id: Option<String>, source: BoxError) -> TokenEndpointError {
    let refusal = Refusal { error: None, status: status.map(|status| status.as_u16()), trace_id };
    TokenEndpointError::Unknown { refusal, source: Some(source) }
}
