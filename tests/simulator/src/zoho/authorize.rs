//! The authorization endpoint of every accounts server: checks the request, asks the user, sends the browser back.

use std::{collections::HashMap, sync::Arc};

use axum::{
    body::Bytes,
    extract::{RawQuery, State},
    response::Response,
};
use url::Url;

use super::{
    consent_page,
    grants::{Consent, Rules},
    locations::{At, BaseUrl, Location},
    options::ZohoUserOptions,
    scopes,
};
use crate::{
    consent::{self, Refusal, redirect, refused},
    issued::SecretKind,
    oauth::form,
    options::ConsentMode,
    pkce::Challenge,
    provider::Provider,
    world::World,
};

type Parameters = HashMap<String, String>;

/// An authorization request whose client and callback address are known to be right.
struct AuthorizationRequest {
    client_id: String,
    redirect_uri: String,
    state: Option<String>,
    scopes: Vec<String>,
    offline: bool,
    asks_again: bool,
    challenge: Option<Challenge>,
    callback: Url,
}

/// Serves `GET /oauth/v2/auth`.
pub(crate) async fn begin(
    State(world): State<Arc<World>>,
    At(accounts): At,
    base: BaseUrl,
    RawQuery(query): RawQuery,
) -> Response {
    let parameters = form(query.unwrap_or_default().as_bytes());
    let request = match checked(&world, accounts, &parameters) {
        Ok(request) => request,
        Err(refusal) => return refusal.into_answer(consent_page::refuse),
    };
    let settings = world.zoho.settings.lock().clone();
    match settings.consent {
        ConsentMode::Page => {
            let users = world.zoho.users.lock();
            consent_page::show(&parameters, users.reached_from(accounts))
        }
        ConsentMode::Approve => {
            let user = world.zoho.users.lock().consenting(accounts, &settings).cloned();
            approve(&world, request, user, &base)
        }
        ConsentMode::Deny => redirect(&refused(&request.callback, "access_denied", request.state.as_deref())),
    }
}

/// Serves `POST /oauth/v2/auth/decision`, which the consent page sends.
pub(crate) async fn decide(
    State(world): State<Arc<World>>,
    At(accounts): At,
    base: BaseUrl,
    body: Bytes,
) -> Response {
    let parameters = form(&body);
    let request = match checked(&world, accounts, &parameters) {
        Ok(request) => request,
        Err(refusal) => return refusal.into_answer(consent_page::refuse),
    };
    if parameters.get("decision").is_none_or(|decision| decision != "approve") {
        return redirect(&refused(&request.callback, "access_denied", request.state.as_deref()));
    }
    let user = {
        let users = world.zoho.users.lock();
        let chosen = parameters.get("userId");
        users.reached_from(accounts).find(|user| Some(&user.user_id) == chosen).cloned()
    };
    approve(&world, request, user, &base)
}

fn checked(
    world: &World,
    accounts: Location,
    parameters: &Parameters,
) -> Result<AuthorizationRequest, Refusal> {
    let parameter = |name: &str| parameters.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let client_id = parameter("client_id").unwrap_or_default();
    let redirect_uri = parameter("redirect_uri").unwrap_or_default();
    let callback = {
        let apps = world.zoho.apps.lock();
        let app = apps.find(client_id, accounts).ok_or(Refusal::Page("invalid_client"))?;
        consent::callback(&app.redirect_uris, redirect_uri).ok_or(Refusal::Page("invalid_redirect_uri"))?
    };
    let state = parameter("state");
    if parameter("response_type") != Some("code") {
        return Err(Refusal::Page("invalid_response_type"));
    }
    let Some(scopes) = scopes::parse(parameter("scope").unwrap_or_default()) else {
        return Err(Refusal::Callback(refused(&callback, "invalid_scope", state)));
    };
    let challenge = Challenge::of(parameter("code_challenge"), parameter("code_challenge_method"))
        .map_err(|()| Refusal::Callback(refused(&callback, "invalid_request", state)))?;
    Ok(AuthorizationRequest {
        client_id: client_id.to_owned(),
        redirect_uri: redirect_uri.to_owned(),
        state: state.map(str::to_owned),
        scopes,
        offline: parameter("access_type") == Some("offline"),
        asks_again: parameter("prompt").is_some_and(|prompt| prompt.eq_ignore_ascii_case("consent")),
        challenge,
        callback,
    })
}

fn approve(
    world: &World,
    request: AuthorizationRequest,
    user: Option<ZohoUserOptions>,
    base: &BaseUrl,
) -> Response {
    let Some(user) = user else {
        return consent_page::refuse("user_does_not_exist");
    };
    let consent = Consent {
        client_id: request.client_id,
        redirect_uri: request.redirect_uri,
        user_id: user.user_id,
        location: user.location,
        scopes: request.scopes,
        offline: request.offline,
        asked_again: request.asks_again,
        challenge: request.challenge,
    };
    let settings = world.zoho.settings.lock().clone();
    let now = world.clock.now();
    let rules = Rules { settings: &settings, chance: &world.chance, now };
    let Ok(code) = world.zoho.grants.lock().issue_code(consent, &rules) else {
        return consent_page::refuse("too_many_requests");
    };
    world.issued.add(Provider::Zoho, SecretKind::AuthorizationCode, &code, now);
    let location = settings.callback_location.unwrap_or_else(|| user.location.name().to_owned());
    let accounts_server =
        settings.callback_accounts_server.unwrap_or_else(|| base.accounts_server(user.location));
    let mut callback = request.callback;
    let members = [
        ("state", request.state.as_deref().unwrap_or_default()),
        ("code", &code),
        ("location", &location),
        ("accounts-server", &accounts_server),
    ];
    callback.query_pairs_mut().extend_pairs(members.iter().filter(|(_, value)| !value.is_empty()));
    redirect(&callback)
}
