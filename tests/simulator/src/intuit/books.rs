//! Companies and the objects in their books.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{entities::Entity, time::pacific};

/// All companies, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Books(Vec<Company>);

/// One company.
#[derive(Debug)]
pub(crate) struct Company {
    pub(crate) realm_id: String,
    pub(crate) name: String,
    created_at: Timestamp,
    last_id: u64,
    records: BTreeMap<&'static str, BTreeMap<u64, Record>>,
    /// Answers by `requestid`, so that a repeated write gets the first answer.
    pub(crate) answered: HashMap<String, Value>,
}

/// One object with what its JSON does not say precisely enough.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) body: Map<String, Value>,
    pub(crate) updated_at: Timestamp,
    pub(crate) deleted: bool,
}

impl Books {
    pub(crate) fn companies(&self) -> &[Company] {
        &self.0
    }

    pub(crate) fn find(&self, realm_id: &str) -> Option<&Company> {
        self.0.iter().find(|company| company.realm_id == realm_id)
    }

    pub(crate) fn find_mut(&mut self, realm_id: &str) -> Option<&mut Company> {
        self.0.iter_mut().find(|company| company.realm_id == realm_id)
    }

    /// Adds a company; false if its realm id is taken.
    pub(crate) fn add(&mut self, company: Company) -> bool {
        if self.find(&company.realm_id).is_some() {
            return false;
        }
        self.0.push(company);
        true
    }

    /// Removes a company; false if there is none.
    pub(crate) fn remove(&mut self, realm_id: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|company| company.realm_id != realm_id);
        self.0.len() < before
    }
}

impl Company {
    pub(crate) fn new(realm_id: String, name: String, created_at: Timestamp) -> Self {
        Self { realm_id, name, created_at, last_id: 0, records: BTreeMap::new(), answered: HashMap::new() }
    }

    /// Returns the objects of a kind in the order of their ids, deleted ones too.
    pub(crate) fn records(&self, entity: &str) -> impl Iterator<Item = &Record> {
        self.records.get(entity).into_iter().flat_map(BTreeMap::values)
    }

    /// Returns how many objects of each kind there are.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, usize> {
        let live =
            |records: &BTreeMap<u64, Record>| records.values().filter(|record| !record.deleted).count();
        self.records.iter().map(|(name, records)| (*name, live(records))).collect()
    }

    /// Finds an object that was not deleted.
    pub(crate) fn find(&self, entity: Entity, id: &str) -> Option<&Record> {
        let record = self.records.get(entity.name)?.get(&id.parse().ok()?)?;
        (!record.deleted).then_some(record)
    }

    /// Adds an object, giving it an id, its first sync token and its times.
    pub(crate) fn insert(
        &mut self,
        entity: Entity,
        mut body: Map<String, Value>,
        at: Timestamp,
    ) -> Map<String, Value> {
        self.last_id += 1;
        let id = self.last_id;
        body.insert("Id".to_owned(), id.to_string().into());
        body.insert("SyncToken".to_owned(), "0".into());
        body.insert(
            "MetaData".to_owned(),
            json!({ "CreateTime": pacific(at), "LastUpdatedTime": pacific(at) }),
        );
        self.put(entity, id, body, at)
    }

    /// Replaces an object's members, raising its sync token; `None` if there is no such object.
    pub(crate) fn replace(
        &mut self,
        entity: Entity,
        id: &str,
        mut body: Map<String, Value>,
        at: Timestamp,
    ) -> Option<Map<String, Value>> {
        let old = self.find(entity, id)?;
        let token = sync_token(&old.body).parse::<u64>().unwrap_or_default() + 1;
        let created = old.body.get("MetaData").and_then(|meta| meta.get("CreateTime")).cloned();
        body.insert("Id".to_owned(), id.into());
        body.insert("SyncToken".to_owned(), token.to_string().into());
        body.insert("MetaData".to_owned(), json!({ "CreateTime": created, "LastUpdatedTime": pacific(at) }));
        Some(self.put(entity, id.parse().ok()?, body, at))
    }

    /// Deletes an object, keeping what change data capture tells about it; false if there is none.
    pub(crate) fn delete(&mut self, entity: Entity, id: &str, at: Timestamp) -> bool {
        let Some(record) =
            id.parse().ok().and_then(|id: u64| self.records.get_mut(entity.name)?.get_mut(&id))
        else {
            return false;
        };
        if record.deleted {
            return false;
        }
        record.deleted = true;
        record.updated_at = at;
        true
    }

    /// Writes the company's own data as `CompanyInfo`.
    pub(crate) fn info(&self) -> Value {
        json!({
            "Id": "1", "SyncToken": "4", "domain": "QBO", "sparse": false,
            "CompanyName": self.name, "LegalName": self.name, "Country": "US",
            "CompanyAddr": {
                "Id": "1", "Line1": "123 Sierra Way", "City": "San Pablo", "CountrySubDivisionCode": "CA",
                "PostalCode": "87999", "Country": "USA",
            },
            "Email": { "Address": "owner@example.com" }, "WebAddr": {}, "PrimaryPhone": {},
            "CompanyStartDate": &pacific(self.created_at)[..10], "FiscalYearStartMonth": "January",
            "SupportedLanguages": "en",
            "NameValue": [
                { "Name": "NeoEnabled", "Value": "true" },
                { "Name": "OfferingSku", "Value": "QuickBooks Online Plus" },
            ],
            "MetaData": { "CreateTime": pacific(self.created_at), "LastUpdatedTime": pacific(self.created_at) },
        })
    }

    fn put(
        &mut self,
        entity: Entity,
        id: u64,
        mut body: Map<String, Value>,
        at: Timestamp,
    ) -> Map<String, Value> {
        body.entry("domain").or_insert_with(|| "QBO".into());
        body.insert("sparse".to_owned(), false.into());
        let record = Record { body: body.clone(), updated_at: at, deleted: false };
        self.records.entry(entity.name).or_default().insert(id, record);
        body
    }
}

/// Returns an object's sync token.
pub(crate) fn sync_token(body: &Map<String, Value>) -> &str {
    body.get("SyncToken").and_then(Value::as_str).unwrap_or_default()
}
