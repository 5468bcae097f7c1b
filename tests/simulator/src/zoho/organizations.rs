//! Organizations and the records in their books.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    answers::ApiFault, homes::Home, locations::Location, options::ZohoOrganizationOptions,
    resources::Resource, webhooks::Webhook,
};

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
    pub(crate) webhooks: Vec<Webhook>,
    ids_made: u64,
    records: BTreeMap<&'static str, BTreeMap<u64, Record>>,
    /// Who has what no two records of a kind share.
    holders: HashMap<(&'static str, String), u64>,
}

/// One record with what its JSON does not say precisely enough.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) body: Map<String, Value>,
    pub(crate) created_at: Timestamp,
    pub(crate) modified_at: Timestamp,
}

impl Organizations {
    pub(crate) fn list(&self) -> &[Organization] {
        &self.0
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Organization> {
        self.0.iter().find(|organization| organization.id == id)
    }

    pub(crate) fn find_mut(&mut self, id: &str) -> Option<&mut Organization> {
        self.0.iter_mut().find(|organization| organization.id == id)
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
    pub(crate) fn new(id: String, options: &ZohoOrganizationOptions, created_at: Timestamp) -> Self {
        Self {
            id,
            location: options.location,
            name: options.name.clone(),
            created_at,
            webhooks: Vec::new(),
            ids_made: 0,
            records: BTreeMap::new(),
            holders: HashMap::new(),
        }
    }

    /// Writes the organization as the list of organizations has it.
    pub(crate) fn row(&self, is_default: bool, now: Timestamp) -> Value {
        let home = self.home();
        json!({
            "organization_id": self.id, "name": self.name, "contact_name": "Simulated Owner",
            "email": "owner@example.com", "is_default_org": is_default, "language_code": "en",
            "fiscal_year_start_month": "1", "account_created_date": home.date(self.created_at),
            "time_zone": home.zone_name, "is_dst_active": home.has_summer_time(now), "date_format": "MM/dd/yyyy",
            "currency_id": "460000000000000097", "currency_code": home.currency, "price_precision": 2,
            "plan_type": 3, "plan_name": "Professional", "plan_period": "Month", "country_code": home.country,
            "portal_name": format!("portal{}", self.id), "org_settings": { "is_org_active": true },
        })
    }

    pub(crate) fn home(&self) -> Home {
        Home::of(self.location)
    }

    /// Makes the next id: a digit string that belongs to this organization and is above 2^53.
    fn next_id(&mut self) -> u64 {
        self.ids_made += 1;
        let own = self.id.parse::<u64>().unwrap_or_default() % 400_000;
        (460_000 + own) * 1_000_000_000_000 + self.ids_made * 1_000 + 1
    }

    /// Returns the records of a kind in the order of their ids.
    pub(crate) fn records(&self, resource: &Resource) -> impl Iterator<Item = &Record> {
        self.records.get(resource.path).into_iter().flat_map(BTreeMap::values)
    }

    /// Returns how many records of each kind there are.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, usize> {
        self.records.iter().map(|(path, records)| (*path, records.len())).collect()
    }

    /// Returns how many records of a kind there are.
    pub(crate) fn count(&self, resource: &Resource) -> usize {
        self.records.get(resource.path).map_or(0, BTreeMap::len)
    }

    /// Finds the id of the record that has this value where no two have the same.
    pub(crate) fn holder(&self, resource: &Resource, value: &Value) -> Option<String> {
        self.holders.get(&(resource.path, value.to_string())).map(u64::to_string)
    }

    pub(crate) fn find(&self, resource: &Resource, id: &str) -> Option<&Record> {
        self.records.get(resource.path)?.get(&id.parse().ok()?)
    }

    /// Keeps a record under a new id, with its times.
    pub(crate) fn insert(
        &mut self,
        resource: &'static Resource,
        mut body: Map<String, Value>,
        at: Timestamp,
    ) -> Map<String, Value> {
        let (id, time) = (self.next_id(), Value::from(self.home().time(at)));
        body.insert(resource.id_member.to_owned(), id.to_string().into());
        body.insert("created_time".to_owned(), time);
        self.put(resource, (id, body), at)
    }

    /// Replaces a record's members; `None` if there is no such record.
    pub(crate) fn replace(
        &mut self,
        resource: &'static Resource,
        id: &str,
        mut body: Map<String, Value>,
        at: Timestamp,
    ) -> Option<Map<String, Value>> {
        let old = self.find(resource, id)?;
        for own in [resource.id_member, "created_time"] {
            body.insert(own.to_owned(), old.body.get(own).cloned().unwrap_or_default());
        }
        Some(self.put(resource, (id.parse().ok()?, body), at))
    }

    /// Removes a record for good and returns what it was.
    pub(crate) fn delete(&mut self, resource: &Resource, id: &str) -> Option<Map<String, Value>> {
        let records = self.records.get_mut(resource.path)?;
        let body = records.remove(&id.parse().ok()?)?.body;
        self.holders.retain(|(path, _), holder| *path != resource.path || holder.to_string() != id);
        Some(body)
    }

    /// Sets up a webhook.
    pub(crate) fn add_webhook(&mut self, body: Map<String, Value>) -> Result<&Webhook, ApiFault> {
        let webhook = Webhook::read(self.next_id().to_string(), body)?;
        self.webhooks.push(webhook);
        self.webhooks.last().ok_or_else(|| ApiFault::not_found("Webhook"))
    }

    /// Removes a webhook; false if there is none.
    pub(crate) fn remove_webhook(&mut self, id: &str) -> bool {
        let before = self.webhooks.len();
        self.webhooks.retain(|webhook| webhook.id != id);
        self.webhooks.len() < before
    }

    fn put(
        &mut self,
        resource: &'static Resource,
        (id, mut body): (u64, Map<String, Value>),
        at: Timestamp,
    ) -> Map<String, Value> {
        let time = Value::from(self.home().time(at));
        for member in ["last_modified_time", "updated_time"] {
            body.insert(member.to_owned(), time.clone());
        }
        // Clients see whole seconds, so the filter must not know more.
        let at = Timestamp::from_second(at.as_second()).unwrap_or(at);
        let records = self.records.entry(resource.path).or_default();
        let old = records.get(&id);
        let created_at = old.map_or(at, |old| old.created_at);
        let held = |body: &Map<String, Value>| Some((resource.path, body.get(resource.unique?)?.to_string()));
        if let Some(held) = old.and_then(|old| held(&old.body)) {
            self.holders.remove(&held);
        }
        self.holders.extend(held(&body).map(|held| (held, id)));
        records.insert(id, Record { body: body.clone(), created_at, modified_at: at });
        body
    }
}
