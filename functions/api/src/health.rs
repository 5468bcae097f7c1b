//! Health: whether the clock ticks, the tables answer and the providers are let through to.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{extract::State, http::StatusCode};
use domain::{
    api_key::Scope,
    provider::Provider,
    refresh::{BreakerState, ProviderHealth, TokenHealth},
};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Deps, breakers,
    call::{Call, Outcome},
    tokens::{Summary, connections},
};

/// The sweep runs every minute; three missed runs are no accident.
const SCHEDULER_LATE: Duration = Duration::from_mins(3);

#[derive(Serialize, ToSchema)]
struct HealthBody {
    status: &'static str,
    scheduler: SchedulerBody,
    storage: StorageBody,
    tokens: TokensBody,
    /// None when the tables do not answer.
    providers: BTreeMap<Provider, ProviderBody>,
}

#[derive(Serialize, ToSchema)]
struct ProviderBody {
    breaker: &'static str,
    outage: bool,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SchedulerBody {
    initialized: bool,
    status: &'static str,
    last_run_at: Option<Timestamp>,
}

#[derive(Serialize, ToSchema)]
struct StorageBody {
    database: &'static str,
}

#[derive(Serialize, ToSchema)]
struct TokensBody {
    total: usize,
    healthy: usize,
    expiring: usize,
    expired: usize,
}

/// `GET /api/tokens/health`; 503 only when the tables do not answer.
#[utoipa::path(
    get,
    path = "/api/tokens/health",
    responses(
        (status = 200, description = "Everything that is needed answers, though maybe not all is well", body = HealthBody),
        (status = 503, description = "Something does not answer without which no token can be kept", body = HealthBody),
    ),
)]
pub(crate) async fn show(State(deps): State<Arc<Deps>>, call: Call) -> Outcome {
    call.require(Scope::TokensRead)?;
    let now = deps.clock.now();
    let last_run = deps.sweeps.last().await;
    let providers = breakers::load(&deps, now).await;
    let counted = connections(&call.within(&deps, None).await?).await;
    let (Ok(last_run), Ok(providers), Ok(connections)) = (last_run, providers, counted) else {
        let body = HealthBody {
            status: "unhealthy",
            scheduler: SchedulerBody { initialized: false, status: "unknown", last_run_at: None },
            storage: StorageBody { database: "unhealthy" },
            tokens: TokensBody { total: 0, healthy: 0, expiring: 0, expired: 0 },
            providers: BTreeMap::new(),
        };
        return Ok(call.json(StatusCode::SERVICE_UNAVAILABLE, &body));
    };
    let mut summary = Summary::default();
    for connection in &connections {
        summary.count(TokenHealth::of(connection, &deps.policy, now));
    }
    let is_late = |at: Timestamp| now.duration_since(at).unsigned_abs() > SCHEDULER_LATE;
    let scheduler = match last_run {
        None => "never_ran",
        Some(at) if is_late(at) => "late",
        Some(_) => "running",
    };
    let provider = |(name, health): (Provider, ProviderHealth)| {
        let breaker = health.breaker.state;
        let outage = health.tally.is_outage(&deps.outage);
        (name, ProviderBody { breaker: breaker.as_str(), outage })
    };
    let providers: BTreeMap<_, _> = providers.into_iter().map(provider).collect();
    let closed = BreakerState::Closed.as_str();
    let are_up = providers.values().all(|provider| provider.breaker == closed && !provider.outage);
    let body = HealthBody {
        status: if scheduler == "running" && are_up { "healthy" } else { "degraded" },
        scheduler: SchedulerBody {
            initialized: last_run.is_some(),
            status: scheduler,
            last_run_at: last_run,
        },
        storage: StorageBody { database: "healthy" },
        tokens: TokensBody {
            total: summary.total,
            healthy: summary.healthy,
            expiring: summary.warning,
            expired: summary.expired,
        },
        providers,
    };
    Ok(call.json(StatusCode::OK, &body))
}
