//! Ending a grant at Intuit.

use std::sync::Arc;

use async_trait::async_trait;
use domain::{
    clock::Clock,
    id::ProviderCompanyId,
    secret::AccessToken,
    token::{EndingGrant, Revocation, RevocationError},
};
use reqwest::Client;
use serde::Serialize;

use super::TRACE_HEADER;
use crate::{
    oauth::{self, REVOCATION_TIME, RevocationDialect},
    settings::QuickBooksSettings,
};

/// Intuit does not publish how it answers for a token that is gone: what it does not say in these words the next refresh
/// tells.
static DIALECT: RevocationDialect = RevocationDialect {
    gone: &["invalid_grant", "invalid_token"],
    app_errors: &["invalid_client", "unauthorized_client"],
    trace: Some(TRACE_HEADER),
};

/// Intuit's revocation endpoint over HTTP: either token ends the app's access to the one company of a grant.
pub struct QuickBooksRevocation {
    http: Client,
    settings: Arc<QuickBooksSettings>,
    clock: Arc<dyn Clock>,
}

/// Intuit wants JSON where RFC 7009 has a form.
#[derive(Serialize)]
struct Body<'a> {
    token: &'a str,
}

impl QuickBooksRevocation {
    /// Talks to the endpoint of `settings` over the bounded client.
    #[must_use]
    pub fn new(http: Client, settings: Arc<QuickBooksSettings>, clock: Arc<dyn Clock>) -> Self {
        Self { http, settings, clock }
    }
}

#[async_trait]
impl Revocation for QuickBooksRevocation {
    fn needs_access(&self) -> bool {
        false
    }

    async fn revoke(&self, grant: EndingGrant<'_>) -> Result<(), RevocationError> {
        // Revoking ends our app's access to the company, whoever else of ours is connected to it.
        if grant.companies.is_empty() {
            return Ok(());
        }
        let settings = &self.settings;
        let request = self
            .http
            .post(settings.revoke_url.clone())
            .basic_auth(&settings.client_id, Some(settings.client_secret.expose()))
            .timeout(REVOCATION_TIME)
            .json(&Body { token: grant.refresh.expose() });
        oauth::end(request, &*self.clock, &DIALECT).await
    }

    async fn remove_company(&self, _: &AccessToken, _: &ProviderCompanyId) -> Result<(), RevocationError> {
        // A grant has one company; Intuit knows no smaller end than the grant's.
        Ok(())
    }
}
