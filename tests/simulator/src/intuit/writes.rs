//! Creates, updates, deletes and voids objects, with the checks that Intuit makes.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    answers::ApiFault,
    books::{Company, sync_token},
    entities::{self, Entity, Family},
};

type Body = Map<String, Value>;

/// Members that every version of an object has from its own history, not from the request.
const OWN_MEMBERS: &[&str] = &["Id", "SyncToken", "MetaData", "domain", "sparse", "status"];

/// What Intuit puts before the note of a transaction that is voided.
pub(crate) const VOIDED: &str = "Voided";

/// What a POST to an entity means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Write {
    Create,
    Update,
    Delete,
    Void,
}

impl Write {
    /// Reads from the parameters and the body what is asked.
    pub(crate) fn of(operation: Option<&str>, include: Option<&str>, body: &Body) -> Result<Self, ApiFault> {
        match (operation, include) {
            (Some("delete"), _) => Ok(Self::Delete),
            (Some("void"), _) | (Some("update"), Some("void")) => Ok(Self::Void),
            (None | Some("update"), _) if body.contains_key("Id") => Ok(Self::Update),
            (None | Some("create"), _) => Ok(Self::Create),
            _ => Err(ApiFault::validation(
                "2020",
                "Required param missing",
                "Id is required for this operation",
            )),
        }
    }
}

/// Carries out a write; returns the object to answer with and the operation's name in webhooks.
pub(crate) fn run(
    company: &mut Company,
    entity: Entity,
    (write, body): (Write, Body),
    now: Timestamp,
) -> Result<(Body, &'static str), ApiFault> {
    match write {
        Write::Create => {
            check(company, entity, &body, None)?;
            let body = completed(entity, without_own(body));
            Ok((company.insert(entity, body, now), "created"))
        }
        Write::Update => {
            let (id, old) = current(company, entity, &body)?;
            let sparse = body.get("sparse") == Some(&Value::Bool(true));
            let mut merged = if sparse { without_own(old) } else { Body::new() };
            merged.extend(without_own(body));
            check(company, entity, &merged, Some(&id))?;
            replaced(company, entity, (id, completed(entity, merged)), now).map(|body| (body, "updated"))
        }
        Write::Delete => {
            let (id, _) = current(company, entity, &body)?;
            if entity.family == Family::List {
                return Err(ApiFault::validation(
                    "500",
                    "Unsupported Operation",
                    "Operation Delete is not supported.",
                ));
            }
            company.delete(entity, &id, now);
            let gone = json!({ "domain": "QBO", "status": "Deleted", "Id": id });
            Ok((gone.as_object().cloned().unwrap_or_default(), "deleted"))
        }
        Write::Void => {
            let (id, old) = current(company, entity, &body)?;
            let body = voided(without_own(old));
            replaced(company, entity, (id, body), now).map(|body| (body, "void"))
        }
    }
}

/// Returns the object that a write names, if the writer saw its latest version.
fn current(company: &Company, entity: Entity, body: &Body) -> Result<(String, Body), ApiFault> {
    let id = body.get("Id").and_then(Value::as_str).unwrap_or_default();
    let record = company.find(entity, id).ok_or_else(ApiFault::not_found)?;
    if body.get("SyncToken").and_then(Value::as_str) != Some(sync_token(&record.body)) {
        return Err(ApiFault::validation(
            "5010",
            "Stale Object Error",
            "Stale Object Error : You and another user were working on this at the same time. \
             The other user finished before you did, so your work was not saved.",
        ));
    }
    Ok((id.to_owned(), record.body.clone()))
}

fn replaced(
    company: &mut Company,
    entity: Entity,
    (id, body): (String, Body),
    now: Timestamp,
) -> Result<Body, ApiFault> {
    company.replace(entity, &id, body, now).ok_or_else(ApiFault::not_found)
}

/// Checks what a create or update must have.
fn check(company: &Company, entity: Entity, body: &Body, own_id: Option<&str>) -> Result<(), ApiFault> {
    let has = |name: &str| body.get(name).is_some_and(|value| !value.is_null());
    match entity.name {
        "Customer" | "Vendor" | "Employee" => {
            if !["DisplayName", "GivenName", "FamilyName"].into_iter().any(has) {
                return Err(missing(
                    "At least one of: Title, GivenName, MiddleName, FamilyName, DisplayName",
                ));
            }
            if is_taken(company, entity, ("DisplayName", body), own_id) {
                return Err(ApiFault::validation(
                    "6240",
                    "Duplicate Name Exists Error",
                    "The name supplied already exists. : null",
                ));
            }
        }
        "Invoice" => {
            for required in ["CustomerRef", "Line"] {
                if !has(required) {
                    return Err(missing(required));
                }
            }
            let customer = body.get("CustomerRef").and_then(|reference| reference.get("value")?.as_str());
            let customers = entities::by_name("Customer");
            if customers
                .is_none_or(|customers| company.find(customers, customer.unwrap_or_default()).is_none())
            {
                return Err(ApiFault::validation(
                    "2500",
                    "Invalid Reference Id",
                    "Invalid Reference Id : Customer",
                ));
            }
            if is_taken(company, entity, ("DocNumber", body), own_id) {
                return Err(ApiFault::validation(
                    "6140",
                    "Duplicate Document Number Error",
                    "Duplicate Document Number Error : You must specify a different number.",
                ));
            }
        }
        _ => {}
    }
    Ok(())
}

fn missing(name: &str) -> ApiFault {
    ApiFault::validation(
        "2020",
        "Required param missing, need to supply the required value for the API",
        format!("Required parameter {name} is missing in the request"),
    )
}

fn is_taken(company: &Company, entity: Entity, (name, body): (&str, &Body), own_id: Option<&str>) -> bool {
    let Some(wanted) = body.get(name).and_then(Value::as_str) else {
        return false;
    };
    company.records(entity.name).any(|record| {
        !record.deleted
            && record.body.get(name).and_then(Value::as_str) == Some(wanted)
            && record.body.get("Id").and_then(Value::as_str) != own_id
    })
}

/// Fills in what Intuit computes.
fn completed(entity: Entity, mut body: Body) -> Body {
    if entity.family == Family::List {
        body.entry("Active").or_insert(Value::Bool(true));
    }
    if matches!(entity.name, "Customer" | "Vendor" | "Employee") && !body.contains_key("DisplayName") {
        let part = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let name = format!("{} {}", part("GivenName"), part("FamilyName")).trim().to_owned();
        body.insert("DisplayName".to_owned(), name.into());
    }
    if entity.name == "Invoice" {
        let lines = body.get("Line").and_then(Value::as_array).into_iter().flatten();
        let total: f64 = lines
            .filter(|line| line.get("DetailType").and_then(Value::as_str) != Some("SubTotalLineDetail"))
            .filter_map(|line| line.get("Amount")?.as_f64())
            .sum();
        // Sums of cents must not show the noise of binary fractions.
        let total = (total * 100.0).round() / 100.0;
        body.insert("TotalAmt".to_owned(), total.into());
        body.entry("Balance").or_insert_with(|| total.into());
    }
    body
}

/// Empties a transaction.
pub(crate) fn voided(mut body: Body) -> Body {
    for amount in ["TotalAmt", "Balance"] {
        if body.contains_key(amount) {
            body.insert(amount.to_owned(), json!(0));
        }
    }
    let note = match body.get("PrivateNote").and_then(Value::as_str) {
        Some(note) => format!("{VOIDED} - {note}"),
        None => VOIDED.to_owned(),
    };
    body.insert("PrivateNote".to_owned(), note.into());
    if let Some(lines) = body.get_mut("Line").and_then(Value::as_array_mut) {
        for line in lines {
            line["Amount"] = json!(0);
        }
    }
    body
}

/// Leaves only what a request may say.
pub(crate) fn without_own(mut body: Body) -> Body {
    for member in OWN_MEMBERS {
        body.remove(*member);
    }
    body
}
