//! Our app at each provider: addresses, credentials, scopes; read from the environment elsewhere.

use std::time::Duration;

use domain::secret::ClientSecret;
use url::Url;

use crate::zoho::DataCentres;

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
/// Intuit does not announce PKCE and none of its SDKs sends it, so that sending it is a trial.
pub const QUICKBOOKS_PKCE: bool = false;

/// What reading the books takes; the granular scopes, since apps made after March 2026 are refused the broad ones.
pub const XERO_SCOPES: &[&str] = &[
    "openid",
    "profile",
    "email",
    "offline_access",
    "accounting.invoices.read",
    "accounting.payments.read",
    "accounting.contacts.read",
    "accounting.settings.read",
];
/// Where a person consents.
pub const XERO_AUTHORIZE_URL: &str = "https://login.xero.com/identity/connect/authorize";
/// Where tokens are issued.
pub const XERO_TOKEN_URL: &str = "https://identity.xero.com/connect/token";
/// Where tokens are revoked.
pub const XERO_REVOKE_URL: &str = "https://identity.xero.com/connect/revocation";
/// The books.
pub const XERO_API_BASE_URL: &str = "https://api.xero.com";
/// What the addresses of the connections of a person and our app have after the base of the API.
pub const XERO_CONNECTIONS_PATH: &str = "connections";
/// Xero's server supports S256 and apps with a secret add it without harm.
pub const XERO_PKCE: bool = true;

/// What reading the books takes.
pub const ZOHO_SCOPES: &[&str] = &[
    "ZohoBooks.contacts.READ",
    "ZohoBooks.settings.READ",
    "ZohoBooks.invoices.READ",
    "ZohoBooks.bills.READ",
    "ZohoBooks.customerpayments.READ",
    "ZohoBooks.vendorpayments.READ",
    "ZohoBooks.creditnotes.READ",
    "ZohoBooks.accountants.READ",
];
/// Zoho documents PKCE for mobile and desktop clients only.
pub const ZOHO_PKCE: bool = false;

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
    /// `QUICKBOOKS_SCOPES`: what may be asked for, and is by default; [`QUICKBOOKS_ACCOUNTING_SCOPE`] alone when unset.
    pub scopes: Vec<String>,
    /// `QUICKBOOKS_PKCE`, by default [`QUICKBOOKS_PKCE`].
    pub pkce: bool,
    /// `REFRESH_POST_TIMEOUT_SECONDS`, by default [`DEFAULT_POST_TIMEOUT`](domain::refresh::policy::DEFAULT_POST_TIMEOUT).
    pub post_timeout: Duration,
}

/// Our app at Xero.
#[derive(Clone, Debug)]
pub struct XeroSettings {
    /// `XERO_CLIENT_ID`.
    pub client_id: String,
    /// `XERO_CLIENT_SECRET`.
    pub client_secret: ClientSecret,
    /// `XERO_AUTHORIZE_URL`, by default [`XERO_AUTHORIZE_URL`].
    pub authorize_url: Url,
    /// `XERO_TOKEN_URL`, by default [`XERO_TOKEN_URL`].
    pub token_url: Url,
    /// `XERO_REVOKE_URL`, by default [`XERO_REVOKE_URL`].
    pub revoke_url: Url,
    /// `XERO_API_BASE_URL`, by default [`XERO_API_BASE_URL`]; paths are appended to it.
    pub api_base_url: Url,
    /// `XERO_CONNECTIONS_URL`, by default [`XERO_CONNECTIONS_PATH`] below `XERO_API_BASE_URL`.
    pub connections_url: Url,
    /// `XERO_SCOPES`: what may be asked for, and is by default; [`XERO_SCOPES`] when unset.
    pub scopes: Vec<String>,
    /// `XERO_PKCE`, by default [`XERO_PKCE`].
    pub pkce: bool,
    /// `REFRESH_POST_TIMEOUT_SECONDS`, by default [`DEFAULT_POST_TIMEOUT`](domain::refresh::policy::DEFAULT_POST_TIMEOUT).
    pub post_timeout: Duration,
}

/// Our app at Zoho.
#[derive(Clone, Debug)]
pub struct ZohoSettings {
    /// `ZOHO_CLIENT_ID`; one for all data centers.
    pub client_id: String,
    /// `ZOHO_CLIENT_SECRET`; one for all data centers, as the API console has it by default.
    pub client_secret: ClientSecret,
    /// `ZOHO_DATA_CENTRES` and `ZOHO_LOCATION`, by default [`DataCentres::default`]: the only addresses that are ever used.
    pub data_centres: DataCentres,
    /// `ZOHO_SCOPES`: what may be asked for, and is by default; [`ZOHO_SCOPES`] when unset.
    pub scopes: Vec<String>,
    /// `ZOHO_PKCE`, by default [`ZOHO_PKCE`].
    pub pkce: bool,
    /// `REFRESH_POST_TIMEOUT_SECONDS`, by default [`DEFAULT_POST_TIMEOUT`](domain::refresh::policy::DEFAULT_POST_TIMEOUT).
    pub post_timeout: Duration,
}
