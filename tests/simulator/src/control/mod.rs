//! The control API under `/_control`: what a test or a person does that no provider offers.

mod sending;
mod settings;
mod shared;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{FromRequest, Request},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use serde::de::DeserializeOwned;
use serde_json::json;

pub(crate) use self::{
    sending::{bounded, one, send_copies},
    settings::settings,
};

use crate::{clock::ClockOutOfRange, faults::FaultRefused, intuit, world::World, xero, zoho};

/// Largest control request: enough for a raw webhook body of several MiB.
const MAX_BODY: usize = 8 * 1024 * 1024;

/// A control request that is refused, with what is wrong with it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlError {
    #[error(transparent)]
    Clock(#[from] ClockOutOfRange),
    #[error("{0}")]
    Conflict(&'static str),
    #[error(transparent)]
    Fault(#[from] FaultRefused),
    #[error("{0}")]
    Invalid(String),
    #[error("there is no such {0}")]
    NotFound(&'static str),
}

/// A JSON body of a control request; an empty body stands for `{}`.
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ControlError;

    async fn from_request(request: Request, _: &S) -> Result<Self, Self::Rejection> {
        let bytes = axum::body::to_bytes(request.into_body(), MAX_BODY)
            .await
            .map_err(|_| ControlError::Invalid(format!("the body may have at most {MAX_BODY} bytes")))?;
        let bytes: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        serde_json::from_slice(bytes).map(Self).map_err(|error| ControlError::Invalid(error.to_string()))
    }
}

/// Returns the control routes, to be served under `/_control`.
pub(crate) fn router() -> Router<Arc<World>> {
    Router::new()
        .route("/health", get(async || Json(json!({ "status": "ok" }))))
        .route("/reset", post(shared::reset))
        .route("/clock", get(shared::show_clock).put(shared::set_clock))
        .route("/clock/advance", post(shared::advance_clock))
        .route("/faults", get(shared::list_faults).post(shared::set_fault).delete(shared::clear_faults))
        .route("/faults/release", post(shared::release))
        .route("/faults/{id}", delete(shared::clear_fault))
        .route("/calls", get(shared::list_calls).delete(shared::forget_calls))
        .route("/calls/counts", get(shared::count_calls))
        .route("/issued", get(shared::list_issued))
        .nest("/intuit", intuit::control::router())
        .nest("/xero", xero::control::router())
        .nest("/zoho", zoho::control::router())
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        let (status, code) = match self {
            Self::Clock(_) | Self::Fault(_) | Self::Invalid(_) => (StatusCode::BAD_REQUEST, "INVALID"),
            Self::Conflict(_) => (StatusCode::CONFLICT, "CONFLICT"),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "NOT_FOUND"),
        };
        let body = json!({ "error": { "code": code, "message": self.to_string() } });
        (status, Json(body)).into_response()
    }
}
