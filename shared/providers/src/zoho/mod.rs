//! Zoho Books, in its data centers.

mod authorize;
mod companies;
mod data_centres;
mod fault;
mod ledger;
mod parse;
mod resource;
mod revocation;
mod token_endpoint;

pub use authorize::authorize_url;
pub use companies::ZohoCompanies;
pub use data_centres::{DataCentre, DataCentres, DataCentresError, LocationError};
pub use ledger::ZohoLedger;
pub use revocation::ZohoRevocation;
pub use token_endpoint::ZohoTokenEndpoint;

use domain::{secret::AccessToken, sync::LedgerError};
use reqwest::header::{HeaderValue, InvalidHeaderValue};
use thiserror::Error;

use crate::oauth::Answer;

/// The scope that listing organizations takes.
const LIST_SCOPE: &str = "ZohoBooks.settings.READ";

/// Why nobody was asked.
#[derive(Clone, Copy, Debug, Error)]
#[error("the data center of the grant is not configured")]
pub(crate) struct UnknownLocation;

/// The `Authorization` header in Zoho's own scheme.
pub(crate) fn authorization(access: &AccessToken) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut token = HeaderValue::try_from(format!("Zoho-oauthtoken {}", access.expose()))?;
    token.set_sensitive(true);
    Ok(token)
}

pub(crate) use fault::limited;
/// What an answer of the data API means that is no success, whatever its status.
pub(crate) fn meaning(answer: &Answer) -> Option<LedgerError> {
    // Files come without a code.
    let is_success =
        answer.status.is_success() && fault::code(answer).is_none_or(|code| code == fault::SUCCESS);
    (!is_success).then(|| fault::error(answer))
}

#[cfg(test)]
pub(crate) use token_endpoint::DIALECT;
