//! Tenants.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use domain::{api_key::Scope, error::ErrorCode, id::TenantId, tenant::Tenant};
use edge::http::ApiError;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Deps,
    call::{Call, JsonBody, Outcome},
};

/// Long enough for any company's name, short enough for a page.
const MAX_NAME: usize = 200;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewTenant {
    tenant_id: TenantId,
    name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TenantBody {
    tenant_id: TenantId,
    name: String,
    created_at: Timestamp,
}

/// `POST /api/tenants`
pub(crate) async fn create(
    State(deps): State<Arc<Deps>>,
    call: Call,
    JsonBody(NewTenant { tenant_id, name }): JsonBody<NewTenant>,
) -> Outcome {
    call.caller.require(Scope::TenantsWrite)?;
    call.caller.tenant(Some(tenant_id.clone()))?;
    let name = name.trim().to_owned();
    if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(
            ApiError::invalid("name", format!("name must be 1 to {MAX_NAME} printable characters")).into()
        );
    }
    let tenant = Tenant { id: tenant_id, name, created_at: deps.clock.now() };
    if !deps.tenants.insert(&tenant).await? {
        return Err(ApiError::new(ErrorCode::TenantExists, "this tenantId is taken").into());
    }
    tracing::info!(tenantId = %tenant.id, keyId = %call.caller.key(), "Tenant created");
    let Tenant { id: tenant_id, name, created_at } = tenant;
    Ok(call.json(StatusCode::CREATED, &TenantBody { tenant_id, name, created_at }))
}
