//! Zoho's token endpoints, one in each data center.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use domain::{
    clock::Clock,
    id::Location,
    secret::RefreshToken,
    token::{CodeGrant, Refusal, TokenEndpoint, TokenEndpointError, TokenSet},
};
use reqwest::Client;

use super::DataCentre;
use crate::{
    oauth::{self, Dialect, ExpiresIn, Throttle},
    settings::ZohoSettings,
};

/// How Zoho answers: errors have the status 200 as often as another, so that the body alone says what they mean.
pub(crate) static DIALECT: Dialect = Dialect {
    dead: "invalid_code",
    dead_statuses: &[200, 400, 401],
    app_errors: &[
        "invalid_client",
        "invalid_client_secret",
        "invalid_redirect_uri",
        "invalid_request",
        "invalid_scope",
        "unauthorized_client",
        "unsupported_grant_type",
    ],
    throttle: Some(Throttle {
        error: "Access Denied",
        words: "too many requests",
        code: "access_denied",
        // The window of the limits: ten access tokens of one refresh token, ten refresh tokens of one person.
        pause: Duration::from_mins(10),
    }),
    expires_in: ExpiresIn::SecondsOrMilliseconds,
    names_token_type: false,
    trace: None,
};

/// Zoho's token endpoints over HTTP; a refresh token is good at its own data center only, and never rotates.
pub struct ZohoTokenEndpoint {
    http: Client,
    settings: Arc<ZohoSettings>,
    clock: Arc<dyn Clock>,
}

impl ZohoTokenEndpoint {
    /// Talks to the data centers of `settings` over the bounded client.
    #[must_use]
    pub fn new(http: Client, settings: Arc<ZohoSettings>, clock: Arc<dyn Clock>) -> Self {
        Self { http, settings, clock }
    }

    /// Sends a grant; gives the tokens, and whether the answer names another host for them than this data center has.
    async fn grant(
        &self,
        centre: &DataCentre,
        mut form: Vec<(&str, &str)>,
        kept: Option<&RefreshToken>,
    ) -> Result<(TokenSet, bool), TokenEndpointError> {
        let settings = &self.settings;
        form.push(("client_id", &settings.client_id));
        form.push(("client_secret", settings.client_secret.expose()));
        let url = centre.accounts(&["oauth", "v2", "token"]);
        let request = self.http.post(url).timeout(settings.post_timeout).form(&form);
        let issued = oauth::grant(request, &*self.clock, &DIALECT, kept).await?;
        let is_foreign = issued.api_domain.is_some_and(|domain| !centre.is_api_domain(&domain));
        Ok((issued.tokens, is_foreign))
    }

    /// The data center of a grant: without one that is configured, nobody is asked.
    fn centre(&self, location: Option<&Location>) -> Result<&DataCentre, TokenEndpointError> {
        let centre = self.settings.data_centres.of_grant(location);
        centre.ok_or_else(|| TokenEndpointError::AppRefused(ours("unknown_location")))
    }
}

#[async_trait]
impl TokenEndpoint for ZohoTokenEndpoint {
    async fn exchange(&self, grant: CodeGrant<'_>) -> Result<TokenSet, TokenEndpointError> {
        let centre = self.centre(grant.location)?;
        let (tokens, is_foreign) = self.grant(centre, oauth::exchange_form(&grant), None).await?;
        if is_foreign {
            // A grant of another data center than the one that gave it would never work, and an address from outside may
            // be anybody's.
            tracing::error!(
                location = centre.location.as_str(),
                "Zoho names an API domain of another data center"
            );
            return Err(TokenEndpointError::AppRefused(ours("foreign_api_domain")));
        }
        Ok(tokens)
    }

    async fn refresh(
        &self,
        token: &RefreshToken,
        location: Option<&Location>,
    ) -> Result<TokenSet, TokenEndpointError> {
        let centre = self.centre(location)?;
        let (tokens, is_foreign) = self.grant(centre, oauth::refresh_form(token), Some(token)).await?;
        if is_foreign {
            // Harmless: the API's address always comes from our own table.
            tracing::warn!(
                location = centre.location.as_str(),
                "Zoho names an API domain of another data center"
            );
        }
        Ok(tokens)
    }
}

/// A refusal of our own.
fn ours(error: &str) -> Refusal {
    Refusal { error: Some(error.to_owned()), ..Refusal::default() }
}
