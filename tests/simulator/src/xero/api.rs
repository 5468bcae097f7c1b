//! The data API: who may ask, what for, and in which shape it is answered.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, Method, request::Parts},
    response::Response,
};
use serde_json::Value;

use super::{
    answers::{Problem, Reply},
    deliveries::Change,
    grants::Party,
    idempotency::{Attempt, Known},
    limits::Remaining,
    reads,
    resources::{self, Resource},
    scopes, writes,
};
use crate::{
    oauth::{bearer, form},
    provider::Provider,
    world::World,
};

/// A request whose sender is known.
struct Admitted<'a> {
    party: Party,
    tenant_id: &'a str,
    /// Absent for `Organisation`, which is no kind of object.
    resource: Option<Resource>,
}

/// Serves everything under `/api.xro/2.0/`.
pub(crate) async fn dispatch(
    State(world): State<Arc<World>>,
    Path(rest): Path<String>,
    parts: Parts,
    body: Bytes,
) -> Response {
    let accepts_json = header_of(&parts.headers, "accept").is_some_and(|accepted| accepted.contains("json"));
    let mut remaining = None;
    let segments: Vec<&str> = rest.split('/').filter(|segment| !segment.is_empty()).collect();
    let outcome = admit(&world, &parts, &segments, &mut remaining)
        .and_then(|admitted| answer(&world, &parts, (&admitted, &segments), &body));
    let mut response = match outcome {
        Ok(reply) => reply.into_answer(&world, accepts_json),
        Err(problem) => problem.into_answer(&world, accepts_json),
    };
    if let Some(remaining) = remaining {
        show_remaining(&mut response, remaining);
    }
    with_correlation(&world, response)
}

/// Adds the id by which Xero's support finds a request.
pub(crate) fn with_correlation(world: &World, mut response: Response) -> Response {
    if let Ok(id) = HeaderValue::try_from(world.chance.uuid().to_string()) {
        response.headers_mut().insert("xero-correlation-id", id);
    }
    response
}

/// Writes what is left of the limits into an answer.
pub(crate) fn show_remaining(response: &mut Response, remaining: Remaining) {
    let headers = response.headers_mut();
    if let Some((day, minute)) = remaining.tenant {
        headers.insert("x-daylimit-remaining", day.into());
        headers.insert("x-minlimit-remaining", minute.into());
    }
    headers.insert("x-appminlimit-remaining", remaining.app_minute.into());
}

fn admit<'a>(
    world: &World,
    parts: &'a Parts,
    segments: &[&str],
    remaining: &mut Option<Remaining>,
) -> Result<Admitted<'a>, Problem> {
    let now = world.clock.now();
    let token = bearer(&parts.headers).unwrap_or_default();
    let (owner, granted) = world.xero.grants.lock().bearer(token, now)?;
    let name = segments.first().copied().unwrap_or_default();
    let resource = resources::by_path(name);
    if resource.is_none() && !name.eq_ignore_ascii_case("Organisation") {
        return Err(Problem::NotFound);
    }
    let areas = resource.map_or(&["accounting.settings"][..], |resource| resource.areas);
    let writes = parts.method != Method::GET;
    if !areas.iter().any(|area| scopes::opens(&granted, area, writes)) {
        return Err(Problem::ScopeMissing);
    }
    let tenant_id = header_of(&parts.headers, "xero-tenant-id").ok_or(Problem::Forbidden)?;
    if world.xero.connections.lock().find(&owner, tenant_id).is_none() {
        return Err(Problem::Forbidden);
    }
    {
        let organizations = world.xero.organizations.lock();
        let organization = organizations.find(tenant_id).ok_or(Problem::Forbidden)?;
        if organization.forbidden {
            return Err(Problem::Forbidden);
        }
        if organization.offline {
            return Err(Problem::Offline);
        }
    }
    let settings = world.xero.settings.lock().clone();
    let concurrent = world.calls.running(Provider::Xero, tenant_id);
    let asker = (owner.client_id.as_str(), Some(tenant_id));
    let (left, admission) = world.xero.limits.lock().admit(asker, concurrent, &settings, now);
    *remaining = Some(left);
    admission?;
    Ok(Admitted { party: owner, tenant_id, resource })
}

fn answer(
    world: &World,
    parts: &Parts,
    (admitted, segments): (&Admitted<'_>, &[&str]),
    body: &Bytes,
) -> Result<Reply, Problem> {
    let parameters = form(parts.uri.query().unwrap_or_default().as_bytes());
    if parts.method == Method::GET {
        let organizations = world.xero.organizations.lock();
        let organization = organizations.find(admitted.tenant_id).ok_or(Problem::Forbidden)?;
        return match (admitted.resource, segments) {
            (None, [_]) => Ok(Reply::list("Organisations", vec![organization.info()])),
            (Some(resource), [_]) => {
                let since = header_of(&parts.headers, "if-modified-since").and_then(reads::modified_since);
                reads::list(&organization.books, resource, &parameters, since)
            }
            (Some(resource), [_, id]) => reads::single(&organization.books, resource, id),
            _ => Err(Problem::NotFound),
        };
    }
    let (Some(resource), &[_] | &[_, _]) = (admitted.resource, segments) else {
        return Err(Problem::NotFound);
    };
    let write = writes::Request {
        resource,
        creates_only: parts.method == Method::PUT,
        id: segments.get(1).copied(),
        summarizes: parameters.get("summarizeErrors").is_none_or(|summarizes| summarizes != "false"),
    };
    if !matches!(parts.method, Method::PUT | Method::POST) {
        return Err(Problem::NotFound);
    }
    once(world, parts, (admitted, body), || write_now(world, admitted.tenant_id, &write, body))
}

/// Carries out a write, or repeats the first answer to its idempotency key.
fn once(
    world: &World,
    parts: &Parts,
    (admitted, body): (&Admitted<'_>, &Bytes),
    write: impl FnOnce() -> Result<Reply, Problem>,
) -> Result<Reply, Problem> {
    let Some(key) = header_of(&parts.headers, "idempotency-key") else {
        return write();
    };
    let place = format!("{} {}", parts.method, parts.uri);
    let attempt = Attempt::new(&admitted.party.client_id, key, &[&place, admitted.tenant_id], body);
    let now = world.clock.now();
    match world.xero.idempotency.lock().find(&attempt, now) {
        Known::Nothing => {}
        Known::Answer(outcome) => return outcome,
        Known::Misuse(message) => return Err(Problem::exception(10, "ValidationException", message)),
    }
    let outcome = write();
    world.xero.idempotency.lock().remember(attempt, outcome.clone(), now);
    outcome
}

/// Writes objects, and tells the subscription what changed.
pub(crate) fn write_now(
    world: &World,
    tenant_id: &str,
    request: &writes::Request<'_>,
    body: &[u8],
) -> Result<Reply, Problem> {
    let elements = elements(request.resource, body)?;
    let (reply, changes) = {
        let mut organizations = world.xero.organizations.lock();
        let organization = organizations.find_mut(tenant_id).ok_or(Problem::Forbidden)?;
        let reply =
            writes::run(&mut organization.books, request, elements, (&world.chance, world.clock.now()));
        let written = organization.books.keep();
        let changes: Vec<Change> = written
            .iter()
            .filter_map(|written| Change::of(written, tenant_id, &organization.books))
            .collect();
        (reply, changes)
    };
    world.xero.deliveries.notify(world, &changes);
    reply
}

/// Reads the objects of a request: one, a list, or a list under the name of its kind.
fn elements(resource: Resource, body: &[u8]) -> Result<Vec<Value>, Problem> {
    let refused = |message| Problem::exception(14, "PostDataInvalidException", message);
    let mut body: Value = serde_json::from_slice(body).map_err(|_| refused("Invalid JSON data"))?;
    let elements = match body.get_mut(resource.name).map(Value::take).unwrap_or(body) {
        Value::Array(elements) => elements,
        one @ Value::Object(_) => vec![one],
        _ => return Err(refused("Invalid JSON data")),
    };
    if elements.is_empty() {
        return Err(refused("JSON for post data was empty"));
    }
    Ok(elements)
}

fn header_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
