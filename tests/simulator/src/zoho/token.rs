//! The token endpoint: exchanges codes and refreshes tokens, and refuses with a body instead of a status.

use std::sync::Arc;

use axum::{
    Extension,
    body::Bytes,
    extract::{RawQuery, State},
    http::StatusCode,
    response::Response,
};
use serde_json::{Value, json};

use super::{
    answers::{Refusal, json_answer},
    grants::{Caller, Redemption, Rules, TokenAnswer},
    locations::{At, BaseUrl, Location},
    settings::Settings,
};
use crate::{
    issued::SecretKind,
    oauth::{field, fields},
    provider::Provider,
    traffic::Pause,
    world::World,
};

/// Parameters from the query string and the form body; Zoho takes either.
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(crate) fn of(query: Option<&str>, body: &[u8]) -> Self {
        let query = query.unwrap_or_default().as_bytes();
        Self([fields(body), fields(query)].concat())
    }

    /// Returns a parameter that is not empty; the body goes before the query string.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        field(&self.0, name)
    }
}

/// Serves `POST /oauth/v2/token`.
pub(crate) async fn grant(
    State(world): State<Arc<World>>,
    At(location): At,
    (base, pause): (BaseUrl, Option<Extension<Pause>>),
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response {
    if let Some(Extension(pause)) = pause {
        pause.wait().await;
    }
    let settings = world.zoho.settings.lock().clone();
    let parameters = Parameters::of(query.as_deref(), &body);
    match tokens(&world, location, &parameters, &settings) {
        Ok(answer) => {
            let api_domain =
                settings.api_domain_override.clone().unwrap_or_else(|| base.api_domain(location));
            json_answer(StatusCode::OK, &written(&world, &answer, &api_domain, &settings))
        }
        Err(refusal) => refusal.into_answer(&settings),
    }
}

fn tokens(
    world: &World,
    location: Location,
    parameters: &Parameters,
    settings: &Settings,
) -> Result<TokenAnswer, Refusal> {
    let client_id = parameters.get("client_id").unwrap_or_default();
    let client_secret = parameters.get("client_secret").unwrap_or_default();
    world.zoho.apps.lock().authenticate((client_id, client_secret), location)?;
    let caller = Caller { client_id, location };
    let rules = Rules { settings, chance: &world.chance, now: world.clock.now() };
    let mut grants = world.zoho.grants.lock();
    match parameters.get("grant_type") {
        Some("authorization_code") => {
            let redemption = Redemption {
                code: parameters.get("code").ok_or(Refusal::InvalidCode)?,
                redirect_uri: parameters.get("redirect_uri").ok_or(Refusal::InvalidRedirectUri)?,
                code_verifier: parameters.get("code_verifier"),
            };
            Ok(grants.redeem(&redemption, caller, &rules)?)
        }
        Some("refresh_token") => {
            let token = parameters.get("refresh_token").ok_or(Refusal::InvalidCode)?;
            Ok(grants.refresh(token, caller, &rules)?)
        }
        _ => Err(Refusal::General),
    }
}

/// Writes the answer, and notes what it gives away.
fn written(world: &World, answer: &TokenAnswer, api_domain: &str, settings: &Settings) -> Value {
    let now = world.clock.now();
    let seconds = u64::from(settings.access_token_seconds);
    let mut body = json!({
        "access_token": answer.access_token,
        "api_domain": api_domain,
        "token_type": "Bearer",
        "expires_in": if settings.expires_in_milliseconds { seconds * 1_000 } else { seconds },
    });
    world.issued.add(Provider::Zoho, SecretKind::AccessToken, &answer.access_token, now);
    if let Some(refresh_token) = &answer.refresh_token {
        world.issued.add(Provider::Zoho, SecretKind::RefreshToken, refresh_token, now);
        body["refresh_token"] = Value::from(refresh_token.as_str());
    }
    if settings.scope_in_token_answers {
        body["scope"] = Value::from(answer.scopes.join(" "));
    }
    body
}
