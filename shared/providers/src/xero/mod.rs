//! Xero.

mod authorize;
mod claims;
mod companies;
mod connections;
mod fault;
mod ledger;
mod parse;
mod resource;
mod revocation;
mod token_endpoint;

pub use authorize::authorize_url;
pub use companies::XeroCompanies;
pub(crate) use ledger::TENANT_HEADER;
pub use ledger::XeroLedger;
pub use revocation::XeroRevocation;
pub use token_endpoint::XeroTokenEndpoint;

use domain::sync::LedgerError;
use reqwest::header::HeaderName;

use crate::oauth::Answer;

/// What an answer of the data API means that is no success.
pub(crate) fn meaning(answer: &Answer) -> Option<LedgerError> {
    // What HTTP answers to a question since when, if there is nothing, is no fault.
    let is_fault = !(answer.status.is_success() || answer.status.is_redirection());
    is_fault.then(|| fault::error(answer))
}

/// The header with Xero's name for a request.
const TRACE_HEADER: HeaderName = HeaderName::from_static("xero-correlation-id");

pub(crate) use fault::limited;
#[cfg(test)]
pub(crate) use token_endpoint::DIALECT;
