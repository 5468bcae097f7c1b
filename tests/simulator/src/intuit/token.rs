//! The token endpoint: exchanges codes and refreshes tokens.

use std::sync::Arc;

use axum::{
    Extension,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    answers::{json_answer, with_tid},
    grants::{InvalidGrant, Rules, TokenAnswer},
};
use crate::{
    issued::SecretKind,
    oauth::{field, fields, is_form},
    provider::Provider,
    traffic::Pause,
    world::World,
};

/// With this request header the answer says when the grant ends for good.
const HARD_EXPIRY_HEADER: &str = "x-include-refresh-token-hard-expires-in";

/// Why the token endpoint refuses, as RFC 6749 section 5.2 names it.
enum Refusal {
    InvalidClient,
    InvalidGrant(InvalidGrant),
    InvalidRequest,
    UnsupportedGrantType,
}

/// Serves `POST /oauth2/v1/tokens/bearer`.
pub(crate) async fn grant(
    State(world): State<Arc<World>>,
    pause: Option<Extension<Pause>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let pause = pause.map(|Extension(pause)| pause).unwrap_or_default();
    let answer = match tokens(&world, &headers, &body, pause).await {
        Ok(answer) => {
            let hard_expiry =
                headers.get(HARD_EXPIRY_HEADER).is_some_and(|value| value.as_bytes() == b"true");
            json_answer(StatusCode::OK, &written(&world, &answer, hard_expiry))
        }
        Err(refusal) => refusal.into_answer(),
    };
    with_tid(&world, answer)
}

async fn tokens(
    world: &World,
    headers: &HeaderMap,
    body: &Bytes,
    pause: Pause,
) -> Result<TokenAnswer, Refusal> {
    let form = fields(body);
    let Some(client_id) = world.intuit.apps.lock().authenticate(headers, &form) else {
        pause.wait().await;
        return Err(Refusal::InvalidClient);
    };
    if !is_form(headers) {
        return Err(Refusal::InvalidRequest);
    }
    let field = |name: &str| field(&form, name).ok_or(Refusal::InvalidRequest);
    let settings = world.intuit.settings.lock().clone();
    let rules = |now| Rules { settings: &settings, chance: &world.chance, now };
    match field("grant_type")? {
        "authorization_code" => {
            let (code, redirect_uri) = (field("code")?, field("redirect_uri")?);
            pause.wait().await;
            let mut grants = world.intuit.grants.lock();
            grants
                .redeem(code, &client_id, redirect_uri, &rules(world.clock.now()))
                .map_err(Refusal::InvalidGrant)
        }
        "refresh_token" => {
            let token = field("refresh_token")?;
            let begun =
                world.intuit.grants.lock().begin_refresh(token, &client_id, &rules(world.clock.now()));
            let begun = begun.map_err(Refusal::InvalidGrant)?;
            pause.wait().await;
            let mut grants = world.intuit.grants.lock();
            grants.finish_refresh(begun, &rules(world.clock.now())).map_err(Refusal::InvalidGrant)
        }
        _ => Err(Refusal::UnsupportedGrantType),
    }
}

/// Writes the answer, and notes what it gives away.
fn written(world: &World, answer: &TokenAnswer, hard_expiry: bool) -> Value {
    let now = world.clock.now();
    let mut body = json!({
        "token_type": "bearer",
        "access_token": answer.access_token,
        "expires_in": answer.expires_in,
        "refresh_token": answer.refresh_token,
        "x_refresh_token_expires_in": answer.refresh_expires_in,
    });
    world.issued.add(Provider::Intuit, SecretKind::AccessToken, &answer.access_token, now);
    if answer.refresh_is_new {
        world.issued.add(Provider::Intuit, SecretKind::RefreshToken, &answer.refresh_token, now);
    }
    if hard_expiry {
        body["x_refresh_token_hard_expires_in"] = json!(answer.hard_expires_in);
    }
    if answer.consent.scopes.iter().any(|scope| scope == "openid") {
        let id_token = id_token(world, answer, now);
        world.issued.add(Provider::Intuit, SecretKind::IdToken, &id_token, now);
        body["id_token"] = Value::String(id_token);
    }
    body
}

/// Makes an ID token with true claims and a signature that nobody can verify.
fn id_token(world: &World, answer: &TokenAnswer, now: Timestamp) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

    let header = json!({ "kid": "simulator", "typ": "JWT", "alg": "RS256" });
    let claims = json!({
        "sub": "00000000-51b0-4000-8000-00000000beef",
        "aud": [answer.consent.client_id],
        "realmid": answer.consent.realm_id,
        "auth_time": now.as_second(),
        "iss": "https://oauth.platform.intuit.com/op/v1",
        "exp": now.as_second() + answer.expires_in,
        "iat": now.as_second(),
    });
    let encoded = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}.{}", encoded(&header), encoded(&claims), world.chance.base64_url(256))
}

impl Refusal {
    fn into_answer(self) -> Response {
        let (status, body) = match self {
            Self::InvalidClient => (StatusCode::UNAUTHORIZED, json!({ "error": "invalid_client" })),
            Self::InvalidGrant(reason) => (
                StatusCode::BAD_REQUEST,
                json!({ "error": "invalid_grant", "error_description": reason.to_string() }),
            ),
            Self::InvalidRequest => (StatusCode::BAD_REQUEST, json!({ "error": "invalid_request" })),
            Self::UnsupportedGrantType => {
                (StatusCode::BAD_REQUEST, json!({ "error": "unsupported_grant_type" }))
            }
        };
        json_answer(status, &body)
    }
}
