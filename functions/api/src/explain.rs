//! Why a connection is in its state.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use domain::refresh::{Explanation, explain};

use crate::{
    Deps,
    call::{Call, Name, Outcome, Parameters},
    connections::find,
    openapi::{OfTenant, OneConnection},
};

/// `GET /api/connections/{id}/explain?tenantId=`
#[utoipa::path(
    get,
    path = "/api/connections/{connection}/explain",
    params(OneConnection, OfTenant),
    responses(
        (status = 200, description = "Why it is as it is, what happens next and what is to be done", body = Explanation),
        (status = 404, description = "There is no such connection"),
    ),
)]
pub(crate) async fn show(
    State(deps): State<Arc<Deps>>,
    Name(id): Name,
    Parameters(query): Parameters,
    call: Call,
) -> Outcome {
    let things = call.within(&deps, query.parsed("tenantId")?).await?;
    let connection = find(&things, &id).await?;
    let now = deps.clock.now();
    let health = deps.breakers.load(connection.provider, deps.outage.first_minute(now)).await?;
    let explanation = explain(&connection, (&health, &deps.outage), &deps.policy, now);
    Ok(call.json(StatusCode::OK, &explanation))
}
