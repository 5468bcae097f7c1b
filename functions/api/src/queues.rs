//! The queues of jobs: how many stand where.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{extract::State, http::StatusCode};
use domain::{provider::Provider, refresh::policy::earlier, sync::JobCounts};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Deps,
    call::{Call, Outcome},
};

/// How far back ended jobs are counted: each company has a job a day at least.
const COUNTED: Duration = Duration::from_hours(24);

#[derive(Serialize, ToSchema)]
struct QueuesBody {
    /// Since when completed and failed jobs are counted.
    since: Timestamp,
    queues: BTreeMap<&'static str, JobCounts>,
}

/// `GET /api/queues`
#[utoipa::path(
    get,
    path = "/api/queues",
    responses(
        (status = 200, description = "How many jobs stand where, for each provider", body = QueuesBody),
    ),
)]
pub(crate) async fn show(State(deps): State<Arc<Deps>>, call: Call) -> Outcome {
    call.require_all_tenants("queues")?;
    let since = earlier(deps.clock.now(), COUNTED);
    let mut queues = BTreeMap::new();
    for provider in Provider::ALL {
        queues.insert(provider.as_str(), deps.job_log.counts(provider, since).await?);
    }
    Ok(call.json(StatusCode::OK, &QueuesBody { since, queues }))
}
