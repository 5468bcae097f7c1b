//! The shapes of Xero's answers and refusals outside the token endpoint.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{grants::BearerRefusal, time};
use crate::world::World;

/// A request that is refused with a body about the problem.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Problem {
    /// 401: the token opens nothing.
    Unauthenticated,
    /// 401: the token has ended.
    TokenExpired(Timestamp),
    /// 401: the token lacks the scope.
    ScopeMissing,
    /// 403: the organization is missing, another user's, or no longer connected.
    Forbidden,
    /// 404.
    NotFound,
}

impl Problem {
    pub(crate) fn into_answer(self, world: &World) -> Response {
        let (status, title, detail) = match self {
            Self::Unauthenticated => {
                (StatusCode::UNAUTHORIZED, "Unauthorized", "AuthenticationUnsuccessful".to_owned())
            }
            Self::TokenExpired(at) => {
                let detail = format!("TokenExpired: token expired at {}", time::american(at));
                (StatusCode::UNAUTHORIZED, "Unauthorized", detail)
            }
            Self::ScopeMissing => {
                (StatusCode::UNAUTHORIZED, "Unauthorized", "AuthorizationUnsuccessful".to_owned())
            }
            Self::Forbidden => (StatusCode::FORBIDDEN, "Forbidden", "AuthenticationUnsuccessful".to_owned()),
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                "Not Found",
                "The resource you're looking for cannot be found".to_owned(),
            ),
        };
        let body = json!({
            "Type": null, "Title": title, "Status": status.as_u16(), "Detail": detail,
            "Instance": world.chance.uuid().to_string(), "Extensions": {},
        });
        json_answer(status, &body)
    }
}

impl From<BearerRefusal> for Problem {
    fn from(refusal: BearerRefusal) -> Self {
        match refusal {
            BearerRefusal::Expired(at) => Self::TokenExpired(at),
            BearerRefusal::Unknown => Self::Unauthenticated,
        }
    }
}

/// Writes a JSON answer with Xero's content type.
pub(crate) fn json_answer(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json; charset=utf-8")], body.to_string()).into_response()
}

/// Adds the id by which Xero's support finds a request.
pub(crate) fn with_correlation(world: &World, mut answer: Response) -> Response {
    if let Ok(id) = HeaderValue::try_from(world.chance.uuid().to_string()) {
        answer.headers_mut().insert("xero-correlation-id", id);
    }
    answer
}
