//! What became of each row; token material is in none of it.

use serde::Serialize;
use thiserror::Error;
use utoipa::ToSchema;

use crate::{
    error::ErrorCode,
    id::{ConnectionId, TenantId},
    provider::Provider,
};

/// Why a row is not imported, in words that hold nothing of the row.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{message}")]
pub(super) struct Problem {
    pub(super) code: ErrorCode,
    pub(super) message: String,
}

impl Problem {
    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// A row that is not of the documented form.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::ValidationFailed, message)
    }
}

/// What became of a row.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RowStatus {
    /// It is a connection now.
    Imported,
    /// It would be, were this no dry run.
    WouldImport,
    /// It was imported before, or what is here is newer.
    Skipped,
    /// It is not imported, and nothing was stored of it.
    Failed,
}

/// What somebody should look at, although the row is imported.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Warning {
    /// The other system encrypted both tokens with one IV, which gives their difference, and the key of their tags, to
    /// whoever has both ciphertexts: have the customer connect again, which replaces the tokens.
    SharedIv,
    /// The row says that its refresh token has ended.
    RefreshTokenExpired,
    /// The provider refuses the refresh token: the customer must connect again.
    ReconnectRequired,
    /// What was to be verified could not be: there is no access token that is still good, or no answer in time.
    NotVerified,
}

/// What became of one row.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RowReport {
    /// The line that the row names, or its number within the request, from 1.
    pub line: u64,
    /// Whose it is, where that could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<TenantId>,
    /// The provider, where that could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<Provider>,
    /// What became of it.
    pub status: RowStatus,
    /// The connection that it became, or that it met.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_id: Option<ConnectionId>,
    /// Why it failed: the name of an error code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// Why it failed or was skipped, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What somebody should look at.
    pub warnings: Vec<Warning>,
}

/// What became of the rows of a request.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportReport {
    /// Whether nothing was written.
    pub dry_run: bool,
    /// How many rows are connections now; in a dry run, how many would be.
    pub imported: usize,
    /// How many were imported before, or met something newer.
    pub skipped: usize,
    /// How many are not imported.
    pub failed: usize,
    /// Each row, in the order in which they came.
    pub results: Vec<RowReport>,
}

impl ImportReport {
    /// Counts what became of rows.
    #[must_use]
    pub fn new(dry_run: bool, results: Vec<RowReport>) -> Self {
        let count = |statuses: &[RowStatus]| {
            results.iter().filter(|result| statuses.contains(&result.status)).count()
        };
        Self {
            dry_run,
            imported: count(&[RowStatus::Imported, RowStatus::WouldImport]),
            skipped: count(&[RowStatus::Skipped]),
            failed: count(&[RowStatus::Failed]),
            results,
        }
    }
}
