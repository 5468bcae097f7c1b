//! The switches of a provider: shown, and changed by some of their members.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    routing::{MethodRouter, get},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Body, ControlError};
use crate::{guarded::Guarded, world::World};

/// Returns the route of the settings that a provider keeps.
pub(crate) fn settings<S>(kept: fn(&World) -> &Guarded<S>) -> MethodRouter<Arc<World>>
where
    S: Clone + DeserializeOwned + Serialize + 'static,
{
    let show = async move |State(world): State<Arc<World>>| Json(kept(&world).lock().clone());
    let change = async move |State(world): State<Arc<World>>, Body(patch): Body<Value>| {
        let mut settings = kept(&world).lock();
        *settings = patched(&*settings, patch).map_err(|error| ControlError::Invalid(error.to_string()))?;
        Ok::<_, ControlError>(Json(settings.clone()))
    };
    get(show).patch(change)
}

/// Returns the settings with the given members replaced.
fn patched<S: DeserializeOwned + Serialize>(settings: &S, patch: Value) -> Result<S, serde_json::Error> {
    let mut whole = serde_json::to_value(settings)?;
    if let (Some(members), Value::Object(patch)) = (whole.as_object_mut(), patch) {
        members.extend(patch);
    }
    serde_json::from_value(whole)
}
