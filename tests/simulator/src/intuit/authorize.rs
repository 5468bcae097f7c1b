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
};
use crate::{
    consent::{self, Refusal, redirect, refused},
    issued::SecretKind,
    oauth::form,
    options::ConsentMode,
    provider::Provider,
    world::World,
};

/// Scopes that Intuit knows; anything else is `invalid_scope`.
const SCOPES: &[&str] = &[
    "com.intuit.quickbooks.accounting",
    "com.intuit.quickbooks.payment",
    "openid",
    "profile",
    "email",
    "phone",
    "address",
    "payroll.compensation.read",
    "project-management.project",
    "app-foundations.custom-field-definitions",
    "app-foundations.custom-dimensions.read",
    "time-tracking.time-entry",
    "indirect-tax.tax-calculation.quickbooks",
];

/// An authorization request whose client and callback address are known to be right.
pub(crate) struct AuthorizationRequest {
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
    pub(crate) state: String,
    pub(crate) scope: String,
    callback: Url,
}

/// Serves `GET /connect/oauth2`.
pub(crate) async fn begin(State(world): State<Arc<World>>, RawQuery(query): RawQuery) -> Response {
    let parameters = form(query.unwrap_or_default().as_bytes());
    let request = match checked(&world, &parameters) {
        Ok(request) => request,
        Err(refusal) => return refusal.into_answer(consent_page::refuse),
    };
    let (mode, realm_id) = {
        let settings = world.intuit.settings.lock();
        (settings.consent, settings.consent_realm_id.clone())
    };
    match mode {
        ConsentMode::Page => consent_page::show(&request, &world.intuit.books.lock()),
        ConsentMode::Approve => approve(&world, request, realm_id),
        ConsentMode::Deny => redirect(&refused(&request.callback, "access_denied", Some(&request.state))),
    }
}

/// Serves `POST /connect/oauth2/decision`, which the consent page sends.
pub(crate) async fn decide(State(world): State<Arc<World>>, body: Bytes) -> Response {
    let parameters = form(&body);
    match checked(&world, &parameters) {
        Err(refusal) => refusal.into_answer(consent_page::refuse),
        Ok(request) if parameters.get("decision").is_some_and(|decision| decision == "approve") => {
            approve(&world, request, parameters.get("realmId").cloned())
        }
        Ok(request) => redirect(&refused(&request.callback, "access_denied", Some(&request.state))),
    }
}

fn checked(world: &World, parameters: &HashMap<String, String>) -> Result<AuthorizationRequest, Refusal> {
    let parameter = |name: &str| parameters.get(name).cloned().unwrap_or_default();
    let (client_id, redirect_uri) = (parameter("client_id"), parameter("redirect_uri"));
    let callback = {
        let apps = world.intuit.apps.lock();
        apps.find(&client_id).and_then(|app| consent::callback(&app.redirect_uris, &redirect_uri))
    };
    let callback = callback.ok_or(Refusal::Page(consent_page::SORRY))?;
    let (state, scope) = (parameter("state"), parameter("scope"));
    if parameter("response_type") != "code" || state.is_empty() {
        return Err(Refusal::Callback(refused(&callback, "invalid_request", Some(&state))));
    }
    let mut scopes = scope.split_whitespace().peekable();
    if scopes.peek().is_none() || !scopes.all(|scope| SCOPES.contains(&scope)) {
        return Err(Refusal::Callback(refused(&callback, "invalid_scope", Some(&state))));
    }
    Ok(AuthorizationRequest { client_id, redirect_uri, state, scope, callback })
}

fn approve(world: &World, request: AuthorizationRequest, realm_id: Option<String>) -> Response {
    let realm_id = {
        let books = world.intuit.books.lock();
        match realm_id {
            Some(realm_id) => books.find(&realm_id).map(|company| company.realm_id.clone()),
            None => books.companies().first().map(|company| company.realm_id.clone()),
        }
    };
    let Some(realm_id) = realm_id else {
        return consent_page::refuse(consent_page::SORRY);
    };
    let consent = Consent {
        client_id: request.client_id,
        redirect_uri: request.redirect_uri,
        realm_id: realm_id.clone(),
        scopes: request.scope.split_whitespace().map(str::to_owned).collect(),
    };
    let settings = world.intuit.settings.lock().clone();
    let now = world.clock.now();
    let rules = Rules { settings: &settings, chance: &world.chance, now };
    let code = world.intuit.grants.lock().issue_code(consent, &rules);
    world.issued.add(Provider::Intuit, SecretKind::AuthorizationCode, &code, now);
    let mut callback = request.callback;
    callback
        .query_pairs_mut()
        .append_pair("code", &code)
        .append_pair("state", &request.state)
        .append_pair("realmId", &realm_id);
    redirect(&callback)
}
