//! Zoho Books, in its data centers.

mod authorize;
mod companies;
mod data_centres;
mod revocation;
mod token_endpoint;

pub use authorize::authorize_url;
pub use companies::ZohoCompanies;
pub use data_centres::{DataCentre, DataCentres, DataCentresError, LocationError};
pub use revocation::ZohoRevocation;
pub use token_endpoint::ZohoTokenEndpoint;

/// The scope that listing organizations takes.
const LIST_SCOPE: &str = "ZohoBooks.settings.READ";

#[cfg(test)]
pub(crate) use token_endpoint::DIALECT;
