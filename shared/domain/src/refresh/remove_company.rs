//! Taking one company of several off a connection: the others, and the grant, stay.

use jiff::Timestamp;

use super::{
    DisconnectAnswer, DisconnectResult, FailureClass, RefreshOutcome, Refresher, Trigger,
    disconnect::{ROUNDS, RevokeFailure, answer, waiting},
    engine::AttemptError,
};
use crate::{
    audit::{self, AuditAction, AuditEntry},
    connection::{Company, Connection, ConnectionKey},
    store::StoreError,
    token::{Refusal, RevocationError},
};

impl Refresher {
    /// Takes one company of several off, at the provider first: when that fails, nothing has changed.
    pub(super) async fn remove_company(
        &self,
        key: &ConnectionKey,
        company: &Company,
        mut entry: AuditEntry,
        deadline: Timestamp,
    ) -> Result<DisconnectAnswer, StoreError> {
        let Some(connection) = self.connections.find(key).await? else {
            return Ok(answer(DisconnectResult::Missing));
        };
        entry.provider = Some(connection.provider);
        if connection.state.is_refreshable()
            && let Err(error) = self.remove_at_provider(connection.clone(), company, deadline).await?
        {
            let result = DisconnectResult::CompanyKept;
            return Ok(DisconnectAnswer { result, ..waiting(&error.failure, None) });
        }
        self.forget_company(&connection, company).await?;
        entry.action = AuditAction::CompanyRemoved;
        audit::record(&*self.audit, &entry).await;
        Ok(answer(DisconnectResult::CompanyRemoved))
    }

    async fn forget_company(&self, connection: &Connection, company: &Company) -> Result<(), StoreError> {
        let route = (connection.provider, &company.provider_id);
        self.connections.release_route(&connection.key, route, connection.fence).await?;
        self.connections.delete_company(&connection.key, &company.id).await
    }

    async fn remove_at_provider(
        &self,
        mut connection: Connection,
        company: &Company,
        deadline: Timestamp,
    ) -> Result<Result<(), AttemptError>, StoreError> {
        for _ in 0..ROUNDS {
            let Some(tokens) = &connection.tokens else { return Ok(Ok(())) };
            let (revocation, _, access) = match self.opened(&connection, tokens).await {
                Ok(opened) => opened,
                Err(error) => return Ok(Err(error)),
            };
            if !revocation.needs_access() {
                return Ok(Ok(()));
            }
            let removed = match &access {
                Some(access) => revocation.remove_company(access, &company.provider_id).await,
                None => Err(RevocationError::TokenRefused(Refusal::default())),
            };
            match removed.map_err(|error| RevokeFailure::of(&error)) {
                Ok(()) => return Ok(Ok(())),
                Err(RevokeFailure::Other(error)) => return Ok(Err(error)),
                Err(RevokeFailure::TokenRefused) => {}
            }
            let report = self.refresh(&connection.key, Trigger::Manual, deadline).await?;
            match report.outcome {
                RefreshOutcome::Refreshed | RefreshOutcome::Fresh => {}
                RefreshOutcome::Failed { failure, .. } if failure.class != FailureClass::Dead => {
                    return Ok(Err(AttemptError { failure, retry_after: None }));
                }
                // A dead grant has no companies left at the provider.
                RefreshOutcome::Failed { .. } => return Ok(Ok(())),
                _ => return Ok(Err(AttemptError::passing("busy"))),
            }
            match self.connections.find(&connection.key).await? {
                Some(renewed) => connection = renewed,
                None => return Ok(Ok(())),
            }
        }
        Ok(Err(AttemptError::passing("access_refused")))
    }
}
