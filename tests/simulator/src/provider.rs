//! The simulated providers and the classes of endpoint that faults and counts are kept for.

use axum::{body::Bytes, http::request::Parts};
use serde::{Deserialize, Serialize};

use crate::{intuit, xero, zoho};

/// A simulated provider; its lower-case name is also its path prefix.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Provider {
    #[serde(alias = "quickbooks")]
    Intuit,
    Xero,
    Zoho,
}

/// A class of endpoints.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Endpoint {
    Authorize,
    Token,
    Revoke,
    /// The companies that a token opens, where a provider lists them outside its API.
    Connections,
    Api,
    /// A host that belongs to no data center.
    Foreign,
    Other,
}

/// What a request says about itself before anything is decided; it holds secrets and is never logged.
pub(crate) struct Presented {
    pub(crate) endpoint: Endpoint,
    pub(crate) grant_type: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) company: Option<String>,
}

impl Provider {
    /// Returns the provider whose prefix the path has.
    pub(crate) fn of_path(path: &str) -> Option<Self> {
        match path.trim_start_matches('/').split('/').next() {
            Some("intuit") => Some(Self::Intuit),
            Some("xero") => Some(Self::Xero),
            Some("zoho") => Some(Self::Zoho),
            _ => None,
        }
    }

    /// Tells whether an endpoint waits out a delay by itself, in the middle of its work.
    pub(crate) fn delays_by_itself(self, endpoint: Endpoint) -> bool {
        match self {
            // A token endpoint holds the token meanwhile: that is what parallel refreshes meet.
            Self::Intuit | Self::Xero => endpoint == Endpoint::Token,
            // A data call counts as in process meanwhile.
            Self::Zoho => matches!(endpoint, Endpoint::Token | Endpoint::Api),
        }
    }

    /// Reads from a request what the call log and the faults go by.
    pub(crate) fn inspect(self, parts: &Parts, body: &Bytes) -> Presented {
        match self {
            Self::Intuit => intuit::inspect(parts, body),
            Self::Xero => xero::inspect(parts, body),
            Self::Zoho => zoho::inspect(parts, body),
        }
    }
}
