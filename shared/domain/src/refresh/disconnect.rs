//! Ending a connection: marked first, so that nobody uses its tokens any more; revoked at the provider; then destroyed here.
//!
//! Marked connections stay due, so that the sweep goes on where a worker stopped, or a provider was out.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    AttemptFailure, DisconnectAnswer, DisconnectMessage, DisconnectResult, Ending, FailureClass,
    LeasePurpose, RefreshOutcome, Refresher, SettleError, Trigger,
    engine::{Held, Unleased},
    policy::later,
    spend::AttemptError,
    verdict,
};
use crate::{
    access::MIN_LEFT,
    audit::{self, AuditAction, AuditEntry},
    connection::{Connection, ConnectionKey, ConnectionState, Due, MarkOutcome, SealedTokens},
    event::{Event, EventKind, announce},
    id::ProviderCompanyId,
    sealing::{OpenedRefresh, UnsealError},
    secret::AccessToken,
    store::{StoreError, chain},
    token::{EndingGrant, Revocation, RevocationError},
};

/// How long ending waits for a refresh under way, whose token set is the one to revoke.
const JOIN_WAIT: Duration = Duration::from_secs(15);
/// How often it looks.
const JOIN_POLL: Duration = Duration::from_millis(250);
/// How often a connection that changes under our hands is read and marked again.
const MARK_TRIES: usize = 5;
/// How often ending goes back to the start: once with a new token set, and once more to finish what turned out dead.
pub(super) const ROUNDS: usize = 3;

/// What became of one round under a lease.
enum Round {
    /// The end, or the news that it will come later.
    Answered(DisconnectAnswer),
    /// A new token set is stored: once more, with it.
    Renewed,
    /// The provider says that the grant is dead: nothing is left to revoke.
    Dead,
}

impl Refresher {
    /// Ends a connection, or takes one company off it, as far as that goes before `deadline`; one that has ended is forgotten
    /// where the message wants that.
    pub async fn disconnect(
        &self,
        message: &DisconnectMessage,
        deadline: Timestamp,
    ) -> Result<DisconnectAnswer, StoreError> {
        let answered = self.disconnect_as_asked(message, deadline).await?;
        let has_ended = answered.result == DisconnectResult::Disconnected;
        if message.forget && has_ended && self.connections.forget(&message.disconnect).await? {
            return Ok(answer(DisconnectResult::Forgotten));
        }
        Ok(answered)
    }

    async fn disconnect_as_asked(
        &self,
        message: &DisconnectMessage,
        deadline: Timestamp,
    ) -> Result<DisconnectAnswer, StoreError> {
        let key = &message.disconnect;
        for _ in 0..MARK_TRIES {
            let Some(connection) = self.connections.find(key).await? else {
                return Ok(answer(DisconnectResult::Missing));
            };
            if connection.state == ConnectionState::Disconnected {
                return Ok(answer(DisconnectResult::Disconnected));
            }
            let is_ending = connection.state == ConnectionState::Disconnecting;
            if let Some(company) = &message.company_id {
                let companies = self.connections.list_companies(key).await?;
                let Some(leaving) = companies.iter().find(|one| one.id == *company) else {
                    return Ok(answer(DisconnectResult::Missing));
                };
                // The last company takes the connection with it, and one that is ending already takes all of them.
                if companies.len() > 1 && !is_ending {
                    return self.remove_company(connection, leaving, message, deadline).await;
                }
            }
            if is_ending {
                return self.end(key, deadline).await;
            }
            match self
                .connections
                .mark_disconnecting(&connection, self.clock.now(), &self.ids().write())
                .await?
            {
                MarkOutcome::Missing => return Ok(answer(DisconnectResult::Missing)),
                MarkOutcome::Disconnected => return Ok(answer(DisconnectResult::Disconnected)),
                MarkOutcome::Changed => {}
                MarkOutcome::Disconnecting => {
                    let asked = self.asked(message, AuditAction::DisconnectRequested);
                    audit::record(&*self.audit, &asked).await;
                    self.watch(key).await;
                    return self.end(key, deadline).await;
                }
            }
        }
        let source = "the connection changed each time that it was to be marked".into();
        Err(StoreError::Unavailable { operation: "mark_disconnecting", source })
    }

    /// Ends a connection that is marked as disconnecting.
    pub async fn end(
        &self,
        key: &ConnectionKey,
        deadline: Timestamp,
    ) -> Result<DisconnectAnswer, StoreError> {
        let (mut is_dead, mut is_renewed) = (false, false);
        for _ in 0..ROUNDS {
            let held = match self.lease_to_end(key, deadline).await? {
                Ok(held) => held,
                Err(answer) => return Ok(answer),
            };
            let round = if is_dead {
                Round::Answered(self.finish(&held, deadline).await?)
            } else {
                self.round(&held, is_renewed, deadline).await?
            };
            match round {
                Round::Answered(answer) => return Ok(answer),
                Round::Renewed => is_renewed = true,
                Round::Dead => is_dead = true,
            }
        }
        Ok(answer(DisconnectResult::Disconnecting))
    }

    /// Takes the lease for ending; waits a bounded time for a refresh under way.
    async fn lease_to_end(
        &self,
        key: &ConnectionKey,
        deadline: Timestamp,
    ) -> Result<Result<Held, DisconnectAnswer>, StoreError> {
        let give_up = later(self.clock.now(), JOIN_WAIT).min(deadline);
        loop {
            let until = match self.lease(key, Trigger::OnDemand, LeasePurpose::Disconnect).await? {
                Ok(held) => return Ok(Ok(held)),
                Err(Unleased::Held { until }) => until,
                Err(Unleased::Missing) => return Ok(Err(answer(DisconnectResult::Missing))),
                Err(Unleased::NotRefreshable { state: ConnectionState::Disconnected }) => {
                    return Ok(Err(answer(DisconnectResult::Disconnected)));
                }
                // Connected again meanwhile: that is the later wish.
                Err(Unleased::NotRefreshable { .. }) => {
                    return Ok(Err(answer(DisconnectResult::Disconnecting)));
                }
            };
            if later(self.clock.now(), JOIN_POLL) > give_up {
                let waiting = answer(DisconnectResult::Disconnecting);
                return Ok(Err(DisconnectAnswer { retry_at: Some(until), ..waiting }));
            }
            self.clock.sleep(JOIN_POLL).await;
        }
    }

    /// Revokes and finishes, under a lease.
    async fn round(&self, held: &Held, is_renewed: bool, deadline: Timestamp) -> Result<Round, StoreError> {
        let connection = &held.before;
        let Some(tokens) = &connection.tokens else {
            return Ok(Round::Answered(self.finish(held, deadline).await?));
        };
        let error = match self.revoke(held, tokens, deadline).await? {
            Ok(()) => return Ok(Round::Answered(self.finish(held, deadline).await?)),
            Err(RevokeFailure::TokenRefused) if !is_renewed => {
                return self.renew(held, tokens, deadline).await;
            }
            // One new token set tells a token that was too old from a provider that refuses for longer.
            Err(RevokeFailure::TokenRefused) => AttemptError::passing("token_refused"),
            Err(RevokeFailure::Other(error)) => error,
        };
        Ok(Round::Answered(self.postpone(held, error, deadline).await?))
    }

    /// How the connection's provider ends grants.
    pub(super) fn revocation(&self, connection: &Connection) -> Result<&dyn Revocation, AttemptError> {
        let revocation = self.revocations.get(&connection.provider);
        revocation.map(|revocation| &**revocation).ok_or_else(AttemptError::not_configured)
    }

    /// The tokens that revoking takes: the refresh token, and an access token that is still good.
    pub(super) async fn opened(
        &self,
        connection: &Connection,
        tokens: &SealedTokens,
    ) -> Result<(OpenedRefresh, Option<AccessToken>), AttemptError> {
        let opened = self.sealer.open_refresh(connection, tokens).await;
        let opened = opened?;
        let is_good = later(self.clock.now(), MIN_LEFT) < tokens.access_expires_at;
        let access = self.sealer.open_access_with(connection, tokens, &opened);
        let access = access.map_err(UnsealError::from)?.filter(|_| is_good);
        Ok((opened, access))
    }

    async fn revoke(
        &self,
        held: &Held,
        tokens: &SealedTokens,
        deadline: Timestamp,
    ) -> Result<Result<(), RevokeFailure>, StoreError> {
        let connection = &held.before;
        let in_hand = match self.revocation(connection) {
            Ok(revocation) => self.opened(connection, tokens).await.map(|opened| (revocation, opened)),
            Err(error) => Err(error),
        };
        let has_time = self.has_time(held.until(deadline));
        let in_time =
            in_hand.and_then(
                |in_hand| {
                    if has_time { Ok(in_hand) } else { Err(AttemptError::passing("no_time_left")) }
                },
            );
        let (revocation, (opened, access)) = match in_time {
            Ok(in_hand) => in_hand,
            Err(error) => return Ok(Err(RevokeFailure::Other(error))),
        };
        if revocation.needs_access() && access.is_none() {
            return Ok(Err(RevokeFailure::TokenRefused));
        }
        let companies = self.own_companies(connection).await?;
        let grant = EndingGrant {
            refresh: &opened.token,
            access: access.as_ref(),
            location: connection.location.as_ref(),
            companies: &companies,
        };
        Ok(revocation.revoke(grant).await.map_err(|error| RevokeFailure::of(&error)))
    }

    /// The companies that are this connection's and nobody else's: what else is listed was given up, or is shared with a
    /// tenant who keeps it.
    pub(super) async fn own_companies(
        &self,
        connection: &Connection,
    ) -> Result<Vec<ProviderCompanyId>, StoreError> {
        let mut own = vec![];
        for company in self.connections.list_companies(&connection.key).await? {
            let routes = self.connections.find_routes(connection.provider, &company.provider_id).await?;
            let mut live = routes.iter().filter(|route| !route.released);
            if live.next().is_some_and(|route| route.key == connection.key) && live.next().is_none() {
                own.push(company.provider_id);
            }
        }
        Ok(own)
    }

    /// Gets a new token set for a provider that ends grants only with a good access token.
    async fn renew(
        &self,
        held: &Held,
        tokens: &SealedTokens,
        deadline: Timestamp,
    ) -> Result<Round, StoreError> {
        let report = self.attempt(held, tokens, deadline).await?;
        Ok(match report.outcome {
            RefreshOutcome::Refreshed => Round::Renewed,
            RefreshOutcome::Failed { failure, .. } if failure.class == FailureClass::Dead => Round::Dead,
            RefreshOutcome::Failed { failure, retry_at } => Round::Answered(waiting(&failure, retry_at)),
            _ => Round::Answered(answer(DisconnectResult::Disconnecting)),
        })
    }

    /// Gives the companies up and destroys token set and keys: nothing of the grant is left.
    async fn finish(&self, held: &Held, deadline: Timestamp) -> Result<DisconnectAnswer, StoreError> {
        let Connection { key, provider, .. } = &held.before;
        for company in self.connections.list_companies(key).await? {
            // Under the fence of our lease, so that a company that was connected again meanwhile stays.
            let route = (*provider, &company.provider_id);
            self.connections.release_route(key, route, held.lease.fence).await?;
        }
        let settlement = self.settlement(held, Ending::Disconnected, None);
        match self.settle(held, &settlement, held.until(deadline)).await {
            Ok(()) => {}
            Err(SettleError::LeaseLost | SettleError::Replaced) => {
                return Ok(answer(DisconnectResult::Disconnecting));
            }
            Err(SettleError::Store(error)) => return Err(error),
        }
        let now = self.clock.now();
        announce(&*self.bus, &Event::new(EventKind::ConnectionDisconnected, key, *provider, now)).await;
        let mut entry = self.entry(key, AuditAction::ConnectionDisconnected);
        entry.provider = Some(*provider);
        audit::record(&*self.audit, &entry).await;
        Ok(answer(DisconnectResult::Disconnected))
    }

    /// Leaves the connection disconnecting, to be driven again.
    async fn postpone(
        &self,
        held: &Held,
        error: AttemptError,
        deadline: Timestamp,
    ) -> Result<DisconnectAnswer, StoreError> {
        let AttemptError { failure, retry_after } = error;
        let retry_at = self.retry_at(held, retry_after);
        let reason = failure.code.clone().unwrap_or_else(|| failure.class.as_str().to_owned());
        let settlement = self.settlement(held, Ending::Postponed { reason }, Some(Due::At(retry_at)));
        match self.settle(held, &settlement, held.until(deadline)).await {
            Ok(()) | Err(SettleError::LeaseLost | SettleError::Replaced) => {
                Ok(waiting(&failure, Some(retry_at)))
            }
            Err(SettleError::Store(error)) => Err(error),
        }
    }

    /// An entry about what somebody asked for, to be recorded at once: who exports the log counts on that.
    pub(super) fn asked(&self, message: &DisconnectMessage, action: AuditAction) -> AuditEntry {
        let mut entry = self.entry(&message.disconnect, action);
        entry.actor.clone_from(&message.actor);
        entry.correlation.clone_from(&message.correlation_id);
        entry
    }

    pub(super) fn entry(&self, key: &ConnectionKey, action: AuditAction) -> AuditEntry {
        let mut entry =
            AuditEntry::new(self.ids().audit(), self.clock.now(), Some(key.tenant.clone()), action);
        entry.connection = Some(key.connection.clone());
        entry
    }
}

/// Why a grant did not end.
pub(super) enum RevokeFailure {
    /// The provider does not accept the token; a refresh brings another, or the news that the grant is dead.
    TokenRefused,
    /// For another reason, already judged.
    Other(AttemptError),
}

impl RevokeFailure {
    pub(super) fn of(error: &RevocationError) -> Self {
        tracing::warn!(error = chain(error), "Provider did not end the grant");
        let (class, refusal, retry_after) = match error {
            RevocationError::TokenRefused(_) => return Self::TokenRefused,
            RevocationError::AppRefused(refusal) => (FailureClass::Configuration, refusal, None),
            RevocationError::Unavailable { refusal, retry_after, .. } => {
                (FailureClass::Transient, refusal, *retry_after)
            }
        };
        Self::Other(AttemptError { failure: verdict::failure(class, refusal.clone()), retry_after })
    }
}

pub(super) fn answer(result: DisconnectResult) -> DisconnectAnswer {
    DisconnectAnswer { result, error_class: None, retry_at: None }
}

pub(super) fn waiting(failure: &AttemptFailure, retry_at: Option<Timestamp>) -> DisconnectAnswer {
    let error_class = Some(failure.class.as_str().to_owned());
    DisconnectAnswer { result: DisconnectResult::Disconnecting, error_class, retry_at }
}
