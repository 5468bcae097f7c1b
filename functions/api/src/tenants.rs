//! Tenants: making them, and seeing what there is.

use std::sync::Arc;

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use domain::{
    audit::{self, AuditAction},
    error::ErrorCode,
    id::TenantId,
    tenant::{Tenant, TenantLimits, TenantSettings, TenantState},
};
use edge::http::ApiError;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    Deps,
    call::{Call, JsonBody, Name, Outcome, Parameters, object},
    cursors::List,
    openapi::FromCursor,
    tenant_settings::{self, plan_of, printable},
    tokens::MAX_LIMIT,
};

/// Long enough for any company's name, short enough for a page.
pub(crate) const MAX_NAME: usize = 200;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewTenant {
    tenant_id: TenantId,
    /// The name a person knows it by; shown on the connect page.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// The plan it is on, in the product's own word.
    #[schema(min_length = 1, max_length = 64)]
    plan: Option<String>,
    #[serde(default, deserialize_with = "object")]
    limits: TenantLimits,
    #[serde(default, deserialize_with = "object")]
    settings: TenantSettings,
}

/// A tenant.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TenantBody {
    tenant_id: TenantId,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<String>,
    state: TenantState,
    limits: TenantLimits,
    settings: TenantSettings,
    created_at: Timestamp,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TenantsBody {
    tenants: Vec<TenantBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

impl From<Tenant> for TenantBody {
    fn from(tenant: Tenant) -> Self {
        let Tenant { id: tenant_id, name, plan, state, limits, settings, created_at, .. } = tenant;
        Self { tenant_id, name, plan, state, limits, settings, created_at }
    }
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
    JsonBody(new): JsonBody<NewTenant>,
) -> Outcome {
    let things = call.administers(&deps, Some(new.tenant_id.clone())).await?;
    let name = printable("name", &new.name, MAX_NAME)?;
    let plan = new.plan.as_deref().map(plan_of).transpose()?;
    tenant_settings::check(&deps.scopes, &new.settings)?;
    let NewTenant { tenant_id, limits, settings, .. } = new;
    let tenant = Tenant { plan, limits, settings, ..Tenant::new(tenant_id, name, deps.clock.now()) };
    if !things.insert_tenant(&tenant).await? {
        return Err(ApiError::new(ErrorCode::TenantExists, "this tenantId is taken").into());
    }
    tracing::info!(tenantId = %tenant.id, keyId = %call.caller.key(), "Tenant created");
    audit::record(&*deps.audit, &call.audit_entry(&deps, Some(&tenant.id), AuditAction::TenantCreated)).await;
    Ok(shown(&call, StatusCode::CREATED, tenant))
}

/// `GET /api/tenants?limit=&cursor=`
///
/// A key that is bound to a tenant sees its own.
#[utoipa::path(
    get,
    path = "/api/tenants",
    params(
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "How many, 100 if left out"),
        FromCursor,
    ),
    responses((status = 200, description = "Tenants, by id", body = TenantsBody)),
)]
pub(crate) async fn list(
    State(deps): State<Arc<Deps>>,
    Parameters(query): Parameters,
    call: Call,
) -> Outcome {
    let things = call.administers(&deps, None).await?;
    let limit = query.limit("limit", MAX_LIMIT, MAX_LIMIT)?;
    let list = List::of("tenants");
    let from = deps.cursors.open(&list, &query).await?;
    let page = things.tenants(limit, from.as_deref()).await?;
    let tenants = page.tenants.into_iter().map(TenantBody::from).collect();
    let next_cursor = deps.cursors.seal(&list, page.next).await?;
    Ok(call.json(StatusCode::OK, &TenantsBody { tenants, next_cursor }))
}

/// `GET /api/tenants/{tenant}`
#[utoipa::path(
    get,
    path = "/api/tenants/{tenant}",
    params(("tenant" = TenantId, Path, description = "The tenant's id")),
    responses(
        (status = 200, description = "The tenant", body = TenantBody),
        (status = 404, description = "There is no such tenant"),
    ),
)]
pub(crate) async fn show(State(deps): State<Arc<Deps>>, Name(id): Name, call: Call) -> Outcome {
    let id: TenantId = id.parse().map_err(|_| missing())?;
    let things = call.administers(&deps, Some(id.clone())).await?;
    Ok(shown(&call, StatusCode::OK, things.tenant(&id).await?.ok_or_else(missing)?))
}

/// A tenant as an answer.
pub(crate) fn shown(call: &Call, status: StatusCode, tenant: Tenant) -> Response {
    call.json(status, &TenantBody::from(tenant)).into_response()
}

pub(crate) fn missing() -> ApiError {
    ApiError::new(ErrorCode::TenantNotFound, "there is no such tenant")
}
