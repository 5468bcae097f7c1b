//! The switches of the Xero side; lifetimes are virtual seconds.

use serde::{Deserialize, Serialize};

use super::options::XeroOptions;
use crate::options::ConsentMode;

/// Everything about Xero that a test may switch.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Settings {
    /// What the authorize address does.
    pub(crate) consent: ConsentMode,
    /// The user whom automatic approval signs in; the oldest one when absent.
    pub(crate) consent_user_id: Option<String>,
    /// The organizations that automatic approval connects; the user's first one when absent.
    pub(crate) consent_tenant_ids: Option<Vec<String>>,
    /// Whether the app is one of those that may not ask for the broad scopes any more.
    pub(crate) granular_scopes_only: bool,
    /// Whether the callback names the issuer.
    pub(crate) send_iss: bool,
    pub(crate) code_seconds: u32,
    pub(crate) access_token_seconds: u32,
    pub(crate) id_token_seconds: u32,
    /// From the moment a refresh token was issued.
    pub(crate) refresh_token_seconds: u32,
    /// How long a refresh token that was used stays usable.
    pub(crate) rotation_grace_seconds: u32,
    pub(crate) grace_reuse: GraceReuse,
    pub(crate) enforce_limits: bool,
    pub(crate) requests_per_minute: u32,
    pub(crate) requests_per_day: u32,
    pub(crate) concurrent_requests: u32,
    /// Over all organizations.
    pub(crate) app_requests_per_minute: u32,
}

/// How often a refresh token that was used may be used again.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum GraceReuse {
    Repeatable,
    Once,
}

impl Settings {
    pub(crate) fn new(options: &XeroOptions) -> Self {
        Self {
            consent: options.consent,
            consent_user_id: None,
            consent_tenant_ids: None,
            granular_scopes_only: true,
            send_iss: false,
            code_seconds: 300,
            access_token_seconds: 1_800,
            id_token_seconds: 300,
            refresh_token_seconds: 5_184_000,
            rotation_grace_seconds: 1_800,
            grace_reuse: GraceReuse::Repeatable,
            enforce_limits: false,
            requests_per_minute: 60,
            requests_per_day: 5_000,
            concurrent_requests: 5,
            app_requests_per_minute: 10_000,
        }
    }
}
