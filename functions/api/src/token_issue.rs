//! Giving out an access token, for those who call a provider themselves.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use domain::{audit::AuditAction, error::ErrorCode, id::TenantId, provider::Provider};
use edge::http::ApiError;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Deps,
    call::{Call, Name, Outcome, Parameters},
    connections,
    jobs::usable,
    proxy::without_token,
};

/// An access token and what it takes to use it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IssuedToken {
    access_token: String,
    /// What stands before the token in the header `Authorization`: `Bearer`, at Zoho `Zoho-oauthtoken`.
    token_type: &'static str,
    expires_at: Timestamp,
    scopes: Vec<String>,
    /// The host of the provider's data API.
    api_base_url: String,
}

/// A valid access token of a connection, renewed first where it is due; every token given out is in the audit log.
///
/// `GET /api/connections/{connection}/token?tenantId=`
#[utoipa::path(
    get,
    path = "/api/connections/{connection}/token",
    params(
        ("connection" = String, Path, description = "The connection."),
        ("tenantId" = Option<TenantId>, Query, description = "Needed right after connecting."),
    ),
    responses(
        (status = 200, description = "The token.", body = IssuedToken),
        (status = 404, description = "There is no such connection."),
        (status = 409, description = "The customer must connect again, or the connection cannot be used."),
    ),
)]
pub(crate) async fn show(
    State(deps): State<Arc<Deps>>,
    Name(id): Name,
    Parameters(query): Parameters,
    call: Call,
) -> Outcome {
    let things = call.within(&deps, query.parsed("tenantId")?).await?;
    let connection = connections::find(&things, &id).await?;
    usable(&connection)?;
    let access = things.access(&connection.key).await.map_err(|error| without_token(&error))?;
    let host = deps.api_hosts.of(connection.provider, access.location.as_ref()).ok_or_else(|| {
        let message = "the data center that holds the grant is not configured";
        ApiError::new(ErrorCode::InternalError, message)
    })?;
    let mut entry = call.audit_entry(&deps, Some(&connection.key.tenant), AuditAction::TokenIssued);
    entry.provider = Some(connection.provider);
    entry.connection = Some(connection.key.connection);
    // No entry, no token: what was given out must be found.
    deps.audit.record(&entry).await?;
    let body = IssuedToken {
        access_token: access.token.expose().to_owned(),
        token_type: token_type(connection.provider),
        expires_at: access.expires_at,
        scopes: access.scopes,
        api_base_url: host.as_str().trim_end_matches('/').to_owned(),
    };
    Ok(call.json(StatusCode::OK, &body))
}

/// Zoho takes the token under a name of its own (OAuth for Zoho APIs, "using the access token").
fn token_type(provider: Provider) -> &'static str {
    match provider {
        Provider::QuickBooks | Provider::Xero => "Bearer",
        Provider::Zoho => "Zoho-oauthtoken",
    }
}
