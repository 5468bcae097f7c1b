//! Control of the objects in an organization's books: what a person does there, pushed to the subscription.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde_json::Value;

use super::super::{answers::Problem, api, deliveries, resources, writes};
use crate::{
    control::{Body, ControlError},
    world::World,
};

type Shared = State<Arc<World>>;

pub(super) async fn create(
    State(world): Shared,
    Path((tenant, resource)): Path<(String, String)>,
    Body(body): Body<Value>,
) -> Result<(StatusCode, Json<Value>), ControlError> {
    let written = write(&world, (&tenant, &resource), None, &body).await?;
    Ok((StatusCode::CREATED, Json(written)))
}

pub(super) async fn update(
    State(world): Shared,
    Path((tenant, resource, id)): Path<(String, String, String)>,
    Body(body): Body<Value>,
) -> Result<Json<Value>, ControlError> {
    write(&world, (&tenant, &resource), Some(&id), &body).await.map(Json)
}

/// Carries out a write, and pushes it to the subscription before returning.
async fn write(
    world: &World,
    (tenant, resource): (&str, &str),
    id: Option<&str>,
    body: &Value,
) -> Result<Value, ControlError> {
    let resource = resources::by_path(resource).ok_or(ControlError::NotFound("entity"))?;
    let request = writes::Request { resource, creates_only: id.is_none(), id, summarizes: true };
    let reply = api::write_now(world, tenant, &request, body.to_string().as_bytes());
    let mut reply = reply.map_err(|problem| match problem {
        Problem::Exception(body) => ControlError::Invalid(body.to_string()),
        Problem::Forbidden => ControlError::NotFound("organization"),
        _ => ControlError::NotFound("object"),
    })?;
    deliveries::deliver_due(world).await;
    Ok(reply.body[resource.name][0].take())
}
