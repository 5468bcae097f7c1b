//! Organizations and the records in their books.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{homes::Home, locations::Location, options::ZohoOrganizationOptions};

/// All organizations, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Organizations(Vec<Organization>);

/// One organization.
#[derive(Debug)]
pub(crate) struct Organization {
    pub(crate) id: String,
    pub(crate) location: Location,
    pub(crate) name: String,
    created_at: Timestamp,
}

impl Organizations {
    pub(crate) fn new(options: &[ZohoOrganizationOptions], now: Timestamp) -> Self {
        let mut all = Self::default();
        for one in options {
            if let Some(id) = &one.organization_id {
                all.add(Organization::new(id.clone(), one, now));
            }
        }
        all
    }

    pub(crate) fn list(&self) -> &[Organization] {
        &self.0
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Organization> {
        self.0.iter().find(|organization| organization.id == id)
    }

    /// Adds an organization; false if its id is taken.
    pub(crate) fn add(&mut self, organization: Organization) -> bool {
        if self.find(&organization.id).is_some() {
            return false;
        }
        self.0.push(organization);
        true
    }

    /// Removes an organization; false if there is none.
    pub(crate) fn remove(&mut self, id: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|organization| organization.id != id);
        self.0.len() < before
    }
}

impl Organization {
    pub(crate) fn new(id: String, options: &ZohoOrganizationOptions, now: Timestamp) -> Self {
        Self { id, location: options.location, name: options.name.clone(), created_at: now }
    }

    /// Writes the organization as the list of organizations has it.
    pub(crate) fn row(&self, is_default: bool, now: Timestamp) -> Value {
        let home = Home::of(self.location);
        json!({
            "organization_id": self.id, "name": self.name, "contact_name": "Simulated Owner",
            "email": "owner@example.com", "is_default_org": is_default, "language_code": "en",
            "fiscal_year_start_month": 0, "account_created_date": home.date(self.created_at),
            "time_zone": home.zone_name, "is_dst_active": home.has_summer_time(now), "date_format": "dd MMM yyyy",
            "currency_id": "460000000000097", "currency_code": home.currency, "currency_symbol": home.currency,
            "price_precision": 2, "plan_type": 3, "plan_name": "Professional", "plan_period": "Month",
            "country_code": home.country, "country": home.country, "portal_name": format!("portal{}", self.id),
            "org_settings": { "is_org_active": true },
        })
    }
}
