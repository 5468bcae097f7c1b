//! Confirming a company by asking for its name with the new token.

use std::{borrow::Cow, time::Duration};

use async_trait::async_trait;
use domain::{
    authorization::{Companies, CompanyError, GrantedCompanies, NewGrant},
    connection::Company,
    id::{CompanyId, ProviderCompanyId},
    provider::Provider,
    secret::AccessToken,
    sync::LedgerError,
};
use reqwest::Client;
use serde::Deserialize;
use thiserror::Error;
use url::Url;

use super::api::Api;
use crate::{
    company,
    http::OBJECT_BODY_MAX,
    ledger::{Limits, Unreadable},
};

/// How long a company may take: a person waits for the page, and the API gateway gives up after 29 seconds of which the
/// exchange of the code took its part.
const COMPANY_TIMEOUT: Duration = Duration::from_secs(8);
/// From this length on, the `Id` of a company info is a realm id; Intuit usually writes `1` there.
const REALM_ID_MIN: usize = 10;

/// Intuit's companies over HTTP.
pub struct QuickBooksCompanies {
    api: Api,
}

#[derive(Deserialize)]
struct CompanyAnswer<'a> {
    #[serde(borrow, rename = "CompanyInfo")]
    info: Option<CompanyInfo<'a>>,
}

#[derive(Deserialize)]
struct CompanyInfo<'a> {
    #[serde(borrow, default, rename = "Id")]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "CompanyName")]
    name: Option<Cow<'a, str>>,
}

/// Why an answer does not name the company.
#[derive(Clone, Copy, Debug, Error)]
#[error("the company has no name")]
struct Nameless;

impl QuickBooksCompanies {
    /// Asks the API at `api_base_url` over the bounded client.
    #[must_use]
    pub fn new(http: Client, api_base_url: Url) -> Self {
        Self { api: Api::new(http, api_base_url) }
    }

    async fn read(&self, token: &AccessToken, company: &ProviderCompanyId) -> Result<Vec<u8>, LedgerError> {
        let url = self.api.url(company, &["companyinfo", company.as_str()]);
        let limits = Limits { timeout: COMPANY_TIMEOUT, body: OBJECT_BODY_MAX };
        Ok(self.api.get((token, None), url, limits).await??)
    }
}

#[async_trait]
impl Companies for QuickBooksCompanies {
    async fn granted(&self, grant: NewGrant<'_>) -> Result<GrantedCompanies, CompanyError> {
        // A grant is for one company, and only the callback says which.
        let provider_id = grant.named.ok_or(CompanyError::Foreign)?;
        let body = self.read(grant.access, provider_id).await.map_err(|error| match error {
            LedgerError::Unauthorized | LedgerError::Forbidden => CompanyError::Foreign,
            LedgerError::Unavailable(source) => CompanyError::Unavailable(source),
            other => CompanyError::Unavailable(other.into()),
        })?;
        let name = name_of(&body, provider_id)?;
        let id = CompanyId::of(Provider::QuickBooks, provider_id);
        let company = Company { id, provider_id: provider_id.clone(), name };
        Ok(GrantedCompanies { chosen: vec![company], reachable: vec![provider_id.clone()] })
    }
}

fn name_of(body: &[u8], realm_id: &ProviderCompanyId) -> Result<String, CompanyError> {
    let answer: Option<CompanyAnswer<'_>> = serde_json::from_slice(body).ok();
    let info = answer.and_then(|answer| answer.info);
    let info = info.ok_or_else(|| CompanyError::Unavailable(Unreadable::Json.into()))?;
    let realm = info.id.as_deref().filter(|id| id.len() >= REALM_ID_MIN);
    if realm.is_some_and(|realm| realm != realm_id.as_str()) {
        return Err(CompanyError::Foreign);
    }
    company::name(info.name.as_deref()).ok_or_else(|| CompanyError::Unavailable(Nameless.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(body: &str) -> Result<String, CompanyError> {
        name_of(body.as_bytes(), &"4620816365000000001".parse().unwrap())
    }

    #[test]
    fn the_short_id_that_intuit_writes_is_no_realm() {
        let named = name(r#"{"CompanyInfo":{"CompanyName":" Sandbox Company_US_1 ","Id":"1"},"time":"…"}"#);

        assert_eq!(named.unwrap(), "Sandbox Company_US_1");
    }

    #[test]
    fn another_realm_in_the_answer_is_foreign() {
        let named = name(r#"{"CompanyInfo":{"CompanyName":"Other","Id":"4620816365000000002"}}"#);

        assert!(matches!(named, Err(CompanyError::Foreign)), "{named:?}");
    }

    #[test]
    fn an_answer_without_a_name_confirms_nothing() {
        for body in
            ["{}", "[]", "", "<html>", r#"{"CompanyInfo":{"CompanyName":"  "}}"#, r#"{"CompanyInfo":{}}"#]
        {
            assert!(matches!(name(body), Err(CompanyError::Unavailable(_))), "{body}");
        }
    }
}
