//! The shape of the accounts servers' answers, whose status says little about them.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

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

/// Writes a JSON answer with Zoho's content type and server name.
pub(crate) fn json_answer(status: StatusCode, body: &Value) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json;charset=UTF-8"), (header::SERVER, "ZGS")];
    (status, headers, body.to_string()).into_response()
}
