//! The shapes of Xero's answers and refusals outside the token endpoint.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{grants::BearerRefusal, time, xml};
use crate::world::World;

/// An answer of the data API, before it becomes JSON or XML.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

/// A request that is refused.
#[derive(Clone, Debug, PartialEq)]
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
    /// 429, with the limit and the seconds after which another request is worth a try.
    Throttled { limit: &'static str, retry_after: Option<i64> },
    /// 503: the organization's part of the API is out of order.
    Offline,
    /// 400, with a body that says why.
    Exception(Value),
}

impl Reply {
    /// Answers with objects of one kind.
    pub(crate) fn list(name: &str, objects: Vec<Value>) -> Self {
        let mut body = json!({});
        body[name] = Value::Array(objects);
        Self { status: StatusCode::OK, body }
    }

    /// Writes the answer in the form that the caller asked for; without asking it is XML.
    pub(crate) fn into_answer(mut self, world: &World, accepts_json: bool) -> Response {
        if self.status == StatusCode::OK {
            self.body["Id"] = json!(world.chance.uuid().to_string());
            self.body["Status"] = json!("OK");
            self.body["ProviderName"] = json!("Simulated app");
            self.body["DateTimeUTC"] = json!(time::slash_date(world.clock.now()));
        }
        if accepts_json {
            return json_answer(self.status, &self.body);
        }
        let root = if self.status == StatusCode::OK { "Response" } else { "ApiException" };
        let content_type = [(header::CONTENT_TYPE, "text/xml; charset=utf-8")];
        (self.status, content_type, xml::document(root, &self.body)).into_response()
    }
}

impl Problem {
    /// A request whose content is refused.
    pub(crate) fn exception(number: u32, kind: &str, message: impl Into<String>) -> Self {
        Self::Exception(json!({ "ErrorNumber": number, "Type": kind, "Message": message.into() }))
    }

    pub(crate) fn into_answer(self, world: &World, accepts_json: bool) -> Response {
        let (status, detail) = match self {
            Self::Exception(body) => {
                return Reply { status: StatusCode::BAD_REQUEST, body }.into_answer(world, accepts_json);
            }
            Self::Throttled { limit, retry_after } => return throttled(limit, retry_after),
            Self::TokenExpired(at) => {
                (StatusCode::UNAUTHORIZED, format!("TokenExpired: token expired at {}", time::american(at)))
            }
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "AuthenticationUnsuccessful".to_owned()),
            Self::ScopeMissing => (StatusCode::UNAUTHORIZED, "AuthorizationUnsuccessful".to_owned()),
            Self::Forbidden => (StatusCode::FORBIDDEN, "AuthenticationUnsuccessful".to_owned()),
            Self::NotFound => {
                (StatusCode::NOT_FOUND, "The resource you're looking for cannot be found".to_owned())
            }
            Self::Offline => (
                StatusCode::SERVICE_UNAVAILABLE,
                "The Organisation for this access token is not active. It may be offline.".to_owned(),
            ),
        };
        let title = status.canonical_reason().unwrap_or_default();
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

fn throttled(limit: &'static str, retry_after: Option<i64>) -> Response {
    let mut answer = (StatusCode::TOO_MANY_REQUESTS, [("x-rate-limit-problem", limit)]).into_response();
    if let Some(seconds) = retry_after {
        answer.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    answer
}
