//! Asking a provider which books a new grant is for.

use async_trait::async_trait;
use thiserror::Error;

use crate::{
    connection::Company,
    id::{Location, ProviderCompanyId},
    secret::AccessToken,
    store::BoxError,
};

/// A grant whose companies are asked for.
#[derive(Clone, Copy, Debug)]
pub struct NewGrant<'a> {
    /// Its access token.
    pub access: &'a AccessToken,
    /// The company that the callback named: unproven until the provider confirms it.
    pub named: Option<&'a ProviderCompanyId>,
    /// The data centre that holds the grant, where the provider has several.
    pub location: Option<&'a Location>,
}

/// The companies of a grant.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct GrantedCompanies {
    /// Those that the person chose in this authorization.
    pub chosen: Vec<Company>,
    /// All that the tokens reach, those of earlier authorizations by the same person included.
    pub reachable: Vec<ProviderCompanyId>,
}

impl GrantedCompanies {
    /// Whether the tokens reach a company.
    #[must_use]
    pub fn reaches(&self, company: &ProviderCompanyId) -> bool {
        self.reachable.contains(company) || self.chosen.iter().any(|chosen| chosen.provider_id == *company)
    }
}

/// Why the companies of a grant are not known.
#[derive(Debug, Error)]
pub enum CompanyError {
    /// The provider answers that this token has no right to the named company.
    #[error("the token is not for this company")]
    Foreign,
    /// The grant reaches no company.
    #[error("the grant is for no company")]
    NoCompany,
    /// The grant reaches more companies than one connection can have.
    #[error("the grant is for {found} companies")]
    TooMany {
        /// How many it reaches.
        found: usize,
    },
    /// The grant lacks the scope that listing companies takes.
    #[error("the grant lacks the scope {scope}")]
    ScopeMissing {
        /// That scope.
        scope: &'static str,
    },
    /// The provider gave no usable answer.
    #[error("the companies could not be read")]
    Unavailable(#[source] BoxError),
}

/// Asks a provider which books a new grant is for.
#[async_trait]
pub trait Companies: Send + Sync {
    /// The companies of a grant, each of them proven by an answer of the provider to its access token.
    async fn granted(&self, grant: NewGrant<'_>) -> Result<GrantedCompanies, CompanyError>;
}
