//! Control of many objects at once.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::super::{
    books::{Company, Record},
    deliveries::{self, Change},
    entities::{self, Entity, Family},
    writes,
};
use crate::{
    bulk::{Bulk, Touched},
    control::{Body, ControlError},
    world::World,
};

/// Changes, deletes and voids objects of a kind in one moment, and tells each of them.
pub(super) async fn change(
    State(world): State<Arc<World>>,
    Path((realm, entity)): Path<(String, String)>,
    Body(bulk): Body<Bulk>,
) -> Result<Json<Touched>, ControlError> {
    let entity = entities::by_path(&entity).ok_or(ControlError::NotFound("entity"))?;
    if entity.family == Family::List && (bulk.delete, bulk.void) != (0, 0) {
        return Err(ControlError::Invalid("objects of a list can only be changed".to_owned()));
    }
    let now = world.clock.now();
    let touched = {
        let mut books = world.intuit.books.lock();
        let company = books.find_mut(&realm).ok_or(ControlError::NotFound("company"))?;
        let there = company.records(entity.name).filter(|record| !record.deleted && !is_void(record));
        let ids = there.filter_map(|record| record.body.get("Id")?.as_str().map(str::to_owned));
        let touched = bulk.choose(ids.collect())?;
        carry_out(company, entity, &touched, now);
        touched
    };
    let operations =
        [(&touched.updated, "updated"), (&touched.deleted, "deleted"), (&touched.voided, "void")];
    let changes: Vec<Change> = operations
        .into_iter()
        .flat_map(|(ids, operation)| ids.iter().map(move |id| (id, operation)))
        .map(|(id, operation)| Change {
            realm_id: realm.clone(),
            entity: entity.name.to_owned(),
            id: id.clone(),
            operation: operation.to_owned(),
            at: now,
            deleted_id: None,
        })
        .collect();
    world.intuit.deliveries.notify(&world, &changes);
    deliveries::deliver_due(&world).await;
    Ok(Json(touched))
}

fn carry_out(company: &mut Company, entity: Entity, touched: &Touched, now: Timestamp) {
    let note = if entity.family == Family::List { "Notes" } else { "PrivateNote" };
    let noted = |mut body: Map<String, Value>| {
        body.insert(note.to_owned(), format!("Changed at {now}").into());
        body
    };
    let mut replace = |ids: &[String], change: &dyn Fn(Map<String, Value>) -> Map<String, Value>| {
        for id in ids {
            let body = company.find(entity, id).map(|record| writes::without_own(record.body.clone()));
            body.and_then(|body| company.replace(entity, id, change(body), now));
        }
    };
    replace(&touched.updated, &noted);
    replace(&touched.voided, &writes::voided);
    for id in &touched.deleted {
        company.delete(entity, id, now);
    }
}

fn is_void(record: &Record) -> bool {
    let note = record.body.get("PrivateNote").and_then(Value::as_str);
    note.is_some_and(|note| note.starts_with(writes::VOIDED))
}
