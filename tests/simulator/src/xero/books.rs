//! Organizations and the objects in their books.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{resources::Resource, time};

/// An object's JSON.
pub(crate) type Members = Map<String, Value>;

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
    pub(crate) books: Books,
}

/// The objects of an organization.
#[derive(Debug, Default)]
pub(crate) struct Books {
    kinds: BTreeMap<&'static str, Kind>,
    /// What was written since the last request that was kept or undone.
    journal: Vec<Written>,
}

/// The objects of one kind, oldest first.
#[derive(Debug, Default)]
struct Kind {
    records: Vec<Record>,
    by_id: HashMap<String, usize>,
}

/// One object.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) body: Members,
    pub(crate) updated_at: Timestamp,
}

/// One write, with what was there before.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) resource: Resource,
    pub(crate) id: String,
    before: Option<Record>,
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
    pub(crate) fn new(tenant_id: String, name: String, created_at: Timestamp) -> Self {
        let (offline, forbidden, books) = (false, false, Books::default());
        Self { tenant_id, name, created_at, offline, forbidden, books }
    }

    /// Writes the organization's own data as `Organisation`.
    pub(crate) fn info(&self) -> Value {
        json!({
            "OrganisationID": self.tenant_id, "APIKey": "", "Name": self.name, "LegalName": self.name,
            "PaysTax": true, "Version": "GLOBAL", "OrganisationType": "COMPANY", "BaseCurrency": "USD",
            "CountryCode": "US", "IsDemoCompany": true, "OrganisationStatus": "ACTIVE",
            "FinancialYearEndDay": 31, "FinancialYearEndMonth": 12, "DefaultSalesTax": "Tax Exclusive",
            "DefaultPurchasesTax": "Tax Exclusive", "CreatedDateUTC": time::slash_date(self.created_at),
            "Timezone": "UTC", "OrganisationEntityType": "COMPANY", "ShortCode": "!simul", "Class": "DEMO",
            "Edition": "BUSINESS", "LineOfBusiness": "", "Addresses": [], "Phones": [],
            "ExternalLinks": [], "PaymentTerms": {},
        })
    }
}

impl Books {
    /// Returns the objects of a kind, oldest first.
    pub(crate) fn records(&self, resource: Resource) -> &[Record] {
        self.kinds.get(resource.name).map_or(&[], |kind| &kind.records)
    }

    /// Finds an object by its id.
    pub(crate) fn find(&self, resource: Resource, id: &str) -> Option<&Record> {
        let kind = self.kinds.get(resource.name)?;
        kind.records.get(*kind.by_id.get(&id.to_ascii_lowercase())?)
    }

    /// Finds an object by the number or name that no other one has, unless it is gone.
    pub(crate) fn find_numbered(&self, resource: Resource, number: &str) -> Option<&Record> {
        let member = resource.number.filter(|_| !number.is_empty())?;
        self.records(resource).iter().find(|record| {
            text(&record.body, member).eq_ignore_ascii_case(number)
                && !matches!(text(&record.body, resource.status), "ARCHIVED" | "DELETED" | "VOIDED")
        })
    }

    /// Writes an object, giving it its id and the time of the change.
    pub(crate) fn put(&mut self, resource: Resource, id: &str, mut body: Members, at: Timestamp) -> &Record {
        body.insert(resource.id.to_owned(), id.into());
        body.insert("UpdatedDateUTC".to_owned(), time::slash_date(at).into());
        if resource.category.is_some_and(|category| category != "CONTACT") || resource.name == "Payments" {
            body.insert("UpdatedDateUTCString".to_owned(), time::seconds(at).into());
        }
        let record = Record { id: id.to_owned(), body, updated_at: at };
        let kind = self.kinds.entry(resource.name).or_default();
        let known = kind.by_id.get(id).copied();
        let place = known.unwrap_or(kind.records.len());
        let before = if known.is_some() {
            Some(std::mem::replace(&mut kind.records[place], record))
        } else {
            kind.by_id.insert(id.to_owned(), place);
            kind.records.push(record);
            None
        };
        self.journal.push(Written { resource, id: id.to_owned(), before });
        &kind.records[place]
    }

    /// Removes objects for good, as Xero does with items and accounts that nothing uses; nobody is told.
    pub(crate) fn remove(&mut self, resource: Resource, ids: &[String]) {
        let Some(kind) = self.kinds.get_mut(resource.name) else { return };
        kind.records.retain(|record| !ids.contains(&record.id));
        let places = kind.records.iter().enumerate();
        kind.by_id = places.map(|(place, record)| (record.id.clone(), place)).collect();
    }

    /// Keeps what was written, and returns it.
    pub(crate) fn keep(&mut self) -> Vec<Written> {
        std::mem::take(&mut self.journal)
    }

    /// Takes back what was written, last to first.
    pub(crate) fn undo(&mut self) {
        for written in std::mem::take(&mut self.journal).into_iter().rev() {
            let Some(kind) = self.kinds.get_mut(written.resource.name) else {
                continue;
            };
            if let (Some(before), Some(place)) = (written.before, kind.by_id.get(&written.id)) {
                kind.records[*place] = before;
            } else {
                // What was created last stands last.
                kind.records.pop();
                kind.by_id.remove(&written.id);
            }
        }
    }
}

impl Written {
    pub(crate) fn creates(&self) -> bool {
        self.before.is_none()
    }
}

/// Returns a member's text, empty if it has none.
pub(crate) fn text<'a>(body: &'a Members, member: &str) -> &'a str {
    body.get(member).and_then(Value::as_str).unwrap_or_default()
}

/// Returns a member's amount, 0 if it has none.
pub(crate) fn amount(body: &Members, member: &str) -> f64 {
    body.get(member).and_then(Value::as_f64).unwrap_or_default()
}
