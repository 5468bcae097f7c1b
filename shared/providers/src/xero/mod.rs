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
pub use ledger::XeroLedger;
pub use revocation::XeroRevocation;
pub use token_endpoint::XeroTokenEndpoint;

use reqwest::header::HeaderName;

/// The header with Xero's name for a request.
const TRACE_HEADER: HeaderName = HeaderName::from_static("xero-correlation-id");

pub(crate) use fault::limited;
#[cfg(test)]
pub(crate) use token_endpoint::DIALECT;
