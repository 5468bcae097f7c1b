//! Placing the companies of a new grant: on a new connection, or on the one that the tenant has for them.

use std::{collections::BTreeSet, time::Duration};

use futures::future::try_join_all;

use super::{
    AuthorizationRequest, Connector, GrantedCompanies,
    complete::{ConnectFailure, Grant},
};
use crate::{
    audit::{self, AuditAction},
    connection::{
        AttemptCounters, ChainHead, Company, ConnectOutcome, Connection, ConnectionKey, ConnectionState,
        NewConnection, Notices, PlacedCompany, Replaces, Route, SealedTokens, count_live,
    },
    id::{ConnectionId, CorrelationId, Ids, TenantId},
    refresh::{Budget, RefreshPolicy, Warmth},
    scope,
    sealing::{SealedPair, fingerprint},
    store::{StoreError, chain},
    tenant::{Halted, Tenant},
};

/// How often a connection that changes under our hands is read and renewed again.
const STORE_TRIES: u32 = 5;
/// The wait before it is read again, longer each time: whoever changes it needs a moment.
const STORE_RETRY: Duration = Duration::from_millis(50);

/// A stored connection with the companies that came to it.
pub(super) struct Placed {
    pub(super) key: ConnectionKey,
    pub(super) state: ConnectionState,
    pub(super) companies: Vec<Company>,
}

/// Where the companies of a grant go.
struct Plan {
    key: ConnectionKey,
    companies: Vec<PlacedCompany>,
    /// Whether a company comes to the connection that it does not have.
    adds: bool,
    /// Whether a company has, or may have, other tenants as well.
    shared: bool,
    /// Companies that other tenants have, with those tenants.
    elsewhere: Vec<(Company, Vec<Route>)>,
}

impl Connector {
    /// Stores a new connection, or renews the one that this tenant has for a company of the grant.
    ///
    /// The code is spent by now, so a refresh that comes between reading and writing must not cost the new tokens.
    pub(super) async fn place(
        &self,
        request: &AuthorizationRequest,
        grant: &Grant,
        correlation: &CorrelationId,
    ) -> Result<Placed, ConnectFailure> {
        for tried in 1..=STORE_TRIES {
            let mut plan = self.plan(request, &grant.companies).await?;
            let elsewhere = std::mem::take(&mut plan.elsewhere);
            if plan.companies.is_empty() {
                self.audit_elsewhere(request, &elsewhere, correlation).await;
                return Err(ConnectFailure::OwnedElsewhere);
            }
            let new = self.new_connection(request, grant, plan).await?;
            match self.connections.connect(&new).await? {
                ConnectOutcome::Stored => {
                    self.audit_elsewhere(request, &elsewhere, correlation).await;
                    return Ok(self.placed(grant, new).await);
                }
                ConnectOutcome::OwnedElsewhere | ConnectOutcome::Changed => {
                    tracing::info!("Connection changed meanwhile, renewing it again");
                    self.clock.sleep(STORE_RETRY * tried).await;
                }
            }
        }
        Err(ConnectFailure::Store(StoreError::Unavailable {
            operation: "connect",
            source: "the connection changed each time that it was renewed".into(),
        }))
    }

    /// Reads who has the companies, and decides which connection they go to.
    async fn plan(
        &self,
        request: &AuthorizationRequest,
        granted: &GrantedCompanies,
    ) -> Result<Plan, ConnectFailure> {
        let chosen = &granted.chosen;
        let routes =
            chosen.iter().map(|company| self.connections.find_routes(request.provider, &company.provider_id));
        let tenant = &request.session.tenant;
        let mut ours: Vec<(Company, Option<Route>)> = vec![];
        let mut elsewhere = vec![];
        let mut shared = self.shared_companies;
        for (company, routes) in chosen.iter().zip(try_join_all(routes).await?) {
            let (own, others): (Vec<_>, Vec<_>) =
                routes.into_iter().partition(|route| route.key.tenant == *tenant);
            let others: Vec<_> = others.into_iter().filter(|route| !route.released).collect();
            // What a tenant has stays its own, also when it is shared and sharing is no longer allowed.
            let is_ours = own.iter().any(|route| !route.released);
            if others.is_empty() || self.shared_companies || is_ours {
                shared |= !others.is_empty();
                ours.push((company.clone(), own.into_iter().next()));
            } else {
                elsewhere.push((company.clone(), others));
            }
        }
        let connection = self.target(request, &ours, granted).await?;
        let has = |route: &Route| route.key.connection == connection && !route.released;
        let adds = !ours.iter().all(|(_, route)| route.as_ref().is_some_and(has));
        let from = |route: &Route| {
            (route.key.connection != connection && !route.released).then(|| route.key.connection.clone())
        };
        let companies = ours
            .iter()
            .map(|(company, route)| PlacedCompany {
                company: company.clone(),
                from: route.as_ref().and_then(from),
            })
            .collect();
        Ok(Plan {
            key: ConnectionKey { tenant: tenant.clone(), connection },
            companies,
            adds,
            shared,
            elsewhere,
        })
    }

    /// The connection that is asked for, the oldest that the tenant has or had for one of the companies, or a new one.
    ///
    /// A working connection keeps the companies that the new tokens do not reach: the others then go to a new one.
    async fn target(
        &self,
        request: &AuthorizationRequest,
        ours: &[(Company, Option<Route>)],
        granted: &GrantedCompanies,
    ) -> Result<ConnectionId, ConnectFailure> {
        if let Some(wanted) = &request.session.reconnects {
            let key = ConnectionKey { tenant: request.session.tenant.clone(), connection: wanted.clone() };
            let companies = self.connections.list_companies(&key).await?;
            let is_its = |(company, route): &(Company, Option<Route>)| {
                route.as_ref().is_some_and(|route| route.key == key)
                    || companies.iter().any(|one| one.id == company.id)
            };
            return if ours.is_empty() || ours.iter().any(is_its) {
                Ok(wanted.clone())
            } else {
                Err(ConnectFailure::DifferentCompany)
            };
        }
        let known = ours.iter().filter_map(|(_, route)| route.as_ref());
        // Connection ids are time-ordered; one that still has the company goes before one that gave it up.
        if let Some(oldest) = known.min_by_key(|route| (route.released, &route.key.connection))
            && !self.would_lose_companies(&oldest.key, granted).await?
        {
            return Ok(oldest.key.connection.clone());
        }
        Ok(Ids::new(&*self.clock, &*self.entropy).connection())
    }

    /// Whether a connection works, and has a company that tokens of another grant do not reach.
    async fn would_lose_companies(
        &self,
        key: &ConnectionKey,
        granted: &GrantedCompanies,
    ) -> Result<bool, StoreError> {
        let companies = self.connections.list_companies(key).await?;
        if companies.iter().all(|company| granted.reaches(&company.provider_id)) {
            return Ok(false);
        }
        Ok(self.connections.find(key).await?.is_some_and(|found| found.state.is_refreshable()))
    }

    /// The tenant, where a connection may be stored for it now: a new one, or one that has ended, only while the tenant works
    /// and has room for it.
    async fn admitted(
        &self,
        tenant: &TenantId,
        former: Option<&Connection>,
    ) -> Result<Tenant, ConnectFailure> {
        let found = self.tenants.find(tenant).await?.ok_or(ConnectFailure::Halted(Halted::Gone))?;
        let is_renewed = former.is_some_and(|former| !former.state.is_ended());
        match found.state.halted() {
            Some(Halted::Suspended) if is_renewed => {}
            Some(halted) => return Err(ConnectFailure::Halted(halted)),
            None => {}
        }
        if let Some(limit) = found.limits.integrations.filter(|_| !is_renewed) {
            let used = count_live(&*self.connections, tenant).await?;
            if used >= limit {
                return Err(ConnectFailure::OverQuota { limit, used });
            }
        }
        Ok(found)
    }

    async fn new_connection(
        &self,
        request: &AuthorizationRequest,
        grant: &Grant,
        plan: Plan,
    ) -> Result<NewConnection, ConnectFailure> {
        let Plan { key, companies, adds, shared, .. } = plan;
        let former = self.connections.find(&key).await?;
        let warmth = self.admitted(&key.tenant, former.as_ref()).await?.settings.refresh_policy;
        // Also where the former token set is gone, greater than any before: each of them took a lease or a connect.
        let generation = former.as_ref().map_or(1, |former| match &former.tokens {
            Some(old) => old.generation + 1,
            None => former.fence + 2,
        });
        let sealed =
            self.sealer.seal_under_new_keys((&key, request.provider), generation, &grant.tokens).await?;
        // Whoever opens a forwarded link must not bring a working connection to a halt, only books that are not its own yet.
        let works = former.as_ref().is_some_and(|former| former.state.is_usable());
        let waits = request.session.confirm && (adds || !works);
        let state = if waits { ConnectionState::Pending } else { ConnectionState::Active };
        Ok(NewConnection {
            connection: self.connection(
                &key,
                (former.as_ref(), state, warmth),
                (request, grant),
                (generation, sealed),
            ),
            companies,
            replaces: former.map(|former| Replaces { fence: former.fence, write_id: former.write_id }),
            shared,
        })
    }

    fn connection(
        &self,
        key: &ConnectionKey,
        (former, state, warmth): (Option<&Connection>, ConnectionState, Option<Warmth>),
        (request, grant): (&AuthorizationRequest, &Grant),
        (generation, pair): (u64, SealedPair),
    ) -> Connection {
        let now = self.clock.now();
        let tokens = &grant.tokens;
        let sealed = SealedTokens {
            generation,
            access: pair.access,
            refresh: pair.refresh,
            refresh_fingerprint: fingerprint(&tokens.refresh),
            issued_at: now,
            refreshed: false,
            access_expires_at: tokens.access_expires_at,
            refresh_expires_at: tokens.refresh_expires_at,
            hard_expires_at: tokens.hard_expires_at,
            keys_made_at: now,
            previous: None,
        };
        let policy = RefreshPolicy { warmth: warmth.unwrap_or(self.policy.warmth), ..self.policy };
        let due = policy.next(&key.connection, &sealed, now, &*self.entropy);
        let lacks_scope = !scope::missing(&request.scopes, &grant.scopes).is_empty();
        Connection {
            key: key.clone(),
            provider: request.provider,
            state,
            reason: lacks_scope.then(|| scope::INSUFFICIENT.to_owned()),
            scopes: grant.scopes.clone(),
            location: grant.location.clone(),
            created_at: former.map_or(now, |former| former.created_at),
            tokens: Some(sealed),
            // A higher fence than any lease under way, so that its worker cannot put the former grant's tokens back.
            fence: former.map_or(0, |former| former.fence + 1),
            lease: None,
            due: Some(due),
            used_at: now,
            warmth,
            attempts: former.map_or_else(AttemptCounters::default, |former| AttemptCounters {
                failed_in_a_row: 0,
                ..former.attempts
            }),
            last: former.and_then(|former| former.last.clone()),
            chain: former.map_or_else(ChainHead::default, |former| former.chain),
            // The exchange brought an access token, too.
            calls: Budget::of(request.provider).map(|_| now).into_iter().collect(),
            notices: Notices::default(),
            write_id: Ids::new(&*self.clock, &*self.entropy).write(),
        }
    }

    /// Tidies up behind a stored connection, which stands whatever becomes of that.
    async fn placed(&self, grant: &Grant, new: NewConnection) -> Placed {
        let NewConnection { connection, companies, .. } = new;
        if let Err(error) = self.drop_former(grant, &connection, &companies).await {
            tracing::error!(
                error = chain(&error),
                "A company that the connection has no longer is still listed"
            );
        }
        let sources: BTreeSet<_> = companies.iter().filter_map(|placed| placed.from.clone()).collect();
        for from in sources {
            let key = ConnectionKey { tenant: connection.key.tenant.clone(), connection: from };
            if let Err(error) = self.end_if_empty(&key).await {
                tracing::error!(error = chain(&error), connectionId = %key.connection, "A connection without companies is left");
            }
        }
        let companies = companies.into_iter().map(|placed| placed.company).collect();
        Placed { key: connection.key, state: connection.state, companies }
    }

    /// Takes companies off that the connection had and has no longer: its new tokens do not reach them, or they were given
    /// up and may belong to others since.
    async fn drop_former(
        &self,
        grant: &Grant,
        connection: &Connection,
        placed: &[PlacedCompany],
    ) -> Result<(), StoreError> {
        let (key, fence) = (&connection.key, connection.fence);
        let mut former = self.connections.list_companies(key).await?;
        // What has just come needs no second look.
        former.retain(|company| !placed.iter().any(|placed| placed.company.id == company.id));
        for company in former {
            let routes = self.connections.find_routes(connection.provider, &company.provider_id).await?;
            let is_its = routes.iter().any(|route| route.key == *key && !route.released);
            if !is_its || !grant.companies.reaches(&company.provider_id) {
                let route = (connection.provider, &company.provider_id);
                self.connections.release_route(key, route, fence).await?;
                self.connections.delete_company(key, &company.id, fence).await?;
            }
        }
        Ok(())
    }

    /// Ends a connection of the same tenant whose last company went to a newer grant.
    async fn end_if_empty(&self, key: &ConnectionKey) -> Result<(), StoreError> {
        let read = self.connections.find(key).await?;
        if let Some(emptied) = read
            && self.connections.list_companies(key).await?.is_empty()
        {
            let write_id = Ids::new(&*self.clock, &*self.entropy).write();
            self.connections.mark_disconnecting(&emptied, self.clock.now(), &write_id).await?;
        }
        Ok(())
    }

    /// Tells both sides of a company that stays with the tenant that has it.
    async fn audit_elsewhere(
        &self,
        request: &AuthorizationRequest,
        elsewhere: &[(Company, Vec<Route>)],
        correlation: &CorrelationId,
    ) {
        let asking = &request.session.tenant;
        for (company, routes) in elsewhere {
            let owners = routes.iter().map(|route| (&route.key.tenant, Some(&route.key.connection)));
            let sides: Vec<(&TenantId, Option<&ConnectionId>)> =
                std::iter::once((asking, None)).chain(owners).collect();
            for (tenant, connection) in sides {
                let about = (request.provider, correlation);
                let mut entry = self.entry(tenant, AuditAction::CompanyOwnedElsewhere, about);
                entry.company = Some(company.provider_id.clone());
                entry.connection = connection.cloned();
                audit::record(&*self.audit, &entry).await;
            }
        }
    }
}
