//! Ending a grant at Xero: connection by connection, since a token set is of a person and our app, not of a company.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use domain::{
    clock::Clock,
    id::ProviderCompanyId,
    secret::{AccessToken, RefreshToken},
    token::{EndingGrant, Refusal, Revocation, RevocationError},
};
use jiff::Timestamp;
use reqwest::{Client, StatusCode};

use super::{
    TRACE_HEADER,
    connections::{Connection, Connections},
};
use crate::{
    http,
    oauth::{self, Answer, NotAsPromised, REVOCATION_TIME, RevocationDialect, unavailable},
    settings::XeroSettings,
};

static DIALECT: RevocationDialect = RevocationDialect {
    gone: &["invalid_grant", "invalid_token"],
    app_errors: &["invalid_client", "unauthorized_client", "invalid_request"],
    trace: Some(TRACE_HEADER),
};

/// Xero's connections and its revocation endpoint over HTTP.
///
/// The revocation endpoint ends every connection of the person and our app, those of other tenants included: it is asked
/// only once none is left.
pub struct XeroRevocation {
    http: Client,
    settings: Arc<XeroSettings>,
    connections: Connections,
    clock: Arc<dyn Clock>,
}

impl XeroRevocation {
    /// Talks to the endpoints of `settings` over the bounded client.
    #[must_use]
    pub fn new(http: Client, settings: Arc<XeroSettings>, clock: Arc<dyn Clock>) -> Self {
        let connections = Connections::new(http.clone(), settings.connections_url.clone());
        Self { http, settings, connections, clock }
    }

    /// Ends the connections to `companies`; says whether none of any kind is left.
    async fn remove(
        &self,
        access: &AccessToken,
        companies: &[ProviderCompanyId],
        begun_at: Timestamp,
    ) -> Result<bool, RevocationError> {
        let answer = self.connections.list(access, self.left(begun_at)?).await.map_err(unavailable)?;
        if !answer.status.is_success() {
            return Err(refused(&answer, self.clock.now()));
        }
        let list: Vec<Connection> = answer.json().map_err(|_| not_as_promised(&answer))?;
        let is_ours = |connection: &&Connection| {
            companies.iter().any(|company| company.as_str().eq_ignore_ascii_case(&connection.tenant_id))
        };
        let (ours, others): (Vec<_>, Vec<_>) = list.iter().partition(is_ours);
        for connection in ours {
            let id = connection.safe_id().ok_or_else(|| not_as_promised(&answer))?;
            let answer =
                self.connections.delete(access, id, self.left(begun_at)?).await.map_err(unavailable)?;
            if !answer.status.is_success() && answer.status != StatusCode::NOT_FOUND {
                return Err(refused(&answer, self.clock.now()));
            }
        }
        Ok(others.is_empty())
    }

    async fn end(&self, refresh: &RefreshToken, begun_at: Timestamp) -> Result<(), RevocationError> {
        let settings = &self.settings;
        let request = self
            .http
            .post(settings.revoke_url.clone())
            .basic_auth(&settings.client_id, Some(settings.client_secret.expose()))
            .timeout(self.left(begun_at)?)
            .form(&[("token", refresh.expose())]);
        oauth::end(request, &*self.clock, &DIALECT).await
    }

    /// What is left of the time for ending one grant, however many connections it has.
    fn left(&self, begun_at: Timestamp) -> Result<Duration, RevocationError> {
        let passed = Duration::try_from(self.clock.now().duration_since(begun_at)).unwrap_or_default();
        let left = REVOCATION_TIME.saturating_sub(passed);
        if left.is_zero() {
            // What was ended stays ended, and the next time has less to do.
            let (refusal, source) = (Refusal::default(), None);
            return Err(RevocationError::Unavailable { refusal, retry_after: None, source });
        }
        Ok(left)
    }
}

#[async_trait]
impl Revocation for XeroRevocation {
    fn needs_access(&self) -> bool {
        true
    }

    async fn revoke(&self, grant: EndingGrant<'_>) -> Result<(), RevocationError> {
        let access = grant.access.ok_or_else(|| RevocationError::TokenRefused(Refusal::default()))?;
        let begun_at = self.clock.now();
        if self.remove(access, grant.companies, begun_at).await? {
            self.end(grant.refresh, begun_at).await?;
        }
        Ok(())
    }

    async fn remove_company(
        &self,
        access: &AccessToken,
        company: &ProviderCompanyId,
    ) -> Result<(), RevocationError> {
        self.remove(access, std::slice::from_ref(company), self.clock.now()).await.map(drop)
    }
}

/// What an answer of the connections that is no success means.
fn refused(answer: &Answer, now: Timestamp) -> RevocationError {
    let refusal = refusal(answer);
    if answer.status == StatusCode::UNAUTHORIZED {
        return RevocationError::TokenRefused(refusal);
    }
    RevocationError::Unavailable {
        refusal,
        retry_after: http::retry_after(&answer.headers, now),
        source: None,
    }
}

fn not_as_promised(answer: &Answer) -> RevocationError {
    let source = Some(NotAsPromised.into());
    RevocationError::Unavailable { refusal: refusal(answer), retry_after: None, source }
}

fn refusal(answer: &Answer) -> Refusal {
    let trace_id = http::trace_id(&answer.headers, &TRACE_HEADER);
    Refusal { error: None, status: Some(answer.status.as_u16()), trace_id }
}
