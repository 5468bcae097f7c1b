//! Our apps at the providers: which are configured, and how.

use std::time::Duration;

use domain::{provider::Provider, secret::ClientSecret};
use providers::{
    settings::{
        QUICKBOOKS_ACCOUNTING_SCOPE, QUICKBOOKS_API_BASE_URL, QUICKBOOKS_AUTHORIZE_URL, QUICKBOOKS_PKCE,
        QUICKBOOKS_REVOKE_URL, QUICKBOOKS_TOKEN_URL, QuickBooksSettings, XERO_API_BASE_URL,
        XERO_AUTHORIZE_URL, XERO_CONNECTIONS_PATH, XERO_PKCE, XERO_REVOKE_URL, XERO_SCOPES, XERO_TOKEN_URL,
        XeroSettings, ZOHO_PKCE, ZOHO_SCOPES, ZohoSettings,
    },
    zoho::DataCentres,
};
use url::Url;

use super::Variables;

/// Our apps at the providers, those that are configured.
#[derive(Clone, Debug)]
pub struct ProviderSettings {
    /// `QUICKBOOKS_CLIENT_ID` and what goes with it.
    pub quickbooks: Option<QuickBooksSettings>,
    /// `XERO_CLIENT_ID` and what goes with it.
    pub xero: Option<XeroSettings>,
    /// `ZOHO_CLIENT_ID` and what goes with it.
    pub zoho: Option<ZohoSettings>,
}

/// What each provider may be asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ScopeLists {
    quickbooks: Vec<String>,
    xero: Vec<String>,
    zoho: Vec<String>,
}

impl ProviderSettings {
    /// The providers that are configured.
    #[must_use]
    pub fn configured(&self) -> Vec<Provider> {
        let is_configured = |provider: &Provider| match provider {
            Provider::QuickBooks => self.quickbooks.is_some(),
            Provider::Xero => self.xero.is_some(),
            Provider::Zoho => self.zoho.is_some(),
        };
        Provider::ALL.into_iter().filter(is_configured).collect()
    }
}

impl ScopeLists {
    /// What this provider may be asked for.
    #[must_use]
    pub fn of(&self, provider: Provider) -> &[String] {
        match provider {
            Provider::QuickBooks => &self.quickbooks,
            Provider::Xero => &self.xero,
            Provider::Zoho => &self.zoho,
        }
    }
}

impl Variables<'_> {
    /// Every provider of which `_CLIENT_ID` or `_CLIENT_SECRET` is set, then with both; at least one.
    pub fn providers(&mut self, post_timeout: Duration) -> Option<ProviderSettings> {
        let [quickbooks, xero, zoho] =
            ["QUICKBOOKS", "XERO", "ZOHO"].map(|prefix| self.is_configured(prefix));
        if !(quickbooks || xero || zoho) {
            self.refuse(
                "QUICKBOOKS_CLIENT_ID",
                "or XERO_CLIENT_ID or ZOHO_CLIENT_ID must be set, each with its _CLIENT_SECRET",
            );
            return None;
        }
        // All are read, so that the problems of all are listed; one that is left out for its problems is refused by them.
        Some(ProviderSettings {
            quickbooks: quickbooks.then(|| self.quickbooks(post_timeout)).flatten(),
            xero: xero.then(|| self.xero(post_timeout)).flatten(),
            zoho: zoho.then(|| self.zoho(post_timeout)).flatten(),
        })
    }

    /// What each provider may be asked for (`QUICKBOOKS_SCOPES`, `XERO_SCOPES`, `ZOHO_SCOPES`), configured or not.
    pub fn scope_lists(&mut self) -> ScopeLists {
        ScopeLists {
            quickbooks: self.scopes("QUICKBOOKS_SCOPES", &[QUICKBOOKS_ACCOUNTING_SCOPE]),
            xero: self.scopes("XERO_SCOPES", XERO_SCOPES),
            zoho: self.scopes("ZOHO_SCOPES", ZOHO_SCOPES),
        }
    }

    /// The host of QuickBooks' data API (`QUICKBOOKS_API_BASE_URL`).
    pub fn quickbooks_api_base_url(&mut self) -> Option<Url> {
        self.url("QUICKBOOKS_API_BASE_URL", Some(QUICKBOOKS_API_BASE_URL))
    }

    /// The host of Xero's data API (`XERO_API_BASE_URL`).
    pub fn xero_api_base_url(&mut self) -> Option<Url> {
        self.url("XERO_API_BASE_URL", Some(XERO_API_BASE_URL))
    }

    /// Where Xero lists what a grant reaches (`XERO_CONNECTIONS_URL`); below the host of its data API unless set.
    pub fn xero_connections_url(&mut self, api_base_url: Option<&Url>) -> Option<Url> {
        let below = |base: &Url| format!("{}/{XERO_CONNECTIONS_PATH}", base.as_str().trim_end_matches('/'));
        let below = api_base_url.map(below);
        self.url("XERO_CONNECTIONS_URL", below.as_deref())
    }

    /// Zoho's data centers (`ZOHO_DATA_CENTRES`), and the one where authorizations begin (`ZOHO_LOCATION`).
    pub fn zoho_data_centres(&mut self) -> Option<DataCentres> {
        let table = match self.optional("ZOHO_DATA_CENTRES").map(|json| DataCentres::parse(&json)) {
            None => DataCentres::default(),
            Some(Ok(table)) => table,
            Some(Err(error)) => {
                self.refuse("ZOHO_DATA_CENTRES", &error.to_string());
                return None;
            }
        };
        let Some(location) = self.optional("ZOHO_LOCATION") else { return Some(table) };
        let table = table.beginning_at(&location);
        if table.is_none() {
            self.refuse("ZOHO_LOCATION", "must be one of the locations of ZOHO_DATA_CENTRES");
        }
        table
    }

    fn is_configured(&self, prefix: &str) -> bool {
        ["CLIENT_ID", "CLIENT_SECRET"].iter().any(|name| self.optional(&format!("{prefix}_{name}")).is_some())
    }

    fn quickbooks(&mut self, post_timeout: Duration) -> Option<QuickBooksSettings> {
        let (client_id, client_secret) = self.credentials("QUICKBOOKS");
        let scopes = self.scopes("QUICKBOOKS_SCOPES", &[QUICKBOOKS_ACCOUNTING_SCOPE]);
        let pkce = self.parsed("QUICKBOOKS_PKCE", QUICKBOOKS_PKCE, "true or false");
        let authorize_url = self.url("QUICKBOOKS_AUTHORIZE_URL", Some(QUICKBOOKS_AUTHORIZE_URL));
        let token_url = self.url("QUICKBOOKS_TOKEN_URL", Some(QUICKBOOKS_TOKEN_URL));
        let revoke_url = self.url("QUICKBOOKS_REVOKE_URL", Some(QUICKBOOKS_REVOKE_URL));
        let api_base_url = self.quickbooks_api_base_url();
        Some(QuickBooksSettings {
            client_id,
            client_secret,
            authorize_url: authorize_url?,
            token_url: token_url?,
            revoke_url: revoke_url?,
            api_base_url: api_base_url?,
            scopes,
            pkce,
            post_timeout,
        })
    }

    fn xero(&mut self, post_timeout: Duration) -> Option<XeroSettings> {
        let (client_id, client_secret) = self.credentials("XERO");
        let scopes = self.scopes("XERO_SCOPES", XERO_SCOPES);
        let pkce = self.parsed("XERO_PKCE", XERO_PKCE, "true or false");
        let authorize_url = self.url("XERO_AUTHORIZE_URL", Some(XERO_AUTHORIZE_URL));
        let token_url = self.url("XERO_TOKEN_URL", Some(XERO_TOKEN_URL));
        let revoke_url = self.url("XERO_REVOKE_URL", Some(XERO_REVOKE_URL));
        let api_base_url = self.xero_api_base_url();
        let connections_url = self.xero_connections_url(api_base_url.as_ref());
        Some(XeroSettings {
            client_id,
            client_secret,
            authorize_url: authorize_url?,
            token_url: token_url?,
            revoke_url: revoke_url?,
            api_base_url: api_base_url?,
            connections_url: connections_url?,
            scopes,
            pkce,
            post_timeout,
        })
    }

    fn zoho(&mut self, post_timeout: Duration) -> Option<ZohoSettings> {
        let (client_id, client_secret) = self.credentials("ZOHO");
        let scopes = self.scopes("ZOHO_SCOPES", ZOHO_SCOPES);
        let pkce = self.parsed("ZOHO_PKCE", ZOHO_PKCE, "true or false");
        let data_centres = self.zoho_data_centres()?;
        Some(ZohoSettings { client_id, client_secret, data_centres, scopes, pkce, post_timeout })
    }

    fn credentials(&mut self, prefix: &str) -> (String, ClientSecret) {
        let client_id = self.required(&format!("{prefix}_CLIENT_ID"));
        (client_id, ClientSecret::new(self.required(&format!("{prefix}_CLIENT_SECRET"))))
    }

    /// Scopes between blanks or commas, each of the alphabet of RFC 6749 section 3.3.
    fn scopes(&mut self, name: &str, default: &[&str]) -> Vec<String> {
        let Some(value) = self.optional(name) else {
            return default.iter().map(|&scope| scope.to_owned()).collect();
        };
        let separates = |char: char| char == ',' || char.is_whitespace();
        let scopes: Vec<_> =
            value.split(separates).filter(|scope| !scope.is_empty()).map(str::to_owned).collect();
        let allowed = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
        if scopes.is_empty() || !scopes.iter().all(|scope| scope.bytes().all(allowed)) {
            self.refuse(name, "must hold scopes with blanks or commas between them");
        }
        scopes
    }
}

#[cfg(test)]
mod tests;
