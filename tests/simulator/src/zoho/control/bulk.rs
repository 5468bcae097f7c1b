//! Control of many records at once.

use axum::{
    Json,
    extract::{Path, State},
};
use serde_json::{Value, json};

use super::{
    super::{
        answers::ApiFault,
        deliveries, resources,
        writes::{self, Write},
    },
    Shared,
};
use crate::{
    bulk::{Bulk, Touched},
    control::{Body, ControlError},
};

/// Changes, deletes and voids records of a kind, and tells each of them.
pub(super) async fn change(
    State(world): Shared,
    Path((organization, entity)): Path<(String, String)>,
    Body(bulk): Body<Bulk>,
) -> Result<Json<Touched>, ControlError> {
    let resource = resources::by_name(&entity).ok_or(ControlError::NotFound("entity"))?;
    if bulk.void > 0 && !resource.statuses.contains(&"void") {
        return Err(ControlError::Invalid(format!("{} cannot be voided", resource.path)));
    }
    let touched = {
        let organizations = world.zoho.organizations.lock();
        let organization = organizations.find(&organization).ok_or(ControlError::NotFound("organization"))?;
        let text = |body: &serde_json::Map<String, Value>, name: &str| {
            body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let there = organization.records(resource).filter(|record| text(&record.body, "status") != "void");
        bulk.choose(there.map(|record| text(&record.body, resource.id_member)).collect())?
    };
    let member = if resource.party.is_some() { "reference_number" } else { "description" };
    let note = json!({ member: format!("Changed at {}", world.clock.now()) });
    let note = note.as_object().cloned().unwrap_or_default();
    let updates = touched.updated.iter().map(|id| Write::Update(id, note.clone()));
    let deletions = touched.deleted.iter().map(|id| Write::Delete(id));
    let voids = touched.voided.iter().map(|id| Write::Mark(id, "void"));
    for write in updates.chain(deletions).chain(voids) {
        let refused = |fault: ApiFault| ControlError::Invalid(fault.message);
        writes::carry_out(&world, &organization, (resource, write)).map_err(refused)?;
    }
    deliveries::deliver(&world).await;
    Ok(Json(touched))
}
