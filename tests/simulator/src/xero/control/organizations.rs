//! Control of organizations, and of what their owners do about apps.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::{books::Organization, options::XeroOrganizationOptions, seed};
use crate::{
    control::{Body, ControlError},
    world::World,
};

type Shared = State<Arc<World>>;

/// More objects than one organization of a test needs.
const MAX_SEEDED: usize = 200_000;

/// What changes about an organization; members that are absent change nothing.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Change {
    name: Option<String>,
    offline: Option<bool>,
    forbidden: Option<bool>,
}

pub(super) async fn list(State(world): Shared) -> Json<Value> {
    let organizations = world.xero.organizations.lock();
    Json(json!({ "organizations": organizations.all().iter().map(shown).collect::<Vec<_>>() }))
}

pub(super) async fn add(
    State(world): Shared,
    Body(options): Body<XeroOrganizationOptions>,
) -> Result<(StatusCode, Json<Value>), ControlError> {
    if options.contacts.saturating_add(options.invoices) > MAX_SEEDED {
        return Err(ControlError::Invalid(format!("at most {MAX_SEEDED} objects can be made")));
    }
    let tenant_id = options.tenant_id.clone().unwrap_or_else(|| world.chance.uuid().to_string());
    if Uuid::parse_str(&tenant_id).is_err() {
        return Err(ControlError::Invalid("tenantId must be a UUID".to_owned()));
    }
    let organization = seed::organization(tenant_id, &options, world.clock.now());
    let answer = shown(&organization);
    if world.xero.organizations.lock().add(organization) {
        Ok((StatusCode::CREATED, Json(answer)))
    } else {
        Err(ControlError::Conflict("there is an organization with this tenantId"))
    }
}

pub(super) async fn change(
    State(world): Shared,
    Path(tenant): Path<String>,
    Body(change): Body<Change>,
) -> Result<Json<Value>, ControlError> {
    let mut organizations = world.xero.organizations.lock();
    let organization = organizations.find_mut(&tenant).ok_or(ControlError::NotFound("organization"))?;
    if let Some(name) = change.name {
        organization.name = name;
    }
    organization.offline = change.offline.unwrap_or(organization.offline);
    organization.forbidden = change.forbidden.unwrap_or(organization.forbidden);
    Ok(Json(shown(organization)))
}

pub(super) async fn remove(
    State(world): Shared,
    Path(tenant): Path<String>,
) -> Result<Json<Value>, ControlError> {
    if !world.xero.organizations.lock().remove(&tenant) {
        return Err(ControlError::NotFound("organization"));
    }
    Ok(disconnected(&world, &tenant))
}

pub(super) async fn disconnect(
    State(world): Shared,
    Path(tenant): Path<String>,
) -> Result<Json<Value>, ControlError> {
    if world.xero.organizations.lock().find(&tenant).is_none() {
        return Err(ControlError::NotFound("organization"));
    }
    Ok(disconnected(&world, &tenant))
}

fn disconnected(world: &World, tenant: &str) -> Json<Value> {
    Json(json!({ "connectionsEnded": world.xero.connections.lock().remove_tenant(tenant) }))
}

fn shown(organization: &Organization) -> Value {
    json!({
        "tenantId": organization.tenant_id, "name": organization.name,
        "offline": organization.offline, "forbidden": organization.forbidden,
    })
}
