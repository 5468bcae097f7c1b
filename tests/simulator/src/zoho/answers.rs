//! The shapes of answers: refusals of the accounts servers, whose status says little, and faults of the data API.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use super::{apps::ClientRefusal, grants::Refused, settings::Settings};

/// Why the token or revocation endpoint refuses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refusal {
    General,
    InvalidClient,
    InvalidClientSecret,
    InvalidCode,
    InvalidRedirectUri,
    InvalidToken,
    TooMany,
}

impl Refusal {
    /// Writes the refusal with the status that the settings give to all of them.
    pub(crate) fn into_answer(self, settings: &Settings) -> Response {
        let error = match self {
            Self::General => "general_error",
            Self::InvalidClient => "invalid_client",
            Self::InvalidClientSecret => "invalid_client_secret",
            Self::InvalidCode => "invalid_code",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidToken => "invalid_token",
            Self::TooMany => "Access Denied",
        };
        let mut body = json!({ "error": error });
        if self == Self::TooMany {
            body["error_description"] = Value::from(
                "You have made too many requests continuously. Please try again after some time.",
            );
        }
        json_answer(StatusCode::from_u16(settings.error_status).unwrap_or_default(), &body)
    }
}

impl From<ClientRefusal> for Refusal {
    fn from(refusal: ClientRefusal) -> Self {
        match refusal {
            ClientRefusal::Unknown => Self::InvalidClient,
            ClientRefusal::WrongSecret => Self::InvalidClientSecret,
        }
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::InvalidCode => Self::InvalidCode,
            Refused::InvalidRedirectUri => Self::InvalidRedirectUri,
            Refused::TooMany => Self::TooMany,
        }
    }
}

/// An error answer of the data API.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ApiFault {
    pub(crate) status: StatusCode,
    code: u32,
    pub(crate) message: String,
}

impl ApiFault {
    pub(crate) fn new(status: StatusCode, code: u32, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// The token is not good here, or it lacks the scope: Zoho does not say which.
    pub(crate) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, 57, "You are not authorized to perform this operation")
    }

    pub(crate) fn not_found(label: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, 1002, format!("{label} does not exist."))
    }

    pub(crate) fn unknown_url() -> Self {
        Self::new(StatusCode::NOT_FOUND, 5, "Invalid URL Passed")
    }

    pub(crate) fn invalid_value(member: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, 2, format!("Invalid value passed for {member}"))
    }

    pub(crate) fn duplicate(label: &str, value: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            3062,
            format!("The {} \"{value}\" already exists.", label.to_lowercase()),
        )
    }

    /// The organization is another user's, another region's, or nobody's.
    pub(crate) fn foreign_organization(id: &str) -> Self {
        let message = format!("This user is not associated with the CompanyID/CompanyName:{id}.");
        Self::new(StatusCode::UNAUTHORIZED, 6041, message)
    }

    pub(crate) fn too_many_per_minute() -> Self {
        Self::too_many(
            44,
            "For security reasons your organization has been blocked as it have exceeded the maximum number of \
             requests per minute that can originate from an organization.",
        )
    }

    pub(crate) fn too_many_per_day(limit: u32) -> Self {
        let message = format!(
            "The API call for this organization has exceeded the maximum call rate limit of {limit}."
        );
        Self::too_many(45, message)
    }

    pub(crate) fn too_many_in_process() -> Self {
        Self::too_many(
            1070,
            "You have reached the maximum number of in process requests allowed. Kindly try again after some time.",
        )
    }

    pub(crate) fn into_answer(self) -> Response {
        json_answer(self.status, &json!({ "code": self.code, "message": self.message }))
    }

    fn too_many(code: u32, message: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, code, message)
    }
}

/// Writes an answer of the data API in the envelope of every success.
pub(crate) fn success<const N: usize>(
    status: StatusCode,
    message: &str,
    members: [(&str, Value); N],
) -> Response {
    let mut body = Map::from_iter([("code".to_owned(), 0.into()), ("message".to_owned(), message.into())]);
    body.extend(members.map(|(name, value)| (name.to_owned(), value)));
    let mut answer = json_answer(status, &Value::Object(body));
    answer.headers_mut().insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment;"));
    answer
}

/// Writes a JSON answer with Zoho's content type and server name.
pub(crate) fn json_answer(status: StatusCode, body: &Value) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json;charset=UTF-8"), (header::SERVER, "ZGS")];
    (status, headers, body.to_string()).into_response()
}
