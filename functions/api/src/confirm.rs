//! Confirming a connection that was consented to: the product's word that this person belongs to this tenant.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use domain::{
    audit::{self, AuditAction},
    connection::{ConfirmOutcome, ConnectionState},
    error::ErrorCode,
    id::{Ids, TenantId},
};
use edge::http::ApiError;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    Deps,
    call::{Call, JsonBody, Name, Outcome},
    connections::{ConnectionBody, find, missing, shown},
    openapi::OneConnection,
};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Confirmation {
    /// Needed right after connecting, before the connection is found by its id alone.
    tenant_id: Option<TenantId>,
    /// Whether a full sync starts now.
    sync: Option<bool>,
}

/// `POST /api/connections/{id}/confirm`
#[utoipa::path(
    post,
    path = "/api/connections/{connection}/confirm",
    params(OneConnection),
    request_body = Confirmation,
    responses(
        (status = 200, description = "The connection is active, since now or before", body = ConnectionBody),
        (status = 404, description = "There is no such connection"),
        (status = 409, description = "The connection does not wait to be confirmed, or its tenant is being deleted"),
    ),
)]
pub(crate) async fn confirm(
    State(deps): State<Arc<Deps>>,
    Name(id): Name,
    call: Call,
    JsonBody(wanted): JsonBody<Confirmation>,
) -> Outcome {
    let things = call.within(&deps, wanted.tenant_id).await?;
    let connection = find(&things, &id).await?;
    things.active(&connection.key.tenant).await?;
    let was_pending = connection.state == ConnectionState::Pending;
    // Read before anything is changed: a confirmation that fails after it could not be repeated with its sync.
    let companies = things.companies(&connection.key).await?;
    let ids = Ids::new(&*deps.clock, &*deps.entropy);
    match things.confirm(&connection.key, &ids.write()).await? {
        ConfirmOutcome::Active => {}
        ConfirmOutcome::Missing => return Err(missing().into()),
        ConfirmOutcome::NotPending(state) => return Err(not_pending(state).into()),
    }
    if was_pending {
        let tenant = Some(&connection.key.tenant);
        let mut entry = call.audit_entry(&deps, tenant, AuditAction::ConnectionConfirmed);
        entry.provider = Some(connection.provider);
        entry.connection = Some(connection.key.connection.clone());
        audit::record(&*deps.audit, &entry).await;
        if wanted.sync.unwrap_or(true) {
            let of = (&connection.key, companies.as_slice());
            things.start_first(ids, of, &call.correlation).await;
        }
    }
    let confirmed = things.connection_of(&connection.key).await?.ok_or_else(missing)?;
    shown(&things, &call, StatusCode::OK, confirmed).await
}

fn not_pending(state: ConnectionState) -> ApiError {
    let message = "the connection does not wait to be confirmed";
    ApiError::new(ErrorCode::ConnectionStateConflict, message).with("state", state.as_str())
}
