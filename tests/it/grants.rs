//! Providers that say by script which companies a grant is for.

use std::sync::Mutex;

use domain::{
    authorization::{Companies, CompanyError, GrantedCompanies, NewGrant},
    connection::Company,
    id::{CompanyId, ProviderCompanyId},
    provider::Provider,
};

/// Providers that confirm every company but one, or grant what they are told to.
#[derive(Default)]
pub(crate) struct ScriptedCompanies(Mutex<Option<GrantedCompanies>>);

/// The realm for which the provider says that the token is not for it.
pub(crate) const FOREIGN_REALM: &str = "666";

impl ScriptedCompanies {
    /// From now on each grant is for the company that it names.
    pub(crate) fn forget(&self) {
        *self.0.lock().unwrap() = None;
    }

    /// From now on each grant is for the companies `chosen`, and reaches those in `more` too.
    pub(crate) fn grant(&self, provider: Provider, chosen: &[&str], more: &[&str]) {
        let chosen: Vec<_> = chosen.iter().map(|id| company(provider, id)).collect();
        let more = more.iter().map(|id| id.parse().unwrap());
        let reachable = chosen.iter().map(|company| company.provider_id.clone()).chain(more).collect();
        *self.0.lock().unwrap() = Some(GrantedCompanies { chosen, reachable });
    }
}

/// A company as a provider tells of it.
pub(crate) fn company(provider: Provider, id: &str) -> Company {
    let provider_id: ProviderCompanyId = id.parse().unwrap();
    Company { id: CompanyId::of(provider, &provider_id), name: format!("Company {id}"), provider_id }
}

#[async_trait::async_trait]
impl Companies for ScriptedCompanies {
    async fn granted(&self, grant: NewGrant<'_>) -> Result<GrantedCompanies, CompanyError> {
        match (self.0.lock().unwrap().clone(), grant.named) {
            (Some(granted), _) => Ok(granted),
            (None, Some(named)) if named.as_str() != FOREIGN_REALM => Ok(GrantedCompanies {
                chosen: vec![company(Provider::QuickBooks, named.as_str())],
                reachable: vec![named.clone()],
            }),
            (None, _) => Err(CompanyError::Foreign),
        }
    }
}
