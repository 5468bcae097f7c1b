//! QuickBooks Online, by Intuit.

mod api;
mod authorize;
mod companies;
mod counts;
mod entity;
mod fault;
mod feed;
mod ledger;
mod parse;
mod revocation;
mod token_endpoint;

pub(crate) use api::MINOR_VERSION;
pub use authorize::authorize_url;
pub use companies::QuickBooksCompanies;
pub use ledger::QuickBooksLedger;
pub use revocation::QuickBooksRevocation;
pub use token_endpoint::QuickBooksTokenEndpoint;

pub(crate) use api::limited;
#[cfg(test)]
pub(crate) use token_endpoint::DIALECT;

use domain::sync::LedgerError;
use reqwest::header::HeaderName;

use crate::oauth::Answer;

/// What an answer of the data API means that is no success.
pub(crate) fn meaning(answer: &Answer) -> Option<LedgerError> {
    (!answer.status.is_success()).then(|| api::Failure::of(answer).into())
}

/// The header with Intuit's name for a request, which its support asks for.
const TRACE_HEADER: HeaderName = HeaderName::from_static("intuit_tid");
