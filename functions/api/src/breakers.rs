//! The circuit breakers: what all workers know of each provider.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use domain::{
    provider::Provider,
    refresh::{BreakerSeen, Endpoint, OutageSettings, ProviderHealth},
    store::StoreError,
};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Deps,
    call::{Call, Outcome},
};

#[derive(Serialize, ToSchema)]
struct BreakersBody {
    breakers: Vec<BreakerBody>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct BreakerBody {
    provider: Provider,
    /// What of it: `token` or `books`.
    endpoint: &'static str,
    #[serde(flatten)]
    breaker: BreakerSeen,
    /// Failures of the provider in a row.
    failures: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed_at: Option<Timestamp>,
    /// Attempts within the time that is watched for an outage; while nothing fails, none are counted.
    attempts: u64,
    failed: u64,
    failing_connections: usize,
    outage: bool,
}

/// `GET /api/breakers`
#[utoipa::path(
    get,
    path = "/api/breakers",
    responses(
        (status = 200, description = "The breaker of each provider's endpoints", body = BreakersBody),
    ),
)]
pub(crate) async fn list(State(deps): State<Arc<Deps>>, call: Call) -> Outcome {
    call.require_all_tenants("breakers")?;
    let now = deps.clock.now();
    let mut breakers = Vec::new();
    for (provider, health) in load(&deps, now).await? {
        breakers.push(body((provider, Endpoint::Token), &health, &deps.outage));
    }
    for provider in Provider::ALL {
        let health = deps.books_breakers.load(provider, deps.outage.first_minute(now)).await?;
        breakers.push(body((provider, Endpoint::Books), &health, &deps.outage));
    }
    Ok(call.json(StatusCode::OK, &BreakersBody { breakers }))
}

/// What the table knows of each provider's token endpoint.
async fn load(deps: &Deps, now: Timestamp) -> Result<Vec<(Provider, ProviderHealth)>, StoreError> {
    let mut healths = Vec::with_capacity(Provider::ALL.len());
    for provider in Provider::ALL {
        healths.push((provider, deps.breakers.load(provider, deps.outage.first_minute(now)).await?));
    }
    Ok(healths)
}

fn body(
    (provider, endpoint): (Provider, Endpoint),
    health: &ProviderHealth,
    settings: &OutageSettings,
) -> BreakerBody {
    let ProviderHealth { breaker, tally } = health;
    BreakerBody {
        provider,
        endpoint: endpoint.as_str(),
        breaker: breaker.state.into(),
        failures: breaker.failures,
        changed_at: breaker.changed_at,
        attempts: tally.attempts,
        failed: tally.failed,
        failing_connections: tally.failing.len(),
        outage: tally.is_outage(settings),
    }
}
