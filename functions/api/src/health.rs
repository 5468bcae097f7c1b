//! Health: whether the clock ticks, tables, key and queues can be used, and the providers are let through to.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{extract::State, http::StatusCode};
use domain::{
    probe::{KeyState, QueueDepth},
    provider::Provider,
    refresh::{BreakerState, BreakerStore, Counted, ProviderHealth},
    store::StoreError,
};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Deps,
    call::{Call, Outcome},
    probes::{PROBE_TIMEOUT, Probed, in_time, told},
};

/// The sweep runs every minute; three missed runs are no accident.
const SCHEDULER_LATE: Duration = Duration::from_mins(3);
/// Counting connections anew takes longer than a probe; what is not counted by then is by the next call.
const COUNT_TIMEOUT: Duration = Duration::from_secs(10);
/// The word for what can be used.
const HEALTHY: &str = "healthy";
/// The word for what does not answer as it should.
const UNHEALTHY: &str = "unhealthy";

#[derive(Serialize, ToSchema)]
struct HealthBody {
    /// `healthy`, `degraded` or `unhealthy`.
    status: &'static str,
    scheduler: SchedulerBody,
    storage: StorageBody,
    /// Null where they could not be counted.
    tokens: Option<TokensBody>,
    /// Without those of which nothing is known.
    providers: BTreeMap<Provider, ProviderBody>,
}

#[derive(Serialize, ToSchema)]
struct ProviderBody {
    /// Of the token endpoint.
    #[serde(flatten)]
    tokens: EndpointBody,
    /// Of the data API.
    books: EndpointBody,
}

#[derive(Clone, Copy, Serialize, ToSchema)]
struct EndpointBody {
    breaker: &'static str,
    outage: bool,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SchedulerBody {
    initialized: bool,
    /// `running`, `late`, `never_ran` or `unknown`.
    status: &'static str,
    last_run_at: Option<Timestamp>,
}

#[derive(Serialize, ToSchema)]
struct StorageBody {
    /// Of all tables together.
    database: &'static str,
    tables: BTreeMap<&'static str, &'static str>,
    /// Of the key that wraps data keys: `healthy`, `disabled`, `missing`, `denied`, `unreachable` or `throttled`.
    keys: &'static str,
    queues: BTreeMap<&'static str, QueueBody>,
}

#[derive(Serialize, ToSchema)]
struct QueueBody {
    /// `healthy`, `dead_letters` where messages were given up, or `unknown`.
    status: &'static str,
    /// Not for keys that are bound to a tenant.
    #[serde(flatten)]
    depth: Option<DepthBody>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct DepthBody {
    waiting: u64,
    in_flight: u64,
    dead_letters: u64,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TokensBody {
    total: u64,
    healthy: u64,
    expiring: u64,
    expired: u64,
    /// Since when connections were counted; null until all were counted once.
    as_of: Option<Timestamp>,
}

/// `GET /api/tokens/health`; 503 only when a table or the key cannot be used. Who is bound to a tenant sees how many tokens
/// that tenant has, and of what all share no more than words.
#[utoipa::path(
    get,
    path = "/api/tokens/health",
    responses(
        (status = 200, description = "All that tokens need can be used, though maybe not all is well", body = HealthBody),
        (status = 503, description = "A table or the key cannot be used", body = HealthBody),
    ),
)]
pub(crate) async fn show(State(deps): State<Arc<Deps>>, call: Call) -> Outcome {
    let things = call.within(&deps, None).await?;
    let now = deps.clock.now();
    let clock = &*deps.clock;
    let (mut probed, counted, last_run, (tokens, books)) = tokio::join!(
        deps.probes.ask(clock),
        in_time(clock, COUNT_TIMEOUT, told("tokens", things.figures())),
        in_time(clock, PROBE_TIMEOUT, last_run(&deps)),
        providers(&deps, now),
    );
    let scheduler = scheduler(last_run, now);
    let providers: BTreeMap<_, _> = Provider::ALL
        .into_iter()
        .filter_map(|name| {
            Some((name, ProviderBody { tokens: *tokens.get(&name)?, books: *books.get(&name)? }))
        })
        .collect();
    // Both are read from the control table.
    if scheduler.status == "unknown" || providers.len() < Provider::ALL.len() {
        probed.tables.insert("control", false);
    }
    let is_usable = is_usable(&probed);
    let is_well = probed.key == KeyState::Usable
        && probed.queues.values().all(|depth| depth.is_some_and(|depth| depth.dead_letters == 0))
        && scheduler.status == "running"
        && counted.is_some()
        && providers.values().all(|provider| provider.tokens.is_up() && provider.books.is_up());
    let (status, code) = match (is_usable, is_well) {
        (false, _) => (UNHEALTHY, StatusCode::SERVICE_UNAVAILABLE),
        (true, false) => ("degraded", StatusCode::OK),
        (true, true) => (HEALTHY, StatusCode::OK),
    };
    let storage = storage(probed, call.caller.bound_to().is_none());
    let body = HealthBody { status, scheduler, storage, tokens: counted.map(Into::into), providers };
    Ok(call.json(code, &body))
}

/// Whether tokens can be stored, read and opened. A key that throttles answers again, so that it is usable.
fn is_usable(probed: &Probed) -> bool {
    probed.tables.values().all(|answers| *answers)
        && matches!(probed.key, KeyState::Usable | KeyState::Throttled)
}

/// What all workers know of each provider, token endpoints and data APIs, as far as the table tells it in time.
async fn providers(
    deps: &Deps,
    now: Timestamp,
) -> (BTreeMap<Provider, EndpointBody>, BTreeMap<Provider, EndpointBody>) {
    let load = async |breakers: &dyn BreakerStore| {
        let load = Provider::ALL.map(async |provider| {
            let health = breakers.load(provider, deps.outage.first_minute(now)).await?;
            Ok((provider, endpoint(&health, deps)))
        });
        let loaded =
            async { futures::future::join_all(load).await.into_iter().collect::<Result<_, StoreError>>() };
        in_time(&*deps.clock, PROBE_TIMEOUT, told("breakers", loaded)).await.unwrap_or_default()
    };
    tokio::join!(load(&*deps.breakers), load(&*deps.books_breakers))
}

fn endpoint(health: &ProviderHealth, deps: &Deps) -> EndpointBody {
    EndpointBody { breaker: health.breaker.state.as_str(), outage: health.tally.is_outage(&deps.outage) }
}

impl EndpointBody {
    fn is_up(&self) -> bool {
        self.breaker == BreakerState::Closed.as_str() && !self.outage
    }
}

/// When the clock ticked last, if it ever did.
struct LastRun(Option<Timestamp>);

async fn last_run(deps: &Deps) -> Option<LastRun> {
    told("scheduler", deps.sweeps.last()).await.map(LastRun)
}

/// How the clock ticks, where that is known.
fn scheduler(last_run: Option<LastRun>, now: Timestamp) -> SchedulerBody {
    let is_late = |at: Timestamp| now.duration_since(at).unsigned_abs() > SCHEDULER_LATE;
    let status = match &last_run {
        None => "unknown",
        Some(LastRun(None)) => "never_ran",
        Some(LastRun(Some(at))) if is_late(*at) => "late",
        Some(LastRun(Some(_))) => "running",
    };
    let last_run_at = last_run.and_then(|LastRun(at)| at);
    SchedulerBody { initialized: last_run_at.is_some(), status, last_run_at }
}

fn storage(probed: Probed, with_numbers: bool) -> StorageBody {
    let word = |answers: bool| if answers { HEALTHY } else { UNHEALTHY };
    let queue = |depth: Option<QueueDepth>| QueueBody {
        status: match depth {
            None => "unknown",
            Some(depth) if depth.dead_letters > 0 => "dead_letters",
            Some(_) => HEALTHY,
        },
        depth: depth.filter(|_| with_numbers).map(|QueueDepth { waiting, in_flight, dead_letters }| {
            DepthBody { waiting, in_flight, dead_letters }
        }),
    };
    StorageBody {
        database: word(probed.tables.values().all(|answers| *answers)),
        tables: probed.tables.into_iter().map(|(name, answers)| (name, word(answers))).collect(),
        keys: probed.key.as_str(),
        queues: probed.queues.into_iter().map(|(name, depth)| (name, queue(depth))).collect(),
    }
}

impl From<Counted> for TokensBody {
    fn from(Counted { tally, as_of }: Counted) -> Self {
        Self {
            total: tally.total,
            healthy: tally.healthy,
            expiring: tally.warning,
            expired: tally.expired,
            as_of,
        }
    }
}
