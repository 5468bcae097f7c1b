//! Our app at each provider: addresses, credentials, scopes; read from the environment elsewhere.

use std::time::Duration;

use domain::secret::ClientSecret;
use url::Url;

/// The scope for books; Intuit has no read-only one.
pub const QUICKBOOKS_ACCOUNTING_SCOPE: &str = "com.intuit.quickbooks.accounting";
/// Where a person consents, in production and sandbox alike.
pub const QUICKBOOKS_AUTHORIZE_URL: &str = "https://appcenter.intuit.com/connect/oauth2";
/// Where tokens are issued, in production and sandbox alike.
pub const QUICKBOOKS_TOKEN_URL: &str = "https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer";
/// Where tokens are revoked.
pub const QUICKBOOKS_REVOKE_URL: &str = "https://developer.api.intuit.com/v2/oauth2/tokens/revoke";
/// The books, in production; `https://sandbox-quickbooks.api.intuit.com` for a sandbox.
pub const QUICKBOOKS_API_BASE_URL: &str = "https://quickbooks.api.intuit.com";
/// Our app at Intuit.
#[derive(Clone, Debug)]
pub struct QuickBooksSettings {
    /// `QUICKBOOKS_CLIENT_ID`; differs between production and sandbox.
    pub client_id: String,
    /// `QUICKBOOKS_CLIENT_SECRET`.
    pub client_secret: ClientSecret,
    /// `QUICKBOOKS_AUTHORIZE_URL`, by default [`QUICKBOOKS_AUTHORIZE_URL`].
    pub authorize_url: Url,
    /// `QUICKBOOKS_TOKEN_URL`, by default [`QUICKBOOKS_TOKEN_URL`].
    pub token_url: Url,
    /// `QUICKBOOKS_REVOKE_URL`, by default [`QUICKBOOKS_REVOKE_URL`].
    pub revoke_url: Url,
    /// `QUICKBOOKS_API_BASE_URL`, by default [`QUICKBOOKS_API_BASE_URL`]; paths are appended to it.
    pub api_base_url: Url,
    /// What is asked for; by default [`QUICKBOOKS_ACCOUNTING_SCOPE`] alone.
    pub scopes: Vec<String>,
    /// `REFRESH_POST_TIMEOUT_SECONDS`, by default [`DEFAULT_POST_TIMEOUT`](domain::refresh::policy::DEFAULT_POST_TIMEOUT).
    pub post_timeout: Duration,
}
