//! Control of records: what a person does in the books, told to webhooks before it is answered.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde_json::{Map, Value};

use super::{
    super::{
        deliveries, resources,
        writes::{self, Write},
    },
    Shared,
};
use crate::{
    control::{Body, ControlError},
    world::World,
};

type Members = Map<String, Value>;

pub(super) async fn create(
    State(world): Shared,
    Path((organization, entity)): Path<(String, String)>,
    Body(body): Body<Members>,
) -> Result<(StatusCode, Json<Value>), ControlError> {
    let record = run(&world, (&organization, &entity), Write::Create(body)).await?;
    Ok((StatusCode::CREATED, Json(record)))
}

pub(super) async fn update(
    State(world): Shared,
    Path((organization, entity, id)): Path<(String, String, String)>,
    Body(body): Body<Members>,
) -> Result<Json<Value>, ControlError> {
    run(&world, (&organization, &entity), Write::Update(&id, body)).await.map(Json)
}

pub(super) async fn delete(
    State(world): Shared,
    Path((organization, entity, id)): Path<(String, String, String)>,
) -> Result<Json<Value>, ControlError> {
    run(&world, (&organization, &entity), Write::Delete(&id)).await.map(Json)
}

pub(super) async fn mark(
    State(world): Shared,
    Path((organization, entity, id, status)): Path<(String, String, String, String)>,
) -> Result<Json<Value>, ControlError> {
    run(&world, (&organization, &entity), Write::Mark(&id, &status)).await.map(Json)
}

async fn run(
    world: &World,
    (organization, entity): (&str, &str),
    write: Write<'_>,
) -> Result<Value, ControlError> {
    let resource = resources::by_name(entity).ok_or(ControlError::NotFound("entity"))?;
    if world.zoho.organizations.lock().find(organization).is_none() {
        return Err(ControlError::NotFound("organization"));
    }
    let written = writes::carry_out(world, organization, (resource, write)).map_err(|fault| {
        if fault.status == StatusCode::NOT_FOUND {
            ControlError::NotFound("record")
        } else {
            ControlError::Invalid(fault.message)
        }
    })?;
    deliveries::deliver(world).await;
    Ok(Value::Object(written.record))
}
