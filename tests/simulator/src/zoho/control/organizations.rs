//! Control of organizations.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde_json::{Value, json};

use super::{
    super::{options::ZohoOrganizationOptions, organizations::Organization, seed},
    Shared,
};
use crate::control::{Body, ControlError};

/// More records than one organization of a test needs.
const MAX_SEEDED: usize = 200_000;

pub(super) async fn list(State(world): Shared) -> Json<Value> {
    let organizations = world.zoho.organizations.lock();
    Json(json!({ "organizations": organizations.list().iter().map(shown).collect::<Vec<_>>() }))
}

pub(super) async fn add(
    State(world): Shared,
    Body(options): Body<ZohoOrganizationOptions>,
) -> Result<(StatusCode, Json<Value>), ControlError> {
    let id = options.organization_id.clone().unwrap_or_else(|| format!("88{}", world.chance.digits(7)));
    if !(6..=19).contains(&id.len()) || !id.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(ControlError::Invalid("organizationId must be 6 to 19 digits".to_owned()));
    }
    if options.contacts.saturating_add(options.invoices) > MAX_SEEDED {
        return Err(ControlError::Invalid(format!("at most {MAX_SEEDED} records can be made")));
    }
    let organization = seed::organization(id, &options, world.clock.now());
    let answer = shown(&organization);
    if world.zoho.organizations.lock().add(organization) {
        Ok((StatusCode::CREATED, Json(answer)))
    } else {
        Err(ControlError::Conflict("there is an organization with this organizationId"))
    }
}

pub(super) async fn remove(
    State(world): Shared,
    Path(id): Path<String>,
) -> Result<Json<Value>, ControlError> {
    if !world.zoho.organizations.lock().remove(&id) {
        return Err(ControlError::NotFound("organization"));
    }
    world.zoho.users.lock().forget_organization(&id);
    Ok(Json(json!({})))
}

fn shown(organization: &Organization) -> Value {
    json!({
        "organizationId": organization.id, "location": organization.location, "name": organization.name,
        "counts": organization.counts(),
    })
}
