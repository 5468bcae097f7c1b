//! The authorization endpoint: checks the request, asks the user (or a switch), sends the browser back.

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
    jwt, scopes,
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
    challenge: Option<Challenge>,
    /// Whether the user may connect several organizations at once.
    bulk: bool,
    callback: Url,
}

/// Serves `GET /identity/connect/authorize`.
pub(crate) async fn begin(State(world): State<Arc<World>>, RawQuery(query): RawQuery) -> Response {
    let parameters = form(query.unwrap_or_default().as_bytes());
    let request = match checked(&world, &parameters) {
        Ok(request) => request,
        Err(refusal) => return refusal.into_answer(consent_page::refuse),
    };
    let settings = world.xero.settings.lock().clone();
    match settings.consent {
        ConsentMode::Page => {
            let users = world.xero.users.lock();
            consent_page::show(&parameters, &users, &world.xero.organizations.lock(), request.bulk)
        }
        ConsentMode::Approve => {
            let first = || world.xero.users.lock().first().map(|user| user.user_id.clone());
            let user_id = settings.consent_user_id.or_else(first).unwrap_or_default();
            approve(&world, request, &user_id, settings.consent_tenant_ids)
        }
        ConsentMode::Deny => redirect(&request.refused("access_denied")),
    }
}

/// Serves `POST /identity/connect/authorize/decision`, which the consent page sends.
pub(crate) async fn decide(State(world): State<Arc<World>>, body: Bytes) -> Response {
    let parameters = form(&body);
    let request = match checked(&world, &parameters) {
        Ok(request) => request,
        Err(refusal) => return refusal.into_answer(consent_page::refuse),
    };
    if parameters.get("decision").is_none_or(|decision| decision != "approve") {
        return redirect(&request.refused("access_denied"));
    }
    let chosen = url::form_urlencoded::parse(&body)
        .filter(|(name, _)| name == "tenantId")
        .map(|(_, tenant_id)| tenant_id.into_owned())
        .collect();
    let user_id = parameters.get("userId").cloned().unwrap_or_default();
    approve(&world, request, &user_id, Some(chosen))
}

fn checked(world: &World, parameters: &Parameters) -> Result<AuthorizationRequest, Refusal> {
    let parameter = |name: &str| parameters.get(name).filter(|value| !value.is_empty()).cloned();
    let client_id = parameter("client_id").unwrap_or_default();
    let redirect_uri = parameter("redirect_uri").unwrap_or_default();
    let callback = match world.xero.apps.lock().find(&client_id) {
        None => return Err(Refusal::Page("unauthorized_client: Unknown client or client not enabled")),
        Some(app) => consent::callback(&app.redirect_uris, &redirect_uri)
            .ok_or(Refusal::Page("unauthorized_client: Invalid redirect_uri"))?,
    };
    let scope = parameter("scope").unwrap_or_default();
    let request = AuthorizationRequest {
        client_id,
        redirect_uri,
        state: parameter("state"),
        scopes: scope.split_whitespace().map(str::to_owned).collect(),
        challenge: None,
        bulk: !parameter("acr_values").is_some_and(|values| values.contains("bulk_connect:false")),
        callback,
    };
    let refuse = |error: &str| Err(Refusal::Callback(request.refused(error)));
    if parameter("response_type").as_deref() != Some("code") {
        return refuse("unsupported_response_type");
    }
    let granular_only = world.xero.settings.lock().granular_scopes_only;
    if request.scopes.is_empty()
        || !request.scopes.iter().all(|scope| scopes::is_allowed(scope, granular_only))
    {
        return refuse("invalid_scope");
    }
    let (challenge, method) = (parameter("code_challenge"), parameter("code_challenge_method"));
    if challenge.is_some() && method.as_deref() != Some("S256") {
        return refuse("invalid_request");
    }
    let Ok(challenge) = Challenge::of(challenge.as_deref(), method.as_deref()) else {
        return refuse("invalid_request");
    };
    Ok(AuthorizationRequest { challenge, ..request })
}

/// Connects the chosen organizations and sends the browser back with a code.
fn approve(
    world: &World,
    request: AuthorizationRequest,
    user_id: &str,
    chosen: Option<Vec<String>>,
) -> Response {
    let user = world.xero.users.lock().iter().find(|user| user.user_id == user_id).cloned();
    let Some(user) = user else {
        return consent_page::refuse("There is no such user");
    };
    let is_about_data = request.scopes.iter().any(|scope| scopes::is_about_data(scope));
    let mut tenant_ids = chosen.unwrap_or_else(|| user.tenant_ids.first().cloned().into_iter().collect());
    tenant_ids.truncate(if request.bulk { usize::MAX } else { 1 });
    let is_theirs = |tenant_id: &String| {
        user.tenant_ids.contains(tenant_id) && world.xero.organizations.lock().find(tenant_id).is_some()
    };
    if is_about_data && (tenant_ids.is_empty() || !tenant_ids.iter().all(is_theirs)) {
        return consent_page::refuse("Choose an organisation that you belong to");
    }
    let now = world.clock.now();
    let consent = Consent {
        client_id: request.client_id.clone(),
        redirect_uri: request.redirect_uri.clone(),
        user,
        scopes: request.scopes.clone(),
        auth_event_id: world.chance.uuid().to_string(),
        session_id: world.chance.hex(32),
        challenge: request.challenge.clone(),
        given_at: now,
    };
    if is_about_data {
        let party = consent.party();
        let mut connections = world.xero.connections.lock();
        for tenant_id in &tenant_ids {
            connections.connect(&party, (tenant_id, &consent.auth_event_id), &world.chance, now);
        }
    }
    let settings = world.xero.settings.lock().clone();
    let rules = Rules { settings: &settings, chance: &world.chance, now };
    let code = world.xero.grants.lock().issue_code(consent, &rules);
    world.issued.add(Provider::Xero, SecretKind::AuthorizationCode, &code, now);
    let session_state = format!("{}.{}", world.chance.base64_url(32), world.chance.hex(32).to_uppercase());
    let mut callback = request.callback;
    {
        let mut pairs = callback.query_pairs_mut();
        pairs
            .append_pair("code", &code)
            .append_pair("scope", &request.scopes.join(" "))
            .append_pair("session_state", &session_state);
        pairs.extend_pairs(request.state.map(|state| ("state", state)));
        pairs.extend_pairs(settings.send_iss.then_some(("iss", jwt::ISSUER)));
    }
    redirect(&callback)
}

impl AuthorizationRequest {
    /// Returns where the browser goes when the app gets no code.
    fn refused(&self, error: &str) -> Url {
        refused(&self.callback, error, self.state.as_deref())
    }
}
