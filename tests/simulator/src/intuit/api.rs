//! The data API: who may ask, what for, and in which shape it is answered.

use std::{collections::HashMap, sync::Arc};

use axum::{
    body::Bytes,
    extract::{Path, State},
    http::{Method, StatusCode, request::Parts},
    response::Response,
};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    answers::{ApiFault, json_answer, with_tid},
    batch,
    books::Company,
    cdc,
    deliveries::Change,
    entities::{self, Entity},
    grants::BearerRefusal,
    select, time,
    writes::{self, Write},
};
use crate::{oauth::bearer, world::World};

/// The scope without which the accounting API is closed.
const ACCOUNTING: &str = "com.intuit.quickbooks.accounting";
/// The header of a token is 4 KiB at most.
const BEARER_LENGTHS: std::ops::RangeInclusive<usize> = 20..=4_096;
/// Answers kept for repeated requests; all are forgotten beyond it.
const MAX_ANSWERED: usize = 10_000;
/// Longest `requestid`.
const MAX_REQUEST_ID: usize = 50;

type Parameters = HashMap<String, String>;

/// Serves everything under `/v3/company/{realm}/`.
pub(crate) async fn dispatch(
    State(world): State<Arc<World>>,
    Path((realm_id, rest)): Path<(String, String)>,
    parts: Parts,
    body: Bytes,
) -> Response {
    let now = world.clock.now();
    let parameters: Parameters =
        url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let answer = admit(&world, &parts, &realm_id, now).and_then(|()| {
        let segments: Vec<&str> = rest.split('/').collect();
        route(&world, &realm_id, (&parts.method, &segments), (&parameters, &body))
    });
    let answer = match answer {
        Ok(mut body) => {
            body["time"] = Value::String(time::pacific_millis(now));
            json_answer(StatusCode::OK, &body)
        }
        Err(fault) => fault.into_answer(now),
    };
    with_tid(&world, answer)
}

fn admit(world: &World, parts: &Parts, realm_id: &str, now: Timestamp) -> Result<(), ApiFault> {
    let Some(token) = bearer(&parts.headers) else {
        return Err(refused("ApplicationAuthenticationFailed", "Missing bearer token".to_owned()));
    };
    if !BEARER_LENGTHS.contains(&token.len()) {
        return Err(refused(
            "AuthenticationFailed",
            "Malformed bearer token: too short or too long".to_owned(),
        ));
    }
    let grants = world.intuit.grants.lock();
    let consent = grants.consent_of(token, now).map_err(|refusal| match refusal {
        BearerRefusal::Unknown => refused("AuthenticationFailed", "Token invalid".to_owned()),
        // The real answer repeats the token, which is why a client must not log it.
        BearerRefusal::Expired => refused("AuthenticationFailed", format!("Token expired: {token}")),
    })?;
    if consent.realm_id != realm_id || !consent.scopes.iter().any(|scope| scope == ACCOUNTING) {
        return Err(ApiFault::Authorization);
    }
    let settings = world.intuit.settings.lock().clone();
    let mut limits = world.intuit.limits.lock();
    let is_batch = parts.uri.path().ends_with("/batch");
    if limits.admit(realm_id, is_batch, &settings, now) { Ok(()) } else { Err(ApiFault::Throttled) }
}

fn refused(message: &'static str, detail: String) -> ApiFault {
    ApiFault::Authentication { message, detail }
}

fn route(
    world: &World,
    realm_id: &str,
    (method, segments): (&Method, &[&str]),
    (parameters, body): (&Parameters, &Bytes),
) -> Result<Value, ApiFault> {
    let settings = world.intuit.settings.lock().clone();
    let mut books = world.intuit.books.lock();
    let company = books.find_mut(realm_id).ok_or(ApiFault::Authorization)?;
    match (method, segments) {
        (&Method::GET, ["companyinfo", id]) if *id == realm_id => {
            Ok(json!({ "CompanyInfo": company.info() }))
        }
        (&Method::GET | &Method::POST, ["query"]) => {
            let in_body = String::from_utf8_lossy(body);
            let statement = parameters.get("query").map_or(in_body.as_ref(), String::as_str);
            Ok(json!({ "QueryResponse": select::run(company, statement, &settings)? }))
        }
        (&Method::GET, ["cdc"]) => cdc::changes(company, parameters, world.clock.now()),
        (&Method::GET, [path, id]) => {
            let entity = entities::by_path(path).ok_or(ApiFault::UnknownPath)?;
            let record = company.find(entity, id).ok_or_else(ApiFault::not_found)?;
            Ok(single(entity.name, Value::Object(record.body.clone())))
        }
        (&Method::POST, ["batch"]) => {
            let (answer, changes) = batch::run(company, body, &settings, world.clock.now())?;
            drop(books);
            world.intuit.deliveries.notify(world, &changes);
            Ok(answer)
        }
        (&Method::POST, [path]) => {
            let (answer, change) = post(company, path, (parameters, body), world.clock.now())?;
            drop(books);
            if let Some(change) = change {
                world.intuit.deliveries.notify(world, &[change]);
            }
            Ok(answer)
        }
        _ => Err(ApiFault::UnknownPath),
    }
}

/// Carries out a write, or repeats the first answer to its `requestid`.
fn post(
    company: &mut Company,
    path: &str,
    (parameters, body): (&Parameters, &Bytes),
    now: Timestamp,
) -> Result<(Value, Option<Change>), ApiFault> {
    let entity = entities::by_path(path).ok_or(ApiFault::UnknownPath)?;
    let request_id = parameters.get("requestid").filter(|id| !id.is_empty());
    if let Some(request_id) = request_id {
        if request_id.len() > MAX_REQUEST_ID {
            return Err(ApiFault::validation(
                "2030",
                "Invalid ID",
                "requestid may have at most 50 characters",
            ));
        }
        if let Some(answer) = company.answered.get(request_id) {
            return Ok((answer.clone(), None));
        }
    }
    let body: Map<String, Value> = serde_json::from_slice(body).map_err(|_| {
        ApiFault::validation("2010", "Request has invalid or unsupported property", "unreadable JSON")
    })?;
    let operation = parameters.get("operation").map(String::as_str);
    let include = parameters.get("include").map(String::as_str);
    let write = Write::of(operation, include, &body)?;
    let (record, operation) = writes::run(company, entity, (write, body), now)?;
    let change = change(company, entity, (&record, operation), now);
    let answer = single(entity.name, Value::Object(record));
    if let Some(request_id) = request_id {
        if company.answered.len() >= MAX_ANSWERED {
            company.answered.clear();
        }
        company.answered.insert(request_id.clone(), answer.clone());
    }
    Ok((answer, Some(change)))
}

/// Tells a write to webhooks.
pub(crate) fn change(
    company: &Company,
    entity: Entity,
    (record, operation): (&Map<String, Value>, &str),
    at: Timestamp,
) -> Change {
    Change {
        realm_id: company.realm_id.clone(),
        entity: entity.name.to_owned(),
        id: record.get("Id").and_then(Value::as_str).unwrap_or_default().to_owned(),
        operation: operation.to_owned(),
        at,
        deleted_id: None,
    }
}

/// Wraps an object under its entity's name.
pub(crate) fn single(name: &str, record: Value) -> Value {
    let mut body = json!({});
    body[name] = record;
    body
}
