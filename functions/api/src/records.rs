//! Records.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use domain::{
    api_key::Scope,
    connection::Route,
    error::ErrorCode,
    id::{CompanyId, ProviderCompanyId, RecordId, TenantId},
    provider::Provider,
    sync::{Entity, Record, RecordPlace},
};
use edge::http::ApiError;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    Deps,
    call::{Call, Name, Outcome, Parameters, Refusal},
};

/// Records of one answer; a hundred invoices are a few hundred kilobytes.
const MAX_LIMIT: u32 = 200;
const DEFAULT_LIMIT: u32 = 100;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RecordsBody {
    records: Vec<RecordBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

#[derive(Serialize)]
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
    raw: Option<Box<RawValue>>,
}

/// `GET /api/records/{entity}?companyId=&tenantId=&limit=&cursor=`
pub(crate) async fn list(
    State(deps): State<Arc<Deps>>,
    Name(entity): Name,
    Parameters(query): Parameters,
    call: Call,
) -> Outcome {
    call.caller.require(Scope::SyncRead)?;
    let entity: Entity = entity.parse().map_err(|_| {
        let known: Vec<_> = Entity::ALL.iter().map(|entity| entity.as_str()).collect();
        ApiError::new(ErrorCode::ValidationNotFound, "there is no such entity").with("entities", known)
    })?;
    let limit = query.limit("limit", DEFAULT_LIMIT, MAX_LIMIT)?;
    let company =
        query.get("companyId").ok_or_else(|| ApiError::invalid("companyId", "companyId is missing"))?;
    let tenant = call.caller.tenant(query.parsed("tenantId")?)?;
    let place = place(&deps, tenant.as_ref(), company).await?;
    let page = deps.records.list(&place, entity, limit, query.get("cursor")).await?;
    let records = page.records.into_iter().map(|record| body(&place.company, record)).collect();
    Ok(call.json(StatusCode::OK, &RecordsBody { records, next_cursor: page.next }))
}

/// Whose books a company id means: ours or the provider's is understood, and the tenant must be named only where several
/// share the company.
async fn place(deps: &Deps, tenant: Option<&TenantId>, company: &str) -> Result<RecordPlace, Refusal> {
    let ours = company.parse::<CompanyId>().ok().and_then(|id| id.parts());
    let candidates: Vec<(Provider, ProviderCompanyId)> = match (ours, company.parse()) {
        (Some(parts), _) => vec![parts],
        (None, Ok(id)) => {
            Provider::ALL.into_iter().map(|provider| (provider, ProviderCompanyId::clone(&id))).collect()
        }
        (None, Err(error)) => return Err(ApiError::invalid("companyId", error.to_string()).into()),
    };
    for (provider, id) in candidates {
        let mut routes = deps.connections.find_routes(provider, &id).await?;
        routes.retain(|route| tenant.is_none_or(|tenant| route.key.tenant == *tenant));
        match (routes.pop(), routes.is_empty()) {
            (None, _) => {}
            (Some(Route { key, company, .. }), true) => {
                return Ok(RecordPlace { tenant: key.tenant, company });
            }
            (Some(_), false) => {
                let message = "several tenants are connected to this company; name one as tenantId";
                return Err(ApiError::new(ErrorCode::ConnectionAmbiguous, message).into());
            }
        }
    }
    Err(ApiError::new(ErrorCode::ConnectionNotFound, "there is no such company")
        .with("field", "companyId")
        .into())
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
