//! The shapes of Intuit's answers and faults, with the capitals and formats that each one really has.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{intuit_tid, time::pacific_millis};
use crate::world::World;

/// An error answer of the data API.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum ApiFault {
    /// 401: the bearer token opens nothing.
    Authentication { message: &'static str, detail: String },
    /// 403: the token is for another company, or lacks the scope.
    Authorization,
    /// 400: the request is understood and refused.
    Validation { code: &'static str, message: &'static str, detail: String },
    /// 429.
    Throttled,
    /// 404: the address means nothing.
    UnknownPath,
}

impl ApiFault {
    pub(crate) fn validation(code: &'static str, message: &'static str, detail: impl Into<String>) -> Self {
        Self::Validation { code, message, detail: detail.into() }
    }

    pub(crate) fn not_found() -> Self {
        Self::validation(
            "610",
            "Object Not Found",
            "Object Not Found : Something you're trying to use has been made inactive. \
             Check the fields with accounts, customers, items, vendors or employees.",
        )
    }

    /// Writes the fault as Intuit does.
    pub(crate) fn into_answer(self, now: Timestamp) -> Response {
        match self {
            Self::Authentication { message, detail } => {
                let text = format!("message={message}; errorCode=003200; statusCode=401");
                let body = lower_case(&text, Some(&detail), "3200", ("AUTHENTICATION", now));
                let challenge =
                    [(header::WWW_AUTHENTICATE, r#"Bearer realm="Intuit", error="invalid_token""#)];
                (challenge, json_answer(StatusCode::UNAUTHORIZED, &body)).into_response()
            }
            Self::Authorization => {
                let text = "message=ApplicationAuthorizationFailed; errorCode=003100; statusCode=403";
                json_answer(StatusCode::FORBIDDEN, &lower_case(text, None, "3100", ("SERVICE", now)))
            }
            Self::Validation { .. } => {
                let mut body = json!({ "Fault": self.capitalized() });
                body["time"] = Value::String(pacific_millis(now));
                json_answer(StatusCode::BAD_REQUEST, &body)
            }
            Self::Throttled => {
                let body = THROTTLED.replace("{time}", &pacific_millis(now));
                let content_type = [(header::CONTENT_TYPE, "application/xml;charset=UTF-8")];
                (StatusCode::TOO_MANY_REQUESTS, content_type, body).into_response()
            }
            Self::UnknownPath => StatusCode::NOT_FOUND.into_response(),
        }
    }

    /// Writes the `Fault` member with capitalized keys, as it also stands in batch answers.
    pub(crate) fn capitalized(&self) -> Value {
        let (code, message, detail, kind) = match self {
            Self::Validation { code, message, detail } => {
                (*code, *message, detail.as_str(), "ValidationFault")
            }
            Self::Throttled => (
                "3001",
                "message=ThrottleExceeded; errorCode=003001; statusCode=429",
                "The request limit was reached.  Try again later",
                "SERVICE",
            ),
            _ => (
                "10000",
                "An application error has occurred while processing your request",
                "",
                "SystemFault",
            ),
        };
        json!({ "Error": [{ "Message": message, "Detail": detail, "code": code, "element": "" }], "type": kind })
    }
}

const THROTTLED: &str = concat!(
    r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#,
    r#"<IntuitResponse xmlns="http://schema.intuit.com/finance/v3" time="{time}"><Fault type="SERVICE"><Error code="3001">"#,
    "<Message>message=ThrottleExceeded; errorCode=003001; statusCode=429</Message>",
    "<Detail>The request limit was reached.  Try again later</Detail></Error></Fault></IntuitResponse>",
);

/// Writes a JSON answer with Intuit's content type.
pub(crate) fn json_answer(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json;charset=UTF-8")], body.to_string()).into_response()
}

/// Adds the headers that every answer of Intuit has.
pub(crate) fn with_tid(world: &World, mut answer: Response) -> Response {
    if let Ok(tid) = HeaderValue::try_from(intuit_tid(&world.chance)) {
        answer.headers_mut().insert("intuit_tid", tid);
    }
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store"));
    answer
}

fn lower_case(message: &str, detail: Option<&str>, code: &str, (kind, now): (&str, Timestamp)) -> Value {
    json!({
        "warnings": null, "intuitObject": null,
        "fault": {
            "error": [{ "message": message, "detail": detail, "code": code, "element": null }],
            "type": kind,
        },
        "report": null, "queryResponse": null, "batchItemResponse": [], "attachableResponse": [],
        "syncErrorResponse": null, "requestId": null, "time": now.as_millisecond(), "status": null, "cdcresponse": [],
    })
}
