//! Organizations.

use jiff::Timestamp;

use super::options::{XeroOptions, XeroOrganizationOptions};

/// All organizations, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Organizations(Vec<Organization>);

/// One organization.
#[derive(Debug)]
pub(crate) struct Organization {
    pub(crate) tenant_id: String,
    pub(crate) name: String,
    pub(crate) created_at: Timestamp,
    /// Whether its part of the API is out of order.
    pub(crate) offline: bool,
    /// Whether it refuses apps that are connected to it.
    pub(crate) forbidden: bool,
}

impl Organizations {
    pub(crate) fn all(&self) -> &[Organization] {
        &self.0
    }

    pub(crate) fn find(&self, tenant_id: &str) -> Option<&Organization> {
        self.0.iter().find(|known| known.tenant_id == tenant_id)
    }

    pub(crate) fn find_mut(&mut self, tenant_id: &str) -> Option<&mut Organization> {
        self.0.iter_mut().find(|known| known.tenant_id == tenant_id)
    }

    /// Adds an organization; false if its id is taken.
    pub(crate) fn add(&mut self, organization: Organization) -> bool {
        if self.find(&organization.tenant_id).is_some() {
            return false;
        }
        self.0.push(organization);
        true
    }

    /// Removes an organization; false if there is none.
    pub(crate) fn remove(&mut self, tenant_id: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|known| known.tenant_id != tenant_id);
        self.0.len() < before
    }
}

impl Organization {
    pub(crate) fn new(tenant_id: String, options: &XeroOrganizationOptions, created_at: Timestamp) -> Self {
        Self { tenant_id, name: options.name.clone(), created_at, offline: false, forbidden: false }
    }
}

/// Makes the organizations that exist at the start.
pub(crate) fn first_organizations(options: &XeroOptions, now: Timestamp) -> Organizations {
    let made = options.organizations.iter().filter_map(|organization| {
        let tenant_id = organization.tenant_id.clone()?;
        Some(Organization::new(tenant_id, organization, now))
    });
    Organizations(made.collect())
}
