//! Taking one company of several off a connection: the others, and the grant, stay.

use jiff::Timestamp;

use super::{
    DisconnectAnswer, DisconnectMessage, DisconnectResult, FailureClass, RefreshOutcome, Refresher, Trigger,
    disconnect::{ROUNDS, RevokeFailure, answer, waiting},
    spend::AttemptError,
};
use crate::{
    audit::{self, AuditAction},
    connection::{Company, Connection},
    store::StoreError,
    token::{Refusal, RevocationError},
};

impl Refresher {
    /// Takes one company of several off, at the provider first: when that fails, nothing has changed.
    pub(super) async fn remove_company(
        &self,
        connection: Connection,
        company: &Company,
        message: &DisconnectMessage,
        deadline: Timestamp,
    ) -> Result<DisconnectAnswer, StoreError> {
        // A company that another tenant is connected to stays at the provider, for that one.
        let is_own = self.own_companies(&connection).await?.contains(&company.provider_id);
        if is_own
            && connection.state.is_refreshable()
            && let Err(error) = self.remove_at_provider(connection.clone(), company, deadline).await?
        {
            let result = DisconnectResult::CompanyKept;
            return Ok(DisconnectAnswer { result, ..waiting(&error.failure, None) });
        }
        let (key, provider, fence) = (connection.key, connection.provider, connection.fence);
        self.connections.release_route(&key, (provider, &company.provider_id), fence).await?;
        self.connections.delete_company(&key, &company.id, fence).await?;
        // Not before: what the provider, a refresh among it, took would let the entry come behind later ones.
        let mut entry = self.asked(message, AuditAction::CompanyRemoved);
        (entry.provider, entry.company) = (Some(provider), Some(company.provider_id.clone()));
        audit::record(&*self.audit, &entry).await;
        // Somebody may have taken the others off at the same time.
        let read = self.connections.find(&key).await?;
        if let Some(emptied) = read
            && self.connections.list_companies(&key).await?.is_empty()
        {
            self.connections.mark_disconnecting(&emptied, self.clock.now(), &self.ids().write()).await?;
            return self.end(&key, deadline).await;
        }
        Ok(answer(DisconnectResult::CompanyRemoved))
    }

    async fn remove_at_provider(
        &self,
        mut connection: Connection,
        company: &Company,
        deadline: Timestamp,
    ) -> Result<Result<(), AttemptError>, StoreError> {
        for _ in 0..ROUNDS {
            let revocation = match self.revocation(&connection) {
                Ok(revocation) => revocation,
                Err(error) => return Ok(Err(error)),
            };
            let Some(tokens) = connection.tokens.as_ref().filter(|_| revocation.needs_access()) else {
                return Ok(Ok(()));
            };
            let access = match self.opened(&connection, tokens).await {
                Ok((_, access)) => access,
                Err(error) => return Ok(Err(error)),
            };
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
