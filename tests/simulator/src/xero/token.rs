//! The token endpoint: exchanges codes and refreshes tokens, and answers every refusal with 400.

use std::sync::Arc;

use axum::{
    Extension,
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use serde_json::{Value, json};

use super::{
    answers::json_answer,
    grants::{InvalidGrant, Redemption, Rules, TokenAnswer},
};
use crate::{
    issued::SecretKind,
    oauth::{client_credentials, field, fields, is_form},
    provider::Provider,
    traffic::Pause,
    world::World,
};

/// Why an OAuth request of an app is refused, as RFC 6749 section 5.2 names it.
pub(crate) enum Refusal {
    InvalidClient,
    InvalidGrant,
    InvalidRequest,
    UnauthorizedClient,
    UnsupportedGrantType,
}

/// Serves `POST /connect/token`.
pub(crate) async fn grant(
    State(world): State<Arc<World>>,
    pause: Option<Extension<Pause>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    // Nothing is held while a refresh is under way: parallel ones with the same token all succeed.
    if let Some(Extension(pause)) = pause {
        pause.wait().await;
    }
    let mut answer = match tokens(&world, &headers, &body) {
        Ok(answer) => json_answer(StatusCode::OK, &written(&world, answer)),
        Err(refusal) => refusal.into_answer(),
    };
    answer
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-cache, max-age=0"));
    answer
}

/// Returns the client id that a request proves to own.
pub(crate) fn authenticate(
    world: &World,
    headers: &HeaderMap,
    form: &[(String, String)],
) -> Result<String, Refusal> {
    let (client_id, _) = client_credentials(headers, form).ok_or(Refusal::InvalidClient)?;
    if client_id.is_empty() {
        return Err(Refusal::UnauthorizedClient);
    }
    world.xero.apps.lock().authenticate(headers, form).ok_or(Refusal::InvalidClient)
}

fn tokens(world: &World, headers: &HeaderMap, body: &Bytes) -> Result<TokenAnswer, Refusal> {
    if !is_form(headers) {
        return Err(Refusal::InvalidRequest);
    }
    let form = fields(body);
    let client_id = authenticate(world, headers, &form)?;
    let field = |name: &str| field(&form, name);
    let settings = world.xero.settings.lock().clone();
    let rules = Rules { settings: &settings, chance: &world.chance, now: world.clock.now() };
    let answer = match field("grant_type") {
        Some("authorization_code") => {
            let redemption = Redemption {
                client_id: &client_id,
                code: field("code").ok_or(Refusal::InvalidGrant)?,
                redirect_uri: field("redirect_uri").ok_or(Refusal::InvalidGrant)?,
                verifier: field("code_verifier"),
            };
            world.xero.grants.lock().redeem(&redemption, &rules)
        }
        Some("refresh_token") => {
            let token = field("refresh_token").ok_or(Refusal::InvalidRequest)?;
            let connections = world.xero.connections.lock();
            world.xero.grants.lock().refresh(token, &client_id, &connections, &rules)
        }
        // Only custom connections may ask for tokens without a user.
        Some("client_credentials") => return Err(Refusal::UnauthorizedClient),
        _ => return Err(Refusal::UnsupportedGrantType),
    };
    answer.map_err(|InvalidGrant| Refusal::InvalidGrant)
}

/// Writes the answer, and notes what it gives away.
fn written(world: &World, answer: TokenAnswer) -> Value {
    let now = world.clock.now();
    let issue = |kind, value: &str| world.issued.add(Provider::Xero, kind, value, now);
    let mut body = json!({});
    if let Some(id_token) = answer.id_token {
        issue(SecretKind::IdToken, &id_token);
        body["id_token"] = Value::String(id_token);
    }
    issue(SecretKind::AccessToken, &answer.access_token);
    body["access_token"] = Value::String(answer.access_token);
    body["expires_in"] = json!(answer.expires_in);
    body["token_type"] = json!("Bearer");
    if let Some(refresh_token) = answer.refresh_token {
        issue(SecretKind::RefreshToken, &refresh_token);
        body["refresh_token"] = Value::String(refresh_token);
    }
    body["scope"] = Value::String(answer.scope);
    body
}

impl Refusal {
    pub(crate) fn into_answer(self) -> Response {
        let error = match self {
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::InvalidRequest => "invalid_request",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
        };
        json_answer(StatusCode::BAD_REQUEST, &json!({ "error": error }))
    }
}
