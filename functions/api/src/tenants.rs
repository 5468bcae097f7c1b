//! Tenants.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use domain::{
    api_key::Scope,
    error::ErrorCode,
    id::TenantId,
    tenant::{Tenant, TenantLimits},
};
use edge::http::ApiError;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    Deps,
    call::{Call, JsonBody, Outcome},
};

/// Long enough for any company's name, short enough for a page.
const MAX_NAME: usize = 200;
/// A plan is a word, not a text.
const MAX_PLAN: usize = 64;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewTenant {
    tenant_id: TenantId,
    name: String,
    plan: Option<String>,
    #[serde(default)]
    limits: TenantLimits,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TenantBody {
    tenant_id: TenantId,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<String>,
    limits: TenantLimits,
    created_at: Timestamp,
}

/// `POST /api/tenants`
#[utoipa::path(
    post,
    path = "/api/tenants",
    request_body = NewTenant,
    responses(
        (status = 201, description = "The tenant was made", body = TenantBody),
        (status = 404, description = "The key is bound to another tenant"),
        (status = 409, description = "The id is taken"),
    ),
)]
pub(crate) async fn create(
    State(deps): State<Arc<Deps>>,
    call: Call,
    JsonBody(NewTenant { tenant_id, name, plan, limits }): JsonBody<NewTenant>,
) -> Outcome {
    call.require(Scope::TenantsWrite)?;
    let things = call.administers(&deps, Some(tenant_id.clone())).await?;
    let name = printable("name", &name, MAX_NAME)?;
    let plan = plan.map(|plan| printable("plan", &plan, MAX_PLAN)).transpose()?;
    let tenant = Tenant { plan, limits, ..Tenant::new(tenant_id, name, deps.clock.now()) };
    if !things.insert_tenant(&tenant).await? {
        return Err(ApiError::new(ErrorCode::TenantExists, "this tenantId is taken").into());
    }
    tracing::info!(tenantId = %tenant.id, keyId = %call.caller.key(), "Tenant created");
    let Tenant { id: tenant_id, name, plan, limits, created_at, .. } = tenant;
    Ok(call.json(StatusCode::CREATED, &TenantBody { tenant_id, name, plan, limits, created_at }))
}

pub(crate) fn printable(field: &str, text: &str, max: usize) -> Result<String, ApiError> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > max || text.chars().any(char::is_control) {
        return Err(ApiError::invalid(field, format!("{field} must be 1 to {max} printable characters")));
    }
    Ok(text.to_owned())
}
