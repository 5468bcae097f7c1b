//! Control of companies and of the objects in their books; changes are pushed to the subscription.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::{
    answers::ApiFault,
    books::{Company, sync_token},
    deliveries::{self, Change},
    entities::{self, Entity},
    seed, writes,
};
use crate::{
    control::{Body, ControlError},
    options::CompanyOptions,
    world::World,
};

type Shared = State<Arc<World>>;
type Members = Map<String, Value>;

/// More objects than one company of a test needs.
const MAX_SEEDED: usize = 200_000;

/// What happens to an object besides being created, updated or deleted.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Operation {
    Void,
    Emailed,
    Merge,
}

/// The object that is merged into another.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct OperationBody {
    #[serde(default)]
    deleted_id: Option<String>,
}

pub(super) async fn list(State(world): Shared) -> Json<Value> {
    let books = world.intuit.books.lock();
    Json(json!({ "companies": books.companies().iter().map(shown).collect::<Vec<_>>() }))
}

pub(super) async fn add(
    State(world): Shared,
    Body(options): Body<CompanyOptions>,
) -> Result<(StatusCode, Json<Value>), ControlError> {
    if options.customers.saturating_add(options.invoices) > MAX_SEEDED {
        return Err(ControlError::Invalid(format!("at most {MAX_SEEDED} objects can be made")));
    }
    let realm_id =
        options.realm_id.clone().unwrap_or_else(|| format!("4620816365{}", world.chance.digits(9)));
    if !(10..=19).contains(&realm_id.len()) || !realm_id.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(ControlError::Invalid("realmId must be 10 to 19 digits".to_owned()));
    }
    let company = seed::company(realm_id, &options, world.clock.now());
    let answer = shown(&company);
    if world.intuit.books.lock().add(company) {
        Ok((StatusCode::CREATED, Json(answer)))
    } else {
        Err(ControlError::Conflict("there is a company with this realmId"))
    }
}

pub(super) async fn remove(
    State(world): Shared,
    Path(realm): Path<String>,
) -> Result<Json<Value>, ControlError> {
    if !world.intuit.books.lock().remove(&realm) {
        return Err(ControlError::NotFound("company"));
    }
    Ok(Json(json!({ "grantsEnded": world.intuit.grants.lock().disconnect(&realm) })))
}

pub(super) async fn disconnect(State(world): Shared, Path(realm): Path<String>) -> Json<Value> {
    Json(json!({ "grantsEnded": world.intuit.grants.lock().disconnect(&realm) }))
}

pub(super) async fn create(
    State(world): Shared,
    Path((realm, entity)): Path<(String, String)>,
    Body(body): Body<Members>,
) -> Result<(StatusCode, Json<Value>), ControlError> {
    let write = |company: &mut Company, entity: Entity| {
        writes::run(company, entity, (writes::Write::Create, body), world.clock.now())
    };
    let record = change(&world, (&realm, &entity), None, write).await?;
    Ok((StatusCode::CREATED, Json(record)))
}

pub(super) async fn update(
    State(world): Shared,
    Path((realm, entity, id)): Path<(String, String, String)>,
    Body(mut body): Body<Members>,
) -> Result<Json<Value>, ControlError> {
    let write = |company: &mut Company, entity: Entity| {
        body.insert("sparse".to_owned(), Value::Bool(true));
        let body = addressed(company, (entity, &id), body)?;
        writes::run(company, entity, (writes::Write::Update, body), world.clock.now())
    };
    change(&world, (&realm, &entity), None, write).await.map(Json)
}

pub(super) async fn delete(
    State(world): Shared,
    Path((realm, entity, id)): Path<(String, String, String)>,
) -> Result<Json<Value>, ControlError> {
    let write = |company: &mut Company, entity: Entity| {
        let body = addressed(company, (entity, &id), Members::new())?;
        writes::run(company, entity, (writes::Write::Delete, body), world.clock.now())
    };
    change(&world, (&realm, &entity), None, write).await.map(Json)
}

pub(super) async fn operate(
    State(world): Shared,
    Path((realm, entity, id, operation)): Path<(String, String, String, Operation)>,
    Body(details): Body<OperationBody>,
) -> Result<Json<Value>, ControlError> {
    let now = world.clock.now();
    let merged = details.deleted_id.clone();
    let write = |company: &mut Company, entity: Entity| {
        let mut body = addressed(company, (entity, &id), Members::new())?;
        match operation {
            Operation::Void => writes::run(company, entity, (writes::Write::Void, body), now),
            Operation::Emailed => {
                body.insert("sparse".to_owned(), Value::Bool(true));
                body.insert("EmailStatus".to_owned(), "EmailSent".into());
                writes::run(company, entity, (writes::Write::Update, body), now)
                    .map(|(body, _)| (body, "emailed"))
            }
            Operation::Merge => {
                body.insert("sparse".to_owned(), Value::Bool(true));
                let loser = details.deleted_id.as_deref().unwrap_or_default();
                if !company.delete(entity, loser, now) {
                    return Err(ApiFault::not_found());
                }
                writes::run(company, entity, (writes::Write::Update, body), now)
                    .map(|(body, _)| (body, "merged"))
            }
        }
    };
    change(&world, (&realm, &entity), merged, write).await.map(Json)
}

/// Carries out a write, and pushes it to the subscription before returning.
async fn change(
    world: &World,
    (realm, entity): (&str, &str),
    deleted_id: Option<String>,
    write: impl FnOnce(&mut Company, Entity) -> Result<(Members, &'static str), ApiFault>,
) -> Result<Value, ControlError> {
    let kind = entities::by_path(entity).ok_or(ControlError::NotFound("entity"))?;
    let written = {
        let mut books = world.intuit.books.lock();
        let company = books.find_mut(realm).ok_or(ControlError::NotFound("company"))?;
        write(company, kind)
    };
    let (record, operation) = written.map_err(|fault| match fault {
        fault if fault == ApiFault::not_found() => ControlError::NotFound("object"),
        ApiFault::Validation { message, detail, .. } => ControlError::Invalid(format!("{message}: {detail}")),
        _ => ControlError::Invalid("the write is refused".to_owned()),
    })?;
    let change = Change {
        realm_id: realm.to_owned(),
        entity: kind.name.to_owned(),
        id: record.get("Id").and_then(Value::as_str).unwrap_or_default().to_owned(),
        operation: operation.to_owned(),
        at: world.clock.now(),
        deleted_id,
    };
    world.intuit.deliveries.notify(world, &[change]);
    deliveries::deliver_due(world).await;
    Ok(Value::Object(record))
}

/// Gives a body the id of an object and its current sync token: control always sees the latest version.
fn addressed(
    company: &Company,
    (entity, id): (Entity, &str),
    mut body: Members,
) -> Result<Members, ApiFault> {
    let record = company.find(entity, id).ok_or_else(ApiFault::not_found)?;
    body.insert("Id".to_owned(), id.into());
    body.insert("SyncToken".to_owned(), sync_token(&record.body).into());
    Ok(body)
}

fn shown(company: &Company) -> Value {
    json!({ "realmId": company.realm_id, "name": company.name, "counts": company.counts() })
}
