//! The switches of the Zoho side; lifetimes are virtual seconds.

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::{locations::Location, options::ZohoOptions, signature::Encoding};
use crate::options::{ConsentMode, Options};

/// Everything about Zoho that a test may switch.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each one is a switch of its own in the control API")]
pub(crate) struct Settings {
    /// What the authorize addresses do.
    pub(crate) consent: ConsentMode,
    /// The user that automatic approval chooses.
    pub(crate) consent_user_id: Option<String>,
    /// The data center whose first user automatic approval chooses; that of the request when absent.
    pub(crate) consent_location: Option<Location>,
    /// The data centers that exist.
    pub(crate) locations: Vec<Location>,
    /// The beginning of the addresses in answers; taken from the `Host` header when absent.
    pub(crate) base_url: Option<String>,
    /// Instead of the true `accounts-server` of callbacks; empty: none at all.
    pub(crate) callback_accounts_server: Option<String>,
    /// Instead of the true `location` of callbacks; empty: none at all.
    pub(crate) callback_location: Option<String>,
    /// Instead of the true `api_domain` of token answers.
    pub(crate) api_domain_override: Option<String>,
    /// The HTTP status of every refusal of the token and revocation endpoints.
    #[serde(deserialize_with = "status")]
    pub(crate) error_status: u16,
    pub(crate) code_seconds: u32,
    pub(crate) access_token_seconds: u32,
    /// Whether token answers give `expires_in` in milliseconds, as they did until 2019.
    pub(crate) expires_in_milliseconds: bool,
    /// Whether token answers have a `scope` member.
    pub(crate) scope_in_token_answers: bool,
    /// Key of the webhooks that the control API sends.
    pub(crate) webhook_secret: String,
    /// How signatures of webhooks are written.
    pub(crate) webhook_encoding: Encoding,
    /// Whether the limits on codes and tokens apply.
    pub(crate) enforce_token_limits: bool,
    /// Whether every list takes `last_modified_time`, and not only those whose documentation says so.
    pub(crate) filters_every_list_by_time: bool,
    /// Whether `last_modified_time` means exactly that time, as some organizations report, and not that time or later.
    pub(crate) takes_times_exactly: bool,
    /// Whether the request limits of the data API apply.
    pub(crate) enforce_limits: bool,
    /// Requests per minute and organization; more get code 44.
    pub(crate) requests_per_minute: u32,
    /// Requests per day and organization; more get code 45.
    pub(crate) requests_per_day: u32,
    /// Requests in flight per organization; more get code 1070.
    pub(crate) concurrent_requests: u32,
}

impl Settings {
    pub(crate) fn new(options: &ZohoOptions) -> Self {
        Self {
            consent: options.consent,
            consent_user_id: None,
            consent_location: None,
            locations: Location::ALL.to_vec(),
            base_url: None,
            callback_accounts_server: None,
            callback_location: None,
            api_domain_override: None,
            error_status: 200,
            code_seconds: 60,
            access_token_seconds: 3_600,
            expires_in_milliseconds: false,
            scope_in_token_answers: false,
            webhook_secret: Options::ZOHO_WEBHOOK_SECRET.to_owned(),
            webhook_encoding: Encoding::default(),
            enforce_token_limits: true,
            filters_every_list_by_time: false,
            takes_times_exactly: false,
            enforce_limits: false,
            requests_per_minute: 100,
            requests_per_day: 1_000,
            concurrent_requests: 10,
        }
    }
}

fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let status = u16::deserialize(deserializer)?;
    if (200..600).contains(&status) {
        Ok(status)
    } else {
        Err(D::Error::custom("errorStatus must be between 200 and 599"))
    }
}
