//! Connections from other systems.

use std::sync::Arc;

use axum::{
    extract::{FromRequest, Request, State},
    http::StatusCode,
};
use domain::{
    api_key::Scope,
    import::{ImportReport, InvalidSecret, LegacySecret, Options, SecretRequest, Verify},
};
use edge::http::ApiError;
use serde::Deserialize;
use serde_json::{Map, Value, error::Category};
use utoipa::ToSchema;

use crate::{
    Deps,
    call::{Call, Outcome, Refusal, json_bytes},
};

/// Fifty rows with the longest tokens that were seen, encrypted and in hex.
pub(crate) const MAX_BODY: usize = 256 * 1024;
/// As many rows as are stored well within the gateway's 29 seconds.
const MAX_ROWS: usize = 50;

/// Rows to import; `docs/importing.md` says what is in one.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own, and they go together in any way"
)]
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ImportRequest {
    /// Whether nothing is written, and only told what would be.
    #[serde(default)]
    dry_run: bool,
    /// What is done to find out whether tokens work: nothing; the refresh token is spent once the row is stored; or the
    /// provider is asked for the company before, with an access token that is still good.
    #[serde(default)]
    verify: Verify,
    /// Whether rows go over connections that are newer or were ended here.
    #[serde(default)]
    force: bool,
    /// Whether tenants that do not exist are made; takes the scope `tenants:write`, too.
    #[serde(default)]
    create_tenants: bool,
    /// Whether times without a zone are times of UTC; else they are refused.
    #[serde(default)]
    assume_utc: bool,
    /// What the keys of encrypted rows are derived from; kept nowhere.
    secret: Option<SecretRequest>,
    /// The rows, each on its own imported or not.
    #[schema(min_items = 1, max_items = 50)]
    rows: Vec<Map<String, Value>>,
}

impl<S: Send + Sync> FromRequest<S> for ImportRequest {
    type Rejection = Refusal;

    /// The parser's words would quote what it did not expect, which may be a secret: only where it stumbled is told.
    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let bytes = json_bytes(request, state, MAX_BODY).await?;
        serde_json::from_slice(&bytes).map_err(|error| {
            let what = match error.classify() {
                Category::Data => "the body is not as documented",
                Category::Io | Category::Syntax | Category::Eof => "the body is no JSON",
            };
            let place = format!("{what}, at line {} column {}", error.line(), error.column());
            ApiError::invalid("body", place).into()
        })
    }
}

/// Imports connections of other systems.
///
/// Each row is decrypted, checked, sealed and stored, or not, whatever becomes of the others; the answer says of each what
/// became of it. Sending a row again changes nothing.
#[utoipa::path(
    post,
    path = "/api/import",
    request_body = ImportRequest,
    responses((status = 200, description = "What became of each row", body = ImportReport)),
)]
pub(crate) async fn import(State(deps): State<Arc<Deps>>, call: Call, wanted: ImportRequest) -> Outcome {
    if wanted.create_tenants {
        call.require(Scope::TenantsWrite)?;
    }
    if !(1..=MAX_ROWS).contains(&wanted.rows.len()) {
        return Err(ApiError::invalid("rows", format!("rows must be 1 to {MAX_ROWS}")).into());
    }
    let secret = wanted.secret.map(LegacySecret::try_from).transpose();
    let secret = secret.map_err(|refused: InvalidSecret| {
        ApiError::invalid(&format!("secret.{}", refused.field), refused.to_string())
    })?;
    let options = Options {
        dry_run: wanted.dry_run,
        verify: wanted.verify,
        force: wanted.force,
        create_tenants: wanted.create_tenants,
        assume_utc: wanted.assume_utc,
    };
    let things = call.within(&deps, None).await?;
    let by = (call.caller.key(), &call.correlation);
    let report = things.import(by, options, secret, &wanted.rows).await;
    let ImportReport { dry_run, imported, skipped, failed, .. } = report;
    tracing::info!(dry_run, imported, skipped, failed, "Rows imported");
    Ok(call.json(StatusCode::OK, &report))
}
