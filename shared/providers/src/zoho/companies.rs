//! The organizations that a grant of Zoho reaches.

use std::{borrow::Cow, time::Duration};

use async_trait::async_trait;
use domain::{
    authorization::{Companies, CompanyError, GrantedCompanies, NewGrant},
    connection::{Company, MAX_COMPANIES},
    id::{CompanyId, ProviderCompanyId},
    provider::Provider,
};
use reqwest::{
    Client, StatusCode,
    header::{ACCEPT, AUTHORIZATION, HeaderValue},
};
use serde::Deserialize;

use super::{
    DataCentres, LIST_SCOPE, UnknownLocation, authorization,
    fault::{NOT_AUTHORIZED, SUCCESS},
};
use crate::{
    company,
    http::OBJECT_BODY_MAX,
    oauth::{self, NotAsPromised},
};

/// How long the list may take: a person waits for the page, and the API gateway gives up after 29 seconds of which the
/// exchange of the code took its part.
const LIST_TIMEOUT: Duration = Duration::from_secs(8);

/// Zoho's organizations over HTTP.
pub struct ZohoCompanies {
    http: Client,
    data_centres: DataCentres,
}

#[derive(Deserialize)]
struct ListAnswer<'a> {
    code: i64,
    #[serde(borrow, default)]
    organizations: Vec<Organization<'a>>,
}

#[derive(Deserialize)]
struct Organization<'a> {
    #[serde(borrow)]
    organization_id: Cow<'a, str>,
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Fault {
    code: i64,
}

impl ZohoCompanies {
    /// Asks at `data_centres` over the bounded client.
    #[must_use]
    pub fn new(http: Client, data_centres: DataCentres) -> Self {
        Self { http, data_centres }
    }
}

#[async_trait]
impl Companies for ZohoCompanies {
    async fn granted(&self, grant: NewGrant<'_>) -> Result<GrantedCompanies, CompanyError> {
        let centre = self.data_centres.of_grant(grant.location);
        let centre = centre.ok_or_else(|| CompanyError::Unavailable(UnknownLocation.into()))?;
        let token = authorization(grant.access).map_err(|error| CompanyError::Unavailable(error.into()))?;
        let request = self
            .http
            .get(centre.api(&["books", "v3", "organizations"]))
            .header(AUTHORIZATION, token)
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .timeout(LIST_TIMEOUT);
        let answer = oauth::ask(request, OBJECT_BODY_MAX).await;
        let answer = answer.map_err(|lost| CompanyError::Unavailable(lost.into()))?;
        let says = |code| answer.json::<Fault>().is_ok_and(|fault| fault.code == code);
        // A token that has just been issued lacks nothing but the scope.
        if answer.status == StatusCode::UNAUTHORIZED && says(NOT_AUTHORIZED) {
            return Err(CompanyError::ScopeMissing { scope: LIST_SCOPE });
        }
        if !answer.status.is_success() {
            return Err(CompanyError::Unavailable(answer.unexpected(None).into()));
        }
        let list: ListAnswer<'_> = answer.json().map_err(|why| CompanyError::Unavailable(why.into()))?;
        chosen(&list)
    }
}

/// All of them: Zoho's consent page lets nobody choose.
fn chosen(list: &ListAnswer<'_>) -> Result<GrantedCompanies, CompanyError> {
    let not_as_promised = || CompanyError::Unavailable(NotAsPromised.into());
    if list.code != SUCCESS {
        return Err(not_as_promised());
    }
    let mut granted = GrantedCompanies::default();
    for organization in &list.organizations {
        let id: ProviderCompanyId = organization.organization_id.parse().map_err(|_| not_as_promised())?;
        if granted.reachable.contains(&id) {
            continue;
        }
        let name =
            company::name(organization.name.as_deref()).unwrap_or_else(|| format!("Organization {id}"));
        granted.chosen.push(Company {
            id: CompanyId::of(Provider::Zoho, &id),
            provider_id: id.clone(),
            name,
        });
        granted.reachable.push(id);
    }
    match granted.chosen.len() {
        0 => Err(CompanyError::NoCompany),
        found if found > MAX_COMPANIES => Err(CompanyError::TooMany { found }),
        _ => Ok(granted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(body: &str) -> Result<GrantedCompanies, CompanyError> {
        chosen(&serde_json::from_str(body).unwrap())
    }

    #[test]
    fn every_organization_of_the_answer_is_chosen_once() {
        let body = r#"{"code":0,"message":"success","organizations":[
            {"organization_id":"927270289","name":"Acme","is_default_org":true,"org_settings":{"is_org_active":true}},
            {"organization_id":"927270290","name":null},{"organization_id":"927270289","name":"Acme"}]}"#;

        let granted = granted(body).unwrap();

        let chosen: Vec<_> = granted.chosen.iter().map(|it| (it.id.as_str(), it.name.as_str())).collect();
        assert_eq!(chosen, [("zoho_927270289", "Acme"), ("zoho_927270290", "Organization 927270290")]);
        assert_eq!(granted.reachable.len(), 2);
    }

    #[test]
    fn no_organization_and_too_many_are_refused_whole() {
        let none = granted(r#"{"code":0,"organizations":[]}"#);
        assert!(matches!(none, Err(CompanyError::NoCompany)), "{none:?}");
        let none = granted(r#"{"code":0}"#);
        assert!(matches!(none, Err(CompanyError::NoCompany)), "{none:?}");

        let rows: Vec<_> = (0..40).map(|id| format!(r#"{{"organization_id":"{id}"}}"#)).collect();
        let many = granted(&format!(r#"{{"code":0,"organizations":[{}]}}"#, rows.join(",")));
        assert!(matches!(many, Err(CompanyError::TooMany { found: 40 })), "{many:?}");
    }

    #[test]
    fn a_fault_within_a_success_and_an_id_that_cannot_be_a_key_confirm_nothing() {
        for body in [
            r#"{"code":57,"message":"You are not authorized to perform this operation"}"#,
            r#"{"code":0,"organizations":[{"organization_id":"a#b"}]}"#,
            r#"{"code":0,"organizations":[{"organization_id":""}]}"#,
        ] {
            assert!(matches!(granted(body), Err(CompanyError::Unavailable(_))), "{body}");
        }
    }
}
