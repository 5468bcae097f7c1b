//! How a connection's access token stands, in the words of the status routes.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{RefreshPolicy, Standing};

/// How a connection's access token stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenHealth {
    /// More than the lead time is left.
    Healthy,
    /// The lead time has begun.
    Warning,
    /// It has ended.
    Expired,
    /// There is none that may be used, and no refresh brings one.
    ReconnectRequired,
}

impl TokenHealth {
    /// How the access token of a connection stands at `now`.
    #[must_use]
    pub fn of(standing: &Standing, policy: &RefreshPolicy, now: Timestamp) -> Self {
        match standing.token {
            _ if !standing.state.is_refreshable() => Self::ReconnectRequired,
            None => Self::ReconnectRequired,
            Some((_, ends)) if now >= ends => Self::Expired,
            Some((issued, ends)) if policy.is_in_lead(issued, ends, now) => Self::Warning,
            Some(_) => Self::Healthy,
        }
    }
}
