//! Ending a grant at Zoho.

use std::sync::Arc;

use async_trait::async_trait;
use domain::{
    clock::Clock,
    id::ProviderCompanyId,
    secret::AccessToken,
    token::{EndingGrant, Refusal, Revocation, RevocationError},
};
use reqwest::Client;

use crate::{
    oauth::{self, REVOCATION_TIME, RevocationDialect},
    settings::ZohoSettings,
};

static DIALECT: RevocationDialect = RevocationDialect {
    gone: &["invalid_code", "invalid_token"],
    app_errors: &["invalid_client", "invalid_client_secret", "unauthorized_client"],
    trace: None,
};

/// Zoho's revocation endpoints over HTTP: the end of a refresh token is that of its access tokens.
pub struct ZohoRevocation {
    http: Client,
    settings: Arc<ZohoSettings>,
    clock: Arc<dyn Clock>,
}

impl ZohoRevocation {
    /// Talks to the data centers of `settings` over the bounded client.
    #[must_use]
    pub fn new(http: Client, settings: Arc<ZohoSettings>, clock: Arc<dyn Clock>) -> Self {
        Self { http, settings, clock }
    }
}

#[async_trait]
impl Revocation for ZohoRevocation {
    fn needs_access(&self) -> bool {
        false
    }

    async fn revoke(&self, grant: EndingGrant<'_>) -> Result<(), RevocationError> {
        let Some(centre) = self.settings.data_centres.of_grant(grant.location) else {
            let refusal = Refusal { error: Some("unknown_location".to_owned()), ..Refusal::default() };
            return Err(RevocationError::AppRefused(refusal));
        };
        // In the query, since Zoho documents no other place for it.
        let mut url = centre.accounts(&["oauth", "v2", "token", "revoke"]);
        url.query_pairs_mut().append_pair("token", grant.refresh.expose());
        oauth::end(self.http.post(url).timeout(REVOCATION_TIME), &*self.clock, &DIALECT).await
    }

    async fn remove_company(&self, _: &AccessToken, _: &ProviderCompanyId) -> Result<(), RevocationError> {
        // Zoho knows no smaller end than the grant's.
        Ok(())
    }
}
