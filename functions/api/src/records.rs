//! Records.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use domain::{
    error::ErrorCode,
    id::{CompanyId, RecordId},
    sync::{Entity, Record, RecordPlace},
};
use edge::{http::ApiError, query::Query};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{
    Deps,
    call::{Call, Name, Outcome, Parameters},
    companies,
    cursors::List,
    openapi::{FromCursor, OfTenant},
};

/// Records of one answer; a hundred invoices are a few hundred kilobytes.
const MAX_LIMIT: u32 = 200;
const DEFAULT_LIMIT: u32 = 100;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RecordsBody {
    records: Vec<RecordBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RecordBody {
    id: RecordId,
    entity: Entity,
    company_id: CompanyId,
    updated_at: Timestamp,
    deleted: bool,
    version: String,
    document_number: Option<String>,
    total: Option<String>,
    currency: Option<String>,
    counterparty: Option<String>,
    status: Option<String>,
    /// The object as the provider gave it.
    #[schema(value_type = Option<Object>)]
    raw: Option<Box<RawValue>>,
}

/// `GET /api/records/{entity}?companyId=&tenantId=&updatedSince=&limit=&cursor=`: by id, or what changed since a moment
/// in the order of change.
#[utoipa::path(
    get,
    path = "/api/records/{entity}",
    params(
        ("entity" = Entity, Path, description = "The kind of record"),
        ("companyId" = String, Query, description = "The company, by our id or the provider's", pattern = "^[A-Za-z0-9_-]{1,64}$"),
        OfTenant,
        ("updatedSince" = Option<Timestamp>, Query, description = "Only what changed since, in the order of change"),
        ("limit" = Option<u32>, Query, description = "How many at most; 100 when left out", minimum = 1, maximum = 200),
        FromCursor,
    ),
    responses(
        (status = 200, description = "Records", body = RecordsBody),
        (status = 404, description = "There is no such kind of record or company"),
        (status = 409, description = "Several tenants are connected to the company: name one"),
    ),
)]
pub(crate) async fn list(
    State(deps): State<Arc<Deps>>,
    Name(entity): Name,
    Parameters(query): Parameters,
    call: Call,
) -> Outcome {
    let entity: Entity = entity.parse().map_err(|_| {
        let known: Vec<_> = Entity::ALL.iter().map(|entity| entity.as_str()).collect();
        ApiError::new(ErrorCode::ValidationNotFound, "there is no such entity").with("entities", known)
    })?;
    let limit = query.limit("limit", DEFAULT_LIMIT, MAX_LIMIT)?;
    let company =
        query.get("companyId").ok_or_else(|| ApiError::invalid("companyId", "companyId is missing"))?;
    let things = call.within(&deps, query.parsed("tenantId")?).await?;
    let since = instant(&query, "updatedSince")?;
    let meant = companies::with_id(&things, None, company).await?;
    let place = RecordPlace { tenant: meant.key.tenant, company: meant.company };
    let list = list_of(&place, entity, since);
    let from = deps.cursors.open(&list, &query).await?;
    let page = things.records(&place, (entity, since), limit, from.as_deref()).await?;
    let next_cursor = deps.cursors.seal(&list, page.next).await?;
    let records = page.records.into_iter().map(|record| body(&place.company, record)).collect();
    Ok(call.json(StatusCode::OK, &RecordsBody { records, next_cursor }))
}

/// A moment as RFC 3339 has it.
fn instant(query: &Query, name: &str) -> Result<Option<Timestamp>, ApiError> {
    let form = "must be a time such as 2026-01-31T08:00:00Z, with a + sent as %2B";
    let parsed = query.get(name).map(str::parse).transpose();
    parsed.map_err(|_: jiff::Error| ApiError::invalid(name, format!("{name} {form}")))
}

/// Of one company and kind, by id or what changed since a moment.
fn list_of(place: &RecordPlace, entity: Entity, since: Option<Timestamp>) -> List {
    let list = List::of("records").with("tenant", Some(place.tenant.as_str()));
    let list = list.with("company", Some(place.company.as_str())).with("entity", Some(entity.as_str()));
    list.with("updatedSince", since.map(|since| since.to_string()).as_deref())
}

fn body(company: &CompanyId, record: Record) -> RecordBody {
    RecordBody {
        id: record.id,
        entity: record.entity,
        company_id: company.clone(),
        updated_at: record.updated_at,
        deleted: record.deleted,
        version: record.version.to_string(),
        document_number: record.document_number,
        total: record.total,
        currency: record.currency,
        counterparty: record.counterparty,
        status: record.status,
        raw: RawValue::from_string(record.raw).ok(),
    }
}
