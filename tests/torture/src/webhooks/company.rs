//! Companies: each has a number, from which everything else about it follows.

use domain::{
    connection::ConnectionKey,
    id::{CompanyId, ProviderCompanyId},
    provider::Provider,
    sync::RecordPlace,
};

/// Companies are of these in turn.
pub(super) const PROVIDERS: [Provider; 3] = [Provider::QuickBooks, Provider::Xero, Provider::Zoho];
/// Every so-manieth company is shared by two tenants.
const SHARED: usize = 7;
/// From this number on companies were given up.
const RELEASED: usize = 300_000;
/// From this number on nobody connected them.
const UNKNOWN: usize = 600_000;

/// A company, by its number.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Company(pub(super) usize);

impl Company {
    /// The company of the same provider that was given up.
    pub(super) fn released(self) -> Self {
        Self(RELEASED + self.place_of_provider())
    }

    /// A company of the same provider that nobody connected.
    pub(super) fn unknown(self) -> Self {
        Self(UNKNOWN + self.place_of_provider())
    }

    pub(super) fn place_of_provider(self) -> usize {
        self.0 % PROVIDERS.len()
    }

    pub(super) fn provider(self) -> Provider {
        PROVIDERS[self.place_of_provider()]
    }

    /// The provider's id, as it writes one.
    pub(super) fn id(self) -> ProviderCompanyId {
        let id = match self.provider() {
            Provider::QuickBooks => format!("{}", 9_130_000_000_u64 + self.0 as u64),
            Provider::Xero => format!("e629a03c-7ffe-4913-bc94-{:012}", self.0),
            Provider::Zoho => format!("{}", 60_000_000_000_u64 + self.0 as u64),
        };
        id.parse().unwrap()
    }

    /// How many tenants have it.
    pub(super) fn tenants(self) -> usize {
        if self.0.is_multiple_of(SHARED) { 2 } else { 1 }
    }

    /// The connection of a tenant that has it.
    pub(super) fn key(self, tenant: usize) -> ConnectionKey {
        ConnectionKey {
            tenant: format!("tenant_{}_{tenant}", self.0).parse().unwrap(),
            connection: format!("conn_{}_{tenant}", self.0).parse().unwrap(),
        }
    }

    /// Where a tenant's copy of its books is.
    pub(super) fn place(self, tenant: usize) -> RecordPlace {
        let company = CompanyId::of(self.provider(), &self.id());
        RecordPlace { tenant: self.key(tenant).tenant, company }
    }
}
