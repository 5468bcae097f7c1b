//! Control of what all providers share: the clock, the faults, the call log, the issued secrets.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Body, ControlError};
use crate::{
    calls::{CallFilter, Counts},
    faults::Fault,
    world::World,
};

type Shared = State<Arc<World>>;

/// The clock as it is shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClockState {
    now: Timestamp,
    offset_seconds: i64,
    frozen: bool,
}

/// How the clock is to be set; members that are absent change nothing.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ClockSetting {
    now: Option<Timestamp>,
    offset_seconds: Option<i64>,
    frozen: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Advance {
    seconds: i64,
}

pub(super) async fn reset(State(world): Shared) -> Json<ClockState> {
    world.reset();
    Json(clock_state(&world))
}

pub(super) async fn show_clock(State(world): Shared) -> Json<ClockState> {
    Json(clock_state(&world))
}

pub(super) async fn set_clock(
    State(world): Shared,
    Body(setting): Body<ClockSetting>,
) -> Result<Json<ClockState>, ControlError> {
    if let Some(offset) = setting.offset_seconds {
        world.clock.advance(offset.saturating_sub(world.clock.offset_seconds()))?;
    }
    if let Some(now) = setting.now {
        world.clock.set(now)?;
    }
    if let Some(frozen) = setting.frozen {
        world.clock.freeze(frozen);
    }
    world.deliver_due().await;
    Ok(Json(clock_state(&world)))
}

pub(super) async fn advance_clock(
    State(world): Shared,
    Body(advance): Body<Advance>,
) -> Result<Json<ClockState>, ControlError> {
    world.clock.advance(advance.seconds)?;
    world.deliver_due().await;
    Ok(Json(clock_state(&world)))
}

pub(super) async fn list_faults(State(world): Shared) -> Json<Value> {
    Json(json!({ "faults": world.faults.list() }))
}

pub(super) async fn set_fault(
    State(world): Shared,
    Body(fault): Body<Fault>,
) -> Result<Json<Fault>, ControlError> {
    Ok(Json(world.faults.set(fault)?))
}

pub(super) async fn release(State(world): Shared) -> Json<Value> {
    world.faults.release();
    Json(json!({}))
}

pub(super) async fn clear_faults(State(world): Shared) -> Json<Value> {
    Json(json!({ "cleared": world.faults.clear(None) }))
}

pub(super) async fn clear_fault(
    State(world): Shared,
    Path(id): Path<u64>,
) -> Result<Json<Value>, ControlError> {
    match world.faults.clear(Some(id)) {
        0 => Err(ControlError::NotFound("fault")),
        cleared => Ok(Json(json!({ "cleared": cleared }))),
    }
}

pub(super) async fn list_calls(
    State(world): Shared,
    filter: Result<Query<CallFilter>, QueryRejection>,
) -> Result<Json<Value>, ControlError> {
    let calls = world.calls.list(&checked(filter)?);
    Ok(Json(json!({ "total": calls.len(), "calls": calls })))
}

pub(super) async fn count_calls(
    State(world): Shared,
    filter: Result<Query<CallFilter>, QueryRejection>,
) -> Result<Json<Counts>, ControlError> {
    Ok(Json(world.calls.counts(&checked(filter)?)))
}

pub(super) async fn forget_calls(State(world): Shared) -> Json<Value> {
    world.calls.reset();
    Json(json!({}))
}

pub(super) async fn list_issued(State(world): Shared) -> Json<Value> {
    Json(json!({ "issued": world.issued.list() }))
}

fn clock_state(world: &World) -> ClockState {
    ClockState {
        now: world.clock.now(),
        offset_seconds: world.clock.offset_seconds(),
        frozen: world.clock.is_frozen(),
    }
}

fn checked(filter: Result<Query<CallFilter>, QueryRejection>) -> Result<CallFilter, ControlError> {
    filter.map(|Query(filter)| filter).map_err(|rejection| ControlError::Invalid(rejection.body_text()))
}
