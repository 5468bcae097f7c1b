//! The `OpenID` discovery document, with addresses of this simulator.

use axum::{
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use serde_json::json;

use super::{answers::json_answer, jwt::ISSUER};

/// Serves the discovery document.
pub(crate) async fn show(headers: HeaderMap) -> Response {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1");
    let base = format!("http://{host}/xero");
    json_answer(
        StatusCode::OK,
        &json!({
            "issuer": ISSUER,
            "authorization_endpoint": format!("{base}/identity/connect/authorize"),
            "token_endpoint": format!("{base}/connect/token"),
            "revocation_endpoint": format!("{base}/connect/revocation"),
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "grant_types_supported": ["authorization_code", "client_credentials", "refresh_token"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }),
    )
}
