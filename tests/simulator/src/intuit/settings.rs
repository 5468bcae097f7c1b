//! The switches of the Intuit side; lifetimes are virtual seconds.

use serde::{Deserialize, Serialize};

use crate::options::{ConsentMode, IntuitOptions};

/// Everything about Intuit that a test may switch.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each one is a switch of its own in the control API")]
pub(crate) struct Settings {
    /// What the authorize address does.
    pub(crate) consent: ConsentMode,
    /// The company that automatic approval chooses; the oldest one when absent.
    pub(crate) consent_realm_id: Option<String>,
    pub(crate) code_seconds: u32,
    pub(crate) access_token_seconds: u32,
    /// Rolling: every refresh starts it anew.
    pub(crate) refresh_token_seconds: u32,
    /// From the exchange of the code, whatever happens later.
    pub(crate) hard_expiry_seconds: u32,
    /// How long refreshes go on returning the same refresh token.
    pub(crate) rotation_seconds: u32,
    pub(crate) rotate_every_refresh: bool,
    /// How long a replaced refresh token stays usable; Intuit's help text says not at all.
    pub(crate) rotation_grace_seconds: u32,
    /// Whether a second refresh in flight on one token also kills what the first one gets.
    pub(crate) poison_family_on_parallel_refresh: bool,
    /// Whether the second use of a code revokes the tokens of the first.
    pub(crate) revoke_on_code_reuse: bool,
    pub(crate) enforce_limits: bool,
    pub(crate) requests_per_minute: u32,
    pub(crate) requests_per_second: u32,
    pub(crate) batches_per_minute: u32,
    /// Whether `ORDERBY Id` still works.
    pub(crate) id_is_sortable: bool,
}

impl Settings {
    pub(crate) fn new(options: &IntuitOptions) -> Self {
        Self {
            consent: options.consent,
            consent_realm_id: None,
            code_seconds: 600,
            access_token_seconds: 3_600,
            refresh_token_seconds: 8_640_000,
            hard_expiry_seconds: 157_680_000,
            rotation_seconds: 86_400,
            rotate_every_refresh: false,
            rotation_grace_seconds: 0,
            poison_family_on_parallel_refresh: false,
            revoke_on_code_reuse: false,
            enforce_limits: false,
            requests_per_minute: 500,
            requests_per_second: 10,
            batches_per_minute: 40,
            id_is_sortable: false,
        }
    }
}
