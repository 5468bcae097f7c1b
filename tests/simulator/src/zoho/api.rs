//! The data API: who may ask, what for, and in which shape it is answered.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{Path, State},
    http::{HeaderValue, Method, StatusCode, request::Parts},
    response::Response,
};
use serde_json::{Map, Value, json};

use super::{
    access_token,
    answers::{ApiFault, success},
    grants::Consent,
    limits::{InProcess, Quota},
    lists,
    locations::{At, Location},
    organizations::Organization,
    resources::{self, Resource},
    scopes,
    token::Parameters,
    writes::{self, Write},
};
use crate::{traffic::Pause, world::World};

/// A data request of somebody who may see the organization.
struct Request<'a> {
    method: &'a Method,
    segments: &'a [&'a str],
    parameters: &'a Parameters,
    body: &'a Bytes,
    consent: &'a Consent,
    organization_id: &'a str,
}

/// Serves everything under `/books/v3/`.
pub(crate) async fn dispatch(
    State(world): State<Arc<World>>,
    At(location): At,
    Path((_, rest)): Path<(String, String)>,
    parts: Parts,
    body: Bytes,
) -> Response {
    let pause = parts.extensions.get::<Pause>().cloned().unwrap_or_default();
    let segments: Vec<&str> = rest.split('/').collect();
    let answer = match admit(&world, &parts, location) {
        Err(fault) => {
            pause.wait().await;
            Err(fault)
        }
        Ok(consent) if segments == ["organizations"] => {
            pause.wait().await;
            organizations(&world, &parts.method, &consent)
        }
        Ok(consent) => {
            let parameters = Parameters::of(parts.uri.query(), &[]);
            let request = Request {
                method: &parts.method,
                segments: &segments,
                parameters: &parameters,
                body: &body,
                consent: &consent,
                organization_id: parameters.get("organization_id").unwrap_or_default(),
            };
            within_limits(&world, &request, pause).await
        }
    };
    answer.unwrap_or_else(ApiFault::into_answer)
}

fn admit(world: &World, parts: &Parts, location: Location) -> Result<Consent, ApiFault> {
    let token = access_token(parts)
        .ok_or_else(|| ApiFault::new(StatusCode::UNAUTHORIZED, 14, "Invalid value passed for authtoken."))?;
    let grants = world.zoho.grants.lock();
    grants.consent_of(token, location, world.clock.now()).cloned().ok_or_else(ApiFault::unauthorized)
}

/// Answers the one call that needs no organization, and counts for none.
fn organizations(world: &World, method: &Method, consent: &Consent) -> Result<Response, ApiFault> {
    if method != Method::GET {
        return Err(method_not_allowed());
    }
    if !scopes::allow(&consent.scopes, "settings", "READ") {
        return Err(ApiFault::unauthorized());
    }
    let seen = seen_by(world, consent);
    let now = world.clock.now();
    let organizations = world.zoho.organizations.lock();
    let rows: Vec<Value> = seen
        .iter()
        .filter_map(|id| organizations.find(id).filter(|found| found.location == consent.location))
        .enumerate()
        .map(|(index, organization)| organization.row(index == 0, now))
        .collect();
    Ok(success(StatusCode::OK, "success", [("organizations", Value::from(rows))]))
}

async fn within_limits(world: &World, request: &Request<'_>, pause: Pause) -> Result<Response, ApiFault> {
    let id = request.organization_id;
    let home = {
        let organizations = world.zoho.organizations.lock();
        let found = organizations.find(id).filter(|found| found.location == request.consent.location);
        let visible = found.filter(|_| seen_by(world, request.consent).iter().any(|seen| seen == id));
        visible.map(Organization::home).ok_or_else(|| ApiFault::foreign_organization(id))?
    };
    let settings = world.zoho.settings.lock().clone();
    let in_process = InProcess::begin(world, (id, home), &settings)?;
    pause.wait().await;
    let answer = route(world, request)?;
    Ok(with_quota(answer, in_process.quota))
}

fn seen_by(world: &World, consent: &Consent) -> Vec<String> {
    let users = world.zoho.users.lock();
    users.find(&consent.user_id).map(|user| user.organizations.clone()).unwrap_or_default()
}

fn route(world: &World, request: &Request<'_>) -> Result<Response, ApiFault> {
    match request.segments {
        ["settings", "webhooks"] => webhooks(world, request),
        ["settings", "webhooks", id] => webhook(world, request, id),
        [path] => collection(world, request, known(path)?),
        [path, id] => record(world, request, (known(path)?, id)),
        [path, id, "status", status] if request.method == Method::POST => {
            let resource = known(path)?;
            let status = resource.statuses.iter().find(|known| *known == status);
            let status = status.ok_or_else(ApiFault::unknown_url)?;
            write(world, request, (resource, Write::Mark(id, status)))
        }
        _ => Err(ApiFault::unknown_url()),
    }
}

fn collection(
    world: &World,
    request: &Request<'_>,
    resource: &'static Resource,
) -> Result<Response, ApiFault> {
    match *request.method {
        Method::GET => {
            allowed(request, resource.module)?;
            let settings = world.zoho.settings.lock().clone();
            let organizations = world.zoho.organizations.lock();
            let organization = found(organizations.find(request.organization_id), request)?;
            let (rows, context) = lists::page(organization, resource, request.parameters, &settings)?;
            let members = [(resource.path, Value::from(rows)), ("page_context", context)];
            Ok(success(StatusCode::OK, "success", members))
        }
        Method::POST => write(world, request, (resource, Write::Create(members(request)?))),
        _ => Err(method_not_allowed()),
    }
}

fn record(
    world: &World,
    request: &Request<'_>,
    (resource, id): (&'static Resource, &str),
) -> Result<Response, ApiFault> {
    match *request.method {
        Method::GET => {
            allowed(request, resource.module)?;
            let organizations = world.zoho.organizations.lock();
            let organization = found(organizations.find(request.organization_id), request)?;
            let record =
                organization.find(resource, id).ok_or_else(|| ApiFault::not_found(resource.label))?;
            let body = Value::Object(record.body.clone());
            Ok(success(StatusCode::OK, "success", [(resource.single, body)]))
        }
        Method::PUT => write(world, request, (resource, Write::Update(id, members(request)?))),
        Method::DELETE => write(world, request, (resource, Write::Delete(id))),
        _ => Err(method_not_allowed()),
    }
}

fn write(
    world: &World,
    request: &Request<'_>,
    (resource, write): (&'static Resource, Write<'_>),
) -> Result<Response, ApiFault> {
    allowed(request, resource.module)?;
    let created = matches!(write, Write::Create(_));
    let written = writes::carry_out(world, request.organization_id, (resource, write))?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    if written.event == "deleted" || request.segments.contains(&"status") {
        return Ok(success(status, &written.message, []));
    }
    Ok(success(status, &written.message, [(resource.single, Value::Object(written.record))]))
}

fn webhooks(world: &World, request: &Request<'_>) -> Result<Response, ApiFault> {
    allowed(request, "settings")?;
    let mut organizations = world.zoho.organizations.lock();
    let organization = found(organizations.find_mut(request.organization_id), request)?;
    match *request.method {
        Method::GET => Ok(success(StatusCode::OK, "success", [("webhooks", json!(organization.webhooks))])),
        Method::POST => {
            let webhook = json!(organization.add_webhook(members(request)?)?);
            Ok(success(StatusCode::CREATED, "The webhook has been created.", [("webhook", webhook)]))
        }
        _ => Err(method_not_allowed()),
    }
}

fn webhook(world: &World, request: &Request<'_>, id: &str) -> Result<Response, ApiFault> {
    allowed(request, "settings")?;
    let mut organizations = world.zoho.organizations.lock();
    let organization = found(organizations.find_mut(request.organization_id), request)?;
    let webhook = organization.webhooks.iter().find(|webhook| webhook.id == id);
    let webhook = json!(webhook.ok_or_else(|| ApiFault::not_found("Webhook"))?);
    match *request.method {
        Method::GET => Ok(success(StatusCode::OK, "success", [("webhook", webhook)])),
        Method::DELETE => {
            organization.remove_webhook(id);
            Ok(success(StatusCode::OK, "The webhook has been deleted.", []))
        }
        _ => Err(method_not_allowed()),
    }
}

fn known(path: &str) -> Result<&'static Resource, ApiFault> {
    resources::by_path(path).ok_or_else(ApiFault::unknown_url)
}

/// An organization may be removed while a request to it is in process.
fn found<T>(organization: Option<T>, request: &Request<'_>) -> Result<T, ApiFault> {
    organization.ok_or_else(|| ApiFault::foreign_organization(request.organization_id))
}

/// Checks that the token has the scope for the method.
fn allowed(request: &Request<'_>, module: &str) -> Result<(), ApiFault> {
    let operation = match *request.method {
        Method::POST => "CREATE",
        Method::PUT => "UPDATE",
        Method::DELETE => "DELETE",
        _ => "READ",
    };
    if scopes::allow(&request.consent.scopes, module, operation) {
        Ok(())
    } else {
        Err(ApiFault::unauthorized())
    }
}

/// Reads the record that a client sends: as JSON, or as JSON in the form field `JSONString`.
fn members(request: &Request<'_>) -> Result<Map<String, Value>, ApiFault> {
    let form = Parameters::of(None, request.body);
    let text = form.get("JSONString").or_else(|| request.parameters.get("JSONString"));
    let bytes = text.map_or(&request.body[..], str::as_bytes);
    serde_json::from_slice(bytes)
        .map_err(|_| ApiFault::new(StatusCode::BAD_REQUEST, 1038, "JSON is not well formed"))
}

fn method_not_allowed() -> ApiFault {
    ApiFault::new(StatusCode::METHOD_NOT_ALLOWED, 37, "The HTTP method is not allowed for this URL.")
}

fn with_quota(mut answer: Response, quota: Quota) -> Response {
    let headers = answer.headers_mut();
    headers.insert("x-rate-limit-limit", HeaderValue::from(quota.limit));
    headers.insert("x-rate-limit-remaining", HeaderValue::from(quota.remaining));
    headers.insert("x-rate-limit-reset", HeaderValue::from(quota.reset_seconds));
    answer
}
