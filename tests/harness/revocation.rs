//! A provider that ends grants by script.

use std::{
    collections::VecDeque,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use domain::{
    id::{Location, ProviderCompanyId},
    sealing::fingerprint,
    secret::AccessToken,
    token::{EndingGrant, Revocation, RevocationError},
};

/// What a [`ScriptedRevocation`] was asked to end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Revoked {
    /// A whole grant.
    Grant {
        /// The fingerprint of its refresh token.
        refresh: String,
        /// The access token that came with it.
        access: Option<String>,
        /// The data center that was asked.
        location: Option<Location>,
        /// The companies that came with it.
        companies: Vec<ProviderCompanyId>,
    },
    /// The access to one company.
    Company {
        /// The access token that it was asked with.
        access: String,
        /// The company.
        company: ProviderCompanyId,
    },
}

/// Ends grants as it was told to, then without fail, and remembers what it was asked for.
#[derive(Debug, Default)]
pub struct ScriptedRevocation {
    needs_access: AtomicBool,
    script: Mutex<VecDeque<Result<(), RevocationError>>>,
    asked: Mutex<Vec<Revoked>>,
}

impl ScriptedRevocation {
    /// Says from now on whether ending a grant takes an access token; at first it does not.
    pub fn need_access(&self, needs_access: bool) {
        self.needs_access.store(needs_access, Ordering::SeqCst);
    }

    /// Adds the answer to the next call that has none yet.
    pub fn answer(&self, answer: Result<(), RevocationError>) {
        self.script.lock().unwrap().push_back(answer);
    }

    /// What it was asked to end, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<Revoked> {
        self.asked.lock().unwrap().clone()
    }

    async fn call(&self, revoked: Revoked) -> Result<(), RevocationError> {
        self.asked.lock().unwrap().push(revoked);
        // Others may run here, as during a real request.
        tokio::task::yield_now().await;
        self.script.lock().unwrap().pop_front().unwrap_or(Ok(()))
    }
}

#[async_trait]
impl Revocation for ScriptedRevocation {
    fn needs_access(&self) -> bool {
        self.needs_access.load(Ordering::SeqCst)
    }

    async fn revoke(&self, grant: EndingGrant<'_>) -> Result<(), RevocationError> {
        let EndingGrant { refresh, access, location, companies } = grant;
        self.call(Revoked::Grant {
            refresh: fingerprint(refresh),
            access: access.map(|access| access.expose().to_owned()),
            location: location.cloned(),
            companies: companies.to_vec(),
        })
        .await
    }

    async fn remove_company(
        &self,
        access: &AccessToken,
        company: &ProviderCompanyId,
    ) -> Result<(), RevocationError> {
        self.call(Revoked::Company { access: access.expose().to_owned(), company: company.clone() }).await
    }
}
